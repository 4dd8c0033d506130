"""Image files as samples: which there are in a folder, what all of them can be read as, and the reading, by Pillow.

Pillow gets open files and not paths: by its path it maps a TIFF file without compression into memory, and then leaves
it as it lies where EXIF says that it is turned (Pillow 13.0, findings/pillow_tiff_by_path_stays_turned.sh).
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_ae.datasets.images import fit
from keras_ae.datasets.stores import to_unit_range

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".pgm", ".ppm")
SPLIT_FOLDERS = ("train", "validation", "test")
KEEP, WHITE = "keep", "white"
# Pillow's modes.
GREY, GREY_ALPHA, GREY_16 = ("1", "L"), ("LA", "La"), ("I;16", "I;16B", "I;16L", "I;16N")
COLOUR, COLOUR_ALPHA = ("RGB", "P", "CMYK", "YCbCr"), ("RGBA", "RGBa", "PA")
EXIF_ORIENTATION, EXIF_SIDEWAYS = 0x0112, (5, 6, 7, 8)
TIFF_BITS, TIFF_PHOTOMETRIC, TIFF_SAMPLE_FORMAT, TIFF_SIGNED = 258, 262, 339, 2


@dataclass(frozen=True)
class Format:
    """What all images of a folder are read as.

    Attributes:
        mode: Pillow's "L", "RGB", "LA", "RGBA" or "I;16".
        size: (height, width) of the samples.
        background: the colour that transparent images are composed on; None where none is, or where alpha is kept.
    """

    mode: str
    size: tuple[int, int]
    background: str | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """(Height, width, channels) of a sample."""
        return (*self.size, {"L": 1, "I;16": 1, "LA": 2, "RGB": 3, "RGBA": 4}[self.mode])

    @property
    def dtype(self) -> np.dtype:
        """Of the values: uint16 where a file has 16 bits, else uint8."""
        return np.dtype("uint16" if self.mode == "I;16" else "uint8")

    @property
    def remark(self) -> str:
        """What becomes of alpha, for `info["preprocessing"]`, or nothing."""
        if self.background is not None:
            return f"alpha composed on {self.background}; "
        return "alpha kept as the last channel; " if self.mode in ("LA", "RGBA") else ""


@dataclass(frozen=True)
class _Header:
    mode: str
    size: tuple[int, int]
    bits: int
    is_transparent: bool


class FileStore:
    """Image files as samples, opened when they are asked for: rows in, float32 in [0, 1] out.

    Args:
        paths: the files.
        y: their labels (n,) or None.
        form: what they are read as.
        scale: what the values are divided by: 255 or 65535, or 1 for 0/1 masks.
    """

    stream = True

    def __init__(self, paths: list[Path], y: np.ndarray | None, form: Format, scale: int):
        self.paths, self.y, self.form, self.scale = paths, y, form, scale
        self.shape = form.shape

    def __len__(self) -> int:
        """The number of files."""
        return len(self.paths)

    def value_range(self) -> tuple[float, float]:
        """(Least, largest) possible value."""
        return (0.0, 1.0)

    def take(self, rows: np.ndarray) -> np.ndarray:
        """The samples at `rows`: float32, (len(rows), h, w, c)."""
        return to_unit_range(read_images([self.paths[row] for row in rows], self.form), self.scale)


def check_alpha(alpha: str) -> str:
    """`alpha`, unless it is neither "keep" nor a colour.

    Raises:
        ValueError: it is neither.
    """
    if alpha not in (KEEP, WHITE):  # Neither needs Pillow.
        _rgb(alpha)
    return alpha


def _rgb(colour: str) -> tuple[int, ...]:
    from PIL import ImageColor

    try:
        return ImageColor.getrgb(colour)[:3]
    except (ValueError, AttributeError, TypeError) as error:
        raise ValueError(
            f'alpha={colour!r}: give "keep", or the colour that transparent images are composed on: a name such as '
            '"white", or "#rrggbb".'
        ) from error


def scan_folder(folder: Path) -> tuple[dict[str, tuple[list[Path], np.ndarray | None]], list[str]]:
    """Find the image files of a folder, without opening one.

    The folder is flat (no labels), or has one sub-folder a class, or has train/, validation/ and test/ of either
    kind.

    Returns:
        {part: (paths, labels or None)}, in the order of the names, and the class names that the labels count.

    Raises:
        FileNotFoundError: there is no image.
        ValueError: images lie both beside class folders and in them, or only some parts have classes.
    """
    roots = {part: folder / part for part in SPLIT_FOLDERS if (folder / part).is_dir()}
    if "train" not in roots:
        roots = {"train": folder}
    found = {part: _scan_part(root) for part, root in roots.items()}
    labelled = {classes is not None for _, classes in found.values()}
    if len(labelled) > 1:
        raise ValueError(f"Only some of {sorted(roots)} in {folder} have class folders. Make them alike.")
    if labelled == {False}:
        return {part: (paths, None) for part, (paths, _) in found.items()}, []
    class_names = sorted({name for _, classes in found.values() for name in classes})
    number = {name: label for label, name in enumerate(class_names)}
    parts = {part: (paths, np.array([number[name] for name in classes])) for part, (paths, classes) in found.items()}
    return parts, class_names


def _scan_part(root: Path) -> tuple[list[Path], list[str] | None]:
    paths = sorted(path for path in root.iterdir() if _is_image(path))
    folders = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    by_class = [(path, folder.name) for folder in folders for path in sorted(folder.rglob("*")) if _is_image(path)]
    if not paths and not by_class:
        raise FileNotFoundError(f"No image in {root}. Looked for {', '.join(SUFFIXES)}, here and in class folders.")
    if paths and by_class:
        raise ValueError(
            f"{root} has {len(paths)} images beside class folders with {len(by_class)} images. "
            "Move the former into class folders, or point load() at one folder."
        )
    return (paths, None) if paths else ([path for path, _ in by_class], [name for _, name in by_class])


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()


def common_format(paths: list[Path], image_size: tuple[int, int] | None, alpha: str) -> Format:
    """Read the headers of all files: what they can all be read as.

    Grey only where all are grey; 16 bits where any has them; with alpha only where any has it and it is to be kept.

    Args:
        paths: the files.
        image_size: (height, width) of the samples, or None.
        alpha: see `check_alpha`.

    Raises:
        ValueError: sizes differ and `image_size` is None, or a file cannot be opened, has several pages or frames, or
            values that Pillow cannot hand over: 16 bits of colour or of alpha, 32 bits.
    """
    headers = {path: _header(path) for path in paths}
    first_of_size = {}
    for path, header in headers.items():
        first_of_size.setdefault(header.size, path)
    if image_size is None and len(first_of_size) > 1:
        (size, path), (other_size, other_path) = list(first_of_size.items())[:2]
        raise ValueError(
            f"Images of {len(first_of_size)} different sizes, (height, width) = {size} in {path} and {other_size} in "
            f"{other_path}. Pass image_size=(height, width)."
        )
    size = image_size or next(iter(first_of_size))
    transparent = [path for path, header in headers.items() if header.is_transparent]
    deep = [path for path, header in headers.items() if header.bits == 16]
    background = alpha if transparent and alpha != KEEP else None
    grey = all(header.mode in GREY + GREY_ALPHA + GREY_16 + ("I",) for header in headers.values())
    grey = grey and (background is None or len(set(_rgb(background))) == 1)
    if deep and (transparent or not grey):
        other = (transparent or [path for path in paths if headers[path].mode in COLOUR])[0]
        raise ValueError(
            f"{deep[0]} has 16 bits, and {other} colour or alpha, which are read in 8. Make them alike: all grey "
            "without alpha, or all of 8 bits."
        )
    if deep:
        return Format("I;16", size)
    mode = "L" if grey else "RGB"
    if transparent and alpha == KEEP:
        mode = "LA" if grey else "RGBA"
    return Format(mode, size, background)


def _header(path: Path) -> _Header:
    from PIL import Image, ImageOps

    try:
        with path.open("rb") as file, Image.open(file) as image:
            mode, (width, height) = image.mode, image.size
            bits = _bits(image)  # What follows may load it, and forgets how it lies in the file.
            is_signed = TIFF_SIGNED in getattr(image, "tag_v2", {}).get(TIFF_SAMPLE_FORMAT, ())
            pages = getattr(image, "n_frames", 1)
            if image.getexif().get(EXIF_ORIENTATION) in EXIF_SIDEWAYS:  # TIFF are turned by `open`, others not.
                width, height = ImageOps.exif_transpose(image).size
            is_transparent = mode in GREY_ALPHA + COLOUR_ALPHA or "transparency" in image.info
    except (OSError, SyntaxError, ValueError) as error:
        raise ValueError(f"Cannot read the image {path}: {error}. Remove or replace it.") from error
    if pages > 1:
        raise ValueError(
            f"{path} has {pages} pages or frames, and a sample is one image. Save each as a file of its own, or "
            "pass the stack as an array (pages, height, width, channels)."
        )
    if is_signed or bits > 16 or mode not in GREY + GREY_ALPHA + GREY_16 + COLOUR + COLOUR_ALPHA + ("I",):
        raise ValueError(
            f"{path} has {'signed values of ' if is_signed else ''}{bits} bits (Pillow mode {mode!r}). Convert "
            "it to 8 or 16 bits without a sign, or pass its values as an array of floats."
        )
    if bits == 16 and (is_transparent or mode not in (*GREY_16, "I")):
        raise ValueError(
            f"{path} has colour or alpha of 16 bits, of which Pillow reads 8. Save it in 8 bits, or pass the values as "
            "an array: x.astype('float32') / 65535."
        )
    return _Header(mode, (height, width), bits, is_transparent)


def _bits(image) -> int:
    """Bits of a value in the file; Pillow hands colour of 16 bits over in 8, without a word."""
    if image.mode in GREY_16:
        return 16
    if image.mode in ("I", "F"):  # The greatest value of a PGM file is scaled to 65535.
        return 16 if image.format in ("PPM", "PNG") and image.mode == "I" else 32
    if hasattr(image, "tag_v2"):
        return max(image.tag_v2.get(TIFF_BITS, (8,)))
    arguments = image.tile[0].args if image.tile else ()
    arguments = arguments if isinstance(arguments, tuple) else (arguments,)
    is_deep = any(";16" in a if isinstance(a, str) else image.format == "PPM" and a > 255 for a in arguments)
    return 16 if is_deep else 8


def read_images(paths: list[Path], form: Format) -> np.ndarray:
    """The images of `paths`: uint8 or uint16, (n, h, w, c).

    Raises:
        ValueError: a file cannot be decoded.
    """
    from PIL import Image, ImageOps

    x = np.empty((len(paths), *form.shape), form.dtype)
    for row, path in enumerate(paths):
        try:
            with path.open("rb") as file, Image.open(file) as image:
                # Pillow turns 8 bits of "0 is white", and leaves 16.
                is_negative = getattr(image, "tag_v2", {}).get(TIFF_PHOTOMETRIC) == 0 and image.mode in GREY_16
                image = _converted(ImageOps.exif_transpose(image), form)
        except (OSError, SyntaxError, ValueError) as error:
            raise ValueError(f"Cannot read the image {path}: {error}. Remove or replace it.") from error
        if image.size != form.size[::-1]:
            image = fit(image, form.size)
        values = np.asarray(image).reshape(form.shape)
        values = 65535 - values if is_negative else values
        x[row] = np.rint(values) if form.mode == "I;16" else values
    return x


def _converted(image, form: Format):
    """A Pillow image in the mode of `form`; of 16 bits as floats, which Pillow resizes."""
    from PIL import Image

    if form.mode == "I;16":
        is_deep = image.mode in (*GREY_16, "I")
        # 257 = 65535 / 255: as much of the whole range as in 8 bits.
        values = np.asarray(image, "float32") if is_deep else np.asarray(image.convert("L"), "float32") * 257
        return Image.fromarray(values)
    if "transparency" in image.info or image.mode in GREY_ALPHA + COLOUR_ALPHA:
        image = image.convert("RGBA")
        if form.background is not None:
            image = Image.alpha_composite(Image.new("RGBA", image.size, (*_rgb(form.background), 255)), image)
    return image.convert(form.mode)
