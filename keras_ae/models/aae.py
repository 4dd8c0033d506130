"""The adversarial autoencoder: codes that a discriminator cannot tell from draws of a prior (Makhzani et al. 2015).

"Adversarial autoencoders". The code z of an encoder without noise (the paper's "deterministic" one) is brought to the
distribution p(z) = N(0, I) by a game. A discriminator D gives the logit that a code was drawn from p(z), and minimises

    -log sigma(D(z')) - log(1 - sigma(D(z))),    z' ~ p(z),    z the code of x,

and encoder and decoder minimise

    loss = -log p(x|z) + strength * -log sigma(D(z)),

the second term being the one that Goodfellow et al. 2014 train a generator by. Where the discriminator is at a loss,
the codes of all data together, the aggregated posterior, are distributed as p(z), and the decoder has been trained on
what `sample` draws.

We differ: the paper takes two steps for each batch, one by the reconstruction and one by the game; we take one by their
sum, and the discriminator's beside it.

When to use it: where codes are to fill a known distribution, and to sample from an autoencoder without noise in its
code. On MNIST its samples are nearer to real digits than those of a `vae` of as many dimensions, its reconstructions
farther (docs/generation.md). With labels beside the decoder, `inputs=Labels(10, to=("decoder",))` in a `Spec`, the code
need not say the class, and keeps the style (section 4).
When not: where a likelihood of x is asked for, or many dimensions; a game of 2 to 16 dimensions is won easily, one of a
hundred is not. There is no posterior, so that `log_likelihood` and `elbo_terms` are refused. A fitted density, such as
`keras_ae.priors.GaussianMixture`, gives samples of an `ae` without any game.

Losses of a game say who is ahead, and not how good the model is: epochs compare by `val_nll`, and the distance of the
codes to p(z), `sliced_wasserstein`, stands among a run's numbers.
"""

from dataclasses import dataclass
from itertools import count
from typing import ClassVar

import keras
import numpy as np
from keras import ops

from keras_ae.autoencoder import Autoencoder
from keras_ae.builder import Maker
from keras_ae.latents import CodeLayer
from keras_ae.measuring import Measured
from keras_ae.models.encoders import conv_encoder, dense_encoder
from keras_ae.models.vae import image_likelihood
from keras_ae.players import Player
from keras_ae.registry import layer_of, register, register_layer, register_type
from keras_ae.rows import (
    Code,
    Dense,
    Objective,
    Row,
    Scheduled,
    Shape,
    SpecError,
    checked_count,
    checked_layers,
    set_fields,
    shapes,
)
from keras_ae.spec import Spec
from keras_ae.train_step import ReplicaSeeds, softplus

JUDGES = (Dense(512, "relu"), Dense(512, "relu"))


@dataclass(frozen=True)
class Matched(Code):
    """A plain code z whose distribution a discriminator brings to N(0, I).

    Args:
        latent_dim: dimensions of z.
        discriminator: layer rows from z, `(latent_dim,)`, to a flat shape, after which one unit gives the logit; the
            paper has two layers of 1,000 rectified units.
    """

    latent_dim: int
    discriminator: tuple[Row, ...] = JUDGES
    objective: ClassVar[str] = "Adversarial"
    has_prior: ClassVar[bool] = True

    def __post_init__(self):
        checked_count("Matched", "latent_dim", self.latent_dim)
        set_fields(self, discriminator=checked_layers("Matched", "discriminator", self.discriminator))
        if len(end := self._along[-1]) != 1:
            raise SpecError(f"Matched: discriminator must end in a flat shape, and it ends in {end}. Add Flatten().")

    @property
    def _along(self) -> list[Shape]:
        """The shapes from z through the discriminator's rows."""
        return shapes(self.discriminator, (self.latent_dim,))

    def parameters(self, shape: Shape) -> int:
        """Return the weights of the code's dense layer, and of the discriminator."""
        along = self._along
        judging = sum(row.parameters(before) for row, before in zip(self.discriminator, along, strict=False))
        return super().parameters(shape) + judging + along[-1][0] + 1

    def architecture(self, shape: Shape) -> str:
        """Return what the weights depend on, in words."""
        return f"Matched({self.latent_dim}), judged by {', '.join(map(str, self.discriminator))}"


@dataclass(frozen=True)
class Adversarial(Objective):
    """nll + strength * adversarial, and, for the discriminator, its own loss.

    Args:
        strength: weight of the term by which the encoder takes part in the game, a number of at least 0 or a `Ramp` or
            `Cycle` by step. nll is summed over the values of x, so that small images and vectors need less.
    """

    strength: Scheduled = 10.0
    model: ClassVar[str] = "aae"
    codes: ClassVar[tuple[type, ...]] = (Matched,)
    weights: ClassVar[dict[str, str]] = {"strength": "adversarial"}


