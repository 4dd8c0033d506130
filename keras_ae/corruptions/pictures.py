"""Corruptions that mix neighbours: blur, and what JPEG makes of an image."""

import math

import numpy as np
from keras import ops

from keras_ae.registry import register_layer
from keras_ae.rows import JPEG, Blur

BLOCK = 8
# Tables K.1 and K.2 of ITU-T T.81, for brightness and for colour.
BRIGHTNESS = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ]
)
COLOUR = np.full((BLOCK, BLOCK), 99)
COLOUR[:4, :4] = [[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]]
# R, G, B in [0, 255] to brightness and the two differences of colour around 0 (ITU-R BT.601, as JFIF has it).
YCC = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])


@register_layer(Blur)
def _(row, x, draws):
    if len(x.shape) < 3:
        raise ValueError(f"Blur takes series, images and volumes (batch, *sides, channels), not {tuple(x.shape)}.")
    for axis in range(1, len(x.shape) - 1):
        matrix = ops.convert_to_tensor(_blurring(x.shape[axis], row.sigma), x.dtype)
        x = ops.moveaxis(ops.tensordot(x, matrix, axes=[[axis], [1]]), -1, axis)
    return x


def _blurring(side: int, sigma: float) -> np.ndarray:
    """Return the matrix that blurs an axis, (side, side)."""
    radius = int(4 * sigma + 0.5)
    offsets = np.arange(-radius, radius + 1)
    weights = np.exp(-0.5 * (offsets / sigma) ** 2)
    places = np.clip(np.arange(side)[:, None] + offsets, 0, side - 1)
    return np.einsum("k,ikj->ij", weights / weights.sum(), np.eye(side)[places])


@register_layer(JPEG)
def _(row, x, draws):
    if len(x.shape) != 4 or x.shape[-1] not in (1, 3):
        raise ValueError(f"JPEG takes images (batch, height, width, 1 or 3), not {tuple(x.shape)}.")
    least, most = row.quality
    quality = ops.minimum(ops.floor(draws.uniform((ops.shape(x)[0], *[1] * 5), least, most + 1)), most)
    bytes_ = ops.round(255 * ops.clip(ops.cast(x, "float32"), 0.0, 1.0))
    coloured = x.shape[-1] == 3
    planes = ops.matmul(bytes_, ops.convert_to_tensor(YCC.T, "float32")) if coloured else bytes_
    middle = ops.convert_to_tensor([128.0, 0.0, 0.0] if coloured else [128.0])
    tables = np.stack([BRIGHTNESS, COLOUR, COLOUR] if coloured else [BRIGHTNESS], axis=-1)
    planes = _quantised(ops.round(planes) - middle, tables, quality)
    planes = ops.clip(ops.round(planes), -128, 127) + middle
    bytes_ = ops.matmul(planes, ops.convert_to_tensor(np.linalg.inv(YCC).T, "float32")) if coloured else planes
    return ops.cast(ops.clip(ops.round(bytes_), 0, 255) / 255, x.dtype)


def _quantised(planes, tables: np.ndarray, quality):
    """Return planes whose coefficients by blocks are multiples of the tables at that quality.

    Args:
        planes: (batch, height, width, channels).
        tables: (8, 8, channels).
        quality: (batch, 1, 1, 1, 1, 1), from 1 to 100.
    """
    height, width, channels = planes.shape[1:]
    rows, columns = (-(-side // BLOCK) for side in (height, width))
    for axis, side, count in ((1, height, rows), (2, width, columns)):  # Edges are repeated to whole blocks.
        planes = ops.take(planes, np.minimum(np.arange(count * BLOCK), side - 1), axis=axis)
    k, n = np.ogrid[:BLOCK, :BLOCK]
    cosines = np.cos(math.pi * k * (2 * n + 1) / (2 * BLOCK)) * np.where(k, 0.5, math.sqrt(1 / BLOCK))  # DCT-II.
    cosines = ops.convert_to_tensor(cosines, "float32")
    blocks = ops.reshape(planes, (-1, rows, BLOCK, columns, BLOCK, channels))
    scale = ops.where(quality < 50, ops.floor(5000 / quality), 200 - 2 * quality)
    table = ops.convert_to_tensor(tables[None, None, :, None], "float32")
    table = ops.clip(ops.floor((table * scale + 50) / 100), 1, 255)
    coefficients = table * ops.round(ops.einsum("bhiwjc,ki,lj->bhkwlc", blocks, cosines, cosines) / table)
    blocks = ops.einsum("bhkwlc,ki,lj->bhiwjc", coefficients, cosines, cosines)
    return ops.reshape(blocks, (-1, rows * BLOCK, columns * BLOCK, channels))[:, :height, :width]
