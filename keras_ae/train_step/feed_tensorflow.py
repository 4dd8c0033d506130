"""How TensorFlow reads a `PyDataset`: by `tf.data` without its autotuner, small arrays by TensorFlow itself.

The autotuner has nothing to tune here, yet its thread wakes within every epoch, and on a machine of few cores may push
the threads that compute onto one of them: in benchmarks/results/step_defaults.md the row "tf.data" has it.
"""

import keras
import numpy as np
import tensorflow as tf

from keras_ae.feeding import ArrayBatches
from keras_ae.train_step import private

COPIED_BYTES = 2**28  # Arrays up to this size are copied into TensorFlow's memory,
COPIED_PASSES = 3  # and only if they are read so often: a copy takes longer than one pass gains by it.
_PyDatasetAdapter = ("PyDatasetAdapter", "get_tf_dataset", "on_epoch_begin")
_Adapter = private.reader(*_PyDatasetAdapter) or object


class _Read(_Adapter):
    """Batches that Python cuts."""

    def get_tf_dataset(self) -> tf.data.Dataset:
        """Called by Keras once a pass."""
        return _untuned(super().get_tf_dataset())


class _Copied(_Read):
    """Batches that `tf.distribute` cuts among workers.

    TensorFlow may write into a slice in place, where it would leave the whole alone. The whole may be the user's array.
    """

    def get_tf_dataset(self) -> tf.data.Dataset:
        """Called by Keras once a pass."""
        return super().get_tf_dataset().map(_deep_copy)


class _Gathered(_Adapter):
    """Batches of arrays that TensorFlow cuts, in the order that the data set has at the begin of a pass."""

    def __init__(self, batches: ArrayBatches):
        super().__init__(batches)
        self.source = batches
        held, size = [tf.constant(array) for array in batches.arrays], batches.batch_size
        self.order = tf.Variable(np.arange(len(batches.arrays[0])), trainable=False)

        def batch(index):
            rows = self.order[index * size : (index + 1) * size]
            return tuple(tf.gather(array, rows) for array in held)

        self.batches = _untuned(tf.data.Dataset.range(len(batches)).map(batch).prefetch(1))

    def get_tf_dataset(self) -> tf.data.Dataset:
        """Called by Keras once a pass."""
        return self.batches

    def on_epoch_begin(self) -> None:
        """Called by Keras: take the order over."""
        super().on_epoch_begin()
        if self.source.order is not None:
            self.order.assign(self.source.order)


class _CopiedByNumPy(keras.utils.PyDataset):
    """The same batches, of which nobody else has the arrays."""

    def __init__(self, batches: keras.utils.PyDataset):
        super().__init__(
            workers=batches.workers,
            use_multiprocessing=batches.use_multiprocessing,
            max_queue_size=batches.max_queue_size,
        )
        self.batches = batches

    @property
    def num_batches(self) -> int | None:
        """Batches an epoch; None for an endless stream."""
        return self.batches.num_batches

    def __getitem__(self, index: int):
        """The batch at `index`."""
        return keras.tree.map_structure(np.array, self.batches[index])

    def on_epoch_begin(self) -> None:
        """Called by Keras."""
        self.batches.on_epoch_begin()

    def on_epoch_end(self) -> None:
        """Called by Keras."""
        self.batches.on_epoch_end()


def adapter(batches: keras.utils.PyDataset, *, shuffle: bool, passes: int, shared: bool):
    """Return what Keras' trainer reads in the place of a `PyDataset`: an adapter, where it takes one.

    Args:
        batches: any; those of arrays TensorFlow may cut itself.
        shuffle: read the batches in another order every pass, as Keras does for a data set without one of its own.
        passes: how often the data are read.
        shared: several replicas of `tf.distribute` share each batch.
    """
    if private.reader(*_PyDatasetAdapter) and private.is_read(
        made := _adapter(batches, shuffle=shuffle, passes=passes, shared=shared)
    ):
        return made
    return _CopiedByNumPy(batches) if shared else batches


def _adapter(batches: keras.utils.PyDataset, *, shuffle: bool, passes: int, shared: bool) -> _Adapter:
    if shared:
        return _Copied(batches, shuffle=shuffle)
    is_arrays = type(batches) is ArrayBatches and not shuffle and not isinstance(batches.arrays[0], dict)
    if is_arrays and passes >= COPIED_PASSES and sum(array.nbytes for array in batches.arrays) <= COPIED_BYTES:
        return _Gathered(batches)
    return _Read(batches, shuffle=shuffle)


def _deep_copy(*batch: tf.Tensor) -> tuple:
    return keras.tree.map_structure(lambda part: tf.raw_ops.DeepCopy(x=part), batch)


def _untuned(data: tf.data.Dataset) -> tf.data.Dataset:
    options = tf.data.Options()
    options.autotune.enabled = False
    options.experimental_optimization.apply_default_optimizations = False  # None applies, and the search takes time.
    return data.with_options(options)
