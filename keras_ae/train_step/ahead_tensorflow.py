"""Steps on TensorFlow that run ahead of Keras: one call of a graph trains on several batches.

For each batch Keras calls a graph, and asks in two further calls whether there was a batch and for the logs. With a
small network that takes as long as the step. Here a call does as many steps as `SECONDS` hold and returns the logs of
each, which Keras then gets one by one: callbacks are called for every step, with its logs, while weights may be some
steps further. Where a callback may look at them, or an epoch ends before its data do, Keras runs step by step.
"""

import time
import weakref
from collections import deque
from collections.abc import Callable

import keras
import tensorflow as tf

SECONDS = 0.1  # A call takes about so long at most: so often is progress shown, and an interrupt heard.
MOST = 256
HOOKS = ("on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end")


def only_logs(callback: keras.callbacks.Callback) -> bool:
    """Whether all that a callback does within an epoch is to look at logs: see `async_safe` in Keras."""
    if getattr(callback, "async_safe", False):
        return True
    by_epoch = "epoch" in (getattr(callback, "save_freq", None), getattr(callback, "update_freq", None))
    for name in HOOKS:
        hook = getattr(callback, name)
        # A callback may hold its hooks as plain functions, too, as `LambdaCallback` does.
        idle = getattr(hook, "__func__", None) is getattr(keras.callbacks.Callback, name)
        # Keras' own hooks do nothing where a callback saves or writes once an epoch.
        if not (idle or (by_epoch and _is_of_keras(hook, name))):
            return False
    return True


def _is_of_keras(hook: Callable, name: str) -> bool:
    """Whether a callback has its hook of that name from one of Keras' callbacks."""
    kinds = [kind for kind in vars(keras.callbacks).values() if isinstance(kind, type)]
    return getattr(hook, "__func__", None) in [getattr(kind, name) for kind in kinds if hasattr(kind, name)]


class Ahead:
    """What Keras calls for the next step: iterator -> logs, NumPy scalars; `StopIteration` where data end.

    Args:
        step: batch -> logs, a graph.
    """

    def __init__(self, step: Callable):
        self.step = step
        self.steps = tf.function(self._steps, autograph=False, reduce_retracing=True)
        self.most = 1
        self.iterator, self.logs = lambda: None, deque()

    def __call__(self, iterator: tf.data.Iterator) -> dict:
        """Return the logs of the iterator's next batch."""
        if iterator is not self.iterator():  # An epoch that was cut off may have left logs.
            self.iterator, self.logs = weakref.ref(iterator), deque()
        if not self.logs:
            self._run(iterator)
        if not self.logs:
            raise StopIteration
        return self.logs.popleft()

    def _run(self, iterator) -> None:
        started = time.perf_counter()
        count, stacked = self.steps(iterator, tf.constant(self.most))
        stacked, count = tf.nest.map_structure(lambda values: values.numpy(), stacked), int(count)
        self.logs.extend(tf.nest.map_structure(lambda values, n=n: values[n], stacked) for n in range(count))
        affordable = int(SECONDS * count / (time.perf_counter() - started))
        self.most = max(1, min(affordable, 2 * self.most, MOST))

    def _steps(self, iterator, most):
        """Return how many steps there were, up to `most`, and their logs, stacked."""
        on_next = tf.function(lambda data: self.step(data.get_next()), autograph=False)
        logs = on_next.get_concrete_function(tf.data.IteratorSpec(iterator.element_spec)).structured_outputs
        if not all(spec.shape.is_fully_defined() for spec in tf.nest.flatten(logs)):
            most = 1  # Such logs cannot be stacked.
        arrays = tf.nest.map_structure(
            lambda spec: tf.TensorArray(spec.dtype, 1, dynamic_size=True, element_shape=spec.shape), logs
        )

        def next_step(count, _, arrays):
            batch = iterator.get_next_as_optional()

            def taken():
                logs = self.step(batch.get_value())
                written = tf.nest.map_structure(lambda array, value: array.write(count, value), arrays, logs)
                return count + 1, True, written

            # Without a batch nothing of the step may run: its counters and seeds would move.
            return tf.cond(batch.has_value(), taken, lambda: (count, False, arrays))

        def going_on(count, more, _):
            return more & (count < most)

        count, _, arrays = tf.while_loop(going_on, next_step, (0, True, arrays))
        return count, tf.nest.map_structure(lambda array: array.stack(), arrays)
