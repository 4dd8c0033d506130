"""Windows of a series do not cross gaps in its time stamps."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import polars as pl
import pytest

from keras_ae.anomaly import quantile_threshold, score_of_times, windows

HOURS = np.r_[np.arange(10), np.arange(40, 43), np.arange(60, 80)]  # Pieces of 10, 3 and 20 hours.
SERIES = np.arange(len(HOURS))
START = pd.Timestamp("2024-03-01")
FORMS = {
    "integers": HOURS,
    "unsigned": HOURS.astype("uint8"),
    "floats": HOURS / 10,
    "list": HOURS.tolist(),
    "datetime64": HOURS.astype("datetime64[h]"),
    "timedelta64": HOURS.astype("timedelta64[h]"),
    "dates": [date(2024, 3, 1) + timedelta(days=int(hour)) for hour in HOURS],
    "datetimes": [datetime(2024, 3, 1) + timedelta(hours=int(hour)) for hour in HOURS],
    "datetimes with zone": [datetime(2024, 3, 1, tzinfo=UTC) + timedelta(hours=int(hour)) for hour in HOURS],
    "index": START + pd.to_timedelta(HOURS, unit="h"),
    "index with zone": (START + pd.to_timedelta(HOURS, unit="h")).tz_localize("Asia/Tokyo"),
    "column with zone": pd.Series((START + pd.to_timedelta(HOURS, unit="h")).tz_localize("Asia/Tokyo")),
    "timestamps with zone": list((START + pd.to_timedelta(HOURS, unit="ns")).tz_localize("Asia/Tokyo")),
    "polars": pl.Series([datetime(2024, 3, 1) + timedelta(hours=int(hour)) for hour in HOURS]),
}


def expected(length: int, stride: int) -> list[list[int]]:
    """Return the windows of each piece alone."""
    parts = np.split(SERIES, [10, 13])
    return [
        window for part in parts if len(part) >= length for window in windows(part, length, stride)[..., 0].tolist()
    ]


@pytest.mark.parametrize("form", FORMS)
def test_windows_are_those_of_the_pieces_between_gaps(form):
    for stride in (1, 2, 3):
        assert windows(SERIES, 3, stride, timestamps=FORMS[form])[..., 0].tolist() == expected(3, stride)


@pytest.mark.parametrize("combine", ["mean", "max"])
@pytest.mark.parametrize("stride", [1, 3, 4])
def test_times_without_a_window_are_counted_and_score_nan(combine, stride):
    with pytest.warns(UserWarning, match="^3 of 33 times lie between gaps .* nearer than length=4: no window"):
        cut = windows(SERIES, 4, stride, timestamps=HOURS)[..., 0]
    assert cut.tolist() == expected(4, stride)
    scores = np.random.default_rng(0).normal(size=len(cut))
    of_times = score_of_times(scores, 33, 4, stride, combine=combine, timestamps=HOURS)
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(of_times)), [10, 11, 12])
    covered = np.flatnonzero(~np.isnan(of_times))
    by_hand = [getattr(np, combine)(scores[(cut == time).any(axis=1)]) for time in covered]
    np.testing.assert_allclose(of_times[covered], by_hand)
    with pytest.raises(ValueError, match="NaN"):
        quantile_threshold(of_times, contamination=0.1)


@pytest.mark.parametrize("timestamps", [None, HOURS])
def test_windows_cross_gaps_if_asked(timestamps):
    cut = windows(SERIES, 4, timestamps=timestamps, gap=None)
    np.testing.assert_array_equal(cut, windows(SERIES, 4))
    scores = np.arange(len(cut))
    np.testing.assert_array_equal(
        score_of_times(scores, 33, 4, timestamps=timestamps, gap=None), score_of_times(scores, 33, 4)
    )


def test_a_step_is_a_gap_above_gap_median_steps():
    times = [0, 2, 4, 7, 9, 11]  # Median step 2, and one step of 3.
    assert len(windows(np.arange(6), 3, timestamps=times)) == 4
    assert len(windows(np.arange(6), 3, timestamps=times, gap=1.4)) == 2
    assert len(windows(np.arange(6), 3, timestamps=[0, 2, 4, 7.1, 9.1, 11.1])) == 2
    assert len(windows(np.arange(6), 3, timestamps=[0, 2, 4, 14, 16, 18], gap=5)) == 4


def test_the_clock_change_is_no_gap():
    zone = ZoneInfo("Europe/Berlin")
    index = pd.date_range("2024-03-30", periods=48, freq="h", tz=zone)
    backwards = pd.date_range("2024-10-26", periods=72, freq="h", tz=zone)  # 02:00 twice.
    for stamps in (index, backwards, list(index), backwards.to_pydatetime()):
        assert len(windows(np.arange(len(stamps)), 24, timestamps=stamps)) == len(stamps) - 23


def test_a_series_of_gaps_alone_is_refused():
    hours = np.arange(40).reshape(20, 2)[:, 0] + np.arange(20) // 2 * 100
    with pytest.raises(ValueError, match=r"20 has no window of length=3 that crosses no gap .* longest piece has 2\."):
        windows(np.arange(20), 3, timestamps=hours, gap=1)
    with pytest.raises(ValueError, match="has no window of length=3 that crosses no gap"):
        score_of_times([], 20, 3, timestamps=hours, gap=1)


def test_scores_of_other_windows_are_refused():
    with pytest.raises(ValueError, match="timestamps and gap that windows was given"):
        score_of_times(np.zeros(len(expected(3, 1))), 33, 3)


@pytest.mark.parametrize("form", ["datetime64", "index", "index with zone", "timestamps with zone", "datetimes"])
@pytest.mark.parametrize("place", [0, 5, 32])
def test_unknown_times_are_refused(form, place):
    stamps = list(FORMS[form])
    stamps[place] = pd.NaT
    stamps = pd.DatetimeIndex(stamps) if "index" in form else stamps
    with pytest.raises(ValueError, match=f"timestamps must be known: number {place} is NaT"):
        windows(SERIES, 3, timestamps=stamps)


@pytest.mark.parametrize("form", FORMS)
def test_times_that_repeat_or_fall_are_refused(form):
    stamps = FORMS[form]
    for order in (np.r_[0:5, 4, 6:33], np.r_[0:5, 3, 6:33]):
        given = [stamps[int(at)] for at in order] if isinstance(stamps, list) else stamps[order]
        for cut in (windows, lambda *args, **options: score_of_times(np.zeros(31), 33, 3, **options)):
            with pytest.raises(ValueError, match="timestamps must rise: number 5 is"):
                cut(SERIES, 3, timestamps=given)


@pytest.mark.parametrize(
    ("stamps", "sentence"),
    [
        (["2024-01-01", "2024-01-02", "2024-01-03"], "not str_?. Parse text with pandas.to_datetime"),
        (pd.period_range("2024-01", periods=3, freq="M"), "all numbers or all dates, and none missing, not Period"),
        (np.array([1, "2", 3], dtype=object), "not int and str"),
        ([True, False, True], "not bool"),
        (
            [datetime(2024, 1, 1), datetime(2024, 1, 2, tzinfo=UTC), datetime(2024, 1, 3)],
            "with and without a time zone",
        ),
    ],
)
def test_times_that_are_no_instants_are_refused(stamps, sentence):
    with pytest.raises(TypeError, match=sentence):
        windows(np.arange(3), 2, timestamps=stamps)


def test_bad_gaps_are_refused():
    for gap in (0.9, 0, -1, float("nan")):
        with pytest.raises(ValueError, match="gap must be at least 1 median step"):
            windows(SERIES, 3, timestamps=HOURS, gap=gap)
    for gap in ("1.5", True, timedelta(hours=1)):
        with pytest.raises(TypeError, match="gap must be a number of median steps"):
            score_of_times([], 33, 3, gap=gap)


def test_one_value_is_a_window_of_one():
    np.testing.assert_array_equal(windows([7.0], 1, timestamps=[3]), [[[7.0]]])
    assert score_of_times([2.0], 1, 1, timestamps=[3]).tolist() == [2.0]
