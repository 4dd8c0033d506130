"""Checks of the samples that a model is given, before any training starts."""

from math import prod
from numbers import Integral

import numpy as np

from keras_ae.forms import as_array
from keras_ae.forms.lazy_rows import LazyRows
from keras_ae.rows import Input
from keras_ae.rows.likelihoods import greatest_bits
from keras_ae.spec import Spec

_BYTES_AT_ONCE = 2**25
_GREATEST = float(np.finfo("float32").max)


def check_rows(
    x: np.ndarray | LazyRows,
    spec: Spec,
    name: str = "x",
    *,
    columns: list | None = None,
    masks_refused: bool = False,
) -> None:
    """Raise where `x` cannot be samples of what `spec` models. All values are read, piece by piece.

    Args:
        x: (n, *input_shape), see `forms.as_rows`.
        spec: the model's spec; its likelihood bounds the values.
        name: the argument's name in messages.
        columns: names of the columns, for messages; None where they have none.
        masks_refused: refuse uint8 without a value over 1, which may be masks: before training, where dividing them by
            255 would leave nothing to learn. A trained model takes a dark image as any other.

    Raises:
        ValueError: no samples, another shape, uint8 that need not be images, NaN or inf, values outside the
            likelihood's support, or beyond float32.
        TypeError: values that are no numbers.
    """
    if len(x.shape) and len(x) == 0:
        raise ValueError(f"{name} is empty (shape {x.shape}). Give it at least one sample.")
    check_shape(x.shape, spec, name)
    if x.dtype == np.uint8:
        _check_bytes(x, spec, name, masks_refused)
        return
    if x.dtype.kind not in "fiub":
        raise TypeError(f"{name} has dtype {x.dtype}; models take real numbers.")
    if spec.likelihood.is_whole or not _are_beyond_doubt(x, spec.likelihood.support):
        _check_values(x, spec, name, columns)


def check_shape(shape: tuple, spec: Spec, name: str, *, batched_by: str | None = None) -> None:
    """Raise where `shape`, (n, ...), None for what is not known, is not (n, *input_shape).

    Args:
        shape: of what was given.
        spec: the model's spec.
        name: the argument's name in messages.
        batched_by: what makes batches of samples, for messages; None means a new axis of an array.
    """
    wanted = spec.input_shape
    if len(shape) == len(wanted) + 1 and all(a in (None, b) for a, b in zip(shape[1:], wanted, strict=True)):
        return
    hint = ""
    if (*shape[1:], 1) == wanted:
        hint = f" Add the channel axis: {name}[..., None]."
    elif shape == wanted:
        hint = f" Make batches of the samples: {batched_by}." if batched_by else ""
        hint = hint or f" One sample needs a batch axis too: {name}[None]."
    elif shape[:1] == (1,) and shape[2:] == wanted:
        hint = f" It is a list that holds one array: give the array itself, {name}[0]."
    elif len(wanted) > 1 and shape[1:] == (wanted[-1], *wanted[:-1]):
        hint = f" Move the channels to the last axis: np.moveaxis({name}, 1, -1)."
    elif len(shape) == len(wanted) + 1 and shape[-1] == wanted[-1] and (spec.code.is_map or spec.code.is_discrete):
        hint = f" Its code has no size of its own: model.resized({tuple(shape[1:])}) takes them."
    elif len(shape) == 2 and len(wanted) > 1 and shape[1] == prod(wanted):
        hint = f" Give rows their shape: {name}.reshape(-1, {', '.join(map(str, wanted))})."
    elif len(shape) <= 2 < len(wanted) or (len(shape) == 1 and name.endswith("(target)")):
        hint = " Labels are no target here: an autoencoder's target is x itself, so leave y out."
    raise ValueError(f"{name} has shape {shape}, but the model takes (batch, {', '.join(map(str, wanted))}).{hint}")


def _check_bytes(x, spec: Spec, name: str, masks_refused: bool) -> None:
    """Raise where uint8 values need not be images in [0, 255], which the model divides by 255."""
    if spec.likelihood.is_whole:
        raise ValueError(
            f"{name} is uint8, which models divide by 255 as images, and the likelihood {spec.likelihood} is one of "
            f"whole numbers. Give counts as {name}.astype('int32')."
        )
    if len(spec.input_shape) != 3:
        raise ValueError(
            f"{name} is uint8, which models of images alone scale, and this one takes {spec.input_shape}. "
            f"Give floats in the range that you mean: {name}.astype('float32')."
        )
    if masks_refused and max(piece.max() for _, piece in _pieces(x)) == 1:
        raise ValueError(
            f"{name} is uint8 with no value over 1, which is a 0/1 mask or almost black. "
            f"Give masks as floats: {name}.astype('float32'), and images as {name}.astype('float32') / 255."
        )


def _are_beyond_doubt(x, support: tuple[float, float] | None) -> bool:
    """Whether one look at values tells that they lie in the support; if not, `_check_values` looks closer."""
    if x.dtype != np.float32 or support is None:
        return False
    most = greatest_bits(support)
    return all(piece.flags.c_contiguous and piece.reshape(-1).view("uint32").max() <= most for _, piece in _pieces(x))


