"""Where samples lie (an array, a mapped file) and the checks they pass before a model sees them."""

import numpy as np

from keras_ae.datasets import images

# So many samples of a stream tell 0/1 masks from 0..255 grey levels; an array in memory is looked at whole.
PROBE = 256


class ArrayStore:
    """Samples in an array, in memory or mapped from a file: rows in, float32 out.

    Args:
        x: numeric array (n, *shape).
        y: labels (n, ...) or None.
        scale: what images are divided by: 255 or 65535, or 1 for 0/1 masks; None where x is no images.
        image_size: (height, width) that images are resized to, or None.
        stream: leave x where it is, and check, convert and resize each batch as it is read.
        name: what messages call x.
        columns: what else the source has beside x, by name, as it is.

    Raises:
        ValueError: x or y is no such array, or (in memory at once, streamed when read) holds NaN or infinity.
    """

    def __init__(
        self,
        x: np.ndarray,
        y: np.ndarray | None,
        *,
        scale: int | None,
        image_size: tuple[int, int] | None,
        stream: bool,
        name: str,
        columns: dict | None = None,
    ):
        self.columns = columns or {}
        self.name, self.y, self.stream, self.scale = name, y, stream, scale
        self.images = scale is not None
        if image_size and not self.images:
            raise ValueError(
                f"image_size={image_size} resizes uint8 images, and {name} is {x.dtype} of shape {x.shape}. "
                "Leave image_size=None, or pass (n, height, width[, channels]) uint8."
            )
        self.image_size = image_size if image_size and image_size != x.shape[1:3] else None
        if self.images:
            self.shape = (*(image_size or x.shape[1:3]), *(x.shape[3:] or (1,)))
        else:
            self.shape = x.shape[1:]
        if not stream and self.images:
            x, self.image_size = self._resized(x), None
        elif not stream:
            x = finite_float32(x, name)
        self.x = x

    def __len__(self) -> int:
        """The number of samples."""
        return len(self.x)

    def value_range(self) -> tuple[float, float] | None:
        """(Least, largest) value of the float samples; None for a stream, which nobody has read through."""
        if self.images:
            return (0.0, 1.0)
        return None if self.stream else (float(self.x.min()), float(self.x.max()))

    def take(self, rows: np.ndarray) -> np.ndarray:
        """The samples at `rows`: float32, (len(rows), *shape)."""
        x = self.x[rows]
        if not self.images:
            return finite_float32(x, self.name, rows) if self.stream else x
        return to_unit_range(self._resized(x), self.scale).reshape(-1, *self.shape)

    def _resized(self, x: np.ndarray) -> np.ndarray:
        return images.resize(x, self.image_size) if self.image_size else x


def array_stores(
    arrays: dict[str, tuple],
    *,
    image_size: tuple[int, int] | None = None,
    stream: bool = False,
    source: str = "",
    scale: int | None = None,
    columns: dict[str, dict] | None = None,
) -> dict[str, ArrayStore]:
    """Check the arrays of a source, (x, y) for each part's name, and put each in an `ArrayStore`, with its columns.

    They are images where `is_images` says so, or where `scale` is given, by which those of files are divided.

    Raises:
        ValueError: an array is empty, not numeric, of less than two axes, not finite, or does not fit its labels.
    """
    checked = {}
    for part, (x, y) in arrays.items():
        name = f"x of {part} in {source}"
        x = check_samples(x, name)
        checked[part] = (name, x, check_labels(y, len(x), f"y of {part} in {source}"))
    levels = grey_levels(*(x[:PROBE] if stream else x for _, x, _ in checked.values()))
    options = {"image_size": image_size, "stream": stream}
    return {
        part: ArrayStore(
            *(x, y),
            scale=scale or (levels if is_images(x) else None),
            name=name,
            columns=(columns or {}).get(part),
            **options,
        )
        for part, (name, x, y) in checked.items()
    }


def is_images(x: np.ndarray) -> bool:
    """Whether x is uint8 of shape (n, h, w) or (n, h, w, c), which this package reads as images."""
    return x.dtype == np.uint8 and x.ndim in (3, 4)


def grey_levels(*arrays: np.ndarray) -> int:
    """What uint8 images are divided by: 255, or 1 where no value exceeds 1 (0/1 masks, as in binarized_mnist)."""
    return 255 if any(x.max() > 1 for x in arrays if is_images(x)) else 1


def to_unit_range(x: np.ndarray, scale: int) -> np.ndarray:
    """uint8 or uint16 -> float32 in [0, 1]."""
    return np.divide(x, np.float32(scale), dtype=np.float32)


def check_samples(x, name: str) -> np.ndarray:
    """x as a numeric array (n, *shape), without a copy where it is one.

    Raises:
        ValueError: it is empty, ragged, not numeric, or has less than two axes.
    """
    x = as_array(x, name)
    if x.dtype.kind not in "buif":
        raise ValueError(f"{name} has dtype {x.dtype}, which is not numeric. Encode it as floats or integers.")
    if x.ndim < 2:
        raise ValueError(f"{name} has shape {x.shape}, and needs (samples, features, ...). Did you mean x[:, None]?")
    if x.size == 0:
        raise ValueError(f"{name} is empty: its shape is {x.shape}.")
    return x


def check_labels(y, count: int, name: str) -> np.ndarray | None:
    """y as an array of `count` labels, or None.

    Raises:
        ValueError: it is ragged, holds objects, or has another length.
    """
    if y is None:
        return None
    y = as_array(y, name)
    if y.ndim == 0 or len(y) != count:
        raise ValueError(f"{name} has shape {y.shape}, and x has {count} samples: give one label a sample.")
    return y


def as_array(values, name: str) -> np.ndarray:
    """`values` as a plain array (a mapped file stays mapped).

    Raises:
        ValueError: the values are ragged or objects.
    """
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise ValueError(f"{name} is not one array: {error}") from error
    if array.dtype.kind == "O":
        raise ValueError(f"{name} is an object array. Give one numeric array with samples of equal shape.")
    return array


def finite_float32(x: np.ndarray, name: str, rows: np.ndarray | None = None) -> np.ndarray:
    """x as float32; `rows` are the places of x's samples in their source, for the message.

    Raises:
        ValueError: it holds NaN or infinity, or a number that float32 cannot hold.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        x = np.asarray(x, dtype=np.float32)
    bad = ~np.isfinite(x)
    if bad.any():
        first = [int(place) for place in np.unravel_index(bad.argmax(), bad.shape)]
        if rows is not None:
            first[0] = int(rows[first[0]])
        raise ValueError(
            f"{name} holds {int(bad.sum())} values that are NaN, infinite or beyond float32, the first at index "
            f"{tuple(first)}. Drop those samples or fill them in before load()."
        )
    return x
