"""Divergences and log-densities in nats."""

import math

import numpy as np
from keras import ops


def gaussian_kl(z_mean, z_log_var, prior_mean=None, prior_log_var=None):
    """KL of diagonal Gaussians in nats, to N(0, I) or to a prior: (batch, latent_dim) each -> (batch,).

    Appendix B, Kingma & Welling 2014.
    """
    if prior_mean is None:
        return 0.5 * ops.sum(ops.square(z_mean) + ops.exp(z_log_var) - 1.0 - z_log_var, axis=-1)
    log_ratio = z_log_var - prior_log_var
    distance = ops.square(z_mean - prior_mean) * ops.exp(-prior_log_var)
    return 0.5 * ops.sum(distance + ops.exp(log_ratio) - 1.0 - log_ratio, axis=-1)


def gaussian_log_density(z, mean=0.0, log_var=0.0):
    """Log-density of a diagonal Gaussian in nats, summed over the last axis: (..., latent_dim) -> (...,)."""
    log_var = ops.cast(log_var, z.dtype)
    return -0.5 * ops.sum(math.log(2 * math.pi) + log_var + ops.square(z - mean) * ops.exp(-log_var), axis=-1)


def gaussian_entropy(log_var):
    """Entropy of a diagonal Gaussian in nats, summed over the last axis: (..., latent_dim) -> (...,)."""
    return 0.5 * ops.sum(1.0 + math.log(2 * math.pi) + log_var, axis=-1)


def bernoulli_kl(rho: float, activation):
    """KL(Bernoulli(rho) || Bernoulli(activation)) in nats, summed over units: (units,) in (0, 1) -> ().

    Ng 2011, "Sparse autoencoder", section 3. Activations are kept 1e-7 away from 0 and 1.
    """
    activation = ops.clip(activation, 1e-7, 1 - 1e-7)
    on = rho * (math.log(rho) - ops.log(activation))
    off = (1 - rho) * (math.log(1 - rho) - ops.log(1 - activation))
    return ops.sum(on + off)


def log_mean_exp(logs: np.ndarray) -> np.ndarray:
    """log(mean(exp(logs))) over the first axis, safe from overflow."""
    most = logs.max(axis=0)
    return most + np.log(np.exp(logs - most).mean(axis=0))
