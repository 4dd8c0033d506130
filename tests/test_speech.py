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
from keras_ae.audio.masks import MASK_SHAPE, compressed, ideal_mask, levels, mask, resized


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


def test_a_model_that_changes_nothing_leaves_the_recording_and_one_that_hears_nothing_silence():
    pause = np.concatenate([VOICES[0], np.zeros(9000, "float32"), VOICES[1]])
    for waveform in (VOICES[0], 0.01 * np.resize(VOICES[1], 12_345), pause):
        np.testing.assert_allclose(audio.denoise(Told(lambda x: x), waveform), waveform, atol=2e-3)
        np.testing.assert_allclose(audio.denoise(Told(np.zeros_like), waveform), waveform.mean(), atol=1e-6)


def test_the_offset_of_a_recording_is_no_noise():
    told = Told(lambda x: 0.5 * x)
    found = audio.denoise(told, VOICES[0] + np.float32(0.25))
    np.testing.assert_allclose(found - 0.25, audio.denoise(told, VOICES[0]), atol=1e-4)


def test_what_a_model_is_given_does_not_hang_on_the_level():
    seen = []
    told = Told(lambda x: seen.append(x) or x)
    for level in (1.0, 1e-3):
        audio.denoise(told, level * np.resize(VOICES[0], 9000))
    np.testing.assert_allclose(*seen, atol=1e-3)


def test_the_mask_of_clean_magnitudes_is_their_share_of_the_noisy_ones():
    rng = np.random.default_rng(0)
    noisy = rng.random((3, 8, 5)) + 0.1
    share = rng.random(noisy.shape)
    level = levels(noisy)
    np.testing.assert_allclose(np.mean((noisy / level) ** 2, axis=(1, 2)), 1)
    given, found = compressed(noisy, level), compressed(share * noisy, level)
    np.testing.assert_allclose(mask(found, given), share, atol=1e-5)
    np.testing.assert_array_equal(mask(2 * given, given), np.ones_like(given))
    assert not mask(-given, given).any() and not mask(given, 0 * given).any()
    np.testing.assert_array_equal(levels(np.zeros((4, 4))), [[1]])


def test_the_ideal_mask_takes_most_noise_off():
    clean = np.stack([np.resize(one, spectra.SAMPLES) for one in VOICES])
    noisy = audio.add_noise(clean, 0)
    pairs = [(spectra.stft(s), spectra.stft(x)) for s, x in zip(clean, noisy, strict=True)]
    wanted = np.stack([ideal_mask(s, x) * np.abs(x[:, 1:]) for s, x in pairs])
    found = compressed(wanted, levels(np.stack([np.abs(x[:, 1:]) for _, x in pairs])))
    estimate = audio.denoise(Told(lambda _: found.swapaxes(1, 2)[..., None]), noisy)
    assert audio.si_sdr(clean, estimate).min() > 12


@pytest.mark.parametrize(("samples", "wanted"), [(400, 320), (320, 400), (401, 333), (100, 100)])
def test_a_resized_sine_is_the_sine_of_that_length(samples, wanted):
    def sine(count):
        return np.sin(2 * np.pi * 7 * np.arange(count) / count)

    np.testing.assert_allclose(resized(sine(samples), wanted), sine(wanted), atol=1e-5)


def test_batches_of_masks_are_pairs_whose_noise_changes_with_the_epoch():
    batches = audio.MaskBatches([*VOICES, voice(1.5)], 4, snr=(0.0, 0.0), kinds=("white", "pink"))
    assert len(batches) == 3  # Eight short ones, and three pieces of the long one.
    pairs = [batches[index] for index in range(3)]
    assert [x.shape for x, _ in pairs] == [(4, *MASK_SHAPE)] * 2 + [(3, *MASK_SHAPE)]
    for x, y in pairs:
        assert x.shape == y.shape and x.dtype == y.dtype == np.float32
        assert (y >= 0).all() and (y <= x + 1e-6).all()
        np.testing.assert_allclose(np.mean(x**4, axis=(1, 2, 3)), 1, rtol=1e-4)  # The power of compressed magnitudes.
        assert np.corrcoef(x.ravel(), y.ravel())[0, 1] > 0.2  # Where it is loud is speech.
    np.testing.assert_array_equal(batches[1][0], pairs[1][0])
    batches.on_epoch_end()
    assert (batches[1][0] != pairs[1][0]).any()
    steady = audio.MaskBatches(VOICES, fresh=False)
    before = steady[0][0]
    steady.on_epoch_end()
    np.testing.assert_array_equal(steady[0][0], before)


def test_a_speed_moves_the_pitch():
    hum = np.sin(2 * np.pi * 500 / 8000 * np.arange(40_000)).astype("float32")
    for speed in (0.8, 1.25):
        batches = audio.MaskBatches([hum], 1, snr=(60.0, 60.0), speed=(speed, speed))
        loudest = batches[0][1][0, :, 30, 0].argmax() + 1  # Bins of 15.6 Hz, that of 0 Hz left out.
        assert abs(loudest * 8000 / 512 - 500 * speed) < 16


@pytest.mark.parametrize(
    ("waveforms", "options", "error", "message"),
    [
        (VOICES, {"speed": (0, 1)}, ValueError, r"speed must be \(least, greatest\), both above 0, got \(0, 1\)"),
        (VOICES, {"snr": (5, 0)}, ValueError, r"snr must be \(least, greatest\) in dB, got \(5, 0\)"),
        (VOICES, {"kinds": ("white", "brown")}, ValueError, "kind must be one of white, pink, babble, got 'brown'"),
        (VOICES, {"kinds": ("babble",)}, ValueError, "'babble' needs voices"),
        ([VOICES[0], np.zeros(99)], {}, ValueError, r"waveforms\[1\] is silent"),
        ([], {}, ValueError, "waveforms is empty"),
        ([np.ones(99, "int16")], {}, TypeError, "int16. Give floats"),
    ],
)
def test_batches_that_cannot_be_made_are_refused_before_any_training(waveforms, options, error, message):
    with pytest.raises(error, match=message):
        audio.MaskBatches(waveforms, **options)


@pytest.mark.slow
def test_a_model_of_masks_learns_and_denoises():
    model = keras_ae.build(audio.mask_spec(widths=(4, 8)), optimizer=keras.optimizers.Adam(5e-3), seed=0)
    batches = audio.MaskBatches(VOICES, 4, snr=(0.0, 0.0), speed=(1, 1))
    history = model.fit(batches, epochs=15, verbose=0).history["loss"]
    assert history[-1] < history[0]
    noisy = audio.add_noise(VOICES, 0)
    assert audio.si_sdr(VOICES, audio.denoise(model, noisy)).mean() > audio.si_sdr(VOICES, noisy).mean() + 3
    with pytest.raises(ValueError, match="rate=16000"):
        audio.denoise(model, noisy, rate=16000)
    with pytest.raises(ValueError, match=r"waveforms\[0\] is silent"):
        audio.denoise(model, np.zeros(4000))


# From log-mel spectrograms to waveforms


@pytest.mark.slow
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
