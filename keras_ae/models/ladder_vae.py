"""The ladder variational autoencoder: several codes, each above the other (Sønderby et al. 2016).

"Ladder variational autoencoders". The prior goes down from the top code z_L, by networks of its own,

    p(z) = N(z_L; 0, I) p(z_L-1 | z_L) ... p(z_1 | z_2),

and the posterior goes down the same way. At each level a bottom-up estimate N(m, v), which the encoder makes of x,
meets what the prior says there, N(m_p, v_p), weighted by precisions:

    1 / v_q = 1 / v + 1 / v_p,    m_q = v_q (m / v + m_p / v_p);

at the top the estimate is the posterior. The loss is -ELBO, whose KL is the sum over levels of the closed form at the
drawn codes above:

    loss = -log p(x|z) + beta * sum_i max(free_bits, KL_i),

where KL_i is the mean over the batch, in nats. `free_bits` above 0 leaves each level so many nats for nothing (Kingma
et al. 2016, "Improved variational inference with inverse autoregressive flow"), and a `Ramp` of beta is the warm-up of
the paper: both keep the levels above from switching off at the start.

We differ: the decoder reads all codes, not z_1 alone; layers are not batch-normalised, and their activation is "silu".

When to use it: where a `vae` with one code leaves nats on the table, and where coarse and fine are to have codes of
their own: `sample(n, temperature=(1.0, 1.0, 0.5, 0.5, 0.5))` draws some levels nearer to their means. When not: for a
picture of the latent space in two dimensions; the code is all levels, one after the other, z_1 first.
"""

from dataclasses import dataclass
from typing import ClassVar

import keras
import numpy as np
from keras import ops

from keras_ae.bounds import bounded
from keras_ae.checks import checked_whole
from keras_ae.divergences import gaussian_kl, gaussian_log_density
from keras_ae.latents import CodeLayer, LogVariance, beside
from keras_ae.measuring import Measured
from keras_ae.models.encoders import ACTIVATION, dense_encoder
from keras_ae.models.vae import ELBO, VAE, image_likelihood
from keras_ae.registry import register, register_layer, register_type
from keras_ae.rows import Code, Prior, Scheduled, Shape, SpecError, checked_count, set_fields
from keras_ae.spec import Spec
from keras_ae.train_step import ReplicaSeeds

DIMS = (64, 32, 16, 8, 4)
UNITS = (512, 256, 128, 64, 32)


