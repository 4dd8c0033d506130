"""From spec to Keras: the Functional encoder and decoder, and what each layer row becomes."""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import count

import keras
import numpy as np

from keras_ae.conditions import Beside
from keras_ae.corruptions import Corrupt
from keras_ae.feeding import scaled
from keras_ae.latents import CodeLayer
from keras_ae.learned_priors import StandardNormal
from keras_ae.likelihoods import likelihood_layer
from keras_ae.pooling import UnevenPooling
from keras_ae.registry import layer_of, register_layer
from keras_ae.rows import (
    Activation,
    Code,
    Conv,
    Deconv,
    Dense,
    Dropout,
    Flatten,
    Input,
    Norm,
    Pool,
    Reshape,
    Residual,
    Row,
    Upsample,
    per_axis,
    shapes,
)
from keras_ae.spec import Spec, last_weighted
from keras_ae.tied import Ties
from keras_ae.tokens import Patches  # noqa: F401 (it registers what the rows of tokens become)
from keras_ae.train_step import activation, convolution, transposed_convolution
from keras_ae.train_step.blocks import named_as

_BY_RANK = {
    Conv: [convolution(kind) for kind in (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)],
    Deconv: [
        transposed_convolution(kind)
        for kind in (keras.layers.Conv1DTranspose, keras.layers.Conv2DTranspose, keras.layers.Conv3DTranspose)
    ],
    "max": (keras.layers.MaxPooling1D, keras.layers.MaxPooling2D, keras.layers.MaxPooling3D),
    "average": (keras.layers.AveragePooling1D, keras.layers.AveragePooling2D, keras.layers.AveragePooling3D),
    Upsample: (keras.layers.UpSampling1D, keras.layers.UpSampling2D, keras.layers.UpSampling3D),
    "cut": (keras.layers.Cropping1D, keras.layers.Cropping2D, keras.layers.Cropping3D),
}
# Of every layer that knows the order of axes, whatever Keras' global setting: a spec has its channels last.
_LAST = {"data_format": "channels_last"}


class Blank(keras.initializers.GlorotUniform):
    """Zeros from NumPy for kernels whose weights are loaded next: JAX would compile a draw for every shape."""

    def __call__(self, shape, dtype=None, **options):
        """Return zeros of that shape."""
        return np.zeros(shape, dtype)


@dataclass(frozen=True)
class Maker:
    """Makes the layers of one part, numbered in order: names stay the same from run to run, seeds follow one seed.

    Attributes:
        seeds: the source of the seeds.
        numbers: the source of the numbers.
        dtype: Keras dtype policy of the layers.
        draw: False leaves kernels blank.
        hidden: of the decoder's last row, or the code, the maker of layers before its last weights; None elsewhere.
        tie: from a kind of layer to what makes it, with a kernel that the other part shares; None shares none.
    """

    seeds: np.random.Generator
    numbers: count
    dtype: object
    draw: bool = True
    hidden: "Maker | None" = None
    tie: Callable[[type], Callable] | None = None

    def seed(self) -> int:
        """Return the next seed."""
        return int(self.seeds.integers(2**31))

    def layer(self, kind: Callable, *args, name: str, **kwargs):
        """Return a layer without weights to draw."""
        return kind(*args, name=f"{name}_{next(self.numbers)}", dtype=self.dtype, **kwargs)

    def weighted(self, kind: type, *args, name: str, **kwargs):
        """Return a layer whose kernel is drawn by Glorot & Bengio 2010 from the next seed, or left blank."""
        kernel = (keras.initializers.GlorotUniform if self.draw else Blank)(seed=self.seed())
        make = self.tie(kind) if self.tie else kind
        return self.layer(make, *args, name=name, kernel_initializer=kernel, **kwargs)


@dataclass(frozen=True)
class Parts:
    """The built parts of an autoencoder."""

    encoder: keras.Model
    latent: CodeLayer
    decoder: keras.Model
    likelihood: keras.layers.Layer
    corruption: keras.layers.Layer | None
    prior: keras.layers.Layer | None
    beside: tuple[Input, ...] = ()  # What the likelihood takes beside its heads.

    @cached_property
    def mean(self) -> keras.Model:
        """Codes -> the likelihood's mean. Made when it is asked for: a model in no need of it has one layer fewer."""
        inputs = fresh(self.decoder.input)
        heads = self.decoder(inputs)
        if self.beside:
            inputs = dict(inputs) if isinstance(inputs, dict) else {"z": inputs}
            for row in self.beside:
                inputs.setdefault(row.name, keras.Input(row.shape, dtype=row.dtype, name=row.name))
                heads = heads | {row.name: inputs[row.name]}
        return keras.Model(inputs, self.likelihood(heads), name="decoder")


def fresh(inputs):
    """New inputs like those of another model: one, or several by name."""
    if isinstance(inputs, dict):
        return {name: fresh(each) for name, each in inputs.items()}
    return keras.Input(inputs.shape[1:], dtype=inputs.dtype, name=inputs.name)


