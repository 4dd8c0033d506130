"""Pictures of examples: originals and reconstructions, samples, interpolations, a decoded latent plane."""

from collections.abc import Mapping, Sequence

import numpy as np

from keras_ae.plots.cells import checked_examples, draw_cells
from keras_ae.plots.picture import Picture


def reconstructions(
    x: np.ndarray,
    x_hat: np.ndarray,
    *,
    inputs: np.ndarray | None = None,
    n: int = 10,
    title: str | None = None,
    data_range: tuple[float, float] | None = None,
) -> Picture:
    """Originals in the top row, what the model saw when it was corrupted, reconstructions in the bottom row.

    All rows share the originals' range, so that a faint reconstruction looks faint.

    Args:
        x: originals, (n, ...); see `keras_ae.plots` for how each shape is drawn.
        x_hat: reconstructions, of the same shape.
        inputs: the corrupted inputs, of the same shape, for a denoising model.
        n: how many examples, from the first on.
        title: a heading.
        data_range: values drawn as black and white; by default `value_range(x)` for images, and for series
            and vectors the extremes of all rows.

    Raises:
        ValueError: shapes differ, `n` < 1, an array is empty or holds NaN or infinite values.
    """
    rows = {"original": x} | ({} if inputs is None else {"corrupted": inputs}) | {"reconstruction": x_hat}
    return compared(rows, n=n, title=title, data_range=data_range)


def compared(
    rows: Mapping[str, np.ndarray],
    *,
    n: int = 10,
    title: str | None = None,
    data_range: tuple[float, float] | None = None,
) -> Picture:
    """The same examples in several rows, one under the other, such as noisy and denoised by each of some methods.

    All rows share the range of the first, so that a faint reconstruction looks faint.

    Args:
        rows: label -> examples, (n, ...), all of one shape; see `keras_ae.plots` for how each shape is drawn.
        n: how many examples, from the first on.
        title: a heading.
        data_range: values drawn as black and white; by default `value_range` of the first row for images, and for
            series and vectors the extremes of all rows.

    Raises:
        ValueError: shapes differ, `n` < 1, there is no row, or an array is empty or holds NaN or infinite values.
    """
    if n < 1:
        raise ValueError(f"n must be at least 1, not {n}.")
    if not rows:
        raise ValueError("rows is empty. Give one row or more.")
    (first, x), *others = rows.items()
    for name, row in others:
        if np.shape(row) != np.shape(x):
            raise ValueError(f"All rows must have the same shape: {first} has {np.shape(x)}, {name} {np.shape(row)}.")
    cells = np.stack([checked_examples(row[:n], f"{name} row") for name, row in rows.items()])
    return draw_cells(cells, data_range=data_range, reference=cells[0], row_labels=tuple(rows), title=title)


