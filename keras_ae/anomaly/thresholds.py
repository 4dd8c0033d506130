"""Thresholds of anomaly scores, higher being more anomalous: a sample is one where its score is above the threshold."""

import math

import numpy as np

from keras_ae.extras import optional


def checked_contamination(contamination: float, *, name: str = "contamination") -> float:
    """`contamination`, the expected share of anomalies, unless it is no number in (0, 0.5].

    Raises:
        ValueError: another value.
    """
    is_number = isinstance(contamination, int | float | np.number) and not isinstance(contamination, bool)
    if not (is_number and 0 < contamination <= 0.5):
        raise ValueError(
            f"{name} must lie in (0, 0.5], the share of anomalies that is expected, got {contamination!r}."
        )
    return float(contamination)


def quantile_threshold(scores: np.ndarray, *, contamination: float) -> float:
    """Return the score that a share `contamination` of the samples exceeds.

    Args:
        scores: scores of training data, (n,); of clean data `contamination` is the share of false alarms.
        contamination: the share of anomalies, in (0, 0.5].

    Raises:
        ValueError: no scores, NaN or inf among them, another share.
    """
    scores = _checked_scores(scores)
    return float(np.quantile(scores, 1 - checked_contamination(contamination)))


def pot_threshold(scores: np.ndarray, *, risk: float = 1e-3, level: float = 0.98) -> float:
    """Return the score that a normal sample exceeds with probability `risk`, by extreme value theory.

    Peaks over threshold (Siffer et al. 2017, the SPOT algorithm's initialisation): what exceeds a high quantile follows
    a generalised Pareto distribution, which SciPy fits by maximum likelihood; it reaches risks that are rarer than one
    in n. We differ: they maximise the likelihood by Grimshaw's trick.

    Args:
        scores: scores of normal data, (n,).
        risk: probability of a false alarm, in (0, 1 - level).
        level: the quantile from where the tail is fitted, in (0, 1); at least 10 scores must lie above it.

    Raises:
        ValueError: too few scores in the tail, NaN or inf among them, a risk or level outside its range.
    """
    scores = _checked_scores(scores)
    if not 0 < level < 1:
        raise ValueError(f"level must lie in (0, 1), got {level!r}.")
    if not 0 < risk < 1 - level:
        raise ValueError(f"risk must lie in (0, 1 - level), which is (0, {1 - level:.4g}), got {risk!r}.")
    start = np.quantile(scores, level)
    excess = scores[scores > start] - start
    if len(excess) < 10:
        raise ValueError(
            f"Only {len(excess)} of {len(scores)} scores lie above the {level:g} quantile; a tail needs at least 10. "
            "Give more scores, or a lower level."
        )
    genpareto = optional("scipy.stats", "SciPy", "sklearn").genpareto
    unit = excess.mean()  # The fit is one of shape and scale, and starts near a scale of 1.
    shape, _, scale = genpareto.fit(excess / unit, floc=0)
    return float(start + unit * genpareto.isf(risk * len(scores) / len(excess), shape, scale=scale))


def best_f1_threshold(scores: np.ndarray, labels: np.ndarray) -> float:
    """Return the threshold with the greatest F1 on labelled validation data, halfway to the next lower score.

    Args:
        scores: scores of validation data, (n,), never of test data.
        labels: 1 or True where a sample is an anomaly, (n,).

    Raises:
        ValueError: other shapes, NaN or inf, labels that are not 0 and 1 or all equal.
    """
    scores, labels = _checked_scores(scores), np.asarray(labels)
    if labels.shape != scores.shape or set(np.unique(labels).tolist()) != {0, 1}:
        raise ValueError(
            f"labels must be 0 (normal) and 1 (anomaly), both of them, for {len(scores)} scores; "
            f"got {np.unique(labels).tolist()[:5]} of shape {labels.shape}."
        )
    metrics = optional("sklearn.metrics", "scikit-learn", "sklearn")
    precision, recall, levels = metrics.precision_recall_curve(labels, scores)
    best = np.argmax(precision * recall / np.maximum(precision + recall, np.finfo(float).tiny))
    lower = scores[scores < levels[best]]
    return float((levels[best] + lower.max()) / 2) if len(lower) else math.nextafter(levels[best], -math.inf)


def _checked_scores(scores) -> np.ndarray:
    scores = np.asarray(scores, dtype="float64")
    if scores.ndim != 1 or not len(scores):
        raise ValueError(f"scores must be an array (n,) of at least one score, got shape {scores.shape}.")
    if not np.isfinite(scores).all():
        raise ValueError("scores hold NaN or inf.")
    return scores
