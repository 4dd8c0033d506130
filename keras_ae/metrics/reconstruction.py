"""How far reconstructions lie from their originals, one number an example."""

import numpy as np


def mean_squared_error(x: np.ndarray, x_hat: np.ndarray) -> np.ndarray:
    """Squared error, averaged over each example's values: (n, ...) -> (n,), 0 for a perfect reconstruction.

    Args:
        x: originals, (n, ...).
        x_hat: reconstructions, of the same shape.

    Returns:
        float64 array (n,), in squared units of `x`.

    Raises:
        ValueError: the shapes differ, the arrays are empty, or they hold NaN or infinite values.
    """
    return np.mean(np.square(_difference(x, x_hat)), axis=1, dtype=np.float64)


def mean_absolute_error(x: np.ndarray, x_hat: np.ndarray) -> np.ndarray:
    """Absolute error, averaged over each example's values: (n, ...) -> (n,), 0 for a perfect reconstruction.

    Args:
        x: originals, (n, ...).
        x_hat: reconstructions, of the same shape.

    Returns:
        float64 array (n,), in units of `x`.

    Raises:
        ValueError: the shapes differ, the arrays are empty, or they hold NaN or infinite values.
    """
    return np.mean(np.abs(_difference(x, x_hat)), axis=1, dtype=np.float64)


def psnr(x: np.ndarray, x_hat: np.ndarray, *, data_range: float = 1.0) -> np.ndarray:
    """Peak signal-to-noise ratio in dB, higher is better: 10 log10(data_range^2 / MSE), (n, ...) -> (n,).

    Nothing is clipped here. Whether `x_hat` was clipped to the data's range before matters: say which in a report.

    Args:
        x: originals, (n, ...).
        x_hat: reconstructions, of the same shape.
        data_range: the largest possible value less the smallest: 1 for pixels in [0, 1], 255 for bytes.

    Returns:
        float64 array (n,); infinity where the reconstruction is exact.

    Raises:
        ValueError: `data_range` is not positive, or the arrays are refused as in `mean_squared_error`.
    """
    if not data_range > 0:
        raise ValueError(f"data_range must be positive (1 for pixels in [0, 1], 255 for bytes), not {data_range}.")
    with np.errstate(divide="ignore"):  # An exact reconstruction has infinite PSNR: a result, not an accident.
        return 10 * np.log10(data_range**2 / mean_squared_error(x, x_hat))


def explained_variance(x: np.ndarray, x_hat: np.ndarray) -> float:
    """Share of the data's variance that reconstructions keep: 1 - sum|x - x_hat|^2 / sum|x - mean|^2.

    1 is a perfect reconstruction, 0 is what predicting the mean example scores, below 0 is worse than that.
    It equals scikit-learn's `r2_score(..., multioutput="variance_weighted")`.

    Args:
        x: originals, (n, ...).
        x_hat: reconstructions, of the same shape.

    Returns:
        A number in (-infinity, 1].

    Raises:
        ValueError: all examples of `x` are equal, or the arrays are refused as in `mean_squared_error`.
    """
    residual = np.sum(np.square(_difference(x, x_hat)), dtype=np.float64)
    centred = np.subtract(x, np.mean(x, axis=0, dtype=np.float64))
    total = np.sum(np.square(centred))
    if total == 0:
        raise ValueError("explained_variance is undefined: all examples of x are equal, so there is no variance.")
    return float(1 - residual / total)


def _difference(x: np.ndarray, x_hat: np.ndarray) -> np.ndarray:
    """x - x_hat as (n, values), after checking both."""
    x, x_hat = np.asarray(x), np.asarray(x_hat)
    if x.shape != x_hat.shape:
        raise ValueError(f"x and x_hat must have the same shape, not {x.shape} and {x_hat.shape}.")
    if x.ndim == 0 or x.size == 0:
        raise ValueError(f"x must hold at least one example, (n, ...), not shape {x.shape}.")
    # At least float32: bytes would wrap around below zero, and half precision would lose the small errors.
    difference = np.subtract(x, x_hat, dtype=np.result_type(x, x_hat, np.float32))
    if not np.isfinite(difference).all():
        raise ValueError("x and x_hat must be finite; they hold NaN or infinite values.")
    return difference.reshape(len(x), -1)
