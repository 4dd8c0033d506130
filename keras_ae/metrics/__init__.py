"""Arrays in, numbers out: how well a model reconstructs, and what its latents carry, how good samples are. NumPy only,
but for the neighbours of `generation`, which scikit-learn finds.
"""

from keras_ae.metrics.codebooks import code_perplexity, unused_codes
from keras_ae.metrics.generation import (
    DensityCoverage,
    MemorisationReport,
    density_coverage,
    frechet_distance,
    nearest_training_distance,
)
from keras_ae.metrics.latents import (
    PosteriorReport,
    active_units,
    kl_per_dimension,
    latent_variance,
    posterior_collapse,
    sliced_wasserstein,
)
from keras_ae.metrics.likelihood import bits_per_dim
from keras_ae.metrics.ranges import range_auc_pr, vus_pr
from keras_ae.metrics.reconstruction import explained_variance, mean_absolute_error, mean_squared_error, psnr
from keras_ae.metrics.structure import ssim

__all__ = [
    "DensityCoverage",
    "MemorisationReport",
    "PosteriorReport",
    "active_units",
    "bits_per_dim",
    "code_perplexity",
    "density_coverage",
    "explained_variance",
    "frechet_distance",
    "kl_per_dimension",
    "latent_variance",
    "mean_absolute_error",
    "mean_squared_error",
    "nearest_training_distance",
    "posterior_collapse",
    "psnr",
    "range_auc_pr",
    "sliced_wasserstein",
    "ssim",
    "unused_codes",
    "vus_pr",
]
