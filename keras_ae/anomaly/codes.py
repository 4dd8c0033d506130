"""Scores of where the code of a sample lies among those of normal data."""

import numpy as np

from keras_ae.anomaly.base import Score
from keras_ae.anomaly.whitening import Whitening
from keras_ae.checks import checked_least
from keras_ae.extras import optional


class LatentMahalanobis(Score):
    """The squared Mahalanobis distance of a code from the codes of normal data (Lee et al. 2018, for one class)."""

    def _fit(self, x):
        super()._fit(x)
        self.whitening = Whitening().fit(self.model.encode(x))

    def _score(self, x):
        return self.whitening.squares(self.model.encode(x))


class LatentKNN(Score):
    """The mean Euclidean distance of a code to the nearest codes of normal data (Angiulli & Pizzuti 2002).

    A sample that was fitted is not its own neighbour, so that fitted and new samples have scores of one kind.

    Args:
        model: a trained `Autoencoder`.
        neighbours: how many nearest codes; fewer where fewer were fitted.
    """

    def __init__(self, model, *, neighbours: int = 5):
        super().__init__(model)
        self.neighbours = checked_least("neighbours", neighbours)

    def _fit(self, x):
        if len(x) < 2:
            raise ValueError(f"{type(self).__name__} needs at least 2 samples, got {len(x)}.")
        super()._fit(x)
        neighbors = optional("sklearn.neighbors", "scikit-learn", "sklearn")
        self.index = neighbors.NearestNeighbors(n_neighbors=min(self.neighbours, len(x) - 1)).fit(self.model.encode(x))
        self.itself = 1e-4 * self.index.kneighbors()[0].mean()  # Codes differ by rounding from batch to batch.

    def _score(self, x):
        distances, _ = self.index.kneighbors(self.model.encode(x), n_neighbors=self.index.n_neighbors + 1)
        was_fitted = distances[:, 0] <= self.itself
        return np.where(was_fitted, distances[:, 1:].mean(axis=1), distances[:, :-1].mean(axis=1))
