"""The step on PyTorch."""

import keras
import torch
from keras import ops

from keras_ae.train_step.adam_torch import fuse_adam
from keras_ae.train_step.layers_torch import transposed_convolution  # noqa: F401 (offered by each backend)


class Steps:
    """`train_step` by `backward`."""

    # PyTorch's compiler refuses transposed convolutions on CPU; NumPy arrays feed as fast as batches of our own.
    default_jit_compile = False

    def train_step(self, data):
        """Update the weights by one batch and return the running means of the terms."""
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        self.zero_grad()
        loss, report = self.compute_terms(x, y, sample_weight, training=True)
        self.optimizer.scale_loss(loss).backward()
        variables = self.trainable_variables
        with torch.no_grad():
            self.optimizer.apply([variable.value.grad for variable in variables], variables)
            return self.track(loss.detach(), report)

    def test_step(self, data):
        """Return the running means of the terms, by the same objective as in training."""
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        with torch.no_grad():
            return self.track(*self.compute_terms(x, y, sample_weight, training=False))

    def fuse_optimizer(self) -> None:
        """Called by `compile`: let the optimiser take the fastest way to the same update."""
        fuse_adam(getattr(self.optimizer, "inner_optimizer", self.optimizer))

    def compile_function(self, function):
        """Return `function` without gradients, NumPy in and out; PyTorch runs it as it is."""

        def call(*arrays):
            with torch.no_grad():
                outputs = function(*[ops.convert_to_tensor(array) for array in arrays])
            return keras.tree.map_structure(ops.convert_to_numpy, outputs)

        return call
