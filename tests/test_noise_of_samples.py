"""Noise belongs to the sample: a score is a function of the row, the model and the seed."""

import numpy as np
import pytest
from scipy import stats

import keras_ae
from keras_ae import Dense, Gaussian
from keras_ae.anomaly import score_named
from keras_ae.estimators import AutoencoderOutlierDetector
from keras_ae.noise import SampleNoise

X = np.random.default_rng(0).random((300, 7)).astype("float32")
SPEC = keras_ae.Spec((7,), (Dense(8),), Gaussian(3), likelihood="gaussian")
METHODS = {
    "elbo_terms": lambda model, x, **options: model.elbo_terms(x, seed=5, **options)["nll"],
    "score_samples": lambda model, x, **options: model.score_samples(x, seed=5, **options),
    "log_likelihood": lambda model, x: model.log_likelihood(x, num_samples=70, seed=5),
}

each_method = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)


@pytest.fixture(scope="module")
def model():
    model = keras_ae.build(SPEC, seed=0)
    model.fit(X, epochs=3, verbose=0)
    return model


def noise_of(x, seed=0, draws=1, size=64):
    return SampleNoise(x, seed).normal(slice(0, len(x)), 0, draws, size)


# Scores


@each_method
def test_a_row_alone_gets_the_score_that_it_gets_among_others(method, model):
    scores = method(model, X)
    alone = np.concatenate([method(model, X[i : i + 1]) for i in range(40)])
    np.testing.assert_allclose(alone, scores[:40], rtol=1e-5, atol=1e-5)


@each_method
def test_order_and_company_do_not_matter(method, model):
    order = np.random.default_rng(1).permutation(len(X))
    scores = method(model, X)
    np.testing.assert_allclose(method(model, X[order]), scores[order], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(method(model, X[100:]), scores[100:], rtol=1e-5, atol=1e-5)
    twice = method(model, np.concatenate([X[:3], X[:3]]))
    np.testing.assert_allclose(twice[:3], twice[3:], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("method", ["elbo_terms", "score_samples"])
def test_the_size_of_batches_does_not_matter(method, model):
    scores = METHODS[method](model, X)
    np.testing.assert_allclose(METHODS[method](model, X, batch_size=17), scores, rtol=1e-5, atol=1e-5)


@each_method
def test_uint8_gets_the_score_of_its_floats(method):
    model = keras_ae.build("vae", input_shape=(4, 4, 1), latent_dim=2, seed=0)
    x = np.random.default_rng(2).integers(0, 256, (60, 4, 4, 1), dtype="uint8")
    np.testing.assert_allclose(method(model, x), method(model, x / 255), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(method(model, x[:1]), method(model, x)[:1], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["elbo", "log_likelihood"])
def test_anomaly_scores_are_of_the_row(name, model):
    score = score_named(name, model).fit(X)
    alone = np.concatenate([score.score(X[i : i + 1]) for i in range(20)])
    np.testing.assert_allclose(alone, score.score(X)[:20], rtol=1e-5, atol=1e-5)


def test_labels_of_an_estimator_are_of_the_row():
    x = np.random.default_rng(0).normal(size=(400, 6))
    detector = AutoencoderOutlierDetector("vae", score="elbo", random_state=0, epochs=5).fit(x)
    alone = np.concatenate([detector.decision_function(row[None]) for row in x[:60]])
    np.testing.assert_allclose(alone, detector.decision_function(x)[:60], rtol=1e-4, atol=1e-4)


def test_a_generator_draws_along_the_samples(model):
    rng = np.random.default_rng(5)
    first, second = (model.score_samples(np.repeat(X[:1], 2, axis=0), seed=rng) for _ in range(2))
    assert len({*first.tolist(), *second.tolist()}) == 4
    again = model.score_samples(np.repeat(X[:1], 2, axis=0), seed=np.random.default_rng(5))
    np.testing.assert_array_equal(again, first)


# The noise


def test_noise_is_standard_normal():
    noise = noise_of(X, draws=20)
    assert stats.kstest(noise.ravel()[::7], "norm").pvalue > 1e-3
    assert noise.mean() == pytest.approx(0, abs=4 / np.sqrt(noise.size))
    assert noise.var() == pytest.approx(1, abs=4 * np.sqrt(2 / noise.size))
    assert stats.kurtosis(noise.ravel()) == pytest.approx(0, abs=4 * np.sqrt(24 / noise.size))
    assert np.abs(noise).max() > 4


@pytest.mark.parametrize("axis", [0, 1, 2], ids=["rows", "draws", "dimensions"])
def test_noise_is_independent_along(axis):
    noise = np.moveaxis(noise_of(X, draws=50), axis, 0).reshape((len(X), 50, 64)[axis], -1)
    correlation = np.corrcoef(noise)
    others = correlation[~np.eye(len(correlation), dtype=bool)]
    least = 1 / np.sqrt(noise.shape[1])
    assert others.std() == pytest.approx(least, rel=0.1)
    assert np.abs(others).max() < 6 * least


def test_the_squares_of_neighbouring_dimensions_are_independent():
    """Those of a pair share a length, which Box & Muller make of one number, and an angle, of another."""
    noise = noise_of(X, draws=50).reshape(-1, 64)
    for lag in (1, 2):
        pairs = np.square(noise[:, :-lag:2]).ravel(), np.square(noise[:, lag::2]).ravel()
        assert abs(np.corrcoef(*pairs)[0, 1]) < 5 / np.sqrt(len(pairs[0]))


def test_noise_of_rows_that_differ_in_one_bit_is_independent():
    bits = np.repeat(X[:1].view("uint32"), 7 * 32, axis=0)
    for place in range(7 * 32):
        bits[place, place // 32] ^= np.uint32(1 << (place % 32))
    correlation = np.corrcoef(noise_of(np.concatenate([X[:1], bits.view("float32")]), size=4096)[:, 0])
    assert np.abs(correlation - np.eye(len(correlation))).max() < 6 / np.sqrt(4096)


def test_rows_that_differ_in_signs_alone_have_noise_of_their_own():
    signs = np.where(np.random.default_rng(0).random((100_000, 24)) < 0.5, -1, 1).astype("float32")
    rows = len(np.unique(signs, axis=0))
    assert len(np.unique(SampleNoise(signs, 0).keys)) == rows


def test_seeds_are_independent_and_zeros_are_alike():
    noise = np.stack([noise_of(X, seed=seed).ravel() for seed in range(40)])
    correlation = np.corrcoef(noise)
    assert np.abs(correlation - np.eye(40)).max() < 6 / np.sqrt(noise.shape[1])
    np.testing.assert_array_equal(noise_of(np.zeros((1, 3), "float32")), noise_of(-np.zeros((1, 3), "float32")))


def test_more_draws_begin_as_fewer_and_an_odd_size_is_cut():
    noise = SampleNoise(X, 0)
    rows = slice(10, 20)
    many = noise.normal(rows, 0, 6, 5)
    assert many.shape == (10, 6, 5)
    np.testing.assert_array_equal(noise.normal(rows, 2, 4, 5), many[:, 2:])
    np.testing.assert_array_equal(SampleNoise(X[10:20], 0).normal(slice(0, 10), 0, 6, 5), many)


def test_the_noise_is_that_of_every_machine():
    """Values written down once: a score that was noted is found again."""
    noise = SampleNoise(np.arange(6, dtype="float32").reshape(1, 6), 0).normal(slice(0, 1), 0, 1, 4)
    np.testing.assert_allclose(noise[0, 0], [1.304489, -0.3454475, -0.853684, -0.6564618], rtol=1e-5)
