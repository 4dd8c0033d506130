"""Waveforms: checked, mixed with noise, compared, turned into spectrograms, written to files."""

import os
import wave

import numpy as np

from keras_ae import spectra
from keras_ae.datasets import Part
from keras_ae.files import replacing

KINDS = ("white", "pink", "babble")
TALKERS = 6  # Voices at once in babble.
MOST_CHANNELS = 8  # An array of so few columns is no array of waveforms.


def checked(waveforms, name: str = "waveforms", *, rate: int = spectra.RATE, silence: bool = True) -> list[np.ndarray]:
    """Return one waveform (samples,), an array (n, samples) or a sequence of waveforms as a list of float32 arrays.

    Raises:
        ValueError: another rate than 8 kHz, no samples, a shape that is none of these, such as (samples, channels), NaN
            or inf; with `silence=False` also a waveform of zeros alone.
        TypeError: values that are no real numbers, or integers, whose full scale is not known.
    """
    if rate != spectra.RATE:
        raise ValueError(f"rate={rate!r}: this package knows speech at {spectra.RATE} Hz. Resample {name} first.")
    shape = np.shape(waveforms) if isinstance(waveforms, np.ndarray) else ()
    if len(shape) == 2 and shape[1] <= MOST_CHANNELS < shape[0]:
        raise ValueError(f"{name} has shape {shape}, as (samples, channels) has. Give one channel, or x.mean(axis=1).")
    found = []
    for index, waveform in enumerate([waveforms] if is_single(waveforms) else waveforms):
        waveform, place = np.asarray(waveform), f"{name}[{index}]"
        if waveform.dtype.kind != "f":
            raise TypeError(
                f"{place} has dtype {waveform.dtype}. Give floats of a full scale of 1; of 16-bit samples x / 32768."
            )
        if waveform.ndim != 1 or waveform.size == 0:
            raise ValueError(f"{place} has shape {waveform.shape}: a waveform is (samples,), with one sample or more.")
        if not np.isfinite(waveform).all():
            raise ValueError(f"{place} has NaN or inf. Drop or fill such values first.")
        if not (silence or waveform.any()):
            raise ValueError(f"{place} is silent (zeros alone), so that it has no signal-to-noise ratio. Leave it out.")
        found.append(waveform.astype("float32"))
    if not found:
        raise ValueError(f"{name} is empty. Give one waveform or more.")
    return found


def is_single(waveforms) -> bool:
    """Whether this is one waveform, and not several."""
    return np.ndim(waveforms[0]) == 0 if len(waveforms) else False


def like(given, waveforms: list[np.ndarray]):
    """Return `waveforms` in the form of `given`: one, an array of several, or a list."""
    if is_single(given):
        return waveforms[0]
    return np.stack(waveforms) if isinstance(given, np.ndarray) else waveforms


def waveforms(part: Part) -> list[np.ndarray]:
    """Return the recordings behind a part of "spoken_digit", in its order: (samples,) float32 each, of a peak of 1.

    They are whole, where the spectrograms of `part.x` end after 0.64 s.

    Raises:
        ValueError: the part is of another data set.
    """
    if not hasattr(part.store, "waveforms"):
        raise ValueError(f"{part} has no recordings. Load 'spoken_digit' with keras_ae.datasets.load.")
    return [part.store.waveforms[row] for row in part.rows]


def speakers(part: Part) -> np.ndarray:
    """Return who speaks in each recording of a part of "spoken_digit", in its order: (n,) names.

    Raises:
        ValueError: the part is of another data set.
    """
    if getattr(part.store, "speakers", None) is None:
        raise ValueError(f"{part} names no speakers. Load 'spoken_digit' with keras_ae.datasets.load.")
    return part.store.speakers[part.rows]


def log_mel(waveforms, *, rate: int = spectra.RATE) -> np.ndarray:
    """Return log-mel spectrograms of waveforms of one length: float32 in [0, 1], low bands first.

    Args:
        waveforms: (samples,) or (n, samples), floats of a full scale of 1.
        rate: samples a second; only 8000 is taken.

    Returns:
        (64, frames, 1) or (n, 64, frames, 1): a frame each 10 ms, the last one begun; 0 is -80 dB and less below a
        full-scale sine, 1 is 0 dB and more.

    Raises:
        ValueError, TypeError: waveforms that cannot be used; the message says why.
    """
    found = checked(waveforms, rate=rate)
    lengths = {len(waveform) for waveform in found}
    if len(lengths) > 1:
        raise ValueError(f"The waveforms have lengths from {min(lengths)} to {max(lengths)}: pad or cut them to one.")
    x = spectra.log_mel(np.stack(found))
    return x[0] if is_single(waveforms) else x


