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

    def fit(self, X, y=None, *, labels=None, condition=None):  # noqa: N803
        """Train on X, (n, features), and return self; y is ignored."""
        self._train(X, {"labels": labels, "condition": condition})
        return self

    def fit_transform(self, X, y=None, *, labels=None, condition=None) -> np.ndarray:  # noqa: N803
        """Train on X and return its codes."""
        beside = {"labels": labels, "condition": condition}
        return self.fit(X, y, **beside).transform(X, **beside)

    def transform(self, X, *, labels=None, condition=None) -> np.ndarray:  # noqa: N803
        """Return codes, for variational models the posterior mean: (n, features) -> (n, latent_dim), float32.

        Codes that are maps are laid out flat.
        """
        z = self.model_.encode(self._rows(X, labels=labels, condition=condition))
        return z.reshape(len(z), -1)

    def inverse_transform(self, X, *, labels=None, condition=None) -> np.ndarray:  # noqa: N803
        """Return the rows that codes stand for: (n, latent_dim) -> (n, features)."""
        validation.check_is_fitted(self)
        beside = {name: v for name, v in (("labels", labels), ("condition", condition)) if v is not None}
        z = validation.check_array(X, dtype="float32")
        if z.shape[1] == self.model_.spec.latent_dim:
            z = z.reshape(-1, *self.model_.spec.code_shape)
        return self._to_rows(self.model_.decode(z, **beside))

    def score_samples(self, X, *, labels=None, condition=None) -> np.ndarray:  # noqa: N803
        """Return `Autoencoder.score_samples` in nats, of standardised rows: (n, features) -> (n,); higher is better."""
        x = self._rows(X, labels=labels, condition=condition)
        return self.model_.score_samples(x)

    def score(self, X, y=None, *, labels=None, condition=None) -> float:  # noqa: N803
        """Return the mean of `score_samples`, by which `GridSearchCV` chooses; y is ignored."""
        return float(self.score_samples(X, labels=labels, condition=condition).mean())

    @property
    def _n_features_out(self) -> int:
        return self.model_.spec.latent_dim

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags
