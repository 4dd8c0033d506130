"""Masks, babble, the way back from log-mel spectrograms, and measures of other packages, on made signals."""

import sys
from importlib.util import find_spec
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from keras import ops
from test_audio import REAL, VOICES, needs_digits, voice

import keras_ae
from keras_ae import audio, spectra
from keras_ae.audio.masks import MASK_SHAPE, ideal_mask, log_magnitude


def needs(package):
    return pytest.mark.skipif(find_spec(package) is None, reason=f"{package} is not installed")


class Told:
    """A model of masks that answers what it is told to."""

    spec = SimpleNamespace(input_shape=MASK_SHAPE)

    def __init__(self, answer):
        self.reconstruct = answer


# Babble


def test_babble_is_a_sum_of_the_voices_at_equal_power_and_at_its_ratio():
    rng = np.random.default_rng(0)
    voices = [10.0**-index * rng.standard_normal(3000 + 100 * index) for index in range(6)]
    clean = voice(2.0)
    noise = audio.add_noise(clean, 3, kind="babble", voices=voices) - clean
    np.testing.assert_allclose(10 * np.log10(np.mean(clean**2) / np.mean(noise**2)), 3, atol=1e-3)
    spectrum = np.fft.fft(noise)
    found = [np.abs(np.fft.ifft(spectrum * np.fft.fft(one[:3000], 16000).conj())).max() for one in voices]
    sizes = np.array(found) / [np.sqrt(np.mean(one[:3000] ** 2)) for one in voices]
    assert sizes.max() / sizes.min() < 1.5  # Each is found in it, and none louder than another.


