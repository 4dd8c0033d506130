"""The masked autoregressive flow (Papamakarios, Pavlakou & Murray 2017) out of MADE blocks (Germain et al. 2015)."""

import keras
import numpy as np
from keras import ops

from keras_ae.bounds import bounded
from keras_ae.checks import checked_least
from keras_ae.divergences import gaussian_log_density
from keras_ae.priors.training import NetworkPrior
from keras_ae.train_step import Steps

LOG_SCALE_LIMIT = 5.0


@keras.saving.register_keras_serializable("keras_ae")
class MADE(keras.layers.Layer):
    """Mean and log-scale of each dimension given those before it, by two hidden layers whose weights are masked.

    Both are 0 until it is trained.

    Args:
        dim: dimensions of z.
        width: units of a hidden layer.
        seed: fixes the initial weights.
    """

    def __init__(self, dim: int, width: int, seed: int, **options):
        super().__init__(dtype="float32", **options)
        places, hidden = np.arange(dim), np.arange(width) % max(1, dim - 1)  # The last dimension a unit may see.
        outputs = np.concatenate([places, places])
        masks = (places[:, None] <= hidden, hidden[:, None] <= hidden, hidden[:, None] < outputs)
        self.masks = tuple(mask.astype("float32") for mask in masks)
        drawn = [keras.initializers.GlorotUniform(seed), keras.initializers.GlorotUniform(seed + 1), "zeros"]
        self.kernels = [
            self.add_weight(shape=mask.shape, initializer=start, name=f"kernel_{number}")
            for number, (mask, start) in enumerate(zip(masks, drawn, strict=True))
        ]
        self.biases = [
            self.add_weight(shape=mask.shape[1:], initializer="zeros", name=f"bias_{number}")
            for number, mask in enumerate(masks)
        ]
        self.built = True

    def call(self, z):
        """(batch, dim) -> mean and log-scale, each (batch, dim)."""
        h = z
        for kernel, mask, bias in zip(self.kernels, self.masks, self.biases, strict=True):
            h = ops.matmul(h if h is z else ops.silu(h), kernel * mask) + bias
        mean, log_scale = ops.split(h, 2, axis=-1)
        return mean, bounded(log_scale, LOG_SCALE_LIMIT)


@keras.saving.register_keras_serializable("keras_ae")
class Flow(keras.Model):
    """z -> log p(z) in nats through `blocks` of MADE, the order of dimensions reversed after each: (n, dim) -> (n,).

    Its loss is the mean of -log p(z).

    Args:
        dim: dimensions of z.
        blocks: number of MADE blocks.
        width: units of their hidden layers.
        seed: fixes the initial weights.
    """

    def __init__(self, dim: int, blocks: int, width: int, seed: int, **options):
        super().__init__(**options)
        self.config = {"dim": dim, "blocks": blocks, "width": width, "seed": seed}
        seeds = np.random.default_rng(seed).integers(2**30, size=blocks).tolist()
        self.steps = [MADE(dim, width, step_seed, name=f"made_{k}") for k, step_seed in enumerate(seeds)]
        self.built = True

    def get_config(self) -> dict:
        """Return what rebuilds the flow."""
        return super().get_config() | self.config

    def call(self, z):
        """Return the log-density in nats: (batch, dim) -> (batch,)."""
        log_density = 0.0
        for made in self.steps:
            mean, log_scale = made(z)
            z = ops.flip((z - mean) * ops.exp(-log_scale), axis=-1)
            log_density = log_density - ops.sum(log_scale, axis=-1)
        return log_density + gaussian_log_density(z)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Return the mean of -log p(z), a scalar in nats."""
        return -ops.mean(y_pred)

    def inverse(self, u: np.ndarray) -> np.ndarray:
        """Return the z that noise u, (n, dim) float32, leads to: dimension after dimension, block after block."""
        for made in reversed(self.steps):
            u, z = u[:, ::-1], np.zeros_like(u)
            for place in range(u.shape[1]):
                mean, log_scale = (ops.convert_to_numpy(value)[:, place] for value in made(z))
                z[:, place] = u[:, place] * np.exp(log_scale) + mean
            u = z
        return u


class AutoregressiveFlow(NetworkPrior):
    """A masked autoregressive flow, whose density is exact; a draw takes a pass for each dimension and block.

    We differ from Papamakarios et al.: no batch normalisation, log-scales bounded to (-5, 5), at first the identity.

    Args:
        blocks: number of MADE blocks.
        width: units of their two hidden layers.
        **training: `epochs`, `batch_size`, `learning_rate` and `seed`, as `NetworkPrior` takes them.

    Raises:
        ValueError: blocks below 1, or as `NetworkPrior`.
    """

    def __init__(self, *, blocks: int = 5, width: int = 128, **training):
        super().__init__(width=width, **training)
        self.blocks = checked_least("blocks", blocks)
        self.flow: Flow | None = None

    def _fit(self, codes):
        self.flow = Flow(codes.shape[1], self.blocks, self.width, self.seed)
        self.flow.compile(keras.optimizers.Adam(self.learning_rate), jit_compile=Steps.default_jit_compile)
        self._train(self.flow, codes)

    def _draw(self, n, rng):
        return self.flow.inverse(rng.standard_normal((n, self.flow.config["dim"]), dtype="float32"))

    def _log_density(self, codes):
        return ops.convert_to_numpy(self.flow(codes.astype("float32"))).astype("float64")
