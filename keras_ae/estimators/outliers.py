"""Outlier detection by an autoencoder."""

import numpy as np

from keras_ae.anomaly import quantile_threshold, score_named
from keras_ae.anomaly.neighbours import NEIGHBOURS
from keras_ae.anomaly.thresholds import checked_contamination
from keras_ae.estimators.base import AutoencoderEstimator, sklearn_base
from keras_ae.feeding import rows_of


class AutoencoderOutlierDetector(sklearn_base.OutlierMixin, AutoencoderEstimator):
    """Which rows are strange, in the place of `IsolationForest` or `LocalOutlierFactor(novelty=True)`.

    Args:
        model: as in `AutoencoderEstimator`, like all that is not named here. `latent_dim=None` means as many
            dimensions as columns, and None as `model` trains against noise of 0.3 standard deviations.
        score: a name of `keras_ae.anomaly.SCORES`; docs/anomaly.md says how the default was chosen.
        contamination: the share of anomalies among the training rows, in (0, 0.5]: it sets the threshold `offset_`.
            Of rows that are known to be normal it is the share of false alarms.
        robust: True where the training rows hold anomalies. The model is trained, then trained on without the share
            `contamination` of greatest loss (`keras_ae.anomaly.fit_trimmed`), and the score knows the others only;
            neighbours are that share of the rows, so that anomalies that are alike cannot vouch for each other.

    Attributes:
        score_: the fitted `keras_ae.anomaly.Score`, for which higher is more anomalous.
        offset_: the score, higher being normal, below which a row is an outlier.
    """

    def __init__(
        self,
        model=None,
        *,
        score="latent_views",
        contamination=0.1,
        robust=False,
        latent_dim=None,
        epochs=None,
        batch_size=None,
        validation_fraction=0.1,
        random_state=None,
        model_params=None,
        fit_params=None,
    ):
        super().__init__(
            model,
            latent_dim=latent_dim,
            epochs=epochs,
            batch_size=batch_size,
            validation_fraction=validation_fraction,
            random_state=random_state,
            model_params=model_params,
            fit_params=fit_params,
        )
        self.score = score
        self.contamination = contamination
        self.robust = robust

    def _table_options(self, features):
        return {"latent_dim": features, "noise": 0.3}

    def fit(self, X, y=None, *, labels=None, condition=None):  # noqa: N803
        """Train on X, (n, features), find the threshold, and return self; y is ignored."""
        contamination = checked_contamination(self.contamination)
        beside = {"labels": labels, "condition": condition}
        x, kept = self._train(X, beside, trim=contamination if self.robust else None)
        neighbours = contamination if self.robust else NEIGHBOURS
        self.score_ = score_named(self.score, self.model_, neighbours=neighbours).fit(rows_of(x, kept))
        self.offset_ = -quantile_threshold(self.score_.score(x), contamination=contamination)
        return self

    def score_samples(self, X, *, labels=None, condition=None) -> np.ndarray:  # noqa: N803
        """Return how normal rows are, the negative of `score_`: (n, features) -> (n,); lower is stranger."""
        x = self._rows(X, labels=labels, condition=condition)
        return -self.score_.score(x)

    def decision_function(self, X, *, labels=None, condition=None) -> np.ndarray:  # noqa: N803
        """Return `score_samples` less `offset_`: (n, features) -> (n,); negative is an outlier."""
        return self.score_samples(X, labels=labels, condition=condition) - self.offset_

    def predict(self, X, *, labels=None, condition=None) -> np.ndarray:  # noqa: N803
        """Return +1 for normal rows and -1 for outliers: (n, features) -> (n,)."""
        return np.where(self.decision_function(X, labels=labels, condition=condition) >= 0, 1, -1)

    def fit_predict(self, X, y=None, *, labels=None, condition=None) -> np.ndarray:  # noqa: N803
        """Train on X and return what `predict` says of it; y is ignored."""
        beside = {"labels": labels, "condition": condition}
        return self.fit(X, y, **beside).predict(X, **beside)

    def contributions(self, X, *, labels=None, condition=None) -> np.ndarray:  # noqa: N803
        """Return how much each column adds to the strangeness of a row: (n, features) -> (n, features)."""
        x = self._rows(X, labels=labels, condition=condition)
        found = self.score_.contributions(x)
        return found.reshape(len(found), -1)
