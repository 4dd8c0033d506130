"""Accuracy on anomalies that last: against scikit-learn, by hand, and where the number is known."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from keras_ae.metrics import range_auc_pr, vus_pr

RNG = np.random.default_rng(0)
ONE, TWO = np.zeros(200, int), np.zeros(200, int)
ONE[60:90] = 1
TWO[[*range(40, 60), *range(150, 152)]] = 1


@pytest.mark.parametrize("scores", [RNG.normal(size=200), RNG.integers(0, 5, 200)], ids=["distinct", "ties"])
def test_one_range_without_a_buffer_is_average_precision(scores):
    assert range_auc_pr(ONE, scores, buffer=0) == pytest.approx(average_precision_score(ONE, scores))
    assert vus_pr(ONE, scores, longest=0) == range_auc_pr(ONE, scores, buffer=0)


def test_by_hand():
    """Soft labels with a buffer of 2: one step on either side counts sqrt(1 / 2)."""
    edge = np.sqrt(0.5)
    labels, scores = np.array([0, 0, 1, 1, 0, 0]), np.array([1.0, 6, 5, 4, 3, 2])
    found = np.array([edge, edge + 1, edge + 2, 2 * edge + 2, 2 * edge + 2, 2 * edge + 2])
    recall = np.minimum(found / (2 + edge), 1)
    expected = np.sum(np.diff(recall, prepend=0) * found / np.arange(1, 7))
    assert range_auc_pr(labels, scores, buffer=2) == pytest.approx(expected)


def test_a_range_that_is_missed_takes_its_share_of_the_recall():
    """The greater range alone is found before all else: half of the ranges, and then the rest at once."""
    scores = np.where(np.arange(200) < 60, TWO, 0)
    recall = 20 / 22 / 2
    assert range_auc_pr(TWO, scores, buffer=0) == pytest.approx(recall + (1 - recall) * 22 / 200)


def test_scores_that_know_all_reach_1_and_random_ones_the_share_of_labels():
    assert range_auc_pr(TWO, TWO, buffer=0) == 1
    labels = np.zeros(100_000)
    labels[20_000:30_000] = 1
    assert vus_pr(labels, RNG.normal(size=100_000), longest=2) == pytest.approx(0.1, abs=0.01)


def test_a_detection_that_is_late_costs_less_with_a_buffer():
    late = np.roll(ONE, 10)
    assert range_auc_pr(ONE, late, buffer=40) > range_auc_pr(ONE, late, buffer=0) + 0.1
    areas = [range_auc_pr(TWO, late, buffer=buffer) for buffer in range(7)]
    assert vus_pr(TWO, late, longest=6) == pytest.approx(np.mean(areas))


def test_ranges_at_the_ends_have_their_buffers_cut():
    labels = np.r_[np.ones(5), np.zeros(20), np.ones(5)]
    assert range_auc_pr(labels, labels, buffer=8) <= 1
    assert range_auc_pr(np.ones(9), RNG.normal(size=9), buffer=4) == 1


def test_bad_labels_and_scores_are_refused():
    with pytest.raises(ValueError, match=r"labels and scores must be \(times,\) both"):
        vus_pr(ONE[:-1], ONE, longest=3)
    with pytest.raises(ValueError, match="with at least one 1"):
        vus_pr(np.zeros(200), ONE, longest=3)
    with pytest.raises(ValueError, match="labels must be 0 and 1"):
        range_auc_pr(2 * ONE, ONE, buffer=3)
    with pytest.raises(ValueError, match="NaN or inf"):
        range_auc_pr(ONE, np.where(ONE, np.nan, 0), buffer=3)
    with pytest.raises(ValueError, match=r"at least 0 time steps, got -1"):
        vus_pr(ONE, ONE, longest=-1)
