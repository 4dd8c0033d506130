"""How arrays reach a step: cut into batches without a copy of the whole, uint8 images scaled on the device.

Keras would hand an array to `tf.data`, which makes copies of the whole. What is used in its place is measured in
benchmarks/results/memory.md. TensorFlow copies small arrays all the same: see `train_step/feed_tensorflow.py`.
"""

import keras
import numpy as np
from keras import ops


def scaled(x):
    """uint8 images -> float32 in [0, 1]; all else as it is. A tensor or an array in, on the model's device.

    Of a batch that is a dict the entry "x" may be images.
    """
    if isinstance(x, dict):
        return x | {"x": scaled(x["x"])}
    if keras.backend.standardize_dtype(x.dtype) != "uint8":
        return x
    return ops.cast(x, "float32") / 255


def x_of(batch):
    """The samples of a batch, which may be a dict of them and of what stands beside them."""
    return batch["x"] if isinstance(batch, dict) else batch


def with_x(batch, x):
    """The same batch with other samples: the same stands beside them."""
    return batch | {"x": x} if isinstance(batch, dict) else x


def rows_of(part, rows):
    """Rows of an array, of `LazyRows`, or of each entry of a dict of them."""
    return {name: array[rows] for name, array in part.items()} if isinstance(part, dict) else part[rows]


def padded(array: np.ndarray, size: int) -> np.ndarray:
    """Return `array` with its first sample repeated at the end until there are `size`."""
    return np.concatenate([array, np.repeat(array[:1], size - len(array), axis=0)]) if len(array) < size else array


def _count(part) -> int:
    return len(x_of(part))


class ArrayBatches(keras.utils.PyDataset):
    """Batches of arrays, cut when they are read; a new order every epoch with `shuffle`.

    Args:
        arrays: (x,), (x, y) or (x, y, sample_weight), each (n, ...); arrays or `LazyRows`; x may be a dict of them.
        batch_size: samples a batch; the last one may be smaller.
        shuffle: draw orders.
        seed: fixes the orders; None takes it from NumPy's global random state, as Keras does for arrays.
        epoch: number of the first epoch; each has an order of its own.
    """

    def __init__(
        self, arrays: tuple, batch_size: int, *, shuffle: bool = False, seed: int | None = None, epoch: int = 0
    ):
        super().__init__()
        self.arrays, self.batch_size, self.shuffle = arrays, batch_size, shuffle
        self.seed = np.random.randint(2**31) if shuffle and seed is None else seed
        self.epoch = epoch
        self.order = None

    def __len__(self) -> int:
        """Batches an epoch."""
        return -(-_count(self.arrays[0]) // self.batch_size)

    def __getitem__(self, index: int) -> tuple:
        """The batch at `index`."""
        rows = slice(index * self.batch_size, (index + 1) * self.batch_size)
        if self.order is not None:
            rows = self.order[rows]
        return tuple(rows_of(array, rows) for array in self.arrays)

    def on_epoch_begin(self) -> None:
        """Called by Keras: draw the epoch's order."""
        if self.shuffle:
            self.order = self.order_of(self.epoch)
            self.epoch += 1

    def order_of(self, epoch: int) -> np.ndarray:
        """The samples' order in an epoch: (n,)."""
        # Not straight from the global state: Keras may still read ahead in the last epoch from another thread.
        return np.random.default_rng([self.seed, epoch]).permutation(_count(self.arrays[0]))


class EndlessBatches(ArrayBatches):
    """The same batches, pass after pass, for epochs of a given number of steps."""

    drawn = None  # The pass of which `order` is.

    @property
    def num_batches(self) -> None:
        """None: there is no end."""

    def on_epoch_begin(self) -> None:
        """Called by Keras: nothing begins anew."""

    def __getitem__(self, index: int) -> tuple:
        """The batch at `index`, counted from the first pass on."""
        done, place = divmod(index, len(self))
        if self.shuffle and self.drawn != done:
            self.order, self.drawn = self.order_of(self.epoch + done), done
        return super().__getitem__(place)


def fed(x, y, sample_weight, batch_size: int | None) -> dict:
    """Return Keras' arguments of these names, with `ArrayBatches` in the place of arrays.

    What is no array, or arrays of several lengths, is left to Keras to take or to refuse.
    """
    arrays = _arrays(x, y, sample_weight)
    if arrays and batch_size:
        return {"x": ArrayBatches(arrays, batch_size)}
    return {"x": x, "y": y, "sample_weight": sample_weight, "batch_size": batch_size}


def fed_fit(
    x, y, sample_weight, batch_size: int | None, *, seed: int | None = None, steps_done: int = 0, **options
) -> dict:
    """Return Keras' arguments of `fit`, with `ArrayBatches` in the place of arrays, those of validation too.

    Shuffling within a batch is left to Keras.

    Args:
        x: samples.
        y: targets, or None.
        sample_weight: weights, or None.
        batch_size: samples a batch.
        seed: fixes the orders, see `ArrayBatches`.
        steps_done: of training so far: whole epochs among them are not repeated in the same order.
        **options: all else that Keras' `fit` takes.
    """
    arrays, share, shuffle = _arrays(x, y, sample_weight), options.get("validation_split"), options.get("shuffle", True)
    cut = int(_count(x) * (1 - share)) if arrays and share else 1
    if not (arrays and batch_size and cut and shuffle in (True, False)):
        return {"x": x, "y": y, "sample_weight": sample_weight, "batch_size": batch_size, **options}
    held_out = options.get("validation_data")
    if share and held_out is None:
        count = _count(x)
        arrays, held_out = (tuple(_part(a, *ends) for a in arrays) for ends in ((0, cut), (cut, count)))
        del options["validation_split"]
    held_arrays = isinstance(held_out, tuple | list) and _arrays(*held_out)
    if held_arrays:
        held_out = ArrayBatches(held_arrays, options.pop("validation_batch_size", None) or batch_size)
    kind = EndlessBatches if options.get("steps_per_epoch") else ArrayBatches
    batches = kind(arrays, batch_size, shuffle=shuffle, seed=seed)
    batches.epoch = steps_done // len(batches)
    return options | {"x": batches, "shuffle": False, "validation_data": held_out}


def _part(array, start: int, stop: int):
    if isinstance(array, dict):
        return {name: _part(each, start, stop) for name, each in array.items()}
    return array.part(start, stop) if _is_lazy(array) else array[start:stop]


def _arrays(x, *others) -> tuple | None:
    """Return x and those of the others that are not None, if all of them are arrays, or rows, of one length."""
    given = (x, *(array for array in others if array is not None))
    flat = [array for part in given for array in (part.values() if isinstance(part, dict) else (part,))]
    alike = all((isinstance(a, np.ndarray) or _is_lazy(a)) and a.ndim and len(a) == len(flat[0]) for a in flat)
    return given if alike else None


def _is_lazy(array) -> bool:
    """Whether these are rows of `forms.lazy_rows`, which are read when their batch comes."""
    return hasattr(array, "part")
