"""Arithmetic of sides: what strides and pools make of them, and where their mirrors are cut.

A stride that does not divide a side rounds up, so its mirror leads beyond the side and is cut back to it.
"""

from keras_ae.rows.base import Row, Shape, SpecError, checked_count

Axes = int | tuple[int, ...]


def per_axis(value: Axes, shape: Shape) -> Shape:
    """Return one number for each spatial axis of `shape`: `2` for `(28, 28, 1)` is `(2, 2)`."""
    rank = len(shape) - 1
    return value if isinstance(value, tuple) else (value,) * rank


def checked_axes(row: str, field: str, value):
    """Return a count, or a tuple with a count for each spatial axis (JSON brings lists)."""
    if isinstance(value, tuple | list):
        return tuple(checked_count(row, field, item) for item in value)
    return checked_count(row, field, value)


def checked_sides(row: str, value) -> Shape | None:
    """Return None, or a tuple with a count for each spatial axis."""
    if value is None or isinstance(value, tuple | list):
        return value if value is None else checked_axes(row, "sides", value)
    raise SpecError(f"{row}: sides must be None or a tuple with a number for each spatial axis, got {value!r}.")


def set_fields(row: Row, **values) -> None:
    """Write normalised values into a frozen row while it is being constructed."""
    for name, value in values.items():
        object.__setattr__(row, name, value)


def spatial(row: Row, shape: Shape, *axes: Axes) -> Shape:
    """Return the spatial part of `shape`, or say why `row` cannot stand there."""
    if not 2 <= len(shape) <= 4:
        raise SpecError(
            f"{row} needs a shape (steps, channels), (height, width, channels) or (depth, height, width, channels), "
            f"got {shape}. Put Reshape(...) before it, or use Dense."
        )
    for value in axes:
        if isinstance(value, tuple) and len(value) != len(shape) - 1:
            raise SpecError(f"{row} names {len(value)} axes, but the shape {shape} has {len(shape) - 1} spatial axes.")
    return shape[:-1]


def check_transpose(row: Row, kernel: Axes, stride: Axes, shape: Shape) -> None:
    """Raise a `SpecError` where a transposed convolution leaves gaps."""
    for width, step in zip(per_axis(kernel, shape), per_axis(stride, shape), strict=True):
        if width < step:
            raise SpecError(
                f"{row}: a transposed convolution with kernel {width} < stride {step} leaves gaps. "
                f"Use kernel={step} or larger."
            )


def shrunk(sides: Shape, steps: Shape) -> Shape:
    """Return the sides divided by the steps, rounded up."""
    return tuple(-(-side // step) for side, step in zip(sides, steps, strict=True))


def cut_to(sides: Shape, steps: Shape) -> Shape | None:
    """Return what a mirror of these steps is cut to: `sides`, or None where the steps divide them all."""
    return tuple(sides) if any(side % step for side, step in zip(sides, steps, strict=True)) else None


def grown(row: Row, shape: Shape, step: Axes, sides: Shape | None) -> Shape:
    """Return the spatial part of `shape` times the steps, or the `sides` that `row` cuts it to."""
    steps = per_axis(step, shape)
    whole = tuple(side * step for side, step in zip(shape[:-1], steps, strict=True))
    if sides is None:
        return whole
    if len(sides) != len(whole) or shrunk(sides, steps) != shape[:-1]:
        raise SpecError(
            f"{row} cannot cut {whole}, which it makes of {shape[:-1]}, to {sides}: each of the sides must be that or "
            f"less, by less than {steps}. Change sides=, or leave it out."
        )
    return sides
