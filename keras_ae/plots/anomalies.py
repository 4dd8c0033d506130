"""Pictures of what is strange: which pixel, which column, when."""

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps

from keras_ae.plots.cells import checked_examples, draw_cells, value_range
from keras_ae.plots.picture import DPI, FONT_SIZE, PALETTE, Picture, text_width

HEAT = "inferno"  # Perceptually even, and black where nothing is strange.


def heat_maps(x: np.ndarray, contributions: np.ndarray, *, n: int = 8, title: str | None = None) -> Picture:
    """Images in the top row and, below, how much each pixel adds to their anomaly score, all on one scale.

    Args:
        x: images, (n, h, w, 1 or 3); see `keras_ae.plots`.
        contributions: what `Score.contributions` says of them, of the same shape; channels are summed, and what is
            below 0 is drawn as 0.
        n: how many, from the first on.
        title: a heading.

    Raises:
        ValueError: other shapes, `n` < 1, NaN or infinite values.
    """
    if n < 1:
        raise ValueError(f"n must be at least 1, not {n}.")
    x, heat = checked_examples(x[:n], "x"), checked_examples(contributions[:n], "contributions")
    if x.ndim != 4 or x.shape[-1] not in (1, 3) or x.shape != heat.shape:
        raise ValueError(f"x and contributions must be images (n, h, w, 1 or 3), not {x.shape} and {heat.shape}.")
    low, high = value_range(x)
    heat = np.maximum(heat.sum(axis=-1), 0)
    most = float(heat.max())
    colours = colormaps[HEAT](heat / (most or 1))[..., :3]
    images = np.clip((x - low) / ((high - low) or 1), 0, 1)
    cells = np.stack([np.broadcast_to(images, colours.shape), colours]).astype("float32")
    scale = (f"heat: how much a pixel adds to the score, black 0 to bright {most:.2g}", "")
    return draw_cells(
        cells, data_range=(0, 1), reference=cells[0], row_labels=("image", "heat"), axis_labels=scale, title=title
    )


def contribution_bars(
    contributions: np.ndarray, names: Sequence[str] | None = None, *, n: int = 10, title: str | None = None
) -> Picture:
    """How much each column adds to the anomaly score of one row, the greatest on top.

    Args:
        contributions: of one row, (columns,).
        names: of the columns; by default their numbers.
        n: how many columns, the greatest.
        title: a heading.

    Raises:
        ValueError: another shape, another number of names, `n` < 1, NaN or infinite values.
    """
    if n < 1:
        raise ValueError(f"n must be at least 1, not {n}.")
    values = np.asarray(contributions, dtype="float64")
    if values.ndim != 1 or not len(values) or not np.isfinite(values).all():
        raise ValueError(f"contributions must be finite, of one row, (columns,), not {np.shape(contributions)}.")
    names = [f"column {i}" for i in range(len(values))] if names is None else [str(name) for name in names]
    if len(names) != len(values):
        raise ValueError(f"There are {len(values)} contributions and {len(names)} names.")
    first = np.argsort(-values)[:n][::-1]
    shown = [names[i] for i in first]
    picture = Picture(figsize=(4.5 + text_width(shown) / DPI, 0.9 + 0.27 * len(first)), dpi=DPI, layout="constrained")
    axes = picture.add_subplot()
    axes.barh(shown, values[first], color=PALETTE[0])
    axes.set_xlabel("contribution to the score")
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=FONT_SIZE)
    if title:
        axes.set_title(title, fontsize=FONT_SIZE + 2, loc="left")
    return picture


def series_scores(
    values: np.ndarray,
    scores: np.ndarray,
    *,
    times: Sequence | None = None,
    labels: np.ndarray | None = None,
    threshold: float | None = None,
    title: str | None = None,
) -> Picture:
    """A series above, the anomaly score of each time below.

    Args:
        values: (times,) or (times, channels).
        scores: higher is more anomalous, (times,). NaN, the score of a time without a window, breaks the line.
        times: numbers or dates along the axis; by default 0, 1, 2...
        labels: where it is True the background is shaded, (times,): known anomalies.
        threshold: drawn as a line among the scores.
        title: a heading.

    Raises:
        ValueError: lengths that differ, NaN or infinite values, infinite scores, no score but NaN.
    """
    values, scores = np.asarray(values), np.asarray(scores)
    times = np.arange(len(values)) if times is None else np.asarray(times)
    labels = np.zeros(len(values), bool) if labels is None else np.asarray(labels, bool)
    lengths = [len(part) for part in (values, scores, times, labels)]
    if values.ndim not in (1, 2) or not lengths[0] or len(set(lengths)) > 1 or scores.ndim != 1:
        raise ValueError(f"values, scores, times and labels must have one length, not {lengths}.")
    if not np.isfinite(values).all() or np.isinf(scores).any() or np.isnan(scores).all():
        raise ValueError("values and scores must be finite; only a time without a window may have the score NaN.")
    picture = Picture(figsize=(9, 3.8), dpi=DPI, layout="constrained")
    upper, lower = picture.subplots(2, sharex=True)
    upper.plot(times, values, linewidth=0.8)
    lower.plot(times, scores, linewidth=0.8, color=PALETTE[2])
    if threshold is not None:
        lower.axhline(threshold, color="black", linestyle="--", linewidth=1, label="threshold")
        lower.legend(loc="upper left", frameon=False, fontsize=FONT_SIZE)
    for axes in (upper, lower):
        edges = axes.get_ylim()
        axes.fill_between(times, *edges, where=labels, color=PALETTE[1], alpha=0.3, linewidth=0)
        axes.set_ylim(edges)
        axes.set_xlim(times[0], times[-1])
        axes.spines[["top", "right"]].set_visible(False)
    upper.set_ylabel("value")
    lower.set(ylabel="score", xlabel="time")
    if title:
        upper.set_title(title, fontsize=FONT_SIZE + 2, loc="left")
    return picture
