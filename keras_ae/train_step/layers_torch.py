"""Convolutions on PyTorch without copies: padding on both sides is alike, as kernels and strides of the rows make it.

Keras copies the input to another memory order and back, adds the bias in a pass of its own, and computes the border of
a transposed convolution to cut it off again.
"""

import torch
from keras import ops
from torch.nn import functional

_CONVOLUTIONS = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}
_TRANSPOSED = {1: functional.conv_transpose1d, 2: functional.conv_transpose2d, 3: functional.conv_transpose3d}
_LAYOUTS = {1: torch.contiguous_format, 2: torch.channels_last, 3: torch.channels_last_3d}


class _InPlace:
    """The same layer where what it pads is even; else Keras' own. `function` is PyTorch's by the number of sides."""

    def call(self, inputs):
        """(batch, *sides, channels) -> (batch, *(new sides), filters)."""
        pads = self.pads(inputs.shape[1:-1])
        if any(pad < 0 or pad % 2 for pad in pads) or self.groups != 1 or set(self.dilation_rate) != {1}:
            return super().call(inputs)
        sides = len(self.strides)
        order = (sides + 1, sides, *range(sides))
        kernel = ops.convert_to_tensor(self.kernel).permute(order).contiguous(memory_format=_LAYOUTS[sides])
        bias = None if self.bias is None else ops.convert_to_tensor(self.bias)
        inputs = inputs.permute(0, sides + 1, *range(1, sides + 1))
        outputs = self.function[sides](inputs, kernel, bias, self.strides, [pad // 2 for pad in pads])
        return self.activation(outputs.permute(0, *range(2, sides + 2), 1))


class _Convolution(_InPlace):
    function = _CONVOLUTIONS

    def pads(self, lengths) -> list[int]:
        """Return how many zeros there are along each side, on both ends together."""
        if self.padding == "valid":
            return [0] * len(lengths)
        windows = zip(lengths, self.kernel_size, self.strides, strict=True)
        return [max(kernel - (length % stride or stride), 0) for length, kernel, stride in windows]


class _TransposedConvolution(_InPlace):
    function = _TRANSPOSED
    groups = 1  # Keras' layer has none.

    def pads(self, lengths) -> list[int]:
        """Return how many values are cut along each side, on both ends together; negative where some are added."""
        if self.padding == "valid":
            return [-1] * len(lengths)
        return [kernel - stride for kernel, stride in zip(self.kernel_size, self.strides, strict=True)]


def convolution(kind: type) -> type:
    """Return a subclass of a Keras layer `Conv?D`, of the same name, as files of weights want it."""
    return type(kind.__name__, (_Convolution, kind), {})


def transposed_convolution(kind: type) -> type:
    """Return a subclass of a Keras layer `Conv?DTranspose`, of the same name, as files of weights want it."""
    return type(kind.__name__, (_TransposedConvolution, kind), {})
