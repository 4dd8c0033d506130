"""Batches for `model.fit`, whose order and noise are a pure function of (seed, epoch, index)."""

import threading
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import keras
import numpy as np

from keras_ae.datasets.streams import Stream

if TYPE_CHECKING:
    from keras_ae.datasets.parts import Part

BINARIZE = (None, "dynamic", "static", "threshold")
SHUFFLE_BUFFER_SAMPLES = 10_000
SHUFFLE_BUFFER_BYTES = 256 * 2**20

# Streams of random numbers for one seed: the order of an epoch, its dynamic draw, and the one static draw.
ORDER, DYNAMIC, STATIC = 0, 1, 2


class Batches(keras.utils.PyDataset):
    """Batches `(x,)` of NumPy float32, x: (batch, *shape), for `model.fit`, `evaluate` and `predict`.

    With `labels`, x is a dict: `({"x": x, "labels": y},)`, as models with inputs beside x take it.

    Made by `Part.batches`. The order of the samples and the binary noise depend on `seed`, on the attribute `epoch`
    and on the index alone. `epoch` counts up by itself after each epoch that Keras reads to its end; a training loop
    that resumes sets it at each epoch's begin, and the resumed run draws what the uninterrupted one drew. Noise
    belongs to a sample, so it does not depend on the batch size. The attribute `start` leaves out so many batches at
    the beginning of an epoch, for one that was cut off there.

    Args:
        part: the `Part` to read.
        batch_size: samples a batch, >= 1; the last batch may be smaller.
        shuffle: a new order every epoch. A sequential stream (TFDS records) shuffles within a buffer of 10,000 samples,
            or of 256 MiB where that is less.
        seed: a whole number >= 0.
        binarize: what becomes of x in [0, 1]. None: nothing. "dynamic": x ~ Bernoulli(x), drawn anew every epoch
            (Salakhutdinov & Murray 2008). "static": one such draw, the same every epoch. "threshold": x >= 0.5.
        drop_remainder: leave out a last batch smaller than `batch_size`.
        shard: (index, count), for training on `count` workers: every batch is cut into `count` consecutive shares, as
            `np.array_split` cuts, and these are the shares of worker `index`. `batch_size` and `len` are those of
            the whole; order and noise are, too, so that the shares side by side are the batches of (0, 1).
        labels: False for x alone. True puts the labels beside it, under "labels". A name, or several, puts the columns
            of these names beside it, and the labels under the one name that no column has: `labels="condition"`.

    Raises:
        ValueError: an argument out of its range, labels or a column that the part has not, a part smaller than one
            batch with `drop_remainder`, a batch of fewer samples than there are shards, or `binarize` of values outside
            [0, 1] (of a stream: when the batch is read).
    """

    def __init__(
        self,
        part: "Part",
        batch_size: int = 128,
        *,
        shuffle: bool = False,
        seed: int = 0,
        binarize: str | None = None,
        drop_remainder: bool = False,
        shard: tuple[int, int] = (0, 1),
        labels: bool | str | tuple[str, ...] = False,
    ):
        super().__init__()
        if not isinstance(batch_size, (int, np.integer)) or batch_size < 1:
            raise ValueError(f"batch_size={batch_size!r}: give a whole number >= 1.")
        if binarize not in BINARIZE:
            raise ValueError(f"binarize={binarize!r}: choose one of None, 'dynamic', 'static', 'threshold'.")
        if drop_remainder and len(part) < batch_size:
            raise ValueError(
                f"drop_remainder=True leaves no batch: the part has {len(part)} samples, batch_size={batch_size}."
            )
        if binarize and part.range is not None:
            check_unit_range(*part.range, binarize)
        self.part = part
        self.names = _names(labels)
        part.labels_among(self.names)  # Or it is refused.
        self.batch_size = int(batch_size)
        self.shuffle = shuffle
        self.seed = check_seed(seed)
        self.binarize = binarize
        self.drop_remainder = drop_remainder
        self.epoch = self.start = 0
        self.shard = check_shard(shard, smallest=self._size_of(len(self) - 1))
        self._begun = self._complete = False
        self._order = (None, None)  # (epoch, the samples in that epoch's order)
        self._stream = (None, None, None)  # (epoch, next index, Stream)
        self._stream_lock = threading.Lock()

    def __len__(self) -> int:
        """Batches an epoch, without those before `start`."""
        whole, rest = divmod(len(self.part), self.batch_size)
        return whole + bool(rest and not self.drop_remainder) - self.start

    def __getitem__(self, index: int) -> tuple:
        """The batch `(x,)` at `index` after `start` of the epoch `self.epoch`.

        A sequential stream is read on where `index` follows the last one, and from its start otherwise.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"Batch {index} of {len(self)}: an index lies in [0, {len(self)}).")
        self._complete |= self._begun and index == len(self) - 1
        index += self.start
        ids = self._ids(index)
        if self.part.sequential:
            x, y = self._read_stream(index, ids)
            beside = self.part.beside(ids, self.names, y)
        else:
            x, beside = self.part.take_beside(ids, self.names) if self.names else (self.part.take(ids), {})
        x = self._binarized(x, ids)
        return ({"x": x} | beside if beside else x,)

    def on_epoch_begin(self) -> None:
        """Called by Keras: from now on the last batch completes an epoch."""
        self._begun, self._complete = True, False

    def on_epoch_end(self) -> None:
        """Called by Keras: count a complete epoch, so that the next one has an order and a noise of its own."""
        # Keras ends an epoch that never began, too, each time that fit or evaluate starts: those do not count.
        self.epoch += self._complete
        self._begun = self._complete = False

    def _epoch_order(self) -> np.ndarray:
        epoch, order = self._order
        if order is None or epoch != self.epoch:
            self._order = (self.epoch, order := self._drawn_order())
        return order

    def _drawn_order(self) -> np.ndarray:
        count, rng = len(self.part), np.random.default_rng([self.seed, ORDER, self.epoch])
        if not self.shuffle:
            return np.arange(count)
        if not self.part.sequential:
            return rng.permutation(count)
        buffer_size = max(self.batch_size, self.part.store.samples_within(SHUFFLE_BUFFER_BYTES))
        stored = np.split(np.arange(count), range(self.batch_size, count, self.batch_size))
        return np.concatenate(list(shuffled(stored, min(buffer_size, SHUFFLE_BUFFER_SAMPLES), rng)))

    def _read_stream(self, index: int, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        # A lock, because Keras may prefetch from a thread that outlives an epoch cut short.
        with self._stream_lock:
            epoch, position, stream = self._stream
            if (epoch, position) != (self.epoch, index):
                to_come = [self._ids(later) for later in range(index, self.start + len(self))]
                stream = Stream(self.part.store, np.concatenate(to_come), self.batch_size)
            found = stream.take(ids)
            self._stream = (self.epoch, index + 1, stream)
        return found

    def _ids(self, index: int) -> np.ndarray:
        """Return the samples of this shard's share of the batch at `index`, counted from the epoch's begin."""
        return self._share(self._epoch_order()[index * self.batch_size : (index + 1) * self.batch_size])

    def _share(self, batch: np.ndarray) -> np.ndarray:
        index, count = self.shard
        return np.array_split(batch, count)[index]

    def _size_of(self, index: int) -> int:
        return min(self.batch_size, len(self.part) - index * self.batch_size)

    def _binarized(self, x: np.ndarray, ids: np.ndarray) -> np.ndarray:
        if self.binarize is None:
            return x
        if self.part.range is None:
            check_unit_range(x.min(), x.max(), self.binarize)
        if self.binarize == "threshold":
            return (x >= 0.5).astype("float32")
        words = [self.seed, STATIC] if self.binarize == "static" else [self.seed, DYNAMIC, self.epoch]
        noise = uniform(words, ids, size=x[0].size).reshape(x.shape)
        return (noise < x).astype("float32")


def uniform(words: list[int], ids: np.ndarray, size: int) -> np.ndarray:
    """Uniform noise in [0, 1) that belongs to the samples `ids`: float32, (len(ids), size).

    SplitMix64 (Steele, Lea & Flood 2014) read at random access: number k of the stream that `words` selects is a
    hash of k, so that a sample's noise is the same in whatever batch, at whatever place, it is drawn.
    """
    key = np.random.SeedSequence(words).generate_state(1, np.uint64)
    state = ids.astype(np.uint64)[:, None] * np.uint64(size) + np.arange(1, size + 1, dtype=np.uint64)
    state *= np.uint64(0x9E3779B97F4A7C15)
    state += key
    state ^= state >> np.uint64(30)
    state *= np.uint64(0xBF58476D1CE4E5B9)
    state ^= state >> np.uint64(27)
    state *= np.uint64(0x94D049BB133111EB)
    state ^= state >> np.uint64(31)
    # The upper 24 bits: as many as a float32 holds, so that 1 is never reached.
    state >>= np.uint64(40)
    return state.astype(np.float32) * np.float32(2**-24)


def shuffled(batches: Iterable[np.ndarray], buffer_size: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Shuffle numbers that come in batches through a buffer; all batches but the last have the size of the first.

    Each batch is drawn from the buffer without replacement, and its places are filled with the next batch read.
    """
    held, batch_size = [], None
    buffer, count = np.empty(0, int), 0
    for batch in batches:
        batch_size = batch_size or len(batch)
        if count < buffer_size or len(batch) < batch_size:
            held.append(batch)
            count += len(batch)
            continue
        if held:
            buffer, held = np.concatenate([buffer, *held]), []
        places = rng.choice(count, batch_size, replace=False)
        yield buffer[places]
        buffer[places] = batch
    order = rng.permutation(np.concatenate([buffer, *held]))
    yield from np.split(order, range(batch_size, count, batch_size))


