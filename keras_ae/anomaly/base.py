"""`Score`: what all anomaly scores share."""

from math import prod

import numpy as np

from keras_ae.feeding import rows_of, with_x, x_of
from keras_ae.forms import as_array
from keras_ae.intake import checked_batch, joined, over_batches, with_inputs
from keras_ae.streams import Watch, batches_of, is_stream


class Score:
    """How strange samples are to a trained autoencoder: `fit` on normal data, then `score`; higher is more anomalous.

    Where the model's spec has `inputs`, `fit`, `score` and `contributions` take them by name, `score(x, labels=...)`,
    or in a dict with x: a sample is then strange for what stands beside it.

    A score overrides `_fit(x)`, where it learns anything from normal data, and `_score(x)`; x is an array, or a dict of
    it and of inputs.

    Args:
        model: a trained `Autoencoder`; it is read only.
    """

    def __init__(self, model):
        self.model = model
        self.is_fitted = False

    def fit(self, x, **inputs) -> "Score":
        """Learn what the score needs to know of normal data, and return self.

        Args:
            x: normal samples, (n, *input_shape), in any form that the model's methods take: those that it was trained
                on, or others. They are held in memory.
            **inputs: what the model takes beside them, by name.

        Raises:
            ValueError: data that the model cannot take, or too few of them for this score.
        """
        x = with_inputs(x, inputs, self.spec, all_of_them=True)
        if is_stream(x):
            x = joined(list(batches_of(x, Watch(self.spec, "x"))))
        batch = rows_of(checked_batch(x, self.spec), slice(None))
        self._fit(batch if self.spec.inputs else batch["x"])
        self.is_fitted = True
        return self

    @property
    def spec(self):
        """The model's spec."""
        return self.model.spec

    def codes(self, x) -> np.ndarray:
        """Return codes, of which maps are laid out flat: (n, *input_shape) -> (n, latent_dim)."""
        z = self.model.encode(x)
        return z.reshape(len(z), -1)

    @over_batches
    def score(self, x) -> np.ndarray:
        """Return how strange each sample is, float64: (n, *input_shape) -> (n,); higher is more anomalous.

        Raises:
            ValueError: data that the model cannot take.
            RuntimeError: the score is not fitted.
        """
        self._require_fit()
        return np.asarray(self._score(self._whole(x)), dtype="float64")

    @over_batches
    def contributions(self, x) -> np.ndarray:
        """Return how much each value adds to the score: (n, *input_shape) -> the same shape, float64.

        Where the score is no sum over values, by occlusion (Zeiler & Fergus 2014): how much it falls when the value is
        replaced by its mean over the normal data. That takes one more scoring of x for each value of a sample.

        Raises:
            ValueError, RuntimeError: as `score`.
        """
        self._require_fit()
        return np.asarray(self._contributions(self._whole(x)), dtype="float64")

    def _whole(self, x) -> np.ndarray | dict:
        """x in memory, in a dict with what the model takes beside it, where that is anything."""
        return rows_of(checked_batch(x, self.spec), slice(None)) if self.spec.inputs else as_array(x)

    def _fit(self, x: np.ndarray | dict) -> None:
        self.mean = as_floats(x_of(x)).mean(axis=0)

    def _contributions(self, x: np.ndarray | dict) -> np.ndarray:
        batch, x = x, as_floats(x_of(x))
        whole = self._score(with_x(batch, x))
        found = np.empty((len(x), prod(x.shape[1:])))
        for value, mean in enumerate(self.mean.ravel()):
            occluded = x.reshape(len(x), -1).copy()
            occluded[:, value] = mean
            found[:, value] = whole - self._score(with_x(batch, occluded.reshape(x.shape)))
        return found.reshape(x.shape)

    def _require_fit(self) -> None:
        if not self.is_fitted:
            raise RuntimeError(f"This {type(self).__name__} is not fitted. Call fit(x) with normal data first.")


def as_floats(x: np.ndarray) -> np.ndarray:
    """Return uint8 images in [0, 1], as models read them; all else as it is."""
    return x.astype("float32") / 255 if x.dtype == np.uint8 else x
