"""Short-time spectra of speech at 8 kHz, and the log-mel spectrograms that models are trained on. NumPy alone.

One geometry for all: windows of 64 ms every 10 ms, 64 mel bands from 0 to 4 kHz, and decibels below a full-scale sine
from -80 to 0 that become numbers from 0 to 1. A sample is 64 frames, 0.64 s.
"""

from functools import cache

import numpy as np

RATE = 8000  # Samples a second.
WINDOW, HOP = 512, 80  # Samples.
BANDS, FRAMES = 64, 64
SAMPLES = FRAMES * HOP
FLOOR_DB = -80.0
EDGE = (WINDOW - HOP) // 2  # Silence before and after, so that each hop of the waveform is the middle of one frame.


@cache
def window() -> np.ndarray:
    """Return the Hann window, periodic: (WINDOW,) float32."""
    return np.hanning(WINDOW + 1)[:-1].astype("float32")


@cache
def filterbank() -> np.ndarray:
    """Return the weight of each STFT bin in each mel band: (WINDOW // 2 + 1, BANDS) float32.

    Triangles of height 1 on the mel scale of HTK, mel(f) = 1127 log(1 + f / 700), as `keras.layers.MelSpectrogram`
    has them, and librosa with `htk=True, norm=None`.
    """
    mel = 1127 * np.log1p(np.arange(WINDOW // 2 + 1) * RATE / WINDOW / 700)[:, None]
    edges = np.linspace(0, 1127 * np.log1p(RATE / 2 / 700), BANDS + 2)
    low, centre, high = edges[:-2], edges[1:-1], edges[2:]
    weights = np.minimum((mel - low) / (centre - low), (high - mel) / (high - centre))
    weights[0] = 0  # HTK leaves out the bin of 0 Hz.
    return np.maximum(weights, 0).astype("float32")


def to_bins(values: np.ndarray) -> np.ndarray:
    """Return values of mel bands at the STFT's bins, interpolated by the filters: (..., BANDS) -> (..., bins).

    Bins that no filter covers take the value of the nearest band.
    """
    return values @ interpolation()


@cache
def interpolation() -> np.ndarray:
    """Return the matrix of `to_bins`: (BANDS, bins) float32, its columns sum to 1."""
    weights = filterbank().T.copy()
    covered = np.flatnonzero(weights.sum(axis=0))
    weights[0, : covered[0]] = weights[-1, covered[-1] + 1 :] = 1
    return weights / weights.sum(axis=0)


def frames_of(samples: int) -> int:
    """Return how many frames hold so many samples of a waveform."""
    return -(-samples // HOP)


def stft(waveforms: np.ndarray) -> np.ndarray:
    """Return the short-time Fourier transform: (..., samples) -> (..., frames, bins) complex64.

    Frame t has its middle in the middle of hop t; silence stands before and after the waveform.
    """
    samples = waveforms.shape[-1]
    tail = EDGE + frames_of(samples) * HOP - samples
    padded = np.pad(waveforms, [(0, 0)] * (waveforms.ndim - 1) + [(EDGE, tail)])
    framed = np.lib.stride_tricks.sliding_window_view(padded, WINDOW, axis=-1)[..., ::HOP, :]
    return np.fft.rfft(framed * window()).astype("complex64")


def istft(spectra: np.ndarray, samples: int) -> np.ndarray:
    """Return the waveform whose `stft` is nearest to `spectra`: (frames, bins) -> (samples,) float32.

    Least squares (Griffin & Lim 1984, Eq. 6): the inverse of `stft` where there is one.
    """
    pieces = np.fft.irfft(spectra, WINDOW) * window()
    total, weight = np.zeros((2, (len(pieces) - 1) * HOP + WINDOW))
    for start, piece in zip(range(0, len(pieces) * HOP, HOP), pieces, strict=True):
        total[start : start + WINDOW] += piece
        weight[start : start + WINDOW] += window() ** 2
    kept = slice(EDGE, EDGE + samples)
    return (total[kept] / weight[kept]).astype("float32")


def mel_power(spectra: np.ndarray) -> np.ndarray:
    """Return the power in each mel band, 1 for a full-scale sine at its centre: (..., bins) -> (..., BANDS)."""
    return np.square(np.abs(spectra) * (2 / window().sum())) @ filterbank()


def to_unit(power: np.ndarray) -> np.ndarray:
    """Return power as numbers in [0, 1], 0 for -80 dB and less, 1 for 0 dB and more; float32."""
    decibels = 10 * np.log10(np.maximum(power, 10 ** (FLOOR_DB / 10)))
    return np.clip(1 - decibels / FLOOR_DB, 0, 1).astype("float32")


def to_power(x: np.ndarray) -> np.ndarray:
    """Return the power that `to_unit` turned into x."""
    return 10 ** ((1 - x) * FLOOR_DB / 10)


def log_mel(waveforms: np.ndarray) -> np.ndarray:
    """Return log-mel spectrograms: (..., samples) -> (..., BANDS, frames, 1) float32 in [0, 1], low bands first."""
    return np.swapaxes(to_unit(mel_power(stft(waveforms))), -1, -2)[..., None]
