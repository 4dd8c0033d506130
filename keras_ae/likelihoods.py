"""Likelihood layers p(x|z): `nll`, `mean` and `sample` from what the decoder gives; calling one gives the mean.

`outputs` has an array for each of the row's `heads`, of the shape of x. Sums run over all values of a sample, so `nll`
is `(batch,)` in nats. Loss arithmetic is float32 whatever the precision of the layers below.
"""

import math

import keras
from keras import ops

from keras_ae.bounds import bounded, unbounded
from keras_ae.registry import layer_of, register_layer
from keras_ae.rows import (
    Bernoulli,
    ContinuousBernoulli,
    DiscretizedLogistic,
    Laplace,
    Likelihood,
    Normal,
    row_from_dict,
)
from keras_ae.train_step import softplus


def sum_over_values(values):
    """Sum everything but the batch: (batch, *shape) -> (batch,)."""
    return ops.sum(values, axis=tuple(range(1, len(values.shape))))


class LikelihoodLayer(keras.layers.Layer):
    """Base of the likelihoods, built from a likelihood row.

    Each has `nll_of_values(x, outputs)`, -log p of each value in nats, `mean(outputs)` and `sample(outputs, seed)`, all
    of the shape of x.
    """

    def __init__(self, row: Likelihood, **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.row = row

    def get_config(self) -> dict:
        """Return the arguments, the row as plain values."""
        return super().get_config() | {"row": self.row.to_dict()}

    @classmethod
    def from_config(cls, config: dict) -> "LikelihoodLayer":
        """Rebuild a layer from `get_config`."""
        return cls(**config | {"row": row_from_dict(config["row"])})

    def call(self, outputs):
        """Return the mean, (batch, *shape)."""
        return self.mean(outputs)

    def nll(self, x, outputs, where=None):
        """-log p(x|z) in nats: x (batch, *shape) -> (batch,).

        `where`, of the shape of x, weighs the values in the sum; None weighs all by 1.
        """
        nll = self.nll_of_values(x, outputs)
        return sum_over_values(nll if where is None else where * nll)

    def uniform(self, x, seed):
        """Return uniform noise in (0, 1) of the shape of x, kept away from both ends."""
        noise = keras.random.uniform(ops.shape(x), dtype="float32", seed=seed)
        return ops.clip(noise, 1e-6, 1 - 1e-6)


@register_layer(Bernoulli)
@keras.saving.register_keras_serializable("keras_ae")
class BernoulliLayer(LikelihoodLayer):
    """Cross-entropy on logits; x in [0, 1] is a coin's chance where it is not 0 or 1."""

    def nll_of_values(self, x, outputs):
        """Return softplus(l) - x l, elementwise."""
        logits = outputs["logits"]
        return softplus(logits) - x * logits

    def mean(self, outputs):
        """Return the mean, sigmoid(l)."""
        return ops.sigmoid(outputs["logits"])

    def sample(self, outputs, seed):
        """Return draws of 0 and 1."""
        return ops.cast(self.uniform(outputs["logits"], seed) < self.mean(outputs), "float32")


@register_layer(ContinuousBernoulli)
@keras.saving.register_keras_serializable("keras_ae")
class ContinuousBernoulliLayer(LikelihoodLayer):
    """Density l exp(x l) / (exp(l) - 1) on [0, 1] with l the logit (Loaiza-Ganem & Cunningham 2019, Eq. 6 and 7).

    Around l = 0, where the quotients are 0/0 in float32, Taylor series take over.
    """

    small = 0.05

    def nll_of_values(self, x, outputs):
        """Return log((exp(l) - 1) / l) - x l, elementwise."""
        logits = outputs["logits"]
        size = ops.maximum(ops.abs(logits), self.small)
        log_normaliser = ops.relu(logits) + ops.log(-ops.expm1(-size)) - ops.log(size)
        near_zero = logits / 2 + ops.square(logits) / 24
        return ops.where(ops.abs(logits) < self.small, near_zero, log_normaliser) - x * logits

    def mean(self, outputs):
        """Return the mean, 1 / (1 - exp(-l)) - 1 / l."""
        logits = outputs["logits"]
        is_small = ops.abs(logits) < self.small
        safe = ops.where(is_small, ops.ones_like(logits), logits)
        size = ops.abs(safe)
        mean_of_size = -1 / ops.expm1(-size) - 1 / size
        mean = ops.where(safe > 0, mean_of_size, 1 - mean_of_size)
        return ops.where(is_small, 0.5 + logits / 12, mean)

    def sample(self, outputs, seed):
        """Return draws in [0, 1] by the inverse distribution function."""
        logits = outputs["logits"]
        size = ops.maximum(ops.abs(logits), 1e-3)
        chance = self.uniform(logits, seed)
        draw = 1 + ops.log(chance + (1 - chance) * ops.exp(-size)) / size
        return ops.where(logits > 0, draw, 1 - draw)


@register_layer(Normal)
@keras.saving.register_keras_serializable("keras_ae")
class NormalLayer(LikelihoodLayer):
    """Gaussian whose variance is fixed, learned once (`log_var`), the best for each sample, or given for each value.

    "global" and "sample" are the learned and the optimal variance of Rybkin et al. 2021.
    """

    least_var = 1e-6  # The variance of a sample stays above it: rounding to 8 bits has 1 / (12 * 255^2) = 1.3e-6.

    def __init__(self, row: Normal, **kwargs):
        super().__init__(row, **kwargs)
        self.log_var = 2 * math.log(row.sigma)
        if row.variance == "global":
            start = keras.initializers.Constant(unbounded(self.log_var))
            self.log_var = self.add_weight(shape=(), initializer=start, name="log_var")
        self.built = True

    def log_var_of(self, outputs):
        """Return the log-variance, a scalar or (batch, *shape)."""
        if self.row.variance == "pixel":
            return bounded(outputs["log_var"])
        return bounded(ops.convert_to_tensor(self.log_var)) if self.row.variance == "global" else self.log_var

    def nll(self, x, outputs, where=None):
        """As `nll_of_values`, summed; a variance that the values of a sample share is applied to their sum."""
        if self.row.variance == "pixel":
            return super().nll(x, outputs, where)
        mean, log_var = outputs["loc"], self.log_var_of(outputs)
        squares = ops.square(x - mean)
        squared = sum_over_values(squares if where is None else where * squares)
        count = math.prod(mean.shape[1:]) if where is None else sum_over_values(where)
        if self.row.variance == "sample":
            log_var = self._best_log_var(ops.divide_no_nan(squared, count) if where is not None else squared / count)
        return 0.5 * (count * (math.log(2 * math.pi) + log_var) + squared * ops.exp(-log_var))

    def nll_of_values(self, x, outputs):
        """Return (log(2 pi) + log_var + (x - mean)^2 / var) / 2, elementwise."""
        mean, log_var = outputs["loc"], self.log_var_of(outputs)
        squared = ops.square(x - mean)
        if self.row.variance == "sample":
            log_var = self._best_log_var(ops.mean(squared, axis=tuple(range(1, len(x.shape))), keepdims=True))
        return 0.5 * (math.log(2 * math.pi) + log_var + squared * ops.exp(-log_var))

    def _best_log_var(self, mean_squared):
        return ops.log(ops.maximum(mean_squared, self.least_var))

    def mean(self, outputs):
        """Return the mean, which is not bounded."""
        return ops.convert_to_tensor(outputs["loc"])

    def sample(self, outputs, seed):
        """Return draws around the mean."""
        mean, log_var = outputs["loc"], self.log_var_of(outputs)
        return mean + ops.exp(0.5 * log_var) * keras.random.normal(ops.shape(mean), dtype="float32", seed=seed)


@register_layer(Laplace)
@keras.saving.register_keras_serializable("keras_ae")
class LaplaceLayer(LikelihoodLayer):
    """Laplace density of fixed scale: absolute error."""

    def nll_of_values(self, x, outputs):
        """Return log(2 scale) + |x - mean| / scale, elementwise."""
        return math.log(2 * self.row.scale) + ops.abs(x - outputs["loc"]) / self.row.scale

    def mean(self, outputs):
        """Return the mean, which is not bounded."""
        return ops.convert_to_tensor(outputs["loc"])

    def sample(self, outputs, seed):
        """Return draws by the inverse distribution function."""
        mean = outputs["loc"]
        centred = self.uniform(mean, seed) - 0.5
        return mean - self.row.scale * ops.sign(centred) * ops.log1p(-2 * ops.abs(centred))


@register_layer(DiscretizedLogistic)
@keras.saving.register_keras_serializable("keras_ae")
class DiscretizedLogisticLayer(LikelihoodLayer):
    """Mass of each of `levels` grey values under a logistic, the end bins open (Salimans et al. 2017, section 2.1).

    We differ: x is in [0, 1], and mean and log-scale start at mid-grey and a scale of 0.14.
    """

    def location_and_log_scale(self, outputs):
        """Return the logistic's mean and log-scale, each (batch, *shape)."""
        return 0.5 + outputs["loc"], ops.maximum(outputs["log_scale"] - 2.0, -7.0)

    def nll_of_values(self, x, outputs):
        """Return -log(F(x + half a bin) - F(x - half a bin)), elementwise.

        By F(a) - F(b) = F(a) F(-b) (1 - exp(b - a)), where nothing cancels, however far in the tails.
        """
        mean, log_scale = self.location_and_log_scale(outputs)
        inverse_scale, half = ops.exp(-log_scale), 0.5 / (self.row.levels - 1)
        log_below = -ops.softplus(-(x - mean + half) * inverse_scale)
        log_above = -ops.softplus((x - mean - half) * inverse_scale)
        width = 2 * half * inverse_scale
        is_narrow = width < 1e-3  # There 1 - exp(-width) is width - width^2 / 2, which may underflow.
        log_width = ops.log(-ops.expm1(-ops.where(is_narrow, 1.0, width)))
        log_width = ops.where(is_narrow, math.log(2 * half) - log_scale - width / 2, log_width)
        log_mass = ops.where(x > 1 - half, log_above, log_below + log_above + log_width)
        return -ops.where(x < half, log_below, log_mass)

    def mean(self, outputs):
        """Return the logistic's mean, clipped to [0, 1]."""
        return ops.clip(self.location_and_log_scale(outputs)[0], 0.0, 1.0)

    def sample(self, outputs, seed):
        """Return draws rounded to the nearest of the grey values."""
        mean, log_scale = self.location_and_log_scale(outputs)
        chance = self.uniform(mean, seed)
        draw = mean + ops.exp(log_scale) * (ops.log(chance) - ops.log1p(-chance))
        return ops.round(ops.clip(draw, 0.0, 1.0) * (self.row.levels - 1)) / (self.row.levels - 1)


def likelihood_layer(row: Likelihood) -> LikelihoodLayer:
    """The layer of a likelihood row."""
    return layer_of(row)(row, name="likelihood")
