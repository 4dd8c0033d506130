"""Where corruptions draw their random numbers: from Keras while training, from NumPy for arrays."""

from itertools import count

import keras
import numpy as np
from keras import ops


class KerasDraws:
    """Draws of `keras.random`.

    Args:
        seed: an int, which gives each draw a seed of its own and the same ones each time it is used, or a
            `SeedGenerator`, which steps on.
    """

    def __init__(self, seed):
        self.seeds = (seed + index if isinstance(seed, int) else seed for index in count())

    def normal(self, shape, dtype="float32"):
        """Return N(0, 1)."""
        return keras.random.normal(shape, dtype=dtype, seed=next(self.seeds))

    def uniform(self, shape, low: float = 0.0, high: float = 1.0, dtype="float32"):
        """Return values between `low` and `high`."""
        return keras.random.uniform(shape, low, high, dtype=dtype, seed=next(self.seeds))


class NumPyDraws:
    """Draws of a NumPy generator, the same on every backend."""

    def __init__(self, seed: int):
        self.generator = np.random.default_rng(seed)

    def normal(self, shape, dtype="float32"):
        """Return N(0, 1)."""
        return ops.convert_to_tensor(self.generator.standard_normal(shape, "float32"), dtype)

    def uniform(self, shape, low: float = 0.0, high: float = 1.0, dtype="float32"):
        """Return values between `low` and `high`."""
        return ops.convert_to_tensor(low + (high - low) * self.generator.random(shape, "float32"), dtype)
