"""What every ex-post prior has: codes to fit to, their scale, draws that are decoded."""

from abc import ABC, abstractmethod

import numpy as np
from keras import ops

from keras_ae.autoencoder import Autoencoder
from keras_ae.checks import checked_whole
from keras_ae.feeding import x_of
from keras_ae.intake import with_inputs

HELD_BACK = 0.1


class Prior(ABC):
    """A density over the codes of one trained model.

    Codes are brought to mean 0 and variance 1, dimension by dimension, before a density is fitted to them, so that
    bandwidths and step sizes mean the same for every model; what is drawn, and `log_density`, are in the units of the
    codes.

    Args:
        seed: fixes the fit: the draws of codes, what is held back, initial weights.
    """

    least_codes = 2

    def __init__(self, *, seed: int = 0):
        self.seed = seed
        self.model: Autoencoder | None = None

    def fit(self, model: Autoencoder, x: np.ndarray, **inputs) -> "Prior":
        """Fit the density to the codes of x and return self.

        Of a variational model the codes are draws of q(z|x), one for each sample: the aggregated posterior, which is
        what the decoder was trained on. Where the model takes inputs beside x, it is that of all of them together;
        `ClassConditional` fits one for each label.

        Args:
            model: a trained autoencoder of any type.
            x: samples that it takes, (n, *input_shape), at best those that it was trained on.
            **inputs: what the model takes beside them, by name.

        Raises:
            TypeError: `model` is no `Autoencoder`.
            ValueError: data that the model cannot take, or too few samples.
            ImportError: an optional package is missing; the message names the extra.
        """
        codes = codes_of(model, x, seed=self.seed, **inputs)
        if len(codes) < self.least_codes:
            raise ValueError(f"{type(self).__name__} needs at least {self.least_codes} samples, got {len(codes)}.")
        mean, scale = self._mean_and_scale(codes)
        self._fit((codes - mean) / scale)
        self.model, self.mean, self.scale = model, mean, scale
        return self

    def draw(self, n: int, seed: int | None = None) -> np.ndarray:
        """Return `n` codes drawn from the prior, (n, latent_dim) float32.

        Args:
            n: how many.
            seed: fixes the codes; None draws new ones.

        Raises:
            ValueError: n < 1.
            RuntimeError: `fit` was not called.
        """
        self._check_fitted()
        drawn = self._draw(checked_whole("n", n), np.random.default_rng(seed))
        return (self.mean + self.scale * drawn).astype("float32")

    def sample(self, n: int, seed: int | None = None, *, batch_size: int = 256, **inputs) -> np.ndarray:
        """Return the likelihood's mean at `n` codes drawn from the prior: (n, *input_shape).

        The arguments and errors are those of `draw`; `batch_size` codes are decoded at once, with what the model takes
        beside them by name, as in `Autoencoder.decode`.
        """
        codes = self.draw(n, seed)
        return self.model.decode(codes, batch_size=batch_size, **inputs)

    def log_density(self, z: np.ndarray) -> np.ndarray:
        """log p(z) in nats: (n, latent_dim) -> (n,) float64.

        Raises:
            ValueError: z has another shape, or NaN or inf.
            RuntimeError: `fit` was not called.
        """
        self._check_fitted()
        z = np.asarray(z, dtype="float64")
        if z.ndim != 2 or z.shape[1] != len(self.mean):
            raise ValueError(f"z has shape {z.shape}, but log_density takes (n, {len(self.mean)}).")
        if not np.isfinite(z).all():
            raise ValueError("z has NaN or inf.")
        return self._log_density((z - self.mean) / self.scale) - np.log(self.scale).sum()

    def _mean_and_scale(self, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return what codes are centred and divided by before the fit, each (latent_dim,)."""
        deviation = codes.std(axis=0)
        return codes.mean(axis=0), np.where(deviation > 0, deviation, 1.0)  # What never varies stays where it is.

    @abstractmethod
    def _fit(self, codes: np.ndarray) -> None:
        """Fit the density to codes of mean 0 and variance 1, (n, latent_dim) float64."""

    @abstractmethod
    def _draw(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Return draws in the units of `_fit`, (n, latent_dim)."""

    @abstractmethod
    def _log_density(self, codes: np.ndarray) -> np.ndarray:
        """Return log-densities in the units of `_fit`, (n,)."""

    def _check_fitted(self) -> None:
        if self.model is None:
            raise RuntimeError(f"{type(self).__name__} has no codes yet. Call fit(model, x) first.")


def codes_of(model: Autoencoder, x: np.ndarray, *, seed: int = 0, **inputs) -> np.ndarray:
    """Return the codes that a prior is fitted to, of variational models draws of q(z|x): (n, latent_dim) float64.

    Raises:
        TypeError: `model` is no `Autoencoder`.
        ValueError: its code is discrete.
    """
    if not isinstance(model, Autoencoder):
        raise TypeError(f"model must be a keras_ae.Autoencoder, as keras_ae.build returns, not {type(model).__name__}.")
    if model.spec.code.is_discrete:
        raise ValueError(
            f"The code of {model.spec.model!r} is discrete, and this is a density of numbers. Fit "
            "keras_ae.priors.PixelCNN() to it."
        )
    x = with_inputs(x, inputs, model.spec, all_of_them=True)
    if not model.is_variational:
        return model.encode(x).astype("float64")
    parameters = {name: ops.convert_to_tensor(value) for name, value in model.posterior(x).items()}
    noise = np.random.default_rng(seed).standard_normal((len(x_of(x)), model.spec.latent_dim))
    drawn = model.latent.draw(parameters, ops.convert_to_tensor(noise, "float32"))
    return ops.convert_to_numpy(drawn["z"]).astype("float64")


def held_back(codes: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return codes to fit to and a tenth, at least one, to choose by: (n, latent_dim) -> two such arrays."""
    order = np.random.default_rng(seed).permutation(len(codes))
    cut = max(1, round(HELD_BACK * len(codes)))
    return codes[order[cut:]], codes[order[:cut]]