@register_layer(Matched)
@keras.saving.register_keras_serializable("keras_ae")
class MatchedCode(CodeLayer):
    """A code and its discriminator.

    Attributes:
        discriminator: z (batch, latent_dim) -> the logit that z was drawn from the prior, (batch, 1).
    """

    def __init__(self, row: Matched, *, seed: int | None = None, prior=None, **kwargs):
        super().__init__(row, **kwargs)
        seeds = np.random.default_rng(seed)
        self.seed_generator = ReplicaSeeds(int(seeds.integers(2**31)))
        make = Maker(seeds, count(), "float32")
        h = z = keras.Input((row.latent_dim,), name="z")
        for each in row.discriminator:
            h = layer_of(each)(each, h, make)
        logit = make.weighted(keras.layers.Dense, 1, name="logit")(h)
        self.discriminator = keras.Model(z, logit, name="discriminator")

    def terms(self, outputs):
        """Return `adversarial`, -log sigma(D(z)), and `discriminator_loss`, (batch,) each, at draws of the prior.

        Each is in nats: log 2 and 2 log 2 where nothing is told from anything.
        """
        z = outputs["z"]
        drawn = keras.random.normal(ops.shape(z), dtype=z.dtype, seed=self.seed_generator)
        of_codes, of_prior = self.discriminator(z)[:, 0], self.discriminator(drawn)[:, 0]
        return {"adversarial": softplus(-of_codes), "discriminator_loss": softplus(of_codes) + softplus(-of_prior)}


@register_type(Adversarial)
@keras.saving.register_keras_serializable("keras_ae")
class AAE(Autoencoder):
    """Minimise nll + strength * adversarial, while a discriminator minimises a loss of its own.

    Adam's `beta_1` is 0.5 unless an optimiser is given, as Radford et al. 2016 (DCGAN, section 4) advise for games.
    """

    terms = ("nll", "adversarial", "discriminator_loss")
    players: ClassVar = {
        "autoencoder": Player("loss"),
        "discriminator": Player("discriminator_loss", ("discriminator",)),
    }
    adam: ClassVar[dict] = {"beta_1": 0.5}

    @property
    def discriminator(self) -> keras.Model:
        """z (batch, latent_dim) -> the logit that z was drawn from the prior, (batch, 1)."""
        return self.latent.discriminator

    def objective(self, batch, outputs):
        """Return -log p(x|z), and the two sides of the game, (batch,) each: section 2 of the paper."""
        nll, terms = self.nll(batch, outputs), self.latent.terms(outputs)
        return {"loss": nll + self.scheduled["strength"] * terms["adversarial"], "nll": nll} | terms

    def measured_codes(self, z, samples):
        """Yield `sliced_wasserstein`, how far the distribution of codes is from N(0, I)."""
        from keras_ae.metrics import sliced_wasserstein

        protocol = f"of the codes to N(0, I), 256 directions, seed {samples.seed}, over {samples.words}"
        distance = sliced_wasserstein(z, directions=256, seed=samples.seed)
        yield Measured("sliced_wasserstein", distance, protocol, (0.02, 2e-3))


@register("aae")
def aae(
    input_shape: Shape = (28, 28, 1), *, latent_dim: int = 8, strength: Scheduled = 10.0, likelihood: str | None = None
) -> Spec:
    """Dense adversarial autoencoder, 512-256-code (Makhzani et al. 2015).

    Args:
        input_shape: shape of one sample.
        latent_dim: dimensions of z; the paper has 8 for MNIST.
        strength: weight of the game, a number, a `Ramp` or a `Cycle`.
        likelihood: p(x|z); None means "bernoulli" for one channel, else "gaussian_global".
    """
    return _spec(input_shape, dense_encoder(input_shape), latent_dim, strength, likelihood)


@register("conv_aae")
def conv_aae(
    input_shape: Shape = (28, 28, 1), *, latent_dim: int = 8, strength: Scheduled = 10.0, likelihood: str | None = None
) -> Spec:
    """Convolutional adversarial autoencoder; the arguments are those of `aae`."""
    return _spec(input_shape, conv_encoder(input_shape), latent_dim, strength, likelihood)


def _spec(input_shape: Shape, encoder: tuple[Row, ...], latent_dim: int, strength: Scheduled, likelihood) -> Spec:
    likelihood = image_likelihood(input_shape, likelihood)
    return Spec(input_shape, encoder, Matched(latent_dim), likelihood, objective=Adversarial(strength))
