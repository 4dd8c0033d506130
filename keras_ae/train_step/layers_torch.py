"""Convolutions on PyTorch without copies: padding on both sides is alike, as kernels and strides of the rows make it.

Keras copies the input to another memory order and back, adds the bias in a pass of its own, and computes the border of
a transposed convolution to cut it off again.
"""

import torch
from keras import ops
from torch.nn import functional

from keras_ae.train_step.blocks import interleaved, named_as, plain, suits_few

_CONVOLUTIONS = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}
_TRANSPOSED = {1: functional.conv_transpose1d, 2: functional.conv_transpose2d, 3: functional.conv_transpose3d}
_LAYOUTS = {1: torch.contiguous_format, 2: torch.channels_last, 3: torch.channels_last_3d}


class _InPlace:
    """The same layer where PyTorch pads as Keras; else Keras' own. `function` is PyTorch's by the number of sides."""

    def call(self, inputs):
        """(batch, *sides, channels) -> (batch, *(new sides), filters)."""
        pads = self.pads(inputs.shape[1:-1])
        if any(pad < 0 for pad in pads) or self.groups != 1 or set(self.dilation_rate) != {1}:
            return super().call(inputs)
        if any(pad % 2 for pad in pads):
            if not self.pads_more:
                return super().call(inputs)
            # PyTorch pads both ends alike: an odd zero goes to the end beforehand.
            inputs = functional.pad(inputs, (0, 0, *(by for pad in reversed(pads) for by in (0, pad % 2))))
        kernel = _as_filters(ops.convert_to_tensor(self.kernel))
        bias = None if self.bias is None else ops.convert_to_tensor(self.bias)
        pads = [pad // 2 for pad in pads]
        return self.activation(_last(self.function[len(pads)](_first(inputs), kernel, bias, self.strides, pads)))


class _Convolution(_InPlace):
    function = _CONVOLUTIONS
    pads_more = True

    def pads(self, lengths) -> list[int]:
        """Return how many zeros there are along each side, on both ends together."""
        if self.padding == "valid":
            return [0] * len(lengths)
        windows = zip(lengths, self.kernel_size, self.strides, strict=True)
        return [max(kernel - (length % stride or stride), 0) for length, kernel, stride in windows]


class _TransposedConvolution(_InPlace):
    function = _TRANSPOSED
    pads_more = False  # What is cut unevenly is left to Keras.
    groups = 1  # Keras' layer has none.

    def call(self, inputs):
        """(batch, *sides, channels) -> (batch, *(new sides), filters)."""
        if not suits_few(self) or inputs.device.type != "cpu":
            return super().call(inputs)
        kernel, bias = map(ops.convert_to_tensor, (self.kernel, self.bias))
        return self.activation(_InBlocks.apply(inputs, kernel, bias, self.strides))

    def pads(self, lengths) -> list[int]:
        """Return how many values are cut along each side, on both ends together; negative where some are added."""
        if self.padding == "valid":
            return [-1] * len(lengths)
        return [kernel - stride for kernel, stride in zip(self.kernel_size, self.strides, strict=True)]


class _InBlocks(torch.autograd.Function):
    """A transposed convolution whose output comes in blocks; its gradients are those of the usual form."""

    @staticmethod
    def forward(ctx, inputs, kernel, bias, strides):
        ctx.save_for_backward(inputs, kernel)
        ctx.strides = strides
        blocked = plain(kernel, strides)
        counts = blocked.shape[: len(strides)]
        values = bias.repeat(blocked.shape[-1] // len(bias))
        pads = [count - 1 for count in counts]
        blocks = _CONVOLUTIONS[len(strides)](_first(inputs), _as_filters(blocked), values, padding=pads)
        return interleaved(_last(blocks), strides, counts)

    @staticmethod
    def backward(ctx, above):
        inputs, kernel = ctx.saved_tensors
        strides = ctx.strides
        sides = len(strides)
        pads = [(size - stride) // 2 for size, stride in zip(kernel.shape, strides, strict=False)]
        above, filters = _first(above), _as_filters(kernel)
        of_inputs = _CONVOLUTIONS[sides](above, filters, stride=strides, padding=pads)
        # The same convolution's gradient by its kernel, at the inputs, is that of the transposed one.
        _, of_kernel, _ = torch.ops.aten.convolution_backward(
            *(_first(inputs), above, filters, None),
            *(strides, pads, [1] * sides, False, [0] * sides, 1),
            output_mask=[False, True, False],
        )
        of_bias = above.sum(dim=(0, *range(2, sides + 2)))
        return _last(of_inputs), of_kernel.permute(*range(2, sides + 2), 1, 0), of_bias, None


def _first(x):
    """(batch, *sides, channels) -> (batch, channels, *sides), without a copy."""
    return x.movedim(-1, 1)


def _last(x):
    """(batch, channels, *sides) -> (batch, *sides, channels), without a copy."""
    return x.movedim(1, -1)


def _as_filters(kernel):
    """(*sizes, a, b) -> (b, a, *sizes), in the memory order that suits images whose channels are last."""
    sides = kernel.ndim - 2
    return kernel.permute(sides + 1, sides, *range(sides)).contiguous(memory_format=_LAYOUTS[sides])


def convolution(kind: type) -> type:
    """Return a subclass of a Keras layer `Conv?D`, which files know by the name of that layer."""
    return named_as(kind, _Convolution)


def transposed_convolution(kind: type) -> type:
    """Return a subclass of a Keras layer `Conv?DTranspose`, which files know by the name of that layer."""
    return named_as(kind, _TransposedConvolution)


def activation(name: str) -> str:
    """Return the name itself: Keras' activations are as fast as they can be here."""
    return name
