"""Runs of models that take labels, or numbers, beside x: trained, resumed, measured and drawn by the command line."""

import dataclasses
import json
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

import keras_ae
from keras_ae import Condition, Gaussian, Labels, runs
from keras_ae.cli import app, main
from keras_ae.runs import Run, Settings

RNG = np.random.default_rng(0)
SMALL = ["--smoke", "--epochs", "1", "--batch-size", "64", "--latent-dim", "3"]


def output(*arguments):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


def shape_of(path):
    """Width and height of a picture."""
    with pytest.importorskip("PIL.Image", reason="Pillow is not installed").open(path) as picture:
        return picture.size


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("conditional") / "run"
    output("train", "cvae", "--out", folder, *SMALL)
    return folder


@pytest.fixture(scope="module")
def numbers(tmp_path_factory):
    """A table whose rows have two numbers beside them, and one with a class and a number."""
    folder, x = tmp_path_factory.mktemp("numbers"), RNG.normal(size=(96, 5)).astype("float32")
    np.savez(folder / "doses.npz", x=x, y=x[:, :2])
    np.savez(folder / "both.npz", x=x, y=np.arange(96) % 3, condition=x[:, :1])
    np.savez(folder / "bare.npz", x=x)
    return folder


def test_labels_and_how_many_come_from_the_data(folder):
    run = Run.open(folder)
    assert run.spec == keras_ae.spec("cvae", latent_dim=3, labels=10)
    found = json.loads(run.metrics.read_text())
    assert found["elbo"] == pytest.approx(-(found["nll"] + found["kl"]), rel=1e-6)
    pictures = {path.name for path in run.pictures.rglob("*.png")}
    assert {"samples.png", "reconstructions.png", "latents.png", "interpolations.png", "samples-0001.png"} <= pictures


def test_numbers_are_those_of_the_labels(folder):
    run = Run.open(folder)
    model, data = run.load_model(), run.settings.load_data()
    found = json.loads(run.metrics.read_text())
    error = model.reconstruction_error(data.test.x, labels=data.test.y).mean()
    assert found["mse"] == pytest.approx(error, rel=1e-5)
    assert error != pytest.approx(model.reconstruction_error(data.test.x, labels=0).mean(), rel=1e-5)
    text = output("evaluate", folder, "--importance-samples", 8, "--images", 16)
    assert f"{found['nll']:.4f}" in text and "iw_nll_error" in text


def test_samples_are_drawn_by_class(folder):
    picture = folder / "pictures" / "samples.png"
    heights = {}
    for options in ((), ("--labels", "3"), ("--labels", "0,1,2", "--n", "12")):
        picture.unlink()
        assert output("sample", folder, *options).split()[-1].endswith("samples.png")
        heights[options] = shape_of(picture)[1]
    every, eight, three = heights.values()
    assert every > eight > three  # Ten rows, eight and three.
    for command in ("reconstruct", "plot"):
        output(command, folder)


@pytest.mark.slow
def test_a_run_goes_on_as_if_nothing_had_happened(tmp_path):
    settings = Settings("cvae", epochs=3, batch_size=64, smoke=True, binarize="dynamic", overrides={"latent_dim": 3})
    whole, data = runs.start(settings, tmp_path / "whole")
    whole.train(data, verbose=0)
    cut, data = runs.start(settings, tmp_path / "cut")
    with pytest.raises(KeyboardInterrupt), pytest.MonkeyPatch.context() as patched:
        patched.setattr("keras.callbacks.CSVLogger.on_epoch_begin", _interrupted)
        cut.train(data, verbose=0)
    again, data = runs.resume(settings, tmp_path / "cut")
    assert len(again.rows()) == 1
    again.train(data, verbose=0)
    for row, expected in zip(again.rows(), whole.rows(), strict=True):
        assert float(row["loss"]) == pytest.approx(float(expected["loss"]), rel=1e-5)


def _interrupted(self, epoch, logs=None):
    if epoch == 1:
        raise KeyboardInterrupt


def test_a_plain_model_becomes_a_conditional_one(tmp_path):
    output("train", "conv_vae", "--conditional", "--out", tmp_path / "run", *SMALL)
    run = Run.open(tmp_path / "run")
    assert run.spec == keras_ae.spec("conv_vae", latent_dim=3).conditional(Labels(10))
    settings = Settings("conv_vae", epochs=1, batch_size=64, smoke=True, overrides={"latent_dim": 3})
    with pytest.raises(ValueError, match="conditional: True then, False now"):
        runs.resume(settings, tmp_path / "run")
    assert run.settings == dataclasses.replace(settings, conditional=True)


