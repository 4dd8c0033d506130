"""The two-stage VAE: a second VAE on the codes of the first (Dai & Wipf 2019)."""

import keras
import numpy as np
from keras import ops

from keras_ae.autoencoder import Autoencoder
from keras_ae.priors.training import NetworkPrior
from keras_ae.registry import build
from keras_ae.rows import Dense, Gaussian
from keras_ae.spec import Spec


class TwoStageVAE(NetworkPrior):
    """A small dense VAE p(z|u) p(u), u ~ N(0, I), with as many dimensions as z and one learned variance of z.

    A draw is z ~ p(z|u), noise included. `log_density` is an importance-weighted estimate by 256 draws of u, a lower
    bound in its mean, and takes time.

    Args:
        width: units of the two hidden layers, on either side.
        **training: `epochs`, `batch_size`, `learning_rate` and `seed`, as `NetworkPrior` takes them.
    """

    num_samples = 256

    def __init__(self, *, width: int = 256, **training):
        super().__init__(width=width, **training)
        self.second: Autoencoder | None = None

    def _fit(self, codes):
        dim, rows = codes.shape[1], (Dense(self.width, "silu"), Dense(self.width, "silu"))
        optimizer = keras.optimizers.Adam(self.learning_rate)
        self.second = build(Spec((dim,), rows, Gaussian(dim), "gaussian_global"), optimizer=optimizer, seed=self.seed)
        self._train(self.second, codes)

    def _draw(self, n, rng):
        u = rng.standard_normal((n, self.second.spec.latent_dim), dtype="float32")
        log_var = self.second.likelihood.log_var_of({})
        deviation = np.exp(0.5 * ops.convert_to_numpy(log_var))
        return self.second.decode(u) + deviation * rng.standard_normal(u.shape, dtype="float32")

    def _log_density(self, codes):
        return self.second.log_likelihood(codes.astype("float32"), num_samples=self.num_samples, seed=self.seed)
