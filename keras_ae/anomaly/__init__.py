"""How strange a sample is to a trained autoencoder: scores, thresholds, windows of series, robust training.

score = keras_ae.anomaly.WhitenedResidual(model).fit(x_train)
strangeness = score.score(x_new)  # (n,), higher is more anomalous
where = score.contributions(x_new)  # of the shape of x_new: which column, which pixel
threshold = keras_ae.anomaly.quantile_threshold(score.score(x_train), contamination=0.01)
"""

from keras_ae.anomaly.base import Score
from keras_ae.anomaly.bounds import NegativeELBO, NegativeLogLikelihood
from keras_ae.anomaly.codes import LatentKNN, LatentMahalanobis
from keras_ae.anomaly.ensemble import SCORES, RankEnsemble, score_named
from keras_ae.anomaly.features import FeatureKNN, contrast_normalised
from keras_ae.anomaly.residuals import ReconstructionError, WhitenedResidual
from keras_ae.anomaly.series import score_of_times, windows
from keras_ae.anomaly.thresholds import best_f1_threshold, pot_threshold, quantile_threshold
from keras_ae.anomaly.trimming import fit_trimmed
from keras_ae.anomaly.views import LatentViews

__all__ = [
    "SCORES",
    "FeatureKNN",
    "LatentKNN",
    "LatentMahalanobis",
    "LatentViews",
    "NegativeELBO",
    "NegativeLogLikelihood",
    "RankEnsemble",
    "ReconstructionError",
    "Score",
    "WhitenedResidual",
    "best_f1_threshold",
    "contrast_normalised",
    "fit_trimmed",
    "pot_threshold",
    "quantile_threshold",
    "score_named",
    "score_of_times",
    "windows",
]
