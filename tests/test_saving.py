import json
import os
import resource
import signal
import subprocess
import sys
import warnings
import zipfile
from dataclasses import replace
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from keras import ops

import keras_ae
from keras_ae import (
    ELBO,
    Activation,
    Conv,
    Dense,
    Dropout,
    Flatten,
    Gaussian,
    Masking,
    Norm,
    Normal,
    Pool,
    Ramp,
    Residual,
    players,
)

SPEC = keras_ae.Spec((6, 6, 1), (Flatten(), Dense(12)), Gaussian(3))
LEARNING = {"batch_size": 16, "shuffle": False, "verbose": 0}


@pytest.fixture
def x():
    return np.random.default_rng(0).random((64, 6, 6, 1), dtype="float32")


def state_of(model):
    variables = [*model.variables, *model.optimizer.variables]
    return [np.array(ops.convert_to_numpy(variable)) for variable in variables]


def same(some, others):
    return all(np.array_equal(a, b) for a, b in zip(some, others, strict=True))


def draw(model):
    zeros = np.zeros((2, 3), "float32")
    return ops.convert_to_numpy(model.latent.draw({"z_mean": zeros, "z_log_var": zeros})["z"])


def loaded(model, file):
    model.save(file)
    return keras.saving.load_model(file)


# What a file holds


def test_a_file_loads_in_safe_mode_and_holds_no_code(x, tmp_path):
    model = keras_ae.build(SPEC, seed=0)
    model.save(tmp_path / "vae.keras")
    again = keras.saving.load_model(tmp_path / "vae.keras", safe_mode=True)
    assert again.spec == SPEC
    assert again.seed == 0
    with zipfile.ZipFile(tmp_path / "vae.keras") as archive:
        assert sorted(archive.namelist()) == ["config.json", "metadata.json", "model.weights.h5"]
        config = archive.read("config.json").decode()
    assert json.loads(config)["config"]["spec"] == json.loads(SPEC.to_json())
    assert "lambda" not in config.lower()


def test_a_model_that_was_never_trained_can_be_saved_and_trained_later(x, tmp_path):
    model = keras_ae.build(SPEC, seed=0)
    again = loaded(model, tmp_path / "vae.keras")  # Without a warning, which would be an error here.
    assert again.fit(x, **LEARNING).history == model.fit(x, **LEARNING).history


def test_a_model_that_was_not_compiled_can_be_saved(x, tmp_path):
    model = keras_ae.models.vae.VAE(SPEC, seed=0)
    again = loaded(model, tmp_path / "vae.keras")
    assert not again.compiled
    np.testing.assert_array_equal(again.reconstruct(x), model.reconstruct(x))


def test_optimiser_state_is_in_the_file(x, tmp_path):
    model = keras_ae.build(SPEC, optimizer=keras.optimizers.Adam(0.01), seed=0)
    model.fit(x, **LEARNING)
    again = loaded(model, tmp_path / "vae.keras")
    assert int(again.optimizer.iterations) == 4
    assert float(again.optimizer.learning_rate) == pytest.approx(0.01)
    assert same(state_of(again), state_of(model))
    history, history_again = (m.fit(x, epochs=2, **LEARNING).history["loss"] for m in (model, again))
    assert history_again == pytest.approx(history, rel=1e-6)


def by_itself(config):
    return [config]


def within_another(config):
    return [config["config"]["inner_optimizer"]]


def of_players(config):
    return config["config"]["optimizers"]


@pytest.mark.parametrize(
    "name, scaled, parts", [("ae", False, by_itself), ("ae", True, within_another), ("aae", False, of_players)]
)
def test_an_optimiser_that_was_written_on_pytorch_is_that_of_the_backend(name, scaled, parts, x):
    adam = keras.optimizers.Adam(0.01)
    optimizer = keras.optimizers.LossScaleOptimizer(adam) if scaled else adam
    model = keras_ae.build(name, input_shape=(6, 6, 1), latent_dim=2, optimizer=optimizer)
    config = model.get_compile_config()
    for written in parts(config["optimizer"]):
        assert written["class_name"] == "Adam"
        written |= {"module": "keras.src.backend.torch.optimizers.torch_adam", "registered_name": "Adam"}
    model.compile_from_config(config)
    for each in players.members(model.optimizer):
        assert type(each) is type(adam) and float(each.learning_rate) == pytest.approx(0.01)
    model.fit(x, verbose=0)


