"""The latent space from above: a scatter plot of 2-D latents, or of the plane in which wider ones vary most."""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from keras_ae.plots.picture import DPI, PALETTE, Picture, text_width

MARKERS = "o^"  # The palette once around with each of them.
MOST_CLASSES = len(MARKERS) * len(PALETTE)
PANEL = (520, 480)  # Width and height of the axes in pixels, whatever surrounds them: frames of a GIF must agree.
COLOUR_BAR = 90  # Pixels for a colour bar and its numbers.
MARGINS = (72, 24, 56, 40)  # Left, right, bottom, top, in pixels.

Limits = tuple[tuple[float, float], ...]


@dataclass(frozen=True, eq=False)
class Plane:
    """A plane through a latent space, made by `principal_plane`.

    Attributes:
        mean: the point of the plane that becomes (0, 0), (latent_dim,).
        axes: two orthogonal unit vectors, (2, latent_dim).
        explained: the share of the variance along each axis, (2,).
        components: which principal component each axis is, counted from 1; (2, 1) after two changed places.
    """

    mean: np.ndarray
    axes: np.ndarray
    explained: np.ndarray
    components: tuple[int, int]

    def project(self, z: np.ndarray) -> np.ndarray:
        """Coordinates in the plane: (n, latent_dim) -> (n, 2)."""
        return (z - self.mean) @ self.axes.T

    def labels(self) -> tuple[str, str]:
        """Words for the two axes, such as "PC 1 (34 % of variance)"."""
        pairs = zip(self.components, self.explained, strict=True)
        first, second = (f"PC {component} ({share:.0%} of variance)".replace("%", " %") for component, share in pairs)
        return first, second


def principal_plane(z: np.ndarray, previous: Plane | None = None) -> Plane:
    """The plane of largest variance of latents, as from PCA, held steady against an earlier one.

    A principal axis has no sign of its own, and two axes of nearly equal variance change places at random: an animation
    would flip. With `previous`, signs and order are those that lie closest to its axes; without, the largest entry of
    each axis is positive.

    Args:
        z: latents, (n, latent_dim), with n >= 2 and latent_dim >= 2.
        previous: the plane of the picture before.

    Raises:
        ValueError: `z` is not such an array, holds NaN or infinite values, or `previous` is of another latent_dim.
    """
    z = checked_latents(z)
    if len(z) < 2 or z.shape[1] < 2:
        raise ValueError(f"A plane needs 2 examples and 2 dimensions or more; z has shape {z.shape}.")
    mean = z.mean(axis=0)
    _, spread, rotation = np.linalg.svd(z - mean, full_matrices=False)
    total = np.sum(np.square(spread))
    axes, order = rotation[:2], [0, 1]
    explained = np.square(spread[:2]) / (total if total > 0 else 1)  # Latents that are all equal vary along no axis.
    if previous is None:
        signs = np.sign(axes[[0, 1], np.argmax(np.abs(axes), axis=1)])
    else:
        if previous.axes.shape != axes.shape:
            raise ValueError(f"previous has latent_dim {previous.axes.shape[1]}, z has {z.shape[1]}.")
        overlap = previous.axes @ axes.T
        if np.abs(overlap).trace() < np.abs(overlap[:, ::-1]).trace():
            order = [1, 0]
        signs = np.where(overlap[[0, 1], order] < 0, -1.0, 1.0)
    return Plane(mean, signs[:, None] * axes[order], explained[order], (order[0] + 1, order[1] + 1))


def latent_scatter(
    z: np.ndarray,
    labels: np.ndarray | None = None,
    *,
    title: str | None = None,
    plane: Plane | None = None,
    limits: Limits | None = None,
) -> Picture:
    """Latents as points, coloured by label.

    Two dimensions are drawn as they are, more of them in their principal plane; one dimension as a histogram, as one
    row of points a class, or against a continuous label. Labels are classes (words, booleans, or at most 20 whole
    numbers) in a palette made for colour-vision deficiencies, or else a quantity in an even scale with a colour bar.

    Args:
        z: latents, (n, latent_dim).
        labels: one an example, (n,), or None.
        title: a heading.
        plane: what to project onto, from `principal_plane`; by default that of `z` when latent_dim > 2.
        limits: ((left, right), (bottom, top)) of the axes, to keep the frames of an animation alike; for one
            latent dimension only the first pair counts, and may stand alone.

    Raises:
        ValueError: shapes do not fit, there are more than 20 classes, `z` is empty or holds NaN or infinite values.
    """
    z = checked_latents(z)
    classes, codes = named_classes(labels, len(z))
    axis_labels = ("z 1", "z 2")
    if plane is None and z.shape[1] > 2:
        plane = principal_plane(z)
    if plane is not None:
        if plane.axes.shape[1] != z.shape[1]:
            raise ValueError(f"plane is of latent_dim {plane.axes.shape[1]}, z has {z.shape[1]}.")
        z, axis_labels = plane.project(z), plane.labels()

    if z.shape[1] == 1:
        picture, axes = _line(z[:, 0], classes, codes)
    else:
        picture, axes = _scatter(z, classes, codes)
        axes.set(xlabel=axis_labels[0], ylabel=axis_labels[1])
        if limits is not None:
            axes.set_ylim(limits[1])
    if limits is not None:
        axes.set_xlim(limits[0])
    if title:
        axes.set_title(title, loc="left")
    return picture


