"""On CPUs TensorFlow computes transposed convolutions to few channels as plain ones, and SiLU's gradient in one pass.

Its own gradient is six operations, each a pass over memory; XLA makes one of them.
"""

import sys
from math import prod

import keras
import tensorflow as tf
from keras import ops

from keras_ae.train_step.blocks import interleaved, named_as, plain, suits_few

LEAST_VALUES = 1024  # Of a sample: below it starting a compiled function takes longer than it gains.


def _on_cpu() -> bool:
    return not tf.config.list_physical_devices("GPU")


def silu(x):
    """Return x sigmoid(x), as `keras.activations.silu`, by whose name it is written to files."""
    values = 0 if None in x.shape[1:] else prod(x.shape[1:])
    # TensorFlow has XLA for CPUs on Linux everywhere, elsewhere not always.
    suits = values >= LEAST_VALUES and sys.platform == "linux" and _on_cpu()
    return _silu(x) if suits else keras.activations.silu(x)


@tf.custom_gradient
def _silu(x):
    return tf.nn.silu(x), lambda above: _silu_gradient(x, above)


@tf.function(jit_compile=True, autograph=False, reduce_retracing=True)
def _silu_gradient(x, above):
    # In float32 whatever comes: in bfloat16 XLA would round after each operation, which takes longer.
    x, wide = tf.cast(x, tf.float32), tf.cast(above, tf.float32)
    chance = tf.sigmoid(x)
    return tf.cast(wide * chance * (1 + x * (1 - chance)), above.dtype)


def activation(name: str):
    """Return what Keras takes as the activation of that name."""
    return silu if name in ("silu", "swish") else name


class _TransposedConvolution:
    """The same layer, whose output comes in blocks; its gradients are those of the usual form, which are fast."""

    def call(self, inputs):
        """(batch, *sides, channels) -> (batch, *(sides * strides), filters)."""
        if not suits_few(self) or not _on_cpu():
            return super().call(inputs)
        # As tensors: a function with gradients of its own takes no variables.
        kernel, bias = (tf.convert_to_tensor(ops.convert_to_tensor(weight)) for weight in (self.kernel, self.bias))
        return self.activation(_transposed(self.strides)(inputs, kernel, bias))


def _transposed(strides: tuple[int, ...]):
    """Return the transposed convolution of a stride, with bias."""
    order = {1: "NWC", 2: "NHWC", 3: "NDHWC"}[len(strides)]  # The gradient of three sides fails without it.

    @tf.custom_gradient
    def transposed(inputs, kernel, bias):
        def gradients(above):
            with tf.GradientTape() as tape:
                tape.watch(kernel)
                of_inputs = tf.nn.convolution(above, kernel, strides=strides, padding="SAME", data_format=order)
            # The same convolution's gradient by its kernel, at the inputs, is that of the transposed one.
            of_kernel = tape.gradient(of_inputs, kernel, inputs)
            # Samples first: a sum over all places at once is slow where channels are few.
            of_bias = tf.reduce_sum(tf.reduce_sum(above, axis=0), axis=tuple(range(len(strides))))
            return of_inputs, of_kernel, of_bias

        blocked = plain(kernel, strides)
        counts = blocked.shape[: len(strides)]
        padded = tf.pad(inputs, [(0, 0), *((count - 1, count - 1) for count in counts), (0, 0)])
        blocks = tf.nn.convolution(padded, blocked, padding="VALID", data_format=order)
        blocks = tf.nn.bias_add(blocks, tf.tile(bias, [blocks.shape[-1] // bias.shape[0]]))
        return interleaved(blocks, strides, counts), gradients

    return transposed


def convolution(kind: type) -> type:
    """Return the Keras layer itself."""
    return kind


def transposed_convolution(kind: type) -> type:
    """Return a subclass of a Keras layer `Conv?DTranspose`, which files know by the name of that layer."""
    return named_as(kind, _TransposedConvolution)
