"""Latent rows, the priors over codes, and the schedules by optimiser step that the rows' weights may follow."""

from dataclasses import dataclass
from math import isfinite
from typing import ClassVar

from keras_ae.rows.base import Row, Shape, SpecError, checked_count
from keras_ae.rows.layers import Activation, Dense


@dataclass(frozen=True)
class Ramp(Row):
    """A schedule by optimiser step: `start` until `delay`, then a straight line that reaches `stop` in `steps` steps.

    The warm-up of Bowman et al. 2016 and Sønderby et al. 2016.
    """

    start: float
    stop: float
    steps: int
    delay: int = 0

    def __post_init__(self):
        checked_count("Ramp", "steps", self.steps)
        if self.delay < 0:
            raise SpecError(f"Ramp: delay must be at least 0, got {self.delay!r}.")


@dataclass(frozen=True)
class Cycle(Row):
    """A schedule by optimiser step that climbs from `start` to `stop` again and again (Fu et al. 2019).

    Args:
        start: value at the beginning of each cycle.
        stop: value reached after the share `rise` of a cycle, and held to its end.
        period: steps in one cycle.
        rise: share of the cycle spent climbing, in (0, 1].
    """

    start: float
    stop: float
    period: int
    rise: float = 0.5

    def __post_init__(self):
        checked_count("Cycle", "period", self.period)
        if not 0 < self.rise <= 1:
            raise SpecError(f"Cycle: rise must lie in (0, 1], got {self.rise!r}.")


Scheduled = float | Ramp | Cycle


def _checked_weight(row: str, field: str, value: Scheduled) -> None:
    ends = (value.start, value.stop) if isinstance(value, Ramp | Cycle) else (value,)
    if any(isinstance(end, bool) or not isinstance(end, int | float) or not isfinite(end) or end < 0 for end in ends):
        raise SpecError(f"{row}: {field} must be a number of at least 0, or a Ramp or Cycle of such, got {value}.")


class Latent(Row, abstract=True):
    """Base of the latent rows: they stand between encoder and decoder and name the code."""

    model: ClassVar[str]
    scheduled: ClassVar[tuple[str, ...]] = ()

    def output_shape(self, shape: Shape) -> Shape:
        """Return `(latent_dim,)`; what comes in must be flat."""
        if len(shape) != 1:
            raise SpecError(f"{type(self).__name__} needs a flat input, got {shape}. End the encoder with Flatten().")
        return (self.latent_dim,)

    def mirror(self, shape: Shape, activation: str) -> Dense:
        """Return the dense layer that leads from the code back to `shape`."""
        return Dense(shape[-1], activation)

    def parameters(self, shape: Shape) -> int:
        """Return the weights and biases of the layer that makes the code."""
        return (shape[-1] + 1) * self.latent_dim


@dataclass(frozen=True)
class Vector(Latent):
    """A plain code `z` of `latent_dim` numbers: the bottleneck of an autoencoder."""

    latent_dim: int
    activation: str = "linear"
    model: ClassVar[str] = "ae"

    def __post_init__(self):
        checked_count("Vector", "latent_dim", self.latent_dim)


@dataclass(frozen=True)
class Identity(Latent):
    """A code that is what the encoder gives, flattened, with no layer of its own: a feature map keeps its places.

    For codes that are not a bottleneck, such as those of a denoising autoencoder that has to keep detail (Vincent et
    al. 2010 use overcomplete codes). The decoder then begins with the `Reshape` back to the map.

    Args:
        latent_dim: numbers in the code; the encoder must end in as many.
    """

    latent_dim: int
    model: ClassVar[str] = "ae"

    def __post_init__(self):
        checked_count("Identity", "latent_dim", self.latent_dim)

    def output_shape(self, shape: Shape) -> Shape:
        """Return `(latent_dim,)`, which must be what comes in."""
        if super().output_shape(shape) != shape:
            raise SpecError(f"{self}: the encoder ends in {shape[0]} numbers. Write Identity({shape[0]}).")
        return shape

    def mirror(self, shape: Shape, activation: str) -> Activation:
        """Return what the layer before the code ends in: its activation alone."""
        return Activation(activation)

    def parameters(self, shape: Shape) -> int:
        """Return 0: the code has no layer of its own."""
        return 0


