"""The step on TensorFlow."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import keras
import tensorflow as tf
from keras.ops import softplus  # noqa: F401 (offered by each backend)
from keras.optimizers import LossScaleOptimizer

from keras_ae.players import members
from keras_ae.train_step import private
from keras_ae.train_step.adam_tensorflow import fuse_adam
from keras_ae.train_step.ahead_tensorflow import Ahead, only_logs
from keras_ae.train_step.distribution import SEED_STRIDE, out_of_scope
from keras_ae.train_step.feed_tensorflow import adapter
from keras_ae.train_step.layers_tensorflow import (  # noqa: F401 (offered by each backend)
    activation,
    convolution,
    transposed_convolution,
)
from keras_ae.train_step.memory import kept_memory
from keras_ae.train_step.watch_step_tensorflow import can_look, looked_at, parted
from keras_ae.train_step.watch_tfdata import watched_dataset
from keras_ae.train_step.watched import WatchedDataset


class Steps(private.BuiltBySpec):
    """`train_step` by `GradientTape`."""

    # Measured on 2 CPU cores (benchmarks/results/step_defaults.md): XLA runs at 0.83 of the plain graph's speed.
    default_jit_compile = False
    may_run_ahead = False
    watch, first_step = None, 0

    def train_step(self, data):
        """Update the weights by one batch and return the running means of the terms."""
        if self.watch is not None:
            parts, support = data if isinstance(data, tuple) else (data,), self.spec.likelihood.support
            data = looked_at(parts, support, self.optimizer.iterations, self._look)
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        several = len(self.players) > 1
        with tf.GradientTape(persistent=several) as tape:
            losses, report = self.compute_terms(x, y, sample_weight, training=True)
            # The optimiser sums gradients over replicas, so that each contributes its share of the mean.
            scaled = [self.optimizer.scale_loss(loss * report.share) for loss in (losses if several else [losses])]
        variables = self.trainable_variables
        gradients = self.gradients_of_players(scaled, variables, tape.gradient)
        self.optimizer.apply(self._summed_early(gradients), variables)
        return _logs(self.track(report))

    def _summed_early(self, gradients: list) -> list:
        """Return gradients that the optimiser may clip, or search for overflow, before it sums them over replicas.

        Both ask for the sum. It is taken here, and handed in by the first replica; the others hand in zeros, or NaN
        where the sum is not finite, so that all replicas find the same.
        """
        if _replicas() == 1 or not (isinstance(self.optimizer, LossScaleOptimizer) or _clips(self.optimizer)):
            return gradients
        context = tf.distribute.get_replica_context()
        kept = tf.cast(tf.equal(context.replica_id_in_sync_group, 0), "float32")
        return [g * tf.cast(kept, g.dtype) for g in context.all_reduce("sum", gradients)]

    def share_of(self, count):
        """Return the share of the global batch that `count`, this replica's weight of samples, is: ()."""
        return 1.0 if _replicas() == 1 else tf.math.divide_no_nan(count, self.sum_over_replicas(count))

    def sum_over_replicas(self, value):
        """Return the sum of a value over the replicas: (...) -> (...)."""
        return value if _replicas() == 1 else tf.distribute.get_replica_context().all_reduce("sum", value)

    def of_first_replica(self, value):
        """Return a value as the first replica has it: (...) -> (...)."""
        if _replicas() == 1:
            return value
        is_first = tf.equal(tf.distribute.get_replica_context().replica_id_in_sync_group, 0)
        return self.sum_over_replicas(tf.where(is_first, value, tf.zeros_like(value)))

    def cut(self, batches):
        """Return the data as they are: `tf.distribute` cuts global batches itself."""
        return batches

    def check_strategy(self, *, unweighted_metrics: bool) -> None:
        """Refuse what `tf.distribute` cannot do.

        Raises:
            ValueError: gradient accumulation, `steps_per_execution` > 1 or `jit_compile=True` on several replicas.
        """
        if self.distribute_strategy.num_replicas_in_sync == 1:
            return
        self.refuse_players("on several replicas of tf.distribute")
        refused = {
            "gradient_accumulation_steps": _inner(self.optimizer).gradient_accumulation_steps,
            "steps_per_execution": self.steps_per_execution > 1 and self.steps_per_execution,
            "jit_compile": self.jit_compile,
        }
        for name, value in refused.items():
            if value:
                raise ValueError(
                    f"{name}={value}: Keras cannot do this on several replicas of tf.distribute. Leave it out, or "
                    "train on one device; data-parallel on JAX allows it."
                )

    def test_step(self, data):
        """Return the running means of the terms, by the same objective as in training."""
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        _, report = self.compute_terms(x, y, sample_weight, training=False)
        return _logs(self.track(report))

    def get_metrics_result(self) -> dict:
        """Return the running means, within a step, too, over the samples of all replicas."""
        context = tf.distribute.get_replica_context()
        if _replicas() == 1 or context is None:
            return super().get_metrics_result()
        variables = self.metrics_variables
        # As tensors of the replica's device, which a sum over replicas looks for.
        sums = context.all_reduce("sum", [tf.identity(variable.value) for variable in variables])
        with keras.StatelessScope(state_mapping=list(zip(variables, sums, strict=True))):
            return super().get_metrics_result()

    @property
    def returns_early(self) -> bool:
        """Whether Python goes on while a step still computes."""
        return bool(tf.config.list_physical_devices("GPU"))

    def make_train_function(self, force: bool = False) -> None:
        """Called by Keras: make `train_function`."""
        if not force and self.train_function is not None:
            return
        super().make_train_function(force)
        if self.run_eagerly or self.steps_per_execution > 1 or self._has_strategy():
            return
        step = tf.function(self.train_step, autograph=False, reduce_retracing=True, jit_compile=self.jit_compile)
        by_one, ahead = self.train_function, Ahead(_without_optionals(step))
        self.train_function = lambda iterator: (ahead if self.may_run_ahead else by_one)(iterator)

    @contextmanager
    def fitting(self, callbacks: list, steps_per_epoch: int | None) -> Iterator[None]:
        """Within, memory is kept between steps, and steps may run ahead of callbacks that see logs alone."""
        # An epoch of a given length ends before its data do.
        cut = steps_per_epoch or keras.config.max_steps_per_epoch()
        self.may_run_ahead = not cut and all(map(only_logs, callbacks))
        try:
            with kept_memory(on_cpu=not self.returns_early):
                yield
        finally:
            self.may_run_ahead = False
            self._set_watch(None)

    def _set_watch(self, watch) -> None:
        """Let the step look at its batches, or, for None, not."""
        if (watch is None) != (self.watch is None):
            # Keras makes the other function, or takes up the one that it made before.
            self.functions["other"], self.train_function = self.train_function, self.functions.get("other")
        self.watch = watch

    @contextmanager
    def apart(self) -> Iterator[None]:
        """Within, a step of a batch by hand is none of the `fit` that may be going on."""
        watch, runs_ahead = self.watch, self.may_run_ahead
        self._set_watch(None)
        self.may_run_ahead = False
        try:
            yield
        finally:
            self._set_watch(watch)
            self.may_run_ahead = runs_ahead
            self.make_train_function()  # `fit` goes on with it, if `expect_weights` has dropped it.

    def _look(self, step: int, parts: tuple) -> tuple:
        """Called by the step with a batch that it does not know to be good."""
        self.watch.is_first &= step == self.first_step
        return self.watch(parts)

    def expect_weights(self, kind: str, rank: int | None) -> None:
        """Make the step of that kind, "train" or "test", anew where it was traced for weights of another rank.

        TensorFlow would trace once more for weights of any rank, which may be those of samples or of values.
        """
        before = self.functions.setdefault(f"weights of {kind}", rank)
        if rank is None or rank == before:
            return
        self.functions[f"weights of {kind}"] = rank
        if before is None:
            return
        if kind == "train":
            self.train_function = None
            self.functions.pop("other", None)
        else:
            self.test_function = None

    def keeping_state(self):
        """Return the context of `evaluate` and `predict`, whose failure changes nothing here."""
        return nullcontext()

    def read(self, arguments: dict) -> dict:
        """Return Keras' arguments, with every data set as its trainer reads it fastest."""
        if arguments.get("class_weight") is not None:
            return arguments
        options = {"passes": arguments.get("epochs", 1), "shared": self.distribute_strategy.num_replicas_in_sync > 1}
        shuffle = {"x": bool(arguments.get("shuffle")), "validation_data": False}
        found = {}
        for name in shuffle:
            data = arguments.get(name)
            if isinstance(data, keras.utils.PyDataset):
                found[name] = adapter(data, shuffle=shuffle[name], **options)
            elif isinstance(data, WatchedDataset):
                is_trained_on = name == "x" and "epochs" in arguments
                found[name] = self._read_by_step(data) if is_trained_on else watched_dataset(data.dataset, data.watch)
        return arguments | found

    def _read_by_step(self, data: WatchedDataset) -> tf.data.Dataset:
        """Return what a step that looks at its batches reads; where it cannot, what has been looked at."""
        # XLA cannot call Python, and strategies call it for each replica.
        if self.jit_compile or self._has_strategy() or not can_look(data):
            return watched_dataset(data.dataset, data.watch)
        self._set_watch(data.watch)
        self.first_step = int(self.optimizer.iterations)
        return parted(data)

    def alone(self, action):
        """Return `action()`, run so that no other worker need take part."""
        return action() if _replicas() == 1 else out_of_scope(action)

    def _has_strategy(self) -> bool:
        """Whether the model is of a strategy, of one device or of several."""
        with self.distribute_strategy.scope():
            return tf.distribute.has_strategy()

    def fuse_optimizer(self) -> None:
        """Called by `compile`: let the optimiser take the fastest way to the same update."""
        self.functions.pop("other", None)  # It has the optimiser before.
        for optimizer in members(self.optimizer):
            fuse_adam(optimizer)

    def compile_function(self, function):
        """Return `function` as a graph for any batch size, NumPy in and out."""
        graphs = {}

        def call(*arrays):
            signature = tuple(tf.TensorSpec((None, *array.shape[1:]), array.dtype) for array in arrays)
            if signature not in graphs:
                graphs[signature] = tf.function(function, autograph=False).get_concrete_function(*signature)
            outputs = graphs[signature](*[tf.convert_to_tensor(array) for array in arrays])
            return keras.tree.map_structure(lambda tensor: tensor.numpy(), outputs)

        return call


