"""Rows: their shapes, mirrors and refusals, and that what is built from them agrees."""

import inspect
import json
from dataclasses import fields, replace

import numpy as np
import pytest

import keras_ae
from keras_ae import (
    ELBO,
    MLP,
    Activation,
    Attention,
    Conv,
    Cycle,
    Deconv,
    Dense,
    Dropout,
    Flatten,
    Gaussian,
    GaussianNoise,
    HierarchicalQuantiser,
    Identity,
    Masking,
    MaskToken,
    MixturePrior,
    NeighbourEmbedding,
    Norm,
    Patch,
    Pool,
    Position,
    Quantiser,
    Ramp,
    Reconstruction,
    Reshape,
    Residual,
    SaltAndPepper,
    Sparsity,
    Spec,
    SpecError,
    SpectralNoise,
    Unpatch,
    Upsample,
    Vector,
    rows,
)
from keras_ae.builder import build_parts
from keras_ae.rows import LIKELIHOODS, mirrored, row_from_dict, shapes
from keras_ae.rows.base import ROWS

# Every layer row, with a shape that it takes.
PLACED = {
    "conv 1d": (Conv(3, kernel=4, stride=2), (8, 2)),
    "conv 2d": (Conv(3, kernel=3), (8, 6, 2)),
    "conv 3d": (Conv(2, kernel=2, stride=2), (4, 4, 2, 1)),
    "conv of unequal axes": (Conv(3, kernel=(3, 4), stride=(1, 2), activation="tanh"), (5, 6, 2)),
    "deconv 1d": (Deconv(2, kernel=4, stride=2), (4, 3)),
    "deconv 2d": (Deconv(2, kernel=3), (4, 5, 3)),
    "deconv 3d": (Deconv(2, kernel=2, stride=2), (2, 1, 2, 3)),
    "deconv of unequal axes": (Deconv(2, kernel=(3, 4), stride=(1, 2)), (4, 3, 2)),
    "conv of odd sides": (Conv(3, kernel=4, stride=2), (7, 5, 2)),
    "conv of a stride of 3": (Conv(3, kernel=5, stride=3), (7, 2)),
    "deconv that is cut": (Deconv(2, kernel=4, stride=(2, 2), sides=(7, 6)), (4, 3, 3)),
    "dense": (Dense(5), (7,)),
    "dense on the last axis": (Dense(5), (4, 3)),
    "flatten": (Flatten(), (2, 3, 2)),
    "reshape": (Reshape((3, 2, 2)), (12,)),
    "reshape of a reshape": (Reshape((3, 4)), (2, 3, 2)),
    "pool 1d": (Pool(2), (8, 3)),
    "pool 2d": (Pool((2, 3), "average"), (4, 6, 2)),
    "pool 3d": (Pool(2), (4, 2, 2, 1)),
    "pool of odd sides": (Pool(2), (7, 3, 2)),
    "average pool of odd sides": (Pool((2, 3), "average"), (5, 4, 2)),
    "upsample that is cut": (Upsample(3, sides=(4,)), (2, 2)),
    "upsample 1d": (Upsample(3), (2, 2)),
    "upsample 2d": (Upsample((2, 3)), (2, 2, 2)),
    "upsample 3d": (Upsample(2), (1, 2, 1, 2)),
    "batch norm": (Norm(), (4, 4, 3)),
    "layer norm": (Norm("layer"), (6,)),
    "group norm": (Norm("group", groups=2), (4, 6)),
    "dropout": (Dropout(0.5), (4, 3)),
    "activation": (Activation("gelu"), (4, 3)),
    "patches of a series": (Patch(3, 5), (6, 2)),
    "patches of unequal axes": (Patch((2, 3), 5), (4, 6, 2)),
    "patches of a volume": (Patch(2, 3), (4, 2, 2, 1)),
    "patches that are joined": (Unpatch((2, 3), (4, 6, 2)), (4, 5)),
    "places on one axis": (Position(), (4, 6)),
    "places on two axes": (Position((2, 3)), (6, 8)),
    "attention": (Attention(2), (5, 6)),
    "perceptron": (MLP(2, "relu"), (5, 6)),
    "mask token": (MaskToken(), (5, 6)),
    "residual": (Residual((Conv(3), Norm(), Conv(3, activation="linear")), "relu"), (4, 4, 3)),
    "residual with a projection": (Residual((Dense(5),)), (7,)),
    "residual in a residual": (Residual((Dense(4), Residual((Dense(6), Dense(4))))), (4, 2)),
    "residual that is cut": (Residual((Conv(4, kernel=4, stride=2), Deconv(3, kernel=4, stride=2))), (5, 7, 3)),
    "residual of unequal inner sides": (Residual((Conv(4, kernel=4, stride=2), Deconv(3, kernel=4, stride=2))), (4, 3)),
}

