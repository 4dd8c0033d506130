"""Series as windows, and the scores of windows as scores of time stamps."""

import numpy as np

from keras_ae.checks import checked_least


def windows(series, length: int, stride: int = 1, *, timestamps=None) -> np.ndarray:
    """Cut a series into overlapping windows: (times, channels) or (times,) -> (n, length, channels).

    A window begins every `stride` steps; a last one ends where the series ends, so that every time is covered.

    Args:
        series: values in the order of time, (times, channels), or (times,) for one channel.
        length: time steps in a window.
        stride: steps from the beginning of a window to that of the next, at most `length`.
        timestamps: when the values were measured, (times,), numbers or dates; only checked. Steps need not be even.

    Returns:
        A copy of the values; `window.reshape(n, -1)` is what dense models take.

    Raises:
        ValueError: a series shorter than a window, a stride that skips times, timestamps that do not rise.
    """
    series = np.asarray(series)
    series = series[:, None] if series.ndim == 1 else series
    if series.ndim != 2:
        raise ValueError(f"series must have shape (times, channels) or (times,), got {series.shape}.")
    if timestamps is not None:
        _check_rising(np.asarray(timestamps), len(series))
    return np.stack([series[start : start + length] for start in _starts(len(series), length, stride)])


def score_of_times(scores, times: int, length: int, stride: int = 1, *, combine: str = "mean") -> np.ndarray:
    """Return the score of each time stamp from those of the windows that cover it: (n,) -> (times,), float64.

    Args:
        scores: scores of the windows, in the order of `windows`, (n,).
        times: length of the series.
        length: time steps in a window.
        stride: that of `windows`.
        combine: "mean", or "max" of the windows that cover a time.

    Raises:
        ValueError: another number of scores than windows, an unknown `combine`.
    """
    if combine not in ("mean", "max"):
        raise ValueError(f'combine must be "mean" or "max", got {combine!r}.')
    scores, starts = np.asarray(scores, dtype="float64"), _starts(times, length, stride)
    if scores.shape != (len(starts),):
        raise ValueError(
            f"A series of {times} has {len(starts)} windows of {length} at stride {stride}, "
            f"but scores has shape {scores.shape}."
        )
    covering = starts[:, None] + np.arange(length)
    each = np.repeat(scores, length)
    if combine == "max":
        found = np.full(times, -np.inf)
        np.maximum.at(found, covering.ravel(), each)
        return found
    return np.bincount(covering.ravel(), each, times) / np.bincount(covering.ravel(), minlength=times)


def _starts(times: int, length: int, stride: int) -> np.ndarray:
    """Return where windows begin, the last of them at `times - length`."""
    if times < checked_least("length", length):
        raise ValueError(f"A series of {times} has no window of length={length}. Give a shorter length.")
    if checked_least("stride", stride) > length:
        raise ValueError(f"stride={stride} skips times between windows of length={length}. Give at most {length}.")
    return np.union1d(np.arange(0, times - length + 1, stride), times - length)


def _check_rising(timestamps: np.ndarray, times: int) -> None:
    if timestamps.shape != (times,):
        raise ValueError(f"timestamps must have shape ({times},), one for each value, got {timestamps.shape}.")
    falls = np.flatnonzero(~(timestamps[1:] > timestamps[:-1]))
    if len(falls):
        at = falls[0] + 1
        raise ValueError(
            f"timestamps must rise: number {at} is {timestamps[at]}, after {timestamps[at - 1]}. "
            "Sort the series by time, and keep one value for each time."
        )
