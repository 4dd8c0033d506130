"""Adam in one pass over the weights on PyTorch."""

import math
from functools import cache

import keras
import torch
from keras import ops
from torch.optim.adam import adam

from keras_ae.train_step import private
from keras_ae.train_step.adam import is_plain_adam


def fuse_adam(optimizer: keras.optimizers.Optimizer) -> None:
    """Let Keras' Adam update all variables by PyTorch's fused kernel on CPU, of the same arithmetic.

    Keras writes the update as a dozen operations, each a pass over the weights, the slowest part of a small step.
    Other optimisers, AMSGrad and other devices are left as they are.
    """
    whole = private.parallel_update_of(optimizer)
    if whole is None or not is_plain_adam(optimizer):
        return

    @cache
    def slots():  # They are there once the optimiser is built.
        return private.adam_slots(optimizer)

    def parallel_update_step(gradients, variables, learning_rate):
        weights = [variable.value for variable in variables]
        if slots() is None or any(weight.device.type != "cpu" or weight.dtype != torch.float32 for weight in weights):
            return whole(gradients, variables, learning_rate)
        moments = [slots()(variable) for variable in variables]
        step = float(ops.convert_to_tensor(optimizer.iterations))
        return adam(
            weights,
            [gradient.to(torch.float32) for gradient in gradients],
            [m.value for m, _ in moments],
            [v.value for _, v in moments],
            max_exp_avg_sqs=[],
            state_steps=[torch.tensor(step) for _ in moments],
            fused=True,
            amsgrad=False,
            beta1=optimizer.beta_1,
            beta2=optimizer.beta_2,
            lr=float(learning_rate),
            weight_decay=0.0,
            # PyTorch adds epsilon after it has corrected the bias of v, Keras (Kingma & Ba 2015, section 2) before.
            eps=optimizer.epsilon / math.sqrt(1 - optimizer.beta_2 ** (step + 1)),
            maximize=False,
        )

    private.set_parallel_update(optimizer, parallel_update_step)
