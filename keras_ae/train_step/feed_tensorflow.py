"""How TensorFlow reads a `PyDataset`: by `tf.data` without its autotuner, small arrays by TensorFlow itself.

The autotuner has nothing to tune here, yet its thread wakes within every epoch, and on a machine of few cores may push
the threads that compute onto one of them: in benchmarks/results/step_defaults.md the row "tf.data" has it.
"""

import keras
import numpy as np
import tensorflow as tf

# Keras takes an adapter in the place of a data set, but does not export the class.
from keras.src.trainers.data_adapters.py_dataset_adapter import PyDatasetAdapter

from keras_ae.feeding import ArrayBatches

COPIED_BYTES = 2**28  # Arrays up to this size are copied into TensorFlow's memory,
COPIED_PASSES = 3  # and only if they are read so often: a copy takes longer than one pass gains by it.


class _Read(PyDatasetAdapter):
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


class _Gathered(PyDatasetAdapter):
    """Batches of arrays that TensorFlow cuts, in the order that the data set has at the begin of a pass."""

    def __init__(self, batches: ArrayBatches):
        super().__init__(batches)
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
        if self.py_dataset.order is not None:
            self.order.assign(self.py_dataset.order)


def adapter(batches: keras.utils.PyDataset, *, shuffle: bool, passes: int, shared: bool) -> PyDatasetAdapter:
    """Return what Keras' trainer reads in the place of a `PyDataset`.

    Args:
        batches: any; those of arrays TensorFlow may cut itself.
        shuffle: read the batches in another order every pass, as Keras does for a data set without one of its own.
        passes: how often the data are read.
        shared: several replicas of `tf.distribute` share each batch.
    """
    if shared:
        return _Copied(batches, shuffle=shuffle)
    is_arrays = type(batches) is ArrayBatches and not shuffle and not isinstance(batches.arrays[0], dict)
    if is_arrays and passes >= COPIED_PASSES and sum(array.nbytes for array in batches.arrays) <= COPIED_BYTES:
        return _Gathered(batches)
    return _Read(batches, shuffle=shuffle)


def _deep_copy(*batch: tf.Tensor) -> tuple:
    return tuple(tf.raw_ops.DeepCopy(x=part) for part in batch)


def _untuned(data: tf.data.Dataset) -> tf.data.Dataset:
    options = tf.data.Options()
    options.autotune.enabled = False
    options.experimental_optimization.apply_default_optimizations = False  # None applies, and the search takes time.
    return data.with_options(options)
