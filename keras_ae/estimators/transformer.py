"""Dimensionality reduction and features by an autoencoder."""

import numpy as np

from keras_ae.estimators.base import AutoencoderEstimator, sklearn_base, validation


class AutoencoderTransformer(
    sklearn_base.ClassNamePrefixFeaturesOutMixin, sklearn_base.TransformerMixin, AutoencoderEstimator
):
    """Codes of rows, and rows of codes, in the place of `PCA`.

    The parameters are those of `AutoencoderEstimator`; `latent_dim=None` means half as many dimensions as columns.

    Example:

        codes = AutoencoderTransformer(latent_dim=2, random_state=0).fit_transform(X)
    """

    def _table_options(self, features):
        return {"latent_dim": -(-features // 2)}

    def fit(self, X, y=None):  # noqa: N803
        """Train on X, (n, features), and return self; y is ignored."""
        self._train(X)
        return self

    def transform(self, X) -> np.ndarray:  # noqa: N803
        """Return codes, for variational models the posterior mean: (n, features) -> (n, latent_dim), float32."""
        x = self._rows(X)
        return self.model_.encode(x)

    def inverse_transform(self, X) -> np.ndarray:  # noqa: N803
        """Return the rows that codes stand for: (n, latent_dim) -> (n, features)."""
        validation.check_is_fitted(self)
        return self._to_rows(self.model_.decode(validation.check_array(X, dtype="float32")))

    def score_samples(self, X) -> np.ndarray:  # noqa: N803
        """Return `Autoencoder.score_samples` in nats, of standardised rows: (n, features) -> (n,); higher is better."""
        x = self._rows(X)
        return self.model_.score_samples(x)

    def score(self, X, y=None) -> float:  # noqa: N803
        """Return the mean of `score_samples`, by which `GridSearchCV` chooses; y is ignored."""
        return float(self.score_samples(X).mean())

    @property
    def _n_features_out(self) -> int:
        return self.model_.spec.latent_dim

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags
