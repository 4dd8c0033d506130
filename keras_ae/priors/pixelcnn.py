"""The gated PixelCNN (van den Oord et al. 2016) over the indices of a discrete code, level after level."""

import math

import keras
import numpy as np
from keras import ops

from keras_ae.autoencoder import Autoencoder
from keras_ae.checks import checked_least, checked_whole
from keras_ae.codebooks import spread
from keras_ae.priors.training import NetworkPrior
from keras_ae.train_step import Steps

AT_ONCE = 2**24  # Logits that are held at once, while places are drawn or scored.

Sides = tuple[int, ...]


@keras.saving.register_keras_serializable("keras_ae")
class GatedBlock(keras.layers.Layer):
    """One block of a gated PixelCNN: Figure 2, van den Oord et al. 2016, without a blind spot.

    The vertical stack sees rows up to a place's own, the horizontal one that row up to the place; what they are given
    at first lies a row further down, and a place further right, so that nothing comes from the place or from after it.

    Args:
        width: channels.
        kernel: of the convolutions, an odd number.
        seed: fixes the initial weights.
        has_context: whether a map that all places see, (batch, height, width, channels), stands beside.
    """

    def __init__(self, width: int, kernel: int, seed: int, *, has_context: bool = False, **options):
        super().__init__(dtype="float32", **options)
        self.config = {"width": width, "kernel": kernel, "seed": seed, "has_context": has_context}
        self.reach = kernel // 2
        shapes = {
            "vertical": (self.reach + 1, kernel, width, 2 * width),
            "downward": (1, 1, width, 2 * width),
            "horizontal": (1, self.reach + 1, width, 2 * width),
            "out": (1, 1, width, width),
        } | ({"context": (1, 1, width, 2 * width)} if has_context else {})
        seeds = np.random.default_rng(seed).integers(2**30, size=len(shapes)).tolist()
        self.kernels = {
            name: self.add_weight(shape=shape, initializer=keras.initializers.GlorotUniform(drawn), name=name)
            for drawn, (name, shape) in zip(seeds, shapes.items(), strict=True)
        }
        self.biases = {
            name: self.add_weight(shape=shapes[name][-1:], initializer="zeros", name=f"{name}_bias")
            for name in ("vertical", "horizontal", "out")
        }
        self.built = True

    def get_config(self) -> dict:
        """Return the arguments."""
        return super().get_config() | self.config

    def call(self, v, h, context=None):
        """Vertical and horizontal stack, each (batch, height, width, channels) -> the same after the block."""
        beside = 0.0 if context is None else self._convolved(context, "context")
        above = self._convolved(ops.pad(v, ((0, 0), (self.reach, 0), (self.reach, self.reach), (0, 0))), "vertical")
        left = self._convolved(ops.pad(h, ((0, 0), (0, 0), (self.reach, 0), (0, 0))), "horizontal")
        out = self._convolved(_gated(left + self._convolved(above, "downward") + beside), "out")
        return v + _gated(above + beside), h + out

    def _convolved(self, x, name: str):
        y = ops.conv(x, self.kernels[name], strides=1, padding="valid", data_format="channels_last")
        return y + self.biases[name] if name in self.biases else y


