"""The numbers on a card, against closed forms; the script that verifies them, against numbers that were changed."""

import copy
import math
from dataclasses import asdict
from fnmatch import fnmatch
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from typer.testing import CliRunner

import keras_ae
from keras_ae import Flatten, Gaussian, GaussianNoise, Normal, Sparsity, Spec, Vector, pretrained, sparse_code
from keras_ae.bounds import unbounded
from keras_ae.cli import app
from keras_ae.evaluation import measure
from keras_ae.evaluation.noise import unit_noise
from keras_ae.pretrained import verifying

SHAPE = (12, 12, 1)
FLAT = 144
FLATTEN = (Flatten(),)
X = np.random.default_rng(0).uniform(size=(300, *SHAPE)).astype("float32")
X[0, 0, :2, 0] = 0, 1  # The range of the data, by which PSNR goes, is that of the training part.
DATA = keras_ae.datasets.load({"x_train": X[:20], "x_validation": X[:20], "x_test": X})


def made(code, likelihood="gaussian", shape=SHAPE, rows=FLATTEN, **options):
    return keras_ae.build(Spec(shape, rows, code, likelihood, **options), seed=0)


def set_all(part, *values):
    """Give the weights of a part in order; a number fills one."""
    part.set_weights([np.broadcast_to(v, w.shape) for v, w in zip(values, part.get_weights(), strict=True)])


def shifting(shift, **options):
    """Return a model whose reconstruction is its input plus `shift`."""
    model = made(Vector(FLAT), **options)
    set_all(model.encoder, np.eye(FLAT), 0)
    set_all(model.decoder_logits, np.eye(FLAT), shift)
    return model


def values(numbers):
    return {name: number["value"] for name, number in numbers.items()}


def measured(model, data=DATA, **options):
    return measure(model, data.test, **{"data_range": data.train.range, "progress": False} | options)


def test_a_model_that_says_one_half_has_the_errors_of_one_half():
    model = made(Vector(2))
    set_all(model.decoder_logits, 0, 0.5)
    found = measured(model)
    assert set(found) == {"mse", "psnr", "ssim"}
    errors = np.square(X - 0.5).reshape(300, -1).mean(axis=1)
    assert found["mse"]["value"] == pytest.approx(errors.mean(), rel=1e-5)
    assert found["mse"]["error"] == pytest.approx(errors.std(ddof=1) / math.sqrt(300), rel=1e-4)
    assert found["psnr"]["value"] == pytest.approx((-10 * np.log10(errors)).mean(), rel=1e-5)
    assert "300 test samples" in found["mse"]["protocol"]
    assert all(0 < number["tolerance"] < 0.02 for number in found.values())


def test_noise_of_a_sigma_has_the_psnr_of_that_sigma_and_a_model_that_shifts_has_that_of_the_shift():
    found = values(measured(shifting(0.01, corruption=GaussianNoise(0.2))))
    noise = unit_noise(range(300), SHAPE)
    for sigma in (0.1, 0.25, 0.5):
        assert found[f"psnr_noisy_{sigma}"] == pytest.approx(-20 * math.log10(sigma), abs=0.05)
        clipped = np.clip(X + np.float32(sigma) * noise + 0.01, 0, 1)
        by_hand = (-10 * np.log10(np.square(clipped - X).mean(axis=(1, 2, 3)))).mean()
        assert found[f"psnr_{sigma}"] == pytest.approx(by_hand, abs=1e-3)
        assert found[f"psnr_{sigma}"] > found[f"psnr_noisy_{sigma}"] + 0.1
    assert found["psnr"] == pytest.approx(40, abs=1e-3)
    assert found["ssim_0.1"] > found["ssim_0.25"] > found["ssim_0.5"]


def test_noise_belongs_to_the_sample():
    noise = unit_noise(range(10), SHAPE)
    np.testing.assert_array_equal(noise[4:6], unit_noise([4, 5], SHAPE))
    assert (noise != unit_noise(range(10), SHAPE, seed=1)).all(axis=(1, 2, 3)).all()
    assert noise.mean() == pytest.approx(0, abs=0.1)
    assert noise.std() == pytest.approx(1, abs=0.05)


