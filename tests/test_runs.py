import dataclasses
import json
import os
import signal
import subprocess
import sys
import time

import h5py
import keras
import numpy as np
import pytest

from keras_ae import runs, spec
from keras_ae.checkpoints import last_checkpoint
from keras_ae.rows import Ramp
from keras_ae.runs import Run, Settings

SMALL = Settings("vae", epochs=2, batch_size=64, smoke=True, overrides={"latent_dim": 3})


def finished(folder, settings=SMALL):
    run, data = runs.start(settings, folder)
    model = run.train(data, verbose=0)
    return run, model, run.report(model, data)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    return finished(tmp_path_factory.mktemp("runs") / "vae")


def arrays(path):
    """Every array of an HDF5 file by its path."""
    found = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return found


def test_a_run_folder_holds_what_the_module_says(done):
    run, _, numbers = done
    assert json.loads((run.folder / "run.json").read_text())["settings"]["model"] == "vae"
    assert Run.open(run.folder).spec == run.spec == spec("vae", latent_dim=3)
    assert [row["epoch"] for row in run.rows()] == ["0", "1"]
    assert {"loss", "nll", "kl", "val_loss", "active_units"} <= set(run.rows()[0])
    assert sorted(path.name for path in run.checkpoints.iterdir()) == ["best.weights.h5", "epoch-0002.weights.h5"]
    assert json.loads(run.metrics.read_text()) == numbers
    pictures = {path.name for path in run.pictures.glob("*.png")}
    assert pictures == {"history.png", "interpolations.png", "latents.png", "reconstructions.png", "samples.png"}
    assert {"latents.gif", "latents-0001.png"} <= {path.name for path in (run.pictures / "epochs").iterdir()}


def test_run_json_names_versions_seed_and_data(done):
    facts = done[0].facts()
    assert facts["settings"]["seed"] == 0
    assert facts["versions"]["backend"] == keras.backend.backend()
    assert facts["dataset"]["source"].startswith("a sample of MNIST")
    assert facts["seconds"] > 0
    assert facts["command"]


def test_test_numbers_are_those_of_the_best_weights(done):
    run, _, numbers = done
    model, data = run.load_model(), run.settings.load_data()
    assert run.evaluate(model, data) == {key: numbers[key] for key in numbers if key != "samples"}
    assert numbers["elbo"] == pytest.approx(-(numbers["nll"] + numbers["kl"]), rel=1e-6)
    assert numbers["mse"] == pytest.approx(model.reconstruction_error(data.test.x).mean(), rel=1e-5)


def test_resume_of_a_finished_run_trains_no_further(done):
    run, _, _ = done
    before = arrays(run.last_checkpoint().path)
    again, data = runs.resume(SMALL, run.folder)
    again.train(data, verbose=0)
    after = arrays(again.last_checkpoint().path)
    assert all(np.array_equal(before[name], after[name]) for name in before)
    assert len(again.rows()) == 2


def test_resume_with_other_settings_names_the_difference(done):
    other = dataclasses.replace(SMALL, learning_rate=0.5)
    with pytest.raises(ValueError, match=r"learning_rate: 0\.002 then, 0\.5 now"):
        runs.resume(other, done[0].folder)


def test_a_folder_with_a_run_is_not_overwritten(done):
    with pytest.raises(FileExistsError, match="--resume"):
        runs.start(SMALL, done[0].folder)


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"run\.json is missing"):
        Run.open(tmp_path)


def test_an_unwritable_folder_is_named_before_training(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match="cannot be written"):
        runs.start(SMALL, tmp_path / "file" / "run")


def test_folders_are_numbered_and_the_newest_is_resumed(tmp_path):
    assert runs.new_folder("vae", "some/where.npz", tmp_path) == tmp_path / "vae-where"
    (tmp_path / "vae-where").mkdir()
    assert runs.new_folder("vae", "some/where.npz", tmp_path) == tmp_path / "vae-where-2"
    assert runs.newest_folder("vae", "some/where.npz", tmp_path) == tmp_path / "vae-where"
    with pytest.raises(FileNotFoundError, match="to resume"):
        runs.newest_folder("ae", "mnist", tmp_path)


def test_settings_out_of_range_are_refused():
    for name, value in (
        ("epochs", 0),
        ("batch_size", 0),
        ("backup_every", 0),
        ("learning_rate", 0.0),
        ("schedule", "linear"),
        ("clipnorm", 0.0),
        ("precision", "float8"),
    ):
        with pytest.raises(ValueError, match=name):
            dataclasses.replace(SMALL, **{name: value})


@pytest.mark.parametrize("precision", ["mixed_bfloat16", pytest.param("mixed_float16", marks=pytest.mark.slow)])
def test_a_run_in_mixed_precision(tmp_path, precision):
    run, model, numbers = finished(tmp_path / "run", dataclasses.replace(SMALL, precision=precision))
    assert run.facts()["settings"]["precision"] == precision
    assert model.encoder.get_layer("dense_1").compute_dtype == precision.removeprefix("mixed_")
    assert float(run.rows()[1]["loss"]) < float(run.rows()[0]["loss"])
    assert numbers["elbo"] == pytest.approx(-(numbers["nll"] + numbers["kl"]), rel=1e-6)


