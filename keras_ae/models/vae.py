"""The variational autoencoder (Kingma & Welling 2014), with the weight beta of Higgins et al. 2017."""

from dataclasses import dataclass
from math import prod
from typing import ClassVar

import keras

from keras_ae.autoencoder import Autoencoder
from keras_ae.feeding import x_of
from keras_ae.measuring import Measured
from keras_ae.models.encoders import conv_encoder, dense_encoder
from keras_ae.registry import register, register_type
from keras_ae.rows import Gaussian, Objective, Scheduled, Shape
from keras_ae.spec import Spec, checked_shape


@dataclass(frozen=True)
class ELBO(Objective):
    """-ELBO: nll + beta * KL(q(z|x) || p(z)) (Kingma & Welling 2014; beta of Higgins et al. 2017).

    Args:
        beta: weight of the KL, a number of at least 0 or a `Ramp` or `Cycle` by step; at 1 the loss is -ELBO.
    """

    beta: Scheduled = 1.0
    model: ClassVar[str] = "vae"
    codes: ClassVar[tuple[type, ...]] = (Gaussian,)
    weights: ClassVar[dict[str, str]] = {"beta": "kl"}


@register_type(ELBO)
@keras.saving.register_keras_serializable("keras_ae")
class VAE(Autoencoder):
    """Minimise nll + beta * KL(q(z|x) || p(z)); at beta = 1 that is -ELBO."""

    terms = ("nll", "kl")

    def objective(self, batch, outputs):
        """Return -log p(x|z) at a drawn z and the KL, (batch,) each: Eq. 10, Kingma & Welling 2014.

        The KL to N(0, I) is in closed form; that to a learned prior is estimated at the drawn z.
        """
        nll = self.nll(batch, outputs)
        kl = self.latent.terms(outputs)["kl"]
        return {"loss": nll + self.scheduled["beta"] * kl, "nll": nll, "kl": kl}

    def measured(self, x, samples):
        """Yield, beside what is said of reconstructions, `nll`, `kl` and `elbo = -(nll + kl)` at drawn codes.

        And, under a likelihood of grey values, `bits_per_dim` of the ELBO.
        """
        from keras_ae.metrics import bits_per_dim

        yield from super().measured(x, samples)
        terms = self.elbo_terms(x, seed=samples.noise())
        elbo = -(terms["nll"] + terms["kl"])
        told = f", given {' and '.join(self.spec.input_names)}" if self.spec.inputs else ""
        of = f"nats, one code drawn for each of {samples.words}, seed {samples.seed}{told}"
        likelihood = self.spec.likelihood
        of_x = of if likelihood.is_discrete else f"{of}; a density's, not comparable with a probability's"
        yield Measured("nll", terms["nll"], f"-log p(x|z), {of_x}", (5e-4, 0.01))
        yield Measured("kl", terms["kl"], f"of q(z|x) to the prior, {of}", (2e-3, 1e-3))
        yield Measured("elbo", elbo, f"-(nll + kl), {of_x}", (5e-4, 0.01))
        if likelihood.levels:
            shape = x_of(x).shape[1:]
            bits = bits_per_dim(-elbo, shape)
            of_values = f"-elbo in bits for each of {prod(shape):,} values, {samples.words}{told}"
            yield Measured("bits_per_dim", bits, of_values, (5e-4, 1e-4))

    def measured_codes(self, z, samples):
        """Yield `active_units` (Burda et al. 2016)."""
        from keras_ae.metrics import active_units

        of = f"of {self.spec.latent_dim:,}, over {samples.words}"
        protocol = f"dimensions whose posterior mean has a variance above 0.01, {of}"
        yield Measured("active_units", active_units(z), protocol, (0.0, 1))


def image_likelihood(input_shape: Shape, likelihood: str | None) -> str:
    """Return the likelihood asked for, else Bernoulli for one channel and a Gaussian of learned variance for colour."""
    return likelihood or ("bernoulli" if checked_shape(input_shape)[-1] == 1 else "gaussian_global")


@register("vae")
def vae(
    input_shape: Shape = (28, 28, 1), *, latent_dim: int = 32, beta: Scheduled = 1.0, likelihood: str | None = None
) -> Spec:
    """Dense variational autoencoder, 512-256-code (Kingma & Welling 2014).

    Args:
        input_shape: shape of one sample.
        latent_dim: dimensions of z.
        beta: weight of the KL, a number, a `Ramp` or a `Cycle`.
        likelihood: p(x|z); None means "bernoulli" for one channel, else "gaussian_global" (Rybkin et al. 2021).
    """
    likelihood = image_likelihood(input_shape, likelihood)
    return Spec(input_shape, dense_encoder(input_shape), Gaussian(latent_dim), likelihood, objective=ELBO(beta))


@register("conv_vae")
def conv_vae(
    input_shape: Shape = (28, 28, 1), *, latent_dim: int = 16, beta: Scheduled = 1.0, likelihood: str | None = None
) -> Spec:
    """Convolutional variational autoencoder; the arguments are those of `vae`."""
    likelihood = image_likelihood(input_shape, likelihood)
    return Spec(input_shape, conv_encoder(input_shape), Gaussian(latent_dim), likelihood, objective=ELBO(beta))
