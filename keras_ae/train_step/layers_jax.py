"""Convolutions on JAX as matrix products, where they run on a CPU, and a softplus without `log1p`.

XLA has no fast gradient of a strided convolution for CPUs, least of all for large batches. On other devices the layers
are those of Keras.
"""

from itertools import product
from math import prod

import jax
import jax.numpy as jnp
from keras import ops

from keras_ae.train_step.blocks import in_blocks, interleaved, named_as, suits


def _suits(layer) -> bool:
    """Whether blocks of the stride's size tile the kernel."""
    return jax.default_backend() == "cpu" and suits(layer)


class _Products:
    """A convolution as one product of the input's blocks with the kernel's."""

    def convolution_op(self, inputs, kernel):
        """(batch, *sides, channels) -> (batch, *ceil(sides / stride), filters)."""
        sides, channels = inputs.shape[1:-1], inputs.shape[-1]
        if not _suits(self):
            return super().convolution_op(inputs, kernel)
        strides, rank = self.strides, len(sides)
        blocks = in_blocks(ops.convert_to_tensor(kernel), strides)
        counts = blocks.shape[:rank]
        outs = tuple(-(-side // stride) for side, stride in zip(sides, strides, strict=True))
        lacks = [-side % stride for side, stride in zip(sides, strides, strict=True)]
        pads = [size - stride + lack for size, stride, lack in zip(self.kernel_size, strides, lacks, strict=True)]
        x = jnp.pad(inputs, [(0, 0), *((pad // 2, pad - pad // 2) for pad in pads), (0, 0)])
        lengths = [out + count - 1 for out, count in zip(outs, counts, strict=True)]
        x = x.reshape(-1, *(part for pair in zip(lengths, strides, strict=True) for part in pair), channels)
        x = x.transpose(0, *range(1, 2 * rank, 2), *range(2, 2 * rank + 1, 2), 2 * rank + 1)
        x = x.reshape(-1, *lengths, prod(strides) * channels)
        windows = [x[:, *_window(shift, outs)] for shift in product(*map(range, counts))]
        columns = jnp.concatenate(windows, axis=-1).reshape(-1, len(windows) * x.shape[-1])
        return (columns @ blocks.reshape(-1, blocks.shape[-1])).reshape(-1, *outs, blocks.shape[-1])


class _TransposedProducts:
    """A transposed convolution as one product, whose blocks are shifted, added and interleaved."""

    def call(self, inputs):
        """(batch, *sides, channels) -> (batch, *(stride * side), filters)."""
        sides, channels = inputs.shape[1:-1], inputs.shape[-1]
        if not _suits(self):
            return super().call(inputs)
        strides, rank = self.strides, len(sides)
        blocks = in_blocks(ops.convert_to_tensor(self.kernel), strides)
        counts, filters = blocks.shape[:rank], blocks.shape[-2]
        products = inputs.reshape(-1, channels) @ blocks.reshape(-1, channels).T
        products = products.reshape(-1, *sides, prod(counts), prod(strides) * filters)
        total = 0
        for place, shift in enumerate(product(*map(range, counts))):
            around = [(by, count - 1 - by) for by, count in zip(shift, counts, strict=True)]
            total += jnp.pad(products[..., place, :], [(0, 0), *around, (0, 0)])
        outputs = interleaved(total, strides, counts)
        return self.activation(outputs if self.bias is None else outputs + ops.convert_to_tensor(self.bias))


def _window(starts, lengths) -> tuple[slice, ...]:
    return tuple(slice(start, start + length) for start, length in zip(starts, lengths, strict=True))


def convolution(kind: type) -> type:
    """Return a subclass of a Keras layer `Conv?D`, which files know by the name of that layer."""
    return named_as(kind, _Products)


def transposed_convolution(kind: type) -> type:
    """Return a subclass of a Keras layer `Conv?DTranspose`, which files know by the name of that layer."""
    return named_as(kind, _TransposedProducts)


def activation(name: str) -> str:
    """Return the name itself: Keras' activations are as fast as they can be here."""
    return name


@jax.custom_jvp
def softplus(x):
    """Return log(1 + exp(x)), elementwise, float32: within 6e-8 beside the exact value's own rounding.

    That suits sums of many values. Small values lose their relative accuracy, which `keras.ops.softplus` keeps by
    `log1p`; XLA's `log` is faster.
    """
    # The choice is there for XLA too: without one it moves all of this into the sum over values, where logarithms are
    # slower still.
    return jnp.where(x > 30, x, jnp.log(1 + jnp.exp(jnp.minimum(x, 30))))


@softplus.defjvp
def _softplus_tangent(primals, tangents):
    (x,), (tangent,) = primals, tangents
    return softplus(x), tangent * jax.nn.sigmoid(x)
