"""Divergences and log-densities against their formulas, SciPy and Monte Carlo."""

import numpy as np
import pytest
from keras import ops
from scipy import stats
from scipy.special import rel_entr

from keras_ae.divergences import bernoulli_kl, gaussian_kl, gaussian_log_density

RNG = np.random.default_rng(0)
MEAN, LOG_VAR = RNG.normal(size=(5, 3)), RNG.normal(size=(5, 3))


def tensor(value):
    return ops.convert_to_tensor(np.asarray(value, "float32"))


def array(value):
    return ops.convert_to_numpy(value)


def test_kl_of_the_prior_to_itself_is_zero():
    zeros = tensor(np.zeros((4, 7)))
    np.testing.assert_array_equal(array(gaussian_kl(zeros, zeros)), np.zeros(4))


def test_kl_is_that_of_the_general_formula_of_two_gaussians():
    found = array(gaussian_kl(tensor(MEAN), tensor(LOG_VAR)))
    for kl, mean, log_var in zip(found, MEAN, LOG_VAR, strict=True):
        covariance = np.diag(np.exp(log_var))
        general = 0.5 * (np.trace(covariance) + mean @ mean - len(mean) - np.linalg.slogdet(covariance)[1])
        assert kl == pytest.approx(general, rel=1e-5)
    assert (found > 0).all()


def test_kl_is_the_mean_log_ratio_of_samples():
    z = MEAN + np.exp(LOG_VAR / 2) * RNG.normal(size=(40_000, 5, 3))
    ratio = array(gaussian_log_density(tensor(z), tensor(MEAN), tensor(LOG_VAR)) - gaussian_log_density(tensor(z)))
    error = ratio.std(axis=0) / np.sqrt(len(z))
    assert (np.abs(ratio.mean(axis=0) - array(gaussian_kl(tensor(MEAN), tensor(LOG_VAR)))) < 5 * error).all()


def test_log_density_is_that_of_scipy():
    z = RNG.normal(size=(5, 3))
    wanted = stats.norm.logpdf(z, MEAN, np.exp(LOG_VAR / 2)).sum(1)
    found = array(gaussian_log_density(tensor(z), tensor(MEAN), tensor(LOG_VAR)))
    np.testing.assert_allclose(found, wanted, rtol=1e-5)
    np.testing.assert_allclose(array(gaussian_log_density(tensor(z))), stats.norm.logpdf(z).sum(1), rtol=1e-5)


def test_bernoulli_kl_is_the_relative_entropy_of_scipy():
    activation = np.array([0.01, 0.2, 0.5, 0.97])
    for rho in (0.05, 0.5):
        wanted = (rel_entr(rho, activation) + rel_entr(1 - rho, 1 - activation)).sum()
        assert float(array(bernoulli_kl(rho, tensor(activation)))) == pytest.approx(wanted, rel=1e-5)


def test_bernoulli_kl_is_zero_at_rho_and_finite_at_the_ends():
    assert float(array(bernoulli_kl(0.2, tensor([0.2, 0.2])))) == pytest.approx(0, abs=1e-6)
    assert 2 < float(array(bernoulli_kl(0.2, tensor([0.0, 1.0])))) < 50
