"""Features of any layer of an encoder, and classifiers that begin as one."""

import keras
import numpy as np
import pytest

import keras_ae
from keras_ae import Conv, Dense, Flatten, Norm, Spec, Vector, fine_tuning

RNG = np.random.default_rng(0)
SPEC = Spec((8, 6, 1), (Conv(3, kernel=2, stride=2), Norm("batch"), Flatten(), Dense(5, "silu")), Vector(2), "gaussian")
LABELS = np.arange(40) % 2
X = (0.6 * RNG.random((40, 8, 6, 1)) + 0.4 * LABELS[:, None, None, None]).astype("float32")


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    found = keras_ae.build(SPEC, seed=0)
    found.fit(X, epochs=2, batch_size=10, verbose=0)
    return found


def test_without_a_layer_features_are_codes(model):
    np.testing.assert_allclose(model.features(X), model.encode(X), rtol=1e-4, atol=1e-5)
    vae = keras_ae.build("vae", input_shape=(8, 6, 1), latent_dim=3, seed=0)
    np.testing.assert_allclose(vae.features(X), vae.encode(X), rtol=1e-4, atol=1e-5)


def test_the_code_is_a_linear_map_of_the_layer_before_it(model):
    kernel, bias = model.encoder.get_layer("z_4").get_weights()
    hidden = model.features(X, layer="dense_3", batch_size=16)
    np.testing.assert_allclose(hidden @ kernel + bias, model.encode(X), rtol=1e-4, atol=1e-5)


def test_a_grid_averages_over_regions_of_the_map(model):
    maps = model.features(X, layer="norm_1").reshape(40, 4, 3, 3)
    assert model.encoder.get_layer("norm_1").output.shape == (None, 4, 3, 3)
    whole = model.features(X, layer="norm_1", grid=1)
    np.testing.assert_allclose(whole, maps.mean(axis=(1, 2)), rtol=1e-4, atol=1e-5)
    quarters = model.features(X, layer="norm_1", grid=2).reshape(40, 2, 2, 3)
    expected = maps[:, 2:, :2].mean(axis=(1, 2))  # The middle one of three columns is on both sides.
    np.testing.assert_allclose(quarters[:, 1, 0], expected, rtol=1e-4, atol=1e-5)


def test_features_of_series_are_averaged_along_them():
    series = keras_ae.build(Spec((8, 2), (Conv(3, kernel=2, stride=2), Flatten()), Vector(2), "gaussian"), seed=0)
    x = RNG.normal(size=(5, 8, 2))
    maps = series.features(x, layer="conv_0").reshape(5, 4, 3)
    found = series.features(x, layer="conv_0", grid=2)
    np.testing.assert_allclose(found.reshape(5, 2, 3)[:, 0], maps[:, :2].mean(axis=1), rtol=1e-4, atol=1e-5)


def test_bytes_are_scaled(model):
    as_bytes = np.round(255 * X).astype("uint8")
    scaled = model.features(as_bytes / 255, layer="dense_3")
    np.testing.assert_allclose(model.features(as_bytes, layer="dense_3"), scaled, rtol=1e-4, atol=1e-5)
    probe = fine_tuning.classifier(model, 2, seed=0)
    np.testing.assert_allclose(probe.predict(as_bytes, verbose=0), probe.predict(as_bytes / 255, verbose=0), atol=1e-5)


def test_a_frozen_encoder_stays_and_its_classifier_is_a_linear_probe(model):
    before = model.encoder.get_weights()
    adam = keras.optimizers.Adam(0.05)
    probe = fine_tuning.classifier(model, 2, layer="flatten_2", freeze=True, optimizer=adam, seed=0)
    probe.fit(X, LABELS, batch_size=20, epochs=25, verbose=0)
    for old, kept in zip(before, model.encoder.get_weights(), strict=True):
        np.testing.assert_array_equal(old, kept)
    for old, new in zip(before, probe.encoder.get_weights(), strict=False):  # The code's own layer is above it.
        np.testing.assert_array_equal(old, new)
    kernel, bias = probe.head.get_weights()
    hidden = model.features(X, layer="flatten_2")
    np.testing.assert_allclose(probe.predict(X, verbose=0), hidden @ kernel + bias, rtol=1e-3, atol=1e-4)
    assert (probe.labels(X) == LABELS).mean() > 0.9


