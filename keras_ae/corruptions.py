"""Corruptions of the input of a denoising autoencoder, as one layer that draws anew at every call."""

import math
from functools import singledispatch
from itertools import count

import keras
import numpy as np
from keras import ops

from keras_ae import spectra
from keras_ae.rows import GaussianNoise, Masking, Row, SaltAndPepper, SpectralNoise
from keras_ae.train_step import ReplicaSeeds


@singledispatch
def corrupt(row: Row, x, seed):
    """Return x corrupted as `row` says: (batch, *shape) -> (batch, *shape). `seed` is an int or a `SeedGenerator`."""
    raise TypeError(f"{row!r} is not a corruption row.")


@corrupt.register
def _(row: GaussianNoise, x, seed):
    drawn = _each_its_own(seed)
    noise = keras.random.normal(ops.shape(x), dtype=x.dtype, seed=next(drawn))
    if row.low is None:
        return x + row.sigma * noise
    each = (ops.shape(x)[0], *[1] * (len(x.shape) - 1))
    return x + keras.random.uniform(each, row.low, row.sigma, dtype=x.dtype, seed=next(drawn)) * noise


@corrupt.register
def _(row: SaltAndPepper, x, seed):
    chance = keras.random.uniform(ops.shape(x), dtype="float32", seed=seed)
    salted = ops.where(chance < 0.5 * row.rate, ops.ones_like(x), x)
    return ops.where(chance > 1 - 0.5 * row.rate, ops.zeros_like(x), salted)


@corrupt.register
def _(row: Masking, x, seed):
    chance = keras.random.uniform(ops.shape(x), dtype="float32", seed=seed)
    return ops.where(chance < row.rate, ops.zeros_like(x), x)


@corrupt.register
def _(row: SpectralNoise, x, seed):
    if len(x.shape) != 4 or x.shape[1] != spectra.BANDS or x.shape[3] != 1:
        raise ValueError(
            f"SpectralNoise corrupts log-mel spectrograms (batch, {spectra.BANDS}, frames, 1), not {tuple(x.shape)}."
        )
    batch, frames = ops.shape(x)[0], x.shape[2]
    drawn = _each_its_own(seed)

    def level(between):
        return keras.random.uniform((batch, 1, 1), *between, dtype="float32", seed=next(drawn))

    def white():
        shape = (batch, frames * spectra.HOP)
        return _spectra(keras.random.normal(shape, dtype="float32", seed=next(drawn)))

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


def _each_its_own(seed):
    """Yield seeds for several draws: an int draws the same each time it is used, a `SeedGenerator` does not."""
    return (seed + index if isinstance(seed, int) else seed for index in count())


@keras.saving.register_keras_serializable("keras_ae")
class Corrupt(keras.layers.Layer):
    """Apply a corruption row with a random state of its own."""

    def __init__(self, row: Row, seed: int | None = None, **kwargs):
        super().__init__(**kwargs)
        self.row = row
        self.seed_generator = ReplicaSeeds(seed)

    def call(self, x, seed=None):
        """(batch, *shape) -> (batch, *shape); an int as `seed` draws from that seed and leaves the state alone."""
        return corrupt(self.row, x, self.seed_generator if seed is None else seed)