def _check_values(x, spec: Spec, name: str, columns: list | None) -> None:
    low, high = np.inf, -np.inf
    for start, piece in _pieces(x):
        least, most = piece.min(), piece.max()
        if not (np.isfinite(least) and np.isfinite(most)):
            place = _place(~np.isfinite(piece), start, columns)
            raise ValueError(f"{name} has NaN or inf, first in {place}. Drop or fill such values before training.")
        low, high = min(low, float(least)), max(high, float(most))
    if max(-low, high) > _GREATEST:
        raise ValueError(f"{name} has values in [{low:.4g}, {high:.4g}], beyond float32. Scale {name}.")
    support = spec.likelihood.support
    if support and (low < support[0] or high > support[1]):
        where = ""
        if columns:
            start, piece = next((s, p) for s, p in _pieces(x) if p.min() < support[0] or p.max() > support[1])
            where = f" (first in {_place((piece < support[0]) | (piece > support[1]), start, columns)})"
        raise ValueError(
            f"{name} has values in [{low:.4g}, {high:.4g}], outside the range [{support[0]:g}, {support[1]:g}] of the "
            f"{type(spec.likelihood).__name__} likelihood{where}. Scale {name}, or build with likelihood='gaussian'."
        )
    if spec.likelihood.is_whole:
        _check_whole(x, spec, name, columns)


def _check_whole(x, spec: Spec, name: str, columns: list | None) -> None:
    for start, piece in _pieces(x):
        broken = piece != np.floor(piece)
        if broken.any():
            raise ValueError(
                f"{name} has {piece[broken].flat[0]:g} in {_place(broken, start, columns)}, and the likelihood "
                f"{spec.likelihood} is one of whole numbers. Give counts as they are, neither scaled nor in logarithms."
            )


def _pieces(x):
    """Yield `(row, piece)`, so that no array of the size of x is made."""
    rows = max(1, _BYTES_AT_ONCE // (8 * prod(x.shape[1:])))
    for start in range(0, len(x), rows):
        yield start, x[start : start + rows]


def _place(is_bad: np.ndarray, start: int, columns: list | None) -> str:
    """Where the first bad value is, in words."""
    row = int(is_bad.reshape(len(is_bad), -1).any(axis=1).argmax())
    if columns is None:
        return f"sample {start + row}"
    return f"row {start + row}, column {columns[int(is_bad[row].argmax())]!r}"


def checked_inputs(
    values: dict, rows: tuple[Input, ...], count: int, name: str = "x", *, x: np.ndarray | LazyRows | None = None
) -> dict[str, np.ndarray]:
    """Inputs beside x, as the network takes them, by name.

    Args:
        values: by name, one for each sample, or one that counts for all of them.
        rows: of the spec, those that are asked for.
        count: samples.
        name: the name of x in messages.
        x: the samples, from which some inputs follow where they are not given; None where there are none.

    Raises:
        ValueError, TypeError: inputs that are missing or not asked for, and values that a row does not take.
    """
    wanted = {row.name: row for row in rows}
    if unknown := [key for key in values if key not in wanted]:
        takes = f"It takes {', '.join(wanted)}"
        if not wanted:
            takes = "It takes nothing beside that; 'cvae' does, and any spec with inputs=Labels(10)"
        raise ValueError(f"{name} comes with {', '.join(map(repr, unknown))}, which this model does not take. {takes}.")
    found = {}
    for key, row in wanted.items():
        value = values.get(key)
        if value is None and x is not None and row.is_derived:
            value = np.concatenate([row.derived(piece) for _, piece in _pieces(x)])
        if value is None:
            raise ValueError(f"{name} comes without {key!r}, and this model takes {row}. Give {key}=....")
        array = as_array(value, key)
        if array.shape == row.shape or (array.ndim == 0 and row.width == 1):
            array = np.broadcast_to(array, (count, *array.shape))
        found[key] = row.checked(array, key)
        if len(found[key]) != count:
            raise ValueError(f"{name} has {count} samples and {key} {len(found[key])}. Give one for each sample.")
    return found


def checked_examples(x: np.ndarray | dict) -> np.ndarray | dict:
    """`x` as an array of numbers (n, ...), finite and not empty; in a dict where inputs stand beside it."""
    if isinstance(x, dict):
        found = {name: np.asarray(value) for name, value in x.items()} | {"x": checked_examples(x.get("x"))}
        for name, value in found.items():
            if value.ndim == 0 or len(value) != len(found["x"]):
                raise ValueError(f"x holds {len(found['x'])} examples and {name!r} of shape {value.shape} beside them.")
        return found
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


def checked_whole(name: str, value: int, *, least: int = 1) -> int:
    """`value`, unless it is no whole number, or less than `least`."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise ValueError(f"{name} must be a whole number of at least {least}, not {value!r}.")
    return checked_least(name, value, least=least)
