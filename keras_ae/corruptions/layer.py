"""The layer that corrupts the input of a denoising autoencoder."""

import keras

from keras_ae.corruptions.draws import KerasDraws
from keras_ae.corruptions.values import applied
from keras_ae.rows import Row
from keras_ae.train_step import ReplicaSeeds


def corrupt(row: Row, x, seed):
    """Return x corrupted as `row` says: (batch, *shape) -> (batch, *shape). `seed` is an int or a `SeedGenerator`."""
    return applied(row, x, KerasDraws(seed))


@keras.saving.register_keras_serializable("keras_ae")
class Corrupt(keras.layers.Layer):
    """Apply a corruption row with a random state of its own."""

    def __init__(self, row: Row, seed: int | None = None, **kwargs):
        super().__init__(**kwargs)
        self.row = row
        self.seed_generator = ReplicaSeeds(seed)

    def call(self, x, seed=None):
        """(batch, *shape) -> (batch, *shape); an int as `seed` draws from that seed and leaves the state alone."""
        return corrupt(self.row, x, self.seed_generator if seed is None else seed)
