"""Ex-post priors: densities against closed forms and SciPy, draws against densities, samples of a trained model."""

import joblib
import numpy as np
import pytest
from keras import ops
from scipy import stats
from scipy.special import logsumexp

import keras_ae
from keras_ae import Dense, Gaussian, Spec, Vector, extras, priors
from keras_ae.priors.base import codes_of
from keras_ae.priors.flow import Flow

RNG = np.random.default_rng(0)
DIM = 2
TWO_STAGE = {"width": 32, "epochs": 40, "batch_size": 64, "learning_rate": 5e-3}
FLOW = {"blocks": 2, "width": 32, "epochs": 15, "batch_size": 64, "learning_rate": 1e-2}
MADE_OF = {
    "standard_normal": lambda: priors.StandardNormal(),
    "mixture": lambda: priors.GaussianMixture(2),
    "kernels": lambda: priors.KernelDensity(0.2),
    "two_stage": lambda: priors.TwoStageVAE(**TWO_STAGE),
    "flow": lambda: priors.AutoregressiveFlow(**FLOW),
}
each = pytest.mark.parametrize("name", MADE_OF)


def identity(latent=None):
    """A model whose code, or its mean, is x itself, and whose output is 10 x."""
    model = keras_ae.build(Spec((DIM,), (), latent or Vector(DIM), "gaussian", (Dense(DIM, "linear"),)), seed=0)
    for layers, factor in ((model.encoder.layers, 1), (model.decoder_logits.layers, 10)):
        first = next(layer for layer in layers if layer.weights)
        first.set_weights([factor * np.eye(DIM), np.zeros(DIM)])
    return model


AXIS = np.array([1.5, 0.5])


def two_clusters(n, rng=RNG):
    """Two clusters of correlated codes, one above the other and off the origin."""
    upper = rng.choice([0.0, 4.0], (n, 1)) * [0, 1]
    return (5 + upper + rng.normal(size=(n, 1)) * AXIS + 0.4 * rng.normal(size=(n, DIM))).astype("float32")


def true_log_density(z):
    covariance = np.outer(AXIS, AXIS) + 0.16 * np.eye(DIM)
    parts = [stats.multivariate_normal([5, 5 + place], covariance).logpdf(z) for place in (0, 4)]
    return logsumexp(parts, axis=0, b=0.5)


def above_lower(z):
    """Distance above the axis of the lower cluster: 0 there, 4 in the upper one, +-0.42 in both."""
    return z[:, 1] - 5 - (z[:, 0] - 5) / 3


def bent(n, rng=RNG):
    """Codes along a parabola, which no few Gaussians are."""
    e = rng.normal(size=(n, DIM))
    return np.stack([3 + 1.5 * e[:, 0], 1 + e[:, 0] ** 2 + 0.4 * e[:, 1]], axis=1).astype("float32")


def log_density_of_bent(z):
    across = (z[:, 0] - 3) / 1.5
    return stats.norm.logpdf(z[:, 0], 3, 1.5) + stats.norm.logpdf(z[:, 1], 1 + across**2, 0.4)


X = two_clusters(2000)
BENT = bent(1500)
NETWORKS = ("two_stage", "flow")


@pytest.fixture(scope="module")
def model():
    return identity()


@pytest.fixture(scope="module")
def fitted(model):
    return {name: make().fit(model, BENT if name in NETWORKS else X) for name, make in MADE_OF.items()}


def test_the_standard_normal_is_scipys(fitted):
    z = RNG.normal(size=(5, DIM))
    expected = stats.multivariate_normal(np.zeros(DIM)).logpdf(z)
    np.testing.assert_allclose(fitted["standard_normal"].log_density(z), expected, rtol=1e-12)
    assert stats.kstest(fitted["standard_normal"].draw(2000, seed=0).ravel(), "norm").pvalue > 0.01


