"""The figure that all plots return, and its way to disk: PNG files and the GIF made of them."""

import io
import math
import os
from collections.abc import Iterable
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.textpath import TextPath
from PIL import Image

from keras_ae.files import replacing

# Petroff, "Accessible Color Sequences for Data Visualization", 2021: told apart under colour-vision deficiencies.
PALETTE = (
    "#3f90da",
    "#ffa90e",
    "#bd1f01",
    "#94a4a2",
    "#832db6",
    "#a96b59",
    "#e76300",
    "#b9ac70",
    "#717581",
    "#92dadd",
)
DPI = 100
FONT_SIZE = 10


class Picture(Figure):
    """A Matplotlib figure that lives without pyplot and still shows itself in a notebook."""

    def _repr_png_(self) -> bytes:
        # Only pyplot teaches IPython to show figures; this makes a returned figure appear without importing it.
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=self.dpi)
        return buffer.getvalue()


def text_width(texts: Iterable[str]) -> int:
    """Width in pixels of the widest text, 0 for none: margins made of it never cut a label off."""
    widths = [TextPath((0, 0), text, size=FONT_SIZE).get_extents().width for text in texts if text.strip()]
    return math.ceil(max(widths, default=0) * DPI / 72)


def save(figure: Figure, path: str | os.PathLike) -> Path:
    """Write a figure as a PNG file, whole or not at all.

    The file is written under a temporary name in the same folder and then renamed, so that a reader, or a run that
    is cut off, never leaves half a picture. Missing folders are created.

    Args:
        figure: what a function of `keras_ae.plots` returned, or any Matplotlib figure.
        path: a name that ends in `.png`.

    Returns:
        The path written.

    Raises:
        ValueError: `path` does not end in `.png`.
    """
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise ValueError(
            f"save writes PNG files, and {path.name!r} does not end in .png; use figure.savefig for others."
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=figure.dpi)
    return path


def animate(
    png_paths: Iterable[str | os.PathLike], gif_path: str | os.PathLike, *, seconds_per_frame: float = 0.5
) -> Path:
    """Join PNG files into an endless GIF, in the given order; the last picture stays four times as long.

    Pictures of different sizes are set at the top left of the largest, on white. The file is written whole or not at
    all, as by `save`. Equal neighbours are stored once, with their times added.

    Args:
        png_paths: the frames, one or more.
        gif_path: a name that ends in `.gif`.
        seconds_per_frame: how long a frame stays, 0.02 or more (browsers slow down what is faster).

    Returns:
        The path written.

    Raises:
        ValueError: there is no frame, `gif_path` does not end in `.gif`, or the time is too short.
        FileNotFoundError: a frame does not exist.
    """
    gif_path = Path(gif_path)
    if gif_path.suffix.lower() != ".gif":
        raise ValueError(f"animate writes GIF files, and {gif_path.name!r} does not end in .gif.")
    if not seconds_per_frame >= 0.02:
        raise ValueError(f"seconds_per_frame must be 0.02 or more, not {seconds_per_frame}.")
    pictures = [_opaque(path) for path in png_paths]
    if not pictures:
        raise ValueError("animate needs at least one PNG file.")
    size = (max(picture.width for picture in pictures), max(picture.height for picture in pictures))
    # No dithering: its noise differs from frame to frame and makes flat colours flicker.
    first, *rest = (_padded(picture, size).quantize(dither=Image.Dither.NONE) for picture in pictures)
    milliseconds = round(1000 * seconds_per_frame)
    durations = [milliseconds] * len(rest) + [4 * milliseconds]
    gif_path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(gif_path) as temporary:
        first.save(temporary, format="GIF", save_all=True, append_images=rest, duration=durations, loop=0)
    return gif_path


def _opaque(path: str | os.PathLike) -> Image.Image:
    with Image.open(path) as picture:
        return picture.convert("RGB")


def _padded(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    page = Image.new("RGB", size, "white")
    page.paste(picture)
    return page
