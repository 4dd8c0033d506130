"""Divergences and log-densities in nats."""

import math

import numpy as np
from keras import ops


def gaussian_kl(z_mean, z_log_var):
    """KL(q(z|x) || N(0, I)) in nats: (batch, latent_dim) twice -> (batch,). Appendix B, Kingma & Welling 2014."""
    return 0.5 * ops.sum(ops.square(z_mean) + ops.exp(z_log_var) - 1.0 - z_log_var, axis=-1)


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
