"""A data set and its parts: train, validation, test."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from keras_ae.datasets.batches import Batches


class Part:
    """One part of a data set: some rows of a store of samples.

    Args:
        store: where the samples lie.
        rows: the part's rows in the store, or None for all of them.
        name: what messages call the part.
    """

    def __init__(self, store, rows: np.ndarray | None = None, *, name: str = "part"):
        self.store = store
        self.rows = np.arange(len(store)) if rows is None else rows
        self.name = name

    def __len__(self) -> int:
        """The number of samples."""
        return len(self.rows)

    def __repr__(self) -> str:
        """Size, shape and kind, e.g. Part(train: 5,400 x (28, 28, 1))."""
        return f"Part({self.name}: {len(self):,} x {self.shape}{', streamed' if self.store.stream else ''})"

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one sample."""
        return self.store.shape

    @property
    def sequential(self) -> bool:
        """Whether samples can be read in their stored order only (a TFDS stream, but of ArrayRecord files)."""
        return not hasattr(self.store, "take")

    @property
    def columns(self) -> dict:
        """What the source has beside samples and labels, by name, of all rows of the store, as it is."""
        return getattr(self.store, "columns", {})

    @property
    def has_labels(self) -> bool:
        """Whether there are labels; those of a TFDS stream come with its samples only."""
        return self.store.has_labels if hasattr(self.store, "read") else self.store.y is not None

    @cached_property
    def range(self) -> tuple[float, float] | None:
        """Bounds of the values: (0, 1) for images, else (least, largest); None for a stream of other arrays."""
        return self.store.value_range()

    @cached_property
    def x(self) -> np.ndarray:
        """All samples: float32, (n, *shape); images in [0, 1].

        Raises:
            RuntimeError: the part is streamed.
        """
        self._refuse_stream("x")
        return self.store.take(self.rows)

    @cached_property
    def y(self) -> np.ndarray | None:
        """All labels, (n, ...), or None where there are none.

        Raises:
            RuntimeError: the part is a TFDS stream, whose labels come with its samples only.
        """
        if hasattr(self.store, "read"):
            self._refuse_stream("y")
        return None if self.store.y is None else self.store.y[self.rows]

    def take(self, places: np.ndarray) -> np.ndarray:
        """The samples at `places` in [0, n) of this part: float32, (len(places), *shape)."""
        return self.store.take(self.rows[places])

    def take_beside(self, places: np.ndarray, names: tuple[str, ...]) -> tuple[np.ndarray, dict]:
        """The samples at `places`, as `take` gives them, and what stands beside them, by name: (len(places), ...) each.

        `names` are those of `beside`.
        """
        rows = self.rows[places]
        if self.labels_among(names) and hasattr(self.store, "take_labelled"):
            x, y = self.store.take_labelled(rows)
            return x, self.beside(places, names, y)
        return self.store.take(rows), self.beside(places, names, None if self.y is None else self.y[places])

    def beside(self, places: np.ndarray, names: tuple[str, ...], labels: np.ndarray | None) -> dict:
        """What stands beside the samples at `places`, by name.

        Args:
            places: in [0, n) of this part.
            names: of columns of the source, and any one name for the labels.
            labels: those of the samples, or None.
        """
        rows = self.rows[places]
        return {name: np.asarray(self.columns[name])[rows] if name in self.columns else labels for name in names}

    def asked_for(self, rows: tuple) -> tuple[str, ...]:
        """The names of those inputs, rows of a spec, that this part gives: what follows from x only as a column."""
        return tuple(row.name for row in rows if row.name in self.columns or not row.is_derived)

    def labels_among(self, names: tuple[str, ...]) -> str | None:
        """The one of these names that stands for the labels, as it is that of no column; None where all are columns.

        Raises:
            ValueError: several that are no columns, one where there are no labels, or a column of another length or of
                what are no numbers.
        """
        others = [name for name in names if name not in self.columns]
        if others and (len(others) > 1 or not self.has_labels):
            has = ", ".join([*(["labels"] if self.has_labels else []), *map(repr, self.columns)]) or "nothing"
            short = f"{' and '.join(map(repr, others))} {'are no columns' if len(others) > 1 else 'is no column'} of it"
            raise ValueError(
                f"The {self.name} part has {has} beside its samples, and {short}; labels stand for one name. Give a "
                "source with labels, (x, y), or a dict with x_train, y_train and other columns, such as dose_train."
            )
        for name in set(names) - set(others):
            column = np.asarray(self.columns[name])
            if column.dtype.kind not in "buif" or column.ndim == 0 or len(column) != len(self.store):
                raise ValueError(
                    f"The column {name!r} beside the {self.name} part is {column.dtype} of shape {column.shape}. Give "
                    f"numbers, one row for each of {len(self.store)} samples."
                )
        return others[0] if others else None

    def head(self, n: int) -> tuple[np.ndarray, np.ndarray | None]:
        """The first n samples and their labels (None without labels); of a stream, too.

        Raises:
            ValueError: n is not in [1, len(part)].
        """
        if not 1 <= n <= len(self):
            raise ValueError(f"head({n!r}): the {self.name} part has {len(self)} samples; give 1 to {len(self)}.")
        if hasattr(self.store, "read"):
            _, x, *y = next(self.store.read(n))
            return self.store.to_float(x), y[0] if y else None
        return self.take(np.arange(n)), None if self.y is None else self.y[:n]

    def batches(
        self,
        batch_size: int = 128,
        *,
        shuffle: bool = False,
        seed: int = 0,
        binarize: str | None = None,
        drop_remainder: bool = False,
        shard: tuple[int, int] = (0, 1),
        labels: bool | str | tuple[str, ...] = False,
    ) -> Batches:
        """Batches `(x,)` of this part for `model.fit`; see `Batches` for the arguments and the errors."""
        options = {"shuffle": shuffle, "seed": seed, "binarize": binarize, "labels": labels}
        return Batches(self, batch_size, **options, drop_remainder=drop_remainder, shard=shard)

    def _refuse_stream(self, what: str) -> None:
        if self.store.stream:
            raise RuntimeError(
                f"The {self.name} part is streamed, so Part.{what} is not in memory. Iterate over "
                "part.batches(...), take some with part.head(n), or load without stream=True."
            )


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Three parts with samples of one shape, and what is known about them.

    Attributes:
        name: of the data set.
        train: the `Part` to learn from.
        validation: the `Part` to tune on.
        test: the `Part` to report on.
        info: source, version, licence, preprocessing, range, split, sizes and the like; JSON-able.

    Raises:
        ValueError: the parts' samples differ in shape.
    """

    name: str
    train: Part
    validation: Part
    test: Part
    info: dict = field(default_factory=dict)

    def __post_init__(self):
        """Refuse parts that do not fit one model."""
        for part in (self.validation, self.test):
            if part.shape != self.train.shape:
                raise ValueError(
                    f"Samples of the {part.name} part have shape {part.shape}, those of train {self.train.shape}. "
                    "Give them one shape (for images: image_size=)."
                )

    @property
    def classes(self) -> int | None:
        """How many classes there are, None where there are no labels, or none that are whole numbers from 0 on."""
        return self.info.get("classes")

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one sample, e.g. (28, 28, 1)."""
        return self.train.shape

    def __repr__(self) -> str:
        """One line: name, shape, sizes."""
        sizes = f"train={len(self.train):,}, validation={len(self.validation):,}, test={len(self.test):,}"
        return f"Dataset({self.name!r}, input_shape={self.input_shape}, {sizes})"

    def __str__(self) -> str:
        """The line of `repr`, and the facts of `info` below it, one a line."""
        facts = (f"  {key}: {value}" for key, value in self.info.items() if value not in (None, "", []))
        return "\n".join([repr(self), *facts])
