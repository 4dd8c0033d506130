"""Tied weights: the decoder is the encoder's adjoint, counted, trained and written once."""

import json

import keras
import numpy as np
import pytest
from sklearn.decomposition import PCA

import keras_ae
from keras_ae import (
    Activation,
    Conv,
    Deconv,
    Dense,
    Dropout,
    Flatten,
    Norm,
    Pool,
    Residual,
    Spec,
    SpecError,
    Vector,
    rows,
)

NAMES = ("ae", "conv_ae", "denoising_ae", "conv_denoising_ae", "sparse_ae", "conv_sparse_ae")
SHAPES = [(28, 28, 1), (9, 14, 2), (23, 3)]


def linear(*encoder, shape=(12, 10, 3), units=5) -> Spec:
    return Spec(shape, encoder, Vector(units), "gaussian", tied=True)


def data(shape, count=64) -> np.ndarray:
    return np.random.default_rng(0).random((count, *shape), dtype="float32")


@pytest.mark.parametrize("name", NAMES)
def test_the_table_counts_what_the_model_has(name):
    spec, loose = (keras_ae.spec(name, tied=tied) for tied in (True, False))
    model = keras_ae.build(spec, seed=0)
    assert spec.parameters == sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    assert 0.5 < spec.parameters / loose.parameters < 0.51
    both = {id(weight) for weight in model.encoder.weights} & {id(weight) for weight in model.decoder.weights}
    assert len(both) == len(model.encoder.weights) / 2


@pytest.mark.parametrize(
    "encoder",
    [
        (Flatten(), Dense(9, "linear")),
        (Conv(4, kernel=4, stride=2, activation="linear"), Conv(5, kernel=3, activation="linear"), Flatten()),
        (Conv(4, kernel=(5, 3), stride=(3, 2), activation="linear"), Flatten()),
        (Deconv(4, kernel=4, stride=2, activation="linear"), Conv(5, 3, 3, activation="linear"), Flatten()),
        (Dense(7, "linear"), Flatten()),
    ],
    ids=["dense", "conv", "uneven", "deconv", "dense of the last axis"],
)
def test_a_linear_decoder_is_the_adjoint_of_its_encoder(encoder):
    model = keras_ae.build(linear(*encoder), seed=0)
    x, z = data((12, 10, 3), 3), data((5,), 3)
    left = (np.asarray(model.encode(x)) * z).sum(1)
    right = (x * model.decode(z)).reshape(3, -1).sum(1)
    np.testing.assert_allclose(left, right, rtol=1e-4, atol=1e-5)


