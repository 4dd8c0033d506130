"""The recipe of denoising: who is left out, and that it runs."""

import importlib.util
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from test_audio import VOICES

from keras_ae import audio, denoising_spec
from keras_ae.datasets.parts import Part
from keras_ae.datasets.speech import SpeechStore


@pytest.fixture(scope="module")
def recipe(request):
    path = request.config.rootpath / "recipes" / "denoising.py"
    spec = importlib.util.spec_from_file_location("denoising", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def data():
    """Two dozen recordings of three speakers in three parts, each known by a level of its own."""
    recordings = [np.full(100, level, "float32") for level in range(1, 25)]
    said_by = np.array(["b", "a", "c"] * 8)
    store = SpeechStore(recordings, np.zeros(24, int), name="x", speakers=said_by)
    rows = np.split(np.random.default_rng(0).permutation(24), [15, 20])
    parts = (Part(store, one, name=name) for one, name in zip(rows, ("train", "validation", "test"), strict=True))
    return SimpleNamespace(**dict(zip(("train", "validation", "test"), parts, strict=True)))


@pytest.mark.parametrize(("seed", "wanted"), [(0, "a"), (1, "b"), (2, "c"), (3, "a")])
def test_nothing_of_the_speaker_who_is_left_out_is_trained_on(recipe, data, seed, wanted):
    name, others, own = recipe.leave_one_out(data, seed)
    assert name == wanted
    levels = {"b": range(1, 25, 3), "a": range(2, 25, 3), "c": range(3, 25, 3)}
    assert sorted(np.concatenate(own)) == sorted(np.repeat(levels[wanted], 100))
    rest = [level for speaker, some in levels.items() if speaker != wanted for level in some]
    assert sorted(np.concatenate(others)) == sorted(np.repeat(rest, 100))
    assert len(own) == 1 and len(others) == 2  # Eight of each, and ten would be joined.


def test_images_are_denoised_in_a_run_folder(recipe, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(recipe, "denoising_spec", partial(denoising_spec, widths=(2,)))
    recipe.images(seed=0, out=tmp_path / "run", smoke=True)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines if "PSNR" in line] == list(recipe.KINDS)
    assert (tmp_path / "run" / "denoised.png").stat().st_size > 20_000
    assert (tmp_path / "run" / "checkpoints" / "best.weights.h5").exists()


def test_speech_is_written_to_files_that_can_be_heard(recipe, tmp_path, capsys, monkeypatch):
    store = SpeechStore(VOICES * 2, np.zeros(16, int), name="x", speakers=np.array(["a", "b"] * 8))
    part, empty = Part(store, np.arange(16), name="train"), Part(store, np.arange(0), name="test")
    made = SimpleNamespace(train=part, validation=empty, test=empty)
    monkeypatch.setattr(recipe.keras_ae.datasets, "load", lambda name: made)
    monkeypatch.setattr(audio, "mask_spec", partial(audio.mask_spec, widths=(2,)))
    recipe.speech(seed=1, out=tmp_path, smoke=True)
    assert "b, white noise: SI-SDR 4.97 -> " in capsys.readouterr().out
    files = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert set(files) == {"model.weights.h5", "spectrograms.png", "clean.wav", "denoised.wav", "noisy.wav"}
    assert files["clean.wav"] == files["noisy.wav"] == files["denoised.wav"] > 40_000
