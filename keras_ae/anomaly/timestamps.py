"""Time stamps of a series: numbers or dates that rise, and the pieces between their gaps."""

from datetime import UTC, date

import numpy as np


def pieces(timestamps, times: int, gap: float | None) -> np.ndarray:
    """Where the pieces of a series without a gap begin, and where the last one ends: (pieces + 1,) indices.

    Args:
        timestamps: when the values were measured, (times,), or None, which is one piece.
        times: length of the series.
        gap: a step longer than `gap` times the median step separates two pieces; None separates none.

    Raises:
        ValueError: another number of time stamps, NaT or NaN, stamps that do not rise, a gap below 1.
        TypeError: time stamps that are neither numbers nor dates, a gap that is no number.
    """
    if gap is not None and (isinstance(gap, bool | np.bool_) or not isinstance(gap, int | float | np.number)):
        raise TypeError(f"gap must be a number of median steps, or None for windows that cross gaps, not {gap!r}.")
    if gap is not None and not gap >= 1:
        raise ValueError(f"gap must be at least 1 median step, or None for windows that cross gaps, not {gap}.")
    if timestamps is None:
        return np.array([0, times])
    steps = np.diff(_rising(_instants(timestamps), times)).astype("float64")
    if gap is None or not len(steps):
        return np.array([0, times])
    return np.r_[0, np.flatnonzero(steps > gap * np.median(steps)) + 1, times]


def _instants(timestamps) -> np.ndarray:
    """Return time stamps as numbers, durations, or dates, those of a time zone in UTC."""
    dtype = getattr(timestamps, "dtype", None)
    if getattr(dtype, "kind", None) == "M" and not isinstance(dtype, np.dtype):
        return timestamps.to_numpy(dtype.base)  # Of pandas, with a time zone.
    instants = np.asarray(timestamps)
    if instants.dtype == object and instants.ndim == 1:
        instants = _dates(instants)
    if instants.dtype.kind not in "iufmM":
        kinds = " and ".join(sorted({type(instant).__name__ for instant in instants.flat}))
        raise TypeError(
            f"timestamps must be all numbers or all dates, and none missing, not {kinds or instants.dtype}. "
            "Parse text with pandas.to_datetime."
        )
    return instants


def _dates(instants: np.ndarray) -> np.ndarray:
    """Return Python's dates and pandas' Timestamps as datetime64, or `instants` if some are no dates."""
    dates = [np.datetime64("NaT") if instant is None else instant for instant in instants]
    if not all(isinstance(instant, date | np.datetime64) for instant in dates):
        return instants
    known = [instant for instant in dates if instant == instant]
    have_zone = {getattr(instant, "tzinfo", None) is not None for instant in known}
    if len(have_zone) == 2:
        raise TypeError("timestamps mix dates with and without a time zone. Give all of them a zone, or none.")
    return np.array([_in_utc(instant) for instant in dates])


def _in_utc(instant) -> np.datetime64:
    if getattr(instant, "tzinfo", None) is not None:
        instant = instant.astimezone(UTC).replace(tzinfo=None)
    # NumPy alone would cut the nanoseconds of a Timestamp of pandas.
    return instant.to_datetime64() if hasattr(instant, "to_datetime64") else np.datetime64(instant)


def _rising(instants: np.ndarray, times: int) -> np.ndarray:
    """Return `instants` if they are (times,) and rise."""
    if instants.shape != (times,):
        raise ValueError(f"timestamps must have shape ({times},), one for each value, got {instants.shape}.")
    missing = np.flatnonzero(~np.isfinite(instants))
    if len(missing):
        raise ValueError(
            f"timestamps must be known: number {missing[0]} is {instants[missing[0]]}. "
            "Leave out the values whose time is not known."
        )
    falls = np.flatnonzero(~(instants[1:] > instants[:-1]))
    if len(falls):
        at = falls[0] + 1
        raise ValueError(
            f"timestamps must rise: number {at} is {instants[at]}, after {instants[at - 1]}. "
            "Sort the series by time, and keep one value for each time."
        )
    return instants
