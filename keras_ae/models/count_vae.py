"""The variational autoencoder of counts, such as reads of genes in cells (Lopez et al. 2018, scVI).

"Deep generative modeling for single-cell transcriptomics". A sample is a row of counts x with a library size l, the sum
of its counts unless it is given. The encoder sees log(1 + x); the decoder gives each feature's share of the library,

    mu = l * softmax(f(z)),    x ~ NegativeBinomial(mean mu, dispersion theta),    z ~ N(0, I),

whose variance is mu + mu^2 / theta, with a theta for each feature that is learned. Under zero inflation a value is 0
with a chance pi(z) of its own, and else of that distribution. The loss is -ELBO, as of `vae`:

    loss = -log p(x | z, l) + beta * KL(q(z|x) || p(z)).

We differ: the library size is observed, not a latent variable of its own, as scvi-tools has had it by default since; a
batch, or another covariate, is an input, `inputs=(Library(), Labels(3))`, of a `Spec` of your own.

When to use it: for whole numbers of at least 0 whose variance exceeds their mean, many of them 0: cells by genes,
documents by words, events by kind. When not: for scaled or log-transformed values ("gaussian" of `vae` is for them).
`decode` and `reconstruct` give means of counts, `sample_counts` draws; `sample(n, library=10_000)` and
`decode(z, library=...)` need a library, and at `library=1` give shares. `log_likelihood` is that of counts, a
probability.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import keras
import numpy as np
from keras import ops

from keras_ae.bounds import bounded, unbounded
from keras_ae.checks import checked_inputs, checked_whole
from keras_ae.likelihoods import LikelihoodLayer
from keras_ae.models.encoders import dense_encoder
from keras_ae.models.vae import ELBO, VAE
from keras_ae.registry import register, register_layer, register_type
from keras_ae.rows import Dense, Gaussian, Input, Likelihood, Reshape, Row, Scheduled, Shape, SpecError
from keras_ae.spec import Spec, checked_shape
from keras_ae.train_step import softplus

_LIMIT = 10.0  # Of the logarithm of a dispersion.


@dataclass(frozen=True)
class Library(Input):
    """The library size of a sample, a number above 0; where it is not given beside x, the sum of its counts.

    Args:
        name: under which methods take it.
        to: the parts that take it.
    """

    name: str = "library"
    to: tuple[str, ...] = ("likelihood",)
    is_derived: ClassVar[bool] = True

    @property
    def width(self) -> int:
        """1."""
        return 1

    def checked(self, values, name):
        """Finite numbers above 0, (n,) or (n, 1), as float32."""
        array = np.asarray(values)
        array = self._numbers(array.reshape(-1) if array.ndim == 2 and array.shape[1] == 1 else array, name, (None,))
        wrong = (array <= 0) | (array > np.finfo("float32").max)
        if wrong.any():
            row = int(wrong.argmax())
            raise ValueError(
                f"{name} has {array[row]:g} in sample {row}. Give sizes above 0 that float32 holds; drop samples "
                "without a count."
            )
        return array.astype("float32")

    def drawn(self, n, rng):
        """Sizes of hundreds."""
        return rng.uniform(100, 1000, n).astype("float32")

    def derived(self, x):
        """The sums of the samples' counts."""
        return np.asarray(x, dtype="float64").reshape(len(x), -1).sum(axis=1)


@dataclass(frozen=True)
class NegativeBinomial(Likelihood):
    """Counts of mean mu and variance mu + mu^2 / theta, where theta of each feature is learned.

    Args:
        zero_inflated: whether a value is 0 by a chance that the decoder gives, beside those of the distribution.
    """

    zero_inflated: bool = False

    def __post_init__(self):
        if not isinstance(self.zero_inflated, bool):
            raise SpecError(f"NegativeBinomial: zero_inflated must be True or False, got {self.zero_inflated!r}.")

    names: ClassVar[dict[str, tuple]] = {"negative_binomial": (), "zero_inflated_negative_binomial": (True,)}
    support: ClassVar[tuple[float, float] | None] = (0.0, math.inf)
    is_discrete: ClassVar[bool] = True
    is_whole: ClassVar[bool] = True
    inputs: ClassVar[tuple[str, ...]] = ("library",)

    @property
    def heads(self) -> tuple[str, ...]:
        """`logits` of the shares, and `zero_logits` of the chances that a value is 0 besides."""
        return ("logits", "zero_logits") if self.zero_inflated else ("logits",)

    def parameters(self, shape: Shape) -> int:
        """Return a dispersion for each value of x."""
        return math.prod(shape)


