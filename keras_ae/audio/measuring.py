"""What a denoising model of speech is worth, in numbers and to listen to."""

import os
from pathlib import Path

import numpy as np

from keras_ae.audio.denoising import denoise
from keras_ae.audio.signals import add_noise, si_sdr, waveforms, write_wav
from keras_ae.datasets import Part

LEVELS = (0, 5)
TOLERANCE = 0.05  # dB; backends round differently.


def measure_speech(model, part: Part, *, levels: tuple[float, ...] = LEVELS, seed: int = 0) -> dict[str, dict]:
    """Return SI-SDR in dB before and after denoising at each signal-to-noise ratio, the mean over recordings.

    Args:
        model: what `denoise` takes.
        part: of "spoken_digit".
        levels: signal-to-noise ratios in dB.
        seed: of the noise.

    Returns:
        `{"si_sdr_noisy_0db": {"value", "error", "tolerance", "protocol"}, "si_sdr_0db": ..., ...}`; the error is the
        standard error of the mean.
    """
    clean, found = waveforms(part), {}
    for level in levels:
        noisy = add_noise(clean, level, seed=seed)
        protocol = f"{len(clean)} recordings of {part.name}, each alone, white noise at {level:g} dB SNR, seed {seed}"
        found[f"si_sdr_noisy_{level:g}db"] = _number(si_sdr(clean, noisy), f"{protocol}; the noisy recordings")
        found[f"si_sdr_{level:g}db"] = _number(si_sdr(clean, denoise(model, noisy)), f"{protocol}; denoised")
    return found


def _number(values: np.ndarray, protocol: str) -> dict:
    error = values.std(ddof=1) / np.sqrt(len(values))
    return {"value": float(values.mean()), "error": float(error), "tolerance": TOLERANCE, "protocol": protocol}


def write_examples(
    model, part: Part, folder: str | os.PathLike, *, levels: tuple[float, ...] = LEVELS, count: int = 10, seed: int = 0
) -> list[Path]:
    """Write the first recordings of a part, clean, noisy and denoised, as WAV files; return the files.

    With labels, `count` digits are taken in turn, so that ten are 0 to 9. Noisy and denoised files are scaled down
    alike where the noisy one exceeds full scale.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    rank = np.zeros(len(part), int)
    for label in np.unique(part.y):
        rank[part.y == label] = np.arange((part.y == label).sum())
    chosen = np.lexsort((part.y, rank))[:count]
    clean = [waveforms(part)[place] for place in chosen]
    names = [f"{number:02}-{part.y[place]}" for number, place in enumerate(chosen)]
    files = [(f"{name}-clean.wav", waveform) for name, waveform in zip(names, clean, strict=True)]
    for level in levels:
        noisy = add_noise(clean, level, seed=seed)
        for name, before, after in zip(names, noisy, denoise(model, noisy), strict=True):
            scale = max(np.abs(before).max(), 1)
            files += [
                (f"{name}-{level:g}dB-noisy.wav", before / scale),
                (f"{name}-{level:g}dB-denoised.wav", after / scale),
            ]
    for name, waveform in files:
        write_wav(folder / name, waveform)
    return sorted(folder / name for name, _ in files)