def inputs_of(spec: Spec, part: str | None = None) -> dict:
    """New inputs of a part of a model, or of the whole, by name: x or z, and what stands beside it."""
    first, shape = ("z", spec.code_shape) if part == "decoder" else ("x", spec.input_shape)
    rows = spec.inputs if part is None else spec.beside(part)
    beside = {row.name: keras.Input(row.shape, dtype=row.dtype, name=row.name) for row in rows}
    return {first: keras.Input(shape, name=first)} | beside


def build_parts(spec: Spec, *, seed: int | None = None, dtype=None, draw: bool = True) -> Parts:
    """Build encoder, code layer, decoder, likelihood and corruption of a spec.

    Args:
        spec: what to build.
        seed: fixes initial weights and random layers on one backend; None draws it from Python's `random`, which
            `keras.utils.set_random_seed` seeds.
        dtype: Keras dtype policy of the hidden layers; code and decoder output are always float32.
        draw: False leaves kernels at 0, for weights that are loaded next; all other draws stay as they are.
    """
    seeds = np.random.default_rng(random.randint(1, 2**31 - 1) if seed is None else seed)
    lend, borrow = (ties.lend, ties.borrow) if (ties := spec.tied and Ties()) else (None, None)
    # In this order, which the seeds follow.
    encoder = _encoder(spec, Maker(seeds, count(), dtype, draw, tie=lend))
    of_code = int(seeds.integers(2**31))
    decoder = _decoder(spec, Maker(seeds, count(), dtype, draw, tie=borrow))
    corruption = spec.corruption and _corruption_layer(spec.corruption, int(seeds.integers(2**31)))
    prior = _prior_layer(spec, seeds, draw)
    latent = layer_of(spec.code)(spec.code, seed=of_code, prior=prior, dtype="float32", name="latent")
    latent.connect(encoder)
    likelihood = likelihood_layer(spec.likelihood)
    parts = Parts(encoder, latent, decoder, likelihood, corruption, prior, spec.beside("likelihood"))
    for layer in (*parts.encoder.layers, *parts.decoder.layers):
        blank = getattr(layer, "kernel_initializer", None)
        if isinstance(blank, Blank):  # A copy of the layer, or a file of it, draws as any other.
            layer.kernel_initializer = keras.initializers.GlorotUniform(seed=blank.seed)
    return parts


class _Scaling:
    """The same Functional model, which takes uint8 images as all methods do. Files know it as what it is."""

    def call(self, inputs, training=None, mask=None):
        """Images, uint8 in [0, 255] too -> the parameters of the code."""
        return super().call(scaled(inputs), training=training, mask=mask)


def _encoder(spec: Spec, make: Maker) -> keras.Model:
    inputs, cut = inputs_of(spec, "encoder"), spec.joins_at
    h = _joined(spec, "encoder", _apply_all(spec.encoder[:cut], inputs["x"], make), inputs, make)
    h = _apply_all(spec.encoder[cut:], h, make)
    heads = _heads(spec.code, h, replace(make, dtype="float32", hidden=make))
    taken = spec.taken_by("encoder", inputs)
    kind = type(keras.Model(taken, heads))
    return named_as(kind, _Scaling)(taken, heads, name="encoder")


def _joined(spec: Spec, part: str, h, inputs: dict, make: Maker):
    """Put the inputs of a part beside h, where it has any."""
    rows = spec.beside(part)
    return make.layer(Beside, rows, name="beside")([h, *(inputs[row.name] for row in rows)]) if rows else h


def _decoder(spec: Spec, make: Maker) -> keras.Model:
    inputs, rows = inputs_of(spec, "decoder"), spec.decoder_rows
    h = _joined(spec, "decoder", inputs["z"], inputs, make)
    tail = last_weighted(rows, shapes(rows, tuple(h.shape[1:])))
    h = _apply_all(rows[:tail], h, make)
    final = replace(make, dtype="float32", hidden=make)
    heads = {name: _apply_all(rows[tail:], h, final) for name in spec.likelihood.heads}
    return keras.Model(spec.taken_by("decoder", inputs), heads, name="decoder_logits")


def _apply_all(rows: tuple[Row, ...], x, make: Maker):
    for row in rows:
        x = layer_of(row)(row, x, make)
    return x


@register_layer(Conv)
def _(row, x, make):
    return _convolved(_BY_RANK[Conv], row, x, make, name="conv")


@register_layer(Deconv)
def _(row, x, make):
    h, shape = _convolved(_BY_RANK[Deconv], row, x, make, name="deconv"), row.output_shape(tuple(x.shape[1:]))
    return _cut(h, shape, make, _starts(row, h.shape, shape))