ALL_ROWS = [
    *(row for row, _ in PLACED.values()),
    Vector(3, "tanh"),
    Gaussian(3),
    ELBO(Ramp(0.0, 1.0, steps=10, delay=3)),
    ELBO(Cycle(0.0, 1.0, period=10, rise=0.25)),
    Gaussian(3, prior=MixturePrior(4)),
    MixturePrior(5),
    keras_ae.ConditionalPrior(8),
    Identity(12),
    NeighbourEmbedding(Ramp(0.0, 30.0, steps=9), count=4),
    Sparsity("kl", Ramp(0.1, 0.2, steps=4), rho=0.2),
    Reconstruction(),
    GaussianNoise(0.1),
    GaussianNoise(0.4, low=0.1),
    SaltAndPepper(0.2),
    Masking(0.3),
    SpectralNoise((0.0, 10.0), (0.0, 3.0)),
    keras_ae.Poisson(10.0),
    keras_ae.Speckle(0.2),
    keras_ae.MissingValues(0.1, "mean"),
    keras_ae.Blur(2.0),
    keras_ae.JPEG((5, 95)),
    keras_ae.Chain((keras_ae.Blur(2.0), GaussianNoise(0.1))),
    keras_ae.OneOf((SaltAndPepper(0.1), GaussianNoise(0.1))),
    keras_ae.Laplace(0.5),
    keras_ae.DiscretizedLogistic(16),
    keras_ae.Labels(10),
    keras_ae.Condition(2, "dose", ("encoder",)),
    Quantiser(8, 4, decay=None),
    HierarchicalQuantiser(Quantiser(8, 4), Quantiser(16, 2), (Conv(4, 4, 2),)),
    keras_ae.VectorQuantisation(0.5),
    keras_ae.Matched(8, (Dense(16, "relu"),)),
    keras_ae.Adversarial(3.0),
    keras_ae.Ladder((4, 2), (16, 8)),
    keras_ae.LadderELBO(0.5, free_bits=0.25),
    keras_ae.TopDown((4, 2), (16, 8)),
    keras_ae.LogCounts(),
    keras_ae.Library(),
    keras_ae.MaskedReconstruction(0.5),
    keras_ae.CountELBO(Ramp(0.0, 1.0, steps=10)),
    *(row for row in LIKELIHOODS.values() if type(row).__module__.startswith("keras_ae")),
]


def autoencoder_of(row, shape):
    """A spec whose encoder is `row` alone, led to a code and back by dense rows."""
    size = int(np.prod(shape))
    tail = () if len(shape) == 1 else (Reshape(shape),)
    after = row.output_shape(shape)
    encoder = (row,) if len(after) == 1 else (row, Flatten())
    return Spec(shape, encoder, Vector(2), "gaussian", decoder=(Dense(size, "linear"), *tail))


@pytest.mark.parametrize("name", PLACED)
def test_shapes_and_parameters_are_those_of_the_built_layers(name):
    row, shape = PLACED[name]
    spec = autoencoder_of(row, shape)
    model = keras_ae.build(spec, seed=0)
    layers = [layer for layer in model.encoder.layers if layer.name[:2] not in ("x", "z_")]
    if len(spec.encoder) == 2:
        assert tuple(layers.pop().input.shape[1:]) == row.output_shape(shape)  # What the closing Flatten takes.
    else:
        assert tuple(layers[-1].output.shape[1:]) == row.output_shape(shape)
    assert sum(layer.count_params() for layer in layers) == row.parameters(shape)
    assert model.count_params() == spec.parameters
    assert model.predict(np.zeros((1, *shape)), verbose=0).shape == (1, *shape)


