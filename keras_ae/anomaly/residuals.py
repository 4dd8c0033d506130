"""Scores of what the model does not rebuild."""

import numpy as np

from keras_ae.anomaly.base import Score, as_floats
from keras_ae.anomaly.whitening import Whitening
from keras_ae.feeding import rows_of, x_of


class ReconstructionError(Score):
    """How far a sample is from its reconstruction (Hawkins et al. 2002; Sakurada & Yairi 2014).

    Contributions are the errors of the values, and sum to the score.

    Args:
        model: a trained `Autoencoder`.
        kind: "mse", "mae" or "nll", as in `Autoencoder.reconstruction_error`.
    """

    def __init__(self, model, *, kind: str = "mse"):
        super().__init__(model)
        self.kind = kind

    def _fit(self, x):
        self._score(rows_of(x, slice(1)))  # There is nothing to learn, but a kind or a shape to refuse.

    def _score(self, x):
        return self.model.reconstruction_error(x, kind=self.kind)

    def _contributions(self, x):
        return self.model.value_errors(x, kind=self.kind)


class WhitenedResidual(Score):
    """The squared Mahalanobis distance of the residual x - x_hat from those of normal data.

    A column that is always rebuilt badly counts for little, one that is always rebuilt well counts for much, and errors
    that go together count once. Contributions are d * (P d) with d the residual less its mean and P the inverse
    covariance; they sum to the score, and may be negative where errors cancel. `Whitening` has the covariance.
    """

    def _fit(self, x):
        self.whitening = Whitening().fit(self._residuals(x))

    def _score(self, x):
        return self.whitening.squares(self._residuals(x))

    def _contributions(self, x):
        return self.whitening.parts(self._residuals(x)).reshape(x_of(x).shape)

    def _residuals(self, x: np.ndarray | dict) -> np.ndarray:
        """x - x_hat: (n, *input_shape) -> (n, values)."""
        return (as_floats(x_of(x)) - self.model.reconstruct(x)).reshape(len(x_of(x)), -1)
