"""Masks over short-time spectra: what a model that denoises by one is trained on."""

import keras
import numpy as np

from keras_ae import spectra
from keras_ae.audio.signals import add_noise, checked
from keras_ae.rows import Conv, Flatten, Identity, Residual
from keras_ae.spec import Spec

BINS = spectra.WINDOW // 2  # All but that of 0 Hz.
MASK_SHAPE = (BINS, spectra.FRAMES, 1)


def mask_spec(*, filters: int = 16) -> Spec:
    """Return a spec that leads from log-magnitude spectrograms to masks, both (256, 64, 1) in [0, 1].

    Convolutions down to a quarter of the sides and back; the likelihood is that of a share, so that a mask is the mean
    of a Bernoulli variable. Train it on `MaskBatches`; `denoise` takes it.
    """
    step = Residual((Conv(2 * filters, activation="silu"), Conv(2 * filters, activation="linear")), "silu")
    rows = (
        Conv(filters, kernel=4, stride=2, activation="silu"),
        Conv(2 * filters, kernel=4, stride=2, activation="silu"),
        step,
        step,
        Flatten(),
    )
    return Spec(MASK_SHAPE, rows, Identity(BINS // 4 * spectra.FRAMES // 4 * 2 * filters), "bernoulli")


def log_magnitude(transform: np.ndarray) -> np.ndarray:
    """Return the power of `spectra.stft` in decibels as numbers: (frames, 257) -> (frames, 256) float32 in [0, 1]."""
    return spectra.to_unit(np.square(np.abs(transform[..., 1:]) * (2 / spectra.window().sum())))


def ideal_mask(clean: np.ndarray, noisy: np.ndarray) -> np.ndarray:
    """Return the phase-sensitive mask of two transforms, cut to [0, 1]: twice (frames, 257) -> (frames, 256) float32.

    Re(S / X), the real factor by which X comes nearest to S, of which the phase of X is kept (Erdogan et al. 2015).
    """
    s, x = clean[..., 1:], noisy[..., 1:]
    power = np.square(np.abs(x))
    share = np.divide((s * x.conj()).real, power, out=np.zeros_like(power), where=power > 0)
    return np.clip(share, 0, 1).astype("float32")


class MaskBatches(keras.utils.PyDataset):
    """Batches (x, y) for `model.fit`: log-magnitude spectrograms of noisy recordings, and their ideal masks.

    Each epoch adds other noise. A recording is padded with silence, or cut at a random place, to 0.64 s; the noisy one
    has a peak of 1.

    Args:
        waveforms: clean recordings at 8 kHz, (n, samples) or a sequence.
        batch_size: recordings in a batch; the last one may have fewer.
        snr: least and greatest signal-to-noise ratio in dB, of which one is drawn for each recording.
        kinds: kinds of noise of `add_noise`, of which one is drawn for each recording.
        voices: recordings of other speakers, for the kind "babble".
        fresh: draw anew each epoch; False draws the same, for validation.
        seed: of order and noise.

    Raises:
        ValueError, TypeError: waveforms that cannot be used, silent ones too.
    """

    shuffle = True  # By which `fit` knows that the order is drawn here.

    def __init__(
        self, waveforms, batch_size: int = 32, *, snr=(-5.0, 20.0), kinds=("white",), voices=None, fresh=True, seed=0
    ):
        super().__init__()
        self.waveforms = checked(waveforms, silence=False)
        self.batch_size, self.snr, self.kinds, self.voices = batch_size, snr, kinds, voices
        self.fresh, self.seed, self.epoch = fresh, seed, 0

    def __len__(self) -> int:
        """Batches an epoch."""
        return -(-len(self.waveforms) // self.batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """The batch (x, y) at `index`, each (batch, 256, 64, 1) float32."""
        order = np.random.default_rng([self.seed, self.epoch]).permutation(len(self.waveforms))
        rng = np.random.default_rng([self.seed, self.epoch, index])
        chosen = order[index * self.batch_size : (index + 1) * self.batch_size]
        pairs = [self._pair(self.waveforms[place], rng) for place in chosen]
        x, y = (np.stack(side).swapaxes(1, 2)[..., None] for side in zip(*pairs, strict=True))
        return x, y

    def on_epoch_end(self) -> None:
        """Called by Keras: the next epoch has an order and noise of its own."""
        self.epoch += self.fresh

    def _pair(self, waveform: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        start = rng.integers(max(len(waveform) - spectra.SAMPLES, 0) + 1)
        piece = waveform[start : start + spectra.SAMPLES]
        if not piece.any():  # A pause has no signal-to-noise ratio.
            piece = waveform[np.argmax(waveform != 0) :][: spectra.SAMPLES]
        clean = np.pad(piece, (0, spectra.SAMPLES - len(piece)))
        kind, seed = self.kinds[rng.integers(len(self.kinds))], int(rng.integers(2**31))
        noisy = add_noise(clean, rng.uniform(*self.snr), kind=kind, voices=self.voices, seed=seed)
        level = 1 / np.abs(noisy).max()
        transform = spectra.stft(level * noisy)
        return log_magnitude(transform), ideal_mask(spectra.stft(level * clean), transform)
