"""From log-mel spectrograms back to waveforms."""

import numpy as np

from keras_ae import spectra
from keras_ae.checks import checked_whole
from keras_ae.extras import optional


def griffin_lim(x: np.ndarray, *, iterations: int = 32, seed: int = 0) -> np.ndarray:
    """Return waveforms whose log-mel spectrograms are near x, with phases found by Griffin & Lim 1984's iterations.

    By `librosa` (extra "audio"), with the momentum of Perraudin et al. 2013; the bins of the spectrum are the least
    squares solution of the mel bands that is not negative.

    Args:
        x: (64, frames, 1) or (n, 64, frames, 1) in [0, 1], as `log_mel` returns it.
        iterations: how many.
        seed: of the first phases.

    Returns:
        (frames * 80,) or (n, frames * 80) float32 at 8 kHz.

    Raises:
        ValueError: another shape, no frames, values outside [0, 1], or fewer iterations than 1.
        ImportError: `librosa` is not installed.
    """
    x = np.asarray(x)
    if x.ndim not in (3, 4) or x.size == 0 or (x.shape[-3], x.shape[-1]) != (spectra.BANDS, 1):
        raise ValueError(f"x has shape {x.shape}: log-mel spectrograms are (n, {spectra.BANDS}, frames, 1).")
    if not (x.min() >= 0 and x.max() <= 1):
        raise ValueError(f"x must lie in [0, 1], got values in [{x.min():.4g}, {x.max():.4g}]. Clip it first.")
    checked_whole("iterations", iterations)
    librosa = optional("librosa", "librosa", "audio")
    if x.ndim == 4:
        return np.stack([_inverted(librosa, one, iterations, seed) for one in x])
    return _inverted(librosa, x, iterations, seed)


def _inverted(librosa, x: np.ndarray, iterations: int, seed: int) -> np.ndarray:
    bands = np.where(x[..., 0] > 0, spectra.to_power(x[..., 0].astype("float64")), 0)
    if not bands.any():
        return np.zeros(x.shape[1] * spectra.HOP, "float32")
    size = np.sqrt(librosa.util.nnls(spectra.filterbank().T.astype("float64"), bands)) * spectra.window().sum() / 2
    geometry = {"hop_length": spectra.HOP, "win_length": spectra.WINDOW, "n_fft": spectra.WINDOW, "center": False}
    found = librosa.griffinlim(size, n_iter=iterations, random_state=seed, **geometry)
    return found[spectra.EDGE : spectra.EDGE + x.shape[1] * spectra.HOP].astype("float32")
