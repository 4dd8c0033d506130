"""The rows that a spec is made of.

Their names are written out for editors and type checkers, which run nothing; a test holds them equal to what is there.
"""

from keras_ae.rows import format_1
from keras_ae.rows.base import ROWS, Row, Shape, SpecError, check_class, checked_count, plain, restored, row_from_dict
from keras_ae.rows.codes import (
    Code,
    ConditionalPrior,
    Gaussian,
    Identity,
    MixturePrior,
    Prior,
    Vector,
    check_penalty,
    checked_layers,
    sparse_code,
)
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
from keras_ae.rows.inputs import Condition, Input, Labels, check_inputs
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
from keras_ae.rows.objectives import Objective, objective_of
from keras_ae.rows.quantisers import Discrete, HierarchicalQuantiser, Quantiser
from keras_ae.rows.schedules import Cycle, Ramp, Schedule, Scheduled
from keras_ae.rows.sides import per_axis, set_fields
from keras_ae.rows.tokens import MLP, Attention, MaskToken, Patch, Position, Unpatch, grid_of

__all__ = [
    "JPEG",
    "MLP",
    "Activation",
    "Attention",
    "Bernoulli",
    "Blur",
    "Chain",
    "Code",
    "Condition",
    "ConditionalPrior",
    "ContinuousBernoulli",
    "Conv",
    "Corruption",
    "Cycle",
    "Deconv",
    "Dense",
    "Discrete",
    "DiscretizedLogistic",
    "Dropout",
    "Flatten",
    "Gaussian",
    "GaussianNoise",
    "HierarchicalQuantiser",
    "Identity",
    "Input",
    "Labels",
    "Laplace",
    "Likelihood",
    "MaskToken",
    "Masking",
    "MissingValues",
    "MixturePrior",
    "Norm",
    "Normal",
    "Objective",
    "OneOf",
    "Patch",
    "Poisson",
    "Pool",
    "Position",
    "Quantiser",
    "Ramp",
    "Reshape",
    "Residual",
    "Row",
    "SaltAndPepper",
    "Schedule",
    "SpecError",
    "Speckle",
    "SpectralNoise",
    "Unpatch",
    "Upsample",
    "Vector",
    "sparse_code",
]