def test_random_state_is_in_the_file(tmp_path):
    model = keras_ae.build(SPEC, seed=0)
    first = draw(model)
    model.save(tmp_path / "vae.keras")
    model.save_weights(tmp_path / "vae.weights.h5")
    following = draw(model)
    assert not np.array_equal(first, following)
    np.testing.assert_array_equal(draw(keras.saving.load_model(tmp_path / "vae.keras")), following)
    fresh = keras_ae.build(SPEC, seed=9)
    fresh.load_weights(tmp_path / "vae.weights.h5")
    np.testing.assert_array_equal(draw(fresh), following)


def test_a_schedule_is_where_it_was(x, tmp_path):
    model = keras_ae.build(replace(SPEC, objective=ELBO(Ramp(0.0, 4.0, steps=4))), seed=0)
    model.fit(x, epochs=2, **LEARNING)
    again = loaded(model, tmp_path / "vae.keras")
    assert float(again.scheduled["beta"]) == 4
    assert again.evaluate(x, verbose=0) == pytest.approx(model.evaluate(x, verbose=0), rel=1e-6)


def test_a_weight_of_the_loss_is_the_specs_and_not_the_files(tmp_path):
    keras_ae.build(SPEC, seed=0).save_weights(tmp_path / "vae.weights.h5")
    model = keras_ae.build(replace(SPEC, objective=ELBO(4.0)), seed=0)
    model.load_weights(tmp_path / "vae.weights.h5")
    assert float(model.scheduled["beta"]) == 4


def test_mixed_precision_survives(x, tmp_path):
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = keras_ae.build(SPEC, seed=0)
    keras.config.set_dtype_policy("float32")
    assert model.encoder.get_layer("dense_1").compute_dtype == "bfloat16"
    again = loaded(model, tmp_path / "vae.keras")
    assert again.policy.name == "mixed_bfloat16"
    assert again.encoder.get_layer("dense_1").compute_dtype == "bfloat16"
    assert again.encode(x).dtype == again.reconstruct(x).dtype == "float32"
    np.testing.assert_allclose(again.reconstruct(x), model.reconstruct(x), atol=1e-6)


@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_encoder_and_decoder_are_models_of_their_own(part, x, tmp_path):
    model = keras_ae.build(SPEC, seed=0)
    half = getattr(model, part)
    half.save(tmp_path / "half.keras")
    again = keras.saving.load_model(tmp_path / "half.keras")
    assert same(again.get_weights(), half.get_weights())
    inputs = x if part == "encoder" else model.encode(x)
    expected, found = (ops.convert_to_numpy(out) for out in map(_first, (half(inputs), again(inputs))))
    np.testing.assert_allclose(found, expected, atol=1e-6)


def _first(outputs):
    return outputs["z_mean"] if isinstance(outputs, dict) else outputs


LAYOUT = {
    "layers/functional/layers/batch_normalization/vars/0": (4,),
    "layers/functional/layers/batch_normalization/vars/1": (4,),
    "layers/functional/layers/batch_normalization/vars/2": (4,),
    "layers/functional/layers/batch_normalization/vars/3": (4,),
    "layers/functional/layers/conv2d/vars/0": (4, 4, 2, 4),
    "layers/functional/layers/conv2d/vars/1": (4,),
    "layers/functional/layers/conv2d_1/vars/0": (3, 3, 4, 6),
    "layers/functional/layers/conv2d_1/vars/1": (6,),
    "layers/functional/layers/dense/vars/0": (4, 6),
    "layers/functional/layers/dense/vars/1": (6,),
    "layers/functional/layers/dense_1/vars/0": (24, 5),
    "layers/functional/layers/dense_1/vars/1": (5,),
    "layers/functional/layers/dense_2/vars/0": (5, 3),
    "layers/functional/layers/dense_2/vars/1": (3,),
    "layers/functional/layers/dense_3/vars/0": (5, 3),
    "layers/functional/layers/dense_3/vars/1": (3,),
    "layers/functional_1/layers/batch_normalization/vars/0": (4,),
    "layers/functional_1/layers/batch_normalization/vars/1": (4,),
    "layers/functional_1/layers/batch_normalization/vars/2": (4,),
    "layers/functional_1/layers/batch_normalization/vars/3": (4,),
    "layers/functional_1/layers/conv2d_transpose/vars/0": (3, 3, 4, 6),
    "layers/functional_1/layers/conv2d_transpose/vars/1": (4,),
    "layers/functional_1/layers/conv2d_transpose_1/vars/0": (4, 4, 2, 4),
    "layers/functional_1/layers/conv2d_transpose_1/vars/1": (2,),
    "layers/functional_1/layers/dense/vars/0": (3, 5),
    "layers/functional_1/layers/dense/vars/1": (5,),
    "layers/functional_1/layers/dense_1/vars/0": (5, 24),
    "layers/functional_1/layers/dense_1/vars/1": (24,),
    "layers/functional_1/layers/dense_2/vars/0": (6, 4),
    "layers/functional_1/layers/dense_2/vars/1": (4,),
    "layers/normal_layer/vars/0": (),
    "vars/random_states": (4, 2),
    "vars/scheduled": (1,),
}


