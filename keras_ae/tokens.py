"""Layers of transformers: what the rows of `rows/tokens.py` become."""

from math import prod

import keras
import numpy as np
from keras import ops

from keras_ae.registry import register_layer
from keras_ae.rows import MLP, Attention, MaskToken, Patch, Position, Unpatch, grid_of, per_axis
from keras_ae.train_step import activation


@keras.saving.register_keras_serializable("keras_ae")
class Patches(keras.layers.Layer):
    """Cut samples into patches, flat: (batch, *sides, channels) -> (batch, tokens, values).

    Args:
        size: side of a patch along each axis.
    """

    def __init__(self, size: tuple[int, ...], **kwargs):
        super().__init__(**kwargs)
        self.size = tuple(size)

    def call(self, x):
        """Cut."""
        grid, rank = grid_of(x.shape[1:], self.size), len(self.size)
        split = [number for pair in zip(grid, self.size, strict=True) for number in pair]
        x = ops.reshape(x, (-1, *split, x.shape[-1]))
        axes = (0, *range(1, 2 * rank, 2), *range(2, 2 * rank + 1, 2), 2 * rank + 1)
        return ops.reshape(ops.transpose(x, axes), (-1, prod(grid), prod(self.size) * x.shape[-1]))

    def get_config(self) -> dict:
        """Return the arguments."""
        return super().get_config() | {"size": self.size}


@keras.saving.register_keras_serializable("keras_ae")
class Joined(keras.layers.Layer):
    """Join flat patches: (batch, tokens, values) -> (batch, *shape).

    Args:
        size: side of a patch along each axis.
        shape: of what they make, (*sides, channels).
    """

    def __init__(self, size: tuple[int, ...], shape: tuple[int, ...], **kwargs):
        super().__init__(**kwargs)
        self.size, self.shape = tuple(size), tuple(shape)

    def call(self, x):
        """Join."""
        grid, rank = grid_of(self.shape, self.size), len(self.size)
        x = ops.reshape(x, (-1, *grid, *self.size, self.shape[-1]))
        axes = [axis for side in range(1, rank + 1) for axis in (side, rank + side)]
        return ops.reshape(ops.transpose(x, (0, *axes, 2 * rank + 1)), (-1, *self.shape))

    def get_config(self) -> dict:
        """Return the arguments."""
        return super().get_config() | {"size": self.size, "shape": self.shape}


@keras.saving.register_keras_serializable("keras_ae")
class Places(keras.layers.Layer):
    """Add sines and cosines of the tokens' places: (batch, tokens, width) -> the same.

    Args:
        grid: patches along each axis; None means one axis.
    """

    def __init__(self, grid: tuple[int, ...] | None = None, **kwargs):
        super().__init__(**kwargs)
        self.grid = grid and tuple(grid)

    def call(self, h):
        """Add."""
        return h + ops.cast(sines(self.grid or (h.shape[1],), h.shape[-1]), h.dtype)

    def get_config(self) -> dict:
        """Return the arguments."""
        return super().get_config() | {"grid": self.grid}


def sines(grid: tuple[int, ...], width: int) -> np.ndarray:
    """Sines and cosines of places, (tokens, width) float32: each axis has an equal part of the width.

    Of a part of d numbers the first half are sin(place / 10000^(2 i / d)), the second the cosines (Vaswani et al. 2017,
    section 3.5); what is left over of the width is 0.
    """
    part = width // len(grid) // 2
    rates = 10_000.0 ** -(np.arange(part) / max(part, 1))
    places = np.stack(np.meshgrid(*map(np.arange, grid), indexing="ij"), axis=-1).reshape(-1, len(grid))
    angles = places[:, :, None] * rates
    found = np.concatenate([np.sin(angles), np.cos(angles)], axis=-1).reshape(len(places), -1)
    return np.pad(found, [(0, 0), (0, width - found.shape[1])]).astype("float32")


