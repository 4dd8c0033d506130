"""Code rows, which stand between encoder and decoder, and the priors over codes."""

from dataclasses import dataclass
from math import isfinite, log
from typing import ClassVar

from keras_ae.rows.base import Row, Shape, SpecError, checked_count
from keras_ae.rows.layers import Activation, Dense


class Code(Row, abstract=True):
    """Base of the code rows, which stand between encoder and decoder.

    Each whose code is a vector has `latent_dim`, the numbers of its code.

    Attributes:
        objective: the row of the objective that a spec with this code has unless it says otherwise.
        heads: names of what the encoder gives, the parameters of the code.
        has_prior: whether there is a prior p(z), from which samples are drawn.
        has_density: whether there is a posterior q(z|x) as well.
        prior: the row of the prior where that is learned; None means N(0, I).
        has_closed_kl: whether KL(q(z|x) || p(z)) is in closed form, of each dimension by itself.
        is_map: whether the code is the encoder's feature map, laid out flat, which has as many places as the input
            gives it.
        is_discrete: whether the code is of entries of codebooks, which have indices.
    """

    objective: ClassVar[str] = "Reconstruction"
    heads: ClassVar[tuple[str, ...]] = ("z",)
    has_prior: ClassVar[bool] = False
    has_density: ClassVar[bool] = False
    prior: ClassVar["Prior | None"] = None
    has_closed_kl: ClassVar[bool] = False
    is_map: ClassVar[bool] = False
    is_discrete: ClassVar[bool] = False

    def output_shape(self, shape: Shape) -> Shape:
        """Return `(latent_dim,)`; what comes in must be flat."""
        if len(shape) != 1:
            raise SpecError(f"{type(self).__name__} needs a flat input, got {shape}. End the encoder with Flatten().")
        return (self.latent_dim,)

    def mirror(self, shape: Shape, activation: str) -> Dense:
        """Return the dense layer that leads from the code back to `shape`."""
        return Dense(shape[-1], activation)

    def parameters(self, shape: Shape) -> int:
        """Return the weights and biases of a dense layer for each head, and those of a learned prior."""
        learned = self.prior.parameters(self.latent_dim) if self.prior else 0
        return len(self.heads) * (shape[-1] + 1) * self.latent_dim + learned

    def architecture(self, shape: Shape) -> str:
        """Return what the code's weights depend on, in words; `shape` is that of the code."""
        return f"{type(self).__name__}({shape[-1]}), {getattr(self, 'activation', 'linear')}"


def checked_layers(row: str, field: str, rows) -> tuple[Row, ...]:
    """Return layer rows as a tuple, or raise a `SpecError` that names the row and the field."""
    rows = tuple(rows)
    for each in rows:
        if not isinstance(each, Row) or not hasattr(each, "mirror") or isinstance(each, Code):
            raise SpecError(f"{row}: {field} must hold layer rows such as Dense(256), got {each!r}.")
    return rows


@dataclass(frozen=True)
class Vector(Code):
    """A plain code `z` of `latent_dim` numbers: the bottleneck of an autoencoder, or more units than x has values.

    Args:
        latent_dim: units of the code.
        activation: "relu" for a code of which most units are 0, "sigmoid" for one of probabilities.
        bias: what the units' biases start at.
    """

    latent_dim: int
    activation: str = "linear"
    bias: float = 0.0

    def __post_init__(self):
        checked_count("Vector", "latent_dim", self.latent_dim)
        if isinstance(self.bias, bool) or not isinstance(self.bias, int | float) or not isfinite(self.bias):
            raise SpecError(f"Vector: bias must be a number, got {self.bias!r}.")


def check_penalty(row: str, penalty: str, rho: float) -> None:
    """Raise a `SpecError` where there is no such penalty of sparsity."""
    if penalty not in ("l1", "kl"):
        raise SpecError(f'{row}: penalty must be "l1" or "kl", got {penalty!r}.')
    if isinstance(rho, bool) or not isinstance(rho, int | float) or not 0 < rho < 1:
        raise SpecError(f"{row}: rho must lie in (0, 1), got {rho!r}.")


def sparse_code(latent_dim: int, penalty: str = "l1", rho: float = 0.05) -> Vector:
    """Return the code that the objective `Sparsity(penalty, rho=rho)` works on.

    Under "l1" its units are rectified. Under "kl" they are sigmoids, whose mean activation is a probability; they start
    at `rho`, so that the first steps need not put them out.

    Args:
        latent_dim: units of the code.
        penalty: "l1" or "kl".
        rho: wanted mean activation of a unit under "kl", in (0, 1).

    Raises:
        SpecError: another penalty, or a rho outside (0, 1).
    """
    check_penalty("sparse_code", penalty, rho)
    return Vector(latent_dim, "relu") if penalty == "l1" else Vector(latent_dim, "sigmoid", log(rho / (1 - rho)))


@dataclass(frozen=True)
class Identity(Code):
    """A code that is what the encoder gives, flattened, with no layer of its own: a feature map keeps its places.

    For codes that are not a bottleneck, such as those of a denoising autoencoder that has to keep detail (Vincent et
    al. 2010 use overcomplete codes). The decoder then begins with the `Reshape` back to the map.

    Args:
        latent_dim: numbers in the code; the encoder must end in as many.
    """

    latent_dim: int
    is_map: ClassVar[bool] = True

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
    """Base of the rows of learned priors p(z). Each counts its weights, `parameters(latent_dim)`.

    Attributes:
        is_conditional: whether it is one given inputs, p(z|c), whose weights `weights(width, latent_dim)` counts.
    """

    is_conditional: ClassVar[bool] = False


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
class ConditionalPrior(Prior):
    """A prior given inputs, p(z|c): a diagonal Gaussian that a small network makes of them (Sohn et al. 2015).

    It takes those inputs of the spec that go `to` "prior". It starts at N(0, I).

    Args:
        units: of the network's hidden layer.
    """

    units: int = 64
    is_conditional: ClassVar[bool] = True

    def __post_init__(self):
        checked_count("ConditionalPrior", "units", self.units)

    def parameters(self, latent_dim: int) -> int:
        """Return 0: `Spec.table` counts the weights in a line of its own, as it knows the inputs."""
        return 0

    def weights(self, width: int, latent_dim: int) -> int:
        """Return the weights and biases of the hidden layer and of the two heads, for inputs of that width."""
        return (width + 1) * self.units + 2 * (self.units + 1) * latent_dim


@dataclass(frozen=True)
class Gaussian(Code):
    """A diagonal Gaussian posterior q(z|x) (Kingma & Welling 2014).

    Args:
        latent_dim: dimensions of z.
        prior: p(z); None means N(0, I), a `MixturePrior` or a `ConditionalPrior` is learned along.
    """

    latent_dim: int
    prior: Prior | None = None
    objective: ClassVar[str] = "ELBO"
    heads: ClassVar[tuple[str, ...]] = ("z_mean", "z_log_var")
    has_prior: ClassVar[bool] = True
    has_density: ClassVar[bool] = True

    def __post_init__(self):
        checked_count("Gaussian", "latent_dim", self.latent_dim)
        if not isinstance(self.prior, Prior | None):
            raise SpecError(
                f"Gaussian: prior must be None, for N(0, I), a MixturePrior or a ConditionalPrior, got {self.prior!r}. "
                "The weight of the KL is the objective's: Spec(..., objective=ELBO(beta=4.0))."
            )

    @property
    def has_closed_kl(self) -> bool:
        """Whether the prior is N(0, I)."""
        return self.prior is None
