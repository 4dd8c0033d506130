"""One record a model: what every model of the zoo has to do, on this backend and on the others.

Run as a script, `python test_models.py FOLDER`, it loads on another backend what the tests wrote into FOLDER.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.util import find_spec
from math import isfinite, pi, prod, sqrt
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

import keras_ae

BACKENDS = ("tensorflow", "jax", "torch")
LATENT_DIM = 8


@dataclass(frozen=True)
class Type:
    """A model of the zoo.

    Attributes:
        name: its name.
        model: the name of its type, None for the same.
        codes: the shape of what the encoder gives of a sample, by name.
        draws: whether training draws, noise or codes.
        options: of `build`, beside `latent_dim`.
        data: (n, shape) -> samples; None means images, or uniform numbers of another shape.
        beside: (n) -> what the model takes beside n samples, by name.
        default: the shape of a sample unless told otherwise.
        sides: shapes of samples that it takes beside images of grey.
        stands_for: a kind, for tests that take long and depend on the kind alone.
    """

    name: str
    model: str | None = None
    codes: dict = field(default_factory=lambda: {"z": (LATENT_DIM,)})
    draws: bool = False
    options: dict = field(default_factory=lambda: {"latent_dim": LATENT_DIM})
    data: Callable | None = None
    beside: Callable[[int], dict] = lambda n: {}
    default: tuple = (28, 28, 1)
    sides: tuple = ((16, 16, 3), (12,))
    stands_for: bool = False


def counts(n, shape):
    """Counts, some of them in every sample."""
    return 1 + np.random.default_rng(0).poisson(3.0, (n, *(shape or (12,)))).astype("float32")


def classes_of(n):
    """A class for each of n samples."""
    return {"labels": np.arange(n) % 10}


OF_IMAGES = ((16, 16, 3), (64, 2), (8, 8, 8, 1))
OF_GAUSSIAN = {"z_mean": (LATENT_DIM,), "z_log_var": (LATENT_DIM,)}
TYPES = (
    Type("aae", draws=True, stands_for=True),
    Type("ae"),
    Type("conv_aae", "aae", draws=True, sides=OF_IMAGES),
    Type("conv_ae", "ae", sides=OF_IMAGES),
    Type("conv_cvae", "vae", OF_GAUSSIAN, draws=True, beside=classes_of, sides=OF_IMAGES),
    Type("conv_denoising_ae", "ae", draws=True, sides=OF_IMAGES),
    Type("conv_sparse_ae", "sparse_ae", sides=OF_IMAGES),
    Type("conv_vae", "vae", OF_GAUSSIAN, draws=True, sides=OF_IMAGES, stands_for=True),
    Type(
        "count_vae",
        codes=OF_GAUSSIAN,
        draws=True,
        options={"latent_dim": LATENT_DIM, "input_shape": (12,)},
        data=counts,
        beside=lambda n: {"library": np.full(n, 40.0)},
        default=(2000,),
        sides=((5,), (4, 3, 1)),
        stands_for=True,
    ),
    Type("cvae", "vae", OF_GAUSSIAN, draws=True, beside=classes_of, stands_for=True),
    Type("denoising_ae", "ae", draws=True, stands_for=True),
    Type(
        "ladder_vae",
        codes={f"{name}_{level}": (dim,) for level, dim in ((1, 8), (2, 4), (3, 2)) for name in ("mean", "log_var")},
        draws=True,
        options={"dims": (8, 4, 2), "units": (32, 16, 8)},
        stands_for=True,
    ),
    Type(
        "masked_ae",
        codes={"z": (256,)},
        draws=True,
        options={"input_shape": (28, 28, 1), "patch": 7, "width": 16, "depth": 1, "heads": 2, "decoder_width": 8},
        default=(32, 32, 3),
        sides=((14, 21, 3), (14, 2), (14, 7, 7, 1), (14,)),
        stands_for=True,
    ),
    Type("neighbour_ae"),
    Type("sparse_ae", stands_for=True),
    Type("vae", codes=OF_GAUSSIAN, draws=True),
    Type(
        "vq_vae",
        codes={"z_e": (7, 7, LATENT_DIM)},
        options={"codes": 32, "dim": LATENT_DIM, "width": 16, "revival": 0.0},  # What revives would be drawn.
        sides=(*OF_IMAGES, (12,)),
        stands_for=True,
    ),
)
MODELS = {each.name: each for each in TYPES}
ONE_OF_EACH_KIND = [each.name for each in TYPES if each.stands_for]
LEARNING = {"batch_size": 32, "shuffle": False, "verbose": 0}

each_model = pytest.mark.parametrize("name", MODELS)


@cache
def images(n=128):
    with np.load(Path(keras_ae.__file__).parent / "datasets" / "mnist_mini.npz") as arrays:
        return (arrays["x_train"][:n, ..., None] / 255).astype("float32")


def built(name, seed=0, **options):
    return keras_ae.build(name, **MODELS[name].options | options, seed=seed)


def batch_of(name, n=128, x=None):
    """n images, or x, and in a dict what the model takes beside them."""
    if x is None:
        x = MODELS[name].data(n, None) if MODELS[name].data else images(n)
    beside = MODELS[name].beside(len(x))
    return {"x": x} | beside if beside else x


def first(batch, n):
    """The first n samples of a batch."""
    return {name: value[:n] for name, value in batch.items()} if isinstance(batch, dict) else batch[:n]


def weights_of(model):
    return [np.array(weight) for weight in model.get_weights()]


def same(some, others):
    return all(np.array_equal(a, b) for a, b in zip(some, others, strict=True))


def stepped(model, x, y=None):
    """Take one step, without the time to compile one where that is shorter, and return what was logged."""
    model.compile(run_eagerly=keras.backend.backend() != "jax")
    return model.train_on_batch(x, y, return_dict=True)


@dataclass
class Trained:
    """What is known of a model that was trained for two epochs, saved, and then trained for one more."""

    losses: list[float]
    weights: list[np.ndarray]
    x_hat: np.ndarray
    going_on: float
    file: Path
    weights_file: Path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("zoo")


@pytest.fixture(scope="module")
def trained(folder):
    """Train a model when it is first asked for, and leave its files in `folder`."""

    @cache
    def train(name):
        model, x = built(name), batch_of(name)
        losses = model.fit(x, epochs=2, **LEARNING).history["loss"]
        file, weights_file = folder / f"{name}.keras", folder / f"{name}.weights.h5"
        model.save(file)
        model.save_weights(weights_file)
        weights, x_hat = weights_of(model), model.reconstruct(first(x, 16))
        (going_on,) = model.fit(first(x, 64), **LEARNING).history["loss"]
        return Trained(losses, weights, x_hat, going_on, file, weights_file)

    return train


# Every model


def test_the_rows_are_the_models():
    assert list(MODELS) == keras_ae.list_models()


@each_model
def test_default_model_is_described_and_takes_its_kind_of_samples(name):
    spec = keras_ae.spec(name)
    assert spec.input_shape == MODELS[name].default
    assert keras_ae.describe(name)
    assert spec.model == (MODELS[name].model or name)
    assert keras_ae.build(name).count_params() == spec.parameters + len(spec.scheduled)


@each_model
def test_shapes(name):
    model, batch = built(name), batch_of(name, 3)
    x = batch["x"] if isinstance(batch, dict) else batch
    parameters, beside = model.posterior(batch), MODELS[name].beside(3)
    assert {key: value.shape[1:] for key, value in parameters.items()} == MODELS[name].codes
    z = model.encode(batch)
    assert model.decode(z, **beside).shape == model.reconstruct(batch).shape == x.shape
    decoded = model.decoder_logits(model.spec.taken_by("decoder", beside | {"z": z}))
    assert {name: head.shape for name, head in decoded.items()} == dict.fromkeys(
        model.spec.likelihood.heads, (3, *model.spec.input_shape)
    )
    assert model.output_shape == (None, *x.shape[1:])


@each_model
def test_spec_survives_json(name):
    spec = keras_ae.spec(name)
    again = keras_ae.Spec.from_json(spec.to_json())
    assert again == spec
    assert str(again) == str(spec)


@each_model
def test_a_few_steps_lower_the_loss(trained, name):
    first, last = trained(name).losses
    assert last < first


@each_model
def test_saved_file_gives_equal_outputs_and_goes_on_training(trained, name):
    before = trained(name)
    model = keras.saving.load_model(before.file)
    assert type(model) is type(built(name))
    assert same(weights_of(model), before.weights)
    np.testing.assert_allclose(model.reconstruct(batch_of(name, 16)), before.x_hat, atol=1e-6)
    (loss,) = model.fit(batch_of(name, 64), **LEARNING).history["loss"]
    assert loss == pytest.approx(before.going_on, rel=1e-5)  # Optimiser and random state were kept.


@each_model
def test_weights_load_into_a_fresh_model(trained, name):
    model = built(name, seed=5)
    model.load_weights(trained(name).weights_file)
    np.testing.assert_allclose(model.reconstruct(batch_of(name, 16)), trained(name).x_hat, atol=1e-6)


@each_model
def test_same_seed_gives_the_same_weights_and_draws_and_another_seed_gives_others(name):
    model, twin, other = built(name), built(name), built(name, seed=1)
    # Kernels that start at 0 are not drawn.
    kernels = [[w for w in weights_of(m) if w.ndim > 1 and w.any()] for m in (model, twin, other)]
    assert same(kernels[0], kernels[1])
    assert not any(np.array_equal(a, b) for a, b in zip(kernels[0], kernels[2], strict=True))
    if MODELS[name].draws:
        draws = [draw(m) for m in (model, twin, other)]
        assert np.array_equal(draws[0], draws[1])
        assert not np.allclose(draws[0], draws[2])
        assert not np.allclose(draws[1], draw(twin))  # A second draw is another one.


@pytest.mark.parametrize("name", ONE_OF_EACH_KIND)
def test_same_seed_gives_the_same_losses_and_another_seed_gives_others(trained, name):
    (same_seed,), (other,) = (built(name, seed).fit(batch_of(name), **LEARNING).history["loss"] for seed in (0, 1))
    assert same_seed == pytest.approx(trained(name).losses[0], rel=1e-6)
    assert other != trained(name).losses[0]


def draw(model):
    """Return what the model adds at random: masks, corrupted zeros, codes drawn from N(0, I), or a game with such."""
    if hasattr(model, "masks"):
        return ops.convert_to_numpy(model.autoencode({"x": images(2)}, training=False)["hidden"])
    if model.corruption:
        return ops.convert_to_numpy(model.corruption(np.full((2, 28, 28, 1), 0.5, "float32")))
    if hasattr(model, "discriminator"):
        return ops.convert_to_numpy(model.latent.terms({"z": ops.zeros((2, LATENT_DIM))})["discriminator_loss"])
    parameters = {key: np.zeros((2, *shape), "float32") for key, shape in MODELS[model.name].codes.items()}
    return ops.convert_to_numpy(model.latent.draw(parameters)["z"])


# Other backends


def main(folder):
    """Load on this backend what another one wrote; print the reconstructions' distances and the losses going on."""
    found = {"backend": keras.backend.backend()}
    for file in sorted(folder.glob("*.keras")):
        name, x = file.stem, batch_of(file.stem)
        model = built(name, seed=7)
        model.load_weights(folder / f"{name}.weights.h5")
        expected = np.load(folder / f"{name}.npy")
        distance = float(np.abs(model.reconstruct(first(x, 16)) - expected).max())
        found[name] = {"distance": distance}
        if name in ONE_OF_EACH_KIND:
            found[name]["losses"] = keras.saving.load_model(file).fit(first(x, 64), **LEARNING).history["loss"]
    print(json.dumps(found))