def test_babble_is_drawn_by_seed_and_needs_voices():
    noisy = [audio.add_noise(VOICES[0], 0, kind="babble", voices=VOICES[1:3], seed=seed) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(noisy[0], noisy[1])
    assert (noisy[0] != noisy[2]).any()
    with pytest.raises(ValueError, match="babble' needs voices"):
        audio.add_noise(VOICES[0], 0, kind="babble")
    with pytest.raises(ValueError, match=r"voices\[0\] is silent"):
        audio.add_noise(VOICES[0], 0, kind="babble", voices=[np.zeros(100)])


@needs_digits
def test_the_speakers_of_spoken_digits_are_five():
    data = keras_ae.datasets.load("spoken_digit", data_dir=REAL, download=False)
    names, counts = np.unique(audio.speakers(data.test), return_counts=True)
    assert len(names) == 5 and "jackson" in names and set(counts) == {50}
    with pytest.raises(ValueError, match="names no speakers"):
        audio.speakers(keras_ae.datasets.load({"x": np.zeros((20, 3))}).train)


# Masks


def test_our_transform_is_that_of_keras():
    waveform = voice()
    padded = np.pad(waveform, spectra.EDGE)
    real, imag = (
        ops.convert_to_numpy(part)[0]
        for part in ops.stft(padded[None], spectra.WINDOW, spectra.HOP, spectra.WINDOW, window="hann", center=False)
    )
    np.testing.assert_allclose(spectra.stft(waveform), real + 1j * imag, atol=1e-4)


def test_the_ideal_mask_is_the_best_real_factor_between_0_and_1():
    rng = np.random.default_rng(0)
    s, x = (rng.standard_normal((5, 257)) + 1j * rng.standard_normal((5, 257)) for _ in range(2))
    shares = np.linspace(0, 1, 1001)
    errors = np.abs(s[..., 1:, None] - shares * x[..., 1:, None])
    np.testing.assert_allclose(ideal_mask(s, x), shares[errors.argmin(axis=-1)], atol=6e-4)
    assert not ideal_mask(s, np.zeros_like(x)).any()


def test_a_mask_of_ones_changes_nothing_and_of_zeros_leaves_silence():
    for waveform in (VOICES[0], 0.01 * np.resize(VOICES[1], 12_345)):
        np.testing.assert_allclose(audio.denoise(Told(np.ones_like), waveform), waveform, atol=2e-3)
        assert not audio.denoise(Told(np.zeros_like), waveform).any()


def test_the_ideal_mask_takes_most_noise_off():
    clean = np.stack([np.resize(one, spectra.SAMPLES) for one in VOICES])
    noisy = audio.add_noise(clean, 0)
    pairs = [(spectra.stft(s), spectra.stft(x)) for s, x in zip(clean, noisy, strict=True)]
    masks = np.stack([ideal_mask(s, x) for s, x in pairs]).swapaxes(1, 2)[..., None]
    gains = audio.si_sdr(clean, audio.denoise(Told(lambda _: masks), noisy))
    assert gains.min() > 12


def test_batches_of_masks_are_pairs_whose_noise_changes_with_the_epoch():
    batches = audio.MaskBatches([*VOICES, voice(1.5)], 4, snr=(0.0, 0.0), kinds=("white", "pink"))
    assert len(batches) == 3
    pairs = [batches[index] for index in range(3)]
    assert [x.shape for x, _ in pairs] == [(4, *MASK_SHAPE)] * 2 + [(1, *MASK_SHAPE)]
    for x, y in pairs:
        assert x.shape == y.shape and x.dtype == y.dtype == np.float32
        assert x.min() >= 0 and x.max() <= 1 and y.min() >= 0 and y.max() <= 1
        assert np.corrcoef(x.ravel(), y.ravel())[0, 1] > 0.2  # Where it is loud is speech.
    np.testing.assert_array_equal(batches[1][0], pairs[1][0])
    batches.on_epoch_end()
    assert (batches[1][0] != pairs[1][0]).any()
    steady = audio.MaskBatches(VOICES, fresh=False)
    before = steady[0][0]
    steady.on_epoch_end()
    np.testing.assert_array_equal(steady[0][0], before)


def test_a_model_of_masks_learns_and_denoises():
    model = keras_ae.build(audio.mask_spec(filters=4), optimizer=keras.optimizers.Adam(5e-3), seed=0)
    history = model.fit(audio.MaskBatches(VOICES, 4, snr=(0.0, 0.0)), epochs=40, verbose=0).history["loss"]
    assert history[-1] < 0.9 * history[0]
    noisy = audio.add_noise(VOICES, 0)
    assert audio.si_sdr(VOICES, audio.denoise(model, noisy)).mean() > audio.si_sdr(VOICES, noisy).mean() + 1
    with pytest.raises(ValueError, match="rate=16000"):
        audio.denoise(model, noisy, rate=16000)
    with pytest.raises(ValueError, match=r"waveforms\[0\] is silent"):
        audio.denoise(model, np.zeros(4000))
    assert log_magnitude(spectra.stft(np.zeros(800))).shape == (10, 256)


# From log-mel spectrograms to waveforms


@needs("librosa")
@pytest.mark.filterwarnings("ignore")  # Of librosa's own imports.
def test_griffin_lim_gives_a_waveform_of_that_spectrogram():
    waveform = voice(0.64)
    x = audio.log_mel(waveform)
    found = audio.griffin_lim(x)
    assert found.shape == (5120,) and found.dtype == np.float32
    loud = x > 0.4
    assert 80 * np.abs(audio.log_mel(found) - x)[loud].mean() < 2.5  # dB
    np.testing.assert_allclose(np.sum(found**2) / np.sum(waveform**2), 1, rtol=0.3)
    pair = audio.griffin_lim(np.stack([x, np.zeros_like(x)]))
    np.testing.assert_array_equal(pair[0], found)
    assert not pair[1].any()


@pytest.mark.parametrize(
    ("x", "options", "message"),
    [
        (np.zeros((64, 64)), {}, r"shape \(64, 64\)"),
        (np.zeros((32, 64, 1)), {}, r"shape \(32, 64, 1\): .* \(n, 64, frames, 1\)"),
        (np.zeros((64, 0, 1)), {}, r"shape \(64, 0, 1\)"),
        (np.full((64, 9, 1), np.nan), {}, r"must lie in \[0, 1\], got values in \[nan"),
        (np.full((64, 9, 1), 1.5), {}, r"must lie in \[0, 1\]"),
        (np.zeros((64, 9, 1)), {"iterations": 0}, "iterations must be at least 1"),
    ],
)
def test_what_is_no_spectrogram_is_refused(x, options, message):
    with pytest.raises(ValueError, match=message):
        audio.griffin_lim(x, **options)


# Measures


def speech(seconds=4):
    rng = np.random.default_rng(0)
    said = np.concatenate([voice(0.3 + 0.3 * rng.random(), pitch=90 + 90 * rng.random()) for _ in range(20)])
    return np.resize(said, seconds * 8000).astype("float32")


@pytest.mark.parametrize(
    ("measure", "best"),
    [
        pytest.param(audio.stoi, 1.0, marks=needs("pystoi"), id="stoi"),
        pytest.param(audio.pesq, 4.5, marks=needs("pesq"), id="pesq"),
    ],
)
def test_a_measure_is_best_for_the_clean_one_and_falls_with_the_noise(measure, best):
    clean = speech()
    np.testing.assert_allclose(measure(clean, clean), best, rtol=0.02)
    values = [measure(clean, audio.add_noise(clean, snr)) for snr in (30, 10, -5)]
    assert values == sorted(values, reverse=True) and values[0] > values[2] + 0.1
    np.testing.assert_allclose(measure([clean, clean], [clean, clean]), [best] * 2, rtol=0.02)
    with pytest.raises(ValueError, match="Join short recordings"):
        measure(clean[:1000], clean[:1000])
    with pytest.raises(ValueError, match=r"clean\[0\] is silent"):
        measure(np.zeros(32000), clean)
    with pytest.raises(ValueError, match="same lengths"):
        measure(clean, clean[1:])


@pytest.mark.parametrize(
    ("package", "extra", "call"),
    [
        ("pystoi", "audio", lambda: audio.stoi(VOICES[0], VOICES[0])),
        ("pesq", "pesq", lambda: audio.pesq(VOICES[0], VOICES[0])),
        ("librosa", "audio", lambda: audio.griffin_lim(np.zeros((64, 9, 1)))),
    ],
)
def test_a_missing_package_is_named_with_its_extra(package, extra, call, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=rf"needs {package}, .*: pip install 'keras-ae\[{extra}\]'"):
        call()
