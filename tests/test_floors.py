"""The plan of the house: a file or folder of keras_ae imports only from lower floors, the ground being floor 0."""

import ast
import os
import subprocess
import sys
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import get_args

import keras
import pytest

import keras_ae
from keras_ae import rows

FLOORS = {
    "walks": 6,  # Samples of each class, paths between codes, and steps along an attribute.
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
    "codebooks": 3,  # Layers of discrete codes: entries, the nearest of which stand for vectors.
    "latents": 2,  # Layers from the encoder's parameters to the code.
    "corruptions": 2,  # What corrupts arrays and inputs of models.
    "tied": 2,  # Layers that read a kernel of the encoder, transposed.
    "pooling": 2,  # A layer: pooling of sides that the size does not divide.
    "likelihoods": 2,  # Layers p(x|z): nll, mean, sample.
    "imputation": 4,  # Missing values of tables, by a denoising model.
    "metrics": 2,  # Arrays in, numbers out.
    "plots": 2,  # Arrays in, Matplotlib figures out.
    "builder": 3,  # A spec to a Functional encoder and decoder.
    "activations": 3,  # What the layers of an encoder give, as features.
    "checks": 3,  # Bad data is refused before any training.
    "tokens": 2,  # Layers of transformers: patches as tokens.
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
# Rows, what they become, and nobody else: all others ask a row for what it is, not for its type.
KNOW_TYPES_OF_ROWS = (
    "rows",
    "spec",
    "builder",
    "codebooks",
    "latents",
    "learned_priors",
    "likelihoods",
    "corruptions",
    "pooling",
    "tied",
)
OFFER_ROWS = (["keras_ae"], ["keras_ae", "rows"], ["keras_ae", "models"], ["keras_ae", "spec"])
JOINS = (ast.Name, ast.Attribute, ast.Tuple, ast.BinOp)  # A class by another name, several, a union.
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


def is_row_type(value):
    """Whether a value is a class of rows, or a tuple or union that has one."""
    if isinstance(value, type):
        return issubclass(value, rows.Row)
    return any(map(is_row_type, value if isinstance(value, tuple) else get_args(value)))


def row_types(tree):
    """Return the names by which a file knows types of rows: imported, declared in it, or joined from such."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module.split(".")[:2] in OFFER_ROWS:
            module = import_module(node.module)
            names |= {a.asname or a.name for a in node.names if is_row_type(getattr(module, a.name, None))}
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and any(names_rows(base, names) for base in node.bases):
            names.add(node.name)
        elif isinstance(node, ast.Assign) and isinstance(node.value, JOINS) and names_rows(node.value, names):
            names |= {ast.unparse(target) for target in node.targets}
    return names


def names_rows(node, names):
    """Whether an expression has one of these names, or one by its path: keras_ae.rows.Conv."""
    for part in ast.walk(node):
        if isinstance(part, ast.Name) and part.id in names:
            return True
        if isinstance(part, ast.Attribute):
            first, *_, last = ast.unparse(part).split(".")
            if first in ("keras_ae", "rows") and is_row_type(getattr(keras_ae, last, getattr(rows, last, None))):
                return True
    return False


def asks_for_row_types(tree):
    """Return the lines of code that ask for the type of a row: isinstance, issubclass, type(row) is, match."""
    names, lines = row_types(tree), []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("isinstance", "issubclass"):
            asked = node.args[1]
        elif isinstance(node, ast.Compare) and "type(" in ast.unparse(node):
            asked = node
        elif isinstance(node, ast.MatchClass):
            asked = node.cls
        else:
            continue
        if names_rows(asked, names):
            lines.append(ast.unparse(node))
    return lines


@each_file
def test_only_rows_and_what_they_become_know_types_of_rows(file):
    if place(file) not in KNOW_TYPES_OF_ROWS:
        assert asks_for_row_types(tree_of(file)) == []


@pytest.mark.parametrize(
    "code",
    [
        "from keras_ae.rows import Conv\nisinstance(row, Conv)",
        "from keras_ae.rows import Conv as C, Dense\nKINDS = (C, Dense)\nisinstance(row, KINDS)",
        "from keras_ae.rows import Vector, Identity\nBOTH = Vector | Identity\nisinstance(row, BOTH | None)",
        "from keras_ae import ELBO\nissubclass(kind, ELBO)",
        "from keras_ae.models.vae import ELBO\ntype(objective) is ELBO",
        "import keras_ae\nisinstance(row, keras_ae.rows.layers.Conv)",
        "from keras_ae import rows\nisinstance(row, rows.Corruption)",
        "from keras_ae.rows import Scheduled\nisinstance(beta, Scheduled)",
        "from keras_ae.rows import Row\nclass Own(Row):\n    pass\nisinstance(row, Own)",
        "def f(row):\n  from keras_ae.rows import Conv\n  match row:\n    case Conv(filters=3):\n      return 3",
    ],
)
def test_a_question_for_the_type_of_a_row_is_found(code):
    assert len(asks_for_row_types(ast.parse(code))) == 1


@pytest.mark.parametrize(
    "code",
    [
        "from keras_ae.priors.base import Prior\nisinstance(prior, Prior)",
        "import keras\nisinstance(layer, keras.layers.Dense)",
        "from keras_ae.rows import Conv\nrow = Conv(3)\nisinstance(row.kernel, tuple)",
        "from keras_ae.rows import Dense\ntable = [Dense(3)]\nisinstance(table, list)\ntype(table) is list",
    ],
)
def test_other_questions_are_not(code):
    assert asks_for_row_types(ast.parse(code)) == []


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