def _names(labels: bool | str | tuple[str, ...]) -> tuple[str, ...]:
    """The names under which something stands beside x."""
    if isinstance(labels, bool):
        return ("labels",) if labels else ()
    names = (labels,) if isinstance(labels, str) else tuple(labels)
    if not all(isinstance(name, str) and name not in ("", "x") for name in names) or len(set(names)) < len(names):
        raise ValueError(f"labels={labels!r}: give True, or names other than 'x', each once.")
    return names


def check_seed(seed: int) -> int:
    """`seed` as an int.

    Raises:
        ValueError: it is not a whole number >= 0.
    """
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ValueError(f"seed={seed!r}: give a whole number >= 0.")
    return int(seed)


def check_shard(shard: tuple[int, int], *, smallest: int) -> tuple[int, int]:
    """`shard` as (index, count); `smallest` is the size of the smallest batch, of which each shard needs a sample.

    Raises:
        ValueError: it is no such pair, or `smallest` is less than count.
    """
    whole = isinstance(shard, tuple | list) and all(type(number) is int for number in shard)
    if not whole or len(shard) != 2 or not 0 <= shard[0] < shard[1]:
        raise ValueError(f"shard={shard!r}: give (index, count), whole numbers with 0 <= index < count.")
    index, count = shard
    if smallest < count:
        # Whatever the index: one worker that stops while the others wait for it is worse than all stopping at once.
        raise ValueError(
            f"shard={shard!r}: the smallest batch has {smallest} samples, fewer than {count} shards. "
            "Pass drop_remainder=True, another batch_size, or fewer shards."
        )
    return index, count


def check_unit_range(low: float, high: float, binarize: str) -> None:
    """Raise a ValueError where [low, high] is not within [0, 1], which `binarize` needs."""
    if low < 0 or high > 1:
        raise ValueError(
            f"binarize={binarize!r} needs values in [0, 1], and these lie in [{low:.4g}, {high:.4g}]. "
            "Scale x before load(), or leave binarize=None."
        )
