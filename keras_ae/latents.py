"""Latent layers: from the encoder's parameters to the code z, deterministic or drawn."""

import keras
from keras import ops

from keras_ae.bounds import bounded
from keras_ae.train_step import ReplicaSeeds


@keras.saving.register_keras_serializable("keras_ae")
class LogVariance(keras.layers.Layer):
    """Bound the encoder's log-variances smoothly to (-10, 10), so that no step can overflow exp."""

    def call(self, log_var):
        """(batch, latent_dim) -> (batch, latent_dim)."""
        return bounded(log_var)


@keras.saving.register_keras_serializable("keras_ae")
class Code(keras.layers.Layer):
    """The code of a deterministic autoencoder: the encoder's `z` itself."""

    def call(self, parameters, sample=False):
        """`{"z": (batch, latent_dim)}` -> (batch, latent_dim); there is nothing to sample."""
        return parameters["z"]


@keras.saving.register_keras_serializable("keras_ae")
class Sampling(keras.layers.Layer):
    """The code of a Gaussian posterior: its mean, or a reparametrised draw (Kingma & Welling 2014, section 2.4)."""

    def __init__(self, seed: int | None = None, **kwargs):
        super().__init__(**kwargs)
        self.seed_generator = ReplicaSeeds(seed)

    def call(self, parameters, sample=False):
        """`{"z_mean", "z_log_var"}`, each (batch, latent_dim) -> z, (batch, latent_dim)."""
        z_mean, z_log_var = parameters["z_mean"], parameters["z_log_var"]
        if not sample:
            return z_mean
        noise = keras.random.normal(ops.shape(z_mean), dtype=z_mean.dtype, seed=self.seed_generator)
        return z_mean + ops.exp(0.5 * z_log_var) * noise
