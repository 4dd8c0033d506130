"""The masked autoencoder: most of a sample is hidden, and the network predicts it from the rest (He et al. 2022).

"Masked Autoencoders Are Scalable Vision Learners". x is cut into patches, which are embedded as tokens with their
places. Of these a share `ratio` is hidden, drawn anew for each sample. A transformer encodes the visible tokens alone,
so that a step costs a fraction of one on all of them; a smaller one, in which a learned token stands for each hidden
one, predicts x; and the loss is that of the hidden patches M alone:

    loss = sum over i in M of -log p(x_i | visible patches)

Under the likelihood "gaussian" that is the paper's mean squared error, but for a factor and a constant. We differ: the
target is x itself, not each patch standardised; there is no class token, features are the mean over tokens; small
images have small patches.

When to use it: for features that a linear probe or fine-tuning uses (`model.features(x)`), from images, series, or
tables, whose features are then the patches; to fill what is missing, `model.fill(x, hidden)`. When not: for
compression, as the code is larger than x; for generation, as it has no prior.

`reconstruct`, `predict` and what goes by them, errors and scores of anomalies, show the network each sample several
times, each time with a share `ratio` of the patches hidden, the same for all samples: each patch is what the network
predicts while that patch is hidden. `encode` and `features` see all patches, and `decode(encode(x))`, on which nothing
trained the decoder, says little.
"""

from dataclasses import dataclass
from math import gcd, log, prod
from typing import ClassVar

import keras
import numpy as np
from keras import ops

from keras_ae.autoencoder import Autoencoder
from keras_ae.feeding import scaled
from keras_ae.measuring import Measured
from keras_ae.noise import seed_at
from keras_ae.registry import register, register_type
from keras_ae.rows import (
    MLP,
    Attention,
    Dense,
    Flatten,
    Identity,
    MaskToken,
    Norm,
    Objective,
    Patch,
    Position,
    Reshape,
    Shape,
    SpecError,
    Unpatch,
    checked_count,
    grid_of,
)
from keras_ae.spec import Spec, checked_shape
from keras_ae.tokens import Hidden, Patches, Places, gathered
from keras_ae.train_step import ReplicaSeeds


@dataclass(frozen=True)
class MaskedReconstruction(Objective):
    """-log p of hidden patches given the visible ones (He et al. 2022).

    Args:
        ratio: share of the patches that is hidden, in (0, 1); at least one patch stays visible and one is hidden.
    """

    ratio: float = 0.75
    model: ClassVar[str] = "masked_ae"
    codes: ClassVar[tuple[type, ...]] = (Identity,)

    def __post_init__(self):
        super().__post_init__()
        if isinstance(self.ratio, bool) or not isinstance(self.ratio, int | float) or not 0 < self.ratio < 1:
            raise SpecError(f"MaskedReconstruction: ratio must lie in (0, 1), got {self.ratio!r}.")