@pytest.fixture(scope="module")
def elsewhere(trained, folder):
    """What the other backends found in the files of this one: one process each, side by side."""
    for name in MODELS:
        np.save(folder / f"{name}.npy", trained(name).x_hat)
    processes = {}
    for backend in BACKENDS:
        if backend != keras.backend.backend() and find_spec(backend):
            environment = os.environ | {"KERAS_BACKEND": backend}
            command = [sys.executable, __file__, str(folder)]
            pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
            processes[backend] = subprocess.Popen(command, env=environment, **pipes)
    answers = {backend: process.communicate() for backend, process in processes.items()}
    for backend, process in processes.items():
        assert process.returncode == 0, answers[backend][1]
    return {backend: json.loads(out.splitlines()[-1]) for backend, (out, _) in answers.items()}


@pytest.mark.parametrize("backend", BACKENDS)
def test_weights_and_saved_files_travel(elsewhere, trained, backend):
    if backend == keras.backend.backend():
        pytest.skip("this is the backend that wrote the files")
    if backend not in elsewhere:
        pytest.skip(f"{backend} is not installed")
    found = elsewhere[backend]
    assert found.pop("backend") == backend
    assert list(found) == list(MODELS)
    assert {name: facts["distance"] for name, facts in found.items() if facts["distance"] > 1e-5} == {}
    for name in ONE_OF_EACH_KIND:
        # Without draws the steps after loading are the same on every backend, so the optimiser's state came along.
        tolerance = 0.1 if MODELS[name].draws else 1e-4
        assert found[name]["losses"] == pytest.approx([trained(name).going_on], rel=tolerance), name


