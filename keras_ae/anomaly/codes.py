"""Scores of where the code of a sample lies among those of normal data."""

from keras_ae.anomaly.base import Score
from keras_ae.anomaly.neighbours import NEIGHBOURS, Neighbours
from keras_ae.anomaly.whitening import Whitening


class LatentMahalanobis(Score):
    """The squared Mahalanobis distance of a code from the codes of normal data (Lee et al. 2018, for one class)."""

    def _fit(self, x):
        super()._fit(x)
        self.whitening = Whitening().fit(self.codes(x))

    def _score(self, x):
        return self.whitening.squares(self.codes(x))


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
        self.nearest = Neighbours(neighbours, seed=seed)

    def _fit(self, x):
        super()._fit(x)
        self.nearest.fit(self.codes(x))

    def _score(self, x):
        return self.nearest.distances(self.codes(x))