@keras.saving.register_keras_serializable("keras_ae")
class PixelNetwork(keras.Model):
    """Indices of a map, flat, and beside them those of the maps above it -> logits: (n, places) -> (n, places, codes).

    The logits of a place depend on the places before it, row by row, and on the maps above. The loss is the mean over
    samples of -log of the probability of the map, nats.

    Args:
        sides: of the map: (), (steps,), (height, width) or (depth, height, width); all but the last are rows.
        codes: entries that an index may mean.
        above: sides and number of codes of each map above it.
        width: channels.
        blocks: number of gated blocks.
        kernel: of the convolutions, an odd number.
        seed: fixes the initial weights.
    """

    def __init__(self, sides: Sides, codes: int, above, width: int, blocks: int, kernel: int, seed: int, **options):
        super().__init__(**options)
        self.sides, self.codes = tuple(sides), codes
        self.above = [(tuple(map_sides), map_codes) for map_sides, map_codes in above]
        self.config = {"sides": self.sides, "codes": codes, "above": self.above, "width": width, "blocks": blocks}
        self.config |= {"kernel": kernel, "seed": seed}
        self.map = _as_map(self.sides)
        seeds = iter(np.random.default_rng(seed).integers(2**30, size=blocks + 3 + len(self.above)).tolist())
        glorot = keras.initializers.GlorotUniform
        self.embedding = self._weight("embedding", (codes, width), glorot(next(seeds)))
        # Maps are of a size of their own, and a place has its own chances.
        self.places = self._weight("places", (*self.map, width), "zeros")
        self.embeddings_above = [
            self._weight(f"embedding_above_{level}", (map_codes, width), glorot(next(seeds)))
            for level, (_, map_codes) in enumerate(self.above)
        ]
        options = {"has_context": bool(self.above)}
        self.gated = [GatedBlock(width, kernel, next(seeds), **options, name=f"gated_{k}") for k in range(blocks)]
        self.hidden = self._weight("hidden", (width, width), glorot(next(seeds)))
        self.hidden_bias = self._weight("hidden_bias", (width,), "zeros")
        self.last = self._weight("last", (width, codes), glorot(next(seeds)))
        self.last_bias = self._weight("last_bias", (codes,), "zeros")
        self.built = True

    def _weight(self, name: str, shape: tuple[int, ...], start):
        return self.add_weight(shape=shape, initializer=start, name=name, dtype="float32")

    def get_config(self) -> dict:
        """Return what rebuilds the network."""
        return super().get_config() | self.config

    @property
    def count(self) -> int:
        """Places of the map."""
        return math.prod(self.sides)

    def call(self, x):
        """(batch, places and those of the maps above), numbers -> logits (batch, places, codes)."""
        x = ops.cast(x, "int32")
        h = ops.take(self.embedding, ops.reshape(x[:, : self.count], (-1, *self.map)), axis=0)
        context = self._context(x[:, self.count :])
        places = ops.convert_to_tensor(self.places)
        v = ops.pad(h, ((0, 0), (1, 0), (0, 0), (0, 0)))[:, :-1] + places
        h = ops.pad(h, ((0, 0), (0, 0), (1, 0), (0, 0)))[:, :, :-1] + places
        for block in self.gated:
            v, h = block(v, h, context)
        h = ops.silu(ops.matmul(ops.silu(h), self.hidden) + self.hidden_bias)
        return ops.reshape(ops.matmul(h, self.last) + self.last_bias, (-1, self.count, self.codes))

    def _context(self, x):
        """What the maps above say at each place: (batch, height, width, channels), None where there are none."""
        context, start = None, 0
        for (sides, _), embedding in zip(self.above, self.embeddings_above, strict=True):
            stop = start + math.prod(sides)
            entries = ops.take(embedding, ops.reshape(x[:, start:stop], (-1, *sides)), axis=0)
            found = ops.reshape(spread(entries, self.sides), (-1, *self.map, embedding.shape[-1]))
            context, start = found if context is None else context + found, stop
        return context

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Return the mean over samples of -log of the probability of their maps, nats, a scalar."""
        indices = ops.cast(x[:, : self.count], "int32")
        chosen = ops.take_along_axis(y_pred, indices[..., None], axis=-1)[..., 0]
        return ops.mean(ops.sum(ops.logsumexp(y_pred, axis=-1) - chosen, axis=-1))


class PixelCNN(NetworkPrior):
    """A gated PixelCNN over the indices of a discrete code, from which a `vq_vae` samples: p(z), place after place.

    Of two levels the top has a prior, and the bottom one in the knowledge of the top (Razavi et al. 2019). A draw takes
    a pass of the network for each place. The probabilities are exact, and `log_likelihood` is a bound of log p(x).

    We differ from the papers: the network is small, knows the place that it is at, and has no attention; each map above
    is embedded and repeated over the places that it stands above.

    Args:
        width: channels.
        blocks: number of gated blocks; a place sees `blocks * (kernel // 2)` rows and columns.
        kernel: of the convolutions, an odd number.
        epochs: most passes over the codes; the rest is as `NetworkPrior` says.
        **training: `batch_size`, `learning_rate` and `seed`, as `NetworkPrior` takes them.

    Raises:
        ValueError: blocks below 1, a kernel that is even or below 3, or as `NetworkPrior`.

    Example:

        prior = keras_ae.priors.PixelCNN(epochs=20).fit(model, x)
        pictures = prior.sample(64, seed=0)
        bits = keras_ae.metrics.bits_per_dim(-prior.log_likelihood(x_test), x_test.shape[1:])
    """

    def __init__(self, *, width: int = 64, blocks: int = 5, kernel: int = 5, epochs: int = 50, **training):
        super().__init__(width=width, epochs=epochs, **training)
        self.blocks, self.kernel = checked_least("blocks", blocks), checked_least("kernel", kernel, least=3)
        if kernel % 2 == 0:
            raise ValueError(f"kernel must be odd, got {kernel}.")
        self.networks: dict[str, PixelNetwork] = {}

    def fit(self, model: Autoencoder, x) -> "PixelCNN":
        """Fit the prior to the indices of the codes of x and return self.

        Args:
            model: a trained autoencoder whose code is discrete.
            x: samples that it takes, at best those that it was trained on; a tenth of them stops the training.

        Raises:
            TypeError: `model` is no `Autoencoder`.
            ValueError: a code that is not discrete; data that the model cannot take, or too few samples.
            FloatingPointError: the loss became NaN or inf.
        """
        if not isinstance(model, Autoencoder):
            raise TypeError(f"model must be a keras_ae.Autoencoder, as keras_ae.build returns, not {type(model)}.")
        if not model.spec.code.is_discrete:
            raise ValueError(
                f"PixelCNN is a prior of indices, which the code of {model.spec.model!r} has not. Fit GaussianMixture()"
                " or AutoregressiveFlow() to it."
            )
        codes = _flat(model, model.encode(x, indices=True))
        if len(codes) < self.least_codes:
            raise ValueError(f"PixelCNN needs at least {self.least_codes} samples, got {len(codes)}.")
        self.model, self.networks = None, _networks(model, self)
        self._fit(codes)
        self.model = model
        return self

    def draw(self, n: int, seed: int | None = None):
        """Return the indices of `n` codes drawn from the prior, as `encode(x, indices=True)` gives them.

        The arguments and errors are those of `Prior.draw`; noise is NumPy's.
        """
        self._check_fitted()
        flat = self._draw(checked_whole("n", n), np.random.default_rng(seed))
        found, start = {}, 0
        for level, network in self.networks.items():
            stop = start + network.count
            found[level], start = flat[:, start:stop].reshape(n, *network.sides).astype("int32"), stop
        return found.get("", found)

    def log_density(self, z) -> np.ndarray:
        """log p(z) in nats, of a probability: indices, as `encode(x, indices=True)` gives them -> (n,) float64.

        Raises:
            ValueError: what are no such indices.
            RuntimeError: `fit` was not called.
        """
        self._check_fitted()
        return self._log_density(_flat(self.model, z))

    def log_likelihood(self, x, *, batch_size: int = 256) -> np.ndarray:
        """A lower bound of log p(x) in nats, log p(z) + log p(x|z) at the code z of x: (n, *input_shape) -> (n,).

        p(x) is the sum over all codes of p(z) p(x|z), of which this is one part. Its `metrics.bits_per_dim` is
        comparable with that of other models under a likelihood of grey values, such as "discretized_logistic".

        Raises:
            ValueError: the likelihood is no density, or data that the model cannot take.
            RuntimeError: `fit` was not called.
        """
        self._check_fitted()
        if not self.model.spec.likelihood.is_density:
            raise ValueError(f"log_likelihood needs a density of x, which {self.model.spec.likelihood} is not.")
        log_prior = self.log_density(self.model.encode(x, indices=True, batch_size=batch_size))
        return log_prior - self.model.reconstruction_error(x, kind="nll", batch_size=batch_size)

    def _fit(self, codes):
        for network, columns in _columns(self.networks):
            network.compile(keras.optimizers.Adam(self.learning_rate), jit_compile=Steps.default_jit_compile)
            self._train(network, codes[:, columns])

    def _draw(self, n, rng):
        flat = np.zeros((n, sum(network.count for network in self.networks.values())), "float32")
        for network, columns in _columns(self.networks):
            chances = rng.random((n, network.count))
            for place in range(network.count):
                at_place = _log_probabilities(network, flat[:, columns], lambda logs, rows, place=place: logs[:, place])
                heights = np.exp(at_place).cumsum(axis=1)
                drawn = (heights < chances[:, place, None] * heights[:, -1:]).sum(axis=1)
                flat[:, columns[place]] = np.minimum(drawn, network.codes - 1)
        return flat

    def _log_density(self, codes):
        def chosen(logs, rows):
            return np.take_along_axis(logs, rows[..., None].astype(int), axis=-1)[..., 0].sum(axis=1)

        parts = [_log_probabilities(network, codes[:, columns], chosen) for network, columns in _columns(self.networks)]
        return np.sum(parts, axis=0)


def _networks(model: Autoencoder, prior: PixelCNN) -> dict[str, PixelNetwork]:
    """A network for each level of the code, by name, in the order in which they are drawn."""
    levels, sides = model.spec.code.levels, model.latent.sides
    maps = [(tuple(sides[level]), quantiser.codes) for level, quantiser in levels.items()]
    seeds = np.random.default_rng(prior.seed).integers(2**30, size=len(maps)).tolist()
    return {
        level: PixelNetwork(*maps[k], maps[:k], prior.width, prior.blocks, prior.kernel, seeds[k])
        for k, level in enumerate(levels)
    }


def _columns(networks: dict[str, PixelNetwork]):
    """Each network, and which of the flat indices are its own, and then those above it."""
    start = 0
    for network in networks.values():
        stop = start + network.count
        yield network, [*range(start, stop), *range(start)]
        start = stop


def _flat(model: Autoencoder, indices) -> np.ndarray:
    """The indices of all levels, one level after the other: (n, places) float32."""
    maps = model.latent.checked_indices(indices)
    return np.concatenate([each.reshape(len(each), -1) for each in maps.values()], axis=1).astype("float32")


def _log_probabilities(network: PixelNetwork, codes: np.ndarray, of_logs) -> np.ndarray:
    """What a function makes of log-probabilities, (rows, places, codes) float64, and of the indices of these rows."""
    # Few sizes are traced: powers of two.
    most = max(1, min(256, AT_ONCE // (network.count * network.codes)))
    size, pieces = min(1 << (most.bit_length() - 1), 1 << (len(codes) - 1).bit_length()), []
    for start in range(0, len(codes), size):
        rows = codes[start : start + size]
        padded = np.concatenate([rows, np.zeros((size - len(rows), codes.shape[1]), "float32")])
        logits = np.asarray(network.predict_on_batch(padded))[: len(rows)].astype("float64")
        logits -= logits.max(axis=-1, keepdims=True)
        logs = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
        pieces.append(of_logs(logs, rows[:, : network.count]))
    return np.concatenate(pieces)


def _as_map(sides: Sides) -> tuple[int, int]:
    """Height and width of a map: all sides but the last are rows."""
    return math.prod(sides[:-1]), (sides or (1,))[-1]


def _gated(x):
    """tanh of one half of the channels times sigmoid of the other (Eq. 2)."""
    value, gate = ops.split(x, 2, axis=-1)
    return ops.tanh(value) * ops.sigmoid(gate)
