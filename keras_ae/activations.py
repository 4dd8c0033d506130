"""What the layers of an encoder give, as features: any layer, averaged over regions where it has places."""

import keras
import numpy as np
from keras import ops


def encoder_to(model, layer: str | None = None, grid: int | None = None) -> keras.Model:
    """Return x -> features (batch, d), made of the encoder's own layers and weights.

    Args:
        model: an `Autoencoder`.
        layer: the name of a layer of its encoder; None means the code, for variational models the posterior mean.
        grid: average a map over `grid` regions a side; None keeps every place.

    Raises:
        ValueError: an unknown layer; a grid below 1, beyond the sides, or for a layer without places.
    """
    encoder = model.encoder
    features = _code(model) if layer is None else _output(encoder, layer)
    shape = tuple(features.shape[1:])
    if grid is not None:
        if len(shape) < 2 or not 1 <= grid <= min(shape[:-1]):
            place = f"layer {layer!r}" if layer else "the code"
            raise ValueError(f"grid={grid} must be from 1 to the sides of a map, and {place} has shape {shape}.")
        features = averaged(features, (grid,) * (len(shape) - 1))
    return keras.Model(encoder.input, ops.reshape(features, (-1, int(np.prod(features.shape[1:])))), name="encoder")


def convolutions(encoder: keras.Model) -> keras.Model:
    """Return a model of images to the outputs of all convolutions, by the layers' names.

    Raises:
        ValueError: an encoder without convolutions of images.
    """
    maps = {layer.name: layer.output for layer in encoder.layers if isinstance(layer, keras.layers.Conv2D)}
    if not maps:
        raise ValueError("This encoder has no convolutions of images, and so no feature maps.")
    return keras.Model(encoder.input, maps)


def averaged(maps, grid: tuple[int, ...]):
    """Return means over so many regions of each side, which share places where they do not divide it: (n, *sides, c).

    `keras.ops.adaptive_average_pool` of Keras 3.15 is meant for this, and fails for a single region.
    """
    for axis, regions in enumerate(grid, start=1):
        averages = _averages(maps.shape[axis], regions).astype(keras.backend.standardize_dtype(maps.dtype))
        maps = ops.moveaxis(ops.matmul(ops.moveaxis(maps, axis, -1), averages), -1, axis)
    return maps


def _code(model):
    parameters = model.encoder.output
    for name in ("z", "z_mean"):
        if name in parameters:
            return parameters[name]
    return model.latent(parameters)


def _output(encoder: keras.Model, layer: str):
    names = [one.name for one in encoder.layers[1:]]
    if layer not in names:
        raise ValueError(f"The encoder has no layer {layer!r}. It has {', '.join(names)}.")
    return encoder.get_layer(layer).output


def _averages(side: int, regions: int) -> np.ndarray:
    """Return the matrix that averages over regions of a side: (side, regions)."""
    matrix = np.zeros((side, regions))
    for region in range(regions):
        start, stop = region * side // regions, -(-(region + 1) * side // regions)
        matrix[start:stop, region] = 1 / (stop - start)
    return matrix
