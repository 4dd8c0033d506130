"""The rows that a spec is made of."""

from keras_ae.rows.base import Row, Shape, SpecError, checked_count, plain, restored, row_from_dict
from keras_ae.rows.corruptions import (
    CORRUPTIONS,
    JPEG,
    Blur,
    Chain,
    Corruption,
    GaussianNoise,
    Masking,
    MissingValues,
    OneOf,
    Poisson,
    SaltAndPepper,
    Speckle,
    SpectralNoise,
    corruption_row,
)
from keras_ae.rows.latents import (
    Cycle,
    Gaussian,
    Identity,
    Latent,
    MixturePrior,
    Neighbours,
    Prior,
    Ramp,
    Scheduled,
    Sparse,
    Vector,
)
from keras_ae.rows.layers import (
    Activation,
    Conv,
    Deconv,
    Dense,
    Dropout,
    Flatten,
    Norm,
    Pool,
    Reshape,
    Residual,
    Upsample,
    mirrored,
    shapes,
)
from keras_ae.rows.likelihoods import (
    LIKELIHOODS,
    Bernoulli,
    ContinuousBernoulli,
    DiscretizedLogistic,
    Laplace,
    Likelihood,
    Normal,
)
from keras_ae.rows.sides import per_axis