# Other sizes and options


@pytest.mark.parametrize("name, input_shape", [(each.name, shape) for each in TYPES for shape in each.sides])
def test_colours_series_volumes_and_plain_features(name, input_shape):
    model = built(name, input_shape=input_shape)
    make = MODELS[name].data or (lambda n, shape: np.random.default_rng(0).random((n, *shape), dtype="float32"))
    x = make(4, input_shape)
    batch = batch_of(name, x=x)
    if name in ONE_OF_EACH_KIND:
        before = weights_of(model.encoder)
        assert isfinite(stepped(model, batch)["loss"])
        assert not same(before, weights_of(model.encoder))
    assert len(model.encode(batch)) == 4
    assert model.reconstruct(batch).shape == x.shape


@pytest.mark.parametrize("penalty", ["l1", "kl"])
def test_sparse_penalties(penalty):
    model = keras_ae.build("sparse_ae", input_shape=(8, 8, 1), latent_dim=20, penalty=penalty, seed=0)
    x = np.random.default_rng(0).random((32, 8, 8, 1), dtype="float32")
    z = model.encode(x)
    if penalty == "l1":
        assert (z >= 0).all()
        expected = np.abs(z).sum(axis=1).mean()
    else:
        assert ((z > 0) & (z < 1)).all()
        rho, mean = model.spec.objective.rho, z.mean(axis=0)
        expected = (rho * np.log(rho / mean) + (1 - rho) * np.log((1 - rho) / (1 - mean))).sum()
    logs = stepped(model, x)
    assert logs["sparsity"] == pytest.approx(expected, rel=1e-4, abs=1e-5)
    assert logs["loss"] == pytest.approx(logs["nll"] + model.spec.objective.strength * expected, rel=1e-5)


