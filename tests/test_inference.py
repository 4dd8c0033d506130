"""What is asked of a trained model: codes, reconstructions, samples, scores."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_ae
from keras_ae import Dense, Dropout, Flatten, Gaussian, GaussianNoise, Norm, Normal, Sparsity, Spec, Vector
from keras_ae.models.vae import VAE

SHAPE = (4, 4, 1)
X = np.random.default_rng(0).uniform(size=(12, *SHAPE)).astype("float32")
ROWS = (Flatten(), Dense(5, "tanh"), Norm(), Dropout(0.3))


def made(code=None, likelihood="bernoulli", seed=0, **options):
    return keras_ae.build(Spec(SHAPE, ROWS, code or Gaussian(3), likelihood, **options), seed=seed)


@pytest.fixture(scope="module")
def vae():
    model = made()
    model.fit(X, batch_size=6, epochs=2, verbose=0)
    return model


@pytest.fixture(scope="module")
def denoiser():
    model = made(Vector(3), "gaussian", corruption=GaussianNoise(0.5))
    model.fit(X, batch_size=6, epochs=2, verbose=0)
    return model


def test_shapes_are_those_of_data_and_code(vae, denoiser):
    for model in (vae, denoiser):
        assert model.encode(X).shape == (12, 3)
        assert model.decode(np.zeros((2, 3))).shape == (2, *SHAPE)
        assert model.reconstruct(X).shape == model.predict(X, verbose=0).shape == X.shape
        assert model.score_samples(X).shape == model.reconstruction_error(X).shape == (12,)
        assert model.interpolate(X[:2], X[2:4], steps=5).shape == (2, 5, *SHAPE)
    assert set(vae.posterior(X)) == {"z_mean", "z_log_var"}
    assert set(denoiser.posterior(X)) == {"z"}
    assert vae.sample(5).shape == (5, *SHAPE)
    assert vae.log_likelihood(X, num_samples=8).shape == (12,)
    assert denoiser.corrupt(X).shape == X.shape


def test_encoding_is_deterministic_and_the_posterior_mean(vae, denoiser):
    for model, name in ((vae, "z_mean"), (denoiser, "z")):
        codes = model.encode(X)
        np.testing.assert_array_equal(codes, model.encode(X))
        np.testing.assert_array_equal(codes, model.posterior(X)[name])


def test_reconstruct_is_predict_and_decode_of_encode(vae, denoiser):
    for model in (vae, denoiser):
        np.testing.assert_allclose(model.reconstruct(X), model.predict(X, verbose=0), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(model.reconstruct(X), model.decode(model.encode(X)), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("batch_size", [1, 5, 12, 64])
def test_batch_sizes_change_no_result(vae, batch_size):
    z = vae.encode(X)
    for method, data in (("encode", X), ("reconstruct", X), ("decode", z), ("reconstruction_error", X)):
        call = getattr(vae, method)
        np.testing.assert_allclose(call(data, batch_size=batch_size), call(data), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        vae.sample(7, seed=1, batch_size=batch_size), vae.sample(7, seed=1), rtol=1e-4, atol=1e-5
    )


def test_a_sample_alone_is_what_it_is_among_others(vae):
    np.testing.assert_allclose(vae.encode(X[4:5]), vae.encode(X)[4:5], rtol=1e-4, atol=1e-5)


def test_a_seed_fixes_samples_and_scores(vae):
    np.testing.assert_array_equal(vae.sample(4, seed=3), vae.sample(4, seed=3))
    assert (vae.sample(4, seed=3) != vae.sample(4, seed=4)).any()
    assert (vae.sample(4) != vae.sample(4)).any()
    for method in (vae.score_samples, vae.log_likelihood):
        np.testing.assert_array_equal(method(X, num_samples=8, seed=3), method(X, num_samples=8, seed=3))
        assert (method(X, num_samples=8, seed=3) != method(X, num_samples=8, seed=4)).any()


def test_samples_are_the_decoded_codes_of_the_prior(vae):
    z = np.random.default_rng(3).standard_normal((4, 3), dtype="float32")
    np.testing.assert_array_equal(vae.sample(4, seed=3), vae.decode(z))


def test_asking_changes_nothing_in_training():
    asked, plain = (made(corruption=GaussianNoise(0.1)) for _ in range(2))
    for model in (asked, plain):
        model.fit(X, batch_size=6, verbose=0, shuffle=False)
        if model is asked:
            model.encode(X), model.reconstruct(X), model.sample(2), model.corrupt(X), model.predict(X, verbose=0)
            model.score_samples(X), model.log_likelihood(X, num_samples=4), model.interpolate(X[:1], X[1:2])
        model.fit(X, batch_size=6, verbose=0, shuffle=False)
    for one, other in zip(asked.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_answers_follow_the_weights(vae):
    model = made(seed=1)
    before = model.encode(X)
    model.set_weights(vae.get_weights())
    assert np.abs(model.encode(X) - before).max() > 1e-3
    np.testing.assert_allclose(model.encode(X), vae.encode(X), rtol=1e-5, atol=1e-6)


def test_errors_of_reconstruction_are_those_by_hand(denoiser):
    difference = (X - denoiser.reconstruct(X)).reshape(12, -1)
    assert denoiser.reconstruction_error(X) == pytest.approx(np.square(difference).mean(1), rel=1e-5)
    assert denoiser.reconstruction_error(X, kind="mae") == pytest.approx(np.abs(difference).mean(1), rel=1e-5)
    nll = 0.5 * (np.square(difference) + np.log(2 * np.pi)).sum(1)
    assert denoiser.reconstruction_error(X, kind="nll") == pytest.approx(nll, rel=1e-5)
    assert denoiser.score_samples(X) == pytest.approx(-nll, rel=1e-5)


@pytest.mark.parametrize("latent", [Gaussian(2), Vector(2)], ids=str)
def test_normal_data_score_higher(latent):
    rng = np.random.default_rng(0)
    plane = rng.normal(size=(2, 8))
    normal = (rng.normal(size=(256, 2)) @ plane + 0.1 * rng.normal(size=(256, 8))).astype("float32")
    strange = rng.normal(size=(64, 8)).astype("float32") * normal.std()
    model = keras_ae.build(Spec((8,), (), latent, Normal("fixed", 0.3)), seed=0, optimizer="adam")
    model.optimizer.learning_rate = 0.05
    model.fit(np.tile(normal, (60, 1)), batch_size=256, verbose=0)
    score, other = model.score_samples(normal), model.score_samples(strange)
    assert np.median(other) < np.quantile(score, 0.02)
    assert (other[:, None] < score).mean() > 0.95  # Area under the ROC curve.


def test_interpolations_end_at_the_reconstructions(vae):
    a, b = X[:3], X[3:6]
    for method in ("linear", "spherical"):
        path = vae.interpolate(a, b, steps=6, method=method)
        np.testing.assert_allclose(path[:, 0], vae.reconstruct(a), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(path[:, -1], vae.reconstruct(b), rtol=1e-4, atol=1e-5)
    z = (vae.encode(a) + vae.encode(b)) / 2
    middle = vae.interpolate(a, b, steps=3)[:, 1]
    np.testing.assert_allclose(middle, vae.decode(z), rtol=1e-4, atol=1e-5)


def test_an_attribute_is_the_difference_of_mean_codes_and_can_be_added(vae, denoiser):
    has = np.arange(12) % 3 == 0
    for model in (vae, denoiser):
        vector, z = model.attribute_vector(X, has), model.encode(X)
        np.testing.assert_allclose(vector, z[has].mean(axis=0) - z[~has].mean(axis=0), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(model.attribute_vector(X, ~has), -vector, rtol=1e-5, atol=1e-6)
        moved = model.add_attribute(X[:4], vector, strength=-0.5)
        np.testing.assert_allclose(moved, model.decode(z[:4] - 0.5 * vector), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(
            model.add_attribute(X[:4], vector, strength=0), model.reconstruct(X[:4]), rtol=1e-4, atol=1e-5
        )


@pytest.mark.parametrize(
    ("has", "message"),
    [
        (np.ones(12, bool), "samples with the attribute and samples without"),
        (np.zeros(12, bool), "samples with the attribute and samples without"),
        (np.ones(3, bool), r"has must be \(12,\) booleans"),
        (np.arange(12), r"has must be \(12,\) booleans, not int64"),
    ],
)
def test_an_attribute_that_tells_nothing_apart_is_refused(vae, has, message):
    with pytest.raises(ValueError, match=message):
        vae.attribute_vector(X, has)


def test_a_vector_of_another_length_is_refused(vae):
    with pytest.raises(ValueError, match=r"vector has shape \(2,\), but add_attribute takes \(3,\)"):
        vae.add_attribute(X, np.zeros(2))


def test_a_spherical_path_keeps_the_length_of_codes():
    """Seen through a model whose encoder and decoder are the identity."""
    model = keras_ae.build(Spec((3,), (), Vector(3), "gaussian"), seed=0)
    for part in (model.encoder, model.decoder_logits):
        part.set_weights([np.eye(3), np.zeros(3)])
    points = np.random.default_rng(0).normal(size=(2, 5, 3))
    a, b = (2 * points / np.linalg.norm(points, axis=-1, keepdims=True)).astype("float32")
    path = model.interpolate(a, b, steps=7, method="spherical")
    np.testing.assert_allclose(np.linalg.norm(path, axis=-1), np.full((5, 7), 2.0), rtol=1e-5)
    angles = np.arccos(np.clip((path[:, :-1] * path[:, 1:]).sum(-1) / 4, -1, 1))
    np.testing.assert_allclose(angles, np.repeat(angles[:, :1], 6, axis=1), rtol=1e-3)
    assert (np.linalg.norm(model.interpolate(a, b, steps=3)[:, 1], axis=-1) < 2).all()
    same = model.interpolate(a, a, steps=4, method="spherical")
    np.testing.assert_allclose(same, np.repeat(a[:, None], 4, axis=1), rtol=1e-5, atol=1e-6)


def test_corruption_by_seed_is_repeatable(denoiser):
    np.testing.assert_array_equal(denoiser.corrupt(X, seed=2), denoiser.corrupt(X, seed=2))
    assert (denoiser.corrupt(X, seed=2) != denoiser.corrupt(X, seed=3)).any()


def test_what_cannot_be_answered_is_refused(vae, denoiser):
    with pytest.raises(ValueError, match=r"z has shape \(2, 4\), but decode takes \(n, 3\)"):
        vae.decode(np.zeros((2, 4)))
    with pytest.raises(ValueError, match="z has NaN or inf"):
        vae.decode(np.full((1, 3), np.nan))
    with pytest.raises(ValueError, match=r"x has shape .* the model takes \(batch, 4, 4, 1\)"):
        vae.encode(X[..., 0])
    with pytest.raises(ValueError, match="sample needs a prior over codes, which 'ae' has not"):
        denoiser.sample(3)
    with pytest.raises(ValueError, match="log_likelihood needs a prior"):
        denoiser.log_likelihood(X)
    with pytest.raises(ValueError, match="n must be at least 1"):
        vae.sample(0)
    for method in (vae.score_samples, vae.log_likelihood):
        with pytest.raises(ValueError, match="num_samples must be at least 1, not 0"):
            method(X, num_samples=0)
    with pytest.raises(ValueError, match='kind must be "mse", "mae" or "nll"'):
        vae.reconstruction_error(X, kind="psnr")
    with pytest.raises(ValueError, match='method must be "linear" or "spherical"'):
        vae.interpolate(X[:1], X[1:2], method="cubic")
    with pytest.raises(ValueError, match="steps >= 2"):
        vae.interpolate(X[:1], X[1:2], steps=1)
    with pytest.raises(ValueError, match="as many a as b"):
        vae.interpolate(X[:2], X[1:2])
    with pytest.raises(ValueError, match="batch_size must be at least 1"):
        vae.encode(X, batch_size=0)
    with pytest.raises(ValueError, match="no corruption"):
        vae.corrupt(X)


def test_a_sparse_model_answers_as_an_autoencoder():
    model = made(Vector(6, "relu"), "gaussian", objective=Sparsity())
    assert (model.encode(X) >= 0).all()
    assert model.score_samples(X).shape == (12,)
    with pytest.raises(ValueError, match="sample needs a prior"):
        model.sample(1)


@keras.saving.register_keras_serializable("tests")
class Watched(VAE):
    """A variational model with a term of the whole batch."""

    terms = ("nll", "kl", "spread")

    def objective(self, batch, outputs):
        return super().objective(batch, outputs) | {"spread": ops.std(outputs["z"])}


def test_terms_of_a_whole_batch_are_none_of_a_sample():
    model = Watched(Spec((4,), (Dense(3),), Gaussian(2), "gaussian"), seed=0)
    model.compile()
    x = np.random.default_rng(0).random((9, 4), dtype="float32")
    assert "spread" in model.fit(x, verbose=0).history
    terms = model.elbo_terms(x, batch_size=4)
    assert {name: values.shape for name, values in terms.items()} == {"nll": (9,), "kl": (9,)}
