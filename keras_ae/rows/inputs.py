"""Rows of what a model takes beside x, by name: the classes or the conditions of its samples."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from keras_ae.rows.base import Row, Shape, SpecError, checked_count

PARTS = ("encoder", "decoder", "likelihood")


class Input(Row, abstract=True):
    """Base of the rows of inputs beside x. A batch of a model that has some is a dict of x and of them, by name.

    Attributes:
        name: under which `fit`, `encode`, `sample` and all others take it.
        to: the parts that take it: "encoder" and "decoder", beside what they begin with; "likelihood".
        shape: of one sample's, without the batch.
        dtype: of the array that reaches the network.
        width: how many numbers stand for it in the network.
    """

    name: str
    to: tuple[str, ...]
    shape: ClassVar[Shape] = ()
    dtype: ClassVar[str] = "float32"

    def __post_init__(self):
        object.__setattr__(self, "to", tuple(self.to) if isinstance(self.to, list) else self.to)
        row = type(self).__name__
        if not (isinstance(self.name, str) and self.name.isidentifier() and self.name not in ("x", "y", "z")):
            raise SpecError(f"{row}: name must be a word other than x, y and z, got {self.name!r}.")
        if not (isinstance(self.to, tuple) and self.to and set(self.to) <= set(PARTS)):
            raise SpecError(f"{row}: to must name parts, of {', '.join(PARTS)}, got {self.to!r}.")

    @property
    @abstractmethod
    def width(self) -> int:
        """How many numbers stand for it in the network."""

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

    def _numbers(self, values, name: str, shape: Shape) -> np.ndarray:
        """Values as an array of finite numbers of that shape, None in it for any side."""
        array = np.asarray(values)
        if array.dtype.kind not in "fiub":
            raise TypeError(f"{name} has dtype {array.dtype}. {self} takes numbers.")
        if array.ndim != len(shape) or any(side not in (None, a) for a, side in zip(array.shape, shape, strict=True)):
            wanted = ", ".join("n" if side is None else str(side) for side in shape)
            raise ValueError(f"{name} has shape {array.shape}, but {self} takes ({wanted}{',' * (len(shape) == 1)}).")
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


def _first(wrong: np.ndarray) -> int:
    """The first sample of which something is wrong."""
    return int(wrong.reshape(len(wrong), -1).any(axis=1).argmax())
