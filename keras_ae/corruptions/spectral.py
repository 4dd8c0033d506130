"""Noise in the recording behind a log-mel spectrogram."""

import math

import numpy as np
from keras import ops

from keras_ae import spectra
from keras_ae.registry import register_layer
from keras_ae.rows import SpectralNoise


@register_layer(SpectralNoise)
def _(row, x, draws):
    if len(x.shape) != 4 or x.shape[1] != spectra.BANDS or x.shape[3] != 1:
        raise ValueError(
            f"SpectralNoise corrupts log-mel spectrograms (batch, {spectra.BANDS}, frames, 1), not {tuple(x.shape)}."
        )
    batch, frames = ops.shape(x)[0], x.shape[2]

    def level(between):
        return draws.uniform((batch, 1, 1), *between)

    def white():
        return _spectra(draws.normal((batch, frames * spectra.HOP)))

    # (batch, frames, bands) from here on. A value of 0 is silence.
    x = ops.cast(ops.swapaxes(x[..., 0], 1, 2), "float32")
    clean = ops.where(x > 0, ops.power(10.0, (1 - x) * spectra.FLOOR_DB / 10), 0.0)
    sounds = ops.cast(ops.any(x > 0, axis=2, keepdims=True), "float32")
    total = ops.sum(ops.sum(clean, axis=2, keepdims=True), axis=1, keepdims=True)
    signal = ops.divide_no_nan(total, ops.sum(sounds, axis=1, keepdims=True))

    # Noise of that tilt, whose power over all bands is that of the signal / snr.
    hertz = np.maximum(np.arange(spectra.WINDOW // 2 + 1), 1) * spectra.RATE / spectra.WINDOW
    octaves = ops.convert_to_tensor(np.log2(hertz / hertz[-1]), "float32")
    shape = ops.power(10.0, -level(row.tilt) / 10 * octaves)
    power = ops.sum(ops.matmul(shape, spectra.filterbank()), axis=2, keepdims=True)
    gain = ops.sqrt(shape * signal / (power * ops.power(10.0, level(row.snr) / 10)))
    real, imag = (gain * part for part in white())
    noise = ops.matmul(real * real + imag * imag, spectra.filterbank())

    # The cross term 2 Re(s n*) needs the clean spectrum: its size from the bands, its phases at random. It is scaled to
    # the band's own power, so that by Cauchy and Schwarz no sum is negative.
    there_real, there_imag = white()
    size = ops.sqrt(ops.matmul(clean, spectra.interpolation()))
    scale = size * ops.rsqrt(there_real * there_real + there_imag * there_imag + 1e-12)
    there_real, there_imag = scale * there_real, scale * there_imag
    cross = 2 * ops.matmul(there_real * real + there_imag * imag, spectra.filterbank())
    guess = ops.matmul(there_real * there_real + there_imag * there_imag, spectra.filterbank())
    mixed = clean + noise + cross * ops.sqrt(ops.divide_no_nan(clean, guess))
    mixed = ops.maximum(mixed, 10 ** (spectra.FLOOR_DB / 10))
    decibels = 10 / math.log(10) * ops.log(mixed)
    return ops.swapaxes(ops.clip(1 - decibels / spectra.FLOOR_DB, 0.0, 1.0), 1, 2)[..., None]


def _spectra(waveforms):
    """Return `spectra.stft` as (real, imaginary), white noise at a mean power of 1: (batch, samples) -> (..., bins)."""
    padded = ops.pad(waveforms, [[0, 0], [spectra.EDGE, spectra.EDGE]])
    scaled = padded / float(np.sqrt(np.square(spectra.window()).sum()))
    return ops.stft(scaled, spectra.WINDOW, spectra.HOP, spectra.WINDOW, window="hann", center=False)