def test_a_classifier_is_saved_whole(model, tmp_path):
    probe = fine_tuning.classifier(model, 2, seed=0)
    with pytest.raises(ValueError, match=r"save takes a name that ends in \.keras, not .*probe\.h5"):
        probe.save(tmp_path / "probe.h5")
    assert list(tmp_path.iterdir()) == []
    probe.save(tmp_path / "probe.keras")
    x = np.random.default_rng(0).random((5, *model.spec.input_shape), dtype="float32")
    loaded = keras_ae.load_model(tmp_path / "probe.keras")
    np.testing.assert_allclose(loaded.predict(x, verbose=0), probe.predict(x, verbose=0), atol=1e-6)
    damaged = bytearray((tmp_path / "probe.keras").read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (tmp_path / "probe.keras").write_bytes(damaged)
    with pytest.raises(OSError, match=r"probe\.keras"):
        keras_ae.load_model(tmp_path / "probe.keras")


def test_fine_tuning_changes_the_copy_and_not_the_model(model, tmp_path):
    before, codes = model.encoder.get_weights(), model.encode(X)
    tuned = fine_tuning.classifier(model, 2, layer="dense_3", optimizer=keras.optimizers.Adam(0.02), seed=0)
    history = tuned.fit(X, LABELS, batch_size=20, epochs=15, validation_data=(X, LABELS), verbose=0).history
    assert history["loss"][-1] < 0.5 * history["loss"][0] and "val_accuracy" in history
    assert not np.allclose(tuned.encoder.get_layer("conv_0").get_weights()[0], before[0])
    np.testing.assert_array_equal(model.encode(X), codes)
    tuned.save(tmp_path / "tuned.keras")
    loaded = keras.saving.load_model(tmp_path / "tuned.keras")
    np.testing.assert_allclose(loaded.predict(X, verbose=0), tuned.predict(X, verbose=0), rtol=1e-5, atol=1e-6)
    assert loaded.spec == SPEC and loaded.layer == "dense_3"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layer": "conv_9"}, r"no layer 'conv_9'\. It has conv_0, norm_1"),
        ({"grid": 2}, r"grid=2 must be from 1 to the sides of a map, and the code has shape \(2,\)"),
        ({"layer": "norm_1", "grid": 4}, r"grid=4 must .* layer 'norm_1' has shape \(4, 3, 3\)"),
        ({"layer": "norm_1", "grid": 0}, "grid=0 must be from 1"),
    ],
)
def test_layers_that_are_not_there_are_refused(model, options, message):
    with pytest.raises(ValueError, match=message):
        model.features(X, **options)
    with pytest.raises(ValueError, match=message):
        fine_tuning.classifier(model, 2, **options)


def test_data_that_cannot_be_taken_are_refused(model):
    probe = fine_tuning.classifier(model, 2)
    for x, message in ((X[..., 0], "Add the channel axis"), (np.where(X > 0.9, np.nan, X), "NaN or inf")):
        with pytest.raises(ValueError, match=message):
            model.features(x)
        with pytest.raises(ValueError, match=message):
            probe.fit(x, LABELS)
    for y, message in (
        (LABELS[:3], r"one label a sample, \(40,\)"),
        (LABELS + 1, r"whole numbers in \[0, 2\), not int64, 1 to 2"),
        (LABELS.astype("float32"), "whole numbers"),
    ):
        with pytest.raises(ValueError, match=message):
            probe.fit(X, y)
    with pytest.raises(ValueError, match="classes must be at least 2"):
        fine_tuning.classifier(model, 1)
