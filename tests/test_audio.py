"""Speech: spectra, noise, SI-SDR and denoising, against closed forms, Keras' own layers and made signals."""

import os
import wave
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from keras import ops

import keras_ae
from keras_ae import Spec, SpecError, SpectralNoise, audio, spectra
from keras_ae.corruptions import Corrupt, corrupt
from keras_ae.datasets import load
from keras_ae.datasets.parts import Part
from keras_ae.datasets.speech import SpeechStore

REAL = os.environ.get("TFDS_DATA_DIR")
needs_digits = pytest.mark.skipif(
    REAL is None or not (Path(REAL) / "spoken_digit").is_dir(), reason="TFDS_DATA_DIR holds no prepared spoken_digit"
)


def voice(seconds=0.6, pitch=120.0, seed=0):
    """A made vowel: harmonics of a gliding pitch under two resonances, fading in and out; a peak of 1."""
    time = np.arange(int(seconds * spectra.RATE)) / spectra.RATE
    rng, total = np.random.default_rng(seed), np.zeros(len(time))
    glide = pitch * time + 10 * time**2
    for harmonic in range(1, int(3500 / pitch)):
        hertz = harmonic * pitch
        size = np.exp(-(((hertz - 600) / 300) ** 2)) + 0.3 * np.exp(-(((hertz - 1800) / 400) ** 2)) + 0.001
        total += size * np.sin(2 * np.pi * (harmonic * glide + rng.random()))
    total *= np.sin(np.pi * np.arange(len(time)) / len(time)) ** 2
    return (total / np.abs(total).max()).astype("float32")


VOICES = [voice(0.5 + 0.02 * index, pitch=100 + 17 * index, seed=index) for index in range(8)]


class Told:
    """A model that answers what it is told to: a function from log-mel spectrograms to log-mel spectrograms."""

    spec = SimpleNamespace(input_shape=(64, 64, 1))

    def __init__(self, answer):
        self.reconstruct = answer


# Spectra


@pytest.mark.parametrize("samples", [1, 79, 80, 500, 5120, 7001])
def test_istft_undoes_stft(samples):
    waveform = np.random.default_rng(0).standard_normal(samples).astype("float32")
    transform = spectra.stft(waveform)
    assert transform.shape == (spectra.frames_of(samples), 257)
    np.testing.assert_allclose(spectra.istft(transform, samples), waveform, atol=2e-5)


