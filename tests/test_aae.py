"""Adversarial autoencoders: the game against closed forms, its players, samples, how near codes come to p(z)."""

from math import log

import keras
import numpy as np
import pytest
from keras import ops
from scipy import stats

import keras_ae
from keras_ae import Dense, Flatten, Labels, Spec, callbacks, metrics, runs
from keras_ae.models.aae import Adversarial, Matched
from keras_ae.runs import Settings
from keras_ae.stopping import judged_by

RNG = np.random.default_rng(0)
CODE = Matched(2, (Dense(8, "relu"),))
SPEC = Spec((6,), (Dense(16, "silu"),), CODE, "gaussian")
X = RNG.random((64, 6), dtype="float32")
QUIET = {"verbose": 0, "batch_size": 16}


def array(tensor):
    return ops.convert_to_numpy(tensor)


def values(variables):
    return [array(variable).copy() for variable in variables]


def set_discriminator(model, slope, offset=0.0):
    """Let the logit be the same everywhere, or grow along the first dimension of z."""
    kernel, bias, last, logit = (np.zeros_like(array(each)) for each in model.discriminator.weights)
    kernel[0, :2], last[:2, 0] = (1.0, -1.0), (slope, -slope)  # relu(z) - relu(-z) is z.
    logit[:] = offset
    model.discriminator.set_weights([kernel, bias, last, logit])


def moved(before, after):
    """Whether weights changed: {True} for all, {False} for none."""
    return {not np.array_equal(a, b) for a, b in zip(before, after, strict=True)}


def game(model, x):
    outputs = model.autoencode({"x": ops.convert_to_tensor(x)}, training=False)
    return outputs, {name: array(value) for name, value in model.latent.terms(outputs).items()}


def test_where_nothing_is_told_apart_the_terms_are_log_2_and_twice_that():
    model = keras_ae.build(SPEC, seed=0)
    set_discriminator(model, 0.0)
    _, terms = game(model, X)
    np.testing.assert_allclose(terms["adversarial"], log(2), rtol=1e-6)
    np.testing.assert_allclose(terms["discriminator_loss"], 2 * log(2), rtol=1e-6)


def test_terms_are_those_of_a_known_discriminator():
    """-log sigma of a logit of 3 z, at codes, and in the mean at draws of N(0, 1), by quadrature."""
    model = keras_ae.build(SPEC, seed=0)
    set_discriminator(model, 3.0, 0.5)
    outputs, terms = game(model, np.repeat(X, 200, axis=0))
    logits = 3 * array(outputs["z"])[:, 0].astype("float64") + 0.5
    np.testing.assert_allclose(terms["adversarial"], np.log1p(np.exp(-logits)), rtol=1e-4)
    of_prior = terms["discriminator_loss"] - np.log1p(np.exp(logits))
    expected = stats.norm.expect(lambda z: np.log1p(np.exp(-(3 * z + 0.5))), lb=-12, ub=12)
    error = of_prior.std() / np.sqrt(len(of_prior))
    assert abs(of_prior.mean() - expected) < 4 * error


def test_loss_is_nll_and_strength_times_the_game():
    model = keras_ae.build(Spec((6,), (Dense(16),), CODE, "gaussian", objective=Adversarial(7.0)), seed=0)
    logs = model.evaluate(X, verbose=0, return_dict=True)
    assert logs["loss"] == pytest.approx(logs["nll"] + 7 * logs["adversarial"], rel=1e-5)
    assert logs["nll"] == pytest.approx(model.reconstruction_error(X, kind="nll").mean(), rel=1e-5)


