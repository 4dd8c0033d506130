import keras
import numpy as np
import pytest

import keras_ae
from keras_ae.feeding import ArrayBatches, EndlessBatches, fed, fed_fit, scaled

BYTES = np.random.default_rng(0).integers(0, 256, (20, 4, 4, 1), dtype=np.uint8)
FLOATS = BYTES.astype("float32") / 255


def built():
    return keras_ae.build("vae", input_shape=(4, 4, 1), latent_dim=2, seed=0)


def test_bytes_are_scaled_and_all_else_is_left():
    np.testing.assert_allclose(keras.ops.convert_to_numpy(scaled(BYTES)), FLOATS, rtol=1e-6)
    assert scaled(FLOATS) is FLOATS


def test_bytes_train_as_their_floats():
    histories = []
    for x in (BYTES, FLOATS):
        keras.utils.set_random_seed(0)
        model = built()
        history = model.fit(x, batch_size=8, epochs=2, validation_data=x[:8], verbose=0).history
        keras.utils.set_random_seed(0)
        histories.append(history | {"evaluated": [model.evaluate(x, x, verbose=0, return_dict=True)["nll"]]})
    for name in ("loss", "val_loss", "evaluated"):
        assert histories[0][name] == pytest.approx(histories[1][name], rel=1e-4)


@pytest.mark.parametrize(
    "method", ["predict", "encode", "reconstruct", "reconstruction_error", "score_samples", "call"]
)
def test_bytes_are_read_as_their_floats(method):
    model = built()
    function = (lambda x: keras.ops.convert_to_numpy(model(x))) if method == "call" else getattr(model, method)
    np.testing.assert_allclose(function(BYTES), function(FLOATS), rtol=1e-4, atol=1e-5)


def test_bytes_are_corrupted_as_their_floats():
    model = keras_ae.build("denoising_ae", input_shape=(4, 4, 1), latent_dim=2, seed=0)
    np.testing.assert_allclose(model.corrupt(BYTES), model.corrupt(FLOATS), rtol=1e-5, atol=1e-6)


def test_a_pass_has_every_sample_once_in_a_new_order():
    x = np.arange(10, dtype="float32")[:, None]
    batches = ArrayBatches((x, -x), 4, shuffle=True)
    orders = []
    for _ in range(2):
        batches.on_epoch_begin()
        pairs = [batches[index] for index in range(len(batches))]
        assert [len(a) for a, _ in pairs] == [4, 4, 2]
        assert all(np.array_equal(a, -b) for a, b in pairs)
        orders.append(np.concatenate([a[:, 0] for a, _ in pairs]))
    assert all(np.array_equal(np.sort(order), np.arange(10)) for order in orders)
    assert not np.array_equal(*orders)


def test_batches_in_order_and_the_validation_split_are_views():
    assert np.shares_memory(fed(FLOATS, None, None, 8)["x"][1][0], FLOATS)
    found = fed_fit(FLOATS, FLOATS, None, 8, validation_split=0.25, shuffle=False)
    assert "validation_split" not in found
    for batches, rows in ((found["x"], slice(0, 15)), (found["validation_data"], slice(15, 20))):
        assert all(np.shares_memory(array, FLOATS) for array in batches.arrays)
        np.testing.assert_array_equal(batches.arrays[0], FLOATS[rows])


def test_what_needs_keras_own_batches_gets_them():
    assert fed_fit(FLOATS, None, None, 8, shuffle="batch")["x"] is FLOATS


def test_epochs_of_some_steps_go_on_where_the_last_one_ended():
    """Two epochs of three steps, of two batches each pass, are three passes."""
    codes = []
    for options in ({"epochs": 3}, {"epochs": 2, "steps_per_epoch": 3}):
        model = built()
        model.fit(FLOATS[:16], batch_size=8, shuffle=False, verbose=0, **options)
        codes.append(model.encode(FLOATS))
    np.testing.assert_allclose(*codes, atol=1e-6)


def test_endless_passes_have_every_sample_once_in_a_new_order():
    x = np.arange(10, dtype="float32")[:, None]
    orders = []
    for _ in range(2):
        batches = EndlessBatches((x,), 4, shuffle=True, seed=0)
        orders.append([np.concatenate([batches[3 * turn + i][0] for i in range(3)])[:, 0] for turn in range(2)])
    assert all(np.array_equal(np.sort(order), np.arange(10)) for order in orders[0])
    assert not np.array_equal(*orders[0])
    np.testing.assert_array_equal(*orders)


def test_arrays_of_several_lengths_are_refused():
    with pytest.raises(ValueError, match=r"x has 20 samples and its target 3\. Give one target for each sample"):
        built().fit(FLOATS, FLOATS[:3])


def test_weights_without_a_target_reach_the_loss():
    weights = np.zeros(20, "float32")
    weights[:4] = 1
    model = keras_ae.build("ae", input_shape=(4, 4, 1), latent_dim=2, seed=0)
    some = model.evaluate(FLOATS, sample_weight=weights, verbose=0, return_dict=True)
    assert some["loss"] == pytest.approx(model.evaluate(FLOATS[:4], verbose=0, return_dict=True)["loss"], rel=1e-5)
