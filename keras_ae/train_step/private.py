"""All names of Keras that it does not document, and what this library does where one of them is gone.

A name counts as documented where `keras` exports it, or where it is a public member of a class that `keras` exports.
All others that we touch are in `NAMES`, as Keras 3.15.1 has them, and no other file has one (`tests/test_private.py`).
Each is asked for by a function of this file. Where Keras has it no longer, training goes on in Keras' own way, which is
slower and comes to the same numbers; the test hides each name in turn. No private name of TensorFlow, JAX or PyTorch is
touched anywhere.
"""

from collections.abc import Callable
from importlib import import_module

import keras
import numpy as np

NAMES = {
    # Of `keras.Model` on every backend: see `drop_loss_tracker`.
    "loss_tracker": "_loss_tracker",
    # What reads data for Keras' trainers: see `reader` and `is_read`.
    "get_data_adapter": "keras.src.trainers.data_adapters.get_data_adapter",
    "PyDatasetAdapter": "keras.src.trainers.data_adapters.py_dataset_adapter.PyDatasetAdapter",
    "TFDatasetAdapter": "keras.src.trainers.data_adapters.tf_dataset_adapter.TFDatasetAdapter",
    # Methods of these, which our subclasses override.
    "on_epoch_begin": "on_epoch_begin",
    "get_tf_dataset": "get_tf_dataset",
    "get_numpy_iterator": "get_numpy_iterator",
    "get_jax_iterator": "get_jax_iterator",
    "get_torch_dataloader": "get_torch_dataloader",
    # Of `keras.optimizers.Adam`, the last one on PyTorch alone: see `adam_slots` and `parallel_update_of`.
    "get_variable_index": "_get_variable_index",
    "momentums": "_momentums",
    "velocities": "_velocities",
    "parallel_update_step": "_parallel_update_step",
    # Of `keras.Model` on JAX: see `is_jax_state` and `state_sync`.
    "jax_state": "_jax_state",
    "jax_state_sync": "jax_state_sync",
    # Of `keras.Model` on TensorFlow: see `BuiltBySpec`.
    "maybe_symbolic_build": "_maybe_symbolic_build",
    "symbolic_build": "_symbolic_build",
}


def drop_loss_tracker(model: keras.Model) -> None:
    """Take Keras' own running mean of the loss out of a compiled model: `TermMeans` has the loss.

    Without the name it stays, one more metric to reset, and to carry through each step on JAX. Logs are the same, for
    `TermMeans` comes after it; in the list that `evaluate` gives without `return_dict` the loss comes first.
    """
    if hasattr(model, NAMES["loss_tracker"]):
        setattr(model, NAMES["loss_tracker"], None)


def reader(name: str, *methods: str) -> type | None:
    """Keras' class that reads one kind of data for its trainers, which take an instance in the place of data.

    A subclass reads faster, or looks at what it reads. Without the class, or one of the methods that the subclass
    overrides, None: data are then given to Keras as they are.

    Args:
        name: "PyDatasetAdapter" or "TFDatasetAdapter".
        *methods: what the subclass overrides.
    """
    kind = _imported(NAMES[name])
    return kind if all(hasattr(kind, NAMES[method]) for method in methods) else None


def is_read(data) -> bool:
    """Whether Keras' trainers take this instance of a `reader` in the place of data: they say so themselves."""
    takes = _imported(NAMES["get_data_adapter"])
    try:
        return takes is not None and takes(data) is data
    except ValueError:  # Data of a kind that they do not know.
        return False


def adam_slots(optimizer: keras.optimizers.Optimizer) -> Callable | None:
    """Variable -> its first and second moment, of an Adam that is built.

    Adam in one pass over the weights needs them; without one of the names None, and Keras updates them by a dozen.
    """
    index, first, second = (
        getattr(optimizer, NAMES[name], None) for name in ("get_variable_index", "momentums", "velocities")
    )
    if index is None or first is None or second is None:
        return None
    return lambda variable: (first[index(variable)], second[index(variable)])


def parallel_update_of(optimizer: keras.optimizers.Optimizer) -> Callable | None:
    """The update of all variables at once, which Keras' optimisers have on PyTorch; None where they have not."""
    return getattr(optimizer, NAMES["parallel_update_step"], None)


def set_parallel_update(optimizer: keras.optimizers.Optimizer, update: Callable) -> None:
    """Put another update into the place of the one that `parallel_update_of` gives."""
    setattr(optimizer, NAMES["parallel_update_step"], update)


def is_jax_state(name: str) -> bool:
    """Whether a model's attribute is the state that Keras' trainer hands over at each step on JAX.

    It is set past Keras, which would wrap every array of it. Without the name it is set by Keras, which takes longer.
    """
    return name == NAMES["jax_state"]


def state_sync(model: keras.Model) -> Callable:
    """What puts the state of a `fit` that is going on on JAX back into the model's variables.

    Without the name it is done by Keras' callbacks, to which a model is shown up to date.
    """
    callback = keras.callbacks.Callback()
    callback.set_model(model)
    return getattr(model, NAMES["jax_state_sync"], lambda: callback.model)


class BuiltBySpec:
    """A model that `tf.distribute` trains, built from its spec where Keras would take the first batch.

    Keras averages that batch over replicas to learn its shape, and their shares may differ in size. Without one of the
    names it does so, and a first batch has to be one that the replicas divide.
    """

    def _maybe_symbolic_build(self, iterator=None, data_batch=None) -> None:
        """Called by Keras before the first step."""
        build = getattr(self, NAMES["symbolic_build"], None)
        if build is None or self.distribute_strategy.num_replicas_in_sync == 1:
            super()._maybe_symbolic_build(iterator, data_batch)
            return
        with self.distribute_strategy.scope():
            build(data_batch=(np.zeros((1, *self.spec.input_shape), "float32"),))


def _imported(path: str):
    """What Keras has under the full name, or None."""
    module, _, name = path.rpartition(".")
    try:
        return getattr(import_module(module), name, None)
    except ImportError:
        return None
