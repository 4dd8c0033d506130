"""Pooling of sides that the size does not divide, the same on every backend."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("keras_ae")
class UnevenPooling(keras.layers.Layer):
    """Pooling over blocks of which the last of a side is smaller: its greatest value, or the mean of real values alone.

    Keras' own average of such blocks, padding "same", is another on PyTorch than on TensorFlow and JAX.

    Args:
        size: sides of a block, one for each spatial axis.
        kind: "max" or "average".
    """

    def __init__(self, size: tuple[int, ...], kind: str, **kwargs):
        super().__init__(**kwargs)
        self.size, self.kind = tuple(size), kind

    def call(self, x):
        """(batch, *sides, channels) -> (batch, *ceil(sides / size), channels)."""
        missing = [-side % size for side, size in zip(x.shape[1:-1], self.size, strict=True)]
        widths = [(0, 0), *((0, by) for by in missing), (0, 0)]
        if self.kind == "max":
            x = ops.pad(x, widths, constant_values=float("-inf"))
            return ops.max_pool(x, self.size, self.size, padding="valid", data_format="channels_last")
        shares = ops.pad(ops.ones_like(x[:1, ..., :1]), widths)
        mean, share = (
            ops.average_pool(each, self.size, self.size, padding="valid", data_format="channels_last")
            for each in (ops.pad(x, widths), shares)
        )
        return mean / share

    def compute_output_shape(self, input_shape):
        """Return the sides divided by the size, rounded up."""
        sides = (-(-side // size) for side, size in zip(input_shape[1:-1], self.size, strict=True))
        return (input_shape[0], *sides, input_shape[-1])

    def get_config(self) -> dict:
        """Return what rebuilds the layer."""
        return {**super().get_config(), "size": self.size, "kind": self.kind}
