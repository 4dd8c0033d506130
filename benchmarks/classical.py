"""The methods that people use without a network: images, speech, series and tables, noisy or incomplete ones.

Images: (n, h, w, c) in [0, 1] and the noise's standard deviation, and what else is chosen on validation images.
Speech: (samples,) at 8 kHz. Series: (n, steps, channels). Tables: (n, columns) with NaN.
"""

import numpy as np


def median(noisy: np.ndarray, sigma: float, *, window: int) -> np.ndarray:
    """Return the median of a square of `window` pixels, channel by channel: (n, h, w, c) -> (n, h, w, c)."""
    from scipy.ndimage import median_filter

    return median_filter(noisy, size=(1, window, window, 1))


def wiener(noisy: np.ndarray, sigma: float, *, window: int) -> np.ndarray:
    """Return SciPy's local Wiener filter, told the noise's variance: (n, h, w, c) -> (n, h, w, c)."""
    from scipy.signal import wiener as filtered

    planes = np.moveaxis(noisy, -1, 1).astype("float64")
    planes = [[filtered(plane, window, noise=sigma**2) for plane in image] for image in planes]
    return np.moveaxis(np.array(planes), 1, -1)


def non_local_means(noisy: np.ndarray, sigma: float, *, strength: float, patch: int, distance: int) -> np.ndarray:
    """Return scikit-image's non-local means, h = strength * sigma: (n, h, w, c) -> (n, h, w, c)."""
    from skimage.restoration import denoise_nl_means

    options = {"patch_size": patch, "patch_distance": distance, "h": strength * sigma, "sigma": sigma}
    found = [denoise_nl_means(image, fast_mode=False, channel_axis=-1, **options) for image in noisy]
    return np.stack(found).reshape(noisy.shape)  # One channel alone is dropped.


def bm3d(noisy: np.ndarray, sigma: float) -> np.ndarray:
    """Return BM3D's estimate by the authors' package, in opponent colours for RGB: (n, h, w, c) -> (n, h, w, c)."""
    import bm3d as package

    if noisy.shape[-1] == 3:
        return np.stack([package.bm3d_rgb(image, sigma) for image in noisy])
    return np.stack([package.bm3d(image[..., 0], sigma) for image in noisy]).reshape(noisy.shape)


def total_variation(noisy: np.ndarray, sigma: float, *, weight: float) -> np.ndarray:
    """Return Chambolle's total variation, weight * sigma: (n, h, w, c) -> (n, h, w, c)."""
    from skimage.restoration import denoise_tv_chambolle

    return np.stack([denoise_tv_chambolle(image, weight=weight * sigma, channel_axis=-1) for image in noisy])


def principal_components(noisy: np.ndarray, sigma: float, *, model, count: int) -> np.ndarray:
    """Return the projection on the first components of a fitted `PCA`: (n, ...) -> (n, ...)."""
    components, flat = model.components_[:count], noisy.reshape(len(noisy), -1) - model.mean_
    return (flat @ components.T @ components + model.mean_).reshape(noisy.shape)


CLASSICAL = {
    "median": (median, {"window": (2, 3, 4, 5)}),
    "Wiener": (wiener, {"window": (2, 3, 4, 5, 7)}),
    "non-local means": (
        non_local_means,
        {"strength": (0.7, 0.9, 1.1, 1.3, 1.6, 2.0), "patch": (3, 5), "distance": (6, 13)},
    ),
    "BM3D": (bm3d, {}),
}
"""What `pretrained.py` measures."""

IMAGES = CLASSICAL | {"total variation": (total_variation, {"weight": (0.3, 0.6, 1.0, 1.5)})}


def _by_gain(noisy: np.ndarray, gain) -> np.ndarray:
    """Scale the bins of a spectrum by gain(power, noise); the noise's power is what a bin has in its quiet frames."""
    from keras_ae import spectra

    transform = spectra.stft(noisy)
    power = np.square(np.abs(transform))
    # Power of Gaussian noise is exponential: its mean is its 20 % quantile / -log(0.8).
    noise = np.quantile(power, 0.2, axis=0) / -np.log(0.8)
    return spectra.istft(transform * gain(power, noise), len(noisy))


def wiener_speech(noisy: np.ndarray) -> np.ndarray:
    """Return Wiener's gain on short-time spectra, (P - N) / P, at least 0.05: (samples,) -> (samples,)."""
    return _by_gain(noisy, lambda power, noise: np.maximum(1 - noise / np.maximum(power, 1e-12), 0.05))


def spectral_subtraction(noisy: np.ndarray) -> np.ndarray:
    """Return spectral subtraction (Berouti et al. 1979): twice the noise's power off, a floor of 0.01 of it."""

    def gain(power, noise):
        return np.sqrt(np.maximum(power - 2 * noise, 0.01 * noise) / np.maximum(power, 1e-12)).clip(0, 1)

    return _by_gain(noisy, gain)


def noise_reduce(noisy: np.ndarray) -> np.ndarray:
    """Return what the package noisereduce makes of steady noise, with its defaults: (samples,) -> (samples,)."""
    import noisereduce

    return noisereduce.reduce_noise(noisy, 8000, stationary=True)


SPEECH = {"Wiener": wiener_speech, "spectral subtraction": spectral_subtraction, "noisereduce": noise_reduce}


def savitzky_golay(noisy: np.ndarray, *, window: int, order: int) -> np.ndarray:
    """Return SciPy's Savitzky-Golay filter along the steps: (n, steps, channels) -> the same."""
    from scipy.signal import savgol_filter

    return savgol_filter(noisy, window, order, axis=1)


def wavelet(noisy: np.ndarray, *, name: str, scale: float) -> np.ndarray:
    """Return soft thresholds of wavelet coefficients (Donoho & Johnstone 1994): (n, steps, channels) -> the same.

    The threshold is scale * sigma * sqrt(2 log steps), sigma by the median of the finest coefficients of a channel.
    """
    import pywt

    coarse, *details = pywt.wavedec(noisy, name, mode="symmetric", axis=1)
    sigma = np.median(np.abs(details[-1]), axis=(0, 1)) / 0.6745
    threshold = scale * sigma * np.sqrt(2 * np.log(noisy.shape[1]))
    details = [np.sign(detail) * np.maximum(np.abs(detail) - threshold, 0) for detail in details]
    return pywt.waverec([coarse, *details], name, mode="symmetric", axis=1)[:, : noisy.shape[1]]


SERIES = {
    "Savitzky-Golay": (savitzky_golay, {"window": (5, 9, 13, 17, 25), "order": (2, 3)}),
    "wavelet": (wavelet, {"name": ("db4", "sym8"), "scale": (0.25, 0.5, 0.75, 1.0)}),
}


def imputers() -> dict:
    """Return scikit-learn's imputers by name, with their defaults but for the iterations of the last."""
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer

    return {
        "mean": SimpleImputer(),
        "kNN, 5": KNNImputer(),
        "iterative (Bayesian ridge)": IterativeImputer(max_iter=20, tol=1e-2, random_state=0),
    }
