"""Files that version 0.1.0 wrote, `tests/data/`, read by this one: the same outputs, and training that goes on."""

import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_ae
from keras_ae import Spec, runs

DATA = Path(__file__).parent / "data"
EXPECTED = np.load(DATA / "expected.npz")
NAMES = sorted(path.name.removesuffix(".spec.json") for path in DATA.glob("*.spec.json"))
DRAWS = ("vae", "grey_vae", "denoising_ae")  # In training, where each backend has noise of its own.
BACKEND = keras.backend.backend()
each = pytest.mark.parametrize("name", NAMES)


def of_weights(name):
    model = keras_ae.build(Spec.from_file(DATA / f"{name}.spec.json"))
    model.load_weights(DATA / f"{name}.weights.h5")
    return model


def of_model(name):
    return keras_ae.load_model(DATA / f"{name}.keras")


def samples(model):
    return EXPECTED["images" if len(model.spec.input_shape) > 1 else "rows"]


def test_there_are_files_of_every_type():
    types = {Spec.from_file(DATA / f"{name}.spec.json").model for name in NAMES}
    assert types == {"ae", "vae", "sparse_ae", "neighbour_ae"}


@each
@pytest.mark.parametrize("load", [of_weights, of_model])
def test_an_old_file_gives_the_outputs_that_it_gave(name, load):
    model = load(name)
    x = samples(model)
    found = {**model.posterior(x), "x_hat": model.reconstruct(x), "score": model.score_samples(x)}
    for key, value in found.items():
        np.testing.assert_allclose(value, EXPECTED[f"{name}/{key}"], rtol=1e-4, atol=2e-5, err_msg=key)


@each
def test_training_goes_on_from_an_old_file(name):
    model = of_model(name)
    history = model.fit(samples(model), batch_size=4, epochs=2, verbose=0, shuffle=False).history
    found, expected = np.array(list(history.values())), EXPECTED[f"{name}/loss"]
    if name in DRAWS and BACKEND != "tensorflow":
        assert found.shape == expected.shape and np.isfinite(found).all()
    else:
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


@each
def test_a_spec_of_format_1_is_written_as_one_of_today(name):
    text = (DATA / f"{name}.spec.json").read_text()
    assert json.loads(text)["format"] == 1
    spec = Spec.from_json(text)
    assert json.loads(spec.to_json())["format"] == 2
    assert Spec.from_json(spec.to_json()) == spec


def test_an_old_run_that_was_cut_off_goes_on_to_its_end(tmp_path):
    folder = shutil.copytree(DATA / "run", tmp_path / "run")
    run, data = runs.resume(runs.Run.open(folder).settings, folder)
    assert run.last_checkpoint()[0] == 1
    run.train(data, verbose=0)
    found = np.array([list(row.values()) for row in run.rows()], dtype="float64")
    if BACKEND == "tensorflow":
        np.testing.assert_allclose(found, EXPECTED["run/history"], rtol=1e-3)
    else:
        np.testing.assert_allclose(found[0], EXPECTED["run/history"][0], rtol=1e-6)
        assert found.shape == EXPECTED["run/history"].shape and np.isfinite(found).all()
