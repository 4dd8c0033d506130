"""Several maps of the same examples side by side."""

from collections.abc import Mapping

import numpy as np
from matplotlib.lines import Line2D

from keras_ae.plots.latents import checked_latents, named_classes
from keras_ae.plots.picture import DPI, PALETTE, Picture, text_width

SIDE = 380  # Width and height of a panel in pixels, its axis labels included.


def latent_maps(maps: Mapping[str, np.ndarray], labels: np.ndarray, *, title: str | None = None) -> Picture:
    """Two-dimensional codes of several methods as points, a panel each, coloured by label alike.

    Args:
        maps: a method's name and its codes, (n, 2), of the same examples in each.
        labels: classes, (n,): words or whole numbers, at most 10 of them.
        title: a heading.

    Raises:
        ValueError: no maps, codes that are no such arrays or hold NaN or infinite values, labels of another length or
            of more classes.
    """
    if not maps:
        raise ValueError("maps must hold at least one method and its codes.")
    maps = {name: checked_latents(z) for name, z in maps.items()}
    for name, z in maps.items():
        if z.shape != (len(labels), 2):
            raise ValueError(f"The codes of {name!r} must be ({len(labels)}, 2), two for a label, not {z.shape}.")
    classes, codes = named_classes(np.asarray(labels), len(labels))
    if classes is None or len(classes) > len(PALETTE):
        raise ValueError(f"labels must be of at most {len(PALETTE)} classes: words or whole numbers.")
    colours = np.array(PALETTE)
    legend = text_width(classes) + 50
    picture = Picture(figsize=((len(maps) * SIDE + legend) / DPI, (SIDE + 30 * bool(title)) / DPI), dpi=DPI)
    for axes, (name, z) in zip(picture.subplots(1, len(maps), squeeze=False)[0], maps.items(), strict=True):
        axes.scatter(*z.T, c=colours[codes], s=np.clip(4000 / len(z), 3, 20), linewidths=0)
        axes.set(title=name, xlabel="z 1", ylabel="z 2")
        axes.spines[["top", "right"]].set_visible(False)
    picture.suptitle(title)
    picture.tight_layout(rect=(0, 0, 1 - legend / (len(maps) * SIDE + legend), 1))
    points = [
        Line2D([], [], color=colour, marker="o", linestyle="none", label=name)
        for name, colour in zip(classes, PALETTE, strict=False)
    ]
    picture.legend(handles=points, loc="center right", frameon=False, handletextpad=0.2)
    return picture
