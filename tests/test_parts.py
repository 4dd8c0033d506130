"""The encoder and the decoder of a model are what `posterior` and `decode` compute."""

import keras
import numpy as np
import pytest

import keras_ae
from keras_ae import Conv, Dense, Flatten, Gaussian, Spec, Vector

BYTES = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 1), dtype=np.uint8)
FLOATS = BYTES.astype("float32") / 255
SPECS = {
    "vae": Spec((8, 8, 1), (Conv(4, 4, 2), Flatten()), Gaussian(3)),
    "ae": Spec((8, 8, 1), (Flatten(), Dense(8)), Vector(3), "gaussian_global"),
    "two heads": Spec((8, 8, 1), (Flatten(), Dense(8)), Vector(3), "gaussian_pixel"),
}


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("x", [BYTES, FLOATS], ids=["bytes", "floats"])
@pytest.mark.parametrize("dtype", [None, "mixed_bfloat16"])
def test_parts_give_what_the_methods_give(spec, x, dtype):
    model = keras_ae.build(SPECS[spec], seed=0, dtype=dtype)
    for found in (model.encoder.predict(x, verbose=0), model.encoder(x)):
        for name, expected in model.posterior(x).items():
            np.testing.assert_allclose(keras.ops.convert_to_numpy(found[name]), expected, atol=1e-5)
    z = model.encode(x)
    for found in (model.decoder.predict(z, verbose=0), model.decoder(z)):
        np.testing.assert_allclose(keras.ops.convert_to_numpy(found), model.decode(z), atol=1e-5)
    assert model.decoder is model.decoder


def test_asking_for_a_part_changes_nothing_of_the_model(tmp_path):
    model = keras_ae.build(SPECS["vae"], seed=0)
    before = [variable.path for variable in model.variables]
    model.decoder.predict(model.encode(FLOATS), verbose=0)
    assert [variable.path for variable in model.variables] == before
    model.save_weights(tmp_path / "x.weights.h5")
    other = keras_ae.build(SPECS["vae"], seed=1)
    other.load_weights(tmp_path / "x.weights.h5")
    assert np.array_equal(other.encode(FLOATS), model.encode(FLOATS))


def test_raw_heads_are_what_the_likelihood_takes():
    model = keras_ae.build(SPECS["two heads"], seed=0)
    heads = model.decoder_logits(model.encode(FLOATS))
    assert {name: tuple(head.shape) for name, head in heads.items()} == dict.fromkeys(["loc", "log_var"], (6, 8, 8, 1))
    expected = keras.ops.convert_to_numpy(heads["loc"])
    np.testing.assert_allclose(model.decode(model.encode(FLOATS)), expected, atol=1e-6)