def _convolved(kinds: list[type], row: Conv | Deconv, x, make: Maker, name: str):
    options = {"strides": row.stride, "padding": "same", "activation": activation(row.activation), **_LAST}
    return make.weighted(kinds[len(x.shape) - 3], row.filters, row.kernel, name=name, **options)(x)


def _starts(row: Deconv, whole: tuple[int, ...], shape: tuple[int, ...]) -> list[int]:
    """Return how much of each side is cut at its start, so that a mirror is the adjoint of its convolution.

    Keras pads a convolution by all that its windows lack, half of it, rounded down, at the start; a transposed one is
    cut there by half of kernel less stride.
    """
    excess = [side - wanted for side, wanted in zip(whole[1:-1], shape[:-1], strict=True)]
    steps = zip(per_axis(row.kernel, shape), per_axis(row.stride, shape), excess, strict=True)
    return [min(by, (kernel - stride + by) // 2 - (kernel - stride) // 2) for kernel, stride, by in steps]


def _cut(x, shape: tuple[int, ...], make: Maker, starts: list[int] | None = None):
    """Cut the sides to those of `shape`: at their ends, but for what `starts` says of their beginnings."""
    excess = [whole - side for whole, side in zip(x.shape[1:-1], shape[:-1], strict=True)]
    if not any(excess):
        return x
    cuts = [(start, by - start) for start, by in zip(starts or [0] * len(excess), excess, strict=True)]
    options = {} if len(cuts) == 1 else _LAST
    return make.layer(_BY_RANK["cut"][len(cuts) - 1], cuts[0] if len(cuts) == 1 else cuts, name="cut", **options)(x)


@register_layer(Dense)
def _(row, x, make):
    return make.weighted(keras.layers.Dense, row.units, activation=activation(row.activation), name="dense")(x)


@register_layer(Flatten)
def _(row, x, make):
    return make.layer(keras.layers.Flatten, name="flatten", **_LAST)(x)


@register_layer(Reshape)
def _(row, x, make):
    return make.layer(keras.layers.Reshape, row.shape, name="reshape")(x)


@register_layer(Pool)
def _(row, x, make):
    sides, sizes = x.shape[1:-1], per_axis(row.size, x.shape[1:])
    if any(side % size for side, size in zip(sides, sizes, strict=True)):
        return make.layer(UnevenPooling, sizes, row.kind, name="pool")(x)
    return make.layer(_BY_RANK[row.kind][len(sides) - 1], row.size, name="pool", **_LAST)(x)


@register_layer(Upsample)
def _(row, x, make):
    sizes, options = per_axis(row.size, x.shape[1:]), {} if len(x.shape) == 3 else _LAST
    size = sizes[0] if len(sizes) == 1 else sizes
    h = make.layer(_BY_RANK[Upsample][len(sizes) - 1], size, name="upsample", **options)(x)
    return _cut(h, row.output_shape(tuple(x.shape[1:])), make)


@register_layer(Norm)
def _(row, x, make):
    if row.kind == "group":
        return make.layer(keras.layers.GroupNormalization, row.groups, name="norm")(x)
    kind = keras.layers.BatchNormalization if row.kind == "batch" else keras.layers.LayerNormalization
    return make.layer(kind, name="norm")(x)


@register_layer(Dropout)
def _(row, x, make):
    return make.layer(keras.layers.Dropout, row.rate, seed=make.seed(), name="dropout")(x)


@register_layer(Activation)
def _(row, x, make):
    return make.layer(keras.layers.Activation, activation(row.activation), name="activation")(x)


@register_layer(Residual)
def _(row, x, make):
    tail = last_weighted(row.rows, shapes(row.rows, tuple(x.shape[1:]))) if make.hidden else 0
    branch = _apply_all(row.rows[tail:], _apply_all(row.rows[:tail], x, make.hidden), make)
    branch = _cut(branch, tuple(x.shape[1:]), make)
    if branch.shape[-1] != x.shape[-1]:
        x = make.weighted(keras.layers.Dense, branch.shape[-1], name="projection")(x)
    total = make.layer(keras.layers.Add, name="add")([x, branch])
    return make.layer(keras.layers.Activation, activation(row.activation), name="activation")(total)


def _heads(code: Code, h, make: Maker) -> dict:
    return layer_of(code).heads(code, h, make)


def _prior_layer(spec: Spec, seeds: np.random.Generator, draw: bool) -> keras.layers.Layer | None:
    code, options = spec.code, {"dtype": "float32", "name": "prior"}
    if not code.has_prior:
        return None
    if code.prior is None:
        return StandardNormal(**options)
    given = {"inputs": spec.beside("prior")} if code.prior.is_conditional else {}
    return layer_of(code.prior)(code.prior, code.latent_dim, int(seeds.integers(2**31)), draw=draw, **given, **options)


def _corruption_layer(corruption: Row, seed: int) -> keras.layers.Layer:
    return Corrupt(corruption, seed, dtype="float32", name="corruption")
