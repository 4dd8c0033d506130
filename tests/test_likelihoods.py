"""Likelihoods against SciPy and quadrature."""

from itertools import pairwise

import keras
import numpy as np
import pytest
from keras import ops
from scipy import integrate, optimize, stats
from scipy.special import expit

import keras_ae
from keras_ae import Bernoulli, ContinuousBernoulli, DiscretizedLogistic, Laplace, Normal, Spec, Vector
from keras_ae.bounds import bounded
from keras_ae.likelihoods import likelihood_layer
from keras_ae.rows import LIKELIHOODS

CONTINUOUS_LOGITS = [-30.0, -3.0, -0.01, 0.0, 0.04, 2.0, 30.0]


def tensor(value):
    return ops.convert_to_tensor(np.asarray(value, "float32"))


def heads_of(row, columns):
    """The heads of a likelihood, side by side in the last axis of an array or tensor, by name, and a library of 9."""
    beside = {name: 9.0 * np.ones(len(columns), "float32") for name in row.inputs}
    return dict(zip(row.heads, ops.split(columns, len(row.heads), axis=-1), strict=True)) | beside


def built_layer(row, columns):
    """The layer of a likelihood, built for such columns."""
    layer = likelihood_layer(row)
    layer(heads_of(row, tensor(columns)))
    return layer


def array(value):
    return ops.convert_to_numpy(value).astype("float64")


def values(row, x, *heads):
    """-log p of scalars x under one setting of the decoder's heads: (n,) float64."""
    outputs = heads_of(row, tensor(np.tile(heads, (len(x), 1))))
    return array(likelihood_layer(row).nll(tensor(np.reshape(x, (-1, 1))), outputs))


def mean_of(row, *heads):
    return array(likelihood_layer(row)(heads_of(row, tensor([heads]))))[0, 0]


def draws(row, *heads, count=20_000):
    return array(likelihood_layer(row).sample(heads_of(row, tensor(np.tile(heads, (count, 1)))), 5))[:, 0]


def integral(row, low, high, *heads, cuts=()):
    """The integral of the density by Gauss-Legendre, piece by piece."""
    nodes, weights = np.polynomial.legendre.leggauss(200)
    total, ends = 0.0, [low, *cuts, high]
    for start, stop in pairwise(ends):
        x = start + (stop - start) * (nodes + 1) / 2
        total += (stop - start) / 2 * (weights * np.exp(-values(row, x, *heads))).sum()
    return total


def continuous_bernoulli(logit):
    """Density, distribution function and mean of the continuous Bernoulli in float64."""
    if abs(logit) < 1e-6:
        return (lambda x: np.ones_like(x)), (lambda x: np.asarray(x)), 0.5

    def density(x):
        return abs(logit) * np.exp(logit * (x - (logit > 0))) / -np.expm1(-abs(logit))

    def distribution(x):
        return np.expm1(logit * np.asarray(x)) / np.expm1(logit)

    return density, distribution, integrate.quad(lambda x: x * density(x), 0, 1)[0]


def test_heads_are_in_the_order_in_which_keras_keeps_them():
    """Or the weights of two heads would change places between one file and another."""
    assert all(list(row.heads) == sorted(row.heads) for row in LIKELIHOODS.values())


# Mass one


@pytest.mark.parametrize("logit", CONTINUOUS_LOGITS)
def test_the_continuous_bernoulli_integrates_to_one(logit):
    assert integral(ContinuousBernoulli(), 0, 1, logit) == pytest.approx(1, abs=2e-5)


@pytest.mark.parametrize("logit", [-40.0, -1.0, 0.0, 3.0])
def test_the_bernoulli_sums_to_one(logit):
    assert np.exp(-values(Bernoulli(), [0, 1], logit)).sum() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("sigma", [0.05, 1.0, 4.0])
def test_the_normal_integrates_to_one(sigma):
    assert integral(Normal("fixed", sigma), 0.3 - 12 * sigma, 0.3 + 12 * sigma, 0.3) == pytest.approx(1, abs=2e-5)


@pytest.mark.parametrize("log_var", [-6.0, 0.0, 3.0])
def test_the_normal_of_each_pixel_integrates_to_one(log_var):
    width = 12 * np.exp(10 * np.tanh(log_var / 10) / 2)
    assert integral(Normal("pixel"), 0.3 - width, 0.3 + width, 0.3, log_var) == pytest.approx(1, abs=2e-5)


