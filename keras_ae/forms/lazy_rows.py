"""Samples that are read, or made dense, when their batch comes: rows of sparse matrices and of files."""

import math
from abc import ABC, abstractmethod

import numpy as np


class LazyRows(ABC):
    """What stands for an array (n, *shape) of which only pieces are ever in memory.

    `rows[start:stop]` and `rows[indices]` give NumPy arrays; `part(start, stop)` gives rows again.

    Attributes:
        shape: (n, *shape).
        dtype: of the pieces: uint8 where the source has it, else float32.
        nbytes: infinite: what copies whole arrays leaves these alone.
    """

    nbytes = math.inf

    def __init__(self, source, start: int = 0, stop: int | None = None):
        self.source, self.start = source, start
        self.stop = source.shape[0] if stop is None else stop
        self.shape = (self.stop - self.start, *source.shape[1:])
        kind = np.dtype(source.dtype)
        # Words and complex numbers stay what they are, for the check to name.
        self.dtype = np.dtype("float32") if kind.kind in "fiub" and kind != np.uint8 else kind

    @property
    def ndim(self) -> int:
        """Axes, the batch's among them."""
        return len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def part(self, start: int, stop: int) -> "LazyRows":
        """Rows `start` to `stop`, which are not read yet."""
        start, stop, _ = slice(start, stop).indices(len(self))
        return type(self)(self.source, self.start + start, self.start + stop)

    def __getitem__(self, rows) -> np.ndarray:
        if isinstance(rows, slice):
            start, stop, step = rows.indices(len(self))
            if step == 1:
                return self._read(slice(self.start + start, self.start + max(start, stop))).astype(
                    self.dtype, copy=False
                )
            rows = np.arange(start, stop, step)
        rows = np.asarray(rows)
        return self._pick(self.start + np.where(rows < 0, rows + len(self), rows)).astype(self.dtype, copy=False)

    @abstractmethod
    def _read(self, rows: slice) -> np.ndarray:
        """The rows of a slice of the source."""

    @abstractmethod
    def _pick(self, rows: np.ndarray) -> np.ndarray:
        """The rows of the source at these places, in this order."""


class SparseRows(LazyRows):
    """Rows of a SciPy sparse matrix, (n, features)."""

    def _read(self, rows):
        return self.source[rows].toarray()

    _pick = _read


class FileRows(LazyRows):
    """Rows of a data set in a file, such as an `h5py.Dataset`: it has `shape`, `dtype` and slices of its first axis."""

    def _read(self, rows):
        return np.asarray(self.source[rows])

    def _pick(self, rows):
        # HDF5 takes indices in rising order alone, each once.
        ordered, places = np.unique(rows, return_inverse=True)
        return np.asarray(self.source[ordered])[places]
