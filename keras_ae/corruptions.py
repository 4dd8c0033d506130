"""Corruptions of the input of a denoising autoencoder, as one layer that draws anew at every call."""

from functools import singledispatch

import keras
from keras import ops

from keras_ae.rows import GaussianNoise, Masking, Row, SaltAndPepper
from keras_ae.train_step import ReplicaSeeds


@singledispatch
def corrupt(row: Row, x, seed):
    """Return x corrupted as `row` says: (batch, *shape) -> (batch, *shape). `seed` is an int or a `SeedGenerator`."""
    raise TypeError(f"{row!r} is not a corruption row.")


@corrupt.register
def _(row: GaussianNoise, x, seed):
    noise = keras.random.normal(ops.shape(x), dtype=x.dtype, seed=seed)
    if row.low is None:
        return x + row.sigma * noise
    each = (ops.shape(x)[0], *[1] * (len(x.shape) - 1))
    # An int draws the same each time: the levels need one of their own.
    seed = seed + 1 if isinstance(seed, int) else seed
    return x + keras.random.uniform(each, row.low, row.sigma, dtype=x.dtype, seed=seed) * noise


@corrupt.register
def _(row: SaltAndPepper, x, seed):
    chance = keras.random.uniform(ops.shape(x), dtype="float32", seed=seed)
    salted = ops.where(chance < 0.5 * row.rate, ops.ones_like(x), x)
    return ops.where(chance > 1 - 0.5 * row.rate, ops.zeros_like(x), salted)


@corrupt.register
def _(row: Masking, x, seed):
    chance = keras.random.uniform(ops.shape(x), dtype="float32", seed=seed)
    return ops.where(chance < row.rate, ops.zeros_like(x), x)


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
