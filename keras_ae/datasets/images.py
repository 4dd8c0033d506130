"""Images through Pillow: resizing, and a folder of image files as samples."""

from pathlib import Path

import numpy as np

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".pgm", ".ppm")
GREY_MODES = ("1", "L")
COLOUR_MODES = ("RGB", "RGBA", "P", "PA", "LA", "CMYK", "YCbCr")
EXIF_ORIENTATION, EXIF_SIDEWAYS = 0x0112, (5, 6, 7, 8)
SPLIT_FOLDERS = ("train", "validation", "test")


class FileStore:
    """Image files as samples, opened when they are asked for: rows in, float32 in [0, 1] out.

    Args:
        paths: the files.
        y: their labels (n,) or None.
        mode: Pillow's "L" (grey) or "RGB".
        size: (height, width) of the samples.
        scale: what the pixels are divided by: 255, or 1 for 0/1 masks.
    """

    stream = True

    def __init__(self, paths: list[Path], y: np.ndarray | None, mode: str, size: tuple[int, int], scale: int):
        self.paths, self.y, self.mode, self.scale = paths, y, mode, scale
        self.shape = (*size, channels(mode))

    def __len__(self) -> int:
        """The number of files."""
        return len(self.paths)

    def value_range(self) -> tuple[float, float]:
        """(Least, largest) possible value."""
        return (0.0, 1.0)

    def take(self, rows: np.ndarray) -> np.ndarray:
        """The samples at `rows`: float32, (len(rows), h, w, c)."""
        x = read_images([self.paths[row] for row in rows], self.mode, self.shape[:2])
        return np.divide(x, np.float32(self.scale), dtype=np.float32)


def check_image_size(image_size: int | tuple[int, int] | None) -> tuple[int, int] | None:
    """`image_size` as (height, width), or None.

    Raises:
        ValueError: it is neither a whole number >= 1 nor a pair of them.
    """
    if image_size is None:
        return None
    sides = np.atleast_1d(image_size).tolist()
    size = tuple(sides) * (2 if len(sides) == 1 else 1)
    if len(size) != 2 or not all(isinstance(side, int) and side >= 1 for side in size):
        raise ValueError(f"image_size={image_size!r}: give a whole number >= 1, or a pair (height, width) of them.")
    return size


def channels(mode: str) -> int:
    """Channels of an image of Pillow's mode "L" or "RGB"."""
    return 1 if mode == "L" else 3


def resize(x: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """uint8 (n, h, w[, c]) -> (n, *size[, c]): cropped about the centre to the new proportions, then resized.

    Bilinear, and each new pixel averages all the old ones it covers.

    Raises:
        ValueError: c is neither 1 nor 3.
    """
    from PIL import Image

    if x.ndim == 4 and x.shape[3] not in (1, 3):
        raise ValueError(f"image_size resizes grey and RGB images, and these have {x.shape[3]} channels.")
    # Pillow wants grey images without a channel axis.
    planes = x[..., 0] if x.ndim == 4 and x.shape[3] == 1 else x
    resized = np.stack([np.asarray(_fit(Image.fromarray(plane), size)) for plane in planes])
    return resized.reshape(len(x), *size, *x.shape[3:])


def _fit(image, size: tuple[int, int]):
    from PIL import Image, ImageOps

    height, width = size
    return ImageOps.fit(image, (width, height), method=Image.Resampling.BILINEAR)


def read_images(paths: list[Path], mode: str, size: tuple[int, int]) -> np.ndarray:
    """The images of `paths`: uint8, (n, *size, channels).

    Raises:
        ValueError: a file cannot be decoded.
    """
    from PIL import Image, ImageOps

    x = np.empty((len(paths), *size, channels(mode)), np.uint8)
    for row, path in enumerate(paths):
        try:
            with Image.open(path) as image:
                image = ImageOps.exif_transpose(image)
                if "transparency" in image.info:
                    image = image.convert("RGBA")
                image = image.convert(mode)
        except (OSError, SyntaxError, ValueError) as error:
            raise ValueError(f"Cannot read the image {path}: {error}. Remove or replace it.") from error
        if image.size != size[::-1]:
            image = _fit(image, size)
        x[row] = np.asarray(image).reshape(x.shape[1:])
    return x


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


def common_format(paths: list[Path], image_size: tuple[int, int] | None) -> tuple[str, tuple[int, int]]:
    """Read the headers of all files: ("L" or "RGB", the size of the samples). Grey is "L" only where all are grey.

    Raises:
        ValueError: sizes differ and `image_size` is None, or a file is no 8-bit image, or has several pages or frames.
    """
    from PIL import Image

    first_of_size, grey = {}, True
    for path in paths:
        try:
            with Image.open(path) as image:
                mode, (width, height) = image.mode, image.size
                pages = getattr(image, "n_frames", 1)
                sideways = image.getexif().get(EXIF_ORIENTATION) in EXIF_SIDEWAYS
        except (OSError, SyntaxError, ValueError) as error:
            raise ValueError(f"Cannot read the image {path}: {error}. Remove or replace it.") from error
        if pages > 1:
            raise ValueError(
                f"{path} has {pages} pages or frames, and a sample is one image. Save each as a file of its own, or "
                "pass the stack as an array (pages, height, width, channels)."
            )
        if mode not in GREY_MODES + COLOUR_MODES:
            raise ValueError(f"{path} has Pillow mode {mode!r}. Convert it to 8 bits, or pass its values as an array.")
        grey = grey and mode in GREY_MODES
        first_of_size.setdefault((width, height) if sideways else (height, width), path)
    if image_size is None and len(first_of_size) > 1:
        (size, path), (other_size, other_path) = list(first_of_size.items())[:2]
        raise ValueError(
            f"Images of {len(first_of_size)} different sizes, (height, width) = {size} in {path} and {other_size} in "
            f"{other_path}. Pass image_size=(height, width)."
        )
    return ("L" if grey else "RGB"), image_size or next(iter(first_of_size))
