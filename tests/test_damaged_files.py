"""What is not as it was written is refused in a sentence that names the file, and nothing of it is loaded."""

import json
import os
import re
import subprocess
import sys
import zipfile

import h5py
import keras
import numpy as np
import pytest

import keras_ae
from keras_ae import Dense, Gaussian, digests
from keras_ae.checkpoints import KeepState
from keras_ae.files import replacing

SPEC = keras_ae.Spec((6,), (Dense(8),), Gaussian(2), likelihood="gaussian")
OTHER = 30, pytest.param(300, marks=pytest.mark.slow)
counts = pytest.mark.parametrize("count", OTHER)


@pytest.fixture(scope="module")
def trained():
    model = keras_ae.build(SPEC, seed=0)
    model.fit(np.random.default_rng(0).normal(size=(64, 6)).astype("float32"), verbose=0)
    return model


def state_of(model):
    return [np.array(variable) for variable in model.variables]


def same(first, second):
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def mutated(data: bytes, count: int):
    """Yield `count` damaged copies: bytes flipped, bytes lost, a part zeroed, an end cut off."""
    rng = np.random.default_rng(0)
    for index in range(count):
        copy, start, kind = bytearray(data), int(rng.integers(len(data))), index % 5
        if kind < 2:
            for place in rng.integers(len(data), size=(1, 8)[kind]):
                copy[place] ^= 1 << int(rng.integers(8))
        elif kind == 2:
            copy = copy[:start]
        elif kind == 3:
            del copy[start : start + int(rng.integers(1, 64))]
        else:
            copy[start : start + 64] = bytes(b ^ 0xFF for b in copy[start : start + 64])
        yield bytes(copy)


def check_sentence(error, file):
    assert "\n" not in str(error)
    assert str(error).startswith(str(file)), str(error)
    assert str(error).endswith(".")


def check_all_refused(file, data, load, count):
    for copy in mutated(data, count):
        assert copy != data
        file.write_bytes(copy)
        with pytest.raises((OSError, ValueError)) as caught:
            load(file)
        check_sentence(caught.value, file)


# Every kind of file


@counts
def test_no_damaged_weights_file_is_loaded(count, trained, tmp_path):
    file = tmp_path / "vae.weights.h5"
    trained.save_weights(file)
    model = keras_ae.build(SPEC, seed=1)
    before = state_of(model)
    check_all_refused(file, file.read_bytes(), model.load_weights, count)
    assert same(state_of(model), before)


@counts
def test_no_damaged_model_file_is_loaded(count, trained, tmp_path):
    file = tmp_path / "vae.keras"
    trained.save(file)
    check_all_refused(file, file.read_bytes(), keras_ae.load_model, count)


@counts
def test_keras_own_function_loads_no_other_values_from_a_damaged_model_file(count, trained, tmp_path):
    file = tmp_path / "vae.keras"
    trained.save(file)
    for copy in mutated(file.read_bytes(), count):
        file.write_bytes(copy)
        try:
            model = keras.saving.load_model(file)
        except Exception:  # Keras' and zipfile's own, of many types.
            continue
        assert same(model.get_weights(), trained.get_weights())
        assert model.spec == SPEC


@counts
def test_no_damaged_spec_of_a_run_is_loaded(count, tmp_path):
    data = {"x_train": np.zeros((20, 6), "float32"), "x_test": np.zeros((20, 6), "float32")}
    settings = keras_ae.runs.Settings(model="vae", dataset="table", epochs=1)
    keras_ae.runs.Run.create(tmp_path / "run", settings, keras_ae.datasets.load(data), SPEC)
    file = tmp_path / "run" / "spec.json"
    assert keras_ae.runs.Run.open(tmp_path / "run").spec == SPEC
    check_all_refused(file, file.read_bytes(), lambda _: keras_ae.runs.Run.open(tmp_path / "run"), count)


@counts
def test_a_damaged_spec_without_a_digest_is_refused_in_a_sentence_or_is_a_spec(count, tmp_path):
    file = tmp_path / "spec.json"
    for copy in mutated(SPEC.to_json().encode(), count):
        file.write_bytes(copy)
        try:
            assert isinstance(keras_ae.Spec.from_file(file), keras_ae.Spec)
        except keras_ae.SpecError as error:
            check_sentence(error, file)


