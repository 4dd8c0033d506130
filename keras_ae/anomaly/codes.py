"""Scores of where the code of a sample lies among those of normal data."""

import numpy as np

from keras_ae.anomaly.base import Score
from keras_ae.anomaly.whitening import Whitening
from keras_ae.checks import checked_least
from keras_ae.extras import optional

NEIGHBOURS = 5
_KEPT = 5000
_AT_ONCE = 4096  # Codes whose distances are held at a time.


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
        neighbours: how many nearest codes, or which share of the codes, in (0, 1); at least 5 are meant by a share.
            Fewer where fewer were fitted. For a share at most 5,000 codes are kept, drawn at random from `seed`: the
            mean over many neighbours needs no more.
        seed: fixes which codes are kept.

    Raises:
        ValueError: fewer than 1 neighbour.
    """

    def __init__(self, model, *, neighbours: int | float = NEIGHBOURS, seed: int = 0):
        super().__init__(model)
        if not 0 < neighbours < 1:
            checked_least("neighbours", neighbours)
        self.neighbours, self.seed = neighbours, seed

    def _fit(self, x):
        if len(x) < 2:
            raise ValueError(f"{type(self).__name__} needs at least 2 samples, got {len(x)}.")
        super()._fit(x)
        neighbors = optional("sklearn.neighbors", "scikit-learn", "sklearn")
        codes, wanted = self.model.encode(x), self.neighbours
        if wanted < 1:
            codes = np.random.default_rng(self.seed).permutation(codes)[:_KEPT]
            wanted = max(NEIGHBOURS, round(wanted * len(codes)))
        self.index = neighbors.NearestNeighbors(n_neighbors=min(wanted, len(codes) - 1)).fit(codes)
        self.itself = 1e-4 * self.index.kneighbors(n_neighbors=1)[0].mean()  # Codes differ by rounding between batches.

    def _score(self, x):
        codes = self.model.encode(x)
        starts = range(0, len(codes), _AT_ONCE)
        return np.concatenate([self._distances(codes[start : start + _AT_ONCE]) for start in starts])

    def _distances(self, codes: np.ndarray) -> np.ndarray:
        distances, _ = self.index.kneighbors(codes, n_neighbors=self.index.n_neighbors + 1)
        was_fitted = distances[:, 0] <= self.itself
        return np.where(was_fitted, distances[:, 1:].mean(axis=1), distances[:, :-1].mean(axis=1))
