"""Pictures of what is strange show what was planted."""

import io

import matplotlib
import numpy as np
import pytest

from keras_ae.plots import contribution_bars, heat_maps, series_scores

RNG = np.random.default_rng(0)


def pixels(picture):
    buffer = io.BytesIO()
    picture.savefig(buffer, format="png")
    buffer.seek(0)
    return matplotlib.image.imread(buffer)[..., :3]


def test_the_heat_is_brightest_where_the_contribution_is_greatest():
    heat = np.zeros((2, 28, 28, 1))
    heat[1, 5, 20] = 3.0
    picture = heat_maps(RNG.random((2, 28, 28, 1)), heat)
    mosaic = picture.axes[0].images[0].get_array()
    lower = mosaic[mosaic.shape[0] // 2 + 5 :].sum(axis=-1)
    scale = (mosaic.shape[1] - 6) // 2 // 28
    row, column = np.unravel_index(np.where(lower < 3, lower, 0).argmax(), lower.shape)
    assert 5 * scale - 8 <= row <= 6 * scale
    assert 28 * scale + 6 + 20 * scale <= column < 28 * scale + 6 + 21 * scale
    assert "bright 3" in picture.axes[0].get_xlabel()
    assert [label.get_text() for label in picture.axes[0].get_yticklabels()] == ["image", "heat"]
    assert pixels(picture).std() > 0.1


def test_colour_images_and_nothing_strange_are_drawn():
    heat_maps(RNG.integers(0, 255, (3, 8, 8, 3), dtype="uint8"), np.zeros((3, 8, 8, 3)), n=2, title="nothing")


def test_bars_are_of_the_greatest_columns():
    picture = contribution_bars(np.array([0.1, -2.0, 5.0, 1.0]), ["a", "b", "c", "d"], n=2, title="planted")
    bars = picture.axes[0].patches
    assert [bar.get_width() for bar in bars] == [1.0, 5.0]
    assert [label.get_text() for label in picture.axes[0].get_yticklabels()] == ["d", "c"]
    assert len(contribution_bars(np.arange(3)).axes[0].patches) == 3


def test_a_series_has_its_scores_below_it():
    values, scores = RNG.normal(size=(50, 2)), RNG.random(50)
    picture = series_scores(values, scores, labels=np.arange(50) > 40, threshold=0.9, title="series")
    upper, lower = picture.axes
    assert len(upper.lines) == 2
    np.testing.assert_array_equal(lower.lines[0].get_ydata(), scores)
    assert lower.lines[1].get_ydata() == [0.9, 0.9]
    assert (upper.get_ylabel(), lower.get_ylabel(), lower.get_xlabel()) == ("value", "score", "time")
    dates = np.datetime64("2024-01-01") + np.arange(50)
    series_scores(values[:, 0], scores, times=dates)
    scores[20:23] = np.nan  # Times without a window break the line.
    np.testing.assert_array_equal(series_scores(values, scores).axes[1].lines[0].get_ydata(), scores)


def test_what_cannot_be_drawn_is_refused():
    images = RNG.random((2, 8, 8, 1))
    with pytest.raises(ValueError, match="n must be at least 1, not 0"):
        heat_maps(images, images, n=0)
    with pytest.raises(ValueError, match="must be images"):
        heat_maps(images, images[:, :4])
    with pytest.raises(ValueError, match="n must be at least 1"):
        contribution_bars(np.arange(3), n=0)
    with pytest.raises(ValueError, match="3 contributions and 2 names"):
        contribution_bars(np.arange(3), ["a", "b"])
    for wrong in (np.zeros((2, 3)), [np.nan], []):
        with pytest.raises(ValueError, match="must be finite, of one row"):
            contribution_bars(wrong)
    with pytest.raises(ValueError, match=r"must have one length, not \[5, 4, 5, 5\]"):
        series_scores(np.zeros(5), np.zeros(4))
    for wrong in (np.array([0, 1, np.inf, 2, 3]), np.full(5, np.nan)):
        with pytest.raises(ValueError, match="must be finite"):
            series_scores(np.zeros(5), wrong)
        with pytest.raises(ValueError, match="must be finite"):
            series_scores(wrong, np.zeros(5))
