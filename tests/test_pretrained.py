import hashlib
import json
import os
import shutil
import subprocess
import sys
import types
from dataclasses import replace
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from keras import ops
from typer.testing import CliRunner

import keras_ae
from keras_ae import (
    ELBO,
    Conv,
    Dense,
    Flatten,
    Gaussian,
    GaussianNoise,
    Norm,
    Normal,
    Ramp,
    Sparsity,
    Vector,
    pretrained,
    sparse_code,
)
from keras_ae.cli import app
from keras_ae.pretrained import cards, pack, refresh_catalogue, write_card

SPEC = keras_ae.Spec((6, 6, 1), (Flatten(), Dense(40)), Gaussian(3))
FILES = ("spec.json", "model.weights.h5", "card.json")
SHIPPED = keras_ae.list_weights()
MOST_BYTES = 40e6
NUMBERS = {
    "mse": {"value": 0.0123456, "error": 0.00123, "tolerance": 1e-4, "protocol": "all 8 test images"},
    "active_units": {"value": 3, "error": None, "tolerance": 0, "protocol": "variance of the mean > 0.01"},
}
FACTS = {
    "model": "vae",
    "dataset": "squares",
    "data": {
        "version": "1.0",
        "licence": "CC0",
        "preprocessing": "none",
        "split": {"test": "the last 8"},
        "notes": None,
    },
    "binarize": None,
    "seed": 0,
    "command": "python recipes/pretrain.py --model vae --dataset squares",
    "settings": {"epochs": 1},
    "versions": {"keras": keras.__version__},
    "cores": 2,
    "seconds": 90.0,
    "numbers": NUMBERS,
    "pictures": ["reconstructions.png"],
    "use": "Codes of squares.",
    "limits": "Squares only.",
}
COMPLETE = {"format", "name", "spec", "weights", "parameters", "storage", *FACTS}


def data(n=16, shape=(6, 6, 1)):
    return np.random.default_rng(0).random((n, *shape), dtype="float32")


def trained(spec=SPEC):
    """Return a model that is not as it was built, with a state of its optimiser."""
    model = keras_ae.build(spec, seed=0)
    model.fit(data(shape=spec.input_shape), batch_size=8, verbose=0)
    return model


def published(folder, model, /, **facts):
    """Pack a model and its card into a folder."""
    pack(model, folder, check=data(8, model.spec.input_shape))
    (folder / "reconstructions.png").write_bytes(b"a picture")
    write_card(folder, FACTS | facts)
    return folder


@pytest.fixture(scope="module")
def original():
    return trained()


@pytest.fixture(scope="module")
def master(original, tmp_path_factory):
    return published(tmp_path_factory.mktemp("master") / "vae-squares", original)


@pytest.fixture
def folder(master, tmp_path):
    """A folder outside the catalogue."""
    return Path(shutil.copytree(master, tmp_path / "mine"))


@pytest.fixture
def root(master, tmp_path, monkeypatch):
    """A catalogue with vae/squares in it."""
    root = tmp_path / "root"
    shutil.copytree(master, root / "vae-squares")
    refresh_catalogue(root)
    monkeypatch.setattr(pretrained, "ROOT", root)
    return root


def weights_of(model):
    return [ops.convert_to_numpy(variable) for variable in model.trainable_variables]


# By name


def test_names_are_listed_by_pattern_of_name_and_of_model(root):
    catalogue = {name: {} for name in ("vae/squares", "conv_vae/squares", "conv_ae/mnist")}
    (root / "catalogue.json").write_text(json.dumps(catalogue))
    assert keras_ae.list_weights() == ["conv_ae/mnist", "conv_vae/squares", "vae/squares"]
    assert keras_ae.list_weights("conv_*") == ["conv_ae/mnist", "conv_vae/squares"]
    assert keras_ae.list_weights("vae") == ["vae/squares"]
    assert keras_ae.list_weights("*/mnist") == ["conv_ae/mnist"]
    assert keras_ae.list_weights("nothing") == []


