"""Adam in one pass over the weights on TensorFlow."""

import keras
import tensorflow as tf

from keras_ae.train_step import private
from keras_ae.train_step.adam import is_plain_adam


def fuse_adam(optimizer: keras.optimizers.Optimizer) -> None:
    """Let Keras' Adam update each variable by TensorFlow's own kernel, of the same arithmetic.

    Keras writes the update as a dozen operations, each a pass over the weights, the slowest part of a small step.
    Other optimisers, AMSGrad and sparse gradients are left as they are.
    """
    if not is_plain_adam(optimizer):
        return
    whole = optimizer.update_step

    def update_step(gradient, variable, learning_rate):
        slots = private.adam_slots(optimizer)  # They are there once the optimiser is built.
        if slots is None or isinstance(gradient, tf.IndexedSlices) or variable.dtype != tf.float32:
            return whole(gradient, variable, learning_rate)
        m, v = slots(variable)
        step = tf.cast(optimizer.iterations + 1, tf.float32)
        return tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=m.value.handle,
            v=v.value.handle,
            beta1_power=tf.pow(optimizer.beta_1, step),
            beta2_power=tf.pow(optimizer.beta_2, step),
            lr=tf.cast(learning_rate, tf.float32),
            beta1=optimizer.beta_1,
            beta2=optimizer.beta_2,
            epsilon=optimizer.epsilon,
            grad=tf.cast(gradient, tf.float32),
        )

    optimizer.update_step = update_step
