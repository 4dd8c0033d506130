"""Scores of anomaly: against SciPy, by hand, and on samples with a planted defect."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist, mahalanobis
from scipy.stats import spearmanr

import keras_ae
from keras_ae import Gaussian, Normal, Spec, Vector
from keras_ae.anomaly import (
    SCORES,
    LatentKNN,
    LatentMahalanobis,
    LatentViews,
    NegativeELBO,
    NegativeLogLikelihood,
    RankEnsemble,
    ReconstructionError,
    WhitenedResidual,
    fit_trimmed,
    score_named,
)
from keras_ae.anomaly.neighbours import Neighbours
from keras_ae.anomaly.views import surprise
from keras_ae.anomaly.whitening import FULL, Whitening

RNG = np.random.default_rng(0)
AXES = np.linalg.qr(RNG.normal(size=(6, 6)))[0]
X = (RNG.normal(size=(2000, 6)) * [5, 4, 3, 0.3, 0.2, 0.1] @ AXES.T).astype("float32")
STRANGE = X[:8].copy()
STRANGE[:, 2] += 40


def projection(code, axes=AXES):
    """Return a model that projects on the first `code` axes: codes and residuals are known."""
    model = keras_ae.build(Spec((6,), (), Vector(code), Normal()), seed=0)
    model.encoder.set_weights([axes[:, :code], np.zeros(code)])
    model.decoder_logits.set_weights([axes[:, :code].T, np.zeros(6)])
    return model


@pytest.fixture(scope="module")
def plane():
    return projection(3)


@pytest.fixture(scope="module")
def vae():
    return keras_ae.build(Spec((6,), (), Gaussian(2), Normal()), seed=0)


@pytest.mark.parametrize("name", SCORES)
def test_a_planted_defect_scores_higher(name, plane, vae):
    score = score_named(name, vae if name in ("elbo", "log_likelihood") else plane).fit(X)
    assert score.score(STRANGE).dtype == "float64"
    assert score.score(STRANGE).min() > np.quantile(score.score(X), 0.99)


@pytest.mark.parametrize(
    ("name", "column"),
    [(name, 4) for name in ("reconstruction", "whitened_residual", "ensemble")]
    + [(name, 1) for name in ("latent_mahalanobis", "latent_knn", "latent_views", "ensemble")],
)
def test_contributions_name_the_column(name, column):
    """Columns 0 to 2 are the code, 3 to 5 are what is left."""
    model = projection(3, np.eye(6))
    x = (RNG.normal(size=(200, 6)) * [5, 4, 3, 0.3, 0.2, 0.1]).astype("float32")
    strange = x[:4].copy()
    strange[:, column] += 40
    contributions = score_named(name, model).fit(x).contributions(strange)
    assert contributions.shape == strange.shape
    assert (contributions.argmax(axis=1) == column).all()


@pytest.mark.parametrize("kind", ["mse", "mae", "nll"])
def test_contributions_to_the_reconstruction_error_sum_to_it(kind, plane):
    score = ReconstructionError(plane, kind=kind).fit(X)
    np.testing.assert_allclose(score.score(STRANGE), plane.reconstruction_error(STRANGE, kind=kind))
    np.testing.assert_allclose(score.contributions(STRANGE).sum(axis=1), score.score(STRANGE), rtol=1e-4)


def test_the_whitened_residual_is_scipys_mahalanobis_distance():
    """With a code that keeps nothing, the residual is x itself."""
    model = projection(1)
    model.decoder_logits.set_weights([np.zeros((1, 6)), np.zeros(6)])
    x = RNG.normal(size=(2000, 6)) * [3, 3, 2, 2, 1, 1] @ AXES.T + 5
    score = WhitenedResidual(model).fit(x)
    inverse = np.linalg.inv(np.cov(x.T))
    expected = [mahalanobis(row, x.mean(axis=0), inverse) ** 2 for row in x[:50]]
    np.testing.assert_allclose(score.score(x[:50]), expected, rtol=0.05)
    np.testing.assert_allclose(score.contributions(x).sum(axis=1), score.score(x), rtol=1e-6)
    assert score.score(x).mean() == pytest.approx(6, rel=0.02)  # Of chi squared, one a value.


def test_latent_mahalanobis_knows_the_scale_of_each_axis(plane):
    score = LatentMahalanobis(plane).fit(X)
    codes = X @ AXES[:, :3]
    np.testing.assert_allclose(score.score(X), ((codes / [5, 4, 3]) ** 2).sum(axis=1), rtol=0.2, atol=0.05)


def test_latent_knn_is_the_mean_distance_to_others(plane):
    fitted, new = X[:300], X[300:400]
    score = LatentKNN(plane, neighbours=4).fit(fitted)
    codes, others = fitted @ AXES[:, :3], new @ AXES[:, :3]
    np.testing.assert_allclose(score.score(new), np.sort(cdist(others, codes))[:, :4].mean(axis=1), rtol=1e-3)
    without_itself = np.sort(cdist(codes, codes))[:, 1:5].mean(axis=1)
    np.testing.assert_allclose(score.score(fitted), without_itself, rtol=1e-3)
    few = LatentKNN(plane, neighbours=50).fit(fitted[:3])
    assert np.isfinite(few.score(new)).all()
    share = LatentKNN(plane, neighbours=0.1).fit(fitted)
    np.testing.assert_allclose(share.score(new), np.sort(cdist(others, codes))[:, :30].mean(axis=1), rtol=1e-3)


def test_a_local_distance_is_divided_by_that_of_the_neighbours():
    """Points of a line at distance 1, and of one ten times as wide."""
    line = np.c_[np.arange(50.0), np.zeros(50)]
    points, new = np.concatenate([line, 10 * line + [0, 1e4]]), np.array([[25, 3.0], [250, 1e4 + 30]])
    near, far = Neighbours(1).fit(points).distances(new)
    assert (near, far) == pytest.approx((3, 30))
    for local in (0, 0.5, 1):
        scaled = Neighbours(1, local=local).fit(points)
        np.testing.assert_allclose(scaled.distances(new), [3, 30 / 10**local])
        np.testing.assert_allclose(scaled.own, np.repeat([1, 10 / 10**local], 50))
    assert len(Neighbours(2, kept=7).fit(points).own) == 7


def test_surprise_is_the_log_of_the_tail():
    normal = np.arange(100.0)
    found = surprise(np.array([-1, 49.5, 89.5, 98.5, 99, 2 * 99 - 49.5]), normal)
    np.testing.assert_allclose(np.exp(-found), [1, 0.5, 0.1, 0.01, 0.005, 0.005 / 2])


def test_a_view_of_all_values_is_the_surprise_of_code_and_residual(plane):
    fitted, new = X[:300], X[300:400]
    found = LatentViews(plane, views=0, local=0, neighbours=3).fit(fitted).score(new)
    codes, residuals = fitted @ AXES[:, :3], fitted - fitted @ AXES[:, :3] @ AXES[:, :3].T
    units = np.sqrt(codes.var(axis=0).sum()), np.sqrt(6 * np.square(residuals).mean(axis=0))
    expected = 0
    for part in (np.c_[codes], np.c_[codes / units[0], residuals / units[1] / 2]):
        near = Neighbours(3).fit(part)
        others = new @ AXES[:, :3], new - new @ AXES[:, :3] @ AXES[:, :3].T
        others = others[0] if part.shape[1] == 3 else np.c_[others[0] / units[0], others[1] / units[1] / 2]
        expected = expected + surprise(near.distances(others), np.sort(near.own)) / 2
    np.testing.assert_allclose(found, expected, rtol=1e-2, atol=1e-2)


def test_a_share_of_neighbours_leaves_residuals_and_local_distances_out(plane):
    score = LatentViews(plane, neighbours=0.1, views=0).fit(X[:300])
    knn = LatentKNN(plane, neighbours=0.1).fit(X[:300])
    expected = surprise(knn.score(X), np.sort(knn.score(X[:300])))
    np.testing.assert_allclose(score.score(X), expected, rtol=1e-3, atol=1e-3)


def test_views_see_what_is_rebuilt_badly(plane):
    """Off the plane the code says nothing, and the residual does."""
    off = X[:100] + 4 * AXES[:, 5].astype("float32")
    score = LatentViews(plane).fit(X)
    assert score.score(off).mean() > score.score(X[:100]).mean() + 2
    assert [each.sum() for each in score.hidden] == [0, 3, 3, 3, 3]


def test_scores_of_a_variational_model_are_its_own(vae):
    elbo = NegativeELBO(vae, num_samples=4, seed=3).fit(X).score(X[:9])
    np.testing.assert_allclose(elbo, -vae.score_samples(X[:9], num_samples=4, seed=3))
    nll = NegativeLogLikelihood(vae, num_samples=8).fit(X)
    np.testing.assert_allclose(nll.score(X[:9]), -vae.log_likelihood(X[:9], num_samples=8))
    of_values = vae.reconstruction_error(X[:9], kind="nll")
    np.testing.assert_allclose(nll.contributions(X[:9]).sum(axis=1), of_values, rtol=1e-5)


def test_an_ensemble_of_one_orders_as_it_does_within_and_beyond_normal_data(plane):
    error = ReconstructionError(plane).fit(X)
    x = np.concatenate([X, X[:20] + np.arange(20, dtype="float32")[:, None] * AXES[:, 5]])
    both = RankEnsemble([ReconstructionError(plane)]).fit(X).score(x), error.score(x)
    assert spearmanr(*both).statistic == pytest.approx(1)
    assert len(np.unique(both[0][-10:])) == 10


def test_ranks_of_normal_data_are_even_whatever_the_unit(plane):
    ensemble = RankEnsemble([ReconstructionError(plane), ReconstructionError(plane, kind="nll")]).fit(X)
    np.testing.assert_allclose(np.sort(ensemble.score(X)), (np.arange(2000) + 0.5) / 2000, atol=2e-3)


def test_many_values_take_low_rank_and_noise():
    directions = np.linalg.qr(RNG.normal(size=(FULL + 100, 10)))[0]
    codes, noise = RNG.normal(size=(2000, 10)) * 60, RNG.normal(size=(2000, FULL + 100))
    values = codes @ directions.T + noise
    found = Whitening().fit(values).squares(values)
    true = values @ np.linalg.inv(3600 * directions @ directions.T + np.eye(FULL + 100))
    assert np.corrcoef(found, (true * values).sum(axis=1))[0, 1] > 0.8


def test_images_have_contributions_of_their_shape():
    images = RNG.integers(0, 255, (40, 4, 4, 1), dtype="uint8")
    model = keras_ae.build(Spec((4, 4, 1), (keras_ae.Flatten(),), Vector(3), Normal()), seed=0)
    for name in ("reconstruction", "whitened_residual", "latent_knn", "latent_views"):
        score = score_named(name, model).fit(images)
        assert score.contributions(images[:3]).shape == (3, 4, 4, 1)
        np.testing.assert_allclose(score.score(images), score.score(images.astype("float32") / 255), rtol=1e-3)


def test_constant_data_have_finite_scores(plane):
    for name in ("whitened_residual", "latent_mahalanobis", "latent_knn", "latent_views", "ensemble"):
        score = score_named(name, plane).fit(np.ones((10, 6), "float32"))
        assert np.isfinite(score.score(X[:5])).all()
        assert score.score(STRANGE[:5]).min() >= score.score(np.ones((1, 6), "float32"))[0]


def test_trimming_leaves_the_anomalies_out():
    rng = np.random.default_rng(1)
    line, far = rng.normal(size=(180, 1)) * [[5.0, 0, 0]], rng.normal(size=(40, 1)) * [[0, 1.0, 0]] + [[0, 5, 0]]
    x = (np.concatenate([line, far]) + 0.05 * rng.normal(size=(220, 3))).astype("float32")
    model = keras_ae.build(Spec((3,), (), Vector(1), Normal()), seed=0)
    model.optimizer.learning_rate = 0.02
    kept = fit_trimmed(model, x, share=0.2, epochs=10, batch_size=8, verbose=0)
    assert kept.sum() == 176
    assert not kept[180:].any()
    assert model.reconstruction_error(x[:180]).max() < 0.1 < model.reconstruction_error(x[180:]).min()


def test_what_cannot_be_scored_is_refused(plane, vae):
    with pytest.raises(RuntimeError, match="LatentKNN is not fitted"):
        LatentKNN(plane).score(X)
    with pytest.raises(RuntimeError, match=r"not fitted. Call fit\(x\)"):
        WhitenedResidual(plane).contributions(X)
    with pytest.raises(ValueError, match="NegativeELBO needs a variational model"):
        NegativeELBO(plane)
    with pytest.raises(ValueError, match="Unknown score 'knn'"):
        score_named("knn", plane)
    with pytest.raises(ValueError, match="neighbours must be at least 1"):
        LatentKNN(plane, neighbours=0)
    for name in ("residual", "views"):
        with pytest.raises(ValueError, match=f"{name} must be at least 0, not -1"):
            LatentViews(plane, **{name: -1})
    with pytest.raises(ValueError, match=r"local must lie in \[0, 1\], got 2"):
        LatentViews(plane, local=2)
    with pytest.raises(ValueError, match='kind must be "mse", "mae" or "nll"'):
        ReconstructionError(plane, kind="psnr").fit(X)
    with pytest.raises(ValueError, match="kind must be"):
        plane.value_errors(X, kind="psnr")
    for scores in ([], [ReconstructionError(plane), ReconstructionError(vae)]):
        with pytest.raises(ValueError, match="scores of one model"):
            RankEnsemble(scores)
    for name in ("whitened_residual", "latent_mahalanobis", "latent_knn", "latent_views", "ensemble"):
        with pytest.raises(ValueError, match="at least 2 samples, got 1"):
            score_named(name, plane).fit(X[:1])
        with pytest.raises(ValueError, match="NaN or inf"):
            score_named(name, plane).fit(np.full((5, 6), np.nan))
    for share in (0, 0.6, None):
        with pytest.raises(ValueError, match=r"share must lie in \(0, 0.5\]"):
            fit_trimmed(plane, X, share=share)
    with pytest.raises(ValueError, match="rounds must be at least 1"):
        fit_trimmed(plane, X, rounds=0)