# Nats by which the mean log-density may lie below the true one. A Gaussian is 0.6 and 1.3 below it.
@pytest.mark.parametrize(
    ("name", "gap", "codes", "truth"),
    [
        ("mixture", 0.02, two_clusters, true_log_density),
        ("kernels", 0.25, two_clusters, true_log_density),
        ("two_stage", 0.9, bent, log_density_of_bent),
        ("flow", 0.15, bent, log_density_of_bent),
    ],
)
def test_densities_come_near_the_true_one(fitted, name, gap, codes, truth):
    z = codes(1000, np.random.default_rng(1))
    difference = truth(z) - fitted[name].log_density(z)
    assert -4 * difference.std() / np.sqrt(len(z)) < difference.mean() < gap


@pytest.mark.parametrize("name", [name for name in MADE_OF if name != "two_stage"])  # Whose density is an estimate.
def test_densities_integrate_to_one(fitted, name):
    line, step = np.linspace(-5, 15, 120, retstep=True)
    z = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, DIM)
    assert np.exp(fitted[name].log_density(z)).sum() * step**2 == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("name", ["mixture", "kernels"])
def test_draws_of_clusters_are_like_the_codes(fitted, name):
    z = fitted[name].draw(4000, seed=0)
    assert z.shape == (4000, DIM) and z.dtype == np.float32
    np.testing.assert_allclose(z.mean(axis=0), X.mean(axis=0), atol=0.15)
    np.testing.assert_allclose(np.cov(z.T), np.cov(X.T), rtol=0.15)
    above = above_lower(z)
    assert ((above > 1.4) & (above < 2.6)).mean() < 0.03  # Between the clusters there is next to nothing.
    assert 0.35 < (above[:200] > 2).mean() < 0.65  # The first of them are draws too, not those of one cluster.


@pytest.mark.parametrize("name", NETWORKS)
def test_draws_of_networks_are_like_the_codes(fitted, name):
    z = fitted[name].draw(4000, seed=0)
    assert z.shape == (4000, DIM) and z.dtype == np.float32
    np.testing.assert_allclose(z.mean(axis=0), BENT.mean(axis=0), atol=0.25)
    np.testing.assert_allclose(z.std(axis=0), BENT.std(axis=0), rtol=0.45)
    off = abs(z[:, 1] - 1 - ((z[:, 0] - 3) / 1.5) ** 2)  # From the parabola: 0.27 of codes, 1.1 of a Gaussian.
    assert np.median(off) < 0.9


@each
def test_samples_are_decoded_draws_and_a_seed_fixes_them(fitted, model, name):
    prior = fitted[name]
    x = prior.sample(7, seed=3)
    assert x.shape == (7, DIM)
    np.testing.assert_allclose(x, model.decode(prior.draw(7, seed=3)), rtol=1e-6)
    np.testing.assert_allclose(x, 10 * prior.draw(7, seed=3), rtol=1e-4, atol=1e-4)
    assert (prior.draw(7, seed=3) != prior.draw(7, seed=4)).any()
    assert (prior.draw(7) != prior.draw(7)).any()