@pytest.mark.parametrize("name", ["squares", "vae/squares"])
def test_a_name_gives_the_stored_model_compiled(root, original, name):
    model = keras_ae.build("vae", weights=name)
    assert model.spec == SPEC and model.compiled
    assert np.abs(model.reconstruct(data()) - original.reconstruct(data())).max() <= 1e-3


def test_float16_in_the_file_is_float32_in_the_model(root, original):
    model = keras_ae.build("vae", weights="squares")
    assert {variable.dtype for variable in model.trainable_variables} == {"float32"}
    for found, own in zip(weights_of(model), weights_of(original), strict=True):
        stored = own.astype("float16") if own.ndim > 1 else own  # Kernels, and biases as they are.
        np.testing.assert_array_equal(found, stored.astype("float32"))


def test_a_name_of_the_catalogue_is_no_folder(root, tmp_path, monkeypatch):
    (tmp_path / "squares").mkdir()
    monkeypatch.chdir(tmp_path)
    assert keras_ae.build("vae", weights="squares").spec == SPEC
    with pytest.raises(FileNotFoundError, match=r"card\.json is missing"):
        keras_ae.build("vae", weights="./squares")


@pytest.mark.parametrize(
    "ask", [lambda name: keras_ae.build("vae", weights=name), lambda name: keras_ae.card(f"vae/{name}")]
)
def test_an_unknown_name_brings_the_nearest(root, ask):
    with pytest.raises(
        ValueError, match=r"Unknown weights 'vae/sqares'.*Did you mean 'vae/squares'\? See .*list_weigh"
    ):
        ask("sqares")


def test_an_empty_catalogue_lists_nothing_and_knows_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(pretrained, "ROOT", tmp_path)
    assert refresh_catalogue(tmp_path) == {}
    assert keras_ae.list_weights() == []
    with pytest.raises(ValueError, match=r"Unknown weights 'vae/squares', and there is no such folder\. See"):
        keras_ae.build("vae", weights="squares")


def test_weights_of_another_model_are_refused(root):
    with pytest.raises(ValueError, match=r"vae/squares are of 'vae', not of 'conv_vae': build\('vae', \.\.\.\)"):
        keras_ae.build("conv_vae", weights="vae/squares")


def test_the_seed_is_that_of_later_draws(root):
    models = [keras_ae.build("vae", weights="squares", seed=seed) for seed in (1, 1, 2)]
    draws = [model.evaluate(data(), verbose=0, return_dict=True)["nll"] for model in models]
    assert draws[0] == draws[1] != draws[2]


def test_options_of_build_work_beside_weights(root):
    model = keras_ae.build("vae", weights="squares", optimizer=keras.optimizers.SGD(0.5), dtype="mixed_bfloat16")
    assert float(model.optimizer.learning_rate) == 0.5
    assert model.policy.name == "mixed_bfloat16"


def test_no_kernel_is_drawn_for_weights_that_are_loaded(monkeypatch, root):
    """JAX would compile a draw for every shape: seconds."""
    prior = keras_ae.MixturePrior(5)
    for spec in (SPEC, replace(SPEC, code=Gaussian(3, prior))):
        published(root / "vae-squares", trained(spec))
        refresh_catalogue(root)
        drawn = keras_ae.build(spec, seed=1)
        with monkeypatch.context() as patched:
            patched.setattr("keras.src.backend.random.uniform", None)
            patched.setattr("keras.src.backend.random.normal", None)
            with pytest.raises(TypeError):
                keras_ae.build(spec, seed=1)
            model = keras_ae.build("vae", weights="squares", seed=1)
        for own, other in zip(model.encoder.layers, drawn.encoder.layers, strict=True):
            assert own.get_config() == other.get_config()  # A copy of it draws as ever.
        np.testing.assert_array_equal(*(m.latent.seed_generator.state for m in (model, drawn)))


# Folders, specs and the Hub


def test_a_folder_of_ones_own_loads_by_its_path(folder, root):
    by_name = keras_ae.build("vae", weights="squares").reconstruct(data())
    for path in (folder, str(folder)):
        np.testing.assert_array_equal(keras_ae.build("vae", weights=path).reconstruct(data()), by_name)