@pytest.mark.parametrize("name", PLACED)
def test_the_mirror_leads_back_to_the_shape(name):
    row, shape = PLACED[name]
    after = row.output_shape(shape)
    assert shapes(mirrored((row,), shape), after)[-1] == shape
    assert row.mirror(shape, "tanh").output_shape(after) == shape


@pytest.mark.parametrize("name", PLACED)
def test_the_mirror_of_a_row_can_be_built(name):
    row, shape = PLACED[name]
    size = int(np.prod(row.output_shape(shape)))
    flat = () if len(shape) == 1 else (Flatten(),)
    open_ = () if len(row.output_shape(shape)) == 1 else (Reshape(row.output_shape(shape)),)
    end = (Dense(shape[-1], "linear"),)
    spec = Spec(shape, flat, Vector(2), "gaussian", decoder=(Dense(size), *open_, *mirrored((row,), shape), *end))
    parts = build_parts(spec, seed=0)
    assert tuple(parts.decoder.output["loc"].shape[1:]) == shape
    assert keras_ae.build(spec).count_params() == spec.parameters


def test_every_mirrored_row_takes_the_activation_of_the_row_before_and_the_last_is_linear():
    rows = (Conv(4, 4, 2, "tanh"), Conv(8, 4, 2, "gelu"), Flatten(), Dense(9, "selu"), Dense(7, "relu"))
    back = mirrored(rows, (8, 8, 1))
    assert back == (
        Dense(9, "selu"),
        Dense(32, "gelu"),
        Reshape((2, 2, 8)),
        Deconv(4, 4, 2, "tanh"),
        Deconv(1, 4, 2, "linear"),
    )


def test_mirroring_twice_gives_the_widths_back():
    rows = (Conv(4, 4, 2), Pool(2, "average"), Flatten(), Dense(9))
    once = mirrored(rows, (8, 8, 3))
    twice = mirrored(once, shapes(rows, (8, 8, 3))[-1])
    assert shapes(twice, (8, 8, 3)) == shapes(rows, (8, 8, 3))


# JSON


@pytest.mark.parametrize("row", ALL_ROWS, ids=str)
def test_every_row_is_itself_after_json(row):
    text = json.dumps(row.to_dict())
    assert row_from_dict(json.loads(text)) == row
    assert hash(row_from_dict(json.loads(text))) == hash(row)


@pytest.mark.parametrize("row", ALL_ROWS, ids=str)
def test_json_writes_every_field_with_its_default(row):
    assert set(row.to_dict()) == {"row"} | {field.name for field in fields(row)}


def test_no_row_type_is_left_out_above():
    concrete = {
        name for name, kind in ROWS.items() if kind.__module__.startswith("keras_ae") and "__eq__" in vars(kind)
    }
    assert {type(row).__name__ for row in ALL_ROWS} | {"Ramp", "Cycle"} == concrete
    assert all(inspect.getdoc(ROWS[name]) for name in concrete)


def test_the_names_that_editors_read_are_those_of_the_rows():
    bases = {"Code", "Corruption", "Discrete", "Input", "Likelihood", "Objective", "Row", "Schedule"}
    declared = {name for name, kind in ROWS.items() if kind.__module__.startswith("keras_ae.rows.")}
    assert set(rows.__all__) == declared | bases | {"SpecError", "sparse_code"}


def test_every_row_is_offered_by_the_package():
    ours = {name: kind for name, kind in ROWS.items() if kind.__module__.startswith("keras_ae.")}
    assert {"ELBO", "Reconstruction", "Sparsity", "NeighbourEmbedding"} <= set(ours)
    assert {name: getattr(keras_ae, name, None) for name in ours} == ours
    assert set(ours) <= set(keras_ae.__all__) & set(dir(keras_ae))
    assert all(hasattr(keras_ae, name) for name in keras_ae.__all__)


