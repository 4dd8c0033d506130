"""Batches of a `tf.data.Dataset` that the step of training looks at itself, where TensorFlow can tell a good one.

A function mapped over a data set costs time before it does anything, and one in Python more, which a step of a small
dense network feels (benchmarks/check_cost.py). Within the step a look at all values costs next to nothing. It tells
batches that are good beyond doubt; any other is handed to the `Watch`, which refuses it in words or lets it pass.
"""

from collections.abc import Callable

import tensorflow as tf

from keras_ae.rows.likelihoods import greatest_bits
from keras_ae.train_step.watched import WatchedDataset


def can_look(watched: WatchedDataset) -> bool:
    """Whether a step could tell good batches of a `WatchedDataset`: values are all that is not known of them."""
    spec = watched.watch.spec
    if spec.inputs or spec.likelihood.is_whole:
        return False
    x, y, weights = watched.watch.parts_of(watched.element_spec, watched.watch.name)
    parts = [part for part in (x, y) if part is not None]
    return (
        weights is None
        and all(part.shape.rank is not None and tuple(part.shape[1:]) == spec.input_shape for part in parts)
        # Bytes are images, or refused.
        and all(part.dtype == tf.float32 or (part.dtype == tf.uint8 and len(spec.input_shape) == 3) for part in parts)
    )


def parted(watched: WatchedDataset) -> tf.data.Dataset:
    """The batches of a `WatchedDataset`, x or (x, target), without labels and entries that are left out."""
    element, (x, y, _) = watched.element_spec, watched.watch.parts_of(watched.element_spec, watched.watch.name)
    if element is x or element == tuple(part for part in (x, y) if part is not None):
        return watched.dataset

    def parts(*element):
        x, y, _ = watched.watch.parts_of(element if len(element) > 1 else element[0], watched.watch.name)
        return x if y is None else (x, y)

    return watched.dataset.map(tf.autograph.experimental.do_not_convert(parts))


def looked_at(parts: tuple, support: tuple[float, float] | None, step, watch: Callable) -> tuple:
    """x, or x and its target, of one batch; where one is not good beyond doubt, what `watch` gives for them.

    Args:
        parts: tensors, float32 or uint8.
        support: of the likelihood.
        step: of training, an integer.
        watch: (step, arrays) -> arrays, or an error.
    """
    good = tf.reduce_all([_is_good(part, support) & (tf.shape(part)[0] == tf.shape(parts[0])[0]) for part in parts])
    kinds = [part.dtype for part in parts]
    step = tf.identity(step)  # Before the update.

    def by_watch():
        return tuple(tf.numpy_function(lambda step, *arrays: watch(int(step), arrays), [step, *parts], kinds))

    seen = tf.cond(good, lambda: parts, by_watch)
    return tuple(tf.ensure_shape(part, given.shape) for part, given in zip(seen, parts, strict=True))


def _is_good(part: tf.Tensor, support: tuple[float, float] | None) -> tf.Tensor:
    if part.dtype == tf.uint8:
        return tf.reduce_max(part) > 1  # Or it may be a mask.
    if support is None:
        return (tf.size(part) > 0) & tf.math.is_finite(tf.reduce_sum(part))
    return (tf.size(part) > 0) & (tf.reduce_max(tf.bitcast(part, tf.uint32)) <= greatest_bits(support))