def test_a_model_of_no_registered_name_loads_from_its_folder(original, tmp_path):
    published(tmp_path / "mine", original, model="my_vae")
    assert keras_ae.build("my_vae", weights=tmp_path / "mine").spec == SPEC


def test_a_spec_takes_weights_of_its_architecture(root):
    mine = replace(SPEC, objective=ELBO(4.0), corruption=GaussianNoise(0.1))
    model = keras_ae.build(mine, weights="vae/squares")
    assert model.spec == mine and float(model.scheduled["beta"]) == 4
    np.testing.assert_array_equal(weights_of(model)[0], weights_of(keras_ae.build("vae", weights="squares"))[0])
    with pytest.raises(ValueError, match=r"of another spec: encoder is .*Dense\(40.* there and .*Dense\(41.* here"):
        keras_ae.build(replace(SPEC, encoder=(Flatten(), Dense(41))), weights="vae/squares")
    with pytest.raises(ValueError, match="takes no further options, got latent_dim"):
        keras_ae.build(mine, weights="vae/squares", latent_dim=3)


@pytest.mark.parametrize("path", ["no/such/folder", "./nowhere", Path("nowhere"), Path("no/where")])
def test_a_missing_folder_is_named(path):
    with pytest.raises(FileNotFoundError, match=f"There is no folder {path}"):
        keras_ae.build("vae", weights=path)


def test_a_weights_file_is_no_folder(folder):
    with pytest.raises(ValueError, match=r"model\.weights\.h5 is a file: give the folder"):
        keras_ae.build("vae", weights=folder / "model.weights.h5")


def test_the_hub_is_asked_as_keras_asks_it(folder, monkeypatch):
    asked = []

    def snapshot_download(**options):
        asked.append(options)
        return str(folder)

    hub = types.SimpleNamespace(snapshot_download=snapshot_download)
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    assert keras_ae.build("vae", weights="hf://user/repo").spec == SPEC
    assert asked[0]["repo_id"] == "user/repo" and sorted(asked[0]["allow_patterns"]) == sorted(FILES)
    assert 'weights="hf://user/repo"' in str(keras_ae.card("hf://user/repo"))


def test_without_the_hubs_package_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ImportError, match=r"hf://user/repo needs .*pip install huggingface_hub"):
        keras_ae.build("vae", weights="hf://user/repo")


# Options beside weights


def test_an_input_shape_of_another_size_is_refused_with_the_reason(root):
    message = (
        r"^The weights vae/squares are for input_shape \(6, 6, 1\), got \(32, 32, 3\)\. "
        r"Leave it out, resize the images, or build without weights\.$"
    )
    with pytest.raises(ValueError, match=message):
        keras_ae.build("vae", weights="squares", input_shape=(32, 32, 3))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"latent_dim": 4}, r"latent_dim 3, got 4\. Leave it out, or build without"),
        ({"likelihood": "laplace"}, "likelihood 'bernoulli', got 'laplace'"),
        ({"likelihood": Normal("pixel")}, r"likelihood 'bernoulli', got Normal\('pixel'\)"),
        ({"latent": 4}, "has no option 'latent'. It takes input_shape, latent_dim, beta"),
        ({"beta": -1.0}, "beta must be a number of at least 0"),
    ],
)
def test_other_options_that_do_not_fit_are_refused(root, options, message):
    with pytest.raises(ValueError, match=message):
        keras_ae.build("vae", weights="squares", **options)


def test_options_that_the_weights_have_are_taken(root):
    for shape, likelihood in (((6, 6, 1), "bernoulli"), ([6, 6, 1], keras_ae.Bernoulli()), ((6, 6, 1), None)):
        options = {"input_shape": shape, "latent_dim": 3, "likelihood": likelihood, "beta": 1.0}
        assert keras_ae.build("vae", weights="squares", **options).spec == SPEC


@pytest.mark.parametrize(("beta", "start"), [(4.0, 4), (Ramp(0.5, 1.0, 10), 0.5)])
def test_the_weight_of_the_kl_may_be_another(root, beta, start):
    model = keras_ae.build("vae", weights="squares", beta=beta)
    assert model.spec == replace(SPEC, objective=ELBO(beta))
    assert float(model.scheduled["beta"]) == start