@pytest.fixture(scope="module")
def linear():
    """A VAE on 3 numbers whose q is the exact posterior, data from it, and its exact log p(x)."""
    sd, w, b = 0.7, np.array([[1.2, 0, 0], [0, 0.6, 0.8]]), np.array([0.1, 0.2, 0.3])
    model = made(Gaussian(2), Normal("fixed", sd), shape=(3,), rows=())
    set_all(model.decoder_logits, w, b)
    variance = 1 / (1 + np.square(w).sum(axis=1) / sd**2)  # Diagonal, because the rows of w are orthogonal.
    gain = w.T * variance / sd**2
    heads = {
        "z_mean": {"kernel": gain, "bias": -b @ gain},
        "z_log_var": {"kernel": np.zeros((3, 2)), "bias": [unbounded(v) for v in np.log(variance)]},
    }
    for weight in model.encoder.weights:
        layer, name = weight.path.split("/")
        weight.assign(heads[layer.rsplit("_", 1)[0]][name])
    marginal = multivariate_normal(b, w.T @ w + sd**2 * np.eye(3))
    x = marginal.rvs(400, random_state=1).astype("float32")
    data = keras_ae.datasets.load({"x_train": x, "x_validation": x, "x_test": x})
    return SimpleNamespace(model=model, data=data, log_p=marginal.logpdf(x), variance=variance)


def test_bounds_of_a_linear_vae_with_the_exact_posterior_are_the_exact_marginal(linear):
    found = measured(linear.model, linear.data, num_samples=3, images=150)
    log_p = linear.log_p[:150]
    assert found["iw_nll"]["value"] == pytest.approx(-log_p.mean(), abs=1e-4)
    assert found["iw_nll"]["error"] == pytest.approx(log_p.std(ddof=1) / math.sqrt(150), rel=1e-3)
    elbo = found["elbo"]
    assert elbo["value"] == pytest.approx(linear.log_p.mean(), abs=4 * elbo["error"])
    assert elbo["value"] == pytest.approx(-found["nll"]["value"] - found["kl"]["value"], abs=1e-6)
    assert "density" in found["nll"]["protocol"]
    assert "150 test samples" in found["iw_nll"]["protocol"]
    assert (found["active_units"]["value"], found["active_units"]["error"]) == (2, None)


def test_kl_of_a_linear_vae_is_that_of_its_posterior(linear):
    mean = linear.model.encode(linear.data.test.x)
    kl = 0.5 * (np.square(mean) + linear.variance - 1 - np.log(linear.variance)).sum(axis=1)
    assert values(measured(linear.model, linear.data, num_samples=1))["kl"] == pytest.approx(kl.mean(), rel=1e-4)


def test_a_posterior_that_is_the_prior_has_no_kl_and_no_active_unit():
    model = made(Gaussian(3), "bernoulli")
    set_all(model.encoder, 0, 0, 0, 0)
    set_all(model.decoder_logits, 0, 0)
    found = values(measured(model, num_samples=2, images=8, binarize="dynamic"))
    assert found["kl"] == 0
    assert found["active_units"] == 0
    for bound in (found["nll"], -found["elbo"], found["iw_nll"]):  # Each pixel is a fair coin.
        assert bound == pytest.approx(FLAT * math.log(2), rel=1e-5)


def test_the_same_seed_gives_the_same_numbers_and_another_one_others():
    model = made(Gaussian(3), "bernoulli")
    first, again, other = (
        values(measured(model, num_samples=4, images=70, binarize="dynamic", seed=seed)) for seed in (0, 0, 1)
    )
    assert first == again
    assert all(first[name] != other[name] for name in ("mse", "nll", "iw_nll"))


def test_a_binarised_model_is_measured_on_binarised_samples():
    model = made(Vector(2), "bernoulli")
    set_all(model.decoder_logits, 0, 0)
    found = measured(model, binarize="dynamic")
    assert found["mse"]["value"] == pytest.approx(0.25)
    assert "binarised by one draw that stays (seed 0)" in found["mse"]["protocol"]
    assert measured(model)["mse"]["value"] == pytest.approx(np.square(X - 0.5).mean(), rel=1e-5)


def test_bits_per_dim_of_a_discretised_likelihood_are_those_of_the_elbo():
    model = made(Gaussian(2), "discretized_logistic")
    found = measured(model, num_samples=None)
    assert "iw_nll" not in found
    for key, sign in (("value", -1), ("error", 1)):
        bits = sign * found["elbo"][key] / (FLAT * math.log(2))
        assert found["bits_per_dim"][key] == pytest.approx(bits, rel=1e-6)
    assert "bits_per_dim" not in measured(made(Gaussian(2), "gaussian"), num_samples=None)


