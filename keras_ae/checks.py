"""Checks of the data that a model is given, before any training starts."""

import keras
import numpy as np

from keras_ae.spec import Spec

_ROWS_AT_ONCE = 8192


def check_data(data, spec: Spec, name: str = "x") -> None:
    """Raise where `data` cannot be what `spec` models.

    Arrays are read through; of a `keras.utils.PyDataset` the first batch is, of a `tf.data.Dataset` the element's
    shape. What Keras streams otherwise is watched by the loss alone.

    Args:
        data: array `(n, *input_shape)`, dataset or None.
        spec: the model's spec; its likelihood bounds the values.
        name: the argument's name in messages.

    Raises:
        ValueError: no samples, another shape, uint8 that need not be images, NaN or inf, values outside the
            likelihood's support.
        TypeError: values that are no numbers.
    """
    if isinstance(data, np.ndarray):
        _check_array(data, spec, name)
    elif isinstance(data, keras.utils.PyDataset):
        batch = data[0]
        check_batch(batch if isinstance(batch, tuple) else (batch,), spec, f"{name}[0]")
    elif hasattr(data, "element_spec"):
        elements = data.element_spec if isinstance(data.element_spec, tuple) else (data.element_spec,)
        for part, element in zip((name, f"{name} (target)"), elements, strict=False):
            _check_shape(tuple(element.shape), spec, part)
    elif hasattr(data, "shape"):
        _check_shape(tuple(data.shape), spec, name)


def check_batch(batch: tuple, spec: Spec, name: str) -> None:
    """Check `(x,)`, `(x, y)` or `(x, y, sample_weight)`."""
    for part, data in zip((name, f"{name} (target)"), batch, strict=False):
        check_data(data, spec, part)


def _check_shape(shape: tuple, spec: Spec, name: str) -> None:
    wanted = spec.input_shape
    if len(shape) == len(wanted) + 1 and all(a in (None, b) for a, b in zip(shape[1:], wanted, strict=True)):
        return
    hint = ""
    if (*shape[1:], 1) == wanted:
        hint = f" Add the channel axis: {name}[..., None]."
    elif shape == wanted:
        hint = f" One sample needs a batch axis too: {name}[None]."
    elif len(shape) <= 2 < len(wanted):
        hint = " Labels are no target here: an autoencoder's target is x itself, so leave y out."
    raise ValueError(f"{name} has shape {shape}, but the model takes (batch, {', '.join(map(str, wanted))}).{hint}")


def _check_array(x: np.ndarray, spec: Spec, name: str) -> None:
    if x.ndim and len(x) == 0:
        raise ValueError(f"{name} is empty (shape {x.shape}). Give it at least one sample.")
    _check_shape(x.shape, spec, name)
    if x.dtype == np.uint8:
        _check_bytes(x, spec, name)
    if not (np.issubdtype(x.dtype, np.number) or x.dtype == bool) or np.issubdtype(x.dtype, np.complexfloating):
        raise TypeError(f"{name} has dtype {x.dtype}; models take real numbers.")
    low, high = (0.0, 1.0) if x.dtype == np.uint8 else _bounds(x, name)
    support = spec.likelihood.support
    if support and (low < support[0] or high > support[1]):
        raise ValueError(
            f"{name} has values in [{low:.4g}, {high:.4g}], outside the range [{support[0]:g}, {support[1]:g}] of the "
            f"{type(spec.likelihood).__name__} likelihood. Scale {name}, or build with likelihood='gaussian'."
        )


def _check_bytes(x: np.ndarray, spec: Spec, name: str) -> None:
    """Raise where uint8 values need not be images in [0, 255], which the model divides by 255."""
    if len(spec.input_shape) != 3:
        raise ValueError(
            f"{name} is uint8, which models of images alone scale, and this one takes {spec.input_shape}. "
            f"Give floats in the range that you mean: {name}.astype('float32')."
        )
    if x.max() == 1:
        raise ValueError(
            f"{name} is uint8 with no value over 1, which is a 0/1 mask or almost black. "
            f"Give masks as floats: {name}.astype('float32'), and images as {name}.astype('float32') / 255."
        )


def _bounds(x: np.ndarray, name: str) -> tuple[float, float]:
    """Return least and greatest value, piece by piece so that no array of the size of x is made."""
    low, high = np.inf, -np.inf
    for start in range(0, len(x), _ROWS_AT_ONCE):
        piece = x[start : start + _ROWS_AT_ONCE]
        least, most = piece.min(), piece.max()
        if not (np.isfinite(least) and np.isfinite(most)):
            bad = ~np.isfinite(piece).reshape(len(piece), -1).all(axis=1)
            row = start + int(bad.argmax())
            raise ValueError(f"{name} has NaN or inf, first in sample {row}. Drop or fill such values before training.")
        low, high = min(low, float(least)), max(high, float(most))
    return low, high


def checked_examples(x: np.ndarray) -> np.ndarray:
    """`x` as an array of numbers (n, ...), finite and not empty."""
    x = np.asarray(x)
    if x.dtype.kind not in "fiub" or x.ndim < 2 or x.size == 0:
        raise ValueError(f"x must be an array of at least one example, (n, ...), not {x.dtype} of shape {x.shape}.")
    if not np.isfinite(x).all():
        raise ValueError("x holds NaN or infinite values.")
    return x


def checked_least(name: str, value: int, *, least: int = 1) -> int:
    """`value`, unless it is less than `least`."""
    if value < least:
        raise ValueError(f"{name} must be at least {least}, not {value}.")
    return value
