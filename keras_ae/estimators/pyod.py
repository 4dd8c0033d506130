"""The outlier detector as PyOD knows one: scores of the opposite sign, labels 0 and 1. Extra "pyod"."""

import numpy as np

from keras_ae.estimators.outliers import AutoencoderOutlierDetector
from keras_ae.extras import optional

sklearn_base = optional("sklearn.base", "scikit-learn", "sklearn")
detectors = optional("pyod.models.base", "PyOD", "pyod")


class AutoencoderPyOD(detectors.BaseDetector):
    """An `AutoencoderOutlierDetector` behind PyOD's interface, for its combination functions and `SUOD`.

    PyOD's methods take X alone, so that conditional models are refused.

    Args:
        detector: an unfitted `AutoencoderOutlierDetector`, of which a clone is fitted; None means one of defaults.
        contamination: the share of anomalies, in (0, 0.5]; it takes the place of the detector's own.

    Attributes:
        detector_: the fitted detector.
        decision_scores_: scores of the training rows, (n,); higher is more anomalous.
        threshold_: the score above which a row is an outlier.
        labels_: 1 for the outliers among the training rows, else 0.
    """

    def __init__(self, detector=None, contamination=0.1):
        super().__init__(contamination=contamination)
        self.detector = detector

    def fit(self, X, y=None):  # noqa: N803
        """Fit the detector on X, (n, features), and return self; y is ignored."""
        self._set_n_classes(y)
        detector = AutoencoderOutlierDetector() if self.detector is None else sklearn_base.clone(self.detector)
        self.detector_ = detector.set_params(contamination=self.contamination).fit(X)
        self.decision_scores_ = self.decision_function(X)
        self._process_decision_scores()
        return self

    def decision_function(self, X) -> np.ndarray:  # noqa: N803
        """Return how strange rows are: (n, features) -> (n,); higher is more anomalous."""
        return -self.detector_.score_samples(X)
