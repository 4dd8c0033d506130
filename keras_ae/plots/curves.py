"""Learning curves: every term of the loss over the epochs, training and validation in one panel."""

import csv
import os
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from keras_ae.plots.picture import DPI, PALETTE, Picture

UNITS = {"nll": "nats", "kl": "nats", "kl_min": "nats", "kl_max": "nats", "elbo": "nats", "active_units": "dimensions"}
PANEL = (3.4, 2.6)  # Inches.
FEW_EPOCHS = 15  # Up to here each epoch gets a dot: a line through one point is invisible.


def history(
    rows: str | os.PathLike | Mapping[str, Sequence[float]] | Iterable[Mapping[str, float]],
    *,
    terms: Sequence[str] | None = None,
    units: Mapping[str, str] | None = None,
    title: str | None = None,
    columns: int = 3,
) -> Picture:
    """Learning curves, a panel a term, training and validation in it, epochs counted from 1 as on the progress bar.

    Args:
        rows: the CSV file of `keras.callbacks.CSVLogger`, the `history` of what `fit` returns
            (term -> values), or one mapping an epoch (term -> value). A column `epoch` counts from 0, as Keras
            writes it; without one the rows are epochs 1, 2, ... Terms without any number are left out, and a
            value that is missing or not finite leaves a gap.
        terms: which to draw, without `val_`, in this order; by default all.
        units: term -> unit, written on its y axis; terms that are nats by definition have theirs already.
        title: a heading.
        columns: panels a row, at most.

    Raises:
        ValueError: there is nothing to draw, a term of `terms` is not in `rows`, or columns differ in length.
        FileNotFoundError: `rows` names no file.
    """
    table = _table(rows)
    epochs = table.pop("epoch", None)
    if not table:
        raise ValueError("history needs at least one epoch with a number in it.")
    epochs = np.arange(len(next(iter(table.values())))) + 1 if epochs is None else epochs + 1
    if any(len(values) != len(epochs) for values in table.values()):
        raise ValueError(f"All terms must have one value an epoch: { {k: len(v) for k, v in table.items()} }.")
    # What is minimised comes first: CSVLogger sorts its columns by name.
    known = sorted(dict.fromkeys(name.removeprefix("val_") for name in table), key=lambda name: name != "loss")
    terms = known if terms is None else list(terms)
    unknown = [term for term in terms if term not in known]
    if unknown or not terms:
        raise ValueError(f"No values for {unknown or 'no terms'}; the terms are {known}.")

    units = UNITS | dict(units or {})
    columns = min(max(columns, 1), len(terms))
    height = -(-len(terms) // columns)
    size = (max(PANEL[0] * columns, 4.5), PANEL[1] * height + 0.4 * bool(title))
    picture = Picture(figsize=size, dpi=DPI, layout="constrained")
    for place, term in enumerate(terms, start=1):
        axes = picture.add_subplot(height, columns, place)
        _draw_term(axes, epochs, table.get(term), table.get(f"val_{term}"))
        axes.set_title(term, loc="left")
        axes.set_ylabel(units.get(term, ""))
        axes.set_xlabel("epoch")
    if title:
        picture.suptitle(title)
    return picture


def _draw_term(axes: Axes, epochs: np.ndarray, train: np.ndarray | None, validation: np.ndarray | None) -> None:
    marker = "o" if len(epochs) <= FEW_EPOCHS else ""
    if train is not None:
        axes.plot(epochs, train, color=PALETTE[0], marker=marker, markersize=4, label="train")
    if validation is not None:
        axes.plot(epochs, validation, color=PALETTE[6], marker=marker, markersize=4, label="validation")
        axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True, steps=[1, 2, 5, 10]))
    if len(epochs) == 1:
        axes.set_xlim(epochs[0] - 1, epochs[0] + 1)


def _table(rows: str | os.PathLike | Mapping | Iterable[Mapping]) -> dict[str, np.ndarray]:
    """Term -> values, NaN where there is none, without the terms that have no number at all."""
    if isinstance(rows, str | os.PathLike):
        with open(rows, newline="") as file:
            rows = list(csv.DictReader(file))
    if not isinstance(rows, Mapping):
        rows = list(rows)
        names = dict.fromkeys(name for row in rows for name in row)
        rows = {name: [row.get(name) for row in rows] for name in names}
    table = {name: np.array([_number(value) for value in values]) for name, values in rows.items()}
    return {name: values for name, values in table.items() if np.isfinite(values).any()}


def _number(value: object) -> float:
    """A finite number, or NaN for what is none: CSVLogger writes "NA" for a missing value."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return np.nan
    return number if np.isfinite(number) else np.nan
