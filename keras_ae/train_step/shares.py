"""A worker's share of each batch, whatever the data come as."""

from collections.abc import Callable

import keras
import numpy as np

from keras_ae.train_step.distribution import Workers


class Shares(keras.utils.PyDataset):
    """The consecutive share that one worker has of each batch of another data set, as `np.array_split` cuts.

    Args:
        batches: the data set, whole, or `keras_ae.datasets.Batches` made with this worker's `shard`.
        workers: who trains together.
        multiple: None, or a number of devices that each must get equally many samples: all shares are filled up to one
            size, a multiple of it, with samples of weight 0.

    Raises:
        ValueError: `batches` is no PyDataset.
    """

    def __init__(self, batches: keras.utils.PyDataset, workers: Workers, *, multiple: int | None = None):
        if not isinstance(batches, keras.utils.PyDataset):
            kind = type(getattr(batches, "dataset", batches)).__name__  # Of a stream that is watched.
            raise ValueError(
                f"A {kind} cannot be cut into the shares of workers. Give arrays or a "
                "keras.utils.PyDataset, such as keras_ae.datasets.load(...).train.batches(...)."
            )
        super().__init__(workers=batches.workers, max_queue_size=batches.max_queue_size)
        self.batches, self.shard = batches, (workers.index, workers.count)
        self.is_cut = getattr(batches, "shard", None) == self.shard
        self.size = None
        if multiple:
            whole = getattr(batches, "batch_size", None) or len(_first(_parts(batches[0])))
            self.size = -(-whole // (workers.count * multiple)) * multiple

    def __len__(self) -> int:
        """Batches an epoch."""
        return self.batches.num_batches

    def __getitem__(self, index: int) -> tuple[np.ndarray, ...]:
        """The share of the batch at `index`."""
        part, count = self.shard
        share = _parts(self.batches[index])
        if not self.is_cut:
            share = tuple(_mapped(lambda array: np.array_split(np.asarray(array), count)[part], each) for each in share)
        return share if self.size is None else _filled(share, self.size)

    def on_epoch_begin(self) -> None:
        """Called by Keras."""
        self.batches.on_epoch_begin()

    def on_epoch_end(self) -> None:
        """Called by Keras."""
        self.batches.on_epoch_end()


def _parts(batch) -> tuple:
    return batch if isinstance(batch, tuple) else (batch,)


def _filled(batch: tuple, size: int) -> tuple[np.ndarray, ...]:
    """Return (x, y, weight) of `size` samples, those that are missing zeros of weight 0; no y is one of no columns."""
    x = _first(batch)
    y = batch[1] if len(batch) > 1 else np.empty((len(x), 0), "float32")
    weight = batch[2] if len(batch) > 2 else np.ones(len(x), "float32")

    def filled(array):
        return np.pad(array, [(0, size - len(x))] + [(0, 0)] * (array.ndim - 1))

    return tuple(_mapped(filled, part) for part in (batch[0], y, weight))


def _mapped(function: Callable, part):
    """What a function gives of an array, or of each of a dict."""
    return {name: function(each) for name, each in part.items()} if isinstance(part, dict) else function(part)


def _first(batch: tuple):
    """x of a batch."""
    return batch[0]["x"] if isinstance(batch[0], dict) else batch[0]