@keras.saving.register_keras_serializable("keras_ae")
class SelfAttention(keras.layers.Layer):
    """h + out(attention(norm(h))), of tokens of any number: (batch, tokens, width) -> the same.

    Args:
        heads: among which the width is divided.
        norm: a layer.
        queries_keys_values: a dense layer of three times the width.
        out: a dense layer of the width.
    """

    def __init__(self, heads: int, norm, queries_keys_values, out, **kwargs):
        super().__init__(**kwargs)
        self.heads, self.norm, self.queries_keys_values, self.out = heads, norm, queries_keys_values, out

    def build(self, shape):
        """Build the layers."""
        for layer in (self.norm, self.queries_keys_values, self.out):
            layer.build(shape)

    def call(self, h):
        """Attend."""
        width, tokens = h.shape[-1], ops.shape(h)[1]
        whole = self.queries_keys_values(self.norm(h))
        parts = ops.split(ops.reshape(whole, (-1, tokens, 3 * self.heads, width // self.heads)), 3, axis=2)
        joined = ops.reshape(ops.dot_product_attention(*parts), (-1, tokens, width))
        return h + self.out(joined)


@keras.saving.register_keras_serializable("keras_ae")
class Perceptron(keras.layers.Layer):
    """h + out(hidden(norm(h))), token by token: (batch, tokens, width) -> the same.

    Args:
        norm: a layer.
        hidden: a dense layer.
        out: a dense layer of the width.
    """

    def __init__(self, norm, hidden, out, **kwargs):
        super().__init__(**kwargs)
        self.norm, self.hidden, self.out = norm, hidden, out

    def build(self, shape):
        """Build the layers."""
        self.norm.build(shape)
        self.hidden.build(shape)
        self.out.build((*shape[:-1], self.hidden.units))

    def call(self, h):
        """Two layers."""
        return h + self.out(self.hidden(self.norm(h)))


@keras.saving.register_keras_serializable("keras_ae")
class Hidden(keras.layers.Layer):
    """The token that stands for hidden ones; called, it lets all pass."""

    def build(self, shape):
        """Add the token, which starts at 0."""
        self.token = self.add_weight(shape=(shape[-1],), initializer="zeros", name="token")

    def call(self, h):
        """(batch, tokens, width) -> the same."""
        # As a part of the graph the token has a gradient, of 0, wherever it hides nothing.
        return h + ops.cast(0.0 * self.token, h.dtype)

    def restored(self, h, order):
        """Put visible tokens back to their places, and the token to all others.

        Args:
            h: visible tokens, (batch, visible, width), in the order of the first of `order`.
            order: places of all tokens, the visible ones first, (batch, tokens).
        """
        batch, visible, width = ops.shape(h)[0], ops.shape(h)[1], h.shape[-1]
        hidden = ops.broadcast_to(ops.cast(self.token, h.dtype), (batch, order.shape[1] - visible, width))
        return gathered(ops.concatenate([h, hidden], axis=1), ops.argsort(order, axis=1))


def gathered(h, places):
    """The tokens at these places: (batch, tokens, width), (batch, count) -> (batch, count, width)."""
    return ops.take_along_axis(h, ops.expand_dims(places, -1), axis=1)


@register_layer(Patch)
def _(row: Patch, x, make):
    patches = make.layer(Patches, per_axis(row.size, x.shape[1:]), name="patches")(x)
    return make.weighted(keras.layers.Dense, row.width, name="patch")(patches)


@register_layer(Unpatch)
def _(row: Unpatch, x, make):
    size = per_axis(row.size, row.shape)
    values = make.weighted(keras.layers.Dense, prod(size) * row.shape[-1], name="unpatch")(x)
    return make.layer(Joined, size, row.shape, name="joined")(values)


@register_layer(Position)
def _(row: Position, x, make):
    return make.layer(Places, row.grid, name="position")(x)


@register_layer(Attention)
def _(row: Attention, x, make):
    width = x.shape[-1]
    norm = make.layer(keras.layers.LayerNormalization, epsilon=1e-6, name="norm")
    of_heads = make.weighted(keras.layers.Dense, 3 * width, name="queries_keys_values")
    return make.layer(
        SelfAttention, row.heads, norm, of_heads, make.weighted(keras.layers.Dense, width, name="out"), name="attention"
    )(x)


@register_layer(MLP)
def _(row: MLP, x, make):
    width = x.shape[-1]
    norm = make.layer(keras.layers.LayerNormalization, epsilon=1e-6, name="norm")
    hidden = make.weighted(keras.layers.Dense, row.ratio * width, activation=activation(row.hidden), name="hidden")
    return make.layer(Perceptron, norm, hidden, make.weighted(keras.layers.Dense, width, name="out"), name="mlp")(x)


@register_layer(MaskToken)
def _(row: MaskToken, x, make):
    return make.layer(Hidden, name="mask_token")(x)
