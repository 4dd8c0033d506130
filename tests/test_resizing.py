"""Networks of convolutions whose code is the feature map take samples of other sides."""

import numpy as np
import pytest

import keras_ae
from keras_ae import Conv, Dense, Flatten, GaussianNoise, Identity, Spec

RNG = np.random.default_rng(0)


def unet(shape=(16, 16, 1)):
    model = keras_ae.build(keras_ae.denoising_spec(shape, GaussianNoise(0.3), widths=(4, 8)), seed=0)
    for variable in model.trainable_variables:
        variable.assign(variable.numpy() + 0.1 * RNG.standard_normal(variable.shape))
    return model


@pytest.mark.parametrize("shape", [(16, 16, 1), (32, 48, 1), (17, 29, 1), (8, 8, 1)], ids=str)
def test_a_denoising_network_takes_any_sides(shape):
    model = unet()
    other = model.resized(shape)
    x = RNG.uniform(size=(3, *shape)).astype("float32")
    assert other.reconstruct(x).shape == x.shape and other.input_shape == (None, *shape)
    assert other.count_params() == model.count_params()
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), other.get_weights(), strict=True))


def test_the_inside_of_a_large_image_is_that_of_a_small_one():
    model = unet((64, 64, 1))
    x = RNG.uniform(size=(1, 96, 96, 1)).astype("float32")
    large, small = model.resized((96, 96, 1)).reconstruct(x), model.reconstruct(x[:, :64, :64])
    np.testing.assert_allclose(large[:, :32, :32], small[:, :32, :32], atol=1e-5)  # Beyond the reach of the border.
    assert np.abs(large[:, 60:64, 60:64] - small[:, 60:64, 60:64]).max() > 1e-3


def test_sides_there_and_back_change_nothing():
    model = unet()
    x = RNG.uniform(size=(2, 16, 16, 1)).astype("float32")
    back = model.resized((24, 40, 1)).resized((16, 16, 1))
    assert back.spec == model.spec
    np.testing.assert_array_equal(back.reconstruct(x), model.reconstruct(x))


def test_mirrored_maps_series_and_volumes_are_resized():
    for before, after in (((8, 8, 2), (12, 20, 2)), ((16, 3), (50, 3)), ((8, 8, 8, 1), (8, 12, 9, 1))):
        encoder = (Conv(4, 4, 2), Flatten())
        pixels = int(np.prod([side // 2 for side in before[:-1]])) * 4
        model = keras_ae.build(Spec(before, encoder, Identity(pixels), "gaussian"), seed=0)
        x = RNG.uniform(size=(2, *after)).astype("float32")
        assert model.resized(after).reconstruct(x).shape == x.shape


def test_a_resized_model_trains_alone_and_is_saved(tmp_path):
    model = unet()
    before = model.get_weights()
    other = model.resized((20, 12, 1))
    x = RNG.uniform(size=(8, 20, 12, 1)).astype("float32")
    other.fit(x, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    other.save(tmp_path / "other.keras")
    np.testing.assert_allclose(
        keras_ae.load_model(tmp_path / "other.keras").reconstruct(x), other.reconstruct(x), atol=1e-6
    )
    assert type(other.optimizer) is type(model.optimizer) and other.optimizer is not model.optimizer


def test_what_has_a_size_of_its_own_is_refused():
    with pytest.raises(
        ValueError, match=r"resized\(\(32, 32, 1\)\): the code Vector\(.*belongs to input_shape=\(28, 28, 1\)"
    ):
        keras_ae.build("conv_ae").resized((32, 32, 1))
    model = unet()
    for shape in ((16, 16, 3), (16, 1), (4, 16, 16, 1)):
        with pytest.raises(ValueError, match=r"only sides may change"):
            model.resized(shape)
    for shape in ((None, 16, 1), (0, 16, 1), 16):
        with pytest.raises(ValueError, match="input_shape"):
            model.resized(shape)
    dense = keras_ae.build(Spec((6,), (Dense(5),), Identity(5)), seed=0)
    with pytest.raises(ValueError, match=r"the weight .* has shape"):
        keras_ae.build(Spec((6, 1), (Flatten(), Dense(5)), Identity(5), "gaussian")).resized((8, 1))
    with pytest.raises(ValueError, match="only sides may change"):
        dense.resized((7,))


def test_the_message_for_other_sides_names_the_way():
    with pytest.raises(
        ValueError, match=r"Its code has no size of its own: model\.resized\(\(24, 24, 1\)\) takes them"
    ):
        unet().reconstruct(np.zeros((2, 24, 24, 1), "float32"))


def test_mixed_precision_stays():
    model = keras_ae.build(keras_ae.denoising_spec((16, 16, 1), widths=(4,)), dtype="mixed_bfloat16")
    assert model.resized((8, 24, 1)).policy.name == "mixed_bfloat16"
