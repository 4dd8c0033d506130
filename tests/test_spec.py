"""`Spec`: tables that agree with what is built, JSON both ways, and refusals that name the row."""

import json
from dataclasses import fields, replace

import numpy as np
import pytest

import keras_ae
from keras_ae import (
    ELBO,
    Activation,
    Conv,
    Deconv,
    Dense,
    Dropout,
    Flatten,
    Gaussian,
    Masking,
    Norm,
    Normal,
    Pool,
    Ramp,
    Reshape,
    Residual,
    Sparsity,
    Spec,
    SpecError,
    Upsample,
    Vector,
    sparse_code,
)
from keras_ae.rows import LIKELIHOODS

IMAGE = Spec((8, 8, 1), (Conv(4, kernel=4, stride=2), Flatten(), Dense(6)), Gaussian(2))

SPECS = {
    "dense": Spec((6,), (Dense(5), Dense(4)), Vector(2), "gaussian"),
    "no rows": Spec((6,), (), Gaussian(2), "laplace"),
    "image": IMAGE,
    "two heads": replace(IMAGE, likelihood="discretized_logistic"),
    "learned variance": replace(IMAGE, likelihood="gaussian_global"),
    "variance of each pixel": Spec((6,), (Norm("layer"), Dense(5)), Vector(2), "gaussian_pixel"),
    "series": Spec(
        (8, 2),
        (Conv(3, kernel=4, stride=2), Norm(), Conv(4), Flatten()),
        sparse_code(7, "kl"),
        objective=Sparsity("kl"),
    ),
    "volume": Spec((4, 4, 4, 1), (Conv(2, kernel=2, stride=2), Pool(2), Flatten()), Vector(3), "laplace"),
    "pools": Spec((8, 8, 3), (Conv(4), Pool(2), Conv(6), Pool(2, "average"), Flatten()), Vector(3)),
    "residual": Spec(
        (4, 4, 2), (Residual((Conv(4), Norm("group", 2), Conv(4)), "relu"), Dropout(0.1), Flatten()), Gaussian(3)
    ),
    "corrupted and scheduled": Spec(
        (6,),
        (Dense(4),),
        Gaussian(2),
        Normal("fixed", 0.2),
        corruption=Masking(0.3),
        objective=ELBO(Ramp(0.0, 1.0, 9)),
    ),
    "own decoder": replace(
        IMAGE,
        decoder=(Dense(16), Reshape((4, 4, 1)), Upsample(2), Conv(2), Norm(), Conv(1, activation="linear")),
    ),
}


@pytest.mark.parametrize("name", SPECS)
def test_the_table_is_that_of_the_built_model(name):
    spec = SPECS[name]
    model = keras_ae.build(spec, seed=0)
    extra = len(model.scheduled)  # Weights of the objective are variables of the model, and no part of the table.
    generators = [weight for weight in model.weights if "seed_generator" in weight.path]
    assert model.count_params() - extra - sum(int(np.prod(weight.shape)) for weight in generators) == spec.parameters
    table = spec.table()
    code = [line for line in table if line[0] == "code"]
    assert (
        [line[2] for line in code] == [(spec.latent_dim,)] == [model.encode(np.zeros((1, *spec.input_shape))).shape[1:]]
    )
    decoder = sum(count for part, _, _, count in table if part in ("decoder", "likelihood"))
    learned = len(model.likelihood.weights)
    assert decoder - learned == model.decoder_logits.count_params()
    assert sum(count for part, _, _, count in table if part in ("encoder", "code")) == model.encoder.count_params()
    shapes = {name: head.shape[1:] for name, head in model.decoder_logits.output.items()}
    assert shapes == dict.fromkeys(spec.likelihood.heads, spec.input_shape)
    assert model.output_shape[1:] == spec.input_shape


@pytest.mark.parametrize("name", SPECS)
def test_a_spec_is_itself_after_json(name):
    spec = SPECS[name]
    again = Spec.from_json(spec.to_json())
    assert again == spec
    assert hash(again) == hash(spec)
    assert again.to_json() == spec.to_json()


@pytest.mark.parametrize("name", SPECS)
def test_json_holds_every_field_of_every_row(name):
    def missing(value):
        if isinstance(value, list):
            return [item for entry in value for item in missing(entry)]
        if not isinstance(value, dict):
            return []
        row = keras_ae.rows.base.ROWS[value["row"]]
        absent = {field.name for field in fields(row)} - set(value)
        return [*absent, *(item for entry in value.values() for item in missing(entry))]

    config = json.loads(SPECS[name].to_json())
    # Written where they are not as ever.
    assert set(config) | {"tied", "inputs"} == {"format", *(field.name for field in fields(Spec))}
    assert not [name for value in config.values() for name in missing(value)]


def test_names_and_types_are_filled_in():
    assert IMAGE.model == "vae"
    assert SPECS["dense"].model == "ae"
    assert SPECS["series"].model == "sparse_ae"
    of_heads = {name: row for name, row in LIKELIHOODS.items() if not row.inputs}
    assert {name: replace(IMAGE, likelihood=name).likelihood for name in of_heads} == of_heads
    assert Spec([8, 8, 1], list(IMAGE.encoder), Gaussian(2)) == IMAGE