def test_layout_of_a_weights_file_is_frozen(tmp_path):
    """Files out in the world have this layout: a change here is a change that makes them useless."""
    encoder = (
        Conv(4, kernel=4, stride=2),
        Norm("batch"),
        Residual((Conv(6), Activation("relu"))),
        Pool(2),
        Flatten(),
        Dropout(0.1),
        Dense(5),
    )
    rows = {"likelihood": Normal("global"), "corruption": Masking(0.1), "objective": ELBO(Ramp(0.0, 1.0, 10))}
    spec = keras_ae.Spec((8, 8, 2), encoder, Gaussian(3), **rows)
    keras_ae.build(spec, seed=0).save_weights(tmp_path / "reference.weights.h5")
    found = {}

    def note(name, node):
        if isinstance(node, h5py.Dataset):
            found[name] = node.shape

    with h5py.File(tmp_path / "reference.weights.h5") as file:
        file.visititems(note)
        stored = keras_ae.Spec.from_json(file["vars/spec"][()].tobytes().decode())
    assert stored == spec
    of_weights = {name: shape for name, shape in found.items() if not name.startswith(("optimizer/", "vars/spec"))}
    assert of_weights == LAYOUT


# Loading weights


def test_loading_weights_into_a_fresh_model_starts_the_optimiser_anew(x, tmp_path):
    model = keras_ae.build(SPEC, seed=0)
    model.fit(x, **LEARNING)
    model.save_weights(tmp_path / "vae.weights.h5")
    fresh = keras_ae.build(SPEC, seed=1)
    fresh.load_weights(tmp_path / "vae.weights.h5")  # Without a warning, which would be an error here.
    assert same(fresh.get_weights(), model.get_weights())
    assert int(fresh.optimizer.iterations) == 0
    assert not fresh.optimizer.built


def test_loading_weights_into_a_model_in_training_brings_the_optimiser_too(x, tmp_path):
    model = keras_ae.build(SPEC, seed=0)
    model.fit(x, **LEARNING)
    model.save_weights(tmp_path / "vae.weights.h5")
    then = state_of(model)
    history = model.fit(x, **LEARNING).history
    model.load_weights(tmp_path / "vae.weights.h5")
    assert same(state_of(model), then)
    assert model.fit(x, **LEARNING).history["loss"] == pytest.approx(history["loss"], rel=1e-6)


OTHERS = {
    "input_shape": replace(SPEC, input_shape=(6, 6, 2)),
    "encoder": replace(SPEC, encoder=(Flatten(), Dense(13))),
    "code": replace(SPEC, code=Gaussian(4)),
    "decoder": replace(SPEC, decoder=(Dense(36, "linear"), keras_ae.Reshape((6, 6, 1)))),
    "likelihood": replace(SPEC, likelihood=Normal("pixel")),
}


@pytest.mark.parametrize("part", OTHERS)
def test_weights_of_another_spec_are_refused_and_change_nothing(part, tmp_path):
    keras_ae.build(OTHERS[part], seed=0).save_weights(tmp_path / "other.weights.h5")
    model = keras_ae.build(SPEC, seed=1)
    before = state_of(model)
    with pytest.raises(ValueError, match=rf"of another spec: {part} is .* there and .* here"):
        model.load_weights(tmp_path / "other.weights.h5")
    assert same(state_of(model), before)


def test_weights_of_a_plain_code_are_refused_by_a_variational_model(tmp_path):
    keras_ae.build(replace(SPEC, code=keras_ae.Vector(3), objective=None), seed=0).save_weights(
        tmp_path / "ae.weights.h5"
    )
    with pytest.raises(ValueError, match=r"code is Vector\(3\), linear there and Gaussian\(3\), linear here"):
        keras_ae.build(SPEC).load_weights(tmp_path / "ae.weights.h5")


