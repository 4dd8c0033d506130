"""How near generated samples come to real ones, and whether they are copies: distances between two sets of features."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from keras_ae.extras import optional


def frechet_distance(real: np.ndarray, generated: np.ndarray) -> float:
    """Squared Fréchet distance between Gaussians fitted to two sets of features, 0 for equal ones; lower is better.

    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)), with means m and covariances C (Dowson & Landau 1982; on features of
    Inception, Heusel et al. 2017 call it FID). It depends on the features, and is biased up for few samples: compare
    numbers of the same features and the same n only.

    Args:
        real: features of real samples, (n, d), n >= 2.
        generated: features of generated ones, (m, d), m >= 2.

    Returns:
        A number of at least 0, in squared units of the features.

    Raises:
        ValueError: the arrays are not such, or hold NaN or infinite values.
    """
    real, generated = _checked(real, generated, least=2)
    difference = real.mean(axis=0) - generated.mean(axis=0)
    one, other = (np.atleast_2d(np.cov(features, rowvar=False)) for features in (real, generated))
    # The root of C1 C2 has the trace of that of C1^(1/2) C2 C1^(1/2), which is symmetric: no complex numbers arise.
    values, vectors = np.linalg.eigh(one)
    root = vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T
    of_product = np.linalg.eigvalsh(root @ other @ root)
    distance = difference @ difference + np.trace(one) + np.trace(other) - 2 * np.sqrt(np.maximum(of_product, 0)).sum()
    return float(max(distance, 0.0))  # Rounding may leave it a little below.


class DensityCoverage(NamedTuple):
    """Density, at least 0 and about 1 for samples as good as real ones, and coverage, in [0, 1]; higher is better."""

    density: float
    coverage: float


def density_coverage(real: np.ndarray, generated: np.ndarray, *, k: int = 5) -> DensityCoverage:
    """Fidelity and diversity of generated samples (Naeem et al. 2020), which outliers do not disturb.

    Around each real sample is a ball that reaches to its k-th nearest real neighbour. Density is the number of balls
    in which a generated sample lies, over k, in the mean; coverage is the share of balls in which one lies.

    Args:
        real: features of real samples, (n, d), n > k.
        generated: features of generated ones, (m, d); m = n is usual.
        k: neighbours.

    Returns:
        `(density, coverage)`.

    Raises:
        ValueError: the arrays are not such, or hold NaN or infinite values; k is not in [1, n).
        ImportError: scikit-learn is missing.
    """
    real, generated = _checked(real, generated)
    if not 1 <= k < len(real):
        raise ValueError(f"k must be in [1, {len(real)}), below the number of real samples, got {k}.")
    radii = _nearest(real).kneighbors(n_neighbors=k)[0][:, -1]  # A sample is no neighbour of its own.
    inside, covered = 0, np.zeros(len(real), dtype=bool)
    for distances in _in_pieces(generated, real):
        within = distances < radii
        inside += int(within.sum())
        covered |= within.any(axis=0)
    return DensityCoverage(inside / (k * len(generated)), float(covered.mean()))


@dataclass(frozen=True)
class MemorisationReport:
    """How near samples lie to training data, beside how near held-out data lie; made by `nearest_training_distance`.

    Attributes:
        samples: Euclidean distance of each sample to the nearest training example, (m,).
        held_out: that of each held-out example, (k,).
    """

    samples: np.ndarray
    held_out: np.ndarray

    @property
    def nearer(self) -> float:
        """Chance that a sample lies nearer to the training data than a held-out example does: 0.5 as real, 1 copies.

        The Mann-Whitney statistic over the number of pairs, ties counting half, as Meehan et al. 2020 use it.
        """
        order = np.sort(self.held_out)
        below = np.searchsorted(order, self.samples, side="left")
        ties = np.searchsorted(order, self.samples, side="right") - below
        return float(1 - np.mean(below + 0.5 * ties) / len(order))

    @property
    def copies(self) -> float:
        """Share of samples that lie nearer to the training data than all but one in 100 held-out examples."""
        return float(np.mean(self.samples < np.quantile(self.held_out, 0.01)))

    def describe(self) -> str:
        """The report in a sentence."""
        return (
            f"A sample lies nearer to the training data than a held-out example with a chance of {self.nearer:.3f} "
            f"(0.5: as new as those); {self.copies:.1%} lie nearer than the nearest 1 % of them."
        )


def nearest_training_distance(samples: np.ndarray, train: np.ndarray, held_out: np.ndarray) -> MemorisationReport:
    """Whether generated samples are copies of training examples, told from the distances of held-out examples.

    Decoders smooth, and smooth pictures lie nearer to all others: beside the held-out examples themselves, their
    reconstructions by the same model are the fair measure.

    Args:
        samples: generated examples, or features of them, (m, ...).
        train: the training examples, or their features, (n, ...).
        held_out: examples that were not trained on, (k, ...).

    Returns:
        A `MemorisationReport`; its `describe()` says it in words.

    Raises:
        ValueError: the examples differ in shape, there are none, or they hold NaN or infinite values.
        ImportError: scikit-learn is missing.
    """
    samples, train = _checked(samples, train, names=("samples", "train"))
    held_out, _ = _checked(held_out, train, names=("held_out", "train"))
    index = _nearest(train)
    found = (index.kneighbors(examples, n_neighbors=1)[0][:, 0] for examples in (samples, held_out))
    return MemorisationReport(*found)


def _nearest(features: np.ndarray):
    """Return scikit-learn's index by matrix products, which in many dimensions is the fast one."""
    return optional("sklearn.neighbors", "scikit-learn", "sklearn").NearestNeighbors(algorithm="brute").fit(features)


def _in_pieces(a: np.ndarray, b: np.ndarray):
    """Yield the distances of a few of `a` at a time to all of `b`, (few, len(b))."""
    return optional("sklearn.metrics", "scikit-learn", "sklearn").pairwise_distances_chunked(a, b)


def _checked(a, b, *, least: int = 1, names: tuple[str, str] = ("real", "generated")) -> tuple[np.ndarray, np.ndarray]:
    """Return both as float64 (n, values), finite, at least `least` of each, of one length."""
    found = []
    for name, features in zip(names, (a, b), strict=True):
        features = np.asarray(features)
        if features.ndim < 2 or len(features) < least or not features.size:
            raise ValueError(f"{name} must hold at least {least} rows of features, (n, d), not shape {features.shape}.")
        if not np.isfinite(features).all():
            raise ValueError(f"{name} must be finite; it holds NaN or infinite values.")
        found.append(features.reshape(len(features), -1).astype("float64"))
    if found[0].shape[1] != found[1].shape[1]:
        shapes = f"{np.shape(a)} and {np.shape(b)}"
        raise ValueError(f"{names[0]} and {names[1]} must have features of the same length, not shapes {shapes}.")
    return found[0], found[1]
