"""Ladders: posteriors against products of Gaussians, KL and likelihood against closed forms, free bits, temperature."""

import keras
import numpy as np
import pytest
from keras import ops
from scipy import stats

import keras_ae
from keras_ae import Dense, Gaussian, Ladder, LadderELBO, Normal, Ramp, Spec
from keras_ae.models.ladder_vae import TopDown, met
from keras_ae.stopping import judged_by

RNG = np.random.default_rng(0)
CODE = Ladder((3, 2, 1), (8, 8, 8))
SPEC = Spec((6,), (Dense(16, "silu"),), CODE, "gaussian")
X = RNG.random((64, 6), dtype="float32")
QUIET = {"verbose": 0, "batch_size": 16}


def array(tensor):
    return ops.convert_to_numpy(tensor)


def moved(spec=SPEC, seed=0):
    """A model none of whose weights is 0, so that the top-down networks say something."""
    model, rng = keras_ae.build(spec, seed=seed), np.random.default_rng(seed)
    model.set_weights(
        [weight + 0.3 * rng.standard_normal(weight.shape) if weight.ndim else weight for weight in model.get_weights()]
    )
    return model


def outputs_of(model, x, noise=None):
    found = model.autoencode({"x": ops.convert_to_tensor(x)}, training=False, noise=noise)
    return {name: array(value) for name, value in found.items()}


def test_where_estimate_and_prior_meet_is_the_product_of_both():
    """On a grid, the product of two densities, normed, has the mean and variance that are said."""
    grid = np.linspace(-30, 30, 200_001)
    for mean, log_var, other, other_log_var in ((0.0, 0.0, 2.0, 0.0), (1.0, -3.0, -1.0, 2.0), (4.0, 1.0, 0.0, -2.0)):
        product = stats.norm.pdf(grid, mean, np.exp(log_var / 2)) * stats.norm.pdf(
            grid, other, np.exp(other_log_var / 2)
        )
        product /= product.sum()
        expected = (product * grid).sum()
        found = [float(array(each)) for each in met(*map(ops.convert_to_tensor, (mean, log_var, other, other_log_var)))]
        assert found[0] == pytest.approx(expected, abs=1e-4)
        assert np.exp(found[1]) == pytest.approx((product * (grid - expected) ** 2).sum(), rel=1e-3)