def test_a_weights_file_that_fails_halfway_changes_nothing(tmp_path):
    keras_ae.build(SPEC, seed=0).save_weights(tmp_path / "vae.weights.h5")
    with h5py.File(tmp_path / "vae.weights.h5", "a") as file:
        del file["layers/functional_1/layers/dense_1/vars/0"]
    model = keras_ae.build(SPEC, seed=1)
    before = state_of(model)
    with pytest.raises(ValueError, match="dense"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras says the same more than once.
        model.load_weights(tmp_path / "vae.weights.h5")
    assert same(state_of(model), before)


@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused_and_changes_nothing(share, tmp_path):
    keras_ae.build(SPEC, seed=0).save_weights(tmp_path / "vae.weights.h5")
    whole = (tmp_path / "vae.weights.h5").read_bytes()
    (tmp_path / "cut.weights.h5").write_bytes(whole[: int(share * len(whole))])
    check_no_weights_file(tmp_path / "cut.weights.h5")


def test_a_text_file_is_refused_and_changes_nothing(tmp_path):
    (tmp_path / "text.weights.h5").write_text("These are no weights.\n" * 100)
    check_no_weights_file(tmp_path / "text.weights.h5")


def check_no_weights_file(file):
    model = keras_ae.build(SPEC, seed=1)
    before = state_of(model)
    with pytest.raises(OSError, match=rf"{file.name} is damaged or no weights file .* Copy or train it again"):
        model.load_weights(file)
    assert same(state_of(model), before)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no weights file .*missing\.weights\.h5"):
        keras_ae.build(SPEC).load_weights(tmp_path / "missing.weights.h5")


def test_weights_load_under_another_dropout_and_another_objective(tmp_path):
    keras_ae.build(SPEC, seed=0).save_weights(tmp_path / "vae.weights.h5")
    encoder = (*SPEC.encoder, Dropout(0.5))
    model = keras_ae.build(replace(SPEC, encoder=encoder, likelihood="continuous_bernoulli"), seed=1)
    with pytest.raises(ValueError, match="likelihood is"):
        model.load_weights(tmp_path / "vae.weights.h5")
    model = keras_ae.build(replace(SPEC, encoder=encoder, decoder=SPEC.decoder_rows), seed=1)
    model.load_weights(tmp_path / "vae.weights.h5")
    assert same(model.encoder.get_weights()[:2], keras_ae.build(SPEC, seed=0).encoder.get_weights()[:2])


# Saving


def test_overwrite_false_leaves_a_file_as_it_is(tmp_path):
    model = keras_ae.build(SPEC, seed=0)
    for save, name in ((model.save, "vae.keras"), (model.save_weights, "vae.weights.h5")):
        (tmp_path / name).write_text("mine")
        with pytest.raises(FileExistsError, match=rf"{name} exists\. Pass overwrite=True"):
            save(tmp_path / name, overwrite=False)
        assert (tmp_path / name).read_text() == "mine"
        save(tmp_path / name)
        assert (tmp_path / name).read_bytes() != b"mine"
        save(tmp_path / f"new-{name}", overwrite=False)


def main(folder):
    """Save again and again on a disk that is full; print what was raised and what is in the folder after it."""
    model, x = keras_ae.build(SPEC, seed=0), np.zeros((8, 6, 6, 1), dtype="float32")
    file, weights = folder / "vae.keras", folder / "vae.weights.h5"
    model.save(file)
    model.save_weights(weights)
    old = {path.name: path.read_bytes() for path in (file, weights)}
    found = {}

    def checkpointed(path, weights_only):
        model.fit(x, callbacks=keras.callbacks.ModelCheckpoint(path, save_weights_only=weights_only), verbose=0)

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    for name, save in {
        "save": lambda: model.save(file),
        "save_weights": lambda: model.save_weights(weights),
        "checkpoint": lambda: checkpointed(file, False),
        "checkpoint of weights": lambda: checkpointed(weights, True),
    }.items():
        resource.setrlimit(resource.RLIMIT_FSIZE, (8000, resource.RLIM_INFINITY))
        try:
            save()
            found[name] = "nothing was raised"
        except OSError as error:
            found[name] = error.strerror or str(error)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == old, name
    keras.saving.load_model(file)
    keras_ae.build(SPEC).load_weights(weights)
    print(json.dumps(found))


def test_a_full_disk_raises_and_leaves_the_older_file_whole(tmp_path):
    environment = os.environ | {"KERAS_BACKEND": keras.backend.backend()}
    command = [sys.executable, __file__, str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert list(found) == ["save", "save_weights", "checkpoint", "checkpoint of weights"]
    assert {name: text for name, text in found.items() if "File too large" not in text} == {}


if __name__ == "__main__":
    main(Path(sys.argv[1]))


def test_weights_under_another_activation_of_the_code_are_refused(tmp_path):
    path = tmp_path / "relu.weights.h5"
    rows = {"input_shape": (6,), "encoder": (), "likelihood": "gaussian"}
    keras_ae.build(keras_ae.Spec(code=keras_ae.Vector(3, "relu"), **rows)).save_weights(path)
    with pytest.raises(ValueError, match=r"code is Vector\(3\), relu there and Vector\(3\), linear here"):
        keras_ae.build(keras_ae.Spec(code=keras_ae.Vector(3), **rows)).load_weights(path)