@pytest.mark.parametrize("corruption", ["gaussian", "salt_and_pepper", "masking"])
def test_corruptions(corruption):
    options = {"latent_dim": 4, "corruption": corruption, "strength": 0.2}
    model = keras_ae.build("denoising_ae", input_shape=(8, 8, 1), seed=0, **options)
    x = np.random.default_rng(0).random((64, 8, 8, 1), dtype="float32")
    assert isfinite(stepped(model, x)["loss"])
    corrupted = model.corrupt(x)
    assert corrupted.shape == x.shape
    if corruption == "gaussian":
        assert (corrupted - x).std() == pytest.approx(0.2, rel=0.1)
    else:
        assert (corrupted != x).mean() == pytest.approx(0.2, rel=0.2)


@pytest.mark.parametrize("likelihood", [name for name, row in keras_ae.rows.LIKELIHOODS.items() if not row.inputs])
def test_likelihoods(likelihood):
    model = keras_ae.build("vae", input_shape=(8, 8, 1), latent_dim=4, likelihood=likelihood, seed=0)
    x = np.random.default_rng(0).integers(0, 256, (32, 8, 8, 1)).astype("float32") / 255
    logs = stepped(model, x)
    assert logs["loss"] == pytest.approx(logs["nll"] + logs["kl"], rel=1e-5)
    x_hat = model.reconstruct(x)
    assert x_hat.shape == x.shape
    support = model.spec.likelihood.support
    assert support is None or (x_hat.min() >= support[0] and x_hat.max() <= support[1])


