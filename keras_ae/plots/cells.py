"""A table of examples as one picture: each cell is an image, a series or a vector."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PatchCollection
from matplotlib.patches import Rectangle

from keras_ae.plots.picture import DPI, FONT_SIZE, PALETTE, Picture, text_width

MOST_LINES = 8  # A series of more channels than this is legible as an image only.
LINE_CELL = (60, 96)  # Height and width in pixels of a cell with lines.
LARGEST_IMAGE = 160  # Pixels; larger images are drawn smaller.
MARGIN = 12


def checked_examples(x: np.ndarray, name: str) -> np.ndarray:
    """`x` as finite floats (n, ...), bytes scaled to [0, 1]; ValueError in words for anything else."""
    x = np.asarray(x)
    if x.dtype == np.uint8:
        x = x / np.float32(255)
    if not (2 <= x.ndim <= 5) or x.size == 0:
        raise ValueError(
            f"{name} must hold at least one example: (n, values), (n, steps, channels), (n, height, width, channels) "
            f"or (n, depth, height, width, channels), not {x.shape}."
        )
    x = x.astype("float32")
    if not np.isfinite(x).all():
        raise ValueError(f"{name} holds NaN or infinite values, which cannot be drawn. Has training diverged?")
    return x


def value_range(x: np.ndarray) -> tuple[float, float]:
    """The values drawn as black and white (bottom and top of a line) for data such as `x`, (n, ...).

    (0, 1) for RGB, and for images that leave it by no more than a half, as a linear decoder's do; else the smallest
    and the largest value. Hand it to `data_range` of several pictures to make them comparable.

    Raises:
        ValueError: `x` is empty or holds NaN or infinite values.
    """
    x = checked_examples(x, "x")
    images = _as_images(x[None])
    if images is not None:
        low, high = float(images.min()), float(images.max())
        return (0.0, 1.0) if images.shape[-1] == 3 or (low >= -0.5 and high <= 1.5) else (low, high)
    return float(x.min()), float(x.max())


def draw_cells(
    cells: np.ndarray,
    *,
    data_range: tuple[float, float] | None,
    reference: np.ndarray,
    row_labels: Sequence[str] = (),
    column_labels: Sequence[str] = (),
    axis_labels: tuple[str, str] = ("", ""),
    title: str | None = None,
    cell_size: int = 76,
    gap: int = 6,
) -> Picture:
    """A table (rows, columns, ...) of examples, NaN where a cell is empty, as a picture.

    Args:
        cells: what to draw.
        data_range: values of black and white (bottom and top of a line), or None to take them from `reference`.
        reference: (n, ...), sets the range of images when none is given; lines take theirs from all cells.
        row_labels: one text a row, "" for none; written on the left.
        column_labels: one text a column, "" for none; written below.
        axis_labels: what the columns and the rows mean.
        title: a heading.
        cell_size: about how many screen pixels high and wide a small image becomes.
        gap: pixels between cells.
    """
    images = _as_images(cells)
    along, up = axis_labels
    if images is None:
        low, high = data_range or (float(np.nanmin(cells)), float(np.nanmax(cells)))
        height, width = LINE_CELL
        along = f"{along}   " * bool(along) + f"(each cell: {low:.3g} at the bottom, {high:.3g} at the top)"
    else:
        low, high = data_range or value_range(reference)
        scale = max(1, round(cell_size / max(images.shape[2:4])))
        # Whole screen pixels for a data pixel: nothing is blurred and all pixels are equally large.
        images = images.repeat(scale, axis=2).repeat(scale, axis=3)
        height, width = images.shape[2:4]
    if not high > low:
        high = low + 1  # Constant data: any range shows it as one flat tone.

    rows, columns = cells.shape[:2]
    steps = (height + gap, width + gap)
    size = (rows * steps[0] - gap, columns * steps[1] - gap)
    shrink = min(1.0, LARGEST_IMAGE / max(height, width))
    picture, axes = _framed(size, shrink, row_labels, column_labels, (along, up), title)
    if images is None:
        _draw_lines(axes, (cells - low) / (high - low), steps)
    else:
        mosaic = _mosaic(np.clip((images - low) / (high - low), 0, 1), gap)
        axes.imshow(mosaic, extent=(0, size[1], size[0], 0), interpolation="nearest" if shrink == 1 else "antialiased")
    axes.set(xlim=(0, size[1]), ylim=(size[0], 0))
    axes.set_xticks([column * steps[1] + width / 2 for column in range(len(column_labels))], column_labels)
    axes.set_yticks([row * steps[0] + height / 2 for row in range(len(row_labels))], row_labels)
    return picture


def _as_images(cells: np.ndarray) -> np.ndarray | None:
    """(rows, columns, height, width, 1 or 3), or None where the cells are lines."""
    if cells.ndim == 6:
        cells = cells[:, :, cells.shape[2] // 2]
    if cells.ndim == 5:
        return cells if cells.shape[-1] == 3 else cells.mean(axis=-1, keepdims=True)
    if cells.ndim == 4 and cells.shape[-1] > MOST_LINES:
        return cells.swapaxes(2, 3)[:, :, ::-1, :, None]
    return None


def _mosaic(images: np.ndarray, gap: int) -> np.ndarray:
    """All images in one, RGB, white between them and where a cell is NaN."""
    rows, columns, height, width, _ = images.shape
    page = np.ones((rows, height + gap, columns, width + gap, 3), "float32")
    page[:, :height, :, :width] = np.nan_to_num(images, nan=1.0).transpose(0, 2, 1, 3, 4)
    page = page.reshape(rows * (height + gap), columns * (width + gap), 3)
    return page[: page.shape[0] - gap, : page.shape[1] - gap]


def _draw_lines(axes: Axes, cells: np.ndarray, steps: tuple[int, int]) -> None:
    """Each cell's series, or its vector as steps, scaled into the cell's rectangle."""
    vectors = cells.ndim == 3
    if vectors:
        # Each value twice, at its left and its right edge, draws a step.
        along = np.repeat(np.linspace(0, 1, cells.shape[2] + 1), 2)[1:-1]
        cells = cells.repeat(2, axis=2)[..., None]
    else:
        along = np.linspace(0, 1, cells.shape[2])
    height, width = LINE_CELL
    pad = 0.06  # Room for the line's own thickness.
    cells = pad + (1 - 2 * pad) * np.clip(cells, 0, 1)
    boxes, lines, colours = [], [], []
    for row, column in np.ndindex(cells.shape[:2]):
        if np.isnan(cells[row, column]).any():
            continue
        left, top = column * steps[1], row * steps[0]
        boxes.append(Rectangle((left, top), width, height))
        for channel, values in enumerate(cells[row, column].T):
            lines.append(np.stack([left + width * along, top + height * (1 - values)], axis=1))
            colours.append(PALETTE[channel])
    axes.add_collection(PatchCollection(boxes, facecolor="#f2f2f2", edgecolor="none", zorder=0))
    axes.add_collection(LineCollection(lines, colors=colours, linewidths=1.2))


def _framed(
    size: tuple[int, int],
    shrink: float,
    row_labels: Sequence[str],
    column_labels: Sequence[str],
    axis_labels: tuple[str, str],
    title: str | None,
) -> tuple[Picture, Axes]:
    """A picture whose axes measure exactly `size` (height, width) pixels, with margins that hold the texts."""
    line = 2 * FONT_SIZE
    height, width = round(size[0] * shrink), round(size[1] * shrink)
    left = MARGIN + (text_width(row_labels) + 8 if any(row_labels) else 0) + (line if axis_labels[1] else 0)
    below = MARGIN + (line if any(column_labels) else 0) + (line if axis_labels[0] else 0)
    above = MARGIN + (1.5 * line if title else 0)
    # As wide as the words above and below need, when the cells are narrower.
    room = max(width, math.ceil(1.2 * text_width([axis_labels[0], title or ""])))
    page = (left + room + MARGIN, above + height + below)
    picture = Picture(figsize=(page[0] / DPI, page[1] / DPI), dpi=DPI)
    axes = picture.add_axes((left / page[0], below / page[1], width / page[0], height / page[1]))
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, labelsize=FONT_SIZE)
    # A caption wider than few cells starts with them, as the heading does.
    wide = room > width
    axes.set_xlabel(axis_labels[0], loc="left" if wide else "center")
    axes.set_ylabel(axis_labels[1])
    if title:
        axes.set_title(title, fontsize=FONT_SIZE + 2, loc="left")
    return picture, axes
