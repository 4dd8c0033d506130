"""Priors in closed form: the standard normal, and scikit-learn's mixtures and kernels."""

import math
from collections.abc import Callable, Sequence
from dataclasses import fields, replace

import numpy as np

from keras_ae.autoencoder import Autoencoder
from keras_ae.checks import checked_whole
from keras_ae.extras import optional
from keras_ae.priors.base import Prior, held_back
from keras_ae.registry import build
from keras_ae.rows import MixturePrior

COMPONENTS = (1, 5, 10, 20, 50)
COVARIANCES = ("full", "tied", "diag", "spherical")
BANDWIDTHS = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8)
SCORED = 500  # Held-back codes by which a bandwidth is chosen: each is compared with all others.


class StandardNormal(Prior):
    """N(0, I), whatever the codes: the prior of a plain VAE, and for other models what not to use.

    A Gaussian with the mean and covariance of the codes is `GaussianMixture(1)`.
    """

    least_codes = 1

    def _mean_and_scale(self, codes):
        return np.zeros(codes.shape[1]), np.ones(codes.shape[1])

    def _fit(self, codes):
        pass  # There is nothing to learn.

    def _draw(self, n, rng):
        return rng.standard_normal((n, len(self.mean)))

    def _log_density(self, codes):
        return -0.5 * (np.square(codes) + math.log(2 * math.pi)).sum(axis=1)


class GaussianMixture(Prior):
    """A mixture of Gaussians by scikit-learn's EM (Ghosh et al. 2020 use 10 full ones).

    Args:
        components: number of Gaussians, or several, of which the one is taken that gives a held-back tenth of the codes
            the greatest mean log-density; it is then fitted to all of them.
        covariance: "full", "tied", "diag" or "spherical".
        iterations: of EM, at most; scikit-learn warns where it has not converged by then.
        least_variance: added to the variances, in those of the codes; more of it where components hold few codes.
        seed: fixes the fit.

    Raises:
        ValueError: components that are no whole numbers of at least 1, an unknown covariance, iterations below 1, a
            least variance that is not positive.
    """

    def __init__(
        self,
        components: int | Sequence[int] = COMPONENTS,
        *,
        covariance: str = "full",
        iterations: int = 300,
        least_variance: float = 1e-6,
        seed: int = 0,
    ):
        super().__init__(seed=seed)
        self.iterations = checked_whole("iterations", iterations)
        (self.least_variance,) = _positive("least_variance", least_variance)
        if covariance not in COVARIANCES:
            raise ValueError(f"covariance must be one of {', '.join(COVARIANCES)}, got {covariance!r}.")
        self.components, self.covariance = _positive("components", components, whole=True), covariance
        self.least_codes = 2 * max(self.components)

    def _fit(self, codes):
        kind = optional("sklearn.mixture", "scikit-learn", "sklearn").GaussianMixture

        def fitted(components: int, codes: np.ndarray):
            options = {"max_iter": self.iterations, "reg_covar": self.least_variance, "random_state": self.seed}
            return kind(components, covariance_type=self.covariance, **options).fit(codes)

        self.mixture = _best(fitted, self.components, codes, self.seed)

    def _draw(self, n, rng):
        self.mixture.set_params(random_state=int(rng.integers(2**31)))
        # scikit-learn gives them component by component; the first k of them are to be draws as well.
        return rng.permutation(self.mixture.sample(n)[0])

    def _log_density(self, codes):
        return self.mixture.score_samples(codes)

    def into_model(self) -> Autoencoder:
        """Return a copy of the model, which must be variational, whose learned prior is this mixture.

        Its samples, ELBO and `log_likelihood` are by the mixture, it trains on from there, and it is saved as any
        other: `MixturePrior(components, covariance="full")` stands in its spec. Inputs beside x stay those of encoder
        and decoder; the mixture is the same for all of them.

        Raises:
            RuntimeError: `fit` was not called.
            ValueError: the model has no posterior, or a component is too narrow or too wide for `FullMixture`.
        """
        self._check_fitted()
        code = self.model.spec.code
        if not self.model.is_variational:
            raise ValueError(
                f"into_model needs a variational model, not {self.model.spec.model!r}: sample(n) is for it."
            )
        if "prior" not in {field.name for field in fields(code)}:
            raise ValueError(f"{code} has a prior of its own, which no mixture replaces: sample(n) is for it.")
        prior = MixturePrior(len(self.mixture.weights_), covariance="full")
        inputs = tuple(row.without("prior") for row in self.model.spec.inputs if row.to != ("prior",))
        model = build(replace(self.model.spec, code=replace(code, prior=prior), inputs=inputs), seed=self.seed)
        for part in ("encoder", "decoder", "likelihood"):
            getattr(model, part).set_weights(getattr(self.model, part).get_weights())
        triangles = self._triangles() / self.scale[:, None]
        model.prior.set_mixture(self.mixture.weights_, self.mixture.means_ * self.scale + self.mean, triangles)
        return model

    def _triangles(self) -> np.ndarray:
        """Return the triangles P of the precisions P P^T in the units of `_fit`: (components, dim, dim)."""
        means, found = self.mixture.means_, self.mixture.precisions_cholesky_
        if self.covariance == "spherical":
            found = np.broadcast_to(found[:, None], means.shape)
        if found.ndim == 2 and self.covariance != "tied":
            found = found[:, :, None] * np.eye(means.shape[1])
        return np.broadcast_to(found, (*means.shape, means.shape[1]))


class KernelDensity(Prior):
    """A Gaussian kernel on every code, by scikit-learn: draws are training codes with noise.

    It keeps all codes, and its samples lie near training samples by construction; see
    `keras_ae.metrics.nearest_training_distance`.

    Args:
        bandwidth: standard deviation of the kernel, in standard deviations of the codes, or several, of which the one
            is taken that gives held-back codes (a tenth, at most 500) the greatest mean log-density.
        seed: fixes the fit.

    Raises:
        ValueError: a bandwidth that is not positive.
    """

    def __init__(self, bandwidth: float | Sequence[float] = BANDWIDTHS, *, seed: int = 0):
        super().__init__(seed=seed)
        self.bandwidth = _positive("bandwidth", bandwidth)

    def _fit(self, codes):
        kind = optional("sklearn.neighbors", "scikit-learn", "sklearn").KernelDensity

        def fitted(bandwidth: float, codes: np.ndarray):
            return kind(bandwidth=bandwidth).fit(codes)

        self.kernels = _best(fitted, self.bandwidth, codes, self.seed)

    def _draw(self, n, rng):
        return self.kernels.sample(n, random_state=int(rng.integers(2**31)))

    def _log_density(self, codes):
        return self.kernels.score_samples(codes)


def _positive(name: str, value, *, whole: bool = False) -> tuple:
    """Return the number, or the numbers, as a tuple of positive ones."""
    values = tuple(np.atleast_1d(value).tolist())
    kind, words = (int, "a whole number") if whole else (int | float, "a number")
    if not values or not all(isinstance(number, kind) and number > 0 for number in values):
        raise ValueError(f"{name} must be {words} above 0, or several such, got {value!r}.")
    return values


def _best(fitted: Callable, settings: tuple, codes: np.ndarray, seed: int):
    """Return `fitted(setting, codes)` of the setting whose density of held-back codes is greatest."""
    if len(settings) == 1:
        return fitted(settings[0], codes)
    part, held = held_back(codes, seed)
    return fitted(max(settings, key=lambda setting: fitted(setting, part).score(held[:SCORED])), codes)
