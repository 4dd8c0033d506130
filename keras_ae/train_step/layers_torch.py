"""Transposed convolutions on PyTorch that compute no border to cut off again."""

import torch
from keras import ops
from torch.nn import functional

_TRANSPOSED = {1: functional.conv_transpose1d, 2: functional.conv_transpose2d, 3: functional.conv_transpose3d}


class _Padded:
    """The same layer where padding on both sides is alike, as kernels and strides of a `Deconv` row make it.

    Keras computes the whole output, copies the middle, and hands PyTorch a kernel of another memory order, for which
    it has no fast path on CPU.
    """

    def call(self, inputs):
        """(batch, *sides, channels) -> (batch, *(stride * side), filters)."""
        sides = len(self.strides)
        pads = [kernel - stride for kernel, stride in zip(self.kernel_size, self.strides, strict=True)]
        if self.padding != "same" or any(pad < 0 or pad % 2 for pad in pads):
            return super().call(inputs)
        first = (0, sides + 1, *range(1, sides + 1))
        layout = {2: torch.channels_last, 3: torch.channels_last_3d}.get(sides, torch.contiguous_format)
        kernel = (
            ops.convert_to_tensor(self.kernel).permute(sides + 1, sides, *range(sides)).contiguous(memory_format=layout)
        )
        bias = None if self.bias is None else ops.convert_to_tensor(self.bias)
        padding = [pad // 2 for pad in pads]
        outputs = _TRANSPOSED[sides](inputs.permute(first), kernel, bias, self.strides, padding)
        return self.activation(outputs.permute(0, *range(2, sides + 2), 1))


def convolution(kind: type) -> type:
    """Return the Keras layer itself."""
    return kind


def transposed_convolution(kind: type) -> type:
    """Return a subclass of a Keras layer `Conv?DTranspose`, of the same name, as files of weights want it."""
    return type(kind.__name__, (_Padded, kind), {})