# What a denoising model is shown


@keras.saving.register_keras_serializable("tests")
class Spy(keras_ae.autoencoder.Autoencoder):
    """Logs how far the encoder's input is from the target, and the target's mean square."""

    terms = ("nll", "distance", "target")

    def autoencode(self, batch, **options):
        return super().autoencode(batch, **options) | {"input": batch["x"]}

    def objective(self, batch, outputs):
        x = batch["x"]
        distance, target = (ops.mean(v, axis=(1, 2, 3)) for v in (ops.abs(outputs["input"] - x), ops.square(x)))
        return super().objective(batch, outputs) | {"distance": distance, "target": target}


@pytest.fixture
def spy():
    model = Spy(keras_ae.spec("denoising_ae", latent_dim=4), seed=0)
    model.compile()
    return model


def test_the_input_is_corrupted_and_the_target_is_clean(spy):
    x, x_val = images(), images(256)[128:]
    history = spy.fit(x, validation_data=x_val, **LEARNING).history
    noise = 0.5 * sqrt(2 / pi)  # E|e| of e ~ N(0, 0.5^2).
    assert history["distance"] == pytest.approx([noise], rel=0.02)
    assert history["target"] == pytest.approx([np.square(x).mean()], rel=1e-5)
    assert history["val_distance"] == pytest.approx([noise], rel=0.02)
    assert history["val_target"] == pytest.approx([np.square(x_val).mean()], rel=1e-5)


def test_noise_is_drawn_anew_each_time(spy):
    first, second = (spy.evaluate(images()[:64], return_dict=True, verbose=0)["distance"] for _ in range(2))
    assert first != second


def test_nothing_is_added_to_noisy_inputs_of_the_users_own(spy):
    clean = images()[:64]
    noisy = np.clip(clean + 0.1, 0, 1)
    history = spy.fit(noisy, clean, validation_data=(noisy, clean), **LEARNING).history
    for prefix in ("", "val_"):
        assert history[f"{prefix}distance"] == pytest.approx([np.abs(noisy - clean).mean()], rel=1e-5)
        assert history[f"{prefix}target"] == pytest.approx([np.square(clean).mean()], rel=1e-5)


def test_predict_adds_nothing(spy):
    x = images()[:8]
    once = spy.predict(x, verbose=0)
    plain = keras_ae.build(replace(spy.spec, corruption=None), seed=3)
    plain.encoder.set_weights(spy.encoder.get_weights())
    plain.decoder_logits.set_weights(spy.decoder_logits.get_weights())
    np.testing.assert_allclose(once, plain.predict(x, verbose=0), atol=1e-6)
    np.testing.assert_allclose(once, spy.reconstruct(x), atol=1e-6)
    np.testing.assert_allclose(once, spy.decode(spy.encode(x)), atol=1e-6)


def test_a_corruption_may_be_given_to_any_model():
    spec = replace(keras_ae.spec("vae", input_shape=(6, 6, 1), latent_dim=2), corruption=keras_ae.Masking(0.5))
    model = keras_ae.build(spec, seed=0)
    x = np.ones((4, 6, 6, 1), dtype="float32")
    assert isfinite(stepped(model, x)["loss"])
    assert prod(spec.input_shape) * 4 * 0.3 < (model.corrupt(x) == 0).sum() < prod(spec.input_shape) * 4 * 0.7


if __name__ == "__main__":
    main(Path(sys.argv[1]))