def test_filters_are_those_of_keras_and_share_all_power_between_neighbours():
    theirs = keras.layers.MelSpectrogram().linear_to_mel_weight_matrix(64, 257, 8000, 0.0, 4000.0)
    np.testing.assert_allclose(spectra.filterbank(), ops.convert_to_numpy(theirs), atol=2e-4)
    hertz = np.arange(257) * 8000 / 512
    inside = (hertz > 25) & (hertz < 3800)
    np.testing.assert_allclose(spectra.filterbank()[inside].sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(spectra.interpolation().sum(axis=0), 1, atol=1e-5)


def test_log_mel_is_keras_mel_spectrogram_in_decibels_above_a_fixed_floor():
    waveform = voice()
    layer = keras.layers.MelSpectrogram(512, 80, sampling_rate=8000, num_mel_bins=64, min_freq=0.0, power_to_db=False)
    power = ops.convert_to_numpy(layer(waveform[None, 40:]))[0] * (2 / 256) ** 2  # Keras' frames begin 40 samples off.
    wanted = np.clip(10 * np.log10(np.maximum(power, 1e-30)), -80, 0)
    found = audio.log_mel(waveform)
    assert found.shape == (64, 60, 1) and found.dtype == np.float32
    np.testing.assert_allclose(found[:, 4:-4, 0] * 80 - 80, wanted[:, 4:56], atol=0.01)


def test_a_full_scale_sine_is_at_0_db_and_one_of_a_hundredth_at_minus_40():
    sine = np.sin(2 * np.pi * 1000 / 8000 * np.arange(5120)).astype("float32")
    bins = np.abs(spectra.stft(sine))[30] * 2 / spectra.window().sum()
    np.testing.assert_allclose(bins[64], 1, atol=1e-4)
    loud, soft = (audio.log_mel(level * sine)[:, 30, 0] for level in (0.5, 0.005))
    np.testing.assert_allclose((loud.max() - soft.max()) * 80, 40, atol=0.01)
    assert loud.argmax() == np.abs(spectra.filterbank()[64]).argmax()


def test_units_and_power_are_inverse_between_floor_and_ceiling():
    power = np.array([1e-12, 1e-8, 1e-5, 0.3, 1.0, 7.0])
    np.testing.assert_allclose(spectra.to_unit(power)[[0, 1, 4, 5]], [0, 0, 1, 1], atol=1e-6)
    np.testing.assert_allclose(spectra.to_power(spectra.to_unit(power))[1:5], power[1:5], rtol=1e-4)


# Noise and SI-SDR


@pytest.mark.parametrize("kind", ["white", "pink"])
@pytest.mark.parametrize("snr_db", [-5, 0, 12.5])
def test_noise_has_exactly_its_ratio(kind, snr_db):
    for clean, noisy in zip(VOICES, audio.add_noise(VOICES, snr_db, kind=kind), strict=True):
        ratio = np.mean(clean.astype("float64") ** 2) / np.mean((noisy - clean).astype("float64") ** 2)
        np.testing.assert_allclose(10 * np.log10(ratio), snr_db, atol=1e-4)


@pytest.mark.parametrize(("kind", "slope"), [("white", 0), ("pink", -1)])
def test_noise_falls_with_frequency_as_its_kind_says(kind, slope):
    clean = np.full(2**17, 1e-3, "float32")
    power = np.abs(np.fft.rfft(audio.add_noise(clean, -60, kind=kind).astype("float64"))) ** 2
    hertz = np.arange(len(power))
    octaves = [(hertz >= low) & (hertz < 2 * low) for low in 2 ** np.arange(7, 16)]
    fitted = np.polyfit(np.arange(9), [np.log2(power[octave].mean()) for octave in octaves], 1)[0]
    assert abs(fitted - slope) < 0.05


def test_noise_is_drawn_for_each_waveform_by_seed_in_the_form_given():
    clean = np.stack([voice()] * 2)
    noisy = audio.add_noise(clean, 5, seed=1)
    assert noisy.shape == clean.shape and (noisy[0] != noisy[1]).any()
    np.testing.assert_array_equal(noisy, audio.add_noise(clean, 5, seed=1))
    np.testing.assert_array_equal(noisy[0], audio.add_noise(clean[0], 5, seed=1))
    assert (audio.add_noise(clean, 5, seed=2) != noisy).any()
    assert isinstance(audio.add_noise(list(clean), 5), list)


def test_si_sdr_closed_forms():
    time = np.arange(800) / 800
    s, n = np.sin(2 * np.pi * 5 * time), np.cos(2 * np.pi * 5 * time)  # Orthogonal, of one power.
    for level in (0.1, 1.0, 3.0):
        for scale in (1e-3, -1.0, 50.0):
            found = audio.si_sdr(s, scale * (s + level * n))
            np.testing.assert_allclose(found, -20 * np.log10(level), atol=1e-4)
    assert audio.si_sdr(s, s) > 100
    assert audio.si_sdr(s, n) < -100
    assert audio.si_sdr(s, np.zeros(800)) == -np.inf
    np.testing.assert_allclose(audio.si_sdr([s, s], [s + n, s + 0.1 * n]), [0, 20], atol=1e-4)


# The corruption in the spectrogram


def spectrograms(waveforms):
    return np.stack([spectra.log_mel(np.pad(one, (0, spectra.SAMPLES - len(one)))) for one in waveforms])


@pytest.mark.parametrize("snr", [-5.0, 5.0, 20.0])
def test_spectral_noise_is_like_noise_in_the_waveform(snr):
    clean = VOICES * 4
    simulated = ops.convert_to_numpy(corrupt(SpectralNoise((snr, snr)), ops.convert_to_tensor(spectrograms(clean)), 0))
    real = spectrograms(audio.add_noise(clean, snr))
    inner = [slice(3, len(one) // spectra.HOP - 3) for one in clean]  # Real noise ends where the recording does.
    pairs = zip(simulated, real, inner, strict=True)
    ours, theirs = zip(*((80 * a[:, part, 0], 80 * b[:, part, 0]) for a, b, part in pairs), strict=True)
    ours, theirs = np.concatenate(ours, axis=1), np.concatenate(theirs, axis=1)
    assert abs(ours.mean() - theirs.mean()) < 0.4
    assert np.abs((ours - theirs).mean(axis=1)).max() < 1.5
    for measure in (np.std, lambda x: np.diff(x, axis=0).std(), lambda x: np.diff(x, axis=1).std()):
        assert abs(measure(ours) / measure(theirs) - 1) < 0.06


def test_a_tilt_takes_that_much_from_each_octave():
    x = ops.convert_to_tensor(spectrograms(VOICES * 4))
    white, tilted = (
        ops.convert_to_numpy(corrupt(SpectralNoise((-15.0, -15.0), (tilt, tilt)), x, 0)) for tilt in (0.0, 6.0)
    )
    fall = 80 * (tilted - white).mean(axis=(0, 2, 3))
    centres = 700 * np.expm1(np.linspace(0, np.log1p(4000 / 700), 66)[1:-1])
    slope = np.polyfit(np.log2(centres[10:-4]), fall[10:-4], 1)[0]
    assert abs(slope + 6) < 0.2


def test_spectral_noise_draws_a_level_for_each_sample():
    x = np.repeat(spectrograms(VOICES[:1]), 64, axis=0)
    noisy = ops.convert_to_numpy(corrupt(SpectralNoise((-10.0, 30.0)), ops.convert_to_tensor(x), 1))
    levels = 80 * noisy[:, 40:, :, 0].mean(axis=(1, 2))
    assert levels.max() - levels.min() > 25
    assert noisy.min() >= 0 and noisy.max() <= 1 and noisy.shape == x.shape


def test_little_noise_leaves_the_spectrogram_and_silence_gets_none():
    x = spectrograms(VOICES)
    x = np.concatenate([x, np.zeros_like(x[:1])])
    noisy = ops.convert_to_numpy(corrupt(SpectralNoise((90.0, 90.0)), ops.convert_to_tensor(x), 1))
    loud = x > 0.6
    np.testing.assert_allclose(noisy[loud], x[loud], atol=0.01)
    np.testing.assert_array_equal(noisy[-1], 0)


def test_the_layer_of_spectral_noise_draws_anew_unless_told_a_seed():
    layer, x = Corrupt(SpectralNoise(), seed=7), spectrograms(VOICES)
    first, second = (ops.convert_to_numpy(layer(x)) for _ in range(2))
    assert (first != second).any()
    np.testing.assert_array_equal(*(ops.convert_to_numpy(layer(x, seed=3)) for _ in range(2)))


def test_spectral_noise_is_checked_and_travels_as_json():
    spec = keras_ae.spec("conv_denoising_ae", input_shape=(64, 64, 1), corruption="spectral", strength=(0, 10))
    assert spec.corruption == SpectralNoise((0.0, 10.0))
    assert Spec.from_json(spec.to_json()) == spec
    with pytest.raises(SpecError, match=r"snr must be \(least, greatest\)"):
        SpectralNoise((5.0, 0.0))
    with pytest.raises(SpecError, match=r"tilt must be \(least, greatest\)"):
        SpectralNoise(tilt=3.0)
    with pytest.raises(ValueError, match=r"log-mel spectrograms \(batch, 64, frames, 1\), not \(2, 28, 28, 1\)"):
        corrupt(SpectralNoise(), ops.zeros((2, 28, 28, 1)), 0)


def test_a_model_learns_under_spectral_noise():
    model = keras_ae.build("conv_denoising_ae", input_shape=(64, 64, 1), latent_dim=4, corruption="spectral", seed=0)
    x = spectrograms(VOICES)
    losses = model.fit(x, epochs=3, batch_size=8, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


# Denoising


@pytest.mark.parametrize("samples", [300, 5120, 5121, 20_000])
def test_a_model_that_hears_no_noise_changes_nothing(samples):
    waveform = np.resize(voice(), samples)
    np.testing.assert_allclose(audio.denoise(Told(lambda x: x), waveform), waveform, atol=1e-4)


def test_a_model_that_hears_no_speech_leaves_silence():
    noisy = audio.add_noise(voice(), 0)
    assert np.abs(audio.denoise(Told(np.zeros_like), noisy)).max() < 0.01


@pytest.mark.parametrize("level", [1.0, 0.02])
def test_a_model_that_knows_the_speech_takes_most_noise_off_at_any_level(level):
    noisy = audio.add_noise(VOICES, 0)
    told = Told(lambda _: spectrograms(VOICES))
    # 64 bands blur what the model knows, and the noisy phase stays.
    gains = audio.si_sdr(VOICES, audio.denoise(told, [level * one for one in noisy]))
    assert gains.mean() > 8
    loudness = [np.abs(one).max() for one in audio.denoise(told, [level * one for one in noisy])]
    np.testing.assert_allclose(np.median(loudness), level, rtol=0.3)


def test_denoise_gives_back_the_form_it_was_given():
    told, waveform = Told(lambda x: x), voice()
    assert audio.denoise(told, waveform).shape == waveform.shape
    assert audio.denoise(told, np.stack([waveform] * 3)).shape == (3, len(waveform))
    assert [len(one) for one in audio.denoise(told, VOICES)] == [len(one) for one in VOICES]


def test_waveforms_that_cannot_be_used_are_refused_in_words():
    told, good = Told(lambda x: x), voice()
    with pytest.raises(ValueError, match=r"rate=16000: .* 8000 Hz. Resample"):
        audio.denoise(told, good, rate=16000)
    with pytest.raises(ValueError, match=r"rate=44100"):
        audio.log_mel(good, rate=44100)
    with pytest.raises(ValueError, match=r"waveforms\[0\] has NaN or inf"):
        audio.denoise(told, np.full(100, np.nan))
    with pytest.raises(ValueError, match=r"waveforms\[1\] is silent"):
        audio.add_noise([good, np.zeros(100)], 0)
    with pytest.raises(ValueError, match="waveforms is empty"):
        audio.denoise(told, [])
    with pytest.raises(ValueError, match=r"waveforms\[0\] has shape \(0,\)"):
        audio.log_mel([np.zeros(0)])
    with pytest.raises(ValueError, match=r"has shape \(2, 3, 4\)|has shape \(3, 4\)"):
        audio.log_mel(np.zeros((2, 3, 4)))
    with pytest.raises(TypeError, match=r"int16\. Give floats of a full scale of 1"):
        audio.denoise(told, np.ones(100, "int16"))
    with pytest.raises(ValueError, match="lengths from 4000 to 4800"):
        audio.log_mel([good, voice(0.5)])
    with pytest.raises(ValueError, match=r"shape \(4800, 2\), as \(samples, channels\) has. Give one channel"):
        audio.denoise(told, np.stack([good, good], axis=1))
    with pytest.raises(ValueError, match="kind must be one of white, pink, babble, got 'brown'"):
        audio.add_noise(good, 0, kind="brown")
    with pytest.raises(ValueError, match="snr_db must be a number, got nan"):
        audio.add_noise(good, np.nan)
    with pytest.raises(ValueError, match="same number of waveforms and the same lengths"):
        audio.si_sdr(good, good[1:])
    with pytest.raises(ValueError, match=r"input_shape \(64, 64, 1\), or of masks.*has \(28, 28, 1\)"):
        audio.denoise(keras_ae.build("ae"), good)


# Files


def test_wav_files_hold_the_samples_or_are_not_there(tmp_path):
    path, waveform = tmp_path / "a.wav", np.array([0.0, 0.5, -1.0, 1.0, 3.0])
    audio.write_wav(path, waveform)
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (8000, 1, 2)
        samples = np.frombuffer(file.readframes(9), "<i2")
    np.testing.assert_allclose(samples / 32767, [0, 0.5, -1, 1, 1], atol=2e-5)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="NaN"):
        audio.write_wav(path, np.array([np.nan]))
    with pytest.raises(wave.Error):
        audio.write_wav(path, waveform, rate=0)
    assert path.read_bytes() == before and [one.name for one in tmp_path.iterdir()] == ["a.wav"]


@pytest.fixture
def part():
    return Part(SpeechStore(VOICES, np.array([1, 0] * 4), name="x"), np.array([0, 1, 3, 6]), name="test")


def test_a_part_gives_its_recordings_in_its_order(part):
    found = audio.waveforms(part)
    assert len(found) == 4
    np.testing.assert_array_equal(found[2], VOICES[3])
    np.testing.assert_allclose(part.x, spectrograms([VOICES[row] for row in part.rows]), atol=1e-6)
    with pytest.raises(ValueError, match="has no recordings"):
        audio.waveforms(load({"x": np.zeros((20, 3))}).train)


def test_numbers_of_a_model_that_changes_nothing_are_those_of_the_noise(part):
    found = audio.measure_speech(Told(lambda x: x), part, levels=(0, 7.5))
    assert list(found) == ["si_sdr_noisy_0db", "si_sdr_0db", "si_sdr_noisy_7.5db", "si_sdr_7.5db"]
    for name, wanted in (("noisy_0db", 0), ("0db", 0), ("noisy_7.5db", 7.5), ("7.5db", 7.5)):
        number = found[f"si_sdr_{name}"]
        assert abs(number["value"] - wanted) < 0.3 and 0 < number["error"] < 0.2
        assert "4 recordings of test" in number["protocol"]


def test_examples_are_files_of_each_label(part, tmp_path):
    files = audio.write_examples(Told(lambda x: x), part, tmp_path / "new", levels=(0,), count=3)
    names = [
        f"{name}-{kind}.wav" for name in ("00-0", "01-1", "02-0") for kind in ("0dB-denoised", "0dB-noisy", "clean")
    ]
    assert [file.name for file in files] == names == sorted(file.name for file in (tmp_path / "new").iterdir())


# The real set


@needs_digits
def test_spoken_digits_are_the_official_split():
    data = load("spoken_digit", download=False)
    assert data.input_shape == (64, 64, 1)
    assert [len(part) for part in (data.train, data.validation, data.test)] == [2025, 225, 250]
    assert data.info["licence"] == "CC BY-SA 4.0" and "log-mel" in data.info["preprocessing"]
    np.testing.assert_array_equal(np.bincount(data.test.y), [25] * 10)
    np.testing.assert_array_equal(np.bincount(data.train.y) + np.bincount(data.validation.y), [225] * 10)
    recordings = audio.waveforms(data.validation)
    for place in (0, 100, 224):
        assert np.abs(recordings[place]).max() == 1
        np.testing.assert_allclose(
            data.validation.x[place, :, :8], spectra.log_mel(recordings[place])[:, :8], atol=1e-5
        )
    digests = [one.tobytes() for part in (data.train, data.validation, data.test) for one in audio.waveforms(part)]
    assert len(set(digests)) == 2500


@needs_digits
def test_spoken_digits_have_one_size_and_are_read_whole():
    with pytest.raises(ValueError, match="neither stream=True nor image_size"):
        load("spoken_digit", stream=True, download=False)