@counts
def test_no_damaged_part_of_weights_in_several_files_is_loaded(count, trained, tmp_path):
    trained.save_weights(tmp_path / "vae.weights.json", max_shard_size=1e-6)
    parts = sorted(tmp_path.iterdir())
    assert len(parts) > 2
    model = keras_ae.build(SPEC, seed=1)
    before = state_of(model)
    for file in (tmp_path / "vae.weights.json", tmp_path / "vae_00001.weights.h5"):
        whole = file.read_bytes()
        for copy in mutated(whole, count):
            file.write_bytes(copy)
            with pytest.raises(OSError) as caught:
                model.load_weights(tmp_path / "vae.weights.json")
            check_sentence(caught.value, tmp_path / "vae.weights.json")
        file.write_bytes(whole)
    assert same(state_of(model), before)
    model.load_weights(tmp_path / "vae.weights.json")
    assert same(model.get_weights(), trained.get_weights())


def test_parts_of_two_savings_are_not_loaded_as_one(trained, tmp_path):
    trained.save_weights(tmp_path / "vae.weights.json", max_shard_size=1e-6)
    older = {file: file.read_bytes() for file in tmp_path.glob("*.weights.h5")}
    keras_ae.build(SPEC, seed=2).save_weights(tmp_path / "vae.weights.json", max_shard_size=1e-6)
    file = next(file for file in sorted(older) if file.read_bytes() != older[file])
    file.write_bytes(older[file])
    with pytest.raises(OSError, match=r"vae\.weights\.json is damaged"):
        keras_ae.build(SPEC).load_weights(tmp_path / "vae.weights.json")


# What else reads such files, and files of older versions


def test_other_readers_take_files_with_a_digest(trained, tmp_path):
    trained.save_weights(tmp_path / "vae.weights.h5")
    trained.save(tmp_path / "vae.keras")
    with h5py.File(tmp_path / "vae.weights.h5") as file:
        assert "layers" in file
    with zipfile.ZipFile(tmp_path / "vae.keras") as archive:
        assert archive.testzip() is None
    assert same(keras.saving.load_model(tmp_path / "vae.keras").get_weights(), trained.get_weights())


@pytest.mark.parametrize("name", ["vae.weights.h5", "vae.keras"])
def test_files_without_a_digest_are_loaded(name, trained, tmp_path):
    file = tmp_path / name
    if name.endswith(".keras"):
        keras.Model.save(trained, file)
        assert not digests.check(file)
        model = keras_ae.load_model(file)
    else:
        keras.Model.save_weights(trained, file)
        assert not digests.check(file)
        model = keras_ae.build(SPEC, seed=1)
        model.load_weights(file)
    assert same(model.get_weights(), trained.get_weights())


def test_weights_that_a_user_changes_with_h5py_are_loaded(trained, tmp_path):
    trained.save_weights(tmp_path / "vae.weights.h5")
    with h5py.File(tmp_path / "vae.weights.h5", "a") as file:
        file["layers/functional/layers/dense/vars/1"][:] = 3.0
    model = keras_ae.build(SPEC, seed=1)
    model.load_weights(tmp_path / "vae.weights.h5")
    assert any((np.array(value) == 3.0).all() for value in model.get_weights())


def test_a_state_within_an_epoch_has_its_digest(trained, tmp_path):
    KeepState(tmp_path, train=None).save(trained, 1, 2)
    (file,) = tmp_path.iterdir()
    assert digests.check(file)


# Endings


@pytest.mark.parametrize("name", ["vae.h5", "vae.hdf5", "vae.weights.h5", "vae", "vae.pt"])
def test_save_refuses_other_endings_and_touches_nothing(name, trained, tmp_path):
    config = trained.get_compile_config()
    with pytest.raises(ValueError, match=rf"^save takes a name that ends in \.keras, not .*{re.escape(name)}"):
        trained.save(tmp_path / name)
    assert list(tmp_path.iterdir()) == []
    assert trained.get_compile_config() == config