def test_a_schedule_of_the_callers_starts_at_its_start_whatever_the_file_has(folder):
    model = keras_ae.build(replace(SPEC, objective=ELBO(Ramp(0.0, 2.0, 4))), seed=0)
    model.fit(data(), batch_size=4, epochs=2, verbose=0)
    model.save_weights(folder / "model.weights.h5")  # Keras' own writing, float32 and all: also a folder.
    (folder / "spec.json").write_text(model.spec.to_json())
    write_card(folder, FACTS)
    assert float(keras_ae.build("vae", weights=folder).scheduled["beta"]) == 2
    assert float(keras_ae.build("vae", weights=folder, beta=Ramp(0.5, 1.0, 4)).scheduled["beta"]) == 0.5


def test_corruption_is_of_the_weights_and_strength_of_sparsity_is_not(tmp_path):
    layers = (Flatten(), Dense(8))
    noisy = keras_ae.Spec((6, 6, 1), layers, Vector(3), "gaussian", corruption=GaussianNoise(0.25))
    published(tmp_path / "noisy", trained(noisy), model="denoising_ae")
    for options in ({"corruption": "gaussian"}, {"strength": 0.25}, {"corruption": GaussianNoise(0.25)}):
        assert keras_ae.build("denoising_ae", weights=tmp_path / "noisy", **options).spec == noisy
    for key, value, message in (
        ("corruption", "masking", r"corruption GaussianNoise\(0.25\), got 'masking'"),
        ("corruption", GaussianNoise(0.5), r"corruption GaussianNoise\(0.25\), got GaussianNoise\(0.5\)"),
        ("strength", 0.5, "strength 0.25, got 0.5"),
    ):
        with pytest.raises(ValueError, match=message):
            keras_ae.build("denoising_ae", weights=tmp_path / "noisy", **{key: value})
    sparse = keras_ae.Spec((6, 6, 1), layers, sparse_code(5), "gaussian", objective=Sparsity())
    published(tmp_path / "sparse", trained(sparse), model="sparse_ae")
    model = keras_ae.build("sparse_ae", weights=tmp_path / "sparse", strength=0.5, penalty="l1")
    assert float(model.scheduled["strength"]) == 0.5
    with pytest.raises(ValueError, match="penalty 'l1', got 'kl'"):
        keras_ae.build("sparse_ae", weights=tmp_path / "sparse", penalty="kl")


# What is damaged is not opened


def flipped(path):
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 1
    path.write_bytes(whole)


def truncated(path):
    path.write_bytes(path.read_bytes()[:-1])


def emptied(path):
    path.write_bytes(b"")


@pytest.mark.parametrize("harm", [flipped, truncated, emptied])
@pytest.mark.parametrize("file", FILES)
def test_a_changed_file_of_the_catalogue_is_refused_unopened(root, file, harm, monkeypatch):
    harm(root / "vae-squares" / file)
    monkeypatch.setattr(h5py, "File", None)  # Whatever opened the weights would fail otherwise.
    monkeypatch.setattr(keras_ae.Spec, "from_json", None)
    with pytest.raises(ValueError, match=rf"{file} is damaged or was changed: its SHA-256 is .*Install keras_ae anew"):
        keras_ae.build("vae", weights="squares")


@pytest.mark.parametrize("harm", [flipped, truncated, emptied])
@pytest.mark.parametrize("file", FILES[:2])
def test_a_changed_file_of_a_folder_is_refused_unopened(folder, file, harm, monkeypatch):
    harm(folder / file)
    monkeypatch.setattr(h5py, "File", None)
    monkeypatch.setattr(keras_ae.Spec, "from_json", None)
    with pytest.raises(
        ValueError, match=rf"{file} and the card beside it do not belong together.*pack the folder anew"
    ):
        keras_ae.build("vae", weights=folder)


