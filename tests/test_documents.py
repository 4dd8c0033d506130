"""README.md and docs/: their Python runs, their command lines are taken, what they name is there."""

import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import pytest
import typer
from test_audio import voice

import keras_ae
from keras_ae.cli import app
from keras_ae.datasets import Dataset, Part
from keras_ae.datasets.speech import SpeechStore

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCED = re.compile(r"(?:<!-- not run: (?P<reason>.+?) -->\n+)?^```(?P<language>\w+)\n(?P<code>.*?)^```$", re.M | re.S)
QUICK = ("README", "architecture", "data", "distribution")
load = keras_ae.datasets.load


class Block(NamedTuple):
    """A fenced block of a document: where it stands, and why it is not run, or None."""

    language: str
    code: str
    line: int
    section: str
    reason: str | None


def blocks_of(document, *languages):
    text = document.read_text()
    section, place = "", 0
    for match in FENCED.finditer(text):
        section = [section, *re.findall(r"^#+ (.+)$", text[place : match.start()], re.M)][-1]
        place = match.end()
        if match["language"] in languages:
            line = text.count("\n", 0, match.start("code"))
            yield Block(match["language"], match["code"], line, section, match["reason"])


# Python


def small_set(source, **options):
    """Stands in for `keras_ae.datasets.load`: few samples, and none that must be downloaded."""
    if source == "spoken_digit":
        recordings = [voice(0.5 + 0.01 * index, pitch=100 + 5 * index, seed=index) for index in range(24)]
        store = SpeechStore(recordings, np.array([3, 7] * 12), name=source)
        return Dataset(source, Part(store), Part(store, np.arange(4)), Part(store, np.arange(4)))
    if isinstance(source, dict):
        return load(source, **options)
    data = load("mnist_mini", **options)
    sizes = {"train": 2000, "validation": 60, "test": 100}
    parts = {name: getattr(data, name) for name in sizes}
    return replace(data, **{name: Part(p.store, p.rows[: sizes[name]], name=name) for name, p in parts.items()})


def digits(count=64):
    return load("mnist_mini").train.x[:count]


def table(rows=64, columns=12):
    return np.random.default_rng(0).normal(size=(rows, columns))


# What a section of a document leaves to its reader: the names that its blocks use and do not make.
STAND_INS = {
    "README": {
        "keras_ae": lambda: {"images": digits()},
        "Training is Keras'": lambda: {
            "x": digits(),
            "x_validation": digits(),
            "x_test": digits(8),
            "labels": np.arange(64) % 10,
        },
        "Five applications": lambda: {"X_train": table(), "X": table()},
    },
    "anomaly": {"Which score": lambda: {"images": digits()}},
    "audio": {
        "Denoising": lambda: {
            "data": small_set("spoken_digit"),
            "joined": [np.tile(voice(seed=seed), 10) for seed in range(2)],
            "others": [voice(2.0, seed=seed) for seed in range(2, 8)],
        },
        "Back to a waveform, and measures": lambda: {"denoised_joined": [np.tile(voice(seed=2), 10)] * 2},
    },
    "data": {
        "Data, small and past memory": lambda: {"model": keras_ae.build("conv_ae")},
        "Labels beside samples": lambda: {"x": digits(), "y": np.arange(64) % 10, "doses": table(64, 2)},
        "Values that do not count": lambda: {"x": digits(), "v": digits(), "v_mask": np.ones_like(digits())},
        "Workers": lambda: {"rank": 0, "workers": 2},
    },
    "denoising": {
        "Denoising": lambda: {"images": digits()},
        "Images and series": lambda: {"windows": table(16 * 64, 8).reshape(16, 64, 8)},
        "Tables with missing values": lambda: {"table": np.where(table() > 2, np.nan, table())},
    },
    "distribution": {"Several devices, processes, machines": lambda: {"images": digits()}},
    "pretrained": {
        "Fine-tuning": lambda: {"other_images": digits()},
        "Publishing a folder": lambda: {"x_validation": digits(), "x_test": digits()},
    },
    "sizes": {
        "Sizes that are not known before": lambda: {
            "patches": np.zeros((4, 64, 64, 3)),
            "photographs": np.zeros((1, 480, 640, 3)),
        }
    },
}
NOT_RUN = {"CONTRIBUTING": 1, "audio": 1, "data": 1, "distribution": 1}


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(path, marks=[pytest.mark.slow] * (path.stem not in QUICK), id=path.stem)
        for path in DOCUMENTS
        if any(blocks_of(path, "python"))
    ],
)
def test_python_of_a_document_runs_from_top_to_bottom(document, tmp_path, monkeypatch):
    """Fits take one epoch, and data sets are small."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(keras_ae.datasets, "load", small_set)
    fit = keras.Model.fit
    monkeypatch.setattr(keras.Model, "fit", lambda *args, **options: fit(*args, **options | {"epochs": 1}))
    names = {"keras": keras, "keras_ae": keras_ae, "np": np}
    stand_ins = dict(STAND_INS.get(document.stem, {}))
    for block in blocks_of(document, "python"):
        if block.section in stand_ins:
            names |= stand_ins.pop(block.section)()
        if block.reason is None:
            exec(compile("\n" * block.line + block.code, document, "exec"), names)
    assert not stand_ins, "sections without a block"


def test_few_blocks_are_not_run_and_they_say_why():
    reasons = {path.stem: [b.reason for b in blocks_of(path, "python") if b.reason] for path in DOCUMENTS}
    assert {name: len(given) for name, given in reasons.items() if given} == NOT_RUN


# Command lines


def command_lines(text):
    """What follows `keras-ae`, or `-m keras_ae`, up to where the shell would end it, without quotes."""
    text = re.sub(r"\\\n *|\$\([^)]*\)|['\"]", " ", text)
    return [shlex.split(line) for line in re.findall(r"(?:\bkeras-ae|-m keras_ae) ([a-z][^\n|&;#`]*)", text)]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.stem)
def test_command_lines_in_blocks_are_taken(document):
    commands = typer.main.get_command(app).commands
    for block in blocks_of(document, "bash"):
        for name, *arguments in command_lines(block.code):
            commands[name].make_context(name, arguments)  # It parses, and runs nothing.


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.stem)
def test_commands_and_options_in_sentences_are_there(document):
    commands = typer.main.get_command(app).commands
    for span in re.findall(r"`([^`]+)`", FENCED.sub("", document.read_text())):
        for name, *arguments in command_lines(" ".join(span.split())):
            known = {option for parameter in commands[name].params for option in parameter.opts}
            assert {word for word in arguments if word.startswith("--")} <= known, span


# Names of files


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.stem)
def test_files_that_a_document_names_are_there(document):
    text = document.read_text()
    links = re.findall(r"\]\((?!https?:)([^)#\s]+)", text)
    assert [link for link in links if not (document.parent / link).exists()] == []
    named = re.findall(r"\b(?:keras_ae|recipes|benchmarks|notebooks|tests|docs|findings)/[\w/]+\.[a-z]+\b", text)
    assert [path for path in named if not (ROOT / path).exists()] == []
