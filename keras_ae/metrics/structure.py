"""Structural similarity of pictures."""

import numpy as np

WINDOW, SIGMA = 11, 1.5
_AT_ONCE = 512  # Pictures whose five maps are held at a time.


def ssim(x: np.ndarray, x_hat: np.ndarray, *, data_range: float = 1.0) -> np.ndarray:
    """Mean structural similarity, 1 for equal pictures and lower for others: (n, h, w, c) twice -> (n,).

    Wang, Bovik, Sheikh and Simoncelli, "Image quality assessment: from error visibility to structural similarity",
    2004, Eq. 13: windows of 11x11 with Gaussian weights of sigma 1.5 that lie within the picture, K1 = 0.01 and
    K2 = 0.03, the mean over windows and then over channels. It equals scikit-image's `structural_similarity` with
    `gaussian_weights=True, sigma=1.5, use_sample_covariance=False`. Nothing is clipped here.

    Args:
        x: originals, (n, h, w, c), h and w at least 11.
        x_hat: reconstructions, of the same shape.
        data_range: the largest possible value less the smallest: 1 for pixels in [0, 1], 255 for bytes.

    Returns:
        float64 array (n,).

    Raises:
        ValueError: shapes that differ or are no such pictures, values that are not finite, a range that is not
            positive.
    """
    x, x_hat = np.asarray(x), np.asarray(x_hat)
    if x.shape != x_hat.shape:
        raise ValueError(f"x and x_hat must have the same shape, not {x.shape} and {x_hat.shape}.")
    if x.ndim != 4 or not x.size or min(x.shape[1:3]) < WINDOW:
        raise ValueError(f"x must hold pictures, (n, h, w, c), with sides of at least {WINDOW}, not {x.shape}.")
    if not data_range > 0:
        raise ValueError(f"data_range must be positive (1 for pixels in [0, 1], 255 for bytes), not {data_range}.")
    if not (np.isfinite(x).all() and np.isfinite(x_hat).all()):
        raise ValueError("x and x_hat must be finite; they hold NaN or infinite values.")
    starts = range(0, len(x), _AT_ONCE)
    pieces = [_ssim(x[start : start + _AT_ONCE], x_hat[start : start + _AT_ONCE], data_range) for start in starts]
    return np.concatenate(pieces)


def _ssim(x: np.ndarray, y: np.ndarray, data_range: float) -> np.ndarray:
    x, y = (np.moveaxis(a, -1, 1).astype("float64") for a in (x, y))  # (n, c, h, w)
    rows, columns = (_averages(side) for side in x.shape[2:])
    mean_x, mean_y, xx, yy, xy = (rows @ a @ columns.T for a in (x, y, x * x, y * y, x * y))
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    structure = (2 * (xy - mean_x * mean_y) + c2) / (xx - mean_x**2 + yy - mean_y**2 + c2)
    return (luminance * structure).mean(axis=(1, 2, 3))


def _averages(side: int) -> np.ndarray:
    """Return the matrix that averages a line of `side` pixels under each place of the window: (side - 10, side)."""
    weights = np.exp(-0.5 * ((np.arange(WINDOW) - WINDOW // 2) / SIGMA) ** 2)
    weights /= weights.sum()
    places = side - WINDOW + 1
    matrix = np.zeros((places, side))
    for place in range(places):
        matrix[place, place : place + WINDOW] = weights
    return matrix