@register_layer(NegativeBinomial)
@keras.saving.register_keras_serializable("keras_ae")
class NegativeBinomialLayer(LikelihoodLayer):
    """-log of the mass of counts; `log_dispersion` is learned."""

    def build(self, shapes):
        """Add a dispersion for each value of x, which starts at 1."""
        start = keras.initializers.Constant(unbounded(0.0, _LIMIT))
        self.log_dispersion = self.add_weight(shape=shapes["logits"][1:], initializer=start, name="log_dispersion")

    def dispersion(self):
        """theta, of the shape of x."""
        return ops.exp(bounded(ops.convert_to_tensor(self.log_dispersion), _LIMIT))

    def log_rate(self, outputs):
        """log mu, of the mean of the distribution without the zeros besides: (..., *shape)."""
        logits = ops.convert_to_tensor(outputs["logits"])
        values = tuple(range(len(logits.shape) - len(self.log_dispersion.shape), len(logits.shape)))
        log_shares = logits - ops.logsumexp(logits, axis=values, keepdims=True)
        library = ops.log(ops.convert_to_tensor(outputs["library"]))
        return ops.reshape(library, (*ops.shape(library), *(1 for _ in values))) + log_shares

    def rate(self, outputs):
        """mu: (..., *shape)."""
        return ops.exp(self.log_rate(outputs))

    def nll_of_values(self, x, outputs):
        """Return -log p(x), elementwise."""
        nll = -negative_binomial_log_mass(x, self.log_rate(outputs), self.dispersion())
        if not self.row.zero_inflated:
            return nll
        zero_logits = outputs["zero_logits"]
        log_no_zero = -softplus(zero_logits)
        is_zero = ops.logaddexp(zero_logits + log_no_zero, log_no_zero - nll)
        return -ops.where(x > 0, log_no_zero - nll, is_zero)

    def mean(self, outputs):
        """Return the mean, (1 - pi) mu."""
        rate = self.rate(outputs)
        return rate * ops.sigmoid(-outputs["zero_logits"]) if self.row.zero_inflated else rate

    def sample(self, outputs, seed):
        """Return draws by NumPy, an array: Poisson variables whose rates are drawn of Gamma, and zeros besides."""
        rng = np.random.default_rng(seed)
        rate, theta = (ops.convert_to_numpy(each).astype("float64") for each in (self.rate(outputs), self.dispersion()))
        draws = rng.poisson(rng.gamma(theta, rate / theta))
        if self.row.zero_inflated:
            draws *= rng.random(draws.shape) >= ops.convert_to_numpy(ops.sigmoid(outputs["zero_logits"]))
        return draws.astype("float32")


def negative_binomial_log_mass(x, log_mean, dispersion):
    """log of the mass at counts x, in nats, elementwise, without the cancellation of large log-gammas.

    By Stirling's formula, log Gamma(a) = (a - 1/2) log a - a + log(2 pi) / 2 + rest(a), what is large falls away:

        log p = rest(x + theta) - rest(theta) - rest(x + 1) + 1 - log(2 pi) / 2
              + (log theta - log(x + theta) - log(x + 1)) / 2
              + x (log(1 + (theta - 1) / (x + 1)) - log(1 + theta / mu)) + theta log((x + theta) / (mu + theta)).

    Args:
        x: counts.
        log_mean: log mu.
        dispersion: theta, above 0.
    """
    rests = stirling_rest(x + dispersion) - stirling_rest(dispersion) - stirling_rest(x + 1.0)
    halves = 0.5 * (ops.log(dispersion) - ops.log(x + dispersion) - ops.log(x + 1.0))
    mean = ops.exp(log_mean)
    # The quotient is exact to the last place, and the logarithms have a slope however small the mean is.
    quotient = ops.log1p(dispersion / ops.maximum(mean, 1.0))
    of_mean = ops.where(log_mean > 0, quotient, softplus(ops.log(dispersion) - log_mean))
    by_count = ops.log1p((dispersion - 1.0) / (x + 1.0)) - of_mean
    excess = (x - mean) / (mean + dispersion)
    far = ops.log(x + dispersion) - ops.log(mean + dispersion)  # Where log1p would lose what is left of 1.
    by_dispersion = ops.where(excess < -0.5, far, ops.log1p(ops.maximum(excess, -0.5)))
    return rests + 1.0 - 0.5 * math.log(2 * math.pi) + halves + x * by_count + dispersion * by_dispersion