@register_type(MaskedReconstruction)
@keras.saving.register_keras_serializable("keras_ae")
class MaskedAE(Autoencoder):
    """Minimise -log p of the hidden patches.

    The encoder of the spec is `Patch`, `Position`, rows of tokens, `Flatten`; the decoder has a `MaskToken`.

    Raises:
        SpecError: another encoder or decoder.
    """

    def __init__(self, spec: Spec, *, seed: int | None = None, **options):
        if spec.inputs:
            raise SpecError(f"The objective {spec.objective} takes x alone. Leave out inputs={spec.inputs}.")
        super().__init__(spec, seed=seed, **options)
        of_masks = None if seed is None else int(np.random.default_rng([seed, 1]).integers(2**31))
        self.of_masks = ReplicaSeeds(of_masks)
        self.pieces = Pieces(self.encoder, self.decoder_logits)
        patches = prod(self.grid)
        self.visible = min(max(1, round((1 - spec.objective.ratio) * patches)), patches - 1)

    def call(self, inputs, training=None, mask=None):
        """Return x as it is predicted patch by patch from other patches, see `reconstruct`."""
        return self._reconstruct({"x": ops.cast(scaled(inputs), "float32")})

    @property
    def grid(self) -> tuple[int, ...]:
        """Patches along each axis."""
        return self.pieces.grid

    def autoencode(self, batch, *, training, noise=None):
        """As of every model, of a batch of which patches are hidden; `hidden` marks their values, 1 or 0.

        Args:
            batch: `x`, and what stands beside it.
            training: whether dropout and batch normalisation train.
            noise: scores of the patches, (batch, patches), of which the lowest stay visible; None draws them.
        """
        if noise is None:
            shape = (ops.shape(batch["x"])[0], prod(self.grid))
            noise = keras.random.uniform(shape, dtype="float32", seed=self.of_masks)
        return self._predicted(batch["x"], ops.argsort(noise, axis=1), self.visible, training=training)

    def _predicted(self, x, order, visible: int, *, training: bool) -> dict:
        """The heads, `z` of the visible tokens, and which values are `hidden`, of patches in the order of `order`."""
        pieces = self.pieces
        tokens = gathered(through(pieces.embedding, x, training), order[:, :visible])
        z = through(pieces.blocks, tokens, training)
        h = pieces.mask_token.restored(through(pieces.narrowing, z, training), order)
        hidden = self._values_of(ops.cast(ops.argsort(order, axis=1) >= visible, "float32"))
        outputs = pieces.predictor(h, training=training) | {"z": z}
        return {name: ops.cast(value, "float32") for name, value in outputs.items()} | {"hidden": hidden}

    def _heads_of(self, batch):
        """The heads of each patch, as they are while that patch is hidden."""
        patches = prod(self.grid)
        count = patches - self.visible
        places, found = np.random.default_rng(0).permutation(patches).astype("int32"), {}
        for start in range(0, patches, count):
            first = min(start, patches - count)
            hidden = places[first : first + count]
            order = np.concatenate([np.setdiff1d(places, hidden), hidden])[None]
            order = ops.broadcast_to(ops.convert_to_tensor(order), (ops.shape(batch["x"])[0], patches))
            outputs = self._predicted(batch["x"], order, self.visible, training=False)
            is_due = np.isin(np.arange(patches), places[start : start + count])[None]
            where = self._values_of(ops.cast(is_due, "float32"))
            for name in self.likelihood.row.heads:
                found[name] = found.get(name, 0.0) + where * outputs[name]
        return found

    def objective(self, batch, outputs):
        """Return -log p of the hidden patches in nats, (batch,)."""
        where = outputs["hidden"]
        if "where" in outputs:
            where = where * outputs["where"]
        nll = self.nll(batch, outputs | {"where": where})
        return {"loss": nll, "nll": nll}

    def features(self, x, *, layer=None, grid=1, batch_size=256):
        """As of every model; of no layer the mean over the encoder's tokens: (n, *input_shape) -> (n, width)."""
        return super().features(x, layer=layer or self.pieces.blocks[-1].name, grid=grid, batch_size=batch_size)

    def fill(self, x, hidden, *, batch_size: int = 256) -> np.ndarray:
        """Return x with hidden patches as the network predicts them from the others: (n, *input_shape) -> the same.

        Args:
            x: an array of samples; the values of hidden patches have no influence, and may be NaN.
            hidden: which patches are hidden, booleans, (n, patches) or (patches,) for all samples, in the order of
                their places. As many in each sample; the network was trained on a share `ratio`.
            batch_size: samples at once.

        Raises:
            TypeError: `hidden` has other values than True and False, or 1 and 0.
            ValueError: `hidden` has another shape, or hides all or no patches, or not as many in each sample.
        """
        patches, hidden = prod(self.grid), np.asarray(hidden)
        if hidden.dtype.kind not in "buif" or not np.isin(hidden, (0, 1)).all():
            raise TypeError(f"hidden says of each of {patches} patches whether it is hidden, True or False.")
        x, hidden = np.asarray(x), hidden.astype(bool)
        count = len(x)
        hidden = np.broadcast_to(hidden, (count, patches)) if hidden.shape == (patches,) else hidden
        if hidden.shape != (count, patches):
            raise ValueError(f"hidden has shape {hidden.shape}, but fill takes ({count}, {patches}) or ({patches},).")
        numbers = hidden.sum(axis=1)
        if len(set(numbers)) > 1 or not 0 < numbers[0] < patches:
            raise ValueError(
                f"hidden hides {numbers.min()} to {numbers.max()} of {patches} patches. Hide as many in each sample, "
                "at least one, and leave one."
            )
        if x.shape == (count, *self.spec.input_shape):
            x = np.where(ops.convert_to_numpy(self._values_of(hidden.astype("float32"))) > 0, x.dtype.type(0), x)
        batch = self._checked(x)
        order = np.argsort(hidden, axis=1, kind="stable").astype("int32")
        visible = patches - int(numbers[0])

        def function(batch, order):
            x = ops.cast(batch["x"], "float32")
            outputs = self._predicted(x, order, visible, training=False)
            return outputs["hidden"] * self.likelihood.mean(outputs) + (1 - outputs["hidden"]) * x

        return self._batched(f"fill {visible}", function, batch, order, batch_size=batch_size)

    def masks(self, n: int, seed: int = 0) -> np.ndarray:
        """Return which patches are hidden, as in training, by a seed: (n, patches) booleans."""
        scores = np.random.default_rng(seed).random((n, prod(self.grid)))
        return np.argsort(np.argsort(scores, axis=1), axis=1) >= self.visible

    def measured(self, x, samples):
        """Yield `hidden_mse`, of hidden patches as they are filled in, and what is said of reconstructions."""
        yield from super().measured(x, samples)
        hidden = self.masks(len(x), seed_at(samples.seed, samples.start))
        filled = self.fill(x, hidden)
        clean = np.asarray(x, dtype="float32") / (255 if x.dtype == np.uint8 else 1)
        of_values = ops.convert_to_numpy(self._values_of(hidden.astype("float32")))
        axes = tuple(range(1, clean.ndim))
        errors = (of_values * (filled - clean) ** 2).sum(axis=axes) / of_values.sum(axis=axes)
        share = f"{1 - self.visible / prod(self.grid):.0%} of the patches"
        of = f"mean squared error of hidden values, {share}, {samples.words}, seed {samples.seed}"
        yield Measured("hidden_mse", errors, of, (5e-3, 1e-5))

    def _values_of(self, patches):
        """A number for each patch -> one for each value: (batch, patches) -> (batch, *input_shape)."""
        shape = self.spec.input_shape
        whole = shape if len(shape) > 1 else (*shape, 1)
        values = ops.reshape(patches, (-1, *self.grid))
        for axis, (count, side) in enumerate(zip(self.grid, whole[:-1], strict=True), start=1):
            values = ops.repeat(values, side // count, axis=axis)
        values = ops.repeat(ops.expand_dims(values, -1), whole[-1], axis=-1)
        return ops.reshape(values, (-1, *shape))


class Pieces:
    """The layers of both networks, cut where tokens are hidden and put back; no layers of their own."""

    def __init__(self, encoder: keras.Model, decoder: keras.Model):
        before, after = _cut(encoder, Places, "an encoder with Patch and Position")
        self.embedding = before
        self.blocks = [layer for layer in after if not isinstance(layer, _WITHOUT_TOKENS)]
        patches = next(layer for layer in before if isinstance(layer, Patches))
        self.grid = grid_of(patches.input.shape[1:], patches.size)
        (*narrowing, self.mask_token), _ = _cut(decoder, Hidden, "a decoder with MaskToken")
        self.narrowing = [layer for layer in narrowing if not isinstance(layer, _WITHOUT_TOKENS)]
        self.predictor = keras.Model(self.mask_token.output, decoder.output, name="predictor")


# Between tokens and code, which is flat.
_WITHOUT_TOKENS = keras.layers.Flatten | keras.layers.Reshape | keras.layers.Activation


def through(layers: list, h, training: bool):
    """What comes of h, layer by layer."""
    for layer in layers:
        h = layer(h, training=training)
    return h


def _cut(network: keras.Model, kind: type, needed: str) -> tuple[list, list]:
    """The layers up to the first of a kind, and those after it."""
    layers = network.layers[1:]
    for place, layer in enumerate(layers, start=1):
        if isinstance(layer, kind):
            return layers[:place], layers[place:]
    raise SpecError(f"The objective MaskedReconstruction needs {needed}, as keras_ae.spec('masked_ae') has.")


def _patch(input_shape: Shape) -> tuple[int, ...]:
    """The divisors of the sides that give about 64 patches."""
    wanted = 64 ** (1 / (len(input_shape) - 1))
    sizes = []
    for side in input_shape[:-1]:
        divisors = [by for by in range(1, side // 2 + 1) if side % by == 0] or [side]
        sizes.append(min(divisors, key=lambda by, side=side: abs(log(side / by / wanted))))
    return tuple(sizes)


@register("masked_ae")
def masked_ae(
    input_shape: Shape = (32, 32, 3),
    *,
    patch: int | tuple[int, ...] | None = None,
    width: int = 128,
    depth: int = 4,
    heads: int = 4,
    decoder_width: int = 64,
    decoder_depth: int = 1,
    ratio: float = 0.75,
    likelihood: str = "gaussian",
) -> Spec:
    """Masked autoencoder: a transformer predicts hidden patches from visible ones (He et al. 2022).

    Args:
        input_shape: shape of one sample; of a table, (features,), each feature is a patch.
        patch: side of a patch, one number or one for each axis, which divides the sides; None takes the divisors that
            give about 64 patches.
        width: of the encoder's tokens.
        depth: blocks of attention and perceptron in the encoder, at least one.
        heads: of the encoder's attention; they divide the width.
        decoder_width: of the decoder's tokens.
        decoder_depth: blocks of the decoder, at least one.
        ratio: share of the patches that is hidden.
        likelihood: p of a value given the visible patches; "gaussian" is the paper's squared error.
    """
    shape = checked_shape(input_shape)
    whole = shape if len(shape) > 1 else (*shape, 1)
    size = (_patch(whole) if len(shape) > 1 else 1) if patch is None else patch
    row = Patch(size, width)
    size = row.size
    for name, blocks in (("depth", depth), ("decoder_depth", decoder_depth)):
        checked_count("masked_ae", name, blocks)
    tokens, grid = row.output_shape(whole), grid_of(whole, size)
    if prod(grid) < 2:
        raise SpecError(f"masked_ae: patches of {size} leave one patch of {shape}. Choose smaller ones.")
    reshape = () if whole == shape else (Reshape(whole),)
    encoder = (*reshape, row, Position(grid), *depth * (Attention(heads), MLP()), Norm("layer"), Flatten())
    decoder = (
        *(Reshape(tokens), Dense(decoder_width, "linear"), MaskToken(), Position(grid)),
        *decoder_depth * (Attention(gcd(heads, decoder_width)), MLP()),
        *(Norm("layer"), Unpatch(size, whole)),
    )
    decoder += () if whole == shape else (Reshape(shape),)
    return Spec(shape, encoder, Identity(prod(tokens)), likelihood, decoder, objective=MaskedReconstruction(ratio))
