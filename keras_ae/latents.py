"""Code layers: from the encoder's parameters to the code z, as it is or drawn, and what it adds to an objective."""

import keras
from keras import ops

from keras_ae.bounds import bounded
from keras_ae.divergences import gaussian_log_density
from keras_ae.train_step import ReplicaSeeds


@keras.saving.register_keras_serializable("keras_ae")
class LogVariance(keras.layers.Layer):
    """Bound the encoder's log-variances smoothly to (-10, 10), so that no step can overflow exp."""

    def call(self, log_var):
        """(batch, latent_dim) -> (batch, latent_dim)."""
        return bounded(log_var)


class CodeLayer(keras.layers.Layer):
    """Base of the layers between encoder and decoder, and the code of a deterministic autoencoder: the encoder's `z`.

    `call` gives the code that methods of a trained model use; `draw` the one that is trained with. `outputs` of a batch
    are the encoder's parameters and what `draw` gives, by name.

    Attributes:
        has_density: whether the code has a posterior q(z|x) and a prior p(z), so that the model can sample and has a
            likelihood. Then there is `log_ratio`, and `terms` have "kl".
    """

    has_density = False

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

    def log_ratio(self, outputs):
        """log p(z) - log q(z|x) in nats, of the leading axes of z: for importance sampling.

        Raises:
            ValueError: the code has no density.
        """
        raise ValueError(f"{type(self).__name__} has no density. Use a code with a prior, such as Gaussian(16).")


@keras.saving.register_keras_serializable("keras_ae")
class Sampling(CodeLayer):
    """The code of a Gaussian posterior: its mean, or a reparametrised draw (Kingma & Welling 2014, section 2.4).

    Args:
        seed: of its generator.
        prior: the layer p(z), which belongs to the model.
    """

    has_density = True

    def __init__(self, seed: int | None = None, prior: keras.layers.Layer | None = None, **kwargs):
        super().__init__(**kwargs)
        self.seed_generator = ReplicaSeeds(seed)
        # Methods, not the layer itself: files have its weights as those of the model.
        self.kl, self.log_prior = prior.kl, prior.log_density

    def call(self, parameters):
        """`{"z_mean", "z_log_var"}`, each (batch, latent_dim) -> z_mean."""
        return parameters["z_mean"]

    def draw(self, parameters, noise=None):
        """Return `{"z": z_mean + exp(z_log_var / 2) * noise}`."""
        z_mean, z_log_var = _beside(noise, parameters["z_mean"], parameters["z_log_var"])
        if noise is None:
            noise = keras.random.normal(ops.shape(z_mean), dtype=z_mean.dtype, seed=self.seed_generator)
        return {"z": z_mean + ops.exp(0.5 * z_log_var) * noise}

    def terms(self, outputs):
        """Return `{"kl": KL(q(z|x) || p(z))}`: in closed form to N(0, I), at the drawn z to a learned prior."""
        return {"kl": self.kl(outputs["z_mean"], outputs["z_log_var"], outputs["z"])}

    def log_ratio(self, outputs):
        """log p(z) - log q(z|x): z (batch, ..., latent_dim) -> (batch, ...)."""
        z = outputs["z"]
        return self.log_prior(z) - gaussian_log_density(z, *_beside(z, outputs["z_mean"], outputs["z_log_var"]))


def _beside(drawn, *parameters):
    """Give parameters, (batch, latent_dim), the axes that stand between these two in what was drawn."""
    missing = 0 if drawn is None else len(drawn.shape) - len(parameters[0].shape)
    tensors = map(ops.convert_to_tensor, parameters)
    return [ops.expand_dims(each, tuple(range(1, 1 + missing))) if missing else each for each in tensors]