def test_units_of_a_sparse_code_are_counted():
    model = made(Vector(5, "relu"), objective=Sparsity())
    set_all(model.encoder, 0, [1.0, 0.5, 0.0, -1.0, 2.0])
    found = measured(model)
    assert (found["l0"]["value"], found["l0"]["error"]) == (3, 0)
    assert found["dead_units"]["value"] == 2
    assert "of 5" in found["dead_units"]["protocol"]
    assert values(measured(made(sparse_code(5, "kl"), objective=Sparsity("kl"))))["mean_activation"] == pytest.approx(
        0.05, abs=0.04
    )


def test_what_has_no_sides_has_no_ssim_and_nothing_is_asked_of_no_sample(linear):
    assert "ssim" not in measured(linear.model, linear.data, num_samples=None)
    with pytest.raises(ValueError, match="at least 1, not 0"):
        measured(linear.model, linear.data, num_samples=0)


def test_elbo_terms_are_refused_where_there_is_no_bound(linear):
    with pytest.raises(ValueError, match="elbo_terms needs a prior"):
        made(Vector(2)).elbo_terms(X)
    with pytest.raises(ValueError, match="num_samples must be at least 1"):
        linear.model.elbo_terms(linear.data.test.x, num_samples=0)


def test_elbo_terms_average_their_draws(linear):
    terms = linear.model.elbo_terms(linear.data.test.x, num_samples=400)
    elbo = -(terms["nll"] + terms["kl"])
    # For the exact posterior the bound is log p(x), sample by sample.
    np.testing.assert_allclose(elbo, linear.log_p, atol=0.6)
    np.testing.assert_allclose(elbo.mean(), linear.log_p.mean(), atol=0.02)


@pytest.fixture(scope="module")
def shipped():
    """A model as if it were shipped, and its card."""
    model = made(Gaussian(2), "bernoulli", shape=(28, 28, 1))
    settings = keras_ae.runs.Settings("vae", smoke=True)
    numbers = measured(model, settings.load_data(), binarize="dynamic", num_samples=3, images=5)
    facts = {"model": "vae", "dataset": "mnist_mini", "binarize": "dynamic", "settings": asdict(settings)}
    facts["protocol"] = {"num_samples": 3, "images": 5}
    return model, SimpleNamespace(**facts, numbers=numbers)


@pytest.fixture
def verify(monkeypatch, shipped):
    """The command, with one model in its catalogue; returns exit code and text."""
    model, card = shipped
    card = copy.deepcopy(card)
    names = ("vae/mnist_mini",)
    monkeypatch.setattr(
        pretrained, "list_weights", lambda pattern="*": [name for name in names if fnmatch(name, pattern)]
    )
    monkeypatch.setattr(pretrained, "card", lambda name: card)
    monkeypatch.setattr(verifying.registry, "build", lambda name, weights: model)
    monkeypatch.setattr(verifying, "measure", partial(measure, progress=False))

    def run(*arguments):
        done = CliRunner().invoke(app, ["verify", *arguments])
        return done.exit_code, done.output

    run.shipped = card
    return run


def test_numbers_that_hold_are_verified(verify):
    code, text = verify()
    assert code == 0
    assert "8 numbers: 0 out of tolerance, 0 skipped" in text
    assert "NO" not in text


@pytest.mark.parametrize("name", ["mse", "kl", "iw_nll", "active_units"])
def test_a_number_that_was_changed_is_found(verify, name):
    number = verify.shipped.numbers[name]
    number["value"] += 2 * number["tolerance"]
    code, text = verify()
    assert code == 1 and "1 out of tolerance" in text


def test_a_number_that_cannot_be_measured_is_no_number(verify):
    verify.shipped.numbers["beauty"] = {"value": 1.0, "tolerance": 9.0}
    assert verify()[0] == 1
    verify.shipped.numbers.pop("beauty")
    verify.shipped.numbers["mse"]["value"] = math.nan
    assert verify()[0] == 1


def test_quick_leaves_out_the_slow_bound_and_says_so(verify):
    verify.shipped.numbers["iw_nll"]["value"] = 0
    code, text = verify("--quick")
    assert code == 0 and "1 skipped" in text
    verify.shipped.numbers["mse"]["value"] = 0
    assert verify("--quick")[0] == 1


def test_an_empty_catalogue_has_nothing_to_verify(verify):
    code, text = verify("nothing*")
    assert code == 0 and "0 weights, 0 numbers" in text
