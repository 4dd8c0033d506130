"""Models whose answer is known: PCA, and the linear-Gaussian model."""

import keras
import numpy as np
import pytest
from keras import ops
from scipy.linalg import subspace_angles
from scipy.stats import multivariate_normal

import keras_ae
from keras_ae import Gaussian, Normal, Spec, Vector
from keras_ae.bounds import bounded

WIDTH, CODE, SIGMA = 5, 2, 0.6


def test_a_linear_autoencoder_spans_the_pca_subspace():
    decomposition = pytest.importorskip("sklearn.decomposition")
    rng = np.random.default_rng(0)
    rotation = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    x = (rng.normal(size=(200, 6)) * [2.0, 1.5, 0.5, 0.4, 0.3, 0.2] @ rotation).astype("float32")
    rate = keras.optimizers.schedules.ExponentialDecay(0.05, decay_steps=100, decay_rate=0.3)
    model = keras_ae.build(Spec((6,), (), Vector(2), "gaussian"), optimizer=keras.optimizers.Adam(rate), seed=0)
    model.fit(np.tile(x, (300, 1)), batch_size=200, shuffle=False, verbose=0)  # 300 steps on all of the data.
    pca = decomposition.PCA(2).fit(x)
    angles = np.degrees(subspace_angles(model.decoder_logits.get_weights()[0].T, pca.components_.T))
    assert angles.max() < 2
    error = model.reconstruction_error(x).mean()
    best = np.square(x - pca.inverse_transform(pca.transform(x))).mean()
    assert best * (1 - 1e-4) < error < best * 1.01


@pytest.fixture(scope="module")
def linear_gaussian():
    """A VAE with x = z W + b + sigma e, an encoder by hand that is near its posterior, and data of that model."""
    rng = np.random.default_rng(1)
    w, b = rng.normal(size=(CODE, WIDTH)), rng.normal(size=WIDTH)
    model = keras_ae.build(Spec((WIDTH,), (), Gaussian(CODE), Normal("fixed", SIGMA)), seed=0)
    covariance = np.linalg.inv(np.eye(CODE) + w @ w.T / SIGMA**2)  # Of the posterior: Bishop 2006, Eq. 12.42.
    kernel = w.T @ covariance / SIGMA**2
    model.decoder_logits.set_weights([w, b])
    model.encoder.get_layer("z_mean_0").set_weights([0.9 * kernel, -0.9 * b @ kernel + 0.1])
    log_var = 0.3 + np.log(np.diag(covariance))
    model.encoder.get_layer("z_log_var_1").set_weights([np.zeros((WIDTH, CODE)), 10 * np.arctanh(log_var / 10)])
    x = rng.normal(size=(6, CODE)) @ w + b + SIGMA * rng.normal(size=(6, WIDTH))
    exact = multivariate_normal(b, w.T @ w + SIGMA**2 * np.eye(WIDTH)).logpdf(x)
    # The ELBO is below by KL(q(z|x) || p(z|x)), with q at 0.9 of the posterior's mean and 0.1 beside it.
    difference, precision, q_var = 0.1 * (x - b) @ kernel - 0.1, np.linalg.inv(covariance), np.exp(log_var)
    quadratic = np.einsum("ni,ij,nj->n", difference, precision, difference)
    log_ratio = np.linalg.slogdet(covariance)[1] - log_var.sum()
    gap = 0.5 * (np.trace(precision @ np.diag(q_var)) + quadratic - CODE + log_ratio)
    return model, x.astype("float32"), exact, exact - gap


def test_the_log_likelihood_is_the_exact_marginal(linear_gaussian):
    model, x, exact, _ = linear_gaussian
    estimates = np.array([model.log_likelihood(x, num_samples=512, seed=seed) for seed in range(24)])
    spread = estimates.std(axis=0, ddof=1)
    assert spread.max() < 0.1
    bias = spread**2 / 2  # Of the logarithm of a mean, to second order.
    assert (np.abs(estimates.mean(axis=0) + bias - exact) < 4.5 * spread / np.sqrt(24)).all()


def test_the_score_of_samples_is_the_exact_elbo(linear_gaussian):
    model, x, exact, elbo = linear_gaussian
    assert (exact - elbo).min() > 0.02
    estimates = np.array([model.score_samples(x, num_samples=512, seed=seed) for seed in range(24)])
    error = estimates.std(axis=0, ddof=1) / np.sqrt(24)
    assert (np.abs(estimates.mean(axis=0) - elbo) < 4.5 * error).all()
    assert (estimates.mean(axis=0) < exact).all()


def test_one_importance_sample_is_the_elbo_and_more_tighten_the_bound(linear_gaussian):
    model, x, exact, elbo = linear_gaussian
    means = []
    for count in (1, 4, 64):
        many = np.tile(x, (400, 1))
        # A generator's noise goes by place: by a seed a sample would have the same noise each time.
        rng = np.random.default_rng(3)
        means.append(model.log_likelihood(many, num_samples=count, seed=rng).reshape(400, -1).mean())
    assert means[0] == pytest.approx(elbo.mean(), abs=0.05)
    assert means[0] < means[1] < means[2]
    assert means[2] == pytest.approx(exact.mean(), abs=0.02)


def test_the_training_loss_of_the_vae_is_minus_the_elbo(linear_gaussian):
    model, x, _, elbo = linear_gaussian
    loss = model.evaluate(np.tile(x, (10_000, 1)), batch_size=20_000, verbose=0, return_dict=True)["loss"]
    assert loss == pytest.approx(-elbo.mean(), abs=0.04)


def test_a_linear_vae_reaches_the_likelihood_of_probabilistic_pca():
    """Lucas et al. 2019, "Don't blame the ELBO": the optimum of a linear VAE is that of Tipping & Bishop 1999."""
    rng = np.random.default_rng(2)
    x = (rng.normal(size=(256, 4)) * [2.0, 1.0, 0.5, 0.5]).astype("float32")
    values = np.linalg.eigvalsh(np.cov(x.T, bias=True))[::-1]
    noise = values[2:].mean()
    best = -0.5 * (4 * np.log(2 * np.pi) + np.log(values[:2]).sum() + 2 * np.log(noise) + 4)
    rate = keras.optimizers.schedules.ExponentialDecay(0.05, decay_steps=300, decay_rate=0.3)
    spec = Spec((4,), (), Gaussian(2), Normal("global", 1.0))
    model = keras_ae.build(spec, optimizer=keras.optimizers.Adam(rate), seed=0)
    model.fit(np.tile(x, (900, 1)), batch_size=256, shuffle=False, verbose=0)
    found = model.log_likelihood(x, num_samples=256).mean()
    assert found == pytest.approx(best, abs=0.05)
    log_var = ops.convert_to_numpy(bounded(model.likelihood.log_var.value))
    assert np.exp(log_var) == pytest.approx(noise, rel=0.1)
