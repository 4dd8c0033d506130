"""Thresholds of scores, and series as windows."""

import numpy as np
import pytest
from scipy.stats import expon, genpareto, norm
from sklearn.metrics import f1_score

from keras_ae.anomaly import best_f1_threshold, pot_threshold, quantile_threshold, score_of_times, windows

RNG = np.random.default_rng(0)
SCORES = RNG.normal(size=1000)


@pytest.mark.parametrize("contamination", [0.001, 0.1, 0.5])
def test_the_quantile_is_exceeded_by_the_share_asked_for(contamination):
    threshold = quantile_threshold(SCORES, contamination=contamination)
    assert (threshold < SCORES).sum() == 1000 * contamination


@pytest.mark.parametrize("contamination", [0, 0.51, -1, "auto", None, True, float("nan")])
def test_another_contamination_is_refused(contamination):
    with pytest.raises(ValueError, match=r"contamination must lie in \(0, 0.5\]"):
        quantile_threshold(SCORES, contamination=contamination)


@pytest.mark.parametrize("law", [expon(), norm(), genpareto(0.3), genpareto(-0.3)], ids=["exp", "normal", "+", "-"])
def test_peaks_over_threshold_reach_quantiles_rarer_than_one_in_n(law):
    scores = law.rvs(20_000, random_state=np.random.default_rng(1))
    found = pot_threshold(scores, risk=1e-5, level=0.95)
    assert found > scores.max() or law.sf(scores.max()) < 1e-5
    assert 1e-6 < law.sf(found) < 1e-4
    assert pot_threshold(1e6 * scores + 7, risk=1e-5, level=0.95) == pytest.approx(1e6 * found + 7, rel=0.02)


def test_the_best_f1_is_found():
    scores = SCORES[:100]
    labels = (scores + RNG.normal(size=100) > 1).astype(int)
    threshold = best_f1_threshold(scores, labels)
    best = max(f1_score(labels, scores >= at) for at in scores)
    assert f1_score(labels, scores > threshold) == pytest.approx(best)
    assert best_f1_threshold(np.array([0.0, 1, 5, 6]), np.array([0, 0, 1, 1])) == 3  # Halfway.
    reversed_labels = np.array([1, 1, 0, 0])
    assert (np.array([0.0, 1, 5, 6]) > best_f1_threshold(np.array([0.0, 1, 5, 6]), reversed_labels)).all()


def test_bad_scores_and_labels_are_refused():
    with pytest.raises(ValueError, match="at least one score"):
        quantile_threshold([], contamination=0.1)
    with pytest.raises(ValueError, match="NaN or inf"):
        quantile_threshold([1.0, np.nan], contamination=0.1)
    with pytest.raises(ValueError, match=r"risk must lie in \(0, 1 - level\)"):
        pot_threshold(SCORES, risk=0.05)
    with pytest.raises(ValueError, match="level must lie in"):
        pot_threshold(SCORES, level=1.0)
    with pytest.raises(ValueError, match="Only 2 of 100 scores"):
        pot_threshold(SCORES[:100])
    for labels in (np.zeros(1000), np.ones(999), np.full(1000, 2)):
        with pytest.raises(ValueError, match="labels must be 0"):
            best_f1_threshold(SCORES, labels)


@pytest.mark.parametrize("stride", [1, 3, 5])
def test_windows_cover_every_time_in_order(stride):
    series = np.arange(23)
    cut = windows(series, 5, stride)
    assert cut.shape[1:] == (5, 1)
    assert (np.diff(cut[..., 0]) == 1).all()
    assert set(cut.ravel()) == set(series)
    assert (cut[:-1, 0, 0] % stride == 0).all()


@pytest.mark.parametrize("combine", ["mean", "max"])
def test_scores_of_times_are_those_of_the_windows_that_cover_them(combine):
    cut, scores = windows(np.arange(23), 5, 3)[..., 0], RNG.normal(size=7)
    expected = [getattr(np, combine)(scores[(cut == time).any(axis=1)]) for time in range(23)]
    np.testing.assert_allclose(score_of_times(scores, 23, 5, 3, combine=combine), expected)


def test_series_of_channels_keep_them():
    series = RNG.normal(size=(10, 3))
    np.testing.assert_array_equal(windows(series, 4, 2)[1], series[2:6])
    np.testing.assert_array_equal(windows(series, 10), series[None])


def test_bad_series_are_refused():
    times = np.datetime64("2024-01-01") + np.arange(10)
    windows(np.arange(10), 3, timestamps=times)
    with pytest.raises(ValueError, match="timestamps must rise: number 4 is 2024-01-01"):
        windows(np.arange(10), 3, timestamps=np.where(np.arange(10) == 4, times[0], times))
    with pytest.raises(ValueError, match="timestamps must be known: number 1 is nan"):
        windows(np.arange(3), 3, timestamps=[1.0, np.nan, 2.0])
    with pytest.raises(ValueError, match=r"timestamps must have shape \(10,\)"):
        windows(np.arange(10), 3, timestamps=times[:-1])
    with pytest.raises(ValueError, match="has no window of length=11"):
        windows(np.arange(10), 11)
    with pytest.raises(ValueError, match="stride=4 skips times"):
        windows(np.arange(10), 3, 4)
    with pytest.raises(ValueError, match="length must be at least 1"):
        windows(np.arange(10), 0)
    with pytest.raises(ValueError, match="series must have shape"):
        windows(np.zeros((2, 3, 4)), 1)
    with pytest.raises(ValueError, match="has 3 windows of 8 at stride 1"):
        score_of_times([1.0], 10, 8)
    with pytest.raises(ValueError, match='combine must be "mean" or "max"'):
        score_of_times([1.0], 10, 8, combine="sum")