def _line(z: np.ndarray, classes: list[str] | None, codes: np.ndarray | None) -> tuple[Picture, Axes]:
    """One latent dimension to the right, and what is known of the examples upward."""
    picture, axes = _panel(left=text_width(classes or ()))
    axes.set_xlabel("z 1")
    if codes is None:
        axes.hist(z, bins=50, color=PALETTE[0])
        axes.set_ylabel("examples")
    elif classes is None:
        axes.scatter(z, codes, s=_point_size(len(z)), color=PALETTE[0], alpha=0.8, linewidths=0)
        axes.set_ylabel("label")
    else:
        # The same scatter upward in every picture; a generator of its own leaves the global one as it was.
        height = codes + np.random.default_rng(0).uniform(-0.35, 0.35, len(z))
        colours = np.array(PALETTE)[codes % len(PALETTE)]
        axes.scatter(z, height, s=_point_size(len(z)), c=colours, alpha=0.8, linewidths=0)
        axes.set_yticks(range(len(classes)), classes)
        axes.tick_params(axis="y", length=0)
    return picture, axes


def _scatter(z: np.ndarray, classes: list[str] | None, codes: np.ndarray | None) -> tuple[Picture, Axes]:
    """Two dimensions, with a legend for classes or a colour bar for a quantity."""
    style = {"s": _point_size(len(z)), "alpha": 0.8, "linewidths": 0}
    if codes is None:
        picture, axes = _panel()
        axes.scatter(*z.T, color=PALETTE[0], **style)
        return picture, axes
    # Mixed, or data sorted by class would hide all classes but the last.
    mixed = np.random.default_rng(0).permutation(len(z))
    z, codes = z[mixed], codes[mixed]
    if classes is None:
        picture, axes = _panel(right=COLOUR_BAR)
        points = axes.scatter(*z.T, c=codes, cmap="viridis", **style)
        left, bottom, width, height = axes.get_position().bounds
        bar = picture.add_axes((left + width * 1.04, bottom, width * 0.04, height))
        picture.colorbar(points, cax=bar).solids.set_alpha(1)
        return picture, axes
    picture, axes = _panel(right=text_width(classes) + 40)
    styles = [(PALETTE[i % len(PALETTE)], MARKERS[i // len(PALETTE)]) for i in range(len(classes))]
    colours = np.array([colour for colour, _ in styles])
    for turn, marker in enumerate(MARKERS):
        of_turn = codes // len(PALETTE) == turn
        axes.scatter(*z[of_turn].T, c=colours[codes[of_turn]], marker=marker, **style)
    handles = [
        Line2D([], [], color=colour, marker=marker, linestyle="none", label=name)
        for name, (colour, marker) in zip(classes, styles, strict=True)
    ]
    axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(1, 1.02), frameon=False, handletextpad=0.2)
    return picture, axes


def _panel(*, left: float = 0, right: float = 0) -> tuple[Picture, Axes]:
    """Axes of a fixed size in pixels, with extra room beside them for names."""
    width, height = PANEL
    margin_left, margin_right, below, above = MARGINS
    left = max(margin_left, left + 24)
    page = (left + width + margin_right + right, below + height + above)
    picture = Picture(figsize=(page[0] / DPI, page[1] / DPI), dpi=DPI)
    axes = picture.add_axes((left / page[0], below / page[1], width / page[0], height / page[1]))
    axes.spines[["top", "right"]].set_visible(False)
    return picture, axes


def _point_size(n: int) -> float:
    """Area of a point in square points, smaller the more there are."""
    return float(np.clip(400 / np.sqrt(n), 3, 30))


def named_classes(labels: np.ndarray | None, n: int) -> tuple[list[str] | None, np.ndarray | None]:
    """Names and the index of each example's; (None, values) for a quantity; (None, None) without labels."""
    if labels is None:
        return None, None
    labels = np.asarray(labels)
    if labels.shape != (n,):
        raise ValueError(f"labels must have shape ({n},), one a latent, not {labels.shape}.")
    number = labels.dtype.kind in "iuf"
    if number and not np.isfinite(labels).all():
        raise ValueError("labels hold NaN or infinite values, which have no colour.")
    names, codes = np.unique(labels, return_inverse=True)
    if number and (len(names) > MOST_CLASSES or (names != np.round(names)).any()):
        return None, labels
    if len(names) > MOST_CLASSES:
        raise ValueError(f"labels hold {len(names)} classes; colours are told apart up to {MOST_CLASSES}. Merge some.")
    return [f"{name:g}" if number else str(name) for name in names], codes


def checked_latents(z: np.ndarray) -> np.ndarray:
    """`z` as finite floats (n, latent_dim)."""
    z = np.asarray(z, dtype="float64")
    if z.ndim != 2 or z.size == 0:
        raise ValueError(f"z must have shape (n, latent_dim) and hold at least one latent, not {z.shape}.")
    if not np.isfinite(z).all():
        raise ValueError("z holds NaN or infinite values, which cannot be drawn. Has training diverged?")
    return z