def test_a_denoising_run_reports_the_gain_over_its_inputs(tmp_path):
    settings = dataclasses.replace(SMALL, model="denoising_ae", epochs=12)
    _, _, numbers = finished(tmp_path / "run", settings)
    assert numbers["psnr_denoised"] > numbers["psnr_corrupted"] + 1


def test_a_sparse_run_counts_its_active_units(tmp_path):
    settings = dataclasses.replace(SMALL, model="sparse_ae", epochs=1, overrides={"latent_dim": 32})
    run, model, numbers = finished(tmp_path / "run", settings)
    z = model.encode(run.settings.load_data().test.x)
    assert numbers["l0"] == pytest.approx((z > 0).sum(axis=1).mean())
    assert numbers["dead_units"] == (z == 0).all(axis=0).sum()


def test_the_best_weights_at_full_weight_are_kept_while_a_schedule_moves(tmp_path):
    ramp = {"latent_dim": 3, "beta": Ramp(0.0, 1.0, steps=100)}
    run, _, _ = finished(tmp_path / "run", dataclasses.replace(SMALL, overrides=ramp))
    rows = run.rows()
    best = min(range(len(rows)), key=lambda index: float(rows[index]["val_full_loss"]))
    kept, last = arrays(run.checkpoints / "best.weights.h5"), arrays(run.last_checkpoint().path)
    assert all(np.array_equal(kept[name], last[name]) for name in kept) == (best == len(rows) - 1)


def trained(folder, *, kill_in_epoch=None):
    """Train by the command line in a process of its own; kill it without warning in the middle of that epoch."""
    command = [sys.executable, "-m", "keras_ae", "train", "vae", "--out", str(folder), "--epochs", "4"]
    command += ["--batch-size", "64", "--set", "latent_dim=3", "--binarize", "dynamic"]
    process = subprocess.Popen(
        [*command, *(["--resume"] if folder.exists() else [])], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if kill_in_epoch is not None:
        state = folder / "checkpoints" / f"epoch-{kill_in_epoch - 1:04d}.weights.h5"
        while not state.exists():
            assert process.poll() is None, process.stdout.read().decode()
            time.sleep(0.01)
        time.sleep(0.2)
        os.kill(process.pid, signal.SIGKILL)
    output = process.communicate()[0].decode()
    assert process.returncode == (0 if kill_in_epoch is None else -signal.SIGKILL), output
    return Run.open(folder)


def assert_same_arrays(run, other, *names):
    for name in names:
        expected, found = arrays(run.checkpoints / name), arrays(other.checkpoints / name)
        assert expected.keys() == found.keys()
        assert all(np.array_equal(expected[path], found[path]) for path in expected), name


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="bit for bit is promised on TensorFlow, CPU")
def test_resume_after_a_kill_equals_the_uninterrupted_run_bit_for_bit(tmp_path):
    whole = trained(tmp_path / "whole")
    trained(tmp_path / "killed", kill_in_epoch=3)
    killed = trained(tmp_path / "killed")
    assert whole.history.read_text() == killed.history.read_text()
    assert whole.metrics.read_text() == killed.metrics.read_text()
    assert_same_arrays(whole, killed, "epoch-0004.weights.h5", "best.weights.h5")


KILLED_IN_MID_EPOCH = """
import os, signal
from keras_ae import checkpoints, cli

keep = checkpoints.KeepStateWithin.on_train_batch_end

def keep_and_die(self, batch, logs=None):
    keep(self, batch, logs)
    if (self.epoch, self.train.start + batch) == (1, 12):
        os.kill(os.getpid(), signal.SIGKILL)

checkpoints.KeepStateWithin.on_train_batch_end = keep_and_die
cli.main()
"""


def test_resume_in_mid_epoch_equals_the_uninterrupted_run_bit_for_bit(tmp_path):
    settings = dataclasses.replace(SMALL, epochs=3, batch_size=16, binarize="dynamic", backup_every=5)
    whole, data = runs.start(settings, tmp_path / "whole")
    whole.train(data, verbose=0)
    options = ["--epochs", "3", "--batch-size", "16", "--smoke", "--set", "latent_dim=3", "--binarize", "dynamic"]
    options += ["--backup-every", "5", "--out", tmp_path / "killed"]
    dead = subprocess.run([sys.executable, "-c", KILLED_IN_MID_EPOCH, "train", "vae", *options], capture_output=True)
    assert dead.returncode == -signal.SIGKILL, dead.stderr.decode()
    killed, data = runs.resume(settings, tmp_path / "killed")
    assert killed.last_checkpoint() == (1, killed.checkpoints / "epoch-0001-step-000010.weights.h5", 10)
    killed.train(data, verbose=0)
    assert whole.history.read_text() == killed.history.read_text()
    assert_same_arrays(whole, killed, "epoch-0003.weights.h5", "best.weights.h5")


def test_the_farthest_state_is_the_last(tmp_path):
    assert last_checkpoint(tmp_path) == (0, None, 0)
    for name in ("epoch-0002", "epoch-0001-step-000300", "epoch-0002-step-000020", "epoch-0002-step-000003", "best"):
        (tmp_path / f"{name}.weights.h5").touch()
    assert last_checkpoint(tmp_path) == (2, tmp_path / "epoch-0002-step-000020.weights.h5", 20)
