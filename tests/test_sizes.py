"""Sides of any length: odd, prime, non-square; convolutions and pools are mirrored exactly, alike on every backend.

Run as a script, `python test_sizes.py FILE`, it writes the reconstructions of `SHAPES` from weights of NumPy's.
"""

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

import keras_ae
from keras_ae import Conv, Deconv, Dense, Flatten, Norm, Pool, Reshape, Residual, Spec, SpecError, Upsample, Vector
from keras_ae.rows import shapes

# Each with the nearest power of two.
SHAPES = {
    (250, 250, 3): (256, 256, 3),
    (45, 30, 1): (32, 32, 1),
    (31, 31, 1): (32, 32, 1),
    (101, 2): (128, 2),
    (9, 10, 11, 1): (8, 8, 8, 1),
}
OTHERS = ("tensorflow", "jax", "torch")
UNEVEN = [
    Spec((31, 17, 2), (Conv(3, 4, 2), Pool(2), Conv(4, 5, 3), Flatten()), Vector(5), "gaussian"),
    Spec((29, 3), (Pool(2, "average"), Conv(4, 4, 2), Pool(3), Flatten(), Dense(6)), Vector(5), "gaussian"),
    Spec((5, 7, 9, 1), (Conv(2, (4, 3, 5), (2, 1, 3)), Pool((2, 3, 2), "average"), Flatten()), Vector(5), "gaussian"),
    Spec(
        (13, 11, 2),
        (Residual((Conv(4, 4, 2), Norm(), Conv(4, 4, 2), Deconv(4, 4, 2), Deconv(2, 4, 2))), Conv(4, 4, 2), Flatten()),
        Vector(5),
        "gaussian_pixel",
    ),
]


def filled(spec):
    """The built model with weights that NumPy draws, the same on every backend."""
    model, draw = keras_ae.build(spec, seed=0), np.random.default_rng(0)
    for weight in model.weights:
        if "seed_generator" not in weight.path and len(weight.shape) > 1:
            size = 1 / np.sqrt(np.prod(weight.shape[:-1]))
            weight.assign(draw.uniform(-size, size, weight.shape).astype("float32"))
    return model


def samples(shape, n=2):
    return np.random.default_rng(1).random((n, *shape), dtype="float32")


def reconstructions() -> list[np.ndarray]:
    named = [keras_ae.spec("conv_vae", input_shape=shape) for shape in SHAPES]
    return [filled(spec).reconstruct(samples(spec.input_shape)) for spec in [*named, *UNEVEN]]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_parameters_are_within_three_times_those_of_the_nearest_power_of_two(shape):
    ours, theirs = (keras_ae.spec("conv_vae", input_shape=each).parameters for each in (shape, SHAPES[shape]))
    assert 1 / 3 <= ours / theirs <= 3


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_named_models_of_any_sides_train_and_give_their_sides_back(shape):
    model, x = keras_ae.build("conv_vae", input_shape=shape, seed=0), samples(shape)
    assert model.count_params() == model.spec.parameters + 1  # The weight of the KL.
    assert model.reconstruct(x).shape == x.shape
    assert np.isfinite(model.train_on_batch(x)).all()


@pytest.mark.parametrize("side", range(8, 34))
def test_every_side_from_eight_on_suits_every_convolutional_model(side):
    for name in keras_ae.list_models("conv_*"):
        for shape in ((side, 1), (side, side + 5, 1), (8, side, 9, 2)):
            spec = keras_ae.spec(name, input_shape=shape)
            assert shapes(spec.decoder_rows, (spec.latent_dim,))[-1] == shape


@pytest.mark.parametrize(
    ("shape", "halvings"),
    [
        *(((28, 28, 1), 2), ((32, 32, 3), 3), ((64, 64, 1), 4), ((20, 20, 1), 2), ((24, 24, 1), 3), ((22, 22, 1), 1)),
        *(((30, 30, 1), 1), ((64, 28, 1), 2), ((6, 6, 1), 1), ((128, 4), 4), ((16, 16, 16, 1), 2)),
    ],
    ids=str,
)
def test_networks_of_even_sides_stay_as_they_were(shape, halvings):
    convolutions = keras_ae.spec("conv_ae", input_shape=shape).encoder[:-2]
    widths = (32, 64, 128, 256)[:halvings]
    assert convolutions == tuple(Conv(width, kernel=4, stride=2, activation="silu") for width in widths)


@pytest.mark.parametrize("spec", UNEVEN, ids=lambda spec: str(spec.input_shape))
def test_mirrored_rows_lead_back_to_sides_that_strides_do_not_divide(spec):
    assert Spec.from_json(spec.to_json()) == spec
    model, x = keras_ae.build(spec, seed=0), samples(spec.input_shape)
    assert model.count_params() == spec.parameters
    assert model.reconstruct(x).shape == x.shape
    assert np.isfinite(model.train_on_batch(x)).all()


@pytest.mark.parametrize(("kernel", "stride"), [(4, 2), (2, 2), (5, 3), (3, 3), (6, 4), (3, 2), (5, 2), (4, 3), (3, 1)])
@pytest.mark.parametrize("sides", [(7,), (10,), (11, 8), (5, 6, 7)], ids=str)
def test_the_mirror_of_a_convolution_is_its_adjoint(sides, kernel, stride):
    """<conv(x), y> = <x, deconv(y)> for one kernel, which holds at one place of the cut alone."""
    row, shape = Conv(3, kernel, stride, "linear"), (*sides, 2)
    back = row.mirror(shape, "linear")
    after = row.output_shape(shape)
    size = int(np.prod(after))
    spec = Spec(shape, (row, Flatten()), Vector(2), "gaussian", (Dense(size), Reshape(after), back))
    model = keras_ae.build(spec, seed=0)
    conv = next(layer for layer in model.encoder.layers if layer.name.startswith("conv"))
    deconv, *cut = model.decoder_logits.layers[3:]
    deconv.kernel.assign(conv.kernel)
    x, y = samples(shape), samples(after)
    led_back = deconv(y)
    for layer in cut:
        led_back = layer(led_back)
    forth, back = (ops.convert_to_numpy(each).astype("float64") for each in (conv(x), led_back))
    np.testing.assert_allclose((forth * y).sum(), (x * back).sum(), rtol=1e-5)