def test_the_decoder_is_the_mirror_with_a_linear_end():
    assert IMAGE.decoder_rows == (Dense(6), Dense(64), Reshape((4, 4, 4)), Deconv(1, 4, 2, "linear"))
    for spec in SPECS.values():
        weighted = [row for row in spec.decoder_rows if hasattr(row, "activation")]
        assert weighted[-1].activation == "linear"


def test_rows_on_the_input_are_not_mirrored_at_the_end():
    spec = Spec((6,), (Norm("layer"), Dropout(0.1), Activation("tanh"), Dense(4)), Vector(2))
    assert spec.decoder_rows == (Dense(4), Dense(6, "linear"))
    image = Spec((2, 2, 1), (Norm("layer"), Flatten(), Activation("tanh"), Norm(), Dense(3)), Vector(2))
    assert image.decoder_rows == (Dense(3), Dense(4, "linear"), Reshape((2, 2, 1)))


def test_an_own_decoder_is_kept_and_built():
    spec = SPECS["own decoder"]
    assert spec.decoder_rows == spec.decoder
    assert len(keras_ae.build(spec).decoder_logits.layers) == 1 + len(spec.decoder)


def test_the_printed_table_has_a_line_for_every_row():
    assert str(SPECS["corrupted and scheduled"]).splitlines() == [
        "part        row                                 output shape  parameters",
        "------------------------------------------------------------------------",
        "input                                           (6,)                   0",
        "corruption  Masking(0.3)                        (6,)                   0",
        "encoder     Dense(4)                            (4,)                  28",
        "code        Gaussian(2)                         (2,)                  20",
        "decoder     Dense(4)                            (4,)                  12",
        "decoder     Dense(6, activation='linear')       (6,)                  30",
        "likelihood  Normal('fixed', sigma=0.2)          (6,)                   0",
        "objective   ELBO(Ramp(0.0, stop=1.0, steps=9))                          ",
        "------------------------------------------------------------------------",
        "vae                                                                   90",
    ]


def test_every_scheduled_weight_starts_at_its_schedule():
    model = keras_ae.build(Spec((6,), (), Gaussian(2), objective=ELBO(Ramp(0.25, 1.0, 9))))
    assert {name: float(weight.numpy()) for name, weight in model.scheduled.items()} == {"beta": 0.25}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"input_shape": (7, 8, 1), "decoder": (Dense(16), Reshape((4, 4, 1)), Deconv(1, 4, 2, "linear"))},
            r"the decoder leads from the code to \(8, 8, 1\), not back to \(7, 8, 1\)",
        ),
        ({"encoder": (Conv(4, kernel=1, stride=2), Flatten())}, r"Conv\(4, kernel=1, stride=2\).*leaves gaps"),
        ({"encoder": (Conv(4),)}, r"Gaussian needs a flat input, got \(8, 8, 4\). End the encoder with Flatten\(\)"),
        ({"encoder": (Flatten, Dense(3))}, "encoder must hold layer rows such as Dense"),
        ({"encoder": (Flatten(), Gaussian(2))}, "encoder must hold layer rows"),
        ({"code": Dense(2)}, "code must be a row of that kind, got Dense"),
        ({"code": 16}, "code must be a row of that kind, got 16"),
        ({"corruption": 0.5}, "corruption must be a row of that kind, got 0.5"),
        ({"likelihood": "poisson"}, "Unknown likelihood 'poisson'. Use a likelihood row or one of bernoulli,"),
        ({"input_shape": 784}, "input_shape must be a tuple"),
        ({"input_shape": ()}, "input_shape must be a tuple"),
        ({"input_shape": (8, 8, 0)}, "input_shape must be a whole number of at least 1, got 0"),
        ({"decoder": (Dense(64, "linear"),)}, r"the decoder leads from the code to \(64,\), not back to \(8, 8, 1\)"),
        (
            {"decoder": (Dense(64), Reshape((8, 8, 1)), Conv(1))},
            r"the decoder ends in Conv\(1\). Give its last row activation='linear'",
        ),
        (
            {"decoder": (Dense(64), Reshape((8, 8, 1)))},
            r"the decoder ends in Dense\(64\). Give its last row activation='linear'",
        ),
        ({"code": Gaussian(64), "decoder": (Reshape((8, 8, 1)),)}, "the decoder has no row with weights"),
        (
            {"encoder": (Residual((Conv(4, kernel=4, stride=2),)), Flatten())},
            r"Residual: the branch turns \(8, 8, 1\) into \(4, 4, 4\)",
        ),
        ({"encoder": (Conv(6), Norm("group", 4), Flatten())}, "6 channels do not divide into 4 groups"),
    ],
)
def test_what_cannot_be_built_is_refused_by_name(changes, message):
    with pytest.raises(SpecError, match=message):
        replace(IMAGE, **changes)


def test_json_of_another_format_is_refused():
    config = IMAGE.to_dict()
    with pytest.raises(SpecError, match="not a spec of format 2"):
        Spec.from_dict({**config, "format": 3})
    with pytest.raises(SpecError, match=r"unknown fields \['colour'\]"):
        Spec.from_dict({**config, "colour": 1})
    with pytest.raises(SpecError, match="Unknown row 'Capsule'"):
        Spec.from_dict({**config, "encoder": [{"row": "Capsule", "units": 3}]})
