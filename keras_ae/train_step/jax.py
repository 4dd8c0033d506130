"""The step on JAX: stateless, with every variable that it reads or writes passed in and handed back."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial

import jax
import jax.numpy as jnp
import keras
import numpy as np

from keras_ae.train_step import private
from keras_ae.train_step.distribution import out_of_scope, workers
from keras_ae.train_step.layers_jax import (  # noqa: F401 (offered by each backend)
    activation,
    convolution,
    softplus,
    transposed_convolution,
)
from keras_ae.train_step.shares import Shares
from keras_ae.train_step.watched import with_adapters


class Steps:
    """`train_step` by `jax.value_and_grad` over a `keras.StatelessScope`."""

    # Without XLA, JAX runs op by op. NumPy arrays feed as fast as batches of our own (step_defaults.md).
    default_jit_compile = True
    returns_early = True

    def train_step(self, state, data):
        """Return the running means of the terms and the state after an update by one batch."""
        trainable, non_trainable, optimizer, metrics = state
        if len(self.players) == 1:
            gradient = jax.value_and_grad(self._scaled_loss, has_aux=True)
            (_, (report, non_trainable)), gradients = gradient(trainable, non_trainable, optimizer, data)
        else:
            losses, pull, (report, non_trainable) = jax.vjp(
                lambda trainable: self._scaled_loss(trainable, non_trainable, optimizer, data), trainable, has_aux=True
            )
            pulls = [
                partial(pull, [jnp.float32(place == own) for place in range(len(losses))]) for own in range(len(losses))
            ]
            gradients = self.gradients_of_players(pulls, range(len(trainable)), _pulled)
        trainable, optimizer = self.optimizer.stateless_apply(optimizer, gradients, trainable)
        logs, metrics = self._stateless_track(metrics, report)
        return logs, (trainable, non_trainable, optimizer, metrics)

    def test_step(self, state, data):
        """Return the running means of the terms, by the same objective as in training, and the state."""
        trainable, non_trainable, metrics = state
        _, report, non_trainable = self._stateless_terms(trainable, non_trainable, data)
        logs, metrics = self._stateless_track(metrics, report)
        return logs, (trainable, non_trainable, metrics)

    def _scaled_loss(self, trainable, non_trainable, optimizer, data):
        # The optimiser's variables are mapped too: the loss scale and the step count of schedules are among them.
        mapping = list(zip(self.optimizer.variables, optimizer, strict=True))
        loss, report, non_trainable = self._stateless_terms(trainable, non_trainable, data, mapping, training=True)
        with keras.StatelessScope(state_mapping=mapping):
            scaled = keras.tree.map_structure(self.optimizer.scale_loss, loss)
        return scaled, (report, non_trainable)

    def _stateless_terms(self, trainable, non_trainable, data, mapping=(), training=False):
        mapping = [
            *mapping,
            *zip(self.trainable_variables, trainable, strict=True),
            *zip(self.non_trainable_variables, non_trainable, strict=True),
        ]
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        with keras.StatelessScope(state_mapping=mapping, collect_losses=True) as scope:
            loss, report = self.compute_terms(x, y, sample_weight, training=training)
        return loss, report, [scope.get_current_value(variable) for variable in self.non_trainable_variables]

    def _stateless_track(self, metrics, report):
        mapping = list(zip(self.metrics_variables, metrics, strict=True))
        with keras.StatelessScope(state_mapping=mapping) as scope:
            logs = self.track(report)
        return logs, [scope.get_current_value(variable) for variable in self.metrics_variables]

    def fuse_optimizer(self) -> None:
        """Called by `compile`: nothing to do, for XLA makes one pass of the update."""

    def __setattr__(self, name, value):
        # Keras hands the state over at each step, and would wrap every array of it in lists that it watches.
        if private.is_jax_state(name):
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)

    def share_of(self, count):
        """Return 1: JAX sees the global batch, whatever devices hold it."""
        return 1.0

    def sum_over_replicas(self, value):
        """Return the value, which is that of the global batch."""
        return value

    def of_first_replica(self, value):
        """Return the value, which is that of the global batch."""
        return value

    def cut(self, batches):
        """Return this process' share of the batches, of a size that its devices divide."""
        return Shares(batches, workers(), multiple=jax.local_device_count())

    def check_strategy(self, *, unweighted_metrics: bool) -> None:
        """Refuse what data-parallel training does not allow.

        Raises:
            ValueError: unweighted metrics on several devices.
        """
        if workers().replicas > 1 and unweighted_metrics:
            raise ValueError(
                "metrics=...: under data-parallel on JAX a short last batch is filled up with samples of weight 0, "
                "which they would count. Give them as weighted_metrics=..."
            )

    def fitting(self, callbacks: list, steps_per_epoch: int | None):
        """Return the context of `fit`, in which nothing is needed here."""
        return nullcontext()

    def apart(self):
        """Return the context of a step of a batch by hand, in which nothing is needed here."""
        return nullcontext()

    def expect_weights(self, kind: str, rank: int | None) -> None:
        """Nothing to do: the step sees the rank of each batch's weights."""

    @contextmanager
    def keeping_state(self) -> Iterator[None]:
        """Within `evaluate` or `predict` a failure leaves variables as they were: Keras takes their values out."""
        variables = [*self.variables, *self.metrics_variables]
        values = [np.array(variable) for variable in variables]
        try:
            yield
        except Exception:
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)
            raise

    def read(self, arguments: dict) -> dict:
        """Return Keras' arguments, with every watched `tf.data.Dataset` as its trainer reads it fastest."""
        return with_adapters(arguments)

    def alone(self, action):
        """Return `action()`, run so that no other process need take part."""
        return action() if workers().count == 1 else out_of_scope(action)

    def compile_function(self, function):
        """Return `function` jitted with the model's variables as arguments, NumPy in and out."""

        @jax.jit
        def stateless(values, *arrays):
            with keras.StatelessScope(state_mapping=list(zip(self.variables, values, strict=True))):
                return function(*arrays)

        sync = private.state_sync(self)

        def call(*arrays):
            sync()  # Within fit the state lives outside the variables.
            # One device's copy of each: what one process computes alone must not wait for the others.
            outputs = stateless([variable.value.addressable_data(0) for variable in self.variables], *arrays)
            return keras.tree.map_structure(np.asarray, outputs)

        return call


def _pulled(pull, places: list) -> list:
    """The gradients of one of several losses, of the weights at these places."""
    (gradients,) = pull()
    return [gradients[place] for place in places]


def replica_seed(seed):
    """Return the seed: JAX draws for the global batch at once."""
    return seed
