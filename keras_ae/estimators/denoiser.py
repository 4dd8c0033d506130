"""Denoising of rows."""

import numpy as np

from keras_ae.estimators.base import AutoencoderEstimator, sklearn_base


class Denoiser(sklearn_base.OneToOneFeatureMixin, sklearn_base.TransformerMixin, AutoencoderEstimator):
    """Rows without their noise, by an autoencoder that is trained to undo noise (Vincent et al. 2008).

    The parameters are those of `AutoencoderEstimator`; without `model` the noise that is added in training has the
    standard deviation 0.3 of each column's own, `model_params={"noise": ...}` another, and the code has as many
    dimensions as there are columns. It should be about the noise that is to be removed.

    Example:

        clean = Denoiser(random_state=0).fit(X_train).transform(X_noisy)
    """

    def _table_options(self, features):
        return {"latent_dim": features, "noise": 0.3}

    def fit(self, X, y=None, *, labels=None, condition=None):  # noqa: N803
        """Train on clean rows X, (n, features), which are corrupted on the way, and return self; y is ignored."""
        self._train(X, {"labels": labels, "condition": condition})
        return self

    def fit_transform(self, X, y=None, *, labels=None, condition=None) -> np.ndarray:  # noqa: N803
        """Train on X and return it denoised."""
        beside = {"labels": labels, "condition": condition}
        return self.fit(X, y, **beside).transform(X, **beside)

    def transform(self, X, *, labels=None, condition=None) -> np.ndarray:  # noqa: N803
        """Return denoised rows: (n, features) -> (n, features), float32."""
        x = self._rows(X, labels=labels, condition=condition)
        return self._to_rows(self.model_.reconstruct(x)).astype("float32")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags
