"""Counts: the negative binomial against SciPy, the library size as an input of the likelihood, exact likelihoods."""

import warnings

import keras
import numpy as np
import pytest
from keras import ops
from scipy import stats
from scipy.special import gammaln, logsumexp

import keras_ae
from keras_ae.models.count_vae import (
    CountELBO,
    Library,
    NegativeBinomial,
    NegativeBinomialLayer,
    negative_binomial_log_mass,
    stirling_rest,
)
from keras_ae.rows import Dense, Gaussian, SpecError
from keras_ae.spec import Spec

RNG = np.random.default_rng(0)
X = RNG.negative_binomial(2.0, 0.2, (64, 12)).astype("float32")
X[:, 0] += 1  # No sample is without a count.


def array(tensor):
    return ops.convert_to_numpy(tensor)


def tensor(values):
    return ops.convert_to_tensor(np.asarray(values, "float32"))


def log_mass(x, log_mean, dispersion):
    return array(negative_binomial_log_mass(tensor(x), tensor(log_mean), tensor(dispersion)))


def test_log_mass_is_that_of_scipy_from_tiny_to_huge():
    x = np.array([0, 1, 3, 17, 250, 10_000, 1_000_000], "float32")[:, None, None]
    mean = np.array([1e-4, 0.3, 5.0, 400.0, 2e4, 1e6], "float32")[None, :, None]
    theta = np.array([1e-3, 0.1, 1.0, 30.0, 2e4], "float32")[None, None, :]
    found = log_mass(x, np.log(mean), theta)
    x, mean, theta = (each.astype("float64") for each in (x, mean, theta))
    expected = stats.nbinom.logpmf(x, theta, theta / (theta + mean))
    assert np.isfinite(expected).all()
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-3)


def test_a_vanishing_share_of_what_was_counted_still_has_a_slope():
    far, near = log_mass([3.0, 3.0], [-90.0, -89.0], [1.0, 1.0])
    assert near - far == pytest.approx(3, rel=1e-4)


def test_stirlings_rest_is_that_of_log_gamma():
    a = np.geomspace(1e-3, 1e6, 200).astype("float32")
    exact = a.astype("float64")
    expected = gammaln(exact) - ((exact - 0.5) * np.log(exact) - exact + 0.5 * np.log(2 * np.pi))
    np.testing.assert_allclose(array(stirling_rest(tensor(a))), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("zero_inflated", [False, True])
def test_masses_sum_to_one_and_the_mean_is_theirs(zero_inflated):
    layer = NegativeBinomialLayer(NegativeBinomial(zero_inflated))
    counts = np.arange(4000, dtype="float32")
    outputs = {"logits": np.zeros((4000, 2), "float32"), "library": np.full(4000, 9.0, "float32")}
    if zero_inflated:
        outputs["zero_logits"] = np.full((4000, 2), -0.4, "float32")
    outputs = {name: tensor(each) for name, each in outputs.items()}
    mean = array(layer(outputs))[0]
    layer.log_dispersion.assign(np.array([0.5, -0.5]))
    mass = np.exp(-array(layer.nll_of_values(tensor(np.stack([counts, counts], axis=1)), outputs)).astype("float64"))
    np.testing.assert_allclose(mass.sum(axis=0), 1, atol=2e-4)
    np.testing.assert_allclose((counts[:, None] * mass).sum(axis=0), mean, rtol=2e-3)
    draws = layer.sample({name: ops.repeat(each[:1], 20_000, axis=0) for name, each in outputs.items()}, 3)
    np.testing.assert_allclose(draws.mean(axis=0), mean, rtol=0.05)
    np.testing.assert_allclose((draws == 0).mean(axis=0), mass[0], atol=0.02)


def test_the_library_is_the_sum_of_counts_unless_it_is_given():
    model = keras_ae.build("count_vae", input_shape=(12,), latent_dim=2, seed=0)
    found = model.reconstruct(X)
    np.testing.assert_allclose(found.sum(axis=1), X.sum(axis=1), rtol=1e-4)
    np.testing.assert_allclose(model.reconstruct(X, library=np.full(64, 7.0)).sum(axis=1), 7, rtol=1e-4)
    shares = model.sample(5, seed=0, library=1)
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-4)
    counts = model.sample_counts(500, seed=0, library=50)
    assert (counts == np.floor(counts)).all()
    assert counts.sum(axis=1).mean() == pytest.approx(50, rel=0.1)


def test_log_likelihood_is_exact_where_the_code_says_nothing():
    """With a decoder of zeros x is independent of z: log p(x) is that of SciPy, for any posterior."""
    model = keras_ae.build("count_vae", input_shape=(12,), latent_dim=2, seed=0)
    logits = RNG.standard_normal(12).astype("float32")
    kernel, bias = model.decoder_logits.layers[-1].weights
    kernel.assign(np.zeros(kernel.shape))
    bias.assign(logits)
    theta = model.dispersion().astype("float64")
    mean = X.sum(axis=1, keepdims=True) * np.exp(logits - logsumexp(logits))
    expected = stats.nbinom.logpmf(X, theta, theta / (theta + mean)).sum(axis=1)
    np.testing.assert_allclose(model.log_likelihood(X, num_samples=2000), expected, atol=0.15)
    elbo = -sum(model.elbo_terms(X).values())
    assert (elbo <= expected + 1e-2).all()


def test_log_likelihood_of_a_factor_model_is_that_of_quadrature():
    """One factor with known loadings: log p(x), by Gauss and Hermite, within the standard error of the estimate."""
    spec = Spec(
        (12,),
        (Dense(8, "tanh"),),
        Gaussian(1),
        NegativeBinomial(),
        (Dense(12, "linear"),),
        objective=CountELBO(),
        inputs=Library(),
    )
    model = keras_ae.build(spec, seed=0)
    loadings, bias = RNG.standard_normal((1, 12)) * 0.7, RNG.standard_normal(12) * 0.5
    for variable, value in zip(model.decoder_logits.layers[-1].weights, (loadings, bias), strict=True):
        variable.assign(value)
    points, weights = np.polynomial.hermite_e.hermegauss(80)
    theta = model.dispersion().astype("float64")
    logits = points[:, None] * loadings + bias
    shares = np.exp(logits - logsumexp(logits, axis=1, keepdims=True))
    mean = X.sum(axis=1)[:, None, None] * shares
    logs = stats.nbinom.logpmf(X[:, None], theta, theta / (theta + mean)).sum(axis=2)
    expected = logsumexp(logs + np.log(weights / weights.sum()), axis=1)
    estimates = np.stack([model.log_likelihood(X[:16], num_samples=4000, seed=seed) for seed in range(6)])
    error = estimates.std(axis=0, ddof=1) / np.sqrt(6)
    assert (np.abs(estimates.mean(axis=0) - expected[:16]) < 4 * error + 0.02).all()


@pytest.mark.parametrize("zero_inflated", [False, True])
def test_training_learns_counts(zero_inflated):
    model = keras_ae.build("count_vae", input_shape=(12,), latent_dim=2, zero_inflated=zero_inflated, seed=0)
    history = model.fit(X, epochs=8, batch_size=16, verbose=0).history["loss"]
    assert history[-1] < history[0]
    assert not np.allclose(model.dispersion(), 1)


@pytest.mark.slow
def test_dispersion_is_found_again():
    """Counts without a factor: theta of each feature comes out."""
    theta = np.array([0.5, 1.0, 4.0, 16.0])
    x = RNG.negative_binomial(theta, theta / (theta + 25.0), (4000, 4)).astype("float32")
    x[x.sum(axis=1) == 0, 0] = 1
    model = keras_ae.build(
        "count_vae", input_shape=(4,), latent_dim=1, beta=20.0, seed=0, optimizer=keras.optimizers.Adam(0.02)
    )
    model.fit(x, library=np.full(4000, 100.0), epochs=12, batch_size=200, verbose=0)
    np.testing.assert_allclose(np.log(model.dispersion()), np.log(theta), atol=0.25)


@pytest.mark.parametrize(
    "x, options, sentence",
    [
        (X + 0.5, {}, "whole numbers"),
        (X.astype("uint8"), {}, r"Give counts as x.astype\('int32'\)"),
        (X - 5, {}, "outside the range"),
        (np.zeros((4, 12), "float32"), {}, "library has 0 in sample 0"),
        (X, {"library": np.zeros(64)}, "library has 0 in sample 0"),
        (X, {"library": np.full(64, 1e39)}, "library has 1e.39 in sample 0"),
        (X, {"library": np.ones(3)}, "64 samples and library 3"),
    ],
)
def test_what_are_no_counts_is_refused(x, options, sentence):
    model = keras_ae.build("count_vae", input_shape=(12,), latent_dim=2, seed=0)
    for call in (model.fit, model.encode):
        with pytest.raises(ValueError, match=sentence):
            call(x, **options)


