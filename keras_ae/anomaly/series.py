"""Series as windows, and the scores of windows as scores of time stamps."""

import warnings
from itertools import pairwise

import numpy as np

from keras_ae.anomaly.timestamps import pieces
from keras_ae.checks import checked_least

GAP = 1.5  # Median steps.


def windows(series, length: int, stride: int = 1, *, timestamps=None, gap: float | None = GAP) -> np.ndarray:
    """Cut a series into overlapping windows: (times, channels) or (times,) -> (n, length, channels).

    A window begins every `stride` steps; a last one ends where the series ends, so that every time is covered. Where
    `timestamps` have a gap, the series ends and another one begins: no window crosses the gap. A piece between gaps
    that is shorter than a window has none; a warning counts the times that no window covers.

    Args:
        series: values in the order of time, (times, channels), or (times,) for one channel.
        length: time steps in a window.
        stride: steps from the beginning of a window to that of the next, at most `length`.
        timestamps: when the values were measured, (times,): numbers, dates, or a pandas index, with a time zone or
            without. None means without gaps.
        gap: a step longer than `gap` median steps is a gap; at least 1. None means that windows cross gaps, as for
            events that come at uneven times.

    Returns:
        A copy of the values; `window.reshape(n, -1)` is what dense models take.

    Raises:
        ValueError: a series shorter than a window, or without a piece as long as one; a stride that skips times;
            timestamps that do not rise, or that hold NaT or NaN.
        TypeError: timestamps that are neither numbers nor dates.
    """
    series = np.asarray(series)
    series = series[:, None] if series.ndim == 1 else series
    if series.ndim != 2:
        raise ValueError(f"series must have shape (times, channels) or (times,), got {series.shape}.")
    bounds = pieces(timestamps, len(series), gap)
    starts = _starts(bounds, length, stride)
    lengths = np.diff(bounds)
    left_out = lengths[lengths < length].sum()
    if left_out:
        warnings.warn(
            f"{left_out} of {len(series)} times lie between gaps of timestamps that are nearer than length={length}: "
            "no window covers them. gap=None lets windows cross gaps.",
            stacklevel=2,
        )
    return np.stack([series[start : start + length] for start in starts])


def score_of_times(
    scores, times: int, length: int, stride: int = 1, *, combine: str = "mean", timestamps=None, gap: float | None = GAP
) -> np.ndarray:
    """Return the score of each time stamp from those of the windows that cover it: (n,) -> (times,), float64.

    A time that no window covers, as its piece between two gaps is shorter than a window, has the score NaN.

    Args:
        scores: scores of the windows, in the order of `windows`, (n,).
        times: length of the series.
        length: time steps in a window.
        stride: that of `windows`.
        combine: "mean", or "max" of the windows that cover a time.
        timestamps: those of `windows`.
        gap: that of `windows`.

    Raises:
        ValueError: another number of scores than windows, an unknown `combine`; for the rest as `windows`.
        TypeError: as `windows`.
    """
    if combine not in ("mean", "max"):
        raise ValueError(f'combine must be "mean" or "max", got {combine!r}.')
    scores = np.asarray(scores, dtype="float64")
    starts = _starts(pieces(timestamps, times, gap), length, stride)
    if scores.shape != (len(starts),):
        raise ValueError(
            f"A series of {times} has {len(starts)} windows of {length} at stride {stride}, "
            f"but scores has shape {scores.shape}. Give the length, stride, timestamps and gap that windows was given."
        )
    covering = (starts[:, None] + np.arange(length)).ravel()
    each = np.repeat(scores, length)
    count = np.bincount(covering, minlength=times)
    if combine == "max":
        greatest = np.full(times, -np.inf)
        np.maximum.at(greatest, covering, each)
        return np.where(count, greatest, np.nan)
    return np.where(count, np.bincount(covering, each, times) / np.maximum(count, 1), np.nan)


def _starts(bounds: np.ndarray, length: int, stride: int) -> np.ndarray:
    """Return where windows begin, in each piece the last of them at its end - length; see `pieces` for `bounds`."""
    times, longest = bounds[-1], np.diff(bounds).max()
    if times < checked_least("length", length):
        raise ValueError(f"A series of {times} has no window of length={length}. Give a shorter length.")
    if longest < length:
        raise ValueError(
            f"A series of {times} has no window of length={length} that crosses no gap in its timestamps: the longest "
            f"piece has {longest}. Give a shorter length, or gap=None for windows that cross gaps."
        )
    if checked_least("stride", stride) > length:
        raise ValueError(f"stride={stride} skips times between windows of length={length}. Give at most {length}.")
    return np.concatenate(
        [
            np.union1d(np.arange(start, stop - length + 1, stride), stop - length)
            for start, stop in pairwise(bounds)
            if stop - start >= length
        ]
    )
