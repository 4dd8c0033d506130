"""Learned priors: densities against SciPy, draws against densities, and a KL that is one in its mean."""

import keras
import numpy as np
import pytest
from keras import ops
from scipy import stats
from scipy.special import logsumexp

import keras_ae
from keras_ae import Dense, Gaussian, MixturePrior, Spec
from keras_ae.learned_priors import FullMixture, StandardNormal
from keras_ae.registry import layer_of

DIM, COMPONENTS = 3, 4
RNG = np.random.default_rng(0)
MEANS = RNG.normal(size=(COMPONENTS, DIM))
COVARIANCES = {"diag": [np.diag(variances) for variances in RNG.uniform(0.3, 2.0, (COMPONENTS, DIM))]}
COVARIANCES["full"] = [a @ a.T + 0.1 * np.eye(DIM) for a in RNG.normal(size=(COMPONENTS, DIM, DIM)) / 2]
WEIGHTS = np.array([0.1, 0.2, 0.3, 0.4])
Z = RNG.normal(size=(50, DIM)).astype("float32")


def layer_of_mixture(components, covariance, seed):
    row = MixturePrior(components, covariance)
    return layer_of(row)(row, DIM, seed)


@pytest.fixture(scope="module", params=COVARIANCES)
def mixture(request):
    layer = layer_of_mixture(COMPONENTS, request.param, seed=0)
    layer.covariances = COVARIANCES[request.param]
    if request.param == "diag":
        variances = np.array([np.diag(covariance) for covariance in layer.covariances])
        layer.set_weights([MEANS, 4 * np.arctanh(np.log(variances) / 4), np.log(WEIGHTS) + 7])
    else:
        # The upper triangle P of P P^T, by turning axes round before and after a lower one is taken.
        turned = [np.linalg.cholesky(np.linalg.inv(c)[::-1, ::-1])[::-1, ::-1] for c in layer.covariances]
        layer.set_mixture(WEIGHTS, MEANS, np.array(turned))
    return layer


def density(z, covariances):
    parts = [stats.multivariate_normal(*shape).logpdf(z) for shape in zip(MEANS, covariances, strict=True)]
    return logsumexp(parts, axis=0, b=WEIGHTS[:, None])


def test_the_density_of_a_mixture_is_scipys(mixture):
    np.testing.assert_allclose(ops.convert_to_numpy(mixture.log_density(Z)), density(Z, mixture.covariances), atol=2e-5)
    many = ops.convert_to_numpy(mixture.log_density(Z.reshape(5, 10, DIM)))
    np.testing.assert_allclose(many.ravel(), density(Z, mixture.covariances), atol=2e-5)


def test_draws_of_a_mixture_have_its_mean_and_covariance(mixture):
    z = mixture.draw(40_000, DIM, np.random.default_rng(1))
    assert z.shape == (40_000, DIM)
    assert z.dtype == np.float32
    mean = WEIGHTS @ MEANS
    covariance = np.tensordot(WEIGHTS, mixture.covariances, 1) + (MEANS - mean).T @ np.diag(WEIGHTS) @ (MEANS - mean)
    np.testing.assert_allclose(z.mean(axis=0), mean, atol=0.04)
    np.testing.assert_allclose(np.cov(z.T), covariance, atol=0.07)


def test_the_kl_to_a_mixture_is_right_in_its_mean(mixture):
    mean, log_var = np.array([0.3, -0.2, 0.5]), np.array([-1.0, 0.2, -0.5])
    z = mean + np.exp(0.5 * log_var) * RNG.normal(size=(20_000, DIM))
    q = stats.multivariate_normal(mean, np.diag(np.exp(log_var))).logpdf(z)
    parameters = (np.tile(value, (len(z), 1)).astype("float32") for value in (mean, log_var))
    kl = ops.convert_to_numpy(mixture.kl(*parameters, z.astype("float32")))
    direct = q - density(z, mixture.covariances)
    assert abs(kl.mean() - direct.mean()) < 4 * direct.std() / np.sqrt(len(z))


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_a_mixture_starts_near_the_standard_normal(covariance):
    z = layer_of_mixture(2000, covariance, seed=1).draw(20_000, DIM, np.random.default_rng(2))
    assert abs(z.mean()) < 0.05
    np.testing.assert_allclose(np.cov(z.T), np.eye(DIM), atol=0.1)