class Prior(Row, abstract=True):
    """Base of the rows of learned priors p(z)."""


@dataclass(frozen=True)
class MixturePrior(Prior):
    """A learned mixture of Gaussians, the "MoG" prior of Tomczak & Welling 2018.

    Args:
        components: number of Gaussians.
        covariance: "diag", variances alone, or "full", which takes `latent_dim` / 2 times the weights and, for as many
            components, time. `keras_ae.priors.GaussianMixture.into_model` fits a full one by EM.
    """

    components: int = 500
    covariance: str = "diag"

    def __post_init__(self):
        checked_count("MixturePrior", "components", self.components)
        if self.covariance not in ("diag", "full"):
            raise SpecError(f'MixturePrior: covariance must be "diag" or "full", got {self.covariance!r}.')

    def parameters(self, latent_dim: int) -> int:
        """Return the means, covariances and weights of the components."""
        shape = latent_dim if self.covariance == "diag" else latent_dim * (latent_dim + 1) // 2
        return self.components * (latent_dim + shape + 1)


@dataclass(frozen=True)
class Gaussian(Latent):
    """A diagonal Gaussian posterior q(z|x) (Kingma & Welling 2014).

    Args:
        latent_dim: dimensions of z.
        beta: weight of the KL term (Higgins et al. 2017), a number of at least 0 or a `Ramp` or `Cycle` by step.
        prior: p(z); None means N(0, I), a `MixturePrior` is learned along.
    """

    latent_dim: int
    beta: Scheduled = 1.0
    prior: Prior | None = None
    model: ClassVar[str] = "vae"
    scheduled: ClassVar[tuple[str, ...]] = ("beta",)

    def __post_init__(self):
        checked_count("Gaussian", "latent_dim", self.latent_dim)
        _checked_weight("Gaussian", "beta", self.beta)
        if not isinstance(self.prior, Prior | None):
            raise SpecError(f"Gaussian: prior must be None, for N(0, I), or a MixturePrior, got {self.prior!r}.")

    def parameters(self, shape: Shape) -> int:
        """Return the weights and biases of the two heads, z_mean and z_log_var, and those of a learned prior."""
        return 2 * super().parameters(shape) + (self.prior.parameters(self.latent_dim) if self.prior else 0)


@dataclass(frozen=True)
class Sparse(Latent):
    """A code of which few units are on at a time.

    Args:
        latent_dim: units of the code; more than the input has is usual (an overcomplete code).
        penalty: "l1", the sum of |z| over a rectified code, or "kl", the sum over units of KL(rho || mean activation)
            over a sigmoid code (Ng 2011, "Sparse autoencoder").
        strength: weight of the penalty, a number of at least 0 or a `Ramp` or `Cycle` by step.
        rho: wanted mean activation of a unit for penalty "kl", in (0, 1).
    """

    latent_dim: int
    penalty: str = "l1"
    strength: Scheduled = 0.1
    rho: float = 0.05
    model: ClassVar[str] = "sparse_ae"
    scheduled: ClassVar[tuple[str, ...]] = ("strength",)

    def __post_init__(self):
        checked_count("Sparse", "latent_dim", self.latent_dim)
        _checked_weight("Sparse", "strength", self.strength)
        if self.penalty not in ("l1", "kl"):
            raise SpecError(f'Sparse: penalty must be "l1" or "kl", got {self.penalty!r}.')
        if not 0 < self.rho < 1:
            raise SpecError(f"Sparse: rho must lie in (0, 1), got {self.rho!r}.")

    @property
    def activation(self) -> str:
        """The activation of the code: "relu" under L1, "sigmoid" under KL, whose mean activation is a probability."""
        return "relu" if self.penalty == "l1" else "sigmoid"
