"""Code rows of entries of a codebook: a map of them, and two maps, one above the other."""

from dataclasses import dataclass
from typing import ClassVar

from keras_ae.rows.base import Row, Shape, SpecError, checked_count
from keras_ae.rows.codes import Code, checked_layers
from keras_ae.rows.layers import Dense, mirrored, shapes
from keras_ae.rows.sides import set_fields


class Discrete(Code, abstract=True):
    """Base of the codes of entries of codebooks: at each place of the encoder's map stands one of them.

    Attributes:
        levels: the quantisers by name, in the order in which they are drawn; a single one has the name "".
    """

    is_discrete: ClassVar[bool] = True
    objective: ClassVar[str] = "VectorQuantisation"
    levels: dict[str, "Quantiser"]

    def mirror(self, shape: Shape, activation: str) -> Dense:
        """Return the dense layer, on the last axis, that leads from the code back to `shape`."""
        return Dense(shape[-1], activation)


@dataclass(frozen=True)
class Quantiser(Discrete):
    """The nearest entry of a codebook at each place: `(*sides, channels) -> (*sides, dim)` (van den Oord et al. 2017).

    A dense layer on the last axis brings the encoder's map to `dim` channels, `z_e`; the code z has, at each place, the
    entry that is nearest to it. Training gives the encoder the gradient by z, as it is (straight-through). Where the
    encoder ends in a vector, one entry stands for the whole sample; `Reshape((parts, width))` before the code makes it
    a product of as many entries as there are parts.

    Entries that are hardly used are revived: one whose moving count falls below `revival` times the mean count becomes
    what the encoder gave at a place of the batch, drawn with chances in proportion to the squared distance of a place
    to its entry (the seeding of k-means++, Arthur & Vassilvitskii 2007), and gets the mean count, so that it has time
    to find its use. Counts start at 0, so that the first batch fills the codebook.

    Args:
        codes: entries of the codebook.
        dim: dimensions of an entry.
        decay: of the moving averages which the entries are, in [0, 1) (appendix A.1 of the paper), with the smoothed
            counts of the authors' code; None trains the entries by the gradient of |sg(z_e) - e|^2 (Eq. 3).
        revival: share of the mean count, in [0, 1), below which an entry is revived; 0 revives none.
    """

    codes: int = 512
    dim: int = 64
    decay: float | None = 0.99
    revival: float = 0.01
    heads: ClassVar[tuple[str, ...]] = ("z_e",)

    def __post_init__(self):
        for name in ("codes", "dim"):
            checked_count("Quantiser", name, getattr(self, name))
        shares = {"decay": self.decay, "revival": self.revival}
        for name, value in shares.items():
            if name == "decay" and value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
                other = ", or be None, for entries that are trained by gradient" if name == "decay" else ""
                raise SpecError(f"Quantiser: {name} must lie in [0, 1){other}, got {value!r}.")

    @property
    def levels(self) -> dict[str, "Quantiser"]:
        """The quantiser itself, under ""."""
        return {"": self}

    def output_shape(self, shape: Shape) -> Shape:
        """Return the sides and `dim`."""
        return (*shape[:-1], self.dim)

    def parameters(self, shape: Shape) -> int:
        """Return the weights of the dense layer, and the codebook's entries and counts."""
        return (shape[-1] + 1) * self.dim + self.codes * (self.dim + 1)

    def architecture(self, shape: Shape) -> str:
        """Return what the weights depend on, in words."""
        return f"Quantiser({self.codes}, {self.dim}), {'moving averages' if self.decay is not None else 'by gradient'}"


@dataclass(frozen=True)
class HierarchicalQuantiser(Discrete):
    """Two quantised maps: a coarse one, and a fine one made in its knowledge (Razavi, van den Oord & Vinyals 2019).

    The rows `above` lead from the encoder's map to a smaller one, at whose places the top code stands. Their mirror
    brings the top's entries back to the encoder's map, beside which the bottom code is made of them: it need not say
    again what the top says. The code z has at each place the bottom's entry, and beside it that of the top which stands
    above the place.

    Args:
        bottom: quantiser of the fine map.
        top: quantiser of the coarse one.
        above: layer rows from the encoder's map to the coarse one, such as a strided `Conv`.
    """

    bottom: Quantiser
    top: Quantiser
    above: tuple[Row, ...]
    heads: ClassVar[tuple[str, ...]] = ("z_e_bottom", "z_e_top")

    def __post_init__(self):
        for name in ("bottom", "top"):
            if not isinstance(getattr(self, name), Quantiser):
                raise SpecError(f"HierarchicalQuantiser: {name} must be a Quantiser, got {getattr(self, name)!r}.")
        set_fields(self, above=checked_layers("HierarchicalQuantiser", "above", self.above))

    @property
    def levels(self) -> dict[str, Quantiser]:
        """The top, and the bottom, which is drawn in its knowledge."""
        return {"top": self.top, "bottom": self.bottom}

    def output_shape(self, shape: Shape) -> Shape:
        """Return the sides, and the dimensions of both codes."""
        if len(shape) < 2:
            raise SpecError(f"{self} needs an encoder that ends in a map with places, got {shape}. Use a Quantiser.")
        sides, coarse = shape[:-1], shapes(self.above, shape)[-1][:-1]
        smaller = len(sides) == len(coarse) and all(a <= b for a, b in zip(coarse, sides, strict=True))
        if not smaller or coarse == sides:
            raise SpecError(f"{self}: above must lead to a map smaller than {sides}, and it leads to {coarse}.")
        shapes(self.back(shape), self.top.output_shape((*coarse, 1)))  # What cannot be mirrored is refused.
        return (*sides, self.bottom.dim + self.top.dim)

    def back(self, shape: Shape) -> tuple[Row, ...]:
        """Return the rows that lead from the top's entries back to the encoder's map, of `shape`."""
        return mirrored((*self.above, self.top), shape)

    def parameters(self, shape: Shape) -> int:
        """Return the weights of the rows up and back, of the two dense layers, and the two codebooks."""
        up = shapes(self.above, shape)
        rows = [*zip(self.above, up, strict=False), (self.top, up[-1])]
        back = self.back(shape)
        rows += zip(back, shapes(back, self.top.output_shape(up[-1])), strict=False)
        rows += [(self.bottom, (*shape[:-1], 2 * shape[-1]))]
        return sum(row.parameters(before) for row, before in rows)

    def architecture(self, shape: Shape) -> str:
        """Return what the weights depend on, in words."""
        above = ", ".join(map(str, self.above))
        levels = "; ".join(level.architecture(shape) for level in (self.bottom, self.top))
        return f"HierarchicalQuantiser of {levels}; above {above}"
