"""Rows of what a model takes beside x, by name: the classes or the conditions of its samples."""

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from keras_ae.rows.base import Row, Shape, SpecError, checked_count
from keras_ae.rows.codes import Code, Prior
from keras_ae.rows.likelihoods import Likelihood

PARTS = ("encoder", "decoder", "prior", "likelihood")
# What methods call their own arguments, beside which inputs are given by name.
TAKEN = ("self", "x", "y", "z", "n", "a", "b", "seed", "batch_size", "num_samples", "kind", "layer", "grid", "part")
TAKEN += ("sample_weight", "validation_data", "callbacks", "epochs", "verbose", "folder", "every", "gif")
TAKEN += ("has", "vector", "strength", "steps", "method", "indices")


class Input(Row, abstract=True):
    """Base of the rows of inputs beside x. A batch of a model that has some is a dict of x and of them, by name.

    Attributes:
        name: under which `fit`, `encode`, `sample` and all others take it.
        to: the parts that take it: "encoder" and "decoder", beside what they begin with; "prior", where that is a
            `ConditionalPrior`; "likelihood".
        shape: of one sample's, without the batch.
        dtype: of the array that reaches the network.
        width: how many numbers stand for it in the network.
        way: what to do with values of another form, for errors.
        is_derived: whether it follows from x where it is not given, by `derived`.
    """

    name: str
    to: tuple[str, ...]
    shape: ClassVar[Shape] = ()
    way: ClassVar[str] = ""
    dtype: ClassVar[str] = "float32"
    is_derived: ClassVar[bool] = False

    def __post_init__(self):
        object.__setattr__(self, "to", tuple(self.to) if isinstance(self.to, list) else self.to)
        row = type(self).__name__
        if not (isinstance(self.name, str) and self.name.isidentifier() and self.name not in TAKEN):
            raise SpecError(
                f"{row}: name must be a word that is no argument of a method, got {self.name!r}. Take another."
            )
        if not (isinstance(self.to, tuple) and self.to and set(self.to) <= set(PARTS)):
            raise SpecError(f"{row}: to must name parts, of {', '.join(PARTS)}, got {self.to!r}.")

    @property
    @abstractmethod
    def width(self) -> int:
        """How many numbers stand for it in the network."""

    def without(self, part: str) -> "Input":
        """The same row for all parts that take it but one."""
        return replace(self, to=tuple(each for each in self.to if each != part))

    @abstractmethod
    def checked(self, values, name: str) -> np.ndarray:
        """Values as the network takes them: (n, *shape).

        Args:
            values: an array-like of one value, or row of values, for each sample.
            name: the argument's name in messages.

        Raises:
            ValueError: another shape, or values that the row does not allow.
            TypeError: what are no numbers.
        """

    def derived(self, x) -> np.ndarray:
        """Values that follow from samples x, (n, *shape), of a row that `is_derived`.

        Raises:
            TypeError: the row is not.
        """
        raise TypeError(
            f"{self} does not follow from x. Give it by name, {self.name}=..., or declare derived(self, x)."
        )

    @abstractmethod
    def drawn(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Values for n samples by chance, to try a network with: (n, *shape)."""

    def listed(self) -> np.ndarray | None:
        """All the values that there are, (values, *shape), for pictures; None where they cannot be listed."""
        return None

    def _numbers(self, values, name: str, shape: Shape) -> np.ndarray:
        """Values as an array of finite numbers of that shape, None in it for any side."""
        array = np.asarray(values)
        if array.dtype.kind not in "fiub":
            raise TypeError(f"{name} has dtype {array.dtype}. {self} takes numbers.{self.way}")
        if array.ndim != len(shape) or any(side not in (None, a) for a, side in zip(array.shape, shape, strict=True)):
            wanted = ", ".join("n" if side is None else str(side) for side in shape)
            raise ValueError(
                f"{name} has shape {array.shape}, but {self} takes ({wanted}{',' * (len(shape) == 1)}).{self.way}"
            )
        if not np.isfinite(array).all():
            raise ValueError(f"{name} has NaN or inf, first in sample {_first(~np.isfinite(array))}.")
        return array


@dataclass(frozen=True)
class Labels(Input):
    """The class of each sample, a whole number from 0 on; it stands in the network as a one-hot vector.

    Args:
        classes: how many there are.
        name: under which methods take it.
        to: the parts that take it.
    """

    classes: int
    name: str = "labels"
    to: tuple[str, ...] = ("encoder", "decoder")
    dtype: ClassVar[str] = "int32"
    way: ClassVar[str] = " Of names give np.unique(names, return_inverse=True)[1], of one-hot rows rows.argmax(axis=1)."

    def __post_init__(self):
        super().__post_init__()
        checked_count("Labels", "classes", self.classes)

    @property
    def width(self) -> int:
        """The number of classes."""
        return self.classes

    def checked(self, values, name):
        """Whole numbers from 0 to `classes` - 1, (n,) or (n, 1), as int32."""
        array = np.asarray(values)
        array = self._numbers(array.reshape(-1) if array.ndim == 2 and array.shape[1] == 1 else array, name, (None,))
        wrong = (array != np.floor(array)) | (array < 0) | (array >= self.classes)
        if wrong.any():
            row = _first(wrong)
            raise ValueError(
                f"{name} has {array[row]} in sample {row}, but {self} takes whole numbers from 0 to {self.classes - 1}."
            )
        return array.astype("int32")

    def drawn(self, n, rng):
        """Classes, (n,) int32."""
        return rng.integers(self.classes, size=n, dtype="int32")

    def listed(self):
        """Each class once, (classes,)."""
        return np.arange(self.classes, dtype="int32")


@dataclass(frozen=True)
class Condition(Input):
    """Numbers that each sample is conditioned on, such as an angle, a dose or an age; scale them to about (-1, 1).

    Args:
        size: numbers for each sample.
        name: under which methods take it.
        to: the parts that take it.
    """

    size: int
    name: str = "condition"
    to: tuple[str, ...] = ("encoder", "decoder")

    def __post_init__(self):
        super().__post_init__()
        checked_count("Condition", "size", self.size)

    @property
    def shape(self) -> Shape:
        """(size,)."""
        return (self.size,)

    @property
    def width(self) -> int:
        """The number of numbers."""
        return self.size

    def checked(self, values, name):
        """Finite numbers (n, size), or (n,) for one each, as float32."""
        array = np.asarray(values)
        array = array[:, None] if array.ndim == 1 and self.size == 1 else array
        return self._numbers(array, name, (None, self.size)).astype("float32")

    def drawn(self, n, rng):
        """Standard normal numbers, (n, size) float32."""
        return rng.standard_normal((n, self.size), dtype="float32")


def check_inputs(inputs: tuple, code: Code, likelihood: Likelihood) -> None:
    """Raise a `SpecError` where these are no inputs of a model of that code and likelihood."""
    for row in inputs:
        if not isinstance(row, Input):
            raise SpecError(f"Spec: inputs must hold rows such as Labels(10), got {row!r}.")
    names = [row.name for row in inputs]
    if len(set(names)) < len(names):
        raise SpecError(f"Spec: inputs must differ in name, got {', '.join(names)}. Give one a name: name=...")
    beside = [row.name for row in inputs if "likelihood" in row.to]
    if missing := [name for name in likelihood.inputs if name not in beside]:
        raise SpecError(
            f"Spec: the likelihood {likelihood} needs the input {missing[0]!r}. Give the spec a row of that name in "
            'inputs=, with to=("likelihood",).'
        )
    if code.is_map and any("decoder" in row.to for row in inputs):
        raise SpecError(
            f"Spec: inputs join a code that is a vector, and {code} is a map. Use Vector or Gaussian, or give them "
            'to=("encoder",).'
        )
    _check_prior(code.prior, inputs)


def _check_prior(prior: Prior | None, inputs: tuple[Input, ...]) -> None:
    """Raise a `SpecError` where inputs go to a prior that takes none, or none to one that does."""
    takers = [str(row) for row in inputs if "prior" in row.to]
    if takers and not (prior and prior.is_conditional):
        raise SpecError(
            f"Spec: {', '.join(takers)} goes to the prior, and this one, {prior or 'N(0, I)'}, takes nothing. Give the "
            'code prior=ConditionalPrior(), or leave "prior" out of to.'
        )
    if prior and prior.is_conditional and not takers:
        raise SpecError(
            f"Spec: {prior} is a prior given inputs, and none goes to it. Give one of them "
            'to=("encoder", "decoder", "prior").'
        )


def _first(wrong: np.ndarray) -> int:
    """The first sample of which something is wrong."""
    return int(wrong.reshape(len(wrong), -1).any(axis=1).argmax())
