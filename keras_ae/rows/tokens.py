"""Rows of a transformer: patches of x as tokens, `(tokens, width)`, and what works on those.

A patch is a square of an image, a stretch of a series or a cube of a volume. Tokens are in the order of their places,
the last axis fastest.
"""

from dataclasses import dataclass
from math import prod

from keras_ae.rows.base import Row, Shape, SpecError, checked_count
from keras_ae.rows.sides import Axes, checked_axes, checked_sides, per_axis, set_fields, spatial


def grid_of(shape: Shape, size: Axes) -> Shape:
    """How many patches there are along each axis of samples `(*sides, channels)`."""
    return tuple(side // by for side, by in zip(shape[:-1], per_axis(size, shape), strict=True))


@dataclass(frozen=True)
class Patch(Row):
    """Cut x into patches and embed each by one dense layer: `(*sides, channels) -> (tokens, width)`.

    Dosovitskiy et al. 2021, "An Image is Worth 16x16 Words", Eq. 1.

    Args:
        size: side of a patch, one number or one for each axis; it divides the sides.
        width: numbers of a token.
    """

    size: Axes
    width: int

    def __post_init__(self):
        set_fields(self, size=checked_axes("Patch", "size", self.size))
        checked_count("Patch", "width", self.width)

    def output_shape(self, shape: Shape) -> Shape:
        """Return the number of patches, and `width`."""
        _check_grid(self, shape, self.size)
        return (prod(grid_of(shape, self.size)), self.width)

    def mirror(self, shape: Shape, activation: str) -> "Unpatch":
        """Return what leads from tokens back to `shape`."""
        return Unpatch(self.size, shape)

    def parameters(self, shape: Shape) -> int:
        """Return the number of weights and biases."""
        return (prod(per_axis(self.size, shape)) * shape[-1] + 1) * self.width


@dataclass(frozen=True)
class Unpatch(Row):
    """Turn each token into a patch by one dense layer, and join the patches: `(tokens, width) -> shape`.

    Args:
        size: side of a patch, one number or one for each axis.
        shape: of what the patches make, `(*sides, channels)`.
    """

    size: Axes
    shape: Shape

    def __post_init__(self):
        set_fields(self, size=checked_axes("Unpatch", "size", self.size), shape=checked_sides("Unpatch", self.shape))
        _check_grid(self, self.shape, self.size)

    def output_shape(self, shape: Shape) -> Shape:
        """Return `shape`, which must have as many patches as there are tokens."""
        _check_tokens(self, shape)
        count = prod(grid_of(self.shape, self.size))
        if shape[0] != count:
            raise SpecError(f"{self} joins {count} patches, and {shape[0]} tokens come in.")
        return self.shape

    def mirror(self, shape: Shape, activation: str) -> Patch:
        """Return what leads back to tokens."""
        return Patch(self.size, shape[-1])

    def parameters(self, shape: Shape) -> int:
        """Return the number of weights and biases."""
        return (shape[-1] + 1) * prod(per_axis(self.size, self.shape)) * self.shape[-1]


class Tokenwise(Row, abstract=True):
    """Base of the rows that give tokens as many and as wide as those that come in."""

    def output_shape(self, shape: Shape) -> Shape:
        """Return `shape`."""
        _check_tokens(self, shape)
        return shape

    def mirror(self, shape: Shape, activation: str) -> Row:
        """Return the same."""
        return self

    def parameters(self, shape: Shape) -> int:
        """Return 0."""
        return 0


@dataclass(frozen=True)
class Position(Tokenwise):
    """Add to each token sines and cosines of its place, which are not trained (Vaswani et al. 2017, section 3.5).

    Each axis of the grid has an equal part of the width.

    Args:
        grid: patches along each axis; None means one axis.
    """

    grid: Shape | None = None

    def __post_init__(self):
        set_fields(self, grid=checked_sides("Position", self.grid))

    def output_shape(self, shape: Shape) -> Shape:
        """Return `shape`, whose tokens must fill the grid."""
        super().output_shape(shape)
        if self.grid is not None and prod(self.grid) != shape[0]:
            raise SpecError(f"{self} has {prod(self.grid)} places, and {shape[0]} tokens come in.")
        return shape


@dataclass(frozen=True)
class Attention(Tokenwise):
    """Self-attention, added to what came in: h + out(attention(norm(h))) (Vaswani et al. 2017, normed before).

    Args:
        heads: among which the width is divided.
    """

    heads: int = 4

    def __post_init__(self):
        checked_count("Attention", "heads", self.heads)

    def output_shape(self, shape: Shape) -> Shape:
        """Return `shape`, whose width the heads must divide."""
        super().output_shape(shape)
        if shape[-1] % self.heads:
            raise SpecError(f"{self}: the width {shape[-1]} is no multiple of the heads. Change one of them.")
        return shape

    def parameters(self, shape: Shape) -> int:
        """Return the weights of the norm, of queries, keys and values, and of what joins the heads."""
        width = shape[-1]
        return 2 * width + 4 * width * (width + 1)


@dataclass(frozen=True)
class MLP(Tokenwise):
    """Two dense layers on each token, added to what came in: h + out(act(hidden(norm(h)))).

    Args:
        ratio: of the hidden layer's width to that of the tokens.
        hidden: the activation of the hidden layer, a Keras activation by name.
    """

    ratio: int = 4
    hidden: str = "gelu"

    def __post_init__(self):
        checked_count("MLP", "ratio", self.ratio)

    def parameters(self, shape: Shape) -> int:
        """Return the weights of the norm and of both layers."""
        width, hidden = shape[-1], self.ratio * shape[-1]
        return 2 * width + hidden * (width + 1) + width * (hidden + 1)


@dataclass(frozen=True)
class MaskToken(Tokenwise):
    """What stands for hidden tokens: a vector that is learned; where none is hidden, all pass (He et al. 2022)."""

    def parameters(self, shape: Shape) -> int:
        """Return the width."""
        return shape[-1]


def _check_tokens(row: Row, shape: Shape) -> None:
    if len(shape) != 2:
        raise SpecError(f"{row} needs tokens (count, width), got {shape}. Make them with Patch(4, 128).")


def _check_grid(row: Row, shape: Shape, size: Axes) -> None:
    sides = spatial(row, shape, size)
    for side, by in zip(sides, per_axis(size, shape), strict=True):
        if side % by:
            raise SpecError(f"{row}: patches of {by} do not divide the side {side} of {shape}. Choose a divisor.")
