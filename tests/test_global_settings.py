"""Keras' global settings, set before a model is built: right, or refused in words."""

import keras
import numpy as np
import pytest

import keras_ae

X = np.random.default_rng(0).random((8, 16, 16, 1)).astype("float32")


@pytest.fixture
def channels_first():
    keras.config.set_image_data_format("channels_first")
    yield
    keras.config.set_image_data_format("channels_last")


@pytest.fixture(params=["mixed_float16", "mixed_bfloat16"])
def policy(request):
    keras.config.set_dtype_policy(request.param)
    yield request.param
    keras.config.set_dtype_policy("float32")


@pytest.mark.parametrize("name", keras_ae.list_models())
def test_channels_are_last_whatever_the_setting(name, channels_first, tmp_path):
    model = keras_ae.build(name, input_shape=(16, 16, 1), seed=0)
    x = np.round(9 * X) if model.spec.likelihood.is_whole else X
    beside = {row.name: row.drawn(len(x), np.random.default_rng(0)) for row in model.spec.inputs}
    model.fit(x, **beside, verbose=0)
    assert model.reconstruct(x, **beside).shape == x.shape
    model.save(tmp_path / "model.keras")
    loaded = keras_ae.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded.reconstruct(x, **beside), model.reconstruct(x, **beside), atol=1e-6, rtol=1e-6)


def test_rows_of_every_kind_have_their_channels_last(channels_first):
    from keras_ae import Conv, Dense, Flatten, Norm, Pool, Spec, Vector

    rows = (
        Conv(4, 3),
        Norm("group", 2),
        Pool(2),
        Norm("batch"),
        Pool(3, "average"),
        Norm("layer"),
        Flatten(),
        Dense(5),
    )
    for shape in ((12, 2), (12, 8, 2), (6, 7, 8, 2)):
        x = np.random.default_rng(0).random((3, *shape), dtype="float32")
        model = keras_ae.build(Spec(shape, rows, Vector(2), "gaussian"), seed=0)
        found = model.reconstruct(x)
        keras.config.set_image_data_format("channels_last")
        other = keras_ae.build(Spec(shape, rows, Vector(2), "gaussian"), seed=0)
        keras.config.set_image_data_format("channels_first")
        assert found.shape == x.shape
        np.testing.assert_allclose(found, other.reconstruct(x), atol=1e-5)


@pytest.mark.parametrize("name", ["vae", "conv_vae", "conv_denoising_ae"])
def test_a_global_policy_is_that_of_the_hidden_layers(name, policy):
    model = keras_ae.build(name, input_shape=(16, 16, 1), seed=0)
    assert model.policy.name == policy
    assert np.isfinite(model.fit(X, epochs=2, verbose=0).history["loss"]).all()
    assert model.reconstruct(X).dtype == "float32"


@pytest.mark.parametrize("kind", ["float64", "float16", "bfloat16"])
def test_another_floatx_is_refused_in_words(kind):
    keras.config.set_floatx(kind)
    try:
        with pytest.raises(ValueError, match=rf"Keras' floatx is '{kind}'.*keras\.config\.set_floatx"):
            keras_ae.build("vae")
    finally:
        keras.config.set_floatx("float32")