@pytest.mark.parametrize("scale", [0.1, 2.0])
def test_the_laplace_integrates_to_one(scale):
    total = integral(Laplace(scale), -30 * scale, 30 * scale, 0.0, cuts=(0.0,))
    assert total == pytest.approx(1, abs=2e-5)


@pytest.mark.parametrize("levels", [2, 5, 256])
@pytest.mark.parametrize("log_scale", [-50.0, -5.0, -1.0, 2.0, 4.0, 8.0, 60.0])
def test_the_discretized_logistic_sums_to_one(levels, log_scale):
    x = np.arange(levels) / (levels - 1)
    for mean in (-40.0, -0.6, 0.0, 0.123, 0.5, 3.0):
        assert np.exp(-values(DiscretizedLogistic(levels), x, mean, log_scale)).sum() == pytest.approx(1, abs=1e-4)


# Values


def test_nll_is_that_of_scipy():
    x, grey = np.linspace(-2, 3, 11), np.array([0.0, 1.0])
    assert values(Bernoulli(), grey, 1.7) == pytest.approx(-stats.bernoulli.logpmf(grey, expit(1.7)), rel=1e-5)
    assert values(Normal("fixed", 0.7), x, 0.4) == pytest.approx(-stats.norm.logpdf(x, 0.4, 0.7), rel=1e-5)
    sigma = np.exp(10 * np.tanh(-1.5 / 10) / 2)
    assert values(Normal("pixel"), x, 0.4, -1.5) == pytest.approx(-stats.norm.logpdf(x, 0.4, sigma), rel=1e-5)
    assert values(Normal("global", 0.7), x, 0.4) == pytest.approx(-stats.norm.logpdf(x, 0.4, 0.7), rel=1e-2)
    assert values(Laplace(0.7), x, 0.4) == pytest.approx(-stats.laplace.logpdf(x, 0.4, 0.7), rel=1e-5)


@pytest.mark.parametrize("row", [Normal("fixed", 0.7), Normal("global", 0.7), Normal("sample")], ids=str)
def test_a_shared_variance_gives_the_sum_over_values(row):
    x, mean = np.random.default_rng(0).normal(size=(2, 5, 3, 4)).astype("float32")
    layer = likelihood_layer(row)
    of_values = array(layer.nll_of_values(tensor(x), {"loc": tensor(mean)}))
    assert array(layer.nll(tensor(x), {"loc": tensor(mean)})) == pytest.approx(of_values.sum((1, 2)), rel=1e-5)


def test_the_variance_of_each_sample_is_the_one_of_the_greatest_likelihood():
    rng = np.random.default_rng(0)
    x, mean = rng.normal(size=(2, 3, 2)) * [[[0.1]], [[3.0]]], np.zeros((2, 3, 2))
    nll = array(likelihood_layer(Normal("sample")).nll(tensor(x), {"loc": tensor(mean)}))

    def least(sample):
        return optimize.minimize_scalar(lambda log: -stats.norm.logpdf(sample, 0, np.exp(log)).sum(), (-4, 2)).fun

    assert nll == pytest.approx([least(sample) for sample in x], rel=1e-5)
    perfect = array(likelihood_layer(Normal("sample")).nll(tensor(x), {"loc": tensor(x)}))
    assert perfect == pytest.approx(2 * [-6 * stats.norm.logpdf(0, 0, 1e-3)], rel=1e-5)


def test_a_variance_of_each_sample_has_no_log_likelihood():
    model = keras_ae.build("vae", input_shape=(6,), latent_dim=2, likelihood="gaussian_sample")
    with pytest.raises(ValueError, match=r"needs a density of x, which Normal\('sample'\) is not"):
        model.log_likelihood(np.zeros((2, 6), "float32"))


@pytest.mark.parametrize("logit", CONTINUOUS_LOGITS)
def test_nll_of_the_continuous_bernoulli_is_its_formula(logit):
    x = np.linspace(0, 1, 9)
    assert values(ContinuousBernoulli(), x, logit) == pytest.approx(
        -np.log(continuous_bernoulli(logit)[0](x)), rel=1e-5, abs=1e-5
    )