@each
def test_a_fitted_prior_is_saved_by_joblib(fitted, name, tmp_path):
    joblib.dump(fitted[name], tmp_path / "prior.joblib")
    again = joblib.load(tmp_path / "prior.joblib")
    np.testing.assert_allclose(again.sample(4, seed=0), fitted[name].sample(4, seed=0), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(again.log_density(X[:4]), fitted[name].log_density(X[:4]), rtol=1e-5)


@each
def test_a_seed_fixes_the_fit(model, name):
    short = {"epochs": 1, "width": 8} if name in NETWORKS else {}
    one, other = (type(MADE_OF[name]())(**short).fit(model, X[:200]) for _ in range(2))
    np.testing.assert_allclose(one.draw(3, seed=0), other.draw(3, seed=0), rtol=1e-5, atol=1e-6)


def test_the_codes_of_a_variational_model_are_draws_of_the_posterior():
    model = identity(Gaussian(DIM))
    heads = {layer.name.rsplit("_", 1)[0]: layer for layer in model.encoder.layers if layer.weights}
    heads["z_mean"].set_weights([np.eye(DIM), np.zeros(DIM)])
    heads["z_log_var"].set_weights([np.zeros((DIM, DIM)), np.full(DIM, np.log(0.25))])
    codes = codes_of(model, X, seed=0)
    noise = (codes - X) / 0.5
    assert noise.std() == pytest.approx(1, abs=0.03) and abs(noise.mean()) < 0.06
    np.testing.assert_array_equal(codes, codes_of(model, X, seed=0))
    assert (codes != codes_of(model, X, seed=1)).any()
    mixture = priors.GaussianMixture(1).fit(model, X)
    np.testing.assert_allclose(np.cov(mixture.draw(20_000, seed=0).T), np.cov(codes.T), rtol=0.05)


def test_the_number_of_components_is_chosen_by_held_back_codes(model):
    assert priors.GaussianMixture((1, 2, 60)).fit(model, X[:300]).mixture.n_components == 2
    assert priors.KernelDensity((1e-3, 0.1, 3.0)).fit(model, X[:300]).kernels.bandwidth == 0.1


def test_a_dimension_that_never_varies_does_no_harm(model):
    x = np.column_stack([X[:200, 0], np.full(200, 3.0, "float32")])
    z = priors.GaussianMixture(1).fit(model, x).draw(50, seed=0)
    np.testing.assert_allclose(z[:, 1], 3, atol=0.02)


# The flow


def test_a_flow_sees_only_the_dimensions_before():
    flow = Flow(4, 1, 8, 0)
    flow.set_weights([RNG.normal(size=weight.shape) for weight in flow.get_weights()])
    z = RNG.normal(size=(1, 4)).astype("float32")
    before = [*map(ops.convert_to_numpy, flow.steps[0](z))]
    for place in range(4):
        changed = z.copy()
        changed[0, place] += 1
        for old, new in zip(before, map(ops.convert_to_numpy, flow.steps[0](changed)), strict=True):
            np.testing.assert_array_equal(old[0, : place + 1], new[0, : place + 1])
            assert (old[0, place + 1 :] != new[0, place + 1 :]).all()


@pytest.mark.parametrize("dim", [1, 3])
def test_the_inverse_of_a_flow_undoes_it(dim):
    flow = Flow(dim, 3, 16, 0)
    flow.set_weights([0.3 * RNG.normal(size=weight.shape) for weight in flow.get_weights()])
    z = flow.inverse(RNG.normal(size=(6, dim)).astype("float32"))
    log_density = ops.convert_to_numpy(flow(z))
    # By the change of variables, with the Jacobian of the inverse taken by differences.
    for row in range(3):
        u = noise_of(flow, z[row])
        jacobian = np.stack(
            [(noise_of(flow, z[row] + e) - noise_of(flow, z[row] - e)) / 2e-2 for e in 1e-2 * np.eye(dim)]
        )
        expected = stats.norm.logpdf(u).sum() + np.log(abs(np.linalg.det(jacobian)))
        assert log_density[row] == pytest.approx(expected, abs=2e-2)
        np.testing.assert_allclose(flow.inverse(u[None].astype("float32"))[0], z[row], atol=1e-4)


def noise_of(flow, z):
    u = z[None].astype("float32")
    for made in flow.steps:
        mean, log_scale = map(ops.convert_to_numpy, made(u))
        u = ((u - mean) * np.exp(-log_scale))[:, ::-1]
    return u[0].astype("float64")


# Class-conditional


def test_a_prior_for_each_label_draws_what_the_label_has(model):
    y = np.where(above_lower(X) > 2, "upper", "lower")
    prior = priors.ClassConditional(priors.GaussianMixture(1)).fit(model, X, y)
    assert prior.labels == ["lower", "upper"]
    for label in prior.labels:
        own = X[y == label]
        np.testing.assert_allclose(prior.draw(4000, label, seed=0).mean(axis=0), own.mean(axis=0), atol=0.2)
        expected = stats.multivariate_normal(own.mean(axis=0), np.cov(own.T, bias=True)).logpdf(own[:5])
        np.testing.assert_allclose(prior.log_density(own[:5], label), expected, atol=1e-3)
    np.testing.assert_allclose(prior.sample(3, "upper", seed=0), 10 * prior.draw(3, "upper", seed=0), rtol=1e-4)
    assert prior.prior.model is None  # What was given stays as it was.


# What is refused


def test_bad_input_is_refused(model):
    prior = priors.GaussianMixture(2)
    for call in (lambda: prior.sample(3), lambda: prior.log_density(X)):
        with pytest.raises(RuntimeError, match=r"GaussianMixture has no codes yet. Call fit\(model, x\) first"):
            call()
    with pytest.raises(TypeError, match=r"model must be a keras_ae\.Autoencoder"):
        prior.fit(model.encoder, X)
    with pytest.raises(ValueError, match="x has NaN or inf, first in sample 1"):
        prior.fit(model, np.array([[0, 0], [np.nan, 0]], "float32"))
    with pytest.raises(ValueError, match="needs at least 4 samples, got 3"):
        prior.fit(model, X[:3])
    assert prior.model is None
    prior.fit(model, X[:100])
    with pytest.raises(ValueError, match="n must be at least 1, not 0"):
        prior.draw(0)
    with pytest.raises(ValueError, match=r"log_density takes \(n, 2\)"):
        prior.log_density(np.zeros((3, 5)))
    with pytest.raises(ValueError, match="z has NaN or inf"):
        prior.log_density(np.full((1, DIM), np.inf))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: priors.GaussianMixture(0), "components must be a whole number above 0"),
        (lambda: priors.GaussianMixture(()), "components must be a whole number above 0"),
        (lambda: priors.GaussianMixture(2.5), "components must be a whole number above 0"),
        (lambda: priors.GaussianMixture(2, covariance="round"), "covariance must be one of full, tied"),
        (lambda: priors.KernelDensity((0.1, -1)), "bandwidth must be a number above 0"),
        (lambda: priors.KernelDensity(float("nan")), "bandwidth must be a number above 0"),
        (lambda: priors.TwoStageVAE(learning_rate=0), "learning_rate must be positive"),
        (lambda: priors.TwoStageVAE(width=0), "width must be at least 1"),
        (lambda: priors.AutoregressiveFlow(blocks=0), "blocks must be at least 1"),
    ],
)
def test_settings_that_make_no_prior_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_labels_that_do_not_fit_are_refused(model):
    with pytest.raises(TypeError, match=r"prior must be one of keras_ae\.priors"):
        priors.ClassConditional(priors.GaussianMixture)
    prior = priors.ClassConditional(priors.GaussianMixture(1))
    with pytest.raises(RuntimeError, match=r"Call fit\(model, x, y\) first"):
        prior.sample(1, 0)
    with pytest.raises(ValueError, match="a label for each of the 2000 samples"):
        prior.fit(model, X, np.zeros(3))
    prior.fit(model, X, np.arange(len(X)) % 2)
    with pytest.raises(ValueError, match=r"There is no label 7\. The fit had 0, 1"):
        prior.sample(1, 7)