def _checked_levels(row: str, dims, units) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return dimensions and units as tuples, one of each for a level."""
    for name, values in (("dims", dims), ("units", units)):
        if not isinstance(values, tuple | list) or not values:
            raise SpecError(f"{row}: {name} must be a tuple, a number for each level, got {values!r}.")
        for value in values:
            checked_count(row, name, value)
    if len(dims) != len(units):
        raise SpecError(f"{row}: dims has {len(dims)} levels and units {len(units)}. Give a number for each level.")
    return tuple(dims), tuple(units)


@dataclass(frozen=True)
class TopDown(Prior):
    """The prior of a `Ladder`: N(0, I) at the top, and below it Gaussians that networks make of the code above.

    Args:
        dims: dimensions of the codes, the lowest first.
        units: of the hidden layer by which each level is made of the one above; that of the top is not used.
    """

    dims: tuple[int, ...]
    units: tuple[int, ...]

    def __post_init__(self):
        dims, units = _checked_levels("TopDown", self.dims, self.units)
        set_fields(self, dims=dims, units=units)

    def parameters(self, latent_dim: int) -> int:
        """Return the weights of a hidden layer and two heads for each level but the top."""
        levels = zip(self.dims[1:], self.units, self.dims, strict=False)
        return sum((above + 1) * units + 2 * (units + 1) * dim for above, units, dim in levels)


@dataclass(frozen=True)
class Ladder(Code):
    """Several codes, each of which is drawn in the knowledge of those above (Sønderby et al. 2016).

    Args:
        dims: dimensions of the codes, the lowest, nearest to x, first.
        units: of the deterministic layers from level to level, as many; the first lies on the encoder's end.
    """

    dims: tuple[int, ...] = DIMS
    units: tuple[int, ...] = UNITS
    objective: ClassVar[str] = "LadderELBO"
    has_prior: ClassVar[bool] = True
    has_density: ClassVar[bool] = True

    def __post_init__(self):
        dims, units = _checked_levels("Ladder", self.dims, self.units)
        set_fields(self, dims=dims, units=units)

    @property
    def heads(self) -> tuple[str, ...]:
        """`mean_1`, `log_var_1`, `mean_2`, ... of the bottom-up estimates."""
        levels = range(1, len(self.dims) + 1)
        return tuple(f"{name}_{level}" for level in levels for name in ("mean", "log_var"))

    @property
    def latent_dim(self) -> int:
        """The dimensions of all codes."""
        return sum(self.dims)

    @property
    def prior(self) -> TopDown:
        """The row of the prior."""
        return TopDown(self.dims, self.units)

    @property
    def places(self) -> tuple[slice, ...]:
        """Where each code stands in z, the lowest first."""
        ends = np.cumsum(self.dims).tolist()
        return tuple(slice(end - dim, end) for dim, end in zip(self.dims, ends, strict=True))

    def parameters(self, shape: Shape) -> int:
        """Return the weights of the deterministic layers, of the heads, and of the prior."""
        before = (shape[-1], *self.units)
        levels = zip(before, self.units, self.dims, strict=False)
        return sum((b + 1) * u + 2 * (u + 1) * d for b, u, d in levels) + self.prior.parameters(self.latent_dim)

    def architecture(self, shape: Shape) -> str:
        """Return what the weights depend on, in words."""
        return f"Ladder({self.dims}, {self.units})"


@dataclass(frozen=True)
class LadderELBO(ELBO):
    """-ELBO of a ladder: nll + beta * sum over levels of max(free_bits, KL_i).

    Args:
        beta: weight of the KL, a number of at least 0, or a `Ramp` (the warm-up) or `Cycle` by step.
        free_bits: nats that each level has for nothing, in the mean over a batch; 0 makes the loss -ELBO at beta 1.
    """

    free_bits: float = 0.0
    model: ClassVar[str] = "ladder_vae"
    codes: ClassVar[tuple[type, ...]] = (Ladder,)

    def __post_init__(self):
        super().__post_init__()
        bits = self.free_bits
        if isinstance(bits, bool) or not isinstance(bits, int | float) or not 0 <= bits < float("inf"):
            raise SpecError(f"LadderELBO: free_bits must be a number of at least 0, in nats, got {bits!r}.")


@register_layer(TopDown)
@keras.saving.register_keras_serializable("keras_ae")
class TopDownPrior(keras.layers.Layer):
    """p(z_L) p(z_L-1 | z_L) ... p(z_1 | z_2), at the start N(0, I) on every level."""

    def __init__(self, row: TopDown, latent_dim: int, seed: int | None = None, *, draw: bool = True, **kwargs):
        super().__init__(**kwargs)
        self.row, seeds = row, np.random.default_rng(seed)
        self.hidden, self.means, self.log_vars = [], [], []
        for level, (above, units, dim) in enumerate(zip(row.dims[1:], row.units, row.dims, strict=False), start=1):
            kernel = keras.initializers.GlorotUniform(int(seeds.integers(2**31))) if draw else "zeros"
            options = {"kernel_initializer": kernel, "dtype": "float32"}
            self.hidden.append(keras.layers.Dense(units, ACTIVATION, **options, name=f"hidden_{level}"))
            self.hidden[-1].build((None, above))
            for name, layers in (("mean", self.means), ("log_var", self.log_vars)):
                options = {"kernel_initializer": "zeros", "dtype": "float32"}
                layers.append(keras.layers.Dense(dim, **options, name=f"{name}_{level}"))
                layers[-1].build((None, units))
        self.built = True

    def given(self, level: int, above):
        """Mean and log-variance of the code of a level, 0 being the lowest, given that above it: (..., dim) each."""
        h = self.hidden[level](above)
        return self.means[level](h), bounded(self.log_vars[level](h))

    def draw(self, n: int, latent_dim: int, rng: np.random.Generator, temperature=1.0) -> np.ndarray:
        """Return draws of all codes, the lowest first: (n, latent_dim) float32, the same on every backend.

        Args:
            n: how many.
            latent_dim: dimensions of all codes.
            rng: from which noise comes, level after level, the top first.
            temperature: what deviations are multiplied by: one number, or one for each level, the lowest first.
        """
        heat = np.broadcast_to(np.asarray(temperature, "float32"), len(self.row.dims))
        codes = []
        for level in reversed(range(len(self.row.dims))):
            noise = heat[level] * rng.standard_normal((n, self.row.dims[level]), dtype="float32")
            if not codes:
                codes.append(noise)
                continue
            mean, log_var = map(ops.convert_to_numpy, self.given(level, ops.convert_to_tensor(codes[0])))
            codes.insert(0, mean + np.exp(0.5 * log_var) * noise)
        return np.concatenate(codes, axis=-1)


@register_layer(Ladder)
@keras.saving.register_keras_serializable("keras_ae")
class LadderCode(CodeLayer):
    """The code of a ladder: means all the way down, or a reparametrised draw."""

    def __init__(self, row: Ladder, *, seed: int | None = None, prior: TopDownPrior, **kwargs):
        super().__init__(row, **kwargs)
        self.seed_generator = ReplicaSeeds(seed)
        self.given = prior.given  # A method, not the layer itself: files have its weights as those of the model.

    @classmethod
    def heads(cls, row, h, make):
        """(batch, features) -> `mean_i` and `log_var_i` of each level, (batch, dim) each, the latter bounded."""
        heads = {}
        for level, (dim, units) in enumerate(zip(row.dims, row.units, strict=True), start=1):
            h = make.hidden.weighted(keras.layers.Dense, units, activation=ACTIVATION, name=f"up_{level}")(h)
            for name in ("mean", "log_var"):
                heads[f"{name}_{level}"] = make.weighted(keras.layers.Dense, dim, name=f"{name}_{level}")(h)
            heads[f"log_var_{level}"] = make.layer(LogVariance, name=f"bound_{level}")(heads[f"log_var_{level}"])
        return heads

    def call(self, parameters):
        """The bottom-up estimates -> z, (batch, latent_dim): the posterior's mean given the means above."""
        return self._down(parameters, None)["z"]

    def draw(self, parameters, noise=None):
        """Return z, (batch, ..., latent_dim), and, of the same shape, what it was drawn from and what the prior says.

        `z_mean` and `z_log_var` are the posterior's at the drawn codes above, `prior_mean` and `prior_log_var` the
        prior's there.
        """
        if noise is None:
            shape = (ops.shape(parameters["mean_1"])[0], self.row.latent_dim)
            noise = keras.random.normal(shape, dtype="float32", seed=self.seed_generator)
        return self._down(parameters, noise)

    def _down(self, parameters, noise):
        levels, above = [], None
        for level in reversed(range(len(self.row.dims))):
            estimate = (parameters[f"{name}_{level + 1}"] for name in ("mean", "log_var"))
            mean, log_var = beside(noise, *estimate)
            if above is None:
                of_prior = ops.zeros_like(mean), ops.zeros_like(log_var)
            else:
                of_prior = self.given(level, above)
                mean, log_var = met(mean, log_var, *of_prior)
            above = mean if noise is None else mean + ops.exp(0.5 * log_var) * noise[..., self.row.places[level]]
            # Of all codes drawn beside each other the top has one estimate: it is repeated for each.
            levels.insert(0, [above, *(each + ops.zeros_like(above) for each in (mean, log_var, *of_prior))])
        names = ("z", "z_mean", "z_log_var", "prior_mean", "prior_log_var")
        parts = zip(*levels, strict=True)
        return {name: ops.concatenate(part, axis=-1) for name, part in zip(names, parts, strict=True)}

    def terms(self, outputs):
        """Return `kl_1`, `kl_2`, ..., the KL of each level at the drawn codes above, and `kl`, their sum."""
        parts = ("z_mean", "z_log_var", "prior_mean", "prior_log_var")
        kls = {
            f"kl_{level}": gaussian_kl(*(outputs[part][..., place] for part in parts))
            for level, place in enumerate(self.row.places, start=1)
        }
        return {"kl": sum(kls.values())} | kls

    def log_ratio(self, outputs):
        """log p(z) - log q(z|x) of all levels together: z (batch, ..., latent_dim) -> (batch, ...)."""
        log_prior = gaussian_log_density(outputs["z"], outputs["prior_mean"], outputs["prior_log_var"])
        return log_prior - gaussian_log_density(outputs["z"], outputs["z_mean"], outputs["z_log_var"])


