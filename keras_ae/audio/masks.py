"""Masks over short-time spectra: what a model that denoises by one is given, and what it is trained on."""

import keras
import numpy as np

from keras_ae import spectra
from keras_ae.audio.signals import add_noise, checked, checked_kind
from keras_ae.spec import Spec
from keras_ae.unet import denoising_spec

BINS = spectra.WINDOW // 2  # All but that of 0 Hz.
MASK_SHAPE = (BINS, spectra.FRAMES, 1)
COMPRESSION = 0.5  # The exponent of magnitudes.


def mask_spec(*, widths: tuple[int, ...] = (8, 16, 32, 64)) -> Spec:
    """Return a spec that leads from noisy compressed spectra to clean ones, both (256, 64, 1).

    The network is `denoising_spec`'s; what it makes of a bin over what it was given is the mask. Train it on
    `MaskBatches`; `denoise` takes it.
    """
    return denoising_spec(MASK_SHAPE, widths=widths)


def levels(magnitudes: np.ndarray) -> np.ndarray:
    """Return the root mean square of each block of magnitudes, 1 of a silent one: (..., a, b) -> (..., 1, 1)."""
    found = np.sqrt(np.mean(np.square(magnitudes), axis=(-2, -1), keepdims=True))
    return np.where(found > 0, found, 1)


def compressed(magnitudes: np.ndarray, level: np.ndarray) -> np.ndarray:
    """Return (magnitude / level) ** COMPRESSION as float32, so that soft bins count beside loud ones."""
    return ((magnitudes / level) ** COMPRESSION).astype("float32")


def mask(found: np.ndarray, given: np.ndarray) -> np.ndarray:
    """Return the share in [0, 1] by which a model that was given compressed magnitudes would scale them."""
    share = np.divide(found, given, out=np.zeros_like(given), where=given > 0)
    return np.clip(share, 0, 1) ** (1 / COMPRESSION)


def ideal_mask(clean: np.ndarray, noisy: np.ndarray) -> np.ndarray:
    """Return the phase-sensitive mask of two transforms, cut to [0, 1]: twice (frames, 257) -> (frames, 256) float32.

    Re(S / X), the real factor by which X comes nearest to S, of which the phase of X is kept (Erdogan et al. 2015).
    """
    s, x = clean[..., 1:], noisy[..., 1:]
    power = np.square(np.abs(x))
    share = np.divide((s * x.conj()).real, power, out=np.zeros_like(power), where=power > 0)
    return np.clip(share, 0, 1).astype("float32")


class MaskBatches(keras.utils.PyDataset):
    """Batches (x, y) for `model.fit`: compressed spectra of noisy recordings, and the same under their ideal masks.

    Each epoch takes other pieces of 0.64 s, about as many as the recordings hold, says them faster or slower, and adds
    other noise. A shorter recording is padded with silence.

    Args:
        waveforms: clean recordings at 8 kHz, (n, samples) or a sequence. Join short ones of a speaker, so that pieces
            hold as little silence as what is to be denoised.
        batch_size: pieces in a batch; the last one may have fewer.
        snr: least and greatest signal-to-noise ratio in dB, of which one is drawn for each piece.
        kinds: kinds of noise of `add_noise`, of which one is drawn for each piece.
        voices: recordings of other speakers, for the kind "babble".
        speed: least and greatest speed, of which one is drawn for each piece: pitch and formants move with it, so that
            few speakers stand for many (Ko et al. 2015). (1, 1) leaves them.
        fresh: draw anew each epoch; False draws the same, for validation.
        seed: of order, pieces, speed and noise.

    Raises:
        ValueError, TypeError: waveforms or voices that cannot be used, silent ones too, an unknown kind, "babble"
            without voices, or a range that is none.
    """

    shuffle = True  # By which `fit` knows that the order is drawn here.

    def __init__(
        self,
        waveforms,
        batch_size: int = 32,
        *,
        snr=(-5.0, 15.0),
        kinds=("white",),
        voices=None,
        speed=(0.8, 1.25),
        fresh=True,
        seed=0,
    ):
        super().__init__()
        self.waveforms = checked(waveforms, silence=False)
        for kind in kinds:
            checked_kind(kind, voices)
        if not snr[0] <= snr[1]:
            raise ValueError(f"snr must be (least, greatest) in dB, got {snr!r}.")
        if not 0 < speed[0] <= speed[1]:
            raise ValueError(f"speed must be (least, greatest), both above 0, got {speed!r}.")
        self.batch_size, self.snr, self.kinds, self.voices = batch_size, snr, kinds, voices
        self.speed, self.fresh, self.seed, self.epoch = speed, fresh, seed, 0
        counts = [-(-len(waveform) // spectra.SAMPLES) for waveform in self.waveforms]
        self.pieces = np.repeat(np.arange(len(counts)), counts)

    def __len__(self) -> int:
        """Batches an epoch."""
        return -(-len(self.pieces) // self.batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """The batch (x, y) at `index`, each (batch, 256, 64, 1) float32."""
        order = np.random.default_rng([self.seed, self.epoch]).permutation(self.pieces)
        rng = np.random.default_rng([self.seed, self.epoch, index])
        chosen = order[index * self.batch_size : (index + 1) * self.batch_size]
        pairs = [self._pair(self.waveforms[place], rng) for place in chosen]
        x, y = (np.stack(side).swapaxes(1, 2)[..., None] for side in zip(*pairs, strict=True))
        return x, y

    def on_epoch_end(self) -> None:
        """Called by Keras: the next epoch has pieces and noise of its own."""
        self.epoch += self.fresh

    def _pair(self, waveform: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        clean = self._piece(waveform, rng)
        kind, seed = self.kinds[rng.integers(len(self.kinds))], int(rng.integers(2**31))
        noisy = add_noise(clean, rng.uniform(*self.snr), kind=kind, voices=self.voices, seed=seed)
        transform = spectra.stft(noisy)
        magnitudes = np.abs(transform[..., 1:])
        level = levels(magnitudes)
        wanted = ideal_mask(spectra.stft(clean), transform) * magnitudes
        return compressed(magnitudes, level), compressed(wanted, level)

    def _piece(self, waveform: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return 0.64 s of a recording from a random place on, at a random speed: (SAMPLES,)."""
        samples = int(spectra.SAMPLES * rng.uniform(*self.speed))
        start = rng.integers(max(len(waveform) - samples, 0) + 1)
        piece = waveform[start : start + samples]
        if not piece.any():  # A pause has no signal-to-noise ratio.
            piece = waveform[np.argmax(waveform != 0) :][:samples]
        return resized(np.pad(piece, (0, samples - len(piece))), spectra.SAMPLES)


def resized(waveform: np.ndarray, samples: int) -> np.ndarray:
    """Return a waveform at another number of samples, by its Fourier series: (n,) -> (samples,) float32."""
    spectrum = np.fft.rfft(waveform, norm="forward")[: samples // 2 + 1]
    return np.fft.irfft(spectrum, samples, norm="forward").astype("float32")