@pytest.mark.parametrize("mean", [-0.7, 0.0, 0.123])
@pytest.mark.parametrize("log_scale", [-5.0, -3.0, -1.0, 1.0, 3.0])
def test_nll_of_the_discretized_logistic_is_that_of_scipy(mean, log_scale):
    x, half = np.arange(256) / 255, 0.5 / 255
    logistic = stats.logistic(0.5 + mean, np.exp(max(log_scale - 2, -7)))
    # Differences of whichever tail is the smaller, for the sake of float64.
    mass = np.where(
        x < 0.5 + mean, logistic.cdf(x + half) - logistic.cdf(x - half), logistic.sf(x - half) - logistic.sf(x + half)
    )
    mass[0], mass[-1] = logistic.cdf(half), logistic.sf(1 - half)
    safe = mass > 1e-200
    found = values(DiscretizedLogistic(), x, mean, log_scale)
    assert np.isfinite(found).all()
    assert found[safe] == pytest.approx(-np.log(mass[safe]), rel=2e-4, abs=2e-4)


def test_nll_sums_over_the_values_of_a_sample():
    x = tensor(np.random.default_rng(0).uniform(size=(3, 4, 4, 2)))
    for name, row in LIKELIHOODS.items():
        columns = np.random.default_rng(1).normal(size=(3, 4, 4, 2 * len(row.heads)))
        layer, outputs = built_layer(row, columns), heads_of(row, tensor(columns))
        nll = array(layer.nll(x, outputs))
        assert nll.shape == (3,), name
        each = array(layer.nll_of_values(x, outputs))
        assert nll == pytest.approx(each.reshape(3, -1).sum(1), rel=1e-5), name
        assert tuple(layer(outputs).shape) == tuple(layer.sample(outputs, 0).shape) == (3, 4, 4, 2), name


@pytest.mark.parametrize("edge", [-0.05, 0.05])
def test_the_continuous_bernoulli_has_no_step_where_the_series_takes_over(edge):
    x = np.linspace(0, 1, 5)
    for logit in edge + np.array([-1e-4, -1e-6, 0, 1e-6, 1e-4]):
        density, _, mean = continuous_bernoulli(float(np.float32(logit)))
        assert values(ContinuousBernoulli(), x, logit) == pytest.approx(-np.log(density(x)), abs=1e-6)
        assert mean_of(ContinuousBernoulli(), logit) == pytest.approx(mean, abs=1e-5)


# Means and samples


@pytest.mark.parametrize("logit", CONTINUOUS_LOGITS)
def test_the_mean_of_the_continuous_bernoulli_is_its_numerical_mean(logit):
    assert mean_of(ContinuousBernoulli(), logit) == pytest.approx(continuous_bernoulli(logit)[2], abs=1e-5)


def test_the_other_means_are_those_of_scipy():
    assert mean_of(Bernoulli(), 1.3) == pytest.approx(expit(1.3), rel=1e-5)
    assert mean_of(Normal(), -2.0) == mean_of(Normal("pixel"), -2.0, 5.0) == mean_of(Laplace(), -2.0) == -2.0
    assert mean_of(DiscretizedLogistic(), 0.2, -3.0) == pytest.approx(0.7, abs=1e-6)
    assert mean_of(DiscretizedLogistic(), 0.9, -3.0) == 1.0


@pytest.mark.parametrize("mean", [-0.2, 0.1])
def test_the_mean_of_a_narrow_discretized_logistic_is_its_numerical_mean(mean):
    x = np.arange(256) / 255
    numerical = (x * np.exp(-values(DiscretizedLogistic(), x, mean, -2.0))).sum()
    assert mean_of(DiscretizedLogistic(), mean, -2.0) == pytest.approx(numerical, abs=1e-4)


SAMPLED = {
    "continuous_bernoulli_-30": (ContinuousBernoulli(), (-30.0,), continuous_bernoulli(-30.0)[1]),
    "continuous_bernoulli_0": (ContinuousBernoulli(), (0.0,), continuous_bernoulli(0.0)[1]),
    "continuous_bernoulli_2": (ContinuousBernoulli(), (2.0,), continuous_bernoulli(2.0)[1]),
    "normal": (Normal("fixed", 0.7), (0.4,), stats.norm(0.4, 0.7).cdf),
    "normal_pixel": (Normal("pixel"), (0.4, -1.5), stats.norm(0.4, np.exp(5 * np.tanh(-0.15))).cdf),
    "laplace": (Laplace(0.7), (0.4,), stats.laplace(0.4, 0.7).cdf),
}


@pytest.mark.parametrize("name", SAMPLED)
def test_samples_follow_the_distribution(name):
    row, heads, distribution = SAMPLED[name]
    x = draws(row, *heads)
    assert stats.kstest(x, distribution).pvalue > 1e-4
    assert abs(x.mean() - mean_of(row, *heads)) < 5 * x.std() / np.sqrt(len(x))


