"""Layer rows: four duties each, its fields, `output_shape(shape)`, `mirror(shape, activation)`, `parameters(shape)`.

Shapes leave the batch out: `(features,)`, `(steps, channels)`, `(height, width, channels)` or
`(depth, height, width, channels)`; `Conv`, `Pool` and their mirrors take their rank from the shape that meets them.
"""

from dataclasses import dataclass
from math import prod

from keras_ae.rows.base import Row, Shape, SpecError, checked_count

Axes = int | tuple[int, ...]


def per_axis(value: Axes, shape: Shape) -> Shape:
    """Return one number for each spatial axis of `shape`: `2` for `(28, 28, 1)` is `(2, 2)`."""
    rank = len(shape) - 1
    return value if isinstance(value, tuple) else (value,) * rank


def _checked_axes(row: str, field: str, value):
    """Return a count, or a tuple with a count for each spatial axis (JSON brings lists)."""
    if isinstance(value, tuple | list):
        return tuple(checked_count(row, field, item) for item in value)
    return checked_count(row, field, value)


def _set(row: Row, **values) -> None:
    """Write normalised values into a frozen row while it is being constructed."""
    for name, value in values.items():
        object.__setattr__(row, name, value)


def _spatial(row: Row, shape: Shape, *axes: Axes) -> Shape:
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


def _checked_division(row: Row, shape: Shape, divisor: Axes, what: str) -> None:
    divisors = per_axis(divisor, shape)
    if any(side % step for side, step in zip(shape[:-1], divisors, strict=True)):
        raise SpecError(
            f"{row} cannot be mirrored at shape {shape}: {shape[:-1]} is not divisible by the {what} {divisors}. "
            f"Resize or pad the input to a multiple, change the {what}, or write the decoder yourself (decoder=...)."
        )


def _checked_transpose(row: Row, kernel: Axes, stride: Axes, shape: Shape) -> None:
    for width, step in zip(per_axis(kernel, shape), per_axis(stride, shape), strict=True):
        if width < step:
            raise SpecError(
                f"{row}: a transposed convolution with kernel {width} < stride {step} leaves gaps. "
                f"Use kernel={step} or larger."
            )
        # Keras' backends pad an odd difference on different sides, so that weights would not travel between them.
        if (width - step) % 2:
            raise SpecError(
                f"{row}: a transposed convolution with kernel - stride = {width - step} is padded differently by "
                f"TensorFlow, JAX and PyTorch. Use kernel={width + 1} (or {width - 1}) with stride={step}."
            )


@dataclass(frozen=True)
class Convolution(Row, abstract=True):
    """What `Conv` and `Deconv` share: the fields, their checks and the count of weights."""

    filters: int
    kernel: Axes = 3
    stride: Axes = 1
    activation: str = "relu"

    def __post_init__(self):
        name = type(self).__name__
        _set(
            self,
            filters=checked_count(name, "filters", self.filters),
            kernel=_checked_axes(name, "kernel", self.kernel),
            stride=_checked_axes(name, "stride", self.stride),
        )

    def parameters(self, shape: Shape) -> int:
        """Return the number of weights and biases."""
        return (prod(per_axis(self.kernel, shape)) * shape[-1] + 1) * self.filters


