"""Strided convolutions by blocks of the stride's size, so that products and plain convolutions can do them.

A transposed convolution gives each block of its output from a few neighbouring places of its input: it is a plain
convolution to the values of a block, which are then interleaved (Shi et al. 2016, "Is the deconvolution layer the same
as a convolutional layer?").
"""

from math import prod

from keras import ops

MOST_FILTERS = 8  # Up to here a plain convolution to blocks is the faster one; see `suits_few`.


def named_as(kind: type, faster: type) -> type:
    """Return a Keras layer with the methods of `faster`; a file of it holds, and loads as, the layer itself."""
    return type(kind.__name__, (faster, kind), {"__module__": kind.__module__})


def suits(layer) -> bool:
    """Whether blocks of the stride's size tile the kernel, and the padding is alike on both sides."""
    pairs = list(zip(layer.kernel_size, layer.strides, strict=True))
    return (
        layer.padding == "same"
        and layer.data_format == "channels_last"
        and set(layer.dilation_rate) == {1}
        and getattr(layer, "groups", 1) == 1
        and all(kernel % stride == 0 and (kernel - stride) % 2 == 0 for kernel, stride in pairs)
    )


def suits_few(layer) -> bool:
    """Whether a transposed convolution to few filters is faster as a plain one to blocks.

    oneDNN leaves most of a vector empty in the transposed one: here all values of a block go into it.
    """
    return suits(layer) and layer.filters <= MOST_FILTERS and prod(layer.strides) > 1 and layer.use_bias


def in_blocks(kernel, strides: tuple[int, ...]):
    """(*kernel sizes, a, b) -> (*counts, values of a block, a, b), where counts are blocks along each side."""
    rank = len(strides)
    split = [part for size, stride in zip(kernel.shape, strides, strict=False) for part in (size // stride, stride)]
    order = (*range(0, 2 * rank, 2), *range(1, 2 * rank, 2), 2 * rank, 2 * rank + 1)
    kernel = ops.transpose(ops.reshape(kernel, (*split, *kernel.shape[rank:])), order)
    return ops.reshape(kernel, (*kernel.shape[:rank], prod(strides), *kernel.shape[-2:]))


def plain(kernel, strides: tuple[int, ...]):
    """Return the kernel of the plain convolution that gives blocks, from an input padded by its sizes less one.

    (*kernel sizes, filters, channels) -> (*counts, channels, values of a block * filters).
    """
    rank = len(strides)
    blocks = ops.transpose(in_blocks(kernel, strides), (*range(rank), rank + 2, rank, rank + 1))
    return ops.reshape(ops.flip(blocks, tuple(range(rank))), (*blocks.shape[: rank + 1], -1))


def interleaved(blocks, strides: tuple[int, ...], counts: tuple[int, ...]):
    """Put blocks in their places and cut the border off.

    (batch, *(sides + counts - 1), values of a block * filters) -> (batch, *(sides * strides), filters).
    """
    rank, lengths = len(strides), blocks.shape[1:-1]
    filters = blocks.shape[-1] // prod(strides)
    order = [axis for pair in zip(range(1, rank + 1), range(rank + 1, 2 * rank + 1), strict=True) for axis in pair]
    x = ops.reshape(blocks, (-1, *lengths, *strides, filters))
    x = ops.transpose(x, (0, *order, 2 * rank + 1))
    sides = [length * stride for length, stride in zip(lengths, strides, strict=True)]
    x = ops.reshape(x, (-1, *sides, filters))
    pads = [(count - 1) * stride // 2 for count, stride in zip(counts, strides, strict=True)]
    return x[:, *(slice(pad, side - pad) for pad, side in zip(pads, sides, strict=True))]