def samples(
    x: np.ndarray,
    *,
    columns: int = 8,
    title: str | None = None,
    data_range: tuple[float, float] | None = None,
) -> Picture:
    """Examples in rows of `columns`, in reading order.

    Args:
        x: examples, (n, ...); see `keras_ae.plots` for how each shape is drawn.
        columns: examples a row.
        title: a heading.
        data_range: values drawn as black and white, as in `reconstructions`.

    Raises:
        ValueError: `columns` < 1, `x` is empty or holds NaN or infinite values.
    """
    if columns < 1:
        raise ValueError(f"columns must be at least 1, not {columns}.")
    x = checked_examples(x, "x")
    columns = min(columns, len(x))
    rows = -(-len(x) // columns)
    cells = np.full((rows * columns, *x.shape[1:]), np.nan, "float32")
    cells[: len(x)] = x
    return draw_cells(cells.reshape(rows, columns, *x.shape[1:]), data_range=data_range, reference=x, title=title)


def samples_by_class(
    rows: Mapping[object, np.ndarray], *, title: str | None = None, data_range: tuple[float, float] | None = None
) -> Picture:
    """Examples of each class in a row of its own; of one class, or of none, in rows of eight.

    Args:
        rows: class -> examples, (n, ...), as many of each; see `keras_ae.plots` for how each shape is drawn.
        title: a heading.
        data_range: values drawn as black and white, as in `reconstructions`.

    Raises:
        ValueError: there is no row, the rows' shapes differ, or they are empty or hold NaN or infinite values.
    """
    if not rows or len({np.shape(row) for row in rows.values()}) > 1:
        raise ValueError(f"rows must hold as many examples of each class, not {[np.shape(r) for r in rows.values()]}.")
    if len(rows) == 1:
        return samples(*rows.values(), title=title, data_range=data_range)
    cells = np.stack([checked_examples(row, f"the row of {name}") for name, row in rows.items()])
    reference = cells.reshape(-1, *cells.shape[2:])
    labels = [str(name) for name in rows]
    return draw_cells(cells, data_range=data_range, reference=reference, row_labels=labels, title=title)


def interpolations(
    images: np.ndarray, *, title: str | None = None, data_range: tuple[float, float] | None = None
) -> Picture:
    """Walks from one example to another, one row a pair, with the share of the way below each column.

    Args:
        images: decoded steps of each walk, ends included, (pairs, steps, ...); steps are at equal distances.
        title: a heading.
        data_range: values drawn as black and white, as in `reconstructions`.

    Raises:
        ValueError: fewer than 2 steps, `images` is empty or holds NaN or infinite values.
    """
    shape = np.shape(images)
    if len(shape) < 3 or shape[1] < 2:
        raise ValueError(f"images must have shape (pairs, steps, ...) with 2 steps or more, not {shape}.")
    flat = checked_examples(np.reshape(images, (-1, *shape[2:])), "images")
    return draw_cells(
        flat.reshape(shape),
        data_range=data_range,
        reference=flat,
        column_labels=[f"{share:.2g}" for share in np.linspace(0, 1, shape[1])],
        axis_labels=("share of the way", ""),
        title=title,
    )


def latent_grid(
    images: np.ndarray,
    values_x: Sequence[float],
    values_y: Sequence[float],
    *,
    title: str | None = None,
    data_range: tuple[float, float] | None = None,
) -> Picture:
    """What a 2-D latent space decodes to, z 1 to the right and z 2 upward, as in `latent_scatter`.

    The points to decode, in the order wanted here:

        z = np.stack(np.meshgrid(values_x, values_y), axis=-1).reshape(-1, 2)
        latent_grid(model.decode(z), values_x, values_y)

    Args:
        images: decoded examples, (len(values_y) * len(values_x), ...), all of the first `values_y` first.
        values_x: values of z 1, at any distances.
        values_y: values of z 2.
        title: a heading.
        data_range: values drawn as black and white, as in `reconstructions`.

    Raises:
        ValueError: the number of images is not that of the points, or they hold NaN or infinite values.
    """
    images = checked_examples(images, "images")
    if len(images) != len(values_x) * len(values_y):
        raise ValueError(
            f"images must hold one example a point, {len(values_y)} x {len(values_x)}, "
            f"not {len(images)}, decoded row by row from z = (values_x[i], values_y[j])."
        )
    cells = images.reshape(len(values_y), len(values_x), *images.shape[1:])[::-1]  # The first row is drawn on top.
    return draw_cells(
        cells,
        data_range=data_range,
        reference=images,
        row_labels=_thinned(values_y)[::-1],
        column_labels=_thinned(values_x),
        axis_labels=("z 1", "z 2"),
        title=title,
        cell_size=720 // max(len(values_x), len(values_y), 9),
        gap=2,
    )


def _thinned(values: Sequence[float], most: int = 9) -> list[str]:
    """A text for each value, empty for some where all would run into each other."""
    every = -(-len(values) // most)
    # Counted from the middle, so that the centre of the prior keeps its label.
    return [f"{value:z.2f}" if (i - len(values) // 2) % every == 0 else "" for i, value in enumerate(values)]