@dataclass(frozen=True)
class Conv(Convolution):
    """Convolution with "same" padding: `(*sides, channels) -> (*ceil(sides / stride), filters)`.

    Args:
        filters: number of output channels.
        kernel: width of the kernel, one number or one for each axis. To be mirrored, `kernel - stride` must be even.
        stride: step, one number or one for each axis. To be mirrored, it must divide the sides.
        activation: a Keras activation by name.
    """

    def output_shape(self, shape: Shape) -> Shape:
        """Return the sides divided by the stride, rounded up, and `filters`."""
        sides = _spatial(self, shape, self.kernel, self.stride)
        return (*(-(-side // s) for side, s in zip(sides, per_axis(self.stride, shape), strict=True)), self.filters)

    def mirror(self, shape: Shape, activation: str) -> "Deconv":
        """Return the transposed convolution that leads back to `shape`."""
        _spatial(self, shape, self.kernel, self.stride)
        _checked_division(self, shape, self.stride, "stride")
        _checked_transpose(self, self.kernel, self.stride, shape)
        return Deconv(shape[-1], self.kernel, self.stride, activation)


@dataclass(frozen=True)
class Deconv(Convolution):
    """Transposed convolution with "same" padding: `(*sides, channels) -> (*sides * stride, filters)`.

    Args:
        filters: number of output channels.
        kernel: width of the kernel, one number or one for each axis, at least the stride; `kernel - stride` even.
        stride: factor by which the sides grow, one number or one for each axis.
        activation: a Keras activation by name.
    """

    def output_shape(self, shape: Shape) -> Shape:
        """Return the sides times the stride, and `filters`."""
        sides = _spatial(self, shape, self.kernel, self.stride)
        _checked_transpose(self, self.kernel, self.stride, shape)
        return (*(side * step for side, step in zip(sides, per_axis(self.stride, shape), strict=True)), self.filters)

    def mirror(self, shape: Shape, activation: str) -> Conv:
        """Return the convolution that leads back to `shape`."""
        return Conv(shape[-1], self.kernel, self.stride, activation)


@dataclass(frozen=True)
class Dense(Row):
    """Fully connected layer on the last axis: `(..., features) -> (..., units)`.

    Args:
        units: number of outputs.
        activation: a Keras activation by name.
    """

    units: int
    activation: str = "relu"

    def __post_init__(self):
        checked_count("Dense", "units", self.units)

    def output_shape(self, shape: Shape) -> Shape:
        """Return `shape` with `units` as its last axis."""
        return (*shape[:-1], self.units)

    def mirror(self, shape: Shape, activation: str) -> "Dense":
        """Return the dense layer that leads back to `shape`."""
        return Dense(shape[-1], activation)

    def parameters(self, shape: Shape) -> int:
        """Return the number of weights and biases."""
        return (shape[-1] + 1) * self.units


class _Weightless:
    """A row without trainable weights."""

    def parameters(self, shape: Shape) -> int:
        """Return 0: the row has no weights."""
        return 0


@dataclass(frozen=True)
class Flatten(_Weightless, Row):
    """`(a, b, ...) -> (a * b * ...,)`."""

    def output_shape(self, shape: Shape) -> Shape:
        """Return the product of the axes."""
        return (prod(shape),)

    def mirror(self, shape: Shape, activation: str) -> "Reshape":
        """Return the reshape that leads back to `shape`."""
        return Reshape(shape)


@dataclass(frozen=True)
class Reshape(_Weightless, Row):
    """Give the same numbers another shape (without the batch axis); all sides are written out, -1 is not taken."""

    shape: Shape

    def __post_init__(self):
        _set(self, shape=tuple(checked_count("Reshape", "shape", side) for side in self.shape))

    def output_shape(self, shape: Shape) -> Shape:
        """Return the new shape, which must hold as many numbers as `shape`."""
        if prod(shape) != prod(self.shape):
            raise SpecError(f"{self} cannot take {shape}: {prod(shape)} numbers do not fill {prod(self.shape)} places.")
        return self.shape

    def mirror(self, shape: Shape, activation: str) -> Row:
        """Return the reshape (or flattening) that leads back to `shape`."""
        return Flatten() if len(shape) == 1 else Reshape(shape)


@dataclass(frozen=True)
class Pool(_Weightless, Row):
    """Pooling ("max" or "average") over blocks: `(*sides, channels) -> (*sides / size, channels)`."""

    size: Axes = 2
    kind: str = "max"

    def __post_init__(self):
        _set(self, size=_checked_axes("Pool", "size", self.size))
        if self.kind not in ("max", "average"):
            raise SpecError(f'Pool: kind must be "max" or "average", got {self.kind!r}.')

    def output_shape(self, shape: Shape) -> Shape:
        """Return the sides divided by `size`, which must divide them."""
        sides = _spatial(self, shape, self.size)
        _checked_division(self, shape, self.size, "size")
        return (*(side // size for side, size in zip(sides, per_axis(self.size, shape), strict=True)), shape[-1])

    def mirror(self, shape: Shape, activation: str) -> "Upsample":
        """Return the up-sampling by the same size."""
        return Upsample(self.size)


@dataclass(frozen=True)
class Upsample(_Weightless, Row):
    """Repeat every value `size` times along each spatial axis: `(*sides, channels) -> (*sides * size, channels)`."""

    size: Axes = 2

    def __post_init__(self):
        _set(self, size=_checked_axes("Upsample", "size", self.size))

    def output_shape(self, shape: Shape) -> Shape:
        """Return the sides times `size`."""
        sides = _spatial(self, shape, self.size)
        return (*(side * size for side, size in zip(sides, per_axis(self.size, shape), strict=True)), shape[-1])

    def mirror(self, shape: Shape, activation: str) -> Pool:
        """Return average pooling by the same size."""
        return Pool(self.size, "average")


class _SameShape:
    """A row that keeps the shape and is its own mirror."""

    def output_shape(self, shape: Shape) -> Shape:
        """Return `shape`: the row keeps it."""
        return shape

    def mirror(self, shape: Shape, activation: str) -> Row:
        """Return the row itself."""
        return self


@dataclass(frozen=True)
class Norm(_SameShape, Row):
    """Normalisation of the last axis.

    Args:
        kind: "batch" (Ioffe & Szegedy 2015), "layer" (Ba et al. 2016) or "group" (Wu & He 2018).
        groups: number of channel groups for kind "group"; it must divide the channels.
    """

    kind: str = "batch"
    groups: int = 8

    def __post_init__(self):
        if self.kind not in ("batch", "layer", "group"):
            raise SpecError(f'Norm: kind must be "batch", "layer" or "group", got {self.kind!r}.')
        checked_count("Norm", "groups", self.groups)

    def output_shape(self, shape: Shape) -> Shape:
        """Return `shape`; the groups must divide its channels."""
        if self.kind == "group" and shape[-1] % self.groups:
            raise SpecError(f"{self}: {shape[-1]} channels do not divide into {self.groups} groups. Change groups=.")
        return shape

    def parameters(self, shape: Shape) -> int:
        """Return scale and offset, and for kind "batch" the moving mean and variance."""
        return shape[-1] * (4 if self.kind == "batch" else 2)


@dataclass(frozen=True)
class Dropout(_Weightless, _SameShape, Row):
    """Set a share `rate`, in [0, 1), of the values to zero while training (Srivastava et al. 2014)."""

    rate: float

    def __post_init__(self):
        if not 0 <= self.rate < 1:
            raise SpecError(f"Dropout: rate must lie in [0, 1), got {self.rate!r}.")


@dataclass(frozen=True)
class Activation(_Weightless, _SameShape, Row):
    """A Keras activation by name, as a row of its own: after `Norm`, for example."""

    activation: str


@dataclass(frozen=True)
class Residual(Row):
    """`activation(x + rows(x))` (He et al. 2016); where the channels differ, x passes through a 1x1 projection.

    Args:
        rows: the branch. It must keep the sides: put a strided `Conv` or a `Pool` between residual rows.
        activation: applied to the sum.
    """

    rows: tuple[Row, ...]
    activation: str = "linear"

    def __post_init__(self):
        _set(self, rows=tuple(self.rows))
        if not self.rows:
            raise SpecError("Residual: rows is empty. Give it at least one row, e.g. Residual((Conv(32),)).")

    def output_shape(self, shape: Shape) -> Shape:
        """Return the shape after the branch, whose sides must equal those of `shape`."""
        after = shapes(self.rows, shape)[-1]
        if after[:-1] != shape[:-1]:
            raise SpecError(
                f"Residual: the branch turns {shape} into {after}, so that x cannot be added. "
                "Keep the sides inside; put a strided Conv or a Pool between residual rows."
            )
        return after

    def mirror(self, shape: Shape, activation: str) -> "Residual":
        """Return the residual row whose branch is mirrored."""
        return Residual(mirrored(self.rows, shape), activation)

    def parameters(self, shape: Shape) -> int:
        """Return the parameters of the branch and of the projection, if there is one."""
        after = self.output_shape(shape)
        projection = 0 if after[-1] == shape[-1] else (shape[-1] + 1) * after[-1]
        branch = zip(self.rows, shapes(self.rows, shape), strict=False)
        return projection + sum(row.parameters(before) for row, before in branch)


def shapes(rows: tuple[Row, ...], shape: Shape) -> list[Shape]:
    """Return the shapes along `rows`, from `shape` itself to the last output: one more than there are rows."""
    along = [tuple(shape)]
    for row in rows:
        along.append(row.output_shape(along[-1]))
    return along


def mirrored(rows: tuple[Row, ...], shape: Shape) -> tuple[Row, ...]:
    """Return the rows that lead from the output of `rows` back to `shape`.

    Each mirrored row rebuilds what its original was given, so it carries the activation of the row before that: the
    last one, which rebuilds the input itself, is linear.
    """
    back, activation = [], "linear"
    for row, before in zip(rows, shapes(rows, shape), strict=False):
        back.append(row.mirror(before, activation))
        activation = getattr(row, "activation", activation)
    return tuple(reversed(back))
