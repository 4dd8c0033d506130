"""A convolutional network without a bottleneck, for samples of other sides."""

from dataclasses import replace
from math import prod

from keras_ae.rows import Reshape, Shape, SpecError
from keras_ae.rows.layers import shapes
from keras_ae.spec import Spec, checked_shape


class Resizing:
    """What lets an `Autoencoder` of convolutions alone take samples of any size."""

    def resized(self, input_shape: tuple[int, ...]):
        """Return this model for samples of other sides: the same weights, copied, compiled alike, the optimiser anew.

        Convolutions, norms and activations know no sides, so that a network of them whose code is the feature map
        itself (`Identity`), such as a denoising U-Net, or a map of entries (`Quantiser`), that was trained on small
        images takes large ones.

        Args:
            input_shape: (*sides, channels), as many sides and the same channels as now.

        Returns:
            A model of this type. Training it leaves this one as it is.

        Raises:
            ValueError: (as `SpecError`) the code has a size of its own, or a row or a weight belongs to the sides.
        """
        spec = resized_spec(self.spec, input_shape)
        options = {"seed": self.seed, "name": self.name, "dtype": self.policy.name, "trainable": self.trainable}
        other = type(self)(spec, draw=False, **options)
        for ours, theirs in zip(self.weights, other.weights, strict=True):
            if ours.shape != theirs.shape:
                raise SpecError(
                    f"resized({spec.input_shape}): the weight {ours.path} has shape {tuple(ours.shape)} here and "
                    f"{tuple(theirs.shape)} there. A network takes other sides where no weight belongs to one."
                )
        other.set_weights(self.get_weights())
        if self.compiled:
            other.compile_from_config(self.get_compile_config())
        return other


def resized_spec(spec: Spec, input_shape: tuple[int, ...]) -> Spec:
    """Return a spec of the same rows for samples of other sides.

    Args:
        spec: its code is a map, such as `Identity` or `Quantiser`.
        input_shape: (*sides, channels).

    Raises:
        SpecError: another code, other channels, or rows that name sides.
    """
    shape = checked_shape(input_shape)
    if not (spec.code.is_map or spec.code.is_discrete):
        raise SpecError(
            f"resized({shape}): the code {spec.code} belongs to input_shape={spec.input_shape}. Crop, pad or resize "
            "the samples to that; a network of convolutions whose code is Identity takes other sides."
        )
    if len(shape) != len(spec.input_shape) or shape[-1] != spec.input_shape[-1]:
        raise SpecError(
            f"resized({shape}): only sides may change. Give as many, and the channels, of {spec.input_shape}."
        )
    if spec.code.is_discrete:
        return replace(spec, input_shape=shape)  # Each place has a code of its own.
    before, after = (_along(spec, each) for each in (spec.input_shape, shape))
    maps = [Reshape(_flattened(along)) for along in (before, after)]
    decoder = spec.decoder and tuple(maps[1] if row == maps[0] else row for row in spec.decoder)
    return replace(spec, input_shape=shape, code=replace(spec.code, latent_dim=prod(after[-1])), decoder=decoder)


def _along(spec: Spec, shape: Shape) -> list[Shape]:
    """The shapes along the rows of the encoder, inputs beside x joined where they join."""
    cut = spec.joins_at
    flat = shapes(spec.encoder[:cut], shape)
    return [*flat, *shapes(spec.encoder[cut:], spec.joined("encoder", flat[-1]))[1:]]


def _flattened(along: list[Shape]) -> Shape:
    """The shape of the feature map that becomes the code: the last with sides along an encoder."""
    return next((shape for shape in reversed(along) if len(shape) > 1), along[-1])