def test_codes_are_drawn_level_after_level():
    model = moved()
    noise = RNG.standard_normal((64, 6)).astype("float32")
    found = outputs_of(model, X, ops.convert_to_tensor(noise))
    np.testing.assert_allclose(
        found["z"], found["z_mean"] + np.exp(found["z_log_var"] / 2) * noise, rtol=1e-4, atol=1e-5
    )
    top, middle, low = found["z"][:, 5:], found["z"][:, 3:5], slice(0, 3)
    np.testing.assert_allclose(found["z_mean"][:, 5:], found["mean_3"], rtol=1e-5)  # The top meets no prior.
    for level, above, place in ((1, top, slice(3, 5)), (0, middle, low)):
        mean, log_var = map(array, model.prior.given(level, ops.convert_to_tensor(above)))
        np.testing.assert_allclose(found["prior_mean"][:, place], mean, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(found["prior_log_var"][:, place], log_var, rtol=1e-4, atol=1e-5)
        precision = np.exp(-found[f"log_var_{level + 1}"]) + np.exp(-log_var)
        np.testing.assert_allclose(np.exp(-found["z_log_var"][:, place]), precision, rtol=1e-4)


def test_the_deterministic_code_is_that_without_noise():
    model = moved()
    still = outputs_of(model, X, ops.zeros((64, 6)))
    np.testing.assert_allclose(model.encode(X), still["z"], rtol=1e-5, atol=1e-6)


def test_the_kl_is_the_mean_of_log_q_over_p():
    model = moved()
    x = X[:1]
    terms = model.elbo_terms(x, num_samples=4000, seed=1)
    assert terms["kl"][0] == pytest.approx(sum(terms[f"kl_{level}"][0] for level in (1, 2, 3)), rel=1e-6)
    noise = np.random.default_rng(2).standard_normal((1, 20_000, 6)).astype("float32")
    parameters = {name: ops.convert_to_tensor(value) for name, value in model.posterior(x).items()}
    ratios = -array(model.latent.log_ratio(model.latent.draw(parameters, ops.convert_to_tensor(noise))))[0]
    assert abs(ratios.mean() - terms["kl"][0]) < 4 * ratios.std() / np.sqrt(len(ratios)) + 0.01


def test_log_likelihood_of_a_linear_model_is_that_of_its_gaussian():
    """With N(0, I) on all levels and a linear decoder, x ~ N(b, W W' + I)."""
    spec = Spec((4,), (Dense(8, "silu"),), Ladder((2, 1), (8, 8)), Normal("fixed"), decoder=(Dense(4, "linear"),))
    model = keras_ae.build(spec, seed=0)
    kernel, bias = model.decoder_logits.get_weights()
    covariance = kernel.T @ kernel + np.eye(4)
    x = RNG.multivariate_normal(bias, covariance, 50).astype("float32")
    exact = stats.multivariate_normal(bias, covariance).logpdf(x)
    model.fit(x, epochs=100, batch_size=50, verbose=0, callbacks=Frozen(model, kernel, bias))
    found = model.log_likelihood(x, num_samples=5000)
    np.testing.assert_allclose(found.mean(), exact.mean(), atol=0.03)


class Frozen(keras.callbacks.Callback):
    """Puts the decoder and the prior back after each batch: the posterior alone learns."""

    def __init__(self, model, *weights):
        super().__init__()
        self.decoder, self.prior = weights, model.prior.get_weights()

    def on_train_batch_end(self, batch, logs=None):
        self.model.decoder_logits.set_weights(self.decoder)
        self.model.prior.set_weights(self.prior)


def test_free_bits_are_nats_of_each_level_in_the_mean_over_a_batch():
    free = 0.4
    model = moved(Spec((6,), (Dense(16, "silu"),), CODE, "gaussian", objective=LadderELBO(0.5, free)))
    logs = model.evaluate(X, batch_size=64, verbose=0, return_dict=True)
    levels = [logs[f"kl_{level}"] for level in (1, 2, 3)]
    assert min(levels) < free < max(levels)
    assert logs["loss"] == pytest.approx(logs["nll"] + 0.5 * sum(max(free, kl) for kl in levels), rel=1e-5)
    plain = moved()
    logs = plain.evaluate(X, batch_size=64, verbose=0, return_dict=True)
    assert logs["loss"] == pytest.approx(logs["nll"] + logs["kl"], rel=1e-5)


def test_a_level_below_its_free_bits_is_not_pushed():
    """Under more free bits than it has, a model goes where it goes without any KL, and elsewhere with it."""
    weights = []
    for objective in (LadderELBO(0.0), LadderELBO(100.0, free_bits=1e6), LadderELBO(100.0)):
        model = moved(Spec((6,), (Dense(16, "silu"),), CODE, "gaussian", objective=objective))
        model.fit(X, epochs=2, shuffle=False, **QUIET)
        weights.append(np.concatenate([array(weight).ravel() for weight in model.trainable_variables]))
    np.testing.assert_allclose(weights[1], weights[0], atol=1e-5)
    assert np.abs(weights[2] - weights[0]).max() > 1e-3


def test_a_warm_up_is_judged_at_its_end():
    spec = Spec((6,), (Dense(16, "silu"),), CODE, "gaussian", objective=LadderELBO(Ramp(0.0, 1.0, 100)))
    model = keras_ae.build(spec, seed=0)
    assert judged_by(model) == "full_loss"
    logs = model.fit(X, **QUIET).history
    assert logs["full_loss"][0] > logs["loss"][0]


def test_samples_go_down_the_levels_by_seed():
    model = moved()
    rng = np.random.default_rng(5)
    codes = [rng.standard_normal((4, 1), dtype="float32")]
    for level in (1, 0):
        mean, log_var = map(array, model.prior.given(level, ops.convert_to_tensor(codes[0])))
        codes.insert(0, mean + np.exp(log_var / 2) * rng.standard_normal(mean.shape, dtype="float32"))
    np.testing.assert_allclose(
        model.sample(4, seed=5), model.decode(np.concatenate(codes, axis=1)), rtol=1e-4, atol=1e-5
    )


def test_a_temperature_of_zero_leaves_one_sample_and_one_a_level_moves_that_level():
    model = moved()
    still = model.sample(5, seed=0, temperature=0)
    np.testing.assert_allclose(still, np.repeat(still[:1], 5, axis=0), rtol=1e-5)
    z = model.prior.draw(5, 6, np.random.default_rng(0), (1.0, 0.0, 0.0))
    assert np.ptp(z[:, 3:], axis=0).max() < 1e-6 < np.ptp(z[:, :3], axis=0).min()
    np.testing.assert_allclose(model.sample(5, seed=0, temperature=1.0), model.sample(5, seed=0), rtol=1e-6)


@pytest.mark.slow
def test_a_ladder_learns_what_one_code_of_as_many_dimensions_does_not():
    """Four far Gaussians of variance 1, whose entropy is known: a prior in levels goes to where they are."""
    rng = np.random.default_rng(0)
    corners = np.array([[-4, -4], [-4, 4], [4, -4], [4, 4]])[rng.integers(0, 4, 1024)]
    x = (corners + rng.standard_normal((1024, 2))).astype("float32")
    bounds = []
    for code in (Gaussian(4), Ladder((2, 2), (32, 32))):
        spec = Spec((2,), (Dense(32, "silu"),), code, Normal("global"))
        model = keras_ae.build(spec, seed=0, optimizer=keras.optimizers.Adam(5e-3))
        model.fit(x, epochs=100, batch_size=128, verbose=0)
        bounds.append(model.score_samples(x).mean())
    exact = -2 * stats.norm.entropy() - np.log(4)
    assert bounds[0] + 0.3 < bounds[1] < exact + 0.1


def test_a_prior_fitted_afterwards_takes_codes_of_all_levels():
    model = moved()
    prior = keras_ae.priors.StandardNormal().fit(model, X)
    assert prior.draw(3, seed=0).shape == (3, 6)
    assert prior.sample(3, seed=0).shape == (3, 6)
    mixture = keras_ae.priors.GaussianMixture(1).fit(model, X)
    with pytest.raises(ValueError, match="has a prior of its own"):
        mixture.into_model()


def test_features_are_codes_and_numbers_name_the_levels():
    model = moved()
    np.testing.assert_allclose(model.features(X), model.encode(X), rtol=1e-6)
    samples = keras_ae.measuring.Samples("64 samples", (0.0, 1.0), 0)
    names = [each.name for each in model.measured(X, samples)]
    assert {"nll", "kl", "elbo", "kl_1", "kl_2", "kl_3"} <= set(names)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Ladder(()), "dims must be a tuple"),
        (lambda: Ladder((2, 0), (8, 8)), "dims must be a whole number of at least 1, got 0"),
        (lambda: Ladder((2, 2), (8,)), "dims has 2 levels and units 1"),
        (lambda: TopDown((2,), 8), "units must be a tuple"),
        (lambda: LadderELBO(free_bits=-1.0), "free_bits must be a number of at least 0"),
        (lambda: LadderELBO(beta=-1.0), "beta"),
        (lambda: Spec((6,), (Dense(4),), keras_ae.Gaussian(2), objective=LadderELBO()), "needs a code of the kind"),
        (lambda: keras_ae.build(SPEC).sample(2, temperature=(1.0, 2.0)), "3 of them, one for each level"),
        (lambda: keras_ae.build(SPEC).sample(2, temperature=-1.0), "temperature must be a number of at least 0"),
        (lambda: keras_ae.build(SPEC).sample(0), "n must be at least 1"),
    ],
)
def test_what_cannot_be_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
