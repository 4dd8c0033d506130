"""Speech: SI-SDR, STOI and PESQ of each method on a speaker whom the model has not heard."""

from functools import cache, partial

import classical
import numpy as np
from denoising_rows import shown, table, timed
from recipe_modules import recipe

import keras_ae
from keras_ae import audio, spectra
from keras_ae.audio.masks import ideal_mask

LEVELS, JOINS = (0, 5, 10), 10
OURS, CEILING = "**mask**", "ideal mask"
ours = recipe("denoising")


@cache
def data():
    """Return the data set."""
    return keras_ae.datasets.load("spoken_digit")


def ideal(clean: list[np.ndarray], noisy: list[np.ndarray]) -> list[np.ndarray]:
    """Return what the best mask in [0, 1] leaves, the phases being the noisy ones."""
    found = []
    for s, x in zip(clean, noisy, strict=True):
        transform = spectra.stft(x - x.mean())
        mask = np.pad(ideal_mask(spectra.stft(s - s.mean()), transform), [(0, 0), (1, 0)])
        found.append(x.mean() + spectra.istft(transform * mask, len(x)))
    return found


def without_offset(method, noisy: list[np.ndarray]) -> list[np.ndarray]:
    """Return what a method makes of waveforms whose means are set aside, as `audio.denoise` does, and put back."""
    return [x.mean() + method(x - x.mean()) for x in noisy]


def of_seed(arguments, seed: int) -> dict:
    """Return `{method: {kind of noise: {level: [SI-SDR, STOI, PESQ]}}}`, who speaks, and how many seconds."""
    name, others, clean = ours.leave_one_out(data(), seed)
    clean = clean[: 2 if arguments.small else JOINS]
    model = ours.train_speech(data(), seed, arguments.runs / f"speech-{seed}", smoke=arguments.small)
    methods = {"noisy": lambda noisy: noisy}
    methods |= {title: partial(without_offset, one) for title, one in classical.SPEECH.items()}
    methods |= {OURS: lambda noisy: audio.denoise(model, noisy), CEILING: lambda noisy: ideal(clean, noisy)}
    found = {title: {kind: {} for kind in audio.KINDS} for title in methods}
    for kind in audio.KINDS:
        for level in LEVELS:
            noisy = audio.add_noise(clean, level, kind=kind, voices=others, seed=seed)
            for title, method in methods.items():
                estimate = method(noisy)
                measures = (audio.si_sdr, audio.stoi, audio.pesq)
                found[title][kind][str(level)] = [float(measure(clean, estimate).mean()) for measure in measures]
    return found | {"speaker": [name]}


def section(arguments, kept) -> tuple[list[str], float]:
    """Measure what is not kept; return the lines of the section, and the seconds that it took."""
    numbers = [kept.get(f"speech/{seed}", timed, of_seed, arguments, seed) for seed in arguments.seeds]
    titles = ["noisy", *classical.SPEECH, OURS, CEILING]
    lines = []
    for kind in audio.KINDS:
        cells = {
            title: [cell([one[title][kind][str(level)] for one in numbers]) for level in LEVELS] for title in titles
        }
        columns = [f"{level} dB" for level in LEVELS]
        lines += ["", f"### {kind.capitalize()} noise", "", *table("method", columns, cells)]
    speakers = ", ".join(one["speaker"][0] for one in numbers)
    lines = [
        "## Speech",
        "",
        f"SI-SDR in dB / STOI / PESQ (narrow band), means over {JOINS} joins of {ours.JOINED} recordings of a speaker "
        f"of spoken_digit (TFDS 1.0.9, 8 kHz) who was left out of training, another one with each seed: {speakers}. "
        "The model is trained on the recordings of the other four under white, pink and babble noise at -5 to 15 dB. "
        "Babble: six joined recordings of those four, on whose babble the model was trained, too. Wiener and spectral "
        "subtraction take the noise from the quiet frames of each bin. The mean of a recording, an offset that "
        "nicolas' have, is set aside for all methods and put back. The ideal mask knows the clean speech: bin by bin "
        "no share in [0, 1] is better in squared error.",
        *lines,
    ]
    return lines, sum(one["seconds"] for one in numbers)


def cell(numbers: list) -> str:
    """Return SI-SDR, STOI and PESQ over seeds as text."""
    si_sdr, stoi, pesq = zip(*numbers, strict=True)
    return f"{shown(si_sdr, 2)} / {shown(stoi, 3)} / {np.mean(pesq):.2f}"
