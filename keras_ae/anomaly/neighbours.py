"""Distances to the nearest vectors of normal data."""

import numpy as np

from keras_ae.checks import checked_least
from keras_ae.extras import optional

NEIGHBOURS = 5
KEPT = 5000
_AT_ONCE = 4096  # Vectors whose distances are held at a time.


class Neighbours:
    """Mean Euclidean distances to the nearest vectors of normal data: `fit(vectors)`, then `distances(vectors)`.

    A vector that was fitted is not its own neighbour.

    Args:
        neighbours: how many nearest vectors, or which share of them, in (0, 1); at least 5 are meant by a share. Fewer
            where fewer were fitted.
        local: a distance is divided by the mean distance of the neighbours themselves, to this power in [0, 1]: 0 is
            the distance, 1 how many times as far a vector is from its neighbours as they are from theirs, which is
            what the local outlier factor asks (Breunig et al. 2000).
        kept: vectors to keep at most, drawn at random from `seed`; None means 5,000 for a share, all otherwise.
        seed: fixes which vectors are kept.

    Attributes:
        own: the distances of the vectors that are kept, (kept,).

    Raises:
        ValueError: fewer than 1 neighbour, or a `local` outside [0, 1].
    """

    def __init__(
        self, neighbours: int | float = NEIGHBOURS, *, local: float = 0.0, kept: int | None = None, seed: int = 0
    ):
        if not 0 < neighbours < 1:
            checked_least("neighbours", neighbours)
        if not 0 <= local <= 1:
            raise ValueError(f"local must lie in [0, 1], got {local!r}.")
        self.neighbours, self.local, self.seed = neighbours, local, seed
        self.kept = KEPT if kept is None and neighbours < 1 else kept

    def fit(self, vectors: np.ndarray) -> "Neighbours":
        """Keep `vectors` of normal data, (n, values), n >= 2.

        Raises:
            ValueError: fewer than 2 vectors.
        """
        if len(vectors) < 2:
            raise ValueError(f"Nearest neighbours need at least 2 samples, got {len(vectors)}.")
        if self.kept is not None:
            vectors = np.random.default_rng(self.seed).permutation(vectors)[: self.kept]
        wanted = self.neighbours if self.neighbours >= 1 else max(NEIGHBOURS, round(self.neighbours * len(vectors)))
        neighbors = optional("sklearn.neighbors", "scikit-learn", "sklearn")
        self.index = neighbors.NearestNeighbors(n_neighbors=min(wanted, len(vectors) - 1)).fit(vectors)
        # The same vector differs by rounding between batches.
        self.itself = 1e-4 * self.index.kneighbors(n_neighbors=1)[0].mean()
        nearest = [self._nearest(piece) for piece in _pieces(vectors)]
        self.plain = np.concatenate([distances.mean(axis=1) for distances, _ in nearest])
        # Copies of one another are at no distance from each other, and something must be divided by.
        self.least = 0.1 * self.plain.mean() + 1e-12
        self.own = np.concatenate([self._scaled(*each) for each in nearest])
        return self

    def distances(self, vectors: np.ndarray) -> np.ndarray:
        """Return how far each vector is from normal data: (n, values) -> (n,), float64."""
        return np.concatenate([self._scaled(*self._nearest(piece)) for piece in _pieces(vectors)])

    def _nearest(self, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the distances to the nearest other vectors, and which they are, both (n, neighbours)."""
        distances, which = self.index.kneighbors(vectors, n_neighbors=self.index.n_neighbors + 1)
        was_fitted = distances[:, :1] <= self.itself
        return tuple(np.where(was_fitted, each[:, 1:], each[:, :-1]) for each in (distances, which))

    def _scaled(self, distances: np.ndarray, which: np.ndarray) -> np.ndarray:
        mean = distances.mean(axis=1)
        if not self.local:
            return mean
        return mean / np.maximum(self.plain[which].mean(axis=1), self.least) ** self.local


def _pieces(vectors: np.ndarray) -> list[np.ndarray]:
    return [vectors[start : start + _AT_ONCE] for start in range(0, len(vectors), _AT_ONCE)]
