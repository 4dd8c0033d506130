"""Codebooks, nearest entries, moving averages, revival, and the code layers of maps of entries."""

import keras
import numpy as np
from keras import ops

from keras_ae.latents import CodeLayer
from keras_ae.registry import layer_of, register_layer
from keras_ae.rows import Discrete, HierarchicalQuantiser, Quantiser, Row
from keras_ae.train_step import ReplicaSeeds

COUNT_DECAY = 0.99  # Of the counts of entries that are trained by gradient.
SMOOTHING = 1e-7  # Of counts, in uses by a sample: of so little that a first use moves an entry at once.


@keras.saving.register_keras_serializable("keras_ae")
class Codebook(keras.layers.Layer):
    """Vectors, the nearest of which stand for others (van den Oord et al. 2017). Called, it gives those nearest.

    The state that moves is `entries`, (codes, dim), and `counts`, (codes,): moving averages of how often a sample uses
    each entry. The sums of appendix A.1 are no state of their own, since they are the entries times their smoothed
    counts.

    Args:
        codes: number of entries.
        dim: dimensions of an entry.
        decay: of the moving averages; None leaves the entries to an optimiser.
        revival: share of the mean count below which an entry is replaced.
        seed: of the entries at the start, and of what replaces them.
    """

    def __init__(
        self,
        codes: int,
        dim: int,
        *,
        decay: float | None = 0.99,
        revival: float = 0.0,
        seed: int | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.codes, self.dim, self.decay, self.revival, self.seed = codes, dim, decay, revival, seed
        self.seed_generator = ReplicaSeeds(seed)
        start = keras.initializers.RandomUniform(-1 / codes, 1 / codes, seed=seed)
        options = {"aggregation": "only_first_replica"}  # All replicas compute the same.
        self.entries = self.add_weight(
            shape=(codes, dim), initializer=start, trainable=decay is None, name="entries", **options
        )
        self.counts = self.add_weight(shape=(codes,), initializer="zeros", trainable=False, name="counts", **options)
        self.built = True

    def get_config(self) -> dict:
        """Return the arguments."""
        names = ("codes", "dim", "decay", "revival", "seed")
        return super().get_config() | {name: getattr(self, name) for name in names}

    def call(self, z_e):
        """The nearest entries, with the gradient of z_e, as it is (straight-through): (..., dim) -> (..., dim)."""
        return straight_through(z_e, self.lookup(self.nearest(z_e)))

    def nearest(self, z_e):
        """The indices of the nearest entries: (..., dim) -> (...) int32; of two as near, the first."""
        z_e = ops.stop_gradient(ops.convert_to_tensor(z_e))
        flat = ops.reshape(z_e, (-1, self.dim))
        entries = ops.stop_gradient(ops.convert_to_tensor(self.entries))
        # |z_e - e|^2 less |z_e|^2, which is the same for all entries.
        distances = ops.sum(ops.square(entries), axis=1) - 2 * ops.matmul(flat, ops.transpose(entries))
        # `argmin` on TensorFlow has operators that ONNX lacks. Where all are NaN the last is taken.
        is_nearest = distances <= ops.min(distances, axis=1, keepdims=True)
        indices = ops.min(ops.where(is_nearest, ops.arange(self.codes, dtype="int32"), self.codes - 1), axis=1)
        return ops.reshape(indices, (-1, *z_e.shape[1:-1]))

    def lookup(self, indices):
        """The entries of indices: (...) -> (..., dim)."""
        return ops.take(ops.convert_to_tensor(self.entries), indices, axis=0)

    def uses(self, indices, weight, total=None):
        """How often a sample uses each entry, in the mean over a batch: (codes,).

        Args:
            indices: (batch, ...).
            weight: the samples' shares of the mean, (batch,).
            total: (value) -> its sum over replicas, of which each has a share of the mean; None where there is one.
        """
        each = _for_each_place(weight, indices)
        found = ops.segment_sum(each, ops.reshape(indices, (-1,)), self.codes)
        return total(found) if total else found

    def update(self, z_e, indices, weight, replicas) -> None:
        """Move entries and counts by a batch, and revive entries that are hardly used.

        N <- decay N + (1 - decay) n, m <- decay m + (1 - decay) sum of z_e, e = m / smoothed N: Eq. 6 to 8, appendix
        A.1, van den Oord et al. 2017, and (N + eps) / (total + codes eps) total for N. We differ: n and the sum are of
        a sample in the mean, and not of the batch, so that its size does not matter.

        Args:
            z_e: what the encoder gave, (batch, ..., dim).
            indices: of the nearest entries, (batch, ...).
            weight: the samples' shares of the mean over all replicas, (batch,).
            replicas: has `sum_over_replicas` and `of_first_replica`.
        """
        z_e, weight = (ops.stop_gradient(ops.convert_to_tensor(given)) for given in (z_e, weight))
        flat, each = ops.reshape(z_e, (-1, self.dim)), _for_each_place(weight, indices)
        places = ops.reshape(indices, (-1,))
        before, entries = (ops.stop_gradient(ops.convert_to_tensor(state)) for state in (self.counts, self.entries))
        used = self.uses(indices, weight, replicas.sum_over_replicas)
        decay = COUNT_DECAY if self.decay is None else self.decay
        counts = decay * before + (1 - decay) * used
        squares = ops.sum(ops.square(flat - ops.take(entries, places, axis=0)), axis=1)
        if self.decay is not None:
            sums = ops.segment_sum(each[:, None] * flat, places, self.codes)
            sums = replicas.sum_over_replicas(sums)
            mass = ops.where(before > 0, smoothed(before), 0.0)
            moved = decay * mass[:, None] * entries + (1 - decay) * sums
            entries = ops.where(counts[:, None] > 0, moved / smoothed(counts)[:, None], entries)
        if self.revival:
            mean = ops.mean(counts)
            is_dead = counts < self.revival * mean
            drawn = replicas.of_first_replica(self._drawn(flat, each * squares))
            entries = ops.where(is_dead[:, None], drawn, entries)
            counts = ops.where(is_dead, mean, counts)
        if self.revival or self.decay is not None:
            self.entries.assign(entries)
        self.counts.assign(counts)

    def _drawn(self, flat, chances):
        """Rows of `flat`, (places, dim), drawn with chances in proportion to these, (places,): (codes, dim)."""
        heights = ops.cumsum(chances)
        draws = keras.random.uniform((self.codes,), dtype="float32", seed=self.seed_generator) * heights[-1]
        places = ops.cast(ops.searchsorted(heights, draws, side="right"), "int32")
        return ops.take(flat, ops.minimum(places, ops.shape(flat)[0] - 1), axis=0)


def straight_through(z_e, entries):
    """The entries, exactly, whose gradient goes to z_e as it is (section 3.2, van den Oord et al. 2017)."""
    entries, z_e = ops.convert_to_tensor(entries), ops.convert_to_tensor(z_e)
    return ops.stop_gradient(entries) + (z_e - ops.stop_gradient(z_e))


def smoothed(counts):
    """Counts of which none is 0, of the same sum: (N + eps) / (total + codes eps) total (Laplace)."""
    counts = ops.convert_to_tensor(counts)
    total = ops.sum(counts)
    return (counts + SMOOTHING) / (total + counts.shape[0] * SMOOTHING) * total


def perplexity(uses):
    """exp of the entropy of how often entries are used: (codes,) -> (); 1 to their number."""
    shares = ops.divide_no_nan(uses, ops.sum(uses))
    return ops.exp(-ops.sum(shares * ops.log(ops.maximum(shares, 1e-30))))


def _for_each_place(weight, indices):
    """The weights of samples, (batch,), for each of their places: (batch * places,)."""
    shape = ops.shape(indices)
    spread = ops.reshape(weight, (-1, *(1 for _ in indices.shape[1:])))
    return ops.reshape(ops.broadcast_to(spread, shape), (-1,))


@register_layer(Discrete)
@keras.saving.register_keras_serializable("keras_ae")
class Quantising(CodeLayer):
    """The code of entries of codebooks, with the gradient of what the encoder gave (van den Oord et al. 2017).

    Of several levels (Razavi et al. 2019) the code has, at each place of the finest map, that map's entry, and beside
    it those of the others that stand above the place.

    Attributes:
        codebooks: by the name of the level, in the order in which the levels are drawn, the finest last; a single one
            has the name "".
        sides: of the map of each level, by name.
    """

    def __init__(self, row: Discrete, *, seed: int | None = None, prior=None, **kwargs):
        super().__init__(row, **kwargs)
        self.seed = seed

    @classmethod
    def heads(cls, row, h, make):
        """(batch, *sides, channels) -> `{"z_e": (batch, *sides, dim)}`."""
        return {"z_e": make.weighted(keras.layers.Dense, row.dim, name="z_e")(h)}

    def connect(self, encoder):
        """Make the codebooks, or take those that the encoder looks up as well, and note the sides of its maps."""
        levels, shared = self.row.levels, {layer.name: layer for layer in encoder.layers}
        self.codebooks = {
            level: shared.get(of("codebook", level)) or codebook_of(quantiser, level, self.seed)
            for level, quantiser in levels.items()
        }
        self.sides = {level: tuple(encoder.output[of("z_e", level)].shape[1:-1]) for level in levels}
        self.finest = list(levels)[-1]

    def call(self, parameters):
        """`{"z_e": (batch, *sides, dim)}`, or one such for each level -> z."""
        return self._joined({level: book(parameters[of("z_e", level)]) for level, book in self.codebooks.items()})

    def draw(self, parameters, noise=None):
        """Return `z`, and for each level the `indices` and the entries `e`; nothing is drawn."""
        drawn, quantised = {}, {}
        for level, codebook in self.codebooks.items():
            z_e = parameters[of("z_e", level)]
            indices = codebook.nearest(z_e)
            entries = codebook.lookup(indices)
            drawn |= {of("indices", level): indices, of("e", level): entries}
            quantised[level] = straight_through(z_e, entries)
        return {"z": self._joined(quantised)} | drawn

    def terms(self, outputs):
        """Return `commitment`, |z_e - sg(e)|^2, and, where entries are trained by it, `codebook`, |sg(z_e) - e|^2.

        Eq. 3 of the paper. We differ: both are summed over the places, as -log p(x|z) is over the values of x, so that
        their ratio does not go by the size of a sample; and over the levels.
        """
        terms = {"commitment": 0.0}
        for level, codebook in self.codebooks.items():
            z_e, entries = outputs[of("z_e", level)], outputs[of("e", level)]
            axes = tuple(range(1, len(z_e.shape)))
            terms["commitment"] += ops.sum(ops.square(z_e - ops.stop_gradient(entries)), axis=axes)
            if codebook.decay is None:
                to_entries = ops.sum(ops.square(ops.stop_gradient(z_e) - entries), axis=axes)
                terms["codebook"] = terms.get("codebook", 0.0) + to_entries
        return terms

    def perplexities(self, outputs, replicas) -> dict:
        """The `perplexity` of how the batch uses each codebook, by name: scalars."""
        weight = outputs["weight"] * outputs["share"]
        found = {}
        for level, codebook in self.codebooks.items():
            indices = ops.cast(outputs[of("indices", level)], "int32")
            found[of("perplexity", level)] = perplexity(codebook.uses(indices, weight, replicas.sum_over_replicas))
        return found

    def update(self, outputs, replicas):
        """Move counts, and the entries that are moving averages; revive those that are hardly used."""
        weight = outputs["weight"] * outputs["share"]
        for level, codebook in self.codebooks.items():
            indices = ops.cast(outputs[of("indices", level)], "int32")
            codebook.update(outputs[of("z_e", level)], indices, weight, replicas)

    def indices(self, parameters):
        """The indices of the nearest entries, (batch, *sides) int32; of several levels a dict of them, by name."""
        found = {level: book.nearest(parameters[of("z_e", level)]) for level, book in self.codebooks.items()}
        return found.get("", found)

    def exported(self, parameters):
        """Return z and the indices."""
        # Layers of their own, since Keras 3.15.1 takes no model of a second call that gives more than the first:
        # findings/keras_model_of_a_layers_second_call.sh.
        levels = {of("indices", level): (book, parameters[of("z_e", level)]) for level, book in self.codebooks.items()}
        indices = {name: keras.layers.Lambda(book.nearest, name=name)(z_e) for name, (book, z_e) in levels.items()}
        return {"z": self(parameters)} | indices

    def embedded(self, z):
        """Return codes as they are, and the codes that indices stand for.

        Raises:
            ValueError: as `checked_indices`.
        """
        if not isinstance(z, dict) and np.asarray(z).dtype.kind not in "iu":
            return np.asarray(z, dtype="float32")
        found = {
            level: ops.convert_to_numpy(self.codebooks[level].entries)[indices]
            for level, indices in self.checked_indices(z).items()
        }
        return ops.convert_to_numpy(self._joined(found))

    def checked_indices(self, indices) -> dict[str, np.ndarray]:
        """Return indices by level, (n, *sides) each, in the order in which the levels are drawn.

        Args:
            indices: an array of them, or, of several levels, a dict by name.

        Raises:
            ValueError: levels that are missing or unknown, another shape, indices that no entry has.
        """
        levels = indices if isinstance(indices, dict) else {"": indices}
        if set(levels) != set(self.codebooks):
            kinds = "an array of whole numbers" if "" in self.codebooks else f"a dict of {', '.join(self.codebooks)}"
            raise ValueError(f"The indices of this code are {kinds}, as encode(x, indices=True) gives them.")
        arrays = {level: np.asarray(levels[level]) for level in self.codebooks}
        counts = {len(each) if each.ndim else 0 for each in arrays.values()}
        for level, each in arrays.items():
            name, sides, codes = of("indices", level), self.sides[level], self.codebooks[level].codes
            if not each.ndim or each.shape[1:] != sides or len(counts) > 1:
                shape = f"(n{''.join(f', {side}' for side in sides)}{'' if sides else ','})"
                raise ValueError(f"{name} has shape {each.shape}, but this model takes {shape}, n the same for all.")
            if each.dtype.kind not in "iu" or (each.size and not 0 <= each.min() <= each.max() < codes):
                raise ValueError(f"{name} must be whole numbers from 0 to {codes - 1}.")
        return arrays

    def _joined(self, quantised: dict):
        """The finest map, and the others beside it."""
        sides = self.sides[self.finest]
        maps = [quantised[self.finest]]
        maps += [spread(quantised[level], sides) for level in self.codebooks if level != self.finest]
        return maps[0] if len(maps) == 1 else ops.concatenate(maps, axis=-1)


@register_layer(HierarchicalQuantiser)
@keras.saving.register_keras_serializable("keras_ae")
class HierarchicalQuantising(Quantising):
    """The code of two levels, the top of which the encoder looks up before it makes the bottom."""

    @classmethod
    def heads(cls, row, h, make):
        """(batch, *sides, channels) -> `z_e_top`, (batch, *coarse, dim), and `z_e_bottom`, (batch, *sides, dim)."""
        top = _applied(row.above, h, make.hidden)
        z_e_top = make.weighted(keras.layers.Dense, row.top.dim, name="z_e_top")(top)
        entries = codebook_of(row.top, "top", make.seed())(z_e_top)
        back = _applied(row.back(tuple(h.shape[1:])), entries, make.hidden)
        beside = make.layer(keras.layers.Concatenate, name="beside_top")([h, back])
        z_e_bottom = make.weighted(keras.layers.Dense, row.bottom.dim, name="z_e_bottom")(beside)
        return {"z_e_bottom": z_e_bottom, "z_e_top": z_e_top}


def codebook_of(row: Quantiser, level: str, seed: int) -> Codebook:
    """The codebook of a quantiser, named for its level."""
    options = {"decay": row.decay, "revival": row.revival, "seed": seed}
    return Codebook(row.codes, row.dim, **options, dtype="float32", name=of("codebook", level))


def _applied(rows: tuple[Row, ...], x, make):
    for row in rows:
        x = layer_of(row)(row, x, make)
    return x


def of(name: str, level: str) -> str:
    """The name of what a level has: `of("z_e", "top")` is "z_e_top"; with one level it is the name alone."""
    return f"{name}_{level}" if level else name


def spread(coarse, sides: tuple[int, ...]):
    """Repeat the places of a coarse map so that it gets these sides: (batch, *fewer, dim) -> (batch, *sides, dim)."""
    for axis, side in enumerate(sides, start=1):
        places = np.arange(side) * coarse.shape[axis] // side
        coarse = ops.take(coarse, places.astype("int32"), axis=axis)
    return coarse
