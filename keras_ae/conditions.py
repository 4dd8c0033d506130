"""What a model takes beside x as numbers, and the layer that puts it next to what a part of the model begins with."""

import keras
from keras import ops

from keras_ae.rows import Input, row_from_dict


def as_numbers(row: Input, values, dtype: str):
    """The numbers that stand for an input in a network, one-hot for classes: (batch, *shape) -> (batch, width)."""
    return ops.cast(ops.one_hot(values, row.width) if row.dtype == "int32" else values, dtype)


@keras.saving.register_keras_serializable("keras_ae")
class Beside(keras.layers.Layer):
    """Concatenate inputs to the last axis, the same for all places where there are any (Sohn et al. 2015).

    Args:
        rows: of the inputs.
    """

    def __init__(self, rows: tuple[Input, ...], **kwargs):
        super().__init__(**kwargs)
        self.rows = rows

    def call(self, parts):
        """[h (batch, *sides, channels), an array for each row] -> (batch, *sides, channels + widths)."""
        h, *others = parts
        for row, values in zip(self.rows, others, strict=True):
            numbers = as_numbers(row, values, h.dtype)
            for _ in h.shape[1:-1]:
                numbers = ops.expand_dims(numbers, 1)
            sides = (ops.shape(h)[0], *h.shape[1:-1], row.width)
            h = ops.concatenate([h, ops.broadcast_to(numbers, sides)], axis=-1)
        return h

    def compute_output_shape(self, shapes):
        """As `call`."""
        first = shapes[0]
        return (*first[:-1], first[-1] + sum(row.width for row in self.rows))

    def get_config(self) -> dict:
        """Return the arguments, rows as plain values."""
        return super().get_config() | {"rows": [row.to_dict() for row in self.rows]}

    @classmethod
    def from_config(cls, config: dict) -> "Beside":
        """Rebuild a layer from `get_config`."""
        return cls(**config | {"rows": tuple(map(row_from_dict, config["rows"]))})