def test_samples_of_discrete_likelihoods_follow_the_distribution():
    coins = draws(Bernoulli(), 1.3)
    assert set(coins) == {0.0, 1.0}
    assert abs(coins.mean() - expit(1.3)) < 5 * coins.std() / np.sqrt(len(coins))
    row, levels = DiscretizedLogistic(5), np.arange(5) / 4
    greys = draws(row, 0.1, 0.5)
    expected = len(greys) * np.exp(-values(row, levels, 0.1, 0.5))
    counts = [(np.abs(greys - level) < 1e-6).sum() for level in levels]
    assert sum(counts) == len(greys)
    assert stats.chisquare(counts, expected * len(greys) / expected.sum()).pvalue > 1e-4


# Extremes and precision


def gradient(function, value):
    """The gradient of a scalar function of one array, on the current backend."""
    if keras.backend.backend() == "jax":
        import jax

        return array(jax.grad(function)(tensor(value)))
    variable = tensor(value)
    if keras.backend.backend() == "torch":
        variable.requires_grad_(True)
        function(variable).backward()
        return array(variable.grad)
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(variable)
        loss = function(variable)
    return array(tape.gradient(loss, variable))


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_values_and_gradients_are_finite_at_extremes(name):
    row = LIKELIHOODS[name]
    # Where a likelihood has one head, the columns are values of their own.
    pairs = [(a, b) for a in (-1e4, -90.0, -0.05, 0.0, 1e-6, 0.05, 90.0, 1e4) for b in (-1e4, -20.0, 0.0, 20.0, 1e4)]
    layer = built_layer(row, pairs)
    for value in (0.0, 0.25, 1.0):
        x = tensor(np.full((len(pairs), 2 // len(row.heads)), value))
        assert np.isfinite(array(layer.nll(x, heads_of(row, tensor(pairs))))).all()
        assert np.isfinite(gradient(lambda columns, x=x: ops.sum(layer.nll(x, heads_of(row, columns))), pairs)).all()
    assert np.isfinite(array(layer(heads_of(row, tensor(pairs))))).all()
    assert np.isfinite(array(layer.sample(heads_of(row, tensor(pairs)), 0))).all()


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_gradients_are_the_slopes_of_the_nll(name):
    row = LIKELIHOODS[name]
    columns = np.random.default_rng(0).normal(size=(40, 2))
    layer = built_layer(row, columns)
    x = np.random.default_rng(1).integers(0, 256, (40, 2 // len(row.heads))) / 255
    step = 1e-2
    slopes = []
    for move in np.eye(2) * step:
        up, down = (array(layer.nll(tensor(x), heads_of(row, tensor(columns + sign * move)))) for sign in (1, -1))
        slopes.append((up - down) / (2 * step))
    found = gradient(lambda each: ops.sum(layer.nll(tensor(x), heads_of(row, each))), columns)
    smooth = np.abs(x - columns) > 2 * step if name == "laplace" else np.ones((40, 2), bool)
    assert found[smooth] == pytest.approx(np.stack(slopes, axis=1)[smooth], rel=1e-2, abs=1e-2)


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_a_likelihood_computes_in_float32_under_mixed_precision(name):
    keras.config.set_dtype_policy("mixed_float16")
    row = LIKELIHOODS[name]
    layer = likelihood_layer(row)
    outputs = heads_of(row, ops.cast(tensor(np.ones((2, 4))), "float16"))
    assert keras.backend.standardize_dtype(layer(outputs).dtype) == "float32"
    assert {keras.backend.standardize_dtype(weight.dtype) for weight in layer.weights} <= {"float32"}


def test_the_learned_variance_becomes_that_of_the_data():
    """Rybkin et al. 2021, Eq. 5: the optimal variance is the mean squared error."""
    x = np.random.default_rng(0).normal(0, 0.3, (64, 4)).astype("float32")
    model = keras_ae.build(Spec((4,), (), Vector(1), Normal("global")), seed=0)
    for part in (model.encoder, model.decoder_logits):
        part.set_weights([np.zeros_like(weight) for weight in part.get_weights()])
        part.trainable = False
    model.compile(keras.optimizers.Adam(0.1))
    model.fit(np.tile(x, (300, 1)), batch_size=64, shuffle=False, verbose=0)
    log_var = float(ops.convert_to_numpy(bounded(model.likelihood.log_var)))
    assert np.exp(log_var) == pytest.approx(np.square(x).mean(), rel=1e-3)
