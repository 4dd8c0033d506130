"""The plan of the house: a file or folder of keras_ae imports only from lower floors, the ground being floor 0."""

import ast
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import keras
import pytest

import keras_ae

FLOORS = {
    "walks": 1,  # Paths between codes, and steps along an attribute.
    "forms": 0,  # Lists, frames, tensors, sparse matrices, data sets in files: samples as arrays.
    "extras": 0,  # Optional packages, or an error that names the extra.
    "rows": 0,  # What a spec is made of: rows, their shapes and mirrors, JSON.
    "planned": 0,  # What has no model yet, and the way today.
    "registry": 1,  # Names to specs, specs to models: register, build, list_models.
    "spectra": 0,  # Short-time spectra, mel bands, log-mel spectrograms.
    "files": 0,  # Files that are whole or not there.
    "digests": 0,  # The SHA-256 at the end of weights and models.
    "sharding": 1,  # Weights in several files, checked as one.
    "bounds": 0,  # Smooth bounds of log-variances.
    "noise": 0,  # Normal noise that belongs to a sample.
    "paths": 0,  # Codes between two codes.
    "means": 0,  # Running means of the terms of a loss.
    "divergences": 0,  # KL and log-densities in nats.
    "feeding": 0,  # Arrays to batches, uint8 to floats on the device.
    "guard": 0,  # Stops training at the first loss that is not a number.
    "sample_weights": 1,  # How much samples, or single values of them, count.
    "train_step": 1,  # Gradients and updates of a step: the only code that knows its backend.
    "spec": 2,  # A whole model as data, and as a table.
    "datasets": 2,  # A name, file, folder or array to checked arrays and batches.
    "schedules": 2,  # The value of a schedule row at a step.
    "stopping": 3,  # By which loss epochs compare while its weights move.
    "learned_priors": 2,  # Layers p(z): the standard normal, and a learned mixture.
    "latents": 2,  # Layers from the encoder's parameters to the code.
    "corruptions": 2,  # What corrupts arrays and inputs of models.
    "tied": 2,  # Layers that read a kernel of the encoder, transposed.
    "pooling": 2,  # A layer: pooling of sides that the size does not divide.
    "likelihoods": 2,  # Layers p(x|z): nll, mean, sample.
    "imputation": 2,  # Missing values of tables, by a denoising model.
    "metrics": 2,  # Arrays in, numbers out.
    "plots": 2,  # Arrays in, Matplotlib figures out.
    "builder": 3,  # A spec to a Functional encoder and decoder.
    "activations": 3,  # What the layers of an encoder give, as features.
    "checks": 3,  # Bad data is refused before any training.
    "conditions": 1,  # The layer that puts labels and conditions beside x or z.
    "players": 0,  # Networks of one model with losses and optimisers of their own.
    "resizing": 3,  # A network of convolutions for samples of other sides.
    "unet": 3,  # Specs of networks that denoise at several scales.
    "streams": 4,  # Batch after batch, each checked.
    "audio": 4,  # Waveforms: noise, how much of it is left, denoising, files.
    "neighbours": 4,  # Batches in which samples meet their nearest neighbours.
    "exporting": 4,  # Files that run without Keras, run before they get their name.
    "saving": 4,  # Whole files, on any backend, nothing half-loaded.
    "intake": 5,  # What methods are given, checked: arrays, rows or a stream.
    "anomaly": 6,  # How strange samples are to a trained model: scores, thresholds, windows of series.
    "fitting": 6,  # fit, evaluate and predict, after a check of the data.
    "measuring": 3,  # What a model is measured by: numbers of each sample, with their protocol.
    "inference": 6,  # Codes, reconstructions, samples, scores, likelihoods of a trained model.
    "autoencoder": 7,  # The compiled Keras model with one objective.
    "models": 8,  # One model type a file: paper, spec, objective.
    "callbacks": 9,  # Schedules and pictures during training.
    "fine_tuning": 9,  # Classifiers that begin as a trained encoder.
    "evaluation": 9,  # What a trained model is worth: numbers and pictures.
    "checkpoints": 9,  # The state of a run in files, after and within epochs.
    "priors": 9,  # Densities fitted to the codes of a trained model, to sample from.
    "pretrained": 10,  # Weights by name: catalogue, cards, checked folders, packing, what is measured of them.
    "estimators": 10,  # The scikit-learn and the PyOD face.
    "settings": 9,  # What fixes a run.
    "runs": 10,  # A model trained on a data set, in a folder.
    "classifiers": 11,  # Small shipped classifiers, whose features measure samples.
    "__init__": 12,  # The public names.
    "cli": 13,  # The command line.
    "__main__": 14,  # python -m keras_ae.
}
KNOW_A_BACKEND = ("train_step", "datasets")
BACKENDS = ("tensorflow", "jax", "torch")
ROOT = Path(keras_ae.__file__).parent
FILES = sorted(path.relative_to(ROOT) for path in ROOT.rglob("*.py"))

each_file = pytest.mark.parametrize("file", FILES, ids=str)


def place(file):
    """Return the name in FLOORS of a file: its folder, or itself."""
    return file.parts[0].removesuffix(".py")


@cache
def tree_of(file):
    return ast.parse((ROOT / file).read_text())


def imported(nodes):
    """Return the full names of what `nodes` import; `from a import b` is a.b."""
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "keras_ae imports by full names"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def places_imported(file):
    """Return the places that a file imports from, at its top or inside a function."""
    found = set()
    for name in imported(ast.walk(tree_of(file))):
        package, *path = name.split(".")
        if package == "keras_ae":
            found.add(path[0] if path and path[0] in FLOORS else "__init__")
    return found


def test_every_file_has_a_floor_and_every_floor_a_file():
    assert {place(file) for file in FILES} == set(FLOORS)


@each_file
def test_imports_come_from_lower_floors(file):
    own = place(file)
    others = places_imported(file) - {own}
    assert {name for name in others if FLOORS[name] >= FLOORS[own]} == set()


@each_file
def test_only_the_step_and_the_data_know_a_backend(file):
    if place(file) not in KNOW_A_BACKEND:
        roots = {name.split(".")[0] for name in imported(ast.walk(tree_of(file)))}
        assert roots.isdisjoint(BACKENDS)


@each_file
def test_files_are_short_and_named_for_what_they_hold(file):
    assert len((ROOT / file).read_text().splitlines()) <= 400
    assert file.stem not in ("utils", "helpers", "common", "misc")


def test_import_brings_no_data_sets_and_no_plotting():
    """Keras imports Matplotlib and scikit-learn where they are installed: these are looked for in the code."""
    code = "import sys, keras_ae; print(*[name for name in sys.modules])"
    environment = os.environ | {"KERAS_BACKEND": keras.backend.backend()}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    modules = done.stdout.split()
    ours = {name.split(".")[1] for name in modules if name.startswith("keras_ae.")}
    assert ours.isdisjoint({*keras_ae._ON_USE, "checkpoints", "cli"})
    assert "tensorflow_datasets" not in modules
    assert "typer" not in modules
    for file in FILES:
        if place(file) in {*ours, "__init__"}:
            roots = {name.split(".")[0] for name in imported(tree_of(file).body)}
            assert roots.isdisjoint({"matplotlib", "sklearn", "tensorflow_datasets", "PIL", "onnx"}), file


def test_what_is_imported_on_use_is_there():
    for name in keras_ae._ON_USE:
        assert getattr(keras_ae, name).__name__ == f"keras_ae.{name}"
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        keras_ae.nothing  # noqa: B018
