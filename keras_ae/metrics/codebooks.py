"""How the entries of a codebook are used."""

import numpy as np


def code_perplexity(indices: np.ndarray, codes: int) -> float:
    """exp of the entropy of how often entries are used: 1 where one entry is used alone, `codes` where all are alike.

    Args:
        indices: whole numbers from 0 to `codes` - 1, of any shape.
        codes: entries of the codebook.

    Raises:
        ValueError: no indices, or what are none.
    """
    counts = _counts(indices, codes)
    shares = counts[counts > 0] / counts.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def unused_codes(indices: np.ndarray, codes: int) -> int:
    """How many entries of a codebook are not among the indices, which are as in `code_perplexity`."""
    return int((_counts(indices, codes) == 0).sum())


def _counts(indices: np.ndarray, codes: int) -> np.ndarray:
    """How often each entry is used: (...) -> (codes,)."""
    indices = np.asarray(indices)
    if not indices.size or indices.dtype.kind not in "iu" or not 0 <= indices.min() <= indices.max() < codes:
        raise ValueError(f"indices must be whole numbers from 0 to {codes - 1}, at least one of them.")
    return np.bincount(indices.ravel(), minlength=codes)
