"""Arrays in, numbers out: how well a model reconstructs, and what its latents carry. NumPy only."""

from keras_ae.metrics.latents import (
    PosteriorReport,
    active_units,
    kl_per_dimension,
    latent_variance,
    posterior_collapse,
)
from keras_ae.metrics.likelihood import bits_per_dim
from keras_ae.metrics.reconstruction import explained_variance, mean_absolute_error, mean_squared_error, psnr
from keras_ae.metrics.structure import ssim

__all__ = [
    "PosteriorReport",
    "active_units",
    "bits_per_dim",
    "explained_variance",
    "kl_per_dimension",
    "latent_variance",
    "mean_absolute_error",
    "mean_squared_error",
    "posterior_collapse",
    "psnr",
    "ssim",
]
