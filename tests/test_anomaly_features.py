"""Feature maps of images: neighbours against SciPy, heat maps of a planted defect."""

import keras
import numpy as np
import pytest
from scipy.spatial.distance import cdist

import keras_ae
from keras_ae.anomaly import FeatureKNN, RankEnsemble, ReconstructionError, contrast_normalised

IMAGES = keras_ae.datasets.load("mnist_mini").train.x[:400]
SCRATCH = (slice(4, 8), slice(3, 25))


@pytest.fixture(scope="module")
def model():
    """A model of digits that has learned enough to rebuild most of what it sees."""
    model = keras_ae.build("conv_denoising_ae", strength=0.3, seed=0, optimizer=keras.optimizers.Adam(3e-3))
    model.fit(IMAGES, batch_size=32, epochs=3, verbose=0)
    return model


def vectors(model, x, fitted, grid=4):
    """Return maps as vectors, every layer scaled to a mean squared length of 1 over the fitted images."""
    maps, of_fitted = model.feature_maps(x, grid=grid), model.feature_maps(fitted, grid=grid)
    flat = [
        maps[name].reshape(len(x), -1) / np.sqrt(np.square(of_fitted[name]).sum() / len(fitted)) for name in of_fitted
    ]
    return np.concatenate(flat, axis=1)


def test_maps_are_means_over_the_cells_of_a_grid(model):
    whole, cells = (model.feature_maps(IMAGES[:5], grid=grid) for grid in (14, 2))
    assert [each.shape for each in whole.values()] == [(5, 14, 14, 32), (5, 7, 7, 64)]
    first, second = whole.values()
    expected = first.reshape(5, 2, 7, 2, 7, 32).mean(axis=(2, 4))
    np.testing.assert_allclose(next(iter(cells.values())), expected, rtol=1e-4, atol=1e-5)
    pooled = model.feature_maps(IMAGES[:5], grid=1)
    np.testing.assert_allclose(list(pooled.values())[1][:, 0, 0], second.mean(axis=(1, 2)), rtol=1e-4, atol=1e-5)


def test_the_score_is_the_mean_squared_distance_to_others(model):
    fitted, new = IMAGES[:100], IMAGES[100:140]
    score = FeatureKNN(model, grid=4, neighbours=3).fit(fitted)
    of_new, of_fitted = vectors(model, new, fitted), vectors(model, fitted, fitted)
    expected = np.sort(cdist(of_new, of_fitted) ** 2)[:, :3].mean(axis=1)
    np.testing.assert_allclose(score.score(new), expected, rtol=1e-3)
    expected = np.sort(cdist(of_fitted, of_fitted) ** 2)[:, 1:4].mean(axis=1)
    np.testing.assert_allclose(score.score(fitted), expected, rtol=1e-3)
    few = FeatureKNN(model, neighbours=50).fit(IMAGES[:3])
    assert np.isfinite(few.score(new)).all()
    assert len(FeatureKNN(model, kept=30).fit(IMAGES).normal) == 30


def test_contributions_sum_to_the_score_and_keep_the_shape(model):
    score = FeatureKNN(model, grid=5).fit(IMAGES[:100])
    contributions = score.contributions(IMAGES[90:110])
    assert contributions.shape == (20, 28, 28, 1)
    np.testing.assert_allclose(contributions.sum(axis=(1, 2, 3)), score.score(IMAGES[90:110]), rtol=1e-3)


@pytest.mark.parametrize("kind", [FeatureKNN, ReconstructionError])
def test_a_heat_map_shows_a_scratch(kind, model):
    """The scratch covers 88 of 784 pixels, and there is the heat; with it the image is stranger than without."""
    x = IMAGES[100:120]
    scratched = x.copy()
    scratched[:, *SCRATCH] = 1 - scratched[:, *SCRATCH]
    score = kind(model).fit(IMAGES[:100])
    assert (score.score(scratched) > score.score(x)).mean() > 0.9
    heat = score.contributions(scratched)
    share = heat[:, *SCRATCH].sum(axis=(1, 2, 3)) / heat.sum(axis=(1, 2, 3))
    before = score.contributions(x)[:, *SCRATCH].sum(axis=(1, 2, 3)) / score.contributions(x).sum(axis=(1, 2, 3))
    assert share.mean() > 2 * 88 / 784
    assert share.mean() > before.mean() + 0.1


def test_equal_images_have_finite_scores(model):
    score = RankEnsemble([FeatureKNN(model)]).fit(IMAGES[:1].repeat(4, axis=0))
    assert np.isfinite(score.score(IMAGES[:3])).all()


def test_images_of_one_contrast():
    x = np.random.default_rng(0).random((6, 5, 4, 3))
    found = contrast_normalised(x)
    np.testing.assert_allclose(found.mean(axis=(1, 2, 3)), 0, atol=1e-6)
    np.testing.assert_allclose(found.std(axis=(1, 2, 3)), 1, rtol=1e-5)
    np.testing.assert_allclose(contrast_normalised(0.3 * x + 0.5), found, atol=1e-5)
    assert (contrast_normalised(np.full((1, 5, 4, 3), 0.7)) < 1e-4).all()
    np.testing.assert_allclose(
        contrast_normalised(np.uint8([[[[0], [255]]]])), contrast_normalised(np.array([[[[0.0], [1.0]]]]))
    )


def test_what_has_no_feature_maps_is_refused(model):
    dense = keras_ae.build("ae", seed=0)
    with pytest.raises(ValueError, match="no convolutions of images"):
        FeatureKNN(dense).fit(IMAGES[:9])
    for name in ("grid", "neighbours", "kept"):
        with pytest.raises(ValueError, match=f"{name} must be at least 1"):
            FeatureKNN(model, **{name: 0})
    with pytest.raises(ValueError, match="grid must be at least 1"):
        model.feature_maps(IMAGES[:2], grid=0)
    with pytest.raises(ValueError, match="at least 2 samples, got 1"):
        FeatureKNN(model).fit(IMAGES[:1])
    with pytest.raises(ValueError, match=r"x must hold images, \(n, h, w, c\)"):
        contrast_normalised(IMAGES[0])
    with pytest.raises(ValueError, match="least must be positive"):
        contrast_normalised(IMAGES, least=0)
