"""Squared Mahalanobis distances under a shrunk covariance, of few values or of many."""

import numpy as np

from keras_ae.extras import optional

FULL = 1024  # Values up to which the whole covariance is kept and inverted.
COMPONENTS = 64


class Whitening:
    """Mean and inverse covariance of vectors: `fit(values)`, then squared distances from the mean.

    Up to 1,024 values the covariance of the standardised values is that of Ledoit & Wolf 2004, which shrinks it towards
    a multiple of the identity; above, probabilistic principal components (Tipping & Bishop 1999): 64 directions, and
    one variance for all the rest. Both are scikit-learn's.
    """

    def fit(self, values: np.ndarray) -> "Whitening":
        """Learn from `values`, (n, values), n >= 2.

        Raises:
            ValueError: fewer than 2 rows.
        """
        if len(values) < 2:
            raise ValueError(f"A covariance needs at least 2 samples, got {len(values)}.")
        values = values.astype("float64")
        self.mean, scale = values.mean(axis=0), values.std(axis=0)
        # A value that hardly varies has a scale all the same, or its rounding errors would be anomalies.
        self.scale = np.maximum(scale, 1e-3 * np.sqrt(np.mean(scale**2)) + 1e-12)
        standard = (values - self.mean) / self.scale
        if standard.shape[1] <= FULL:
            covariance = optional("sklearn.covariance", "scikit-learn", "sklearn")
            self.precision = covariance.LedoitWolf(assume_centered=True).fit(standard).precision_
        else:
            self._fit_components(standard)
        return self

    def _fit_components(self, standard: np.ndarray) -> None:
        decomposition = optional("sklearn.decomposition", "scikit-learn", "sklearn")
        count = min(COMPONENTS, len(standard) - 1)
        found = decomposition.PCA(count, svd_solver="randomized", random_state=0).fit(standard)
        # Few samples leave nothing outside their directions: the least variance of those is then taken there too.
        rest = found.noise_variance_ if len(standard) > count + 1 else found.explained_variance_[-1]
        rest = max(rest, 1e-6)
        self.precision, self.rest = None, rest
        self.directions = found.components_
        self.excess = 1 / np.maximum(found.explained_variance_, rest) - 1 / rest

    def parts(self, values: np.ndarray) -> np.ndarray:
        """Return d * (P d), (n, values), whose sum over a row is its squared distance; a part may be negative."""
        d = (values - self.mean) / self.scale
        if self.precision is not None:
            return d * (d @ self.precision)
        return d * ((d @ self.directions.T * self.excess) @ self.directions + d / self.rest)

    def squares(self, values: np.ndarray) -> np.ndarray:
        """Return squared Mahalanobis distances: (n, values) -> (n,), float64."""
        return self.parts(values).sum(axis=1)