def replica_seed(seed):
    """Return a seed, (2,), of this replica's own."""
    if _replicas() == 1 or tf.distribute.in_cross_replica_context():
        return seed
    replica = tf.cast(tf.distribute.get_replica_context().replica_id_in_sync_group, seed.dtype)
    return seed + tf.stack([replica * SEED_STRIDE, tf.zeros_like(replica)])


def _logs(logs: dict) -> dict:
    # Keras averages logs over the workers of this strategy along an axis that scalars have not.
    if isinstance(tf.distribute.get_strategy(), tf.distribute.MultiWorkerMirroredStrategy):
        return {name: tf.expand_dims(value, 0) for name, value in logs.items()}
    return logs


def _without_optionals(step):
    """Return a step that gets None where Keras' reader of a `PyDataset` gives an empty `tf.experimental.Optional`."""

    def given(part):
        return None if isinstance(part, tf.experimental.Optional) else part

    return lambda data: step(keras.tree.map_structure(given, data))


def _replicas() -> int:
    return tf.distribute.get_strategy().num_replicas_in_sync


def _inner(optimizer):
    return optimizer.inner_optimizer if isinstance(optimizer, LossScaleOptimizer) else optimizer


def _clips(optimizer) -> bool:
    return any((optimizer.clipnorm, optimizer.global_clipnorm, optimizer.clipvalue))
