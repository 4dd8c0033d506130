import json
import re
import subprocess
import sys

import keras
import pytest
from typer.testing import CliRunner

import keras_ae
from keras_ae.cli import app, main

SMALL = ["--smoke", "--epochs", "1", "--batch-size", "64", "--latent-dim", "3"]


def output(*arguments):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli") / "run"
    text = output("train", "vae", "--out", folder, *SMALL)
    assert re.search(r"nll +\d", text) and re.search(r"kl +\d", text) and "active_units" in text
    return folder


def test_list_names_every_model_and_known_data_set():
    text = output("list")
    for name in [*keras_ae.list_models(), *keras_ae.datasets.list_datasets()]:
        assert name in text


def test_show_prints_the_table_of_the_spec(tmp_path):
    assert str(keras_ae.spec("conv_vae")) in output("show", "conv_vae")
    assert str(keras_ae.spec("conv_vae", latent_dim=2)) in output("show", "conv_vae", "--set", "latent_dim=2")
    path = tmp_path / "spec.json"
    path.write_text(keras_ae.spec("ae").to_json())
    assert str(keras_ae.spec("ae")) in output("show", path)


def test_show_lists_the_options_of_the_model():
    for name in ("conv_ae", "vae"):
        shown = output("show", name)
        assert "Options (--set KEY=VALUE): input_shape=(28, 28, 1)" in shown and "likelihood=" in shown
    assert "tied" in output("show", "ae", "--set", "tied=True").partition("Options")[2]


def test_evaluate_prints_the_numbers_of_metrics_json(folder):
    numbers = json.loads((folder / "metrics.json").read_text())
    assert f"{numbers['nll']:.4f}" in output("evaluate", folder)


def test_evaluate_adds_the_importance_weighted_likelihood(folder):
    text = output("evaluate", folder, "--importance-samples", 8, "--images", 16)
    assert re.search(r"iw_nll +\d", text) and "iw_nll_error" in text


@pytest.mark.parametrize("command", ["sample", "reconstruct", "plot"])
def test_pictures_are_drawn_anew(folder, command):
    for path in (folder / "pictures").glob("*.png"):
        path.unlink()
    for line in output(command, folder).split():
        assert (folder / "pictures" / line.rsplit("/", 1)[-1]).exists()


def test_a_spec_of_ones_own_trains_from_its_file(tmp_path):
    rows = (keras_ae.Flatten(), keras_ae.Dense(8))
    path = tmp_path / "mine.json"
    path.write_text(keras_ae.Spec((28, 28, 1), rows, keras_ae.Vector(2), "gaussian").to_json())
    output("train", path, "--out", tmp_path / "run", "--smoke", "--epochs", 1)
    assert (tmp_path / "run" / "pictures" / "epochs" / "latent-grid-0001.png").exists()


def test_options_are_parsed_as_json_and_rows(tmp_path):
    ramp = '{"row": "Ramp", "start": 0.0, "stop": 1.0, "steps": 10, "delay": 0}'
    text = output("show", "vae", "--set", f"beta={ramp}", "--set", "likelihood=laplace")
    assert "Ramp(0.0, stop=1.0, steps=10)" in text and "Laplace" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "conv_va"], "Did you mean 'conv_vae'"),
        (["train", "vae", "--set", "latent_dim=0"], "latent_dim must be a whole number"),
        (["train", "vae", "--set", "latent_dim"], "write KEY=VALUE"),
        (["train", "vae", "--dataset", "no/such/file.npz"], "no/such/file.npz"),
        (["evaluate", "nowhere"], "is no run folder"),
        (["sample", "nowhere"], "is no run folder"),
    ],
)
def test_what_the_user_can_mend_is_one_line(arguments, message, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["keras-ae", *arguments])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 1
    error = " ".join(capsys.readouterr().err.split())
    assert error.startswith("error:") and message in error


def test_ctrl_c_leaves_a_folder_that_can_be_resumed(tmp_path, monkeypatch):
    folder = tmp_path / "run"
    arguments = ["train", "vae", "--out", str(folder), *SMALL[:1], "--epochs", "3", *SMALL[3:]]

    def interrupt(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(keras.callbacks.CSVLogger, "on_epoch_begin", interrupt)
        result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 130
    assert "1 of 3 epochs" in " ".join(result.output.split())
    assert re.search("nll", output("evaluate", folder))
    output(*arguments, "--resume")
    assert len(keras_ae.runs.Run.open(folder).rows()) == 3


def test_a_recipe_runs_as_a_script(tmp_path, request):
    script = request.config.rootpath / "recipes" / "vae_mnist.py"
    shown = subprocess.run([sys.executable, script, "--help"], capture_output=True, text=True, check=True).stdout
    assert "--smoke" in shown