@pytest.mark.parametrize("file", FILES)
def test_a_missing_file_is_named(root, folder, file):
    for place, weights in ((root / "vae-squares", "squares"), (folder, folder)):
        (place / file).unlink()
        with pytest.raises(FileNotFoundError, match=rf"holds no whole weights .*: {file} is missing"):
            keras_ae.build("vae", weights=weights)


def test_a_missing_folder_of_the_catalogue_is_named(root):
    shutil.rmtree(root / "vae-squares")
    with pytest.raises(
        FileNotFoundError, match=r"vae-squares holds no whole weights vae/squares.*Install keras_ae anew"
    ):
        keras_ae.build("vae", weights="squares")


def test_a_card_for_another_spec_is_refused(folder, tmp_path):
    other = published(tmp_path / "other", trained(replace(SPEC, encoder=(Flatten(), Dense(41)))))
    shutil.copy(other / "card.json", folder)
    with pytest.raises(ValueError, match=r"spec\.json and the card beside it do not belong together"):
        keras_ae.build("vae", weights=folder)
    shutil.copy(other / "spec.json", folder)
    with pytest.raises(ValueError, match=r"model\.weights\.h5 and the card beside it do not belong together"):
        keras_ae.build("vae", weights=folder)


def test_weights_for_another_spec_are_refused_though_the_card_vouches_for_them(folder, tmp_path):
    other = published(tmp_path / "other", trained(replace(SPEC, encoder=(Flatten(), Dense(41)))))
    shutil.copy(other / "model.weights.h5", folder)
    write_card(folder, FACTS)
    with pytest.raises(ValueError, match=r"of another spec: encoder is .*Dense\(41.* there and .*Dense\(40.* here"):
        keras_ae.build("vae", weights=folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is damaged: it is no JSON"),
        ("[]", "no card of format 1"),
        ('{"format": 2}', r"no card of format 1\. Was it written by a newer keras_ae"),
        ('{"format": 1, "name": "vae/squares"}', "lacks model, dataset, spec, weights, parameters, storage"),
    ],
)
def test_a_card_that_is_none_is_refused(folder, text, message):
    (folder / "card.json").write_text(text)
    for ask in (keras_ae.card, lambda path: keras_ae.build("vae", weights=path)):
        with pytest.raises(ValueError, match=message):
            ask(folder)


# Packing


def test_a_packed_file_has_neither_optimiser_nor_random_state(original, master):
    names = []
    with h5py.File(master / "model.weights.h5") as file:
        file.visit(names.append)
        spec = keras_ae.Spec.from_json(file["vars/spec"][()].tobytes().decode())
    assert spec == SPEC
    assert [name for name in names if name.startswith("optimizer") or "random" in name] == []


def test_plain_load_weights_takes_a_packed_file(original, master, folder):
    by_name = keras_ae.build("vae", weights=folder)
    fresh = keras_ae.build(SPEC, seed=5)
    fresh.load_weights(master / "model.weights.h5")
    in_training = trained()
    before = int(in_training.optimizer.iterations)
    in_training.load_weights(master / "model.weights.h5")  # Without a warning, which would be an error here.
    assert int(in_training.optimizer.iterations) == before > 0
    for model in (fresh, in_training):
        for found, expected in zip(weights_of(model), weights_of(by_name), strict=True):
            np.testing.assert_array_equal(found, expected)


def test_packing_leaves_the_model_as_it_is(tmp_path):
    model = trained()
    before = [ops.convert_to_numpy(variable).copy() for variable in (*model.variables, *model.optimizer.variables)]
    assert pack(model, tmp_path / "deep" / "folder", check=data()) == "float16"
    after = [ops.convert_to_numpy(variable) for variable in (*model.variables, *model.optimizer.variables)]
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def test_float16_takes_less_than_half_of_what_keras_writes(tmp_path):
    model = keras_ae.build("vae", seed=0)
    pack(model, tmp_path, check=data(2, (28, 28, 1)))
    model.save_weights(tmp_path / "raw.weights.h5")
    sizes = [(tmp_path / name).stat().st_size for name in ("model.weights.h5", "raw.weights.h5")]
    assert sizes[0] < sizes[1] / 2


