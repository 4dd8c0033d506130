"""Distances between sets of features: against closed forms, SciPy, prdc's definition, and planted copies."""

import numpy as np
import pytest
from scipy import linalg, stats
from scipy.spatial.distance import cdist

from keras_ae import metrics

RNG = np.random.default_rng(0)
REAL, GENERATED = RNG.normal(size=(300, 6)), 0.8 * RNG.normal(size=(250, 6)) + 0.3


def test_frechet_distance_is_that_of_scipys_matrix_root():
    mixed = GENERATED @ RNG.normal(size=(6, 6))
    one, other = np.cov(REAL.T), np.cov(mixed.T)
    root = linalg.sqrtm(one @ other).real
    expected = np.sum((REAL.mean(0) - mixed.mean(0)) ** 2) + np.trace(one + other - 2 * root)
    assert metrics.frechet_distance(REAL, mixed) == pytest.approx(expected, rel=1e-8)
    assert metrics.frechet_distance(mixed, REAL) == pytest.approx(expected, rel=1e-8)


def test_frechet_distance_of_gaussians_on_the_axes_is_in_closed_form():
    """(m1 - m2)^2 + (s1 - s2)^2 in each dimension, here with samples whose moments are exact."""
    corners = np.array([[-1.0, -1], [-1, 1], [1, -1], [1, 1]]) * np.sqrt(3 / 4)  # Covariance I, dividing by n - 1.
    moved = corners * [2, 3] + [1, -4]
    assert metrics.frechet_distance(corners, moved) == pytest.approx(1 + 16 + 1 + 4)


def test_frechet_distance_of_a_set_to_itself_is_zero_however_flat_it_is():
    flat = np.column_stack([REAL, REAL[:, :1], np.zeros(300)])  # Covariance of a rank below its size.
    assert metrics.frechet_distance(flat, flat) == pytest.approx(0, abs=1e-6)
    assert metrics.frechet_distance(flat, flat + 2) == pytest.approx(4 * 8)
    assert metrics.frechet_distance(REAL[:, :1], REAL[:, :1] + 1) == pytest.approx(1)


@pytest.mark.parametrize("k", [1, 5])
def test_density_and_coverage_are_those_of_their_definition(k):
    radii = np.sort(cdist(REAL, REAL), axis=1)[:, k]
    inside = cdist(REAL, GENERATED) < radii[:, None]
    found = metrics.density_coverage(REAL, GENERATED, k=k)
    assert found.density == pytest.approx(inside.sum() / (k * len(GENERATED)))
    assert found.coverage == pytest.approx(inside.any(axis=1).mean())


def test_density_and_coverage_equal_the_authors_package():
    prdc = pytest.importorskip("prdc", reason="prdc is not installed")
    expected = prdc.compute_prdc(REAL, GENERATED, nearest_k=5)
    density, coverage = metrics.density_coverage(REAL, GENERATED)
    assert (density, coverage) == pytest.approx((expected["density"], expected["coverage"]))


def test_density_and_coverage_tell_fidelity_from_diversity():
    same = metrics.density_coverage(REAL, RNG.normal(size=(300, 6)))
    assert same.density == pytest.approx(1, abs=0.15) and same.coverage > 0.9
    one_mode = metrics.density_coverage(REAL, 0.01 * RNG.normal(size=(300, 6)))
    assert one_mode.density > 1 and one_mode.coverage < 0.5
    assert metrics.density_coverage(REAL, REAL + 50) == (0, 0)


def test_copies_are_told_from_new_samples():
    train, held_out, new = (RNG.normal(size=(n, 4, 3)) for n in (500, 200, 200))
    report = metrics.nearest_training_distance(new, train, held_out)
    assert report.nearer == pytest.approx(0.5, abs=0.07) and report.copies < 0.05
    flat = [array.reshape(len(array), -1) for array in (new, train)]
    np.testing.assert_allclose(report.samples, cdist(*flat).min(axis=1), rtol=1e-6)
    u = stats.mannwhitneyu(report.held_out, report.samples).statistic
    assert report.nearer == pytest.approx(u / 200**2)
    half = metrics.nearest_training_distance(np.concatenate([train[:100] + 1e-3, new[:100]]), train, held_out)
    assert half.copies == pytest.approx(0.5, abs=0.03) and half.nearer == pytest.approx(0.75, abs=0.06)
    copied = metrics.nearest_training_distance(train[:50], train, held_out)
    assert copied.nearer == copied.copies == 1
    np.testing.assert_allclose(copied.samples, 0, atol=1e-6)
    assert copied.describe() == (
        "A sample lies nearer to the training data than a held-out example with a chance of 1.000 "
        "(0.5: as new as those); 100.0% lie nearer than the nearest 1 % of them."
    )
    tied = metrics.MemorisationReport(np.ones(3), np.ones(5))
    assert (tied.nearer, tied.copies) == (0.5, 0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.frechet_distance(REAL[:1], REAL), "real must hold at least 2 rows"),
        (lambda: metrics.frechet_distance(REAL, np.full((3, 6), np.nan)), "generated must be finite"),
        (lambda: metrics.frechet_distance(REAL, REAL[:, :2]), "features of the same length"),
        (lambda: metrics.density_coverage(REAL, GENERATED[0]), "generated must hold at least 1 rows"),
        (lambda: metrics.density_coverage(REAL, GENERATED, k=300), r"k must be in \[1, 300\)"),
        (lambda: metrics.density_coverage(REAL, GENERATED, k=0), r"k must be in \[1, 300\)"),
        (lambda: metrics.nearest_training_distance(REAL, GENERATED, REAL[:0]), "held_out must hold at least 1 rows"),
    ],
)
def test_bad_features_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