@pytest.mark.parametrize("kind", ["max", "average"])
@pytest.mark.parametrize(("shape", "size"), [((7, 5, 2), (2, 3)), ((5, 1), (4,)), ((3, 4, 5, 1), (2, 2, 2))], ids=str)
def test_pools_of_uneven_sides_count_real_values_alone(shape, size, kind):
    x = samples(shape) - 0.7
    spec = Spec(shape, (Pool(size, kind), Flatten()), Vector(2), "gaussian")
    pool = keras_ae.build(spec, seed=0).encoder.layers[1]
    found = ops.convert_to_numpy(pool(x))
    assert found.shape[1:] == Pool(size, kind).output_shape(shape)
    for place in np.ndindex(*found.shape[1:-1]):
        block = x[:, *(slice(at * by, at * by + by) for at, by in zip(place, size, strict=True))]
        value = (np.max if kind == "max" else np.mean)(block, axis=tuple(range(1, len(shape))))
        np.testing.assert_allclose(found[:, *place], value, rtol=1e-5)
    again = type(pool).from_config(pool.get_config())
    np.testing.assert_array_equal(ops.convert_to_numpy(again(x)), found)


def test_rows_of_todays_specs_print_as_before():
    assert str(Deconv(1, 4, 2)) == "Deconv(1, kernel=4, stride=2)"
    assert str(Upsample(3)) == "Upsample(3)"
    assert str(Conv(4, 4, 2).mirror((7, 8, 1), "relu")) == "Deconv(1, kernel=4, stride=2, sides=(7, 8))"
    old = {"row": "Deconv", "filters": 1, "kernel": 4, "stride": 2, "activation": "relu"}
    assert keras_ae.rows.row_from_dict(old) == Deconv(1, 4, 2)


def test_a_branch_that_ends_elsewhere_for_another_reason_is_refused():
    for rows in ((Upsample(2),), (Deconv(1, 4, 2),), (Conv(1, 4, 2),), (Deconv(1, 4, 2), Conv(1, 5, 3))):
        with pytest.raises(SpecError, match="Residual: the branch turns"):
            Residual(rows).output_shape((7, 5, 1))


def test_the_page_on_sizes_has_the_numbers_of_the_specs():
    page = (Path(__file__).parent.parent / "docs" / "sizes.md").read_text()
    for shape, even in SHAPES.items():
        named = [" x ".join(map(str, each)) for each in (shape, even)]
        counts = [keras_ae.spec("conv_vae", input_shape=each).parameters for each in (shape, even)]
        assert f"| {named[0]} | {counts[0]:,} | {named[1]} | {counts[1]:,} |" in page


def test_a_dense_row_of_too_many_weights_is_warned_of_with_its_count(monkeypatch):
    monkeypatch.setattr(sys.modules["keras_ae.spec"], "HUGE", 1000)
    with pytest.warns(UserWarning, match=r"decoder's row Dense\(100, .*\) has 3,300 weights at input_shape=\(100,\)"):
        keras_ae.build(Spec((100,), (Dense(32),), Vector(2), "gaussian"))


def test_huge_rows_are_those_of_over_fifty_million_weights():
    spec = keras_ae.spec("conv_vae", input_shape=(512, 512, 1))
    assert [count for _, _, count in spec.huge_rows()] == [67_109_120, 67_371_008]
    assert not keras_ae.spec("conv_vae", input_shape=(250, 250, 3)).huge_rows()


@pytest.mark.parametrize("name", keras_ae.list_models())
@pytest.mark.parametrize("shape", [(None, 1), (None, None, 1), (28, None, 3), (None,)], ids=str)
def test_a_side_of_no_length_is_refused_in_words(name, shape):
    with pytest.raises(SpecError, match=r"input_shape=.*None.* has a side of no fixed length.*Give each side a number"):
        keras_ae.build(name, input_shape=shape)


def test_a_spec_and_a_denoising_network_refuse_a_side_of_no_length():
    with pytest.raises(SpecError, match="side of no fixed length"):
        Spec((None, 3), (Flatten(),), Vector(2))
    with pytest.raises(SpecError, match="side of no fixed length"):
        keras_ae.denoising_spec((None, None, 1))


@pytest.mark.slow  # 35 million weights, in a process for each backend.
@pytest.mark.parametrize("other", [name for name in OTHERS if name != keras.backend.backend()])
def test_uneven_sides_are_equal_on_every_backend(other, tmp_path):
    pytest.importorskip(other)
    file = tmp_path / "there.npz"
    environment = {**os.environ, "KERAS_BACKEND": other}
    subprocess.run([sys.executable, __file__, str(file)], check=True, env=environment, capture_output=True)
    with np.load(file) as there:
        for index, here in enumerate(reconstructions()):
            np.testing.assert_allclose(here, there[f"arr_{index}"], atol=1e-5)


if __name__ == "__main__":
    np.savez(sys.argv[1], *reconstructions())
