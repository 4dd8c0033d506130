"""The step on PyTorch."""

from contextlib import nullcontext

import keras
import torch
from keras import ops
from keras.ops import softplus  # noqa: F401 (offered by each backend)
from torch import distributed

from keras_ae.players import members
from keras_ae.train_step.adam_torch import fuse_adam
from keras_ae.train_step.distribution import SEED_STRIDE, workers
from keras_ae.train_step.distribution_torch import replicated
from keras_ae.train_step.layers_torch import (  # noqa: F401 (offered by each backend)
    activation,
    convolution,
    transposed_convolution,
)
from keras_ae.train_step.memory import kept_memory
from keras_ae.train_step.shares import Shares
from keras_ae.train_step.watched import with_adapters


class Steps:
    """`train_step` by `backward`."""

    # PyTorch's compiler refuses transposed convolutions on CPU; NumPy arrays feed as fast as batches of our own.
    default_jit_compile = False
    returns_early = torch.cuda.is_available()

    def train_step(self, data):
        """Update the weights by one batch and return the running means of the terms."""
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        self.zero_grad()
        if _ranks() == 1:
            loss, report = self.compute_terms(x, y, sample_weight, training=True)
        else:
            loss, report = self.functions["replicated"](x, y, sample_weight)
        variables = self.trainable_variables
        if len(self.players) == 1:
            self.optimizer.scale_loss(loss).backward()
            gradients = [variable.value.grad for variable in variables]
        else:
            losses = [self.optimizer.scale_loss(each) for each in loss]
            gradients = self.gradients_of_players(losses, variables, _gradients)
        with torch.no_grad():
            self.optimizer.apply(gradients, variables)
            return self.track(report)

    def test_step(self, data):
        """Return the running means of the terms, by the same objective as in training."""
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        with torch.no_grad():
            return self.track(self.compute_terms(x, y, sample_weight, training=False)[1])

    def fuse_optimizer(self) -> None:
        """Called by `compile`: let the optimiser take the fastest way to the same update."""
        for optimizer in members(self.optimizer):
            fuse_adam(optimizer)

    def make_train_function(self, force: bool = False) -> None:
        """Called by Keras when the model is built: make the step, under `torchrun` around PyTorch's own engine."""
        super().make_train_function(force)
        if _ranks() > 1:
            self.functions["replicated"] = torch.nn.parallel.DistributedDataParallel(_Objective(self))
            replicated.add(self)

    def get_metrics_result(self) -> dict:
        """Return the running means, under `torchrun` over the samples of all processes."""
        values = [variable.value for variable in self.metrics_variables]
        if _ranks() == 1 or values[0].device.type == "meta":  # Keras builds metrics without values.
            return super().get_metrics_result()
        joined = torch.cat([value.detach().reshape(-1) for value in values])
        distributed.all_reduce(joined)
        pieces = joined.split([value.numel() for value in values])
        sums = [piece.reshape(value.shape) for piece, value in zip(pieces, values, strict=True)]
        with keras.StatelessScope(state_mapping=list(zip(self.metrics_variables, sums, strict=True))):
            return super().get_metrics_result()

    def share_of(self, count):
        """Return the share of the global batch that `count`, this process' weight of samples, is: ()."""
        return 1.0 if _ranks() == 1 else ops.divide_no_nan(count, _Sum.apply(count))

    def sum_over_replicas(self, value):
        """Return the sum of a value over the processes: (...) -> (...)."""
        return value if _ranks() == 1 else _Sum.apply(value)

    def of_first_replica(self, value):
        """Return a value as the first process has it: (...) -> (...)."""
        if _ranks() > 1:
            value = value.detach().clone()
            distributed.broadcast(value, 0)
        return value

    def cut(self, batches):
        """Return this process' share of the batches."""
        return Shares(batches, workers())

    def check_strategy(self, *, unweighted_metrics: bool) -> None:
        """Refuse what `DistributedDataParallel` does not allow.

        Raises:
            ValueError: `jit_compile=True` in several processes.
        """
        if _ranks() > 1:
            self.refuse_players("under torchrun")
        if _ranks() > 1 and self.jit_compile:
            raise ValueError("jit_compile=True: keras_ae does not compile the step under torchrun. Leave it out.")

    def fitting(self, callbacks: list, steps_per_epoch: int | None):
        """Return the context of `fit`: memory is kept between steps."""
        return kept_memory(on_cpu=not self.returns_early)

    def apart(self):
        """Return the context of a step of a batch by hand, in which nothing is needed here."""
        return nullcontext()

    def expect_weights(self, kind: str, rank: int | None) -> None:
        """Nothing to do: the step sees the rank of each batch's weights."""

    def keeping_state(self):
        """Return the context of `evaluate` and `predict`, whose failure changes nothing here."""
        return nullcontext()

    def read(self, arguments: dict) -> dict:
        """Return Keras' arguments, with every watched `tf.data.Dataset` as its trainer reads it fastest."""
        return with_adapters(arguments)

    def alone(self, action):
        """Return `action()`: no other process need take part."""
        return action()

    def compile_function(self, function):
        """Return `function` without gradients, NumPy in and out; PyTorch runs it as it is."""

        def call(*arrays):
            with torch.no_grad():
                outputs = function(*[ops.convert_to_tensor(array) for array in arrays])
            return keras.tree.map_structure(ops.convert_to_numpy, outputs)

        return call


class _Objective(torch.nn.Module):
    """A process' share of the loss as a module: what `DistributedDataParallel` takes."""

    def __init__(self, model: keras.Model):
        super().__init__()
        self.model = model

    def forward(self, x, y, sample_weight):
        loss, report = self.model.compute_terms(x, y, sample_weight, training=True)
        # The engine averages gradients over processes, and each contributes its share of the mean.
        return loss * report.share * _ranks(), report


def _gradients(loss, variables: list) -> list:
    """The gradients of one of several losses of the same pass."""
    if not variables:
        return []
    return torch.autograd.grad(loss, [variable.value for variable in variables], retain_graph=True)


class _Sum(torch.autograd.Function):
    """The sum over processes; each one's loss depends on it, so that gradients are summed on their way back, too."""

    @staticmethod
    def forward(ctx, value):
        total = value.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx, gradient):
        return _Sum.apply(gradient)


def replica_seed(seed):
    """Return a seed, (2,), of this process' own."""
    return seed if _ranks() == 1 else seed + torch.tensor([distributed.get_rank() * SEED_STRIDE, 0], dtype=seed.dtype)


def _ranks() -> int:
    return distributed.get_world_size() if distributed.is_initialized() else 1