@pytest.mark.parametrize("factors", [(40.016, 1.0), (1e30, 1e-30)])
def test_where_float16_does_not_hold_float32_is_stored(factors, tmp_path):
    """Around 40 float16 has steps of 1/32: 40.016 becomes 40.03125. 1e30 becomes infinite."""
    rows = {"input_shape": (4,), "encoder": (Dense(4, "linear"),), "likelihood": "gaussian"}
    model = keras_ae.build(keras_ae.Spec(code=Vector(4), decoder=(Dense(4, "linear"),), **rows), seed=0)
    kernels = [variable for variable in model.trainable_variables if len(variable.shape) == 2]
    for kernel, factor in zip(kernels, (*factors, 1.0), strict=True):
        kernel.assign(factor * np.eye(4))
    x = np.random.default_rng(0).random((8, 4), dtype="float32")
    assert pack(model, tmp_path, check=x) == "float32"
    write_card(tmp_path, {"model": "ae", "dataset": "lines"})
    assert keras_ae.card(tmp_path).storage == "float32"
    again = keras_ae.build("ae", weights=tmp_path)
    np.testing.assert_array_equal(again.reconstruct(x), model.reconstruct(x))


def test_the_large_kernels_are_halved_where_the_small_ones_cannot_be(tmp_path):
    spec = keras_ae.Spec((8,), (Dense(32, "linear"),), Vector(4), "gaussian", decoder=(Dense(8, "linear"),))
    model = keras_ae.build(spec, seed=0)
    first, code, last = (variable for variable in model.trainable_variables if len(variable.shape) == 2)
    first.assign(np.eye(8, 32))
    code.assign(np.eye(32, 4))
    last.assign(40.016 * np.eye(4, 8))  # Which float16 makes 40.03125.
    x = np.random.default_rng(0).random((8, 8), dtype="float32")
    assert pack(model, tmp_path, check=x) == "float16"
    kinds = {}
    with h5py.File(tmp_path / "model.weights.h5") as file:
        file.visititems(lambda _, node: kinds.update({node.shape: node.dtype}) if hasattr(node, "shape") else None)
    assert kinds[(8, 32)] == "float16"
    assert kinds[(4, 8)] == "float32"


def test_float32_is_stored_where_it_is_asked_for(original, tmp_path):
    assert pack(original, tmp_path, storage="float32") == "float32"
    fresh = keras_ae.build(SPEC, seed=5)
    fresh.load_weights(tmp_path / "model.weights.h5")
    for found, own in zip(weights_of(fresh), weights_of(original), strict=True):
        np.testing.assert_array_equal(found, own)


def test_moving_statistics_and_learned_variances_are_packed(tmp_path):
    rows = (Conv(4, kernel=4, stride=2), Norm("batch"), Flatten())
    model = trained(keras_ae.Spec((6, 6, 1), rows, Vector(3), "gaussian_global"))
    published(tmp_path / "it", model, model="conv_ae")
    again = keras_ae.build("conv_ae", weights=tmp_path / "it")
    np.testing.assert_allclose(again.reconstruct(data()), model.reconstruct(data()), atol=1e-3)
    own, found = ([v for v in m.non_trainable_variables if "moving" in v.name] for m in (model, again))
    assert own and len(own) == len(found)
    for a, b in zip(own, found, strict=True):
        np.testing.assert_allclose(ops.convert_to_numpy(b), ops.convert_to_numpy(a), rtol=1e-3, atol=1e-6)


def test_a_schedule_is_packed_as_the_number_that_it_stands_at(tmp_path):
    model = keras_ae.build(replace(SPEC, objective=ELBO(Ramp(0.0, 0.7, 4))), seed=0)
    model.fit(data(), batch_size=4, epochs=2, verbose=0)
    published(tmp_path / "it", model)
    again = keras_ae.build("vae", weights=tmp_path / "it")
    assert again.spec == replace(SPEC, objective=ELBO(0.7))
    assert float(again.scheduled["beta"]) == pytest.approx(0.7)