@pytest.mark.slow
def test_numbers_beside_x_are_a_condition(numbers, tmp_path):
    path, options = numbers / "doses.npz", ["--likelihood", "gaussian", *SMALL]
    for name, extra in (("cvae", []), ("vae", ["--conditional"])):
        output("train", name, "--dataset", path, "--out", tmp_path / name, *options, *extra)
        run = Run.open(tmp_path / name)
        assert run.spec.inputs == (Condition(2),)
    before = (run.pictures / "samples.png").read_bytes()
    output("sample", tmp_path / "vae", "--input", "condition=[2.5,-2]")
    assert (run.pictures / "samples.png").read_bytes() != before
    output("sample", tmp_path / "vae")
    assert (run.pictures / "samples.png").read_bytes() == before  # By the numbers of the test part.


@pytest.mark.slow
def test_a_class_and_a_column_go_together(numbers, tmp_path):
    options = ["--likelihood", "gaussian", "--set", "condition=1", "--set", "prior=conditional", *SMALL]
    output("train", "cvae", "--dataset", numbers / "both.npz", "--out", tmp_path / "run", *options)
    run = Run.open(tmp_path / "run")
    assert [(row.name, row.width) for row in run.spec.inputs] == [("labels", 3), ("condition", 1)]
    assert run.spec.code.prior.is_conditional
    for extra in ([], ["--labels", "2"], ["--labels", "0,2", "--input", "condition=0.5"]):
        output("sample", tmp_path / "run", *extra)


def test_a_spec_of_ones_own_takes_the_labels_by_its_name(tmp_path):
    spec = keras_ae.Spec((28, 28, 1), (keras_ae.Flatten(),), Gaussian(2), inputs=Labels(10, name="digit"))
    (tmp_path / "mine.json").write_text(spec.to_json())
    output("train", tmp_path / "mine.json", "--out", tmp_path / "run", "--smoke", "--epochs", 1)
    assert (tmp_path / "run" / "pictures" / "epochs" / "latent-grid-0001.png").exists()
    output("sample", tmp_path / "run", "--input", "digit=[1,7]")


def test_an_autoencoder_with_inputs_runs_without_samples(tmp_path):
    spec = keras_ae.Spec((28, 28, 1), (keras_ae.Flatten(),), keras_ae.Vector(3), inputs=Labels(10))
    (tmp_path / "mine.json").write_text(spec.to_json())
    output("train", tmp_path / "mine.json", "--out", tmp_path / "run", "--smoke", "--epochs", 1)
    assert not list((tmp_path / "run" / "pictures").rglob("samples*"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["train", "cvae", "--dataset", "bare.npz"],
            "A conditional cvae takes labels beside the samples, and bare.npz",
        ),
        (["train", "vae", "--dataset", "bare.npz", "--conditional"], "bare.npz has none"),
        (["train", "ae", "--conditional"], "a conditional model has a code with a prior"),
        (["train", "cvae", "--set", "labels=3"], "but Labels(3) takes whole numbers from 0 to 2"),
        (["train", "cvae", "--set", "condition=2"], "'labels' and 'condition' are no columns of it"),
        (
            ["train", "cvae", "--dataset", "doses.npz", "--set", "condition=3"],
            "but Condition(3) takes (n, 3)",
        ),
    ],
)
def test_data_that_lack_what_the_model_takes_are_refused(arguments, message, numbers, capsys, monkeypatch):
    monkeypatch.chdir(numbers)
    monkeypatch.setattr(sys, "argv", ["keras-ae", *arguments, "--set", "latent_dim=2", "--likelihood", "gaussian"])
    with pytest.raises(SystemExit):
        main()
    error = " ".join(capsys.readouterr().err.split())
    assert error.startswith("error:") and message in error


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--labels", "a"], "write classes as whole numbers, such as 3 or 0,1,2"),
        (["--labels", "12"], "labels has 12 in sample 0, but Labels(10) takes whole numbers from 0 to 9"),
        (["--input", "dose=1"], "'dose', which this model does not take"),
        (["--input", "dose"], "--input dose: write KEY=VALUE"),
    ],
)
def test_what_cannot_be_sampled_is_said(folder, options, message, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["keras-ae", "sample", str(folder), *options])
    with pytest.raises(SystemExit):
        main()
    assert message in " ".join(capsys.readouterr().err.split())


def test_labels_for_a_model_that_takes_none_are_refused(tmp_path, capsys, monkeypatch):
    output("train", "vae", "--out", tmp_path / "run", *SMALL)
    monkeypatch.setattr(sys, "argv", ["keras-ae", "sample", str(tmp_path / "run"), "--labels", "3"])
    with pytest.raises(SystemExit):
        main()
    assert "'labels', which this model does not take" in " ".join(capsys.readouterr().err.split())
