"""The size of images, which Pillow changes."""

import numpy as np


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
    resized = np.stack([np.asarray(fit(Image.fromarray(plane), size)) for plane in planes])
    return resized.reshape(len(x), *size, *x.shape[3:])


def fit(image, size: tuple[int, int]):
    """A Pillow image, cropped about the centre to the proportions of (height, width), then resized."""
    from PIL import Image, ImageOps

    height, width = size
    return ImageOps.fit(image, (width, height), method=Image.Resampling.BILINEAR)