def test_a_missing_package_is_named_with_its_extra(model, monkeypatch):
    def missing(name, *_):
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(extras, "import_module", missing)
    for prior in (priors.GaussianMixture(1), priors.KernelDensity(0.1)):
        with pytest.raises(ImportError, match=r"needs scikit-learn.*pip install 'keras-ae\[sklearn\]'"):
            prior.fit(model, X[:10])


@pytest.mark.parametrize("covariance", ["full", "tied", "diag", "spherical"])
def test_a_mixture_becomes_the_models_own_prior(covariance):
    model, x = identity(Gaussian(DIM)), two_clusters(2000)
    prior = priors.GaussianMixture(3, covariance=covariance).fit(model, x)
    own = prior.into_model()
    assert str(own.spec.code.prior) == "MixturePrior(3, covariance='full')"
    density = ops.convert_to_numpy(own.prior.log_density(x[:50]))
    np.testing.assert_allclose(density, prior.log_density(x[:50]), atol=1e-4)
    samples, fitted = own.sample(4000, seed=0), prior.sample(4000, seed=0)
    np.testing.assert_allclose(samples.mean(axis=0), fitted.mean(axis=0), atol=0.1 * fitted.std(axis=0).max())
    np.testing.assert_array_equal(own.reconstruct(x[:5]), model.reconstruct(x[:5]))
    assert own.score_samples(x).mean() > model.score_samples(x).mean() + 5


def test_a_plain_autoencoder_takes_no_prior_in():
    prior = priors.GaussianMixture(2).fit(identity(), two_clusters(100))
    with pytest.raises(ValueError, match="needs a variational model, not 'ae'"):
        prior.into_model()
