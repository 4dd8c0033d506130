"""Layer rows: four duties each, its fields, `output_shape(shape)`, `mirror(shape, activation)`, `parameters(shape)`.

Shapes leave the batch out: `(features,)`, `(steps, channels)`, `(height, width, channels)` or
`(depth, height, width, channels)`; `Conv`, `Pool` and their mirrors take their rank from the shape that meets them.
"""

from dataclasses import dataclass
from math import prod
from typing import ClassVar

from keras_ae.rows.base import Row, Shape, SpecError, checked_count
from keras_ae.rows.sides import (
    Axes,
    check_transpose,
    checked_axes,
    checked_sides,
    cut_to,
    grown,
    per_axis,
    set_fields,
    shrunk,
    spatial,
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
        set_fields(
            self,
            filters=checked_count(name, "filters", self.filters),
            kernel=checked_axes(name, "kernel", self.kernel),
            stride=checked_axes(name, "stride", self.stride),
        )

    def parameters(self, shape: Shape) -> int:
        """Return the number of weights and biases."""
        return (prod(per_axis(self.kernel, shape)) * shape[-1] + 1) * self.filters


@dataclass(frozen=True)
class Conv(Convolution):
    """Convolution with "same" padding: `(*sides, channels) -> (*ceil(sides / stride), filters)`.

    Args:
        filters: number of output channels.
        kernel: width of the kernel, one number or one for each axis. To be mirrored, it must be at least the stride.
        stride: step, one number or one for each axis. Sides that it does not divide are padded at their ends.
        activation: a Keras activation by name.
    """

    def output_shape(self, shape: Shape) -> Shape:
        """Return the sides divided by the stride, rounded up, and `filters`."""
        sides = spatial(self, shape, self.kernel, self.stride)
        return (*shrunk(sides, per_axis(self.stride, shape)), self.filters)

    def mirror(self, shape: Shape, activation: str) -> "Deconv":
        """Return the transposed convolution that leads back to `shape`."""
        sides = spatial(self, shape, self.kernel, self.stride)
        check_transpose(self, self.kernel, self.stride, shape)
        sides = cut_to(sides, per_axis(self.stride, shape))
        return Deconv(shape[-1], self.kernel, self.stride, activation, sides)


@dataclass(frozen=True)
class Deconv(Convolution):
    """Transposed convolution with "same" padding: `(*sides, channels) -> (*sides * stride, filters)`, or to `sides`.

    Args:
        filters: number of output channels.
        kernel: width of the kernel, one number or one for each axis, at least the stride.
        stride: factor by which the sides grow, one number or one for each axis.
        activation: a Keras activation by name.
        sides: what the sides are cut to, each short of the whole by less than the stride; None keeps the whole. The
            mirror of a `Conv` has them where its stride does not divide the sides.
    """

    sides: Shape | None = None

    def __post_init__(self):
        super().__post_init__()
        set_fields(self, sides=checked_sides("Deconv", self.sides))

    def output_shape(self, shape: Shape) -> Shape:
        """Return the sides times the stride, or what they are cut to, and `filters`."""
        spatial(self, shape, self.kernel, self.stride)
        check_transpose(self, self.kernel, self.stride, shape)
        return (*grown(self, shape, self.stride, self.sides), self.filters)

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
        set_fields(self, shape=tuple(checked_count("Reshape", "shape", side) for side in self.shape))

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
    """Pooling ("max" or "average") over blocks: `(*sides, channels) -> (*ceil(sides / size), channels)`.

    Where the size does not divide a side, the last block is smaller: only real values count.
    """

    size: Axes = 2
    kind: str = "max"

    def __post_init__(self):
        set_fields(self, size=checked_axes("Pool", "size", self.size))
        if self.kind not in ("max", "average"):
            raise SpecError(f'Pool: kind must be "max" or "average", got {self.kind!r}.')

    def output_shape(self, shape: Shape) -> Shape:
        """Return the sides divided by `size`, rounded up."""
        return (*shrunk(spatial(self, shape, self.size), per_axis(self.size, shape)), shape[-1])

    def mirror(self, shape: Shape, activation: str) -> "Upsample":
        """Return the up-sampling by the same size, cut to the sides of `shape`."""
        return Upsample(self.size, cut_to(shape[:-1], per_axis(self.size, shape)))


@dataclass(frozen=True)
class Upsample(_Weightless, Row):
    """Repeat every value `size` times along each spatial axis: `(*sides, channels) -> (*sides * size, channels)`.

    Args:
        size: repeats, one number or one for each axis.
        sides: what the sides are cut to at their ends, each short of the whole by less than `size`; None keeps it.
    """

    size: Axes = 2
    sides: Shape | None = None

    def __post_init__(self):
        set_fields(self, size=checked_axes("Upsample", "size", self.size), sides=checked_sides("Upsample", self.sides))

    def output_shape(self, shape: Shape) -> Shape:
        """Return the sides times `size`, or what they are cut to."""
        spatial(self, shape, self.size)
        return (*grown(self, shape, self.size, self.sides), shape[-1])

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
    in_training_only: ClassVar[bool] = True

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
        rows: the branch. It must keep the sides: put a strided `Conv` or a `Pool` between residual rows. A branch that
            keeps sides which its strides divide, and so ends a little beyond others, is cut to the sides of x.
        activation: applied to the sum.
    """

    rows: tuple[Row, ...]
    activation: str = "linear"

    def __post_init__(self):
        set_fields(self, rows=tuple(self.rows))
        if not self.rows:
            raise SpecError("Residual: rows is empty. Give it at least one row, e.g. Residual((Conv(32),)).")

    def output_shape(self, shape: Shape) -> Shape:
        """Return the sides of `shape` and the channels after the branch."""
        after = shapes(self.rows, shape)[-1]
        if after[:-1] != shape[:-1] and not self._is_cut(shape, after):
            raise SpecError(
                f"Residual: the branch turns {shape} into {after}, so that x cannot be added. "
                "Keep the sides inside; put a strided Conv or a Pool between residual rows."
            )
        return (*shape[:-1], after[-1])

    def _is_cut(self, shape: Shape, after: Shape) -> bool:
        """Whether the branch goes beyond the sides because strides round up, and for no other reason."""
        if len(after) != len(shape) or any(side < own for side, own in zip(after[:-1], shape[:-1], strict=True)):
            return False
        divisible = tuple(side * prod(_steps(self.rows)) for side in shape[:-1])
        try:
            return shapes(self.rows, (*divisible, shape[-1]))[-1][:-1] == divisible
        except SpecError:
            return False  # Rows that name sides fit one size alone.

    def mirror(self, shape: Shape, activation: str) -> "Residual":
        """Return the residual row whose branch is mirrored."""
        return Residual(mirrored(self.rows, shape), activation)

    def parameters(self, shape: Shape) -> int:
        """Return the parameters of the branch and of the projection, if there is one."""
        after = self.output_shape(shape)
        projection = 0 if after[-1] == shape[-1] else (shape[-1] + 1) * after[-1]
        branch = zip(self.rows, shapes(self.rows, shape), strict=False)
        return projection + sum(row.parameters(before) for row, before in branch)


def _steps(rows: tuple[Row, ...]) -> tuple[int, ...]:
    """Return all strides and sizes of `rows`, by whose product every side that is a multiple of it can be divided."""
    steps = []
    for row in rows:
        step = getattr(row, "stride", getattr(row, "size", 1))
        steps += [*(step if isinstance(step, tuple) else (step,)), *_steps(getattr(row, "rows", ()))]
    return tuple(steps)


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
