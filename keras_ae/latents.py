"""Code layers: from the encoder's parameters to the code z, as it is or drawn, and what it adds to an objective."""

import keras
import numpy as np
from keras import ops

from keras_ae.bounds import bounded
from keras_ae.divergences import gaussian_log_density
from keras_ae.registry import register_layer
from keras_ae.rows import Code, Gaussian, Identity, Vector
from keras_ae.train_step import ReplicaSeeds


@keras.saving.register_keras_serializable("keras_ae")
class LogVariance(keras.layers.Layer):
    """Bound the encoder's log-variances smoothly to (-10, 10), so that no step can overflow exp."""

    def call(self, log_var):
        """(batch, latent_dim) -> (batch, latent_dim)."""
        return bounded(log_var)


@register_layer(Code)
class CodeLayer(keras.layers.Layer):
    """Base of the layers between encoder and decoder, and the code of a deterministic autoencoder: the encoder's `z`.

    `heads` gives the parameters of the code; `call` makes of them the code that methods of a trained model use, `draw`
    the one that is trained with. `outputs` of a batch are the encoder's parameters and what `draw` gives, by name.

    Args:
        row: the code.
        seed: of its generator, where it draws.
        prior: the layer p(z), which belongs to the model, where it has one.
    """

    def __init__(self, row: Code, *, seed: int | None = None, prior: keras.layers.Layer | None = None, **kwargs):
        super().__init__(**kwargs)
        self.row = row

    @classmethod
    def heads(cls, row: Code, h, make) -> dict:
        """(batch, features) -> the parameters of the code by name, (batch, latent_dim) each: a dense layer a head.

        Args:
            row: the code.
            h: what the encoder's rows end in.
            make: what makes layers, a `keras_ae.builder.Maker`.
        """
        return {name: make.weighted(keras.layers.Dense, row.latent_dim, name=name)(h) for name in row.heads}

    def connect(self, encoder: keras.Model) -> None:
        """Called once, when the encoder is built: take from it what the code shares with it."""

    @property
    def has_density(self) -> bool:
        """Whether there is a posterior q(z|x) and a prior p(z): then `log_ratio` is there, and `terms` have "kl"."""
        return self.row.has_density

    def call(self, parameters):
        """`{"z": (batch, *code)}` -> z."""
        return parameters["z"]

    def draw(self, parameters, noise=None) -> dict:
        """Return `{"z": (batch, *code)}` and whatever else comes of a draw.

        Args:
            parameters: what the encoder gives.
            noise: standard normal noise, of the shape of z or with more axes after the first; None draws it by the
                layer's own generator. A code without density has no use for it.
        """
        return {"z": self(parameters)}

    def terms(self, outputs) -> dict:
        """Return what the code adds to an objective, by name, (batch,) each, in nats."""
        return {}

    def update(self, outputs, replicas) -> None:
        """Called in training after each batch: move what gradients do not, where the code has such weights.

        Args:
            outputs: what the objective got.
            replicas: has `sum_over_replicas` and `of_first_replica`.
        """

    def indices(self, parameters):
        """The indices of the entries that the code is made of.

        Raises:
            ValueError: the code has none.
        """
        raise ValueError(f"{self.row} has no indices. Use a code of entries, such as Quantiser(512, 64).")

    def exported(self, parameters) -> dict:
        """Return what an exported encoder gives, by name: the parameters of the code."""
        return parameters

    def embedded(self, z) -> np.ndarray:
        """Return codes, or what stands for them, as the decoder takes them."""
        return np.asarray(z, dtype="float32")

    def log_ratio(self, outputs):
        """log p(z) - log q(z|x) in nats, of the leading axes of z: for importance sampling.

        Raises:
            ValueError: the code has no density.
        """
        raise ValueError(f"{type(self).__name__} has no density. Use a code with a prior, such as Gaussian(16).")


@register_layer(Vector)
class VectorCode(CodeLayer):
    """A plain code, whose units may be bent, and off to begin with."""

    @classmethod
    def heads(cls, row, h, make):
        """(batch, features) -> `{"z": (batch, latent_dim)}`."""
        start = keras.initializers.Constant(row.bias) if row.bias else "zeros"
        options = {"activation": row.activation, "bias_initializer": start}
        return {"z": make.weighted(keras.layers.Dense, row.latent_dim, name="z", **options)(h)}


@register_layer(Identity)
class IdentityCode(CodeLayer):
    """A code that is what the encoder gives."""

    @classmethod
    def heads(cls, row, h, make):
        """(batch, latent_dim) -> `{"z": (batch, latent_dim)}`."""
        return {"z": make.layer(keras.layers.Activation, "linear", name="z")(h)}


@register_layer(Gaussian)
@keras.saving.register_keras_serializable("keras_ae")
class Sampling(CodeLayer):
    """The code of a Gaussian posterior: its mean, or a reparametrised draw (Kingma & Welling 2014, section 2.4)."""

    def __init__(self, row: Code, *, seed: int | None = None, prior: keras.layers.Layer | None = None, **kwargs):
        super().__init__(row, **kwargs)
        self.seed_generator = ReplicaSeeds(seed)
        # Methods, not the layer itself: files have its weights as those of the model.
        self.kl, self.log_prior = prior.kl, prior.log_density

    @classmethod
    def heads(cls, row, h, make):
        """(batch, features) -> `{"z_mean", "z_log_var"}`, each (batch, latent_dim), the latter bounded."""
        heads = super().heads(row, h, make)
        return heads | {"z_log_var": make.layer(LogVariance, name="bound")(heads["z_log_var"])}

    def call(self, parameters):
        """`{"z_mean", "z_log_var"}`, each (batch, latent_dim) -> z_mean."""
        return parameters["z_mean"]

    def draw(self, parameters, noise=None):
        """Return `{"z": z_mean + exp(z_log_var / 2) * noise}`."""
        z_mean, z_log_var = beside(noise, parameters["z_mean"], parameters["z_log_var"])
        if noise is None:
            noise = keras.random.normal(ops.shape(z_mean), dtype=z_mean.dtype, seed=self.seed_generator)
        return {"z": z_mean + ops.exp(0.5 * z_log_var) * noise}

    def terms(self, outputs):
        """Return `{"kl": KL(q(z|x) || p(z))}`: in closed form to a Gaussian, at the drawn z to a learned mixture."""
        return {"kl": self.kl(outputs["z_mean"], outputs["z_log_var"], outputs["z"], *_of_prior(outputs))}

    def log_ratio(self, outputs):
        """log p(z) - log q(z|x): z (batch, ..., latent_dim) -> (batch, ...)."""
        z = outputs["z"]
        log_prior = self.log_prior(z, *beside(z, *_of_prior(outputs)))
        return log_prior - gaussian_log_density(z, *beside(z, outputs["z_mean"], outputs["z_log_var"]))


def beside(drawn, *parameters):
    """Give parameters, (batch, latent_dim), the axes that stand between these two in what was drawn."""
    missing = 0 if drawn is None or not parameters else len(drawn.shape) - len(parameters[0].shape)
    tensors = map(ops.convert_to_tensor, parameters)
    return [ops.expand_dims(each, tuple(range(1, 1 + missing))) if missing else each for each in tensors]


def _of_prior(outputs) -> list:
    """The mean and log-variance of a prior given inputs, each (batch, latent_dim); nothing of another."""
    return [outputs[name] for name in ("prior_mean", "prior_log_var") if name in outputs]
