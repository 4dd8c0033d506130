"""One step of training on each backend: the only code of the library that knows which backend it runs on.

Each module has a class `Steps`, mixed into `Autoencoder`, with

- `train_step`, `test_step`: as Keras' trainer of that backend calls them. Both leave the losses to
  `Autoencoder.compute_terms` and the logs to `Autoencoder.track`.
- `fuse_optimizer()`: let the optimiser update all weights in as few passes as the backend knows.
- `share_of(count)`, `sum_over_replicas(value)`: under a strategy the replica's share of the global batch, and a sum
  that gradients go through; 1 and the value itself on one device.
- `of_first_replica(value)`: a value without gradient, as the first replica has it.
- `cut(batches)`: a data set of global batches as the backend's trainer takes it under a strategy.
- `fitting(callbacks, steps_per_epoch)`: what holds from the first step of `fit` to its last, a context.
- `expect_weights(kind, rank)`: the next data of "train" or "test" have weights of that rank, None for none or any.
- `apart()`: what holds within `train_on_batch`, which a callback of `fit` may call, a context.
- `keeping_state()`: what holds within `evaluate` and `predict` of a stream, a context.
- `read(arguments)`: Keras' arguments of `fit`, `evaluate` or `predict`, data sets as its trainer reads them fastest.
- `alone(action)`: run what one process does without the others, such as saving.
- `check_strategy(...)`: refuse what the current strategy cannot do, before training.
- `compile_function(function)`: compile a function of tensors that uses the model's layers, NumPy in and out.
- `returns_early`: whether Python goes on while a step still computes.
- `default_jit_compile`: XLA or not, as `benchmarks/step_defaults.py` measured it on CPU.

and functions `convolution(kind)` and `transposed_convolution(kind)`, which return the backend's faster subclass of a
Keras layer, or the layer itself; `activation(name)`, which does the like for Keras' activations; and `softplus(x)`.
"""

from importlib import import_module

import keras

BACKENDS = ("tensorflow", "jax", "torch")

if keras.backend.backend() not in BACKENDS:
    raise ImportError(
        f"keras_ae trains on {', '.join(BACKENDS)}; Keras' backend here is {keras.backend.backend()!r}. "
        "Set the environment variable KERAS_BACKEND to one of them before Python starts."
    )

_backend = import_module(f"keras_ae.train_step.{keras.backend.backend()}")
Steps = _backend.Steps
activation = _backend.activation
convolution, transposed_convolution = _backend.convolution, _backend.transposed_convolution
softplus = _backend.softplus


class ReplicaSeeds(keras.random.SeedGenerator):
    """A seed generator with one state for all replicas of a model, and seeds that differ from replica to replica."""

    def next(self, ordered: bool = True):
        """Return the next seed, (2,), and step on."""
        return _backend.replica_seed(super().next(ordered))
