"""Corruptions of NumPy arrays."""

from collections.abc import Sequence

import numpy as np
from keras import ops

from keras_ae.corruptions.draws import NumPyDraws
from keras_ae.corruptions.values import applied
from keras_ae.rows import Corruption, corruption_row


def corrupted(x, corruption: str | Corruption | Sequence[Corruption], *, seed: int = 0) -> np.ndarray:
    """Return x corrupted, by random numbers that `seed` fixes on every backend: (n, *shape) -> (n, *shape) float32.

    They are drawn along x, so that samples that are alike get noise of their own.

    Args:
        x: samples, floats; those of `Poisson` and `JPEG` in [0, 1]. NaN stands for values that are missing already and
            is taken by `MissingValues` alone, of the rows here.
        corruption: a row, its name in `keras_ae.rows.CORRUPTIONS`, or several rows, which follow one another.
        seed: of the random numbers.

    Raises:
        ValueError: (as `SpecError`) an unknown name; no samples, a shape that the row does not take, inf, NaN, or a
            column in which all values are missing.
        TypeError: values that are no floats.
    """
    row, x = corruption_row(corruption), np.asarray(x)
    if x.dtype.kind != "f":
        raise TypeError(f"x has dtype {x.dtype}. Give floats: of uint8 images x.astype('float32') / 255.")
    if x.ndim < 2 or x.size == 0:
        raise ValueError(f"x has shape {x.shape}: give (n, *shape) with one sample or more.")
    missing = np.isnan(x)
    if np.isinf(x).any() or (missing.any() and not row.takes_nan):
        raise ValueError(f"x has NaN or inf, which {row} does not take. Drop or fill such values first.")
    if missing.any() and (empty := missing.all(axis=0)).any():
        place = np.argwhere(empty)[0].tolist()
        raise ValueError(f"x has no value in any sample at {place}: drop columns in which all values are missing.")
    return ops.convert_to_numpy(applied(row, ops.convert_to_tensor(x.astype("float32")), NumPyDraws(seed)))