def test_a_discriminator_moves_by_its_own_loss_alone_and_the_rest_by_the_loss():
    for frozen in ("autoencoder", "discriminator"):
        rates = {"autoencoder": 0.1, "discriminator": 0.1} | {frozen: 0.0}
        optimizer = {name: keras.optimizers.SGD(rate) for name, rate in rates.items()}
        model = keras_ae.build(SPEC, optimizer=optimizer, seed=0)
        judge = values(model.discriminator.trainable_variables)
        rest = values(model.encoder.trainable_variables + model.decoder_logits.trainable_variables)
        model.fit(X, **QUIET)
        others = values(model.encoder.trainable_variables + model.decoder_logits.trainable_variables)
        assert moved(judge, values(model.discriminator.trainable_variables)) == {frozen != "discriminator"}
        assert moved(rest, others) == {frozen != "autoencoder"}


def test_the_encoder_climbs_the_discriminators_slope():
    """With a discriminator that holds still, and no reconstruction to speak of, codes go where the logit is high."""
    spec = Spec((6,), (Dense(16, "silu"),), CODE, "gaussian", objective=Adversarial(1e4))
    optimizer = {"autoencoder": keras.optimizers.Adam(1e-2), "discriminator": keras.optimizers.SGD(0.0)}
    model = keras_ae.build(spec, optimizer=optimizer, seed=0)
    set_discriminator(model, 1.0)
    before = model.encode(X)[:, 0].mean()
    model.fit(X, epochs=5, **QUIET)
    assert model.encode(X)[:, 0].mean() > before + 1


@pytest.mark.slow
def test_codes_come_to_the_prior():
    """Two far clusters, which an autoencoder without a game keeps apart: the codes become a round cloud."""
    x = (RNG.standard_normal((1024, 2)) + np.where(np.arange(1024) % 2, 3.0, -3.0)[:, None]).astype("float32")
    code = Matched(2, (Dense(64, "relu"), Dense(64, "relu")))
    distances = []
    for strength in (0.0, 3.0):
        spec = Spec((2,), (Dense(64, "relu"), Dense(64, "relu")), code, "gaussian", objective=Adversarial(strength))
        model = keras_ae.build(spec, seed=0, optimizer=keras.optimizers.Adam(5e-4, beta_1=0.5))
        model.fit(x, epochs=60, batch_size=64, verbose=0)
        distances.append(metrics.sliced_wasserstein(model.encode(x)))
    assert distances[1] < 0.25 * distances[0]


def test_training_starts_with_the_momentum_that_games_take_unless_told_otherwise():
    betas = [each.beta_1 for each in keras_ae.build(SPEC).optimizer.optimizers]
    assert betas == [0.5, 0.5]
    betas = [each.beta_1 for each in keras_ae.build(SPEC, optimizer="adam").optimizer.optimizers]
    assert betas == [0.9, 0.9]
    assert keras_ae.build("ae").optimizer.beta_1 == 0.9


def test_samples_are_what_the_decoder_makes_of_the_prior():
    model = keras_ae.build(SPEC, seed=0)
    assert model.can_sample
    assert not model.is_variational
    z = np.random.default_rng(3).standard_normal((5, 2), dtype="float32")
    np.testing.assert_allclose(model.sample(5, seed=3), model.decode(z), rtol=1e-6)


@pytest.mark.parametrize("method", ["log_likelihood", "elbo_terms"])
def test_what_needs_a_posterior_is_refused(method):
    with pytest.raises(ValueError, match=f"{method} needs a posterior over codes, which 'aae' has not"):
        getattr(keras_ae.build(SPEC), method)(X)


def test_epochs_compare_by_nll():
    assert judged_by(keras_ae.build(SPEC)) == "nll"
    assert judged_by(keras_ae.build("ae")) == "loss"


def test_labels_beside_the_decoder_are_taken_by_name():
    spec = Spec((6,), (Dense(16, "silu"),), CODE, "gaussian", inputs=Labels(3, to=("decoder",)))
    model = keras_ae.build(spec, seed=0)
    labels = np.arange(64) % 3
    model.fit(X, labels=labels, **QUIET)
    assert model.encode(X, labels=labels).shape == (64, 2)
    some, others = (model.sample(4, seed=0, labels=label) for label in (0, 1))
    assert not np.allclose(some, others)
    assert keras_ae.spec("aae").conditional(Labels(10)).input_names == ("labels",)


