"""Corruptions: how much they change, of what, and where their noise comes from."""

import keras
import numpy as np
import pytest
from keras import ops
from scipy import stats

import keras_ae
from keras_ae import GaussianNoise, Masking, SaltAndPepper, Spec, Vector
from keras_ae.corruptions import Corrupt, corrupt

X = np.random.default_rng(0).uniform(0.2, 0.8, (200, 10, 10)).astype("float32")
ROWS = [GaussianNoise(0.3), SaltAndPepper(0.4), Masking(0.25), GaussianNoise(0.3, low=0.1)]


def corrupted(row, seed=3):
    return ops.convert_to_numpy(corrupt(row, ops.convert_to_tensor(X), seed))


def test_noise_of_a_range_is_normal_with_a_sigma_of_each_sample_own():
    noise = corrupted(GaussianNoise(0.4, low=0.1)) - X
    sigmas = noise.std(axis=(1, 2), ddof=1)  # Within 15 % of the sigma that was drawn, by its standard error of 7 %.
    assert stats.kstest(sigmas, stats.uniform(0.1, 0.3).cdf).pvalue > 1e-4
    assert stats.kstest((noise / sigmas[:, None, None]).ravel(), stats.norm.cdf).pvalue > 1e-4


def chance_of(count, rate):
    return stats.binomtest(int(count), X.size, rate).pvalue


def test_gaussian_noise_is_normal_with_its_sigma():
    noise = (corrupted(GaussianNoise(0.3)) - X).ravel()
    assert stats.kstest(noise, stats.norm(0, 0.3).cdf).pvalue > 1e-4
    assert abs(np.corrcoef(noise, X.ravel())[0, 1]) < 5 / np.sqrt(X.size)


def test_salt_and_pepper_hits_its_share_with_equal_chance_and_leaves_the_rest():
    x = corrupted(SaltAndPepper(0.4))
    assert chance_of((x == 1).sum(), 0.2) > 1e-4
    assert chance_of((x == 0).sum(), 0.2) > 1e-4
    kept = (x != 0) & (x != 1)
    np.testing.assert_array_equal(x[kept], X[kept])


def test_masking_zeroes_its_share_and_leaves_the_rest():
    x = corrupted(Masking(0.25))
    assert chance_of((x == 0).sum(), 0.25) > 1e-4
    np.testing.assert_array_equal(x[x != 0], X[x != 0])


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_the_layer_draws_anew_and_a_seed_of_its_own_leaves_its_state_alone(row):
    layer, twin = Corrupt(row, seed=7), Corrupt(row, seed=7)
    first, second = (ops.convert_to_numpy(layer(X)) for _ in range(2))
    assert (first != second).any()
    fixed = [ops.convert_to_numpy(twin(X, seed=1)) for _ in range(2)]
    np.testing.assert_array_equal(*fixed)
    np.testing.assert_array_equal(ops.convert_to_numpy(twin(X)), first)
    np.testing.assert_array_equal(ops.convert_to_numpy(twin(X)), second)


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_model_corrupts_in_float32_under_mixed_precision(row):
    keras.config.set_dtype_policy("mixed_float16")
    model = keras_ae.build(Spec((10, 10), (keras_ae.Flatten(),), Vector(2), "gaussian", corruption=row), seed=0)
    x = model.corrupt(X)
    assert x.dtype == np.float32
    kept = x == X
    assert isinstance(row, GaussianNoise) or kept.mean() > 0.5  # In float16 no value would be kept.
