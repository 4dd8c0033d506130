"""The noise of the denoising protocol: the same for every method and model, on every backend."""

import numpy as np

SIGMAS = (0.1, 0.25, 0.5)


def unit_noise(ids, shape: tuple[int, ...], *, seed: int = 0) -> np.ndarray:
    """Return standard normal noise that belongs to the samples `ids` of a part: (len(ids), *shape), float32.

    From NumPy by (seed, id): a sample has the same noise in whatever batch it comes, and at every sigma.
    """
    draws = [np.random.default_rng([seed, int(number)]).standard_normal(shape, dtype="float32") for number in ids]
    return np.stack(draws)