@pytest.mark.slow
def test_a_run_that_was_killed_goes_on_as_if_it_had_not_been(tmp_path, monkeypatch):
    """Both optimisers' state, and that of all draws, is in the checkpoint."""
    settings = Settings("aae", epochs=2, batch_size=64, smoke=True, overrides={"latent_dim": 2})
    whole, data = runs.start(settings, tmp_path / "whole")
    model = whole.train(data, verbose=0)

    def die(self, epoch, logs=None):
        if epoch == 1:
            raise KilledError

    with monkeypatch.context() as patch, pytest.raises(KilledError):
        patch.setattr(callbacks.LatentVisualizer, "on_epoch_begin", die)
        half, data = runs.start(settings, tmp_path / "half")
        half.train(data, verbose=0)
    again, data = runs.resume(settings, tmp_path / "half")
    again.train(data, verbose=0)
    assert again.history.read_text() == whole.history.read_text()
    assert whole.report(model, data)["sliced_wasserstein"] > 0
    assert {path.stem for path in whole.pictures.glob("*.png")} >= {"samples", "interpolations"}


class KilledError(Exception):
    """Stands for a process that ends."""


@pytest.mark.parametrize("shift", [0.0, 2.0])
@pytest.mark.parametrize("scale", [1.0, 0.25])
def test_sliced_wasserstein_of_shifted_and_scaled_normals_is_in_closed_form(shift, scale):
    z = stats.norm.ppf((np.arange(20_000) + 0.5) / 20_000)[:, None]
    expected = np.sqrt(shift**2 + (scale - 1) ** 2)
    assert metrics.sliced_wasserstein(scale * z + shift) == pytest.approx(expected, abs=2e-3)
    drawn = scale * np.random.default_rng(0).standard_normal((20_000, 4)) + shift * np.eye(4)[0]
    expected = np.sqrt(shift**2 / 4 + (scale - 1) ** 2)
    assert metrics.sliced_wasserstein(drawn, directions=4000) == pytest.approx(expected, rel=0.05, abs=0.02)


def test_sliced_wasserstein_along_one_direction_is_scipys():
    z = RNG.gamma(2.0, size=(500, 1))
    quantiles = stats.norm.ppf((np.arange(500) + 0.5) / 500)
    expected = np.sqrt(np.mean((np.sort(z[:, 0]) - quantiles) ** 2))
    up = metrics.sliced_wasserstein(z, directions=1, seed=next(s for s in range(9) if sign_of(s) > 0))
    assert up == pytest.approx(expected)


def sign_of(seed):
    return np.random.default_rng(seed).standard_normal()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Matched(0), "latent_dim must be a whole number"),
        (lambda: Matched(2, ("relu",)), "discriminator must hold layer rows"),
        (lambda: Matched(2, (keras_ae.Reshape((2, 1)),)), r"must end in a flat shape, and it ends in \(2, 1\)"),
        (lambda: Adversarial(-1.0), "strength"),
        (lambda: Spec((6,), (Dense(4),), keras_ae.Vector(2), objective=Adversarial()), "needs a code of the kind"),
        (lambda: metrics.sliced_wasserstein(np.ones((1, 2))), "needs 2 codes"),
        (lambda: metrics.sliced_wasserstein(np.ones((5, 2)), directions=0), "needs 2 codes"),
        (lambda: metrics.sliced_wasserstein(np.full((5, 2), np.nan)), "finite"),
    ],
)
def test_what_cannot_be_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_images_of_colour_and_vectors_have_a_spec():
    for shape in ((16, 16, 3), (12,)):
        assert keras_ae.spec("aae", input_shape=shape).input_shape == shape
    assert keras_ae.spec("conv_aae", input_shape=(16, 16, 3)).likelihood == keras_ae.Normal("global")
    assert Flatten() in keras_ae.spec("aae").encoder