@pytest.mark.parametrize(
    ("options", "message"),
    [({}, "Give check=x, or storage='float32'"), ({"storage": "int8"}, "storage must be one of float16, float32, got")],
)
def test_packing_that_cannot_be_checked_is_refused(original, tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        pack(original, tmp_path / "it", **options)
    assert not (tmp_path / "it").exists()


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"dataset": ""}, "lack dataset"),
        ({"pictures": ["none.png"]}, r"lacks the pictures none\.png"),
        ({"numbers": {"mse": {"value": float("nan")}}}, "not JSON compliant"),
    ],
)
def test_a_card_that_would_not_hold_is_not_written(folder, facts, message):
    before = (folder / "card.json").read_bytes()
    with pytest.raises(ValueError, match=message):
        write_card(folder, FACTS | facts)
    assert (folder / "card.json").read_bytes() == before


def test_the_catalogue_has_the_hash_of_every_file(root):
    catalogue = json.loads((root / "catalogue.json").read_text())
    assert list(catalogue) == ["vae/squares"]
    assert sorted(catalogue["vae/squares"]) == sorted([*FILES, "card.md", "reconstructions.png"])
    for file, value in catalogue["vae/squares"].items():
        assert value == hashlib.sha256((root / "vae-squares" / file).read_bytes()).hexdigest()


def test_a_folder_under_another_name_or_that_is_damaged_does_not_enter_the_catalogue(root):
    before = (root / "catalogue.json").read_bytes()
    (root / "vae-squares").rename(root / "vae-circles")
    with pytest.raises(ValueError, match=r"vae-circles has the card of vae/squares: name the folder vae-squares"):
        refresh_catalogue(root)
    (root / "vae-circles").rename(root / "vae-squares")
    flipped(root / "vae-squares" / "model.weights.h5")
    with pytest.raises(ValueError, match="do not belong together"):
        refresh_catalogue(root)
    assert (root / "catalogue.json").read_bytes() == before


# Cards


def test_a_card_is_a_mapping_with_attributes(root):
    card = keras_ae.card("vae/squares")
    assert card["numbers"] == card.numbers == NUMBERS
    assert set(card) == COMPLETE and len(card) == len(COMPLETE)
    assert card.parameters == SPEC.parameters and card.storage == "float16"
    assert card.headline == "mse 0.0123 ± 0.0012"
    assert repr(card) == "Card('vae/squares')"
    with pytest.raises(AttributeError, match=r"has no 'colour'\. It has format, name"):
        card.colour  # noqa: B018


def test_a_card_reads_well(root):
    card = keras_ae.card("vae/squares")
    text = str(card)
    assert text == card._repr_markdown_()
    for line in (
        "# vae/squares",
        'model = keras_ae.build("vae", weights="squares")',
        "| mse | 0.0123 ± 0.0012 | all 8 test images |",
        "| active_units | 3 | variance of the mean > 0.01 |",
        "- licence: CC0",
        "- split: test the last 8",
        "- command: `python recipes/pretrain.py --model vae --dataset squares`",
        "- seed: 0",
        "- wall time: 1.5 minutes on 2 cores",
        f"![reconstructions]({root / 'vae-squares' / 'reconstructions.png'})",
        "- use: Codes of squares.",
        "- limits: Squares only.",
    ):
        assert line in text.splitlines()
    assert "notes" not in text  # It says nothing.
    assert f"{SPEC.parameters:,} parameters, stored as float16." in text


def test_card_md_in_a_folder_names_its_pictures_and_no_place(root, folder):
    text = (root / "vae-squares" / "card.md").read_text()
    assert "![reconstructions](reconstructions.png)" in text and 'weights="squares"' in text
    assert 'weights="path/of/this/folder"' in (folder / "card.md").read_text()
    assert f'weights="{folder}"' in str(keras_ae.card(folder))


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ({"value": 82.9638, "error": 0.2049}, "82.96 ± 0.20"),
        ({"value": 13340.7, "error": 21.4}, "13341 ± 21"),
        ({"value": 0.0030123456, "error": None}, "0.0030123"),
        ({"value": 15}, "15"),
    ],
)
def test_numbers_are_shown_to_two_digits_of_their_error(number, text):
    assert cards._number(number) == text


# Fine-tuning


