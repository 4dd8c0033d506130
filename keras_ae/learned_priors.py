"""Priors p(z) that belong to a model: the standard normal, and those whose weights are learned along with it."""

import math

import keras
import numpy as np
from keras import ops

from keras_ae.bounds import bounded, unbounded
from keras_ae.divergences import gaussian_entropy, gaussian_kl, gaussian_log_density

# Components neither shrink to a point nor spread without end: variances stay within a factor of 55 of 1.
COMPONENT_LIMIT = 4.0


class StandardNormal(keras.layers.Layer):
    """N(0, I)."""

    def log_density(self, z):
        """log p(z) in nats: (..., latent_dim) -> (...,)."""
        return gaussian_log_density(z)

    def kl(self, z_mean, z_log_var, z):
        """KL(q(z|x) || p(z)) in nats, in closed form: (batch, latent_dim) thrice -> (batch,)."""
        return gaussian_kl(z_mean, z_log_var)

    def draw(self, n: int, latent_dim: int, rng: np.random.Generator) -> np.ndarray:
        """Return draws of z, (n, latent_dim) float32, the same on every backend."""
        return rng.standard_normal((n, latent_dim), dtype="float32")


class MixtureOfGaussians(keras.layers.Layer):
    """A mixture of diagonal Gaussians whose means, variances and weights are learned (Tomczak & Welling 2018).

    It starts near N(0, I), with half of the variance between the means of its components; without `draw` its means
    start at 0, for weights that are loaded next.
    """

    def __init__(self, components: int, latent_dim: int, seed: int | None = None, *, draw: bool = True, **kwargs):
        super().__init__(**kwargs)
        means = keras.initializers.RandomNormal(stddev=math.sqrt(0.5), seed=seed) if draw else "zeros"
        spread = keras.initializers.Constant(unbounded(math.log(0.5), COMPONENT_LIMIT))
        self.means = self.add_weight(shape=(components, latent_dim), initializer=means, name="means")
        self.log_vars = self.add_weight(shape=(components, latent_dim), initializer=spread, name="log_vars")
        self.logits = self.add_weight(shape=(components,), initializer="zeros", name="logits")
        self.built = True

    def log_density(self, z):
        """log p(z) in nats: (..., latent_dim) -> (...,)."""
        log_vars = bounded(ops.convert_to_tensor(self.log_vars), COMPONENT_LIMIT)
        means, precision = ops.convert_to_tensor(self.means), ops.exp(-log_vars)
        # The square is written out, so that matrix products do the work: (..., latent_dim) -> (..., components).
        distance = ops.matmul(ops.square(z), ops.transpose(precision))
        distance -= 2 * ops.matmul(z, ops.transpose(means * precision))
        of_component = ops.sum(ops.square(means) * precision + log_vars + math.log(2 * math.pi), axis=-1)
        return ops.logsumexp(ops.log_softmax(self.logits) - 0.5 * (distance + of_component), axis=-1)

    def kl(self, z_mean, z_log_var, z):
        """log q(z|x) - log p(z), the first in its mean and the second at the drawn z; its mean over z is the KL, nats.

        (batch, latent_dim) thrice -> (batch,).
        """
        return -gaussian_entropy(z_log_var) - self.log_density(z)

    def draw(self, n: int, latent_dim: int, rng: np.random.Generator) -> np.ndarray:
        """Return draws of z, (n, latent_dim) float32, the same on every backend."""
        # In NumPy: JAX would compile each operation for a few draws.
        logits = np.asarray(ops.convert_to_numpy(self.logits), dtype="float64")
        weights = np.exp(logits - logits.max())
        chosen = rng.choice(len(weights), size=n, p=weights / weights.sum())
        log_vars = COMPONENT_LIMIT * np.tanh(ops.convert_to_numpy(self.log_vars)[chosen] / COMPONENT_LIMIT)
        noise = rng.standard_normal((n, latent_dim), dtype="float32")
        return ops.convert_to_numpy(self.means)[chosen] + np.exp(0.5 * log_vars) * noise
