"""How much samples, or single values of them, count."""

import numpy as np
from keras import ops

from keras_ae.forms import as_array


def checked_weights(
    sample_weight, shape: tuple, name: str = "sample_weight", *, may_be_zero: bool = False
) -> np.ndarray:
    """Weights as float32: (n,), one for each sample, or (n, *input_shape), one for each value.

    Args:
        sample_weight: (n,) or (n, 1); or a mask of values, of the shape of x, or of x without its channels, or with one
            channel, which then holds for all of them.
        shape: of x, (n, *input_shape).
        name: the argument's name in messages.
        may_be_zero: take weights none of which is above 0, such as those of a batch of padding.

    Raises:
        ValueError: another shape, NaN, inf or a negative weight, or none above 0.
        TypeError: what are no numbers.
    """
    weights = as_array(sample_weight, name)
    if weights.dtype.kind not in "fiub":
        raise TypeError(f"{name} has dtype {weights.dtype}. Give numbers of at least 0, (n,).")
    weights = _spread(weights, tuple(shape), name).astype("float32")
    if not np.isfinite(weights).all():
        row = int((~np.isfinite(weights)).reshape(len(weights), -1).any(axis=1).argmax())
        raise ValueError(f"{name} has NaN or inf, first in sample {row}. Give numbers of at least 0.")
    if len(weights) and weights.min() < 0:
        row = int((weights < 0).reshape(len(weights), -1).any(axis=1).argmax())
        raise ValueError(f"{name} has the negative weight {weights.min():.4g}, first in sample {row}. Give at least 0.")
    if len(weights) and not (may_be_zero or weights.any()):
        raise ValueError(f"{name} is 0 for all samples, so that nothing would count. Give some a weight above 0.")
    return weights


def weighs_values(shape: tuple, input_shape: tuple) -> bool:
    """Whether weights of that shape, (n,) or (n, *input_shape), are those of single values."""
    return len(shape) > 1 and tuple(shape[1:]) == tuple(input_shape) and tuple(input_shape) != (1,)


def _spread(weights: np.ndarray, shape: tuple, name: str) -> np.ndarray:
    if weights.shape in (shape[:1], (*shape[:1], 1)):
        return weights.reshape(shape[:1])
    if weights.shape == shape:
        return weights
    if len(shape) > 2 and weights.shape in (shape[:-1], (*shape[:-1], 1)):
        return np.broadcast_to(weights.reshape(*shape[:-1], 1), shape)
    raise ValueError(
        f"{name} has shape {weights.shape}, but x has {shape}. Give one weight for each sample, ({shape[0]},), or for "
        f"each value, {shape}."
    )


def shares(target, sample_weight):
    """Return each sample's share of the mean, (batch,), and the weight of the whole batch, a scalar."""
    if sample_weight is None:
        count = ops.cast(ops.shape(target)[0], "float32")
        return ops.ones((ops.shape(target)[0],), dtype="float32") / count, count
    weight = ops.reshape(ops.cast(sample_weight, "float32"), (-1,))
    count = ops.sum(weight)
    return ops.divide_no_nan(weight, count), count
