"""Several scores as one, and scores by name."""

import numpy as np

from keras_ae.anomaly.base import Score
from keras_ae.anomaly.bounds import NegativeELBO, NegativeLogLikelihood
from keras_ae.anomaly.codes import LatentKNN, LatentMahalanobis
from keras_ae.anomaly.neighbours import NEIGHBOURS
from keras_ae.anomaly.residuals import ReconstructionError, WhitenedResidual
from keras_ae.anomaly.views import LatentViews


class RankEnsemble(Score):
    """The mean of several scores, each as its rank among those of normal data.

    A rank is the share of normal samples with a lower score, and so needs no common unit. Beyond the greatest normal
    score, where ranks would all be 1, it goes on as 1 + log(score / greatest), both less the median: of two
    samples that are stranger than all normal ones, the stranger one keeps the greater score.

    Args:
        scores: scores of one model, fitted together by `fit`.

    Raises:
        ValueError: no scores, or scores of several models.
    """

    def __init__(self, scores: list[Score]):
        if not scores or any(score.model is not scores[0].model for score in scores):
            raise ValueError(f"scores must be scores of one model, at least one, got {scores!r}.")
        super().__init__(scores[0].model)
        self.scores = list(scores)

    def _fit(self, x):
        super()._fit(x)
        self.normal = [np.sort(score.fit(x).score(x)) for score in self.scores]

    def _score(self, x):
        ranks = [_rank(score.score(x), normal) for score, normal in zip(self.scores, self.normal, strict=True)]
        return np.mean(ranks, axis=0)


def _rank(scores: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """Return the rank of each score among the sorted ones of normal data, ties in the middle; above 1 beyond them."""
    inside = (np.searchsorted(normal, scores) + np.searchsorted(normal, scores, side="right")) / (2 * len(normal))
    middle = np.median(normal)
    spread = normal[-1] - middle
    beyond = (scores - middle) / (spread if spread > 0 else 1.0)
    return inside + np.log(np.maximum(beyond, 1))


def _ensemble(model, *, neighbours: int | float = NEIGHBOURS) -> RankEnsemble:
    return RankEnsemble([WhitenedResidual(model), LatentMahalanobis(model), LatentKNN(model, neighbours=neighbours)])


SCORES = {
    "reconstruction": ReconstructionError,
    "whitened_residual": WhitenedResidual,
    "latent_mahalanobis": LatentMahalanobis,
    "latent_knn": LatentKNN,
    "latent_views": LatentViews,
    "elbo": NegativeELBO,
    "log_likelihood": NegativeLogLikelihood,
    "ensemble": _ensemble,
}
_OF_NEIGHBOURS = ("latent_knn", "latent_views", "ensemble")


def score_named(name: str, model, *, neighbours: int | float = NEIGHBOURS) -> Score:
    """Return the unfitted score of a trained model by its name.

    Args:
        name: one of `SCORES`; "ensemble" is that of whitened residual, latent Mahalanobis and latent kNN.
        model: a trained `Autoencoder`.
        neighbours: of `LatentViews`, and of `LatentKNN`, alone or in the ensemble.

    Raises:
        ValueError: an unknown name, or a score that the model has not.
    """
    if name not in SCORES:
        raise ValueError(f"Unknown score {name!r}. Use one of {', '.join(SCORES)}.")
    options = {"neighbours": neighbours} if name in _OF_NEIGHBOURS else {}
    return SCORES[name](model, **options)
