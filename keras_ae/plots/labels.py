"""What labels are worth: accuracy over how many of them there are."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.lines import Line2D

from keras_ae.plots.picture import DPI, PALETTE, Picture


def label_curves(
    panels: Mapping[str, Mapping[str, Sequence[float]]],
    counts: Mapping[str, Sequence[int]],
    *,
    title: str | None = None,
) -> Picture:
    """Accuracy over the number of labels, a panel a data set, a line a method; a method has one colour in all panels.

    Args:
        panels: by data set and method, the accuracies, one for each of `counts`.
        counts: by data set, the labels a class, above 0 and rising; their scale is logarithmic.
        title: a heading.

    Raises:
        ValueError: no panel, more methods than colours, or accuracies that are not one a count.
    """
    if not panels:
        raise ValueError("panels must hold at least one data set.")
    methods = list(dict.fromkeys(method for lines in panels.values() for method in lines))
    if len(methods) > len(PALETTE):
        raise ValueError(
            f"There are {len(methods)} methods; colours are told apart up to {len(PALETTE)}. Leave some out."
        )
    for name, lines in panels.items():
        for method, values in lines.items():
            if np.shape(values) != np.shape(counts[name]):
                raise ValueError(f"{method!r} on {name!r} has {len(values)} accuracies for {len(counts[name])} counts.")
    columns = min(max(2, len(panels)), 3)
    names_below = 0.15 + 0.22 * -(-len(methods) // columns)
    height = 3.6 + names_below + 0.3 * bool(title)
    picture = Picture(figsize=(max(4 * len(panels), 6), height), dpi=DPI)
    for axes, (name, lines) in zip(picture.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        for method, values in lines.items():
            axes.plot(counts[name], values, marker="o", color=PALETTE[methods.index(method)], label=method)
        axes.set(title=name, xlabel="labels a class", ylabel="accuracy", xscale="log")
        axes.set_xticks(counts[name], [f"{count:,}" for count in counts[name]])
        axes.minorticks_off()
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.3)
    picture.suptitle(title)
    picture.tight_layout(rect=(0, names_below / height, 1, 1))
    handles = [Line2D([], [], color=PALETTE[i], marker="o", label=method) for i, method in enumerate(methods)]
    picture.legend(handles=handles, loc="lower center", ncols=columns, frameon=False)
    return picture