def test_training_goes_on_from_the_loaded_weights(root, original):
    model = keras_ae.build("vae", weights="squares", optimizer=keras.optimizers.SGD(0.0), seed=1)
    x = data()
    loaded = model.evaluate(x, verbose=0, return_dict=True)
    first = model.fit(x, batch_size=16, verbose=0).history
    assert int(model.optimizer.iterations) == 1
    # The KL draws nothing: that of the first step, before any update, is that of the loaded weights.
    assert first["kl"][0] == pytest.approx(loaded["kl"], rel=1e-5)
    assert first["kl"][0] == pytest.approx(original.evaluate(x, verbose=0, return_dict=True)["kl"], rel=1e-2)
    untrained = keras_ae.build(SPEC, seed=1).evaluate(x, verbose=0, return_dict=True)
    assert first["kl"][0] != pytest.approx(untrained["kl"], rel=1e-2)
    tuned = keras_ae.build("vae", weights="squares", optimizer=keras.optimizers.Adam(0.01), seed=1)
    history = tuned.fit(x, epochs=20, verbose=0).history["loss"]
    assert history[-1] < history[0]


# The command line


def output(*arguments):
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


def test_the_command_line_lists_weights_and_prints_cards(root, monkeypatch):
    monkeypatch.setattr(keras_ae.cli.console, "_width", 120)
    size = sum(file.stat().st_size for file in (root / "vae-squares").iterdir())
    (line,) = [line for line in output("weights", "v*").splitlines() if "vae/squares" in line]
    assert line.split() == [
        *("vae/squares", f"{SPEC.parameters:,}", f"{size / 1e6:.2f}", "MB", "mse", "0.0123", "±", "0.0012")
    ]
    assert output("weights", "conv_*").strip() == "No pretrained weights are called conv_*."
    assert output("card", "vae/squares") == str(keras_ae.card("vae/squares"))


# What ships


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_weights_load_and_are_of_the_named_model(name):
    model_name, dataset = name.split("/")
    model = keras_ae.build(model_name, weights=dataset)
    assert model.spec.model == keras_ae.spec(model_name).model
    x_hat = model.reconstruct(np.zeros((2, *model.spec.input_shape), "float32"))
    assert x_hat.shape == (2, *model.spec.input_shape) and np.isfinite(x_hat).all()


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_cards_are_complete_and_every_file_is_known(name):
    folder = pretrained.find(name)
    card = folder.card()
    assert set(card) >= COMPLETE
    assert card.name == name and card.parameters == folder.spec().parameters
    for key in ("data", "command", "versions", "numbers", "pictures", "use", "limits"):
        assert card[key], key
    for key in ("version", "licence", "preprocessing", "split"):
        assert card.data[key], key
    assert set(folder.hashes) == {path.name for path in folder.path.iterdir()}
    for file in folder.hashes:
        folder.read(file)
    assert set(card.pictures) <= set(folder.hashes)
    assert (folder.path / "card.md").read_text() == str(cards.Card(dict(card), weights=name))


def test_every_folder_is_in_the_catalogue_and_all_of_them_are_small():
    folders = {path.parent.name for path in pretrained.ROOT.glob("*/card.json")}
    assert folders == {name.replace("/", "-") for name in SHIPPED}
    assert sum(path.stat().st_size for path in pretrained.ROOT.rglob("*") if path.is_file()) <= MOST_BYTES


def test_building_with_weights_imports_neither_data_sets_nor_plots(folder):
    code = (
        "import sys, keras_ae; keras_ae.build('vae', weights=sys.argv[1]); "
        "print(*[n for n in sys.modules if n.startswith(('keras_ae.', 'tensorflow_datasets'))])"
    )
    environment = os.environ | {"KERAS_BACKEND": keras.backend.backend()}
    command = [sys.executable, "-c", code, str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    modules = set(done.stdout.split())
    assert "keras_ae.pretrained" in modules
    found = {f"keras_ae.{part}" for part in ("datasets", "plots", "evaluation", "callbacks", "runs", "cli")}
    assert modules.isdisjoint(found | {"tensorflow_datasets"})
