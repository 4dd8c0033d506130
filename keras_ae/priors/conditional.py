"""One prior for each label."""

import copy

import numpy as np

from keras_ae.autoencoder import Autoencoder
from keras_ae.priors.base import Prior


class ClassConditional:
    """A prior for each label, fitted to the codes of the samples that have it: p(z|y).

    Args:
        prior: a prior that is not fitted yet, of which each label gets a copy.

    Raises:
        TypeError: `prior` is no such prior.
    """

    def __init__(self, prior: Prior):
        if not isinstance(prior, Prior):
            raise TypeError(f"prior must be one of keras_ae.priors, such as GaussianMixture(5), got {prior!r}.")
        self.prior = prior
        self.of_label: dict[object, Prior] = {}

    @property
    def labels(self) -> list:
        """The labels of the fit, sorted."""
        return list(self.of_label)

    def fit(self, model: Autoencoder, x: np.ndarray, y: np.ndarray, **inputs) -> "ClassConditional":
        """Fit a copy of the prior to the codes of each label and return self.

        Args:
            model: a trained autoencoder of any type.
            x: samples that it takes, (n, *input_shape).
            y: their labels, (n,), integers or strings.
            **inputs: what the model takes beside x, by name, (n, ...) each; its labels too, where it takes labels.

        Raises:
            ValueError: as many labels as samples are not given, or as `Prior.fit`; too few samples of a label.
            TypeError, ImportError: as `Prior.fit`.
        """
        x, y = np.asarray(x), np.asarray(y)
        if y.ndim != 1 or len(y) != len(x):
            raise ValueError(f"y must hold a label for each of the {len(x)} samples, (n,), not shape {y.shape}.")
        labels = np.unique(y).tolist()
        self.of_label = {}
        for label in labels:
            rows = y == label
            beside = {name: np.asarray(values)[rows] for name, values in inputs.items()}
            self.of_label[label] = copy.deepcopy(self.prior).fit(model, x[rows], **beside)
        return self

    def draw(self, n: int, label, seed: int | None = None) -> np.ndarray:
        """Return `n` codes of a label, (n, latent_dim); the rest is as `Prior.draw`.

        Raises:
            ValueError: a label that the fit did not have, or n < 1.
            RuntimeError: `fit` was not called.
        """
        return self._of(label).draw(n, seed)

    def sample(self, n: int, label, seed: int | None = None, *, batch_size: int = 256, **inputs) -> np.ndarray:
        """Return `n` decoded samples of a label, (n, *input_shape); the rest is as `draw` and `Prior.sample`."""
        return self._of(label).sample(n, seed, batch_size=batch_size, **inputs)

    def log_density(self, z: np.ndarray, label) -> np.ndarray:
        """log p(z|label) in nats: (n, latent_dim) -> (n,); errors as in `draw` and `Prior.log_density`."""
        return self._of(label).log_density(z)

    def _of(self, label) -> Prior:
        if not self.of_label:
            raise RuntimeError("ClassConditional has no codes yet. Call fit(model, x, y) first.")
        if label not in self.of_label:
            raise ValueError(f"There is no label {label!r}. The fit had {', '.join(map(repr, self.labels))}.")
        return self.of_label[label]