def met(mean, log_var, other_mean, other_log_var):
    """Mean and log-variance of the product of two Gaussians, by which a level's estimate and its prior are weighed."""
    # log(1 / var + 1 / other_var), by an operator that every format of export has.
    log_precision = ops.softplus(log_var - other_log_var) - log_var
    share = ops.exp(-log_var - log_precision)
    return share * mean + (1 - share) * other_mean, -log_precision


@register_type(LadderELBO)
@keras.saving.register_keras_serializable("keras_ae")
class LadderVAE(VAE):
    """Minimise nll + beta * sum over levels of max(free_bits, KL_i); at beta = 1 without free bits that is -ELBO."""

    @property
    def terms(self) -> tuple[str, ...]:
        """`nll`, `kl`, and the KL of each level."""
        return ("nll", "kl", *(f"kl_{level}" for level in range(1, len(self.spec.code.dims) + 1)))

    def objective(self, batch, outputs):
        """Return -log p(x|z) at drawn codes, the KL and that of each level, (batch,) each."""
        nll, terms = self.nll(batch, outputs), self.latent.terms(outputs)
        free = self.spec.objective.free_bits
        kl = terms["kl"]
        if free:
            kls = ops.stack([value for name, value in terms.items() if name != "kl"], axis=-1)
            mean = ops.sum(outputs["weight"][:, None] * kls, axis=0)
            mean = self.sum_over_replicas(outputs["share"] * mean)
            kl = ops.sum(ops.maximum(mean, free))
        return {"loss": nll + self.scheduled["beta"] * kl, "nll": nll} | terms

    def sample(
        self, n: int, seed: int | None = None, *, temperature=1.0, batch_size: int = 256, **inputs
    ) -> np.ndarray:
        """Return the likelihood's mean at `n` codes drawn from the prior: (n, *input_shape).

        Args:
            n: how many.
            seed: fixes the codes on every backend; None draws new ones.
            temperature: what the deviations of the prior are multiplied by, at least 0: one number, or one for each
                level, the lowest, nearest to x, first. Below 1 samples are more usual, and fewer.
            batch_size: samples at once.
            **inputs: what the spec has as `inputs` beside x, by name.

        Raises:
            ValueError: n < 1; a temperature below 0, or not as many as levels; inputs as in `Autoencoder.sample`.
        """
        levels = len(self.spec.code.dims)
        heat = np.asarray(temperature, dtype="float64")
        if heat.shape not in ((), (levels,)) or not (np.isfinite(heat) & (heat >= 0)).all():
            raise ValueError(
                f"temperature must be a number of at least 0, or {levels} of them, one for each level, got "
                f"{temperature!r}."
            )
        n = checked_whole("n", n)
        z = self.prior.draw(n, self.spec.latent_dim, np.random.default_rng(seed), heat)
        return self.decode(z, batch_size=batch_size, **inputs)

    def measured(self, x, samples):
        """Yield, beside what is said of a `vae`, the KL of each level."""
        yield from super().measured(x, samples)
        terms = self.elbo_terms(x, seed=samples.noise())
        for name in self.terms[2:]:
            protocol = f"of that level to the prior given the codes above, nats, one draw of {samples.words}"
            yield Measured(name, terms[name], protocol, (5e-3, 2e-3))


@register("ladder_vae")
def ladder_vae(
    input_shape: Shape = (28, 28, 1),
    *,
    dims: tuple[int, ...] = DIMS,
    units: tuple[int, ...] = UNITS,
    beta: Scheduled = 1.0,
    free_bits: float = 0.0,
    likelihood: str | None = None,
) -> Spec:
    """Dense ladder variational autoencoder of five codes (Sønderby et al. 2016).

    For the paper's warm-up give `beta=Ramp(0.0, 1.0, steps)`, over some tens of epochs.

    Args:
        input_shape: shape of one sample.
        dims: dimensions of the codes, the lowest first.
        units: of the deterministic layers from level to level, as many.
        beta: weight of the KL, a number, a `Ramp` or a `Cycle`.
        free_bits: nats that each level has for nothing.
        likelihood: p(x|z); None means "bernoulli" for one channel, else "gaussian_global".
    """
    likelihood = image_likelihood(input_shape, likelihood)
    encoder = dense_encoder(input_shape, (UNITS[0],))
    return Spec(input_shape, encoder, Ladder(dims, units), likelihood, objective=LadderELBO(beta, free_bits))
