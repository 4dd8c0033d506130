"""Denoising of waveforms by a model of log-mel spectrograms, or of masks over short-time spectra."""

import numpy as np

from keras_ae import spectra
from keras_ae.audio.masks import MASK_SHAPE, compressed, levels, mask
from keras_ae.audio.signals import checked, like

ROUNDS = 2
STEP = spectra.FRAMES // 2  # Frames between two blocks of a long recording.


def denoise(model, waveforms, *, rate: int = spectra.RATE):
    """Return waveforms without the noise, in the form given.

    A model of masks rebuilds the clean magnitudes of the short-time spectrum from noisy ones; the share in [0, 1] that
    it leaves of each bin is the mask by which the spectrum is multiplied; phases stay. It is given blocks of 0.64 s,
    each at its own level.

    A model of log-mel spectrograms says how much power S of each mel band and frame is speech (Lu et al. 2013 denoise
    mel spectra with an autoencoder so). What is left is noise, steady over the recording: its power N in a band is the
    median over frames. Wiener's gain S / (S + N), interpolated to the bins of the spectrum, scales them, and their
    phases stay. Where speech is loud that gain is 1, however roughly the model knows S; S over the power that is there
    is not.

    That model was trained on recordings with a peak of 1, and how loud the speech under the noise is nobody knows: a
    first round with the noisy peak at 1 tells, and a second denoises at that level. A recording longer than the
    model's 64 frames goes through in blocks that overlap by half.

    Args:
        model: an autoencoder with `input_shape` (64, 64, 1), such as a `conv_denoising_ae` trained on "spoken_digit"
            with the corruption "spectral", or with (256, 64, 1), of a `mask_spec` and trained on `MaskBatches`.
        waveforms: (samples,), (n, samples), or a sequence of waveforms; of any lengths and levels.
        rate: samples a second; only 8000 is taken.

    Raises:
        ValueError, TypeError: another model, or waveforms that cannot be used, silent ones too.
    """
    wanted = (spectra.BANDS, spectra.FRAMES, 1)
    shape = tuple(model.spec.input_shape)
    if shape not in (wanted, MASK_SHAPE):
        raise ValueError(
            f"denoise needs a model of log-mel spectrograms, input_shape {wanted}, or of masks, {MASK_SHAPE}; "
            f"this one has {shape}."
        )
    noisy = checked(waveforms, rate=rate, silence=False)
    if shape == MASK_SHAPE:
        return like(waveforms, _masked(model, noisy))
    gains = [1 / np.abs(waveform).max() for waveform in noisy]
    for remaining in reversed(range(ROUNDS)):
        estimates = _denoised(model, [gain * waveform for gain, waveform in zip(gains, noisy, strict=True)])
        if remaining:
            peaks = [np.abs(estimate).max() for estimate in estimates]
            gains = [gain / max(peak, 0.1) for gain, peak in zip(gains, peaks, strict=True)]
    return like(waveforms, [estimate / gain for estimate, gain in zip(estimates, gains, strict=True)])


def _denoised(model, noisy: list[np.ndarray]) -> list[np.ndarray]:
    """Denoise waveforms at the level at which the model knows speech."""
    transforms = [spectra.stft(waveform) for waveform in noisy]
    powers = [spectra.mel_power(transform) for transform in transforms]
    answers = _answers(model, [_blocks(spectra.to_unit(power)) for power in powers])
    found = []
    for waveform, transform, power, answer in zip(noisy, transforms, powers, answers, strict=True):
        speech = _joined(spectra.to_power(answer), len(power))
        noise = np.median(np.maximum(power - speech, 0), axis=0)
        gain = speech / (speech + noise)
        found.append(spectra.istft(transform * spectra.to_bins(gain), len(waveform)))
    return found


def _masked(model, noisy: list[np.ndarray]) -> list[np.ndarray]:
    """Multiply the spectra of waveforms by the masks that the model gives."""
    offsets = [waveform.mean() for waveform in noisy]  # Of the recording, and no noise: set aside, and put back.
    transforms = [spectra.stft(waveform - offset) for waveform, offset in zip(noisy, offsets, strict=True)]
    blocks = [_blocks(np.abs(transform[..., 1:])) for transform in transforms]
    given = [compressed(block, levels(block)) for block in blocks]
    found = []
    for offset, waveform, transform, x, answer in zip(
        offsets, noisy, transforms, given, _answers(model, given), strict=True
    ):
        share = np.pad(_joined(mask(answer, x), len(transform)), [(0, 0), (1, 0)])  # Nothing of 0 Hz is kept.
        found.append(offset + spectra.istft(transform * share, len(waveform)))
    return found


def _answers(model, blocks: list[np.ndarray]) -> list[np.ndarray]:
    """Return what the model makes of the blocks of each recording, (n, 64, bands) each."""
    answers = model.reconstruct(np.concatenate(blocks).swapaxes(1, 2)[..., None])[..., 0].swapaxes(1, 2)
    return np.split(answers, np.cumsum([len(block) for block in blocks])[:-1])


def _blocks(power: np.ndarray) -> np.ndarray:
    """Cut frames into overlapping blocks, the last one filled up by mirroring: (frames, bands) -> (n, 64, bands)."""
    count = max(-(-(len(power) - spectra.FRAMES) // STEP), 0) + 1
    missing = (count - 1) * STEP + spectra.FRAMES - len(power)
    filled = np.pad(power, [(0, missing), (0, 0)], mode="symmetric")
    return np.stack([filled[start : start + spectra.FRAMES] for start in range(0, count * STEP, STEP)])


def _joined(blocks: np.ndarray, frames: int) -> np.ndarray:
    """Undo `_blocks`: a weighted mean where two overlap, the middle of a block counting most."""
    weight = np.bartlett(spectra.FRAMES + 2)[1:-1, None]
    total, weights = np.zeros((2, (len(blocks) - 1) * STEP + spectra.FRAMES, blocks.shape[2]))
    for index, block in enumerate(blocks):
        place = slice(index * STEP, index * STEP + spectra.FRAMES)
        total[place] += weight * block
        weights[place] += weight
    return (total / weights)[:frames]
