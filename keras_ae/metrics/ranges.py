"""How well scores of time stamps find anomalies that last: the volume under the surface of precision and recall."""

import numpy as np


def vus_pr(labels: np.ndarray, scores: np.ndarray, *, longest: int) -> float:
    """Volume under the precision-recall surface, in [0, 1], higher is better; no point adjustment, and no threshold.

    Paparrizos, Boniol, Palpanas, Tsay, Elmore and Franklin, "Volume Under the Surface: A New Accuracy Evaluation
    Measure for Time-Series Anomaly Detection", PVLDB 15, 2022: the mean of `range_auc_pr` over all buffers from 0 to
    `longest`.

    Args:
        labels: 1 or True where a time stamp is anomalous, (times,).
        scores: scores of the time stamps, higher is more anomalous, (times,).
        longest: the longest buffer in time steps, such as the length of the detector's windows.

    Raises:
        ValueError: as `range_auc_pr`.
    """
    labels, scores = _checked(labels, scores, longest)
    return float(np.mean([range_auc_pr(labels, scores, buffer=buffer) for buffer in range(longest + 1)]))


def range_auc_pr(labels: np.ndarray, scores: np.ndarray, *, buffer: int) -> float:
    """Area under precision and recall of ranges with soft edges, in [0, 1], higher is better.

    Range-AUC-PR of Paparrizos et al. 2022, section 4: labels fall off by sqrt(1 - distance / buffer) over half a buffer
    before and after each range, so that a detection that comes a little early or late is no full error. Recall is
    multiplied by the share of ranges of which anything was found, and its denominator is the mean of the sums of hard
    and soft labels. With one range and no buffer it is scikit-learn's `average_precision_score`. We differ from their
    code: every score is a threshold, not 250 of them, and precision is not interpolated between thresholds (Davis &
    Goadrich 2006).

    Args:
        labels: 1 or True where a time stamp is anomalous, (times,).
        scores: scores of the time stamps, higher is more anomalous, (times,).
        buffer: time steps over which labels are soft, half of them on either side.

    Raises:
        ValueError: other shapes, labels that are not 0 and 1 or have no 1, NaN or inf, a buffer below 0.
    """
    labels, scores = _checked(labels, scores, buffer)
    soft = _softened(labels, buffer)
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)  # Equal scores share a threshold.
    found = np.cumsum(soft[order])[last]
    rank = np.empty(len(order), int)
    rank[order] = np.arange(len(order))
    first_hits = np.array([rank[start:stop].min() for start, stop in _ranges(soft > 0)])
    existence = (first_hits[:, None] <= last).mean(axis=0)
    recall = np.minimum(found / ((labels.sum() + soft.sum()) / 2), 1) * existence
    precision = found / (last + 1)
    return float(np.sum(np.diff(recall, prepend=0) * precision))


def _softened(labels: np.ndarray, buffer: int) -> np.ndarray:
    """Return labels in [0, 1] that fall off over half a buffer on either side of each range: (times,) -> (times,)."""
    soft, half = labels.astype("float64"), buffer // 2
    for start, stop in _ranges(labels):
        before, after = np.arange(max(start - half, 0), start), np.arange(stop, min(stop + half, len(labels)))
        soft[before] += np.sqrt(1 - (start - before) / max(buffer, 1))
        soft[after] += np.sqrt(1 - (after - stop + 1) / max(buffer, 1))
    return np.minimum(soft, 1)


def _ranges(labels: np.ndarray) -> np.ndarray:
    """Return beginnings and ends of the ranges of True, ends not included: (times,) -> (ranges, 2)."""
    edges = np.diff(labels.astype(int), prepend=0, append=0)
    return np.stack([np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)], axis=1)


def _checked(labels, scores, buffer: int) -> tuple[np.ndarray, np.ndarray]:
    labels, scores = np.asarray(labels), np.asarray(scores, dtype="float64")
    if scores.ndim != 1 or labels.shape != scores.shape:
        raise ValueError(f"labels and scores must be (times,) both, got {labels.shape} and {scores.shape}.")
    if not set(np.unique(labels).tolist()) <= {0, 1} or not labels.any():
        raise ValueError(f"labels must be 0 and 1, with at least one 1, got {np.unique(labels).tolist()[:5]}.")
    if not np.isfinite(scores).all():
        raise ValueError("scores hold NaN or inf.")
    if buffer < 0:
        raise ValueError(f"A buffer must be at least 0 time steps, got {buffer}.")
    return labels.astype(bool), scores
