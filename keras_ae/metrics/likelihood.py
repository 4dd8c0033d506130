"""Log-likelihoods in other units."""

import math

import numpy as np


def bits_per_dim(nll: float | np.ndarray, shape: tuple[int, ...]) -> float | np.ndarray:
    """Return nats a sample as bits a value: nll / (values ln 2), for samples of `shape`, such as (32, 32, 3).

    It means something for discrete values only: a density may give any number of bits.
    """
    return nll / (math.prod(shape) * math.log(2))