@pytest.mark.parametrize("name", ["vae.h5", "vae.keras", "vae", "vae.weights.json"])
def test_save_weights_refuses_other_endings_and_touches_nothing(name, trained, tmp_path):
    with pytest.raises(ValueError, match=rf"^save_weights takes a name that ends in \.weights\.h5, not .*{name}"):
        trained.save_weights(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_weights_in_several_files_want_their_ending(trained, tmp_path):
    with pytest.raises(ValueError, match=r"with max_shard_size takes a name that ends in \.weights\.json"):
        trained.save_weights(tmp_path / "vae.weights.h5", max_shard_size=1.0)
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_of_another_ending_is_refused_and_poisons_nothing(tmp_path):
    model = keras_ae.build(SPEC, seed=0)
    x = np.zeros((32, 6), "float32")
    with pytest.raises(ValueError, match=r"ends in \.keras"):
        model.fit(x, callbacks=keras.callbacks.ModelCheckpoint(str(tmp_path / "vae.h5")), verbose=0)
    model.save(tmp_path / "vae.keras")
    assert keras.saving.load_model(tmp_path / "vae.keras").fit(x, verbose=0)


def test_keras_own_function_poisons_nothing_either(trained, tmp_path):
    config = trained.get_compile_config()
    with pytest.raises(Exception):  # noqa: B017 (Keras' own, of a type that changes)
        keras.saving.save_model(trained, tmp_path / "vae.h5")
    assert trained.get_compile_config()["optimizer"]["class_name"] == config["optimizer"]["class_name"]
    trained.save(tmp_path / "vae.keras")
    assert keras_ae.load_model(tmp_path / "vae.keras").optimizer.built


@pytest.mark.parametrize("name", ["vae.h5", "vae.weights", "vae.npz"])
def test_load_weights_refuses_other_endings(name, trained, tmp_path):
    with pytest.raises(ValueError, match=r"load_weights takes \.weights\.h5"):
        trained.load_weights(tmp_path / name)


# What a kill leaves


def test_what_a_killed_writer_left_is_removed_by_the_next(tmp_path):
    program = (
        "import os, pathlib, sys\n"
        "from keras_ae.files import replacing\n"
        "with replacing(pathlib.Path(sys.argv[1]) / 'epoch-0001.weights.h5') as path:\n"
        "    path.write_text('half')\n"
        "    os._exit(1)\n"
    )
    subprocess.run(
        [sys.executable, "-c", program, tmp_path],
        check=False,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".")
    with replacing(tmp_path / "epoch-0002.weights.h5") as path:
        path.write_text("whole")
    assert [path.name for path in tmp_path.iterdir()] == ["epoch-0002.weights.h5"]


def test_what_a_living_writer_or_another_machine_writes_is_left(tmp_path):
    others = [".0123456789-1-it.txt", ".keep", ".1234-it.txt"]
    for name in others:
        (tmp_path / name).write_text("theirs")
    with replacing(tmp_path / "first.txt") as first:
        first.write_text("ours")
        with replacing(tmp_path / "second.txt") as second:
            second.write_text("ours")
        assert first.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*others, "first.txt", "second.txt"])


def test_an_error_names_the_file_of_the_user(trained, tmp_path):
    for save, name in ((trained.save_weights, "a.weights.h5"), (trained.save, "a.keras")):
        with pytest.raises(OSError) as caught:
            save(tmp_path / "nowhere" / name)
        assert f"nowhere{os.sep}{name}" in str(caught.value)


def test_a_damaged_run_file_is_named(tmp_path):
    (tmp_path / "run.json").write_text("{")
    (tmp_path / "spec.json").write_text(SPEC.to_json())
    with pytest.raises(ValueError, match=r"run\.json is damaged"):
        keras_ae.runs.Run.open(tmp_path)
    (tmp_path / "run.json").write_text(json.dumps([]))
    with pytest.raises(ValueError, match=r"run\.json is damaged"):
        keras_ae.runs.Run.open(tmp_path)