def test_a_linear_tied_model_finds_the_subspace_of_pca():
    generator = np.random.default_rng(0)
    x = generator.normal(size=(512, 3)) @ generator.normal(size=(3, 8)) + 0.1 * generator.normal(size=(512, 8))
    x = (x - x.mean(0)).astype("float32")
    model = keras_ae.build(
        Spec((8,), (), Vector(3), "gaussian", tied=True), optimizer=keras.optimizers.Adam(0.02), seed=0
    )
    model.fit(x, batch_size=128, epochs=100, verbose=0)
    pca = PCA(3).fit(x)
    best = np.mean((x - pca.inverse_transform(pca.transform(x))) ** 2)
    assert np.mean((x - model.reconstruct(x)) ** 2) == pytest.approx(best, rel=0.01)
    # At the optimum W has orthonormal columns that span the components (Baldi & Hornik 1989).
    kernel = np.asarray(model.encoder.trainable_weights[0])
    np.testing.assert_allclose(kernel @ kernel.T, pca.components_.T @ pca.components_, atol=0.03)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_model_trains_and_comes_back_from_a_file(name, shape, tmp_path):
    x = data(shape, 32)
    model = keras_ae.build(name, input_shape=shape, tied=True, seed=0)
    before = [np.array(weight) for weight in model.trainable_weights]
    losses = model.fit(x, epochs=3, batch_size=16, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    assert all(np.any(np.array(weight) != old) for weight, old in zip(model.trainable_weights, before, strict=True))
    model.save(tmp_path / "model.keras")
    again = keras_ae.load_model(tmp_path / "model.keras")
    assert again.spec == model.spec
    np.testing.assert_allclose(again.reconstruct(x), model.reconstruct(x), atol=1e-6)
    model.save_weights(tmp_path / "model.weights.h5")
    other = keras_ae.build(name, input_shape=shape, tied=True, seed=1)
    other.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_allclose(other.reconstruct(x), model.reconstruct(x), atol=1e-6)


def test_a_file_has_each_kernel_once_and_no_other_file_fits(tmp_path):
    tied, loose = (keras_ae.build("ae", tied=value, seed=0) for value in (True, False))
    tied.save_weights(tmp_path / "tied.weights.h5")
    loose.save_weights(tmp_path / "loose.weights.h5")
    sizes = [(tmp_path / f"{name}.weights.h5").stat().st_size for name in ("tied", "loose")]
    assert sizes[0] < 0.55 * sizes[1]
    with pytest.raises(ValueError, match=r"loose\.weights\.h5"):
        tied.load_weights(tmp_path / "loose.weights.h5")
    with pytest.raises(ValueError, match=r"tied\.weights\.h5"):
        loose.load_weights(tmp_path / "tied.weights.h5")


def test_the_parts_alone_have_what_they_need(tmp_path):
    model = keras_ae.build("conv_ae", input_shape=(9, 14, 2), tied=True, seed=0)
    x = data((9, 14, 2), 4)
    for part, given in ((model.encoder, x), (model.decoder, model.encode(x))):
        part.save(tmp_path / "part.keras")
        alone = keras.saving.load_model(tmp_path / "part.keras")
        found, wanted = (each.predict(given, verbose=0) for each in (alone, part))
        np.testing.assert_allclose(
            *(each["z"] if isinstance(each, dict) else each for each in (found, wanted)), atol=1e-6
        )


def test_rows_without_a_kernel_stand_between():
    encoder = (Conv(8, 4, 2), Norm("batch"), Dropout(0.1), Activation("gelu"), Pool(2), Flatten(), Dense(16))
    spec = linear(*encoder, shape=(16, 16, 1))
    model = keras_ae.build(spec, seed=0)
    losses = model.fit(data((16, 16, 1)), epochs=4, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    assert str(spec).count(", tied") == 3


def test_hidden_layers_of_another_type_share_their_kernels_too():
    model = keras_ae.build("ae", input_shape=(20,), tied=True, dtype="mixed_bfloat16", seed=0)
    losses = model.fit(data((20,)), epochs=4, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


def test_specs_are_json_both_ways_and_old_ones_stay_as_they_were():
    spec = keras_ae.spec("ae", tied=True)
    assert Spec.from_json(spec.to_json()) == spec
    assert json.loads(spec.to_json())["tied"] is True
    assert "tied" not in keras_ae.spec("ae").to_dict()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"code": rows.Gaussian(4)}, "two heads"),
        ({"decoder": (Dense(20, "linear"),)}, "mirrored decoder"),
        ({"encoder": (Residual((Dense(20),)),)}, "Residual"),
        ({"likelihood": "gaussian_pixel"}, "2 heads"),
        ({"tied": 1}, "True or False"),
        ({"tied": "yes"}, "True or False"),
    ],
    ids=str,
)
def test_what_cannot_be_tied_is_refused(options, sentence):
    with pytest.raises(SpecError, match=sentence):
        Spec(
            **{
                "input_shape": (20,),
                "encoder": (Dense(8),),
                "code": Vector(4),
                "likelihood": "gaussian",
                "tied": True,
            }
            | options
        )


def test_a_variational_model_says_where_weights_are_tied():
    with pytest.raises(ValueError, match="tied=True of Spec"):
        keras_ae.build("vae", tied=True)