def stirling_rest(a):
    """log Gamma(a) less Stirling's formula for it, elementwise, for a > 0: it falls from infinity as 1 / (12 a)."""
    shift = 8
    above = ops.maximum(a, float(shift))
    rest = _series(above)
    below = ops.minimum(a, float(shift))
    product = below
    for step in range(1, shift):
        product = product * (below + step)
    far = below + shift
    # Both formulas, and the product that leads from Gamma(a) to Gamma(a + 8).
    near = (far - 0.5) * ops.log(far) - shift + _series(far) - ops.log(product) - (below - 0.5) * ops.log(below)
    return ops.where(a < shift, near, rest)


def _series(a):
    inverse = 1.0 / a
    square = inverse * inverse
    return inverse * (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square / 1680)))


@dataclass(frozen=True)
class LogCounts(Row):
    """log(1 + x), elementwise, of counts."""

    def output_shape(self, shape: Shape) -> Shape:
        """Return `shape`."""
        return shape

    def mirror(self, shape: Shape, activation: str) -> Row:
        """Raise a `SpecError`: a decoder of counts ends in logits."""
        raise SpecError("LogCounts has no mirror. Write the decoder's rows.")

    def parameters(self, shape: Shape) -> int:
        """Return 0."""
        return 0


@register_layer(LogCounts)
def _(row: LogCounts, x, make):
    return make.layer(Log1p, name="log_counts")(x)


@keras.saving.register_keras_serializable("keras_ae")
class Log1p(keras.layers.Layer):
    """log(1 + x)."""

    def call(self, x):
        """Elementwise, by a logarithm that every format of export has; what it loses lies below counts."""
        return ops.log(1.0 + x)


@dataclass(frozen=True)
class CountELBO(ELBO):
    """-ELBO of counts: nll + beta * KL(q(z|x) || p(z)).

    Args:
        beta: weight of the KL, a number of at least 0 or a `Ramp` or `Cycle` by step; at 1 the loss is -ELBO.
    """

    model: ClassVar[str] = "count_vae"


@register_type(CountELBO)
@keras.saving.register_keras_serializable("keras_ae")
class CountVAE(VAE):
    """Minimise nll + beta * KL(q(z|x) || p(z)) of counts."""

    def dispersion(self) -> np.ndarray:
        """Return theta of each feature, of the shape of x: the variance of a count is mu + mu^2 / theta."""
        return ops.convert_to_numpy(self.likelihood.dispersion())

    def sample_counts(self, n: int, seed: int | None = None, *, library) -> np.ndarray:
        """Return counts drawn at codes drawn from the prior, (n, *input_shape) float32; `sample` gives their means.

        Args:
            n: how many.
            seed: fixes codes and counts on every backend; None draws new ones.
            library: sizes, one for all or one for each sample.

        Raises:
            ValueError: n < 1, or sizes that are not above 0.
        """
        codes, counts = np.random.SeedSequence(seed).generate_state(2)
        z = self.prior.draw(checked_whole("n", n), self.spec.latent_dim, np.random.default_rng(codes))
        inputs = checked_inputs({"library": library}, self.spec.inputs, n, "n")
        heads = self._batched("heads", self._heads, {"z": z} | inputs, batch_size=256)
        return self.likelihood.sample(heads, int(counts))


@register("count_vae")
def count_vae(
    input_shape: Shape = (2000,),
    *,
    latent_dim: int = 10,
    beta: Scheduled = 1.0,
    zero_inflated: bool = False,
    widths: int | tuple[int, ...] = (128,),
) -> Spec:
    """Variational autoencoder of counts, negative binomial (Lopez et al. 2018).

    Args:
        input_shape: shape of one sample, `(features,)`.
        latent_dim: dimensions of z.
        beta: weight of the KL, a number, a `Ramp` or a `Cycle`.
        zero_inflated: whether values may be 0 besides, by a chance that the decoder gives.
        widths: of the encoder's dense layers, one or several; the decoder has them in reverse.
    """
    shape = checked_shape(input_shape)
    widths = (widths,) if isinstance(widths, int) else tuple(widths)
    encoder = (LogCounts(), *dense_encoder(shape, widths))
    reshape = () if len(shape) == 1 else (Reshape(shape),)
    decoder = (*(Dense(width, "silu") for width in reversed(widths)), Dense(math.prod(shape), "linear"), *reshape)
    return Spec(
        *(shape, encoder, Gaussian(latent_dim), NegativeBinomial(zero_inflated), decoder),
        objective=CountELBO(beta),
        inputs=Library(),
    )