def add_noise(waveforms, snr_db: float, *, kind: str = "white", voices=None, seed: int = 0):
    """Return waveforms plus noise at exactly that signal-to-noise ratio, not clipped, in the form given.

    Args:
        waveforms: (samples,), (n, samples), or a sequence of waveforms.
        snr_db: ten times the decimal logarithm of the clean waveform's power over the noise's.
        kind: "white" or "pink" (power falling with frequency, 3 dB an octave), both Gaussian, or "babble", the sum of
            six of `voices` at equal power, each begun at a random place and repeated to the length.
        voices: for "babble": recordings of other speakers than those that are to be heard, such as a sequence of
            waveforms.
        seed: of the noise; each waveform gets its own.

    Raises:
        ValueError, TypeError: waveforms or voices that cannot be used, silent ones too, an unknown kind, or "babble"
            without voices.
    """
    checked_kind(kind, voices)
    if not np.isfinite(snr_db):
        raise ValueError(f"snr_db must be a number, got {snr_db!r}.")
    voices = checked(voices, "voices", silence=False) if kind == "babble" else []
    noisy = []
    for index, clean in enumerate(checked(waveforms, silence=False)):
        rng = np.random.default_rng([seed, index])
        noise = _babble(voices, len(clean), rng) if voices else rng.standard_normal(len(clean))
        if kind == "pink":
            spectrum = np.fft.rfft(noise)
            spectrum[0] = 0
            noise = np.fft.irfft(spectrum / np.sqrt(np.maximum(np.arange(len(spectrum)), 1)), len(clean))
        power = np.mean(np.square(clean, dtype="float64")) / 10 ** (snr_db / 10)
        noisy.append((clean + noise * np.sqrt(power / np.mean(noise**2))).astype("float32"))
    return like(waveforms, noisy)


def checked_kind(kind: str, voices) -> None:
    """Raise a `ValueError` where the kind of noise is unknown, or needs voices and has none."""
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}.")
    if kind == "babble" and voices is None:
        raise ValueError("kind='babble' needs voices: recordings of other speakers.")


def _babble(voices: list[np.ndarray], samples: int, rng: np.random.Generator) -> np.ndarray:
    chosen = rng.choice(len(voices), TALKERS, replace=len(voices) < TALKERS)
    total = np.zeros(samples)
    for place in chosen:
        voice = voices[place] / np.sqrt(np.mean(np.square(voices[place], dtype="float64")))
        total += np.resize(np.roll(voice, -rng.integers(len(voice))), samples)
    return total


def checked_pairs(clean, estimate) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return clean waveforms with their estimates, or raise a `ValueError` where they do not go together."""
    cleans, estimates = checked(clean, "clean", silence=False), checked(estimate, "estimate")
    if [len(one) for one in cleans] != [len(one) for one in estimates]:
        raise ValueError("clean and estimate must have the same number of waveforms and the same lengths.")
    return list(zip(cleans, estimates, strict=True))


def si_sdr(clean, estimate) -> np.ndarray | float:
    """Return the scale-invariant signal-to-distortion ratio in dB, (n,), or a float for one waveform; higher is better.

    10 log10(|a s|^2 / |a s - e|^2) with a = <e, s> / |s|^2 (Le Roux et al. 2019, Eq. 3); means are not taken off.
    A perfect estimate has inf, one without any of the signal -inf.

    Raises:
        ValueError, TypeError: waveforms that cannot be used, silent clean ones too, or of other lengths.
    """
    ratios = np.array([_si_sdr(s, e) for s, e in checked_pairs(clean, estimate)])
    return float(ratios[0]) if is_single(clean) else ratios


def _si_sdr(s: np.ndarray, e: np.ndarray) -> float:
    s, e = s.astype("float64"), e.astype("float64")
    target = (e @ s) / (s @ s) * s
    error = target - e
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = (target @ target) / (error @ error)
        return -np.inf if np.isnan(ratio) else 10 * np.log10(ratio)


def write_wav(path: str | os.PathLike, waveform, rate: int = spectra.RATE) -> None:
    """Write a waveform of a full scale of 1 as 16-bit mono WAV, whole or not at all; what exceeds 1 is clipped."""
    (samples,) = checked([waveform], "waveform")
    with replacing(path) as temporary, wave.open(str(temporary), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.rint(np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