def test_rows_are_equal_by_value_and_frozen():
    assert Conv(8, kernel=(4, 4)) == Conv(8, kernel=[4, 4]) != Conv(8, kernel=4)
    with pytest.raises(AttributeError, match="cannot assign"):
        Dense(3).units = 4
    assert replace(Dense(3), units=4) == Dense(4)


def test_a_row_prints_its_width_first_and_what_is_not_a_default():
    assert str(Conv(32, kernel=4, stride=2)) == "Conv(32, kernel=4, stride=2)"
    assert str(Residual((Conv(3), Norm()))) == "Residual((Conv(3), Norm('batch')))"
    assert str(Flatten()) == "Flatten()"
    assert str(Sparsity("l1", rho=0.1)) == "Sparsity('l1', rho=0.1)"


# Refusals


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Conv(0), "Conv: filters must be a whole number of at least 1, got 0"),
        (lambda: Conv(8, kernel=2.5), "Conv: kernel must be a whole number"),
        (lambda: Conv(8, stride=(1, 0)), "Conv: stride must be a whole number of at least 1, got 0"),
        (lambda: Deconv(-1), "Deconv: filters"),
        (lambda: Dense(True), "Dense: units must be a whole number of at least 1, got True"),
        (lambda: Reshape((2, -1)), "Reshape: shape must be a whole number of at least 1, got -1"),
        (lambda: Pool(0), "Pool: size"),
        (lambda: Pool(2, "min"), 'Pool: kind must be "max" or "average", got \'min\''),
        (lambda: Upsample(0), "Upsample: size"),
        (lambda: Norm("instance"), 'Norm: kind must be "batch", "layer" or "group"'),
        (lambda: Norm("group", groups=0), "Norm: groups"),
        (lambda: Dropout(1.0), r"Dropout: rate must lie in \[0, 1\), got 1.0"),
        (lambda: Residual(()), "Residual: rows is empty"),
        (lambda: Vector(0), "Vector: latent_dim must be a whole number of at least 1, got 0"),
        (lambda: Gaussian(-3), "Gaussian: latent_dim must be a whole number of at least 1, got -3"),
        (lambda: ELBO(beta=-1.0), "ELBO: beta must be a number of at least 0"),
        (lambda: ELBO(beta=float("nan")), "ELBO: beta must be a number of at least 0"),
        (lambda: ELBO(beta="linear"), "ELBO: beta must be a number of at least 0"),
        (lambda: ELBO(beta=Ramp(-1.0, 1.0, 5)), "ELBO: beta must be a number of at least 0"),
        (lambda: Sparsity("l2"), 'Sparsity: penalty must be "l1" or "kl", got \'l2\''),
        (lambda: keras_ae.sparse_code(2, "l2"), 'sparse_code: penalty must be "l1" or "kl"'),
        (lambda: keras_ae.sparse_code(2, "kl", rho=0.0), r"sparse_code: rho must lie in \(0, 1\), got 0.0"),
        (lambda: keras_ae.spec("vae").rescheduled(gamma=1.0), "nothing called gamma can be scheduled; vae has beta"),
        (lambda: Sparsity(rho=1.0), r"Sparsity: rho must lie in \(0, 1\), got 1.0"),
        (lambda: Sparsity(strength=float("inf")), "Sparsity: strength must be a number of at least 0"),
        (lambda: Ramp(0.0, 1.0, steps=0), "Ramp: steps"),
        (lambda: Ramp(0.0, 1.0, steps=2, delay=-1), "Ramp: delay must be at least 0, got -1"),
        (lambda: Cycle(0.0, 1.0, period=0), "Cycle: period"),
        (lambda: Cycle(0.0, 1.0, period=4, rise=0.0), r"Cycle: rise must lie in \(0, 1\], got 0.0"),
        (lambda: GaussianNoise(0.0), "GaussianNoise: sigma must be greater than 0"),
        (lambda: SaltAndPepper(1.0), r"SaltAndPepper: rate must lie in \(0, 1\)"),
        (lambda: Masking(0.0), r"Masking: rate must lie in \(0, 1\)"),
        (lambda: keras_ae.Poisson(float("inf")), "Poisson: peak must be greater than 0 and finite, got inf"),
        (lambda: keras_ae.Speckle(-0.1), "Speckle: sigma must be greater than 0"),
        (lambda: keras_ae.Blur(float("nan")), "Blur: sigma must be greater than 0"),
        (lambda: keras_ae.MissingValues(1.5), r"MissingValues: rate must lie in \(0, 1\)"),
        (lambda: keras_ae.MissingValues(fill="median"), 'fill must be "zero", "mean" or "nan", got \'median\''),
        (lambda: keras_ae.JPEG((0, 50)), r"JPEG: quality must lie in \[1, 100\], got \(0, 50\)"),
        (lambda: keras_ae.JPEG(50), r"JPEG: quality must be \(least, greatest\), got 50"),
        (lambda: keras_ae.Chain(()), "Chain: rows must be one corruption row or more"),
        (lambda: keras_ae.Chain((Dense(3),)), "Chain: rows must be one corruption row or more"),
        (lambda: keras_ae.OneOf(()), "OneOf: rows must be one corruption row or more"),
        (
            lambda: keras_ae.Normal("diagonal"),
            r"Normal: variance must be one of \('fixed', 'global', 'sample', 'pixel'\), got 'diagonal'",
        ),
        (lambda: keras_ae.Normal(sigma=0.0), "Normal: sigma must be greater than 0"),
        (lambda: keras_ae.Laplace(-1.0), "Laplace: scale must be greater than 0"),
        (lambda: keras_ae.DiscretizedLogistic(1), "DiscretizedLogistic: levels must be at least 2"),
        (
            lambda: Deconv(8, kernel=4, stride=2, sides=(5, 8)).output_shape((4, 4, 1)),
            r"Deconv\(8, kernel=4, stride=2, sides=\(5, 8\)\) cannot cut \(8, 8\), which it makes of \(4, 4\), to",
        ),
        (lambda: Upsample(2, (9,)).output_shape((4, 1)), r"cannot cut \(8,\), which it makes of \(4,\), to \(9,\)"),
        (
            lambda: Deconv(8, sides=7),
            "Deconv: sides must be None or a tuple with a number for each spatial axis, got 7",
        ),
        (lambda: Conv(8, stride=3, kernel=1).mirror((9, 9, 1), "relu"), "kernel 1 < stride 3 leaves gaps"),
        (lambda: Conv(8).output_shape((8,)), r"Conv\(8\) needs a shape \(steps, channels\)"),
        (lambda: Conv(8).output_shape((2, 2, 2, 2, 1)), r"Conv\(8\) needs a shape"),
        (lambda: Conv(8, kernel=(3, 3)).output_shape((8, 1)), r"Conv\(8, kernel=\(3, 3\)\) names 2 axes"),
        (lambda: Reshape((5, 2)).output_shape((4, 3)), r"Reshape\(\(5, 2\)\) cannot take \(4, 3\): 12 numbers"),
        (lambda: Norm("group", 4).output_shape((6,)), r"Norm\('group', groups=4\): 6 channels do not divide into 4"),
        (
            lambda: Residual((Pool(2),)).output_shape((4, 4, 1)),
            r"Residual: the branch turns \(4, 4, 1\) into \(2, 2, 1",
        ),
        (lambda: Gaussian(2).output_shape((4, 4, 1)), r"Gaussian needs a flat input.*Flatten\(\)"),
        (lambda: row_from_dict({"row": "Convolution"}), "Unknown row 'Convolution' in the spec. Known rows: "),
        (lambda: row_from_dict({"filters": 3}), "Unknown row None"),
        (lambda: row_from_dict({"row": "Dense", "units": 3, "bias": True}), "Row Dense: .*bias.*units"),
        (lambda: row_from_dict({"row": "Dense"}), "Row Dense: .*units"),
    ],
)
def test_what_cannot_be_is_refused_by_name(make, message):
    with pytest.raises(SpecError, match=message):
        make()