def test_decode_needs_a_library_and_the_likelihood_its_input():
    model = keras_ae.build("count_vae", input_shape=(12,), latent_dim=2, seed=0)
    with pytest.raises(ValueError, match="comes without 'library'"):
        model.decode(np.zeros((2, 2)))
    with pytest.raises(SpecError, match=r"NegativeBinomial.*needs the input 'library'"):
        Spec((12,), (Dense(8),), Gaussian(2), NegativeBinomial())


def test_sparse_counts_are_read_batch_by_batch():
    sparse = pytest.importorskip("scipy.sparse")
    model = keras_ae.build("count_vae", input_shape=(12,), latent_dim=2, seed=0)
    rows = sparse.csr_matrix(X)
    np.testing.assert_allclose(model.encode(rows), model.encode(X), atol=1e-5)
    model.fit(rows, batch_size=16, verbose=0)


def in_batches(x, y=None):
    """A `tf.data.Dataset` of samples, or of samples and labels."""
    tf = pytest.importorskip("tensorflow")
    return tf.data.Dataset.from_tensor_slices(x if y is None else (x, y)).batch(16)


@pytest.mark.slow
@pytest.mark.parametrize("labels", [None, np.arange(64) % 3])
def test_the_library_of_streams_is_the_sum_too_and_labels_are_none(labels):
    losses = []
    for x, options in ((in_batches(X, labels), {}), (X, {"y": labels, "batch_size": 16})):
        model = keras_ae.build("count_vae", input_shape=(12,), latent_dim=2, seed=0)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*left out", UserWarning)
            losses.append(model.fit(x, shuffle=False, verbose=0, **options))
    streamed, whole = (history.history["loss"] for history in losses)
    assert streamed == pytest.approx(whole, rel=1e-5)


def test_the_decoder_and_a_mixture_in_its_place_take_the_library():
    pytest.importorskip("sklearn")
    model = keras_ae.build("count_vae", input_shape=(12,), latent_dim=2, seed=0)
    z, library = np.zeros((3, 2), "float32"), np.full(3, 7.0, "float32")
    means = array(model.decoder({"z": z, "library": library}))
    np.testing.assert_allclose(means, model.decode(z, library=library), rtol=1e-5)
    better = keras_ae.priors.GaussianMixture(2).fit(model, X).into_model()
    np.testing.assert_allclose(better.reconstruct(X), model.reconstruct(X), rtol=1e-4)
    assert better.sample(4, seed=0, library=9).shape == (4, 12)


def test_labels_of_a_file_are_no_library(tmp_path):
    np.savez(tmp_path / "counts.npz", x=X, y=np.arange(64) % 3)
    data = keras_ae.datasets.load(str(tmp_path / "counts.npz"))
    spec = keras_ae.spec("count_vae", input_shape=(12,), latent_dim=2)
    assert data.train.asked_for(spec.inputs) == ()
    model = keras_ae.build(spec, seed=0)
    batch = keras_ae.evaluation.pictures.first(data.train, 5, spec)
    np.testing.assert_allclose(batch["library"], batch["x"].sum(axis=1))
    files = keras_ae.evaluation.draw(model, data.test, tmp_path)
    assert all(file.is_file() for file in files)


def test_latents_are_drawn_without_a_library(tmp_path):
    model = keras_ae.build("count_vae", input_shape=(12,), latent_dim=2, seed=0)
    model.fit(X, verbose=0, callbacks=[keras_ae.callbacks.LatentVisualizer(X, folder=tmp_path, gif=False)])
    assert list(tmp_path.glob("latent-grid*"))


@pytest.mark.parametrize("of_name", [True, False])
def test_estimators_take_counts_as_they_are(of_name):
    estimators = pytest.importorskip("keras_ae.estimators")
    spec = keras_ae.spec("count_vae", input_shape=(12,), latent_dim=2)
    model = {"model": "count_vae", "latent_dim": 2} if of_name else {"model": spec}
    reduce = estimators.AutoencoderTransformer(**model, epochs=1, random_state=0).fit(X)
    assert reduce.transform(X).shape == (64, 2)
    np.testing.assert_allclose(reduce.model_.reconstruct(X).sum(axis=1), X.sum(axis=1), rtol=1e-4)
