"""Priors p(z) that belong to a model: the standard normal, and those whose weights are learned along with it.

A prior has `log_density`, `kl` and `draw`; one given inputs, p(z|c), is called with these first, and what it gives is
handed to the three.
"""

import math
from abc import abstractmethod

import keras
import numpy as np
from keras import ops

from keras_ae.bounds import bounded, unbounded
from keras_ae.conditions import as_numbers
from keras_ae.divergences import gaussian_entropy, gaussian_kl, gaussian_log_density
from keras_ae.registry import register_layer
from keras_ae.rows import ConditionalPrior, Input, MixturePrior

# Components neither shrink to a point nor spread without end: variances stay within a factor of 55 of 1, and so do the
# conditional deviations of full covariances.
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


@register_layer(ConditionalPrior)
class ConditionalNormal(keras.layers.Layer):
    """p(z|c): a diagonal Gaussian whose mean and log-variance a hidden layer and two heads make of inputs.

    At the start both are 0.

    Args:
        row: its row.
        latent_dim: dimensions of z.
        seed: fixes the hidden layer's weights.
        inputs: the rows of what it takes.
        draw: False leaves them at 0, for weights that are loaded next.
    """

    def __init__(
        self,
        row: ConditionalPrior,
        latent_dim: int,
        seed: int | None = None,
        *,
        inputs: tuple[Input, ...],
        draw: bool = True,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.rows, width = inputs, sum(each.width for each in inputs)
        kernel = keras.initializers.GlorotUniform(seed) if draw else "zeros"
        options = {"dtype": "float32", "kernel_initializer": "zeros"}
        self.hidden = keras.layers.Dense(row.units, "silu", **options | {"kernel_initializer": kernel}, name="hidden")
        self.mean = keras.layers.Dense(latent_dim, **options, name="mean")
        self.log_var = keras.layers.Dense(latent_dim, **options, name="log_var")
        self.hidden.build((None, width))
        self.mean.build((None, row.units))
        self.log_var.build((None, row.units))
        self.built = True

    def call(self, batch):
        """Inputs by name -> `{"prior_mean", "prior_log_var"}`, each (batch, latent_dim)."""
        h = ops.concatenate([as_numbers(row, batch[row.name], "float32") for row in self.rows], axis=-1)
        h = self.hidden(h)
        return {"prior_mean": self.mean(h), "prior_log_var": bounded(self.log_var(h))}

    def log_density(self, z, prior_mean, prior_log_var):
        """log p(z|c) in nats: (..., latent_dim) thrice -> (...,)."""
        return gaussian_log_density(z, prior_mean, prior_log_var)

    def kl(self, z_mean, z_log_var, z, prior_mean, prior_log_var):
        """KL(q(z|x, c) || p(z|c)) in nats, in closed form: (batch, latent_dim) each -> (batch,)."""
        return gaussian_kl(z_mean, z_log_var, prior_mean, prior_log_var)

    def draw(
        self, n: int, latent_dim: int, rng: np.random.Generator, prior_mean: np.ndarray, prior_log_var: np.ndarray
    ) -> np.ndarray:
        """Return draws of z, (n, latent_dim) float32, for as many means and log-variances."""
        return prior_mean + np.exp(0.5 * prior_log_var) * rng.standard_normal((n, latent_dim), dtype="float32")


class Mixture(keras.layers.Layer):
    """Base of the mixtures of Gaussians whose means, shapes and weights are learned (Tomczak & Welling 2018).

    They start near N(0, I), with half of the variance between the means of the components.

    Args:
        components: number of Gaussians.
        latent_dim: dimensions of z.
        seed: fixes where the means start.
        draw: False starts the means at 0, for weights that are loaded next.
    """

    def __init__(self, components: int, latent_dim: int, seed: int | None = None, *, draw: bool = True, **kwargs):
        super().__init__(**kwargs)
        means = keras.initializers.RandomNormal(stddev=math.sqrt(0.5), seed=seed) if draw else "zeros"
        self.means = self.add_weight(shape=(components, latent_dim), initializer=means, name="means")
        self._add_shape(components, latent_dim)
        self.logits = self.add_weight(shape=(components,), initializer="zeros", name="logits")
        self.built = True

    def log_density(self, z):
        """log p(z) in nats: (..., latent_dim) -> (...,)."""
        distance, log_determinant = self._distance_and_log_determinant(z)
        of_component = log_determinant + z.shape[-1] * math.log(2 * math.pi)
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
        noise = rng.standard_normal((n, latent_dim), dtype="float32")
        return ops.convert_to_numpy(self.means)[chosen] + self._shaped(noise, chosen)

    @abstractmethod
    def _add_shape(self, components: int, latent_dim: int) -> None:
        """Add the weights that hold the covariances."""

    @abstractmethod
    def _distance_and_log_determinant(self, z):
        """Return squared Mahalanobis distances, (..., components), and log-determinants of covariances."""

    @abstractmethod
    def _shaped(self, noise: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        """Give standard normal noise, (n, latent_dim), the covariances of the chosen components, (n,)."""


class DiagonalMixture(Mixture):
    """A mixture of Gaussians with variances alone."""

    def _add_shape(self, components, latent_dim):
        spread = keras.initializers.Constant(unbounded(math.log(0.5), COMPONENT_LIMIT))
        self.log_vars = self.add_weight(shape=(components, latent_dim), initializer=spread, name="log_vars")

    def _distance_and_log_determinant(self, z):
        log_vars = bounded(ops.convert_to_tensor(self.log_vars), COMPONENT_LIMIT)
        means, precision = ops.convert_to_tensor(self.means), ops.exp(-log_vars)
        # The square is written out, so that matrix products do the work: (..., latent_dim) -> (..., components).
        distance = ops.matmul(ops.square(z), ops.transpose(precision))
        distance -= 2 * ops.matmul(z, ops.transpose(means * precision))
        return distance + ops.sum(ops.square(means) * precision, axis=-1), ops.sum(log_vars, axis=-1)

    def _shaped(self, noise, chosen):
        log_vars = COMPONENT_LIMIT * np.tanh(ops.convert_to_numpy(self.log_vars)[chosen] / COMPONENT_LIMIT)
        return np.exp(0.5 * log_vars) * noise


class FullMixture(Mixture):
    """A mixture of Gaussians with full covariances, each held as the triangle P of its precision P P^T.

    P is upper triangular: `log_scales` are the logarithms of its diagonal before they are bounded, `couplings` what
    stands above it, row by row.
    """

    def _add_shape(self, components, latent_dim):
        scale = keras.initializers.Constant(unbounded(0.5 * math.log(2), COMPONENT_LIMIT))
        self.log_scales = self.add_weight(shape=(components, latent_dim), initializer=scale, name="log_scales")
        above = latent_dim * (latent_dim - 1) // 2
        self.couplings = self.add_weight(shape=(components, above), initializer="zeros", name="couplings")
        # Where each entry of P stands in a row of `couplings`; what is not above the diagonal, in the 0 after it.
        places = np.full((latent_dim, latent_dim), above, dtype="int32")
        places[np.triu_indices(latent_dim, 1)] = np.arange(above)
        self.places = places

    def set_mixture(self, weights: np.ndarray, means: np.ndarray, triangles: np.ndarray) -> None:
        """Take a mixture whose precisions are P P^T.

        Args:
            weights: of the components, (components,).
            means: (components, latent_dim).
            triangles: P, upper triangular with a positive diagonal, (components, latent_dim, latent_dim).

        Raises:
            ValueError: a conditional deviation, 1 / P_ii, outside (0.02, 50).
        """
        log_scales = np.log(np.diagonal(triangles, axis1=1, axis2=2))
        if np.abs(log_scales).max() >= 0.98 * COMPONENT_LIMIT:
            raise ValueError(
                "A component is narrower than 0.02 or wider than 50 in some direction, given those before it: "
                f"{np.exp(-log_scales.max()):.2g} to {np.exp(-log_scales.min()):.2g}. Fit fewer components, or codes "
                "of another scale."
            )
        self.means.assign(means)
        self.log_scales.assign(COMPONENT_LIMIT * np.arctanh(log_scales / COMPONENT_LIMIT))
        self.couplings.assign(triangles[:, self.places < self.couplings.shape[1]])
        self.logits.assign(np.log(np.maximum(weights, np.finfo("float32").tiny)))

    def _distance_and_log_determinant(self, z):
        components, dim = self.means.shape
        log_scales = bounded(ops.convert_to_tensor(self.log_scales), COMPONENT_LIMIT)
        padded = ops.pad(ops.convert_to_tensor(self.couplings), ((0, 0), (0, 1)))
        above = ops.reshape(ops.take(padded, self.places.ravel(), axis=1), (components, dim, dim))
        triangles = above + ops.expand_dims(ops.exp(log_scales), 1) * ops.eye(dim)
        offsets = ops.matmul(ops.expand_dims(self.means, 1), triangles)[:, 0]
        # One matrix product for all components: (..., dim) -> (..., components * dim).
        side_by_side = ops.reshape(ops.transpose(triangles, (1, 0, 2)), (dim, components * dim))
        whitened = ops.reshape(ops.matmul(z, side_by_side), (*ops.shape(z)[:-1], components, dim)) - offsets
        return ops.sum(ops.square(whitened), axis=-1), -2 * ops.sum(log_scales, axis=-1)

    def _shaped(self, noise, chosen):
        log_scales = COMPONENT_LIMIT * np.tanh(ops.convert_to_numpy(self.log_scales) / COMPONENT_LIMIT)
        padded = np.pad(ops.convert_to_numpy(self.couplings), ((0, 0), (0, 1)))
        shaped = np.empty_like(noise)
        for component in np.unique(chosen):
            rows = chosen == component
            triangle = padded[component][self.places] + np.diag(np.exp(log_scales[component]))
            shaped[rows] = np.linalg.solve(triangle.T, noise[rows].T).T
        return shaped


@register_layer(MixturePrior)
def mixture(row: MixturePrior, latent_dim: int, seed: int | None = None, *, draw: bool = True, **options) -> Mixture:
    """The layer of a mixture, of the covariances that its row names."""
    kind = FullMixture if row.covariance == "full" else DiagonalMixture
    return kind(row.components, latent_dim, seed, draw=draw, **options)