def test_the_standard_normal_is_in_closed_form():
    np.testing.assert_allclose(
        ops.convert_to_numpy(StandardNormal().log_density(Z)), stats.norm.logpdf(Z).sum(axis=1), rtol=1e-5
    )
    zeros = np.zeros((2, DIM), dtype="float32")
    assert not ops.convert_to_numpy(StandardNormal().kl(*[ops.convert_to_tensor(zeros)] * 3)).any()


def two_clusters(n=512):
    rng = np.random.default_rng(3)
    return (rng.choice([-2.0, 2.0], (n, 1)) + 0.3 * rng.normal(size=(n, 4))).astype("float32")


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_a_mixture_is_learned_saved_and_loaded(covariance, tmp_path):
    spec = Spec((4,), (Dense(16),), Gaussian(2, prior=MixturePrior(8, covariance=covariance)), "gaussian")
    assert keras_ae.build(spec).prior.count_params() == spec.code.prior.parameters(2)
    x = two_clusters()
    model = keras_ae.build(spec, optimizer=keras.optimizers.Adam(0.01), seed=0)
    before = model.evaluate(x, return_dict=True, verbose=0)["loss"]
    model.fit(x, epochs=8, batch_size=64, verbose=0)
    assert model.evaluate(x, return_dict=True, verbose=0)["loss"] < before - 1
    model.save_weights(tmp_path / "m.weights.h5")
    other = keras_ae.build(spec, seed=1)
    other.load_weights(tmp_path / "m.weights.h5")
    np.testing.assert_array_equal(other.sample(5, seed=0), model.sample(5, seed=0))
    np.testing.assert_array_equal(
        other.log_likelihood(x[:5], num_samples=8), model.log_likelihood(x[:5], num_samples=8)
    )
    normal = keras_ae.build(Spec((4,), (Dense(16),), Gaussian(2), "gaussian"))
    with pytest.raises(ValueError, match="of another spec: prior"):
        normal.load_weights(tmp_path / "m.weights.h5")


def test_a_learned_prior_is_refused_where_the_standard_normal_is_meant():
    with pytest.raises(keras_ae.SpecError, match="MixturePrior: components"):
        MixturePrior(0)
    with pytest.raises(keras_ae.SpecError, match="MixturePrior: covariance must be"):
        MixturePrior(5, covariance="tied")
    with pytest.raises(ValueError, match=r"narrower than 0\.02 .* 0\.001 to 1\."):
        FullMixture(1, 2).set_mixture(np.ones(1), np.zeros((1, 2)), np.diag([1.0, 1000.0])[None])
    with pytest.raises(keras_ae.SpecError, match="prior must be None"):
        Gaussian(2, prior="mixture")
    model = keras_ae.build(Spec((4,), (Dense(16),), Gaussian(2, prior=MixturePrior(2)), "gaussian"), seed=0)
    with pytest.raises(ValueError, match="is learned"):
        model.fit(two_clusters(), callbacks=keras_ae.callbacks.CollapseMonitor(two_clusters()), verbose=0)


def test_an_identity_code_is_what_the_encoder_gives():
    model = keras_ae.build(Spec((4, 4, 1), (keras_ae.Conv(2), keras_ae.Flatten()), keras_ae.Identity(32), "gaussian"))
    x = RNG.normal(size=(3, 4, 4, 1)).astype("float32")
    kernel, bias = model.encoder.get_weights()
    z = model.encode(x)
    assert z.shape == (3, 32)
    patches = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))[:, 1:4, 1:4]  # Around the pixel (1, 1).
    by_hand = np.maximum(np.einsum("nijc,ijcf->nf", patches, kernel) + bias, 0)
    np.testing.assert_allclose(z.reshape(3, 4, 4, 2)[:, 1, 1], by_hand, rtol=1e-4, atol=1e-6)
    with pytest.raises(keras_ae.SpecError, match=r"Write Identity\(32\)"):
        Spec((4, 4, 1), (keras_ae.Conv(2), keras_ae.Flatten()), keras_ae.Identity(31), "gaussian")
