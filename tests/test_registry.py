import os
import subprocess
import sys
from dataclasses import dataclass
from typing import ClassVar

import keras
import numpy as np
import pytest

import keras_ae
from keras_ae import registry
from keras_ae.rows import base


@pytest.fixture
def empty(monkeypatch):
    """Names registered in a test are gone after it."""
    monkeypatch.setattr(registry, "_SPECS", dict(registry._SPECS))
    monkeypatch.setattr(registry, "_TYPES", dict(registry._TYPES))
    monkeypatch.setattr(base, "ROWS", dict(base.ROWS))


def test_models_are_listed_by_pattern():
    assert keras_ae.list_models() == sorted(keras_ae.list_models())
    assert keras_ae.list_models("conv_v*") == ["conv_vae"]
    assert keras_ae.list_models("vae*") == ["vae"]
    assert keras_ae.list_models("nothing*") == []


@pytest.mark.parametrize("function", [keras_ae.build, keras_ae.spec, keras_ae.describe])
def test_an_unknown_name_brings_the_nearest(function):
    with pytest.raises(ValueError, match=r"Unknown model 'conv_va'\. Did you mean 'conv_vae'\? See .*list_models"):
        function("conv_va")


def test_a_name_like_no_other_brings_no_hint():
    with pytest.raises(ValueError, match=r"Unknown model 'xyzzy'\. See keras_ae\.list_models\(\)\."):
        keras_ae.build("xyzzy")


def test_an_unknown_option_brings_those_there_are():
    with pytest.raises(
        ValueError, match=r"Model 'vae' has no option 'latent'\. It takes input_shape, latent_dim, beta"
    ):
        keras_ae.build("vae", latent=3)


def test_a_spec_takes_no_options():
    with pytest.raises(ValueError, match=r"takes no further options, got latent_dim.*dataclasses\.replace"):
        keras_ae.build(keras_ae.spec("ae"), latent_dim=3)


def test_a_spec_of_an_unknown_type_brings_those_there_are():
    @dataclass(frozen=True)
    class Lonely(keras_ae.Objective, abstract=True):
        """An objective for which no model type is registered."""

        model: ClassVar[str] = "aee"

    spec = keras_ae.Spec((4,), (keras_ae.Dense(3),), keras_ae.Vector(2), objective=Lonely())
    with pytest.raises(
        ValueError, match=r"Unknown model type 'aee'\. Did you mean 'ae'\? Known: (?=.*neighbour_ae, sparse_ae, vae)"
    ):
        keras_ae.build(spec)


def test_build_compiles_with_adam_unless_told_otherwise():
    spec = keras_ae.Spec((4,), (keras_ae.Dense(3),), keras_ae.Vector(2))
    assert isinstance(keras_ae.build(spec).optimizer, keras.optimizers.Adam)
    assert float(keras_ae.build(spec).optimizer.learning_rate) == pytest.approx(1e-3)
    assert isinstance(keras_ae.build(spec, optimizer="sgd").optimizer, keras.optimizers.SGD)
    rate = keras.optimizers.RMSprop(0.1)
    assert keras_ae.build(spec, optimizer=rate).optimizer is rate
    assert keras_ae.build(spec, jit_compile=False).jit_compile is False


def test_without_a_seed_weights_follow_keras_random_seed():
    spec = keras_ae.Spec((4,), (keras_ae.Dense(3),), keras_ae.Vector(2))
    keras.utils.set_random_seed(3)
    first, second = (keras_ae.build(spec).get_weights()[0] for _ in range(2))
    keras.utils.set_random_seed(3)
    np.testing.assert_array_equal(keras_ae.build(spec).get_weights()[0], first)
    assert not np.array_equal(first, second)


def test_a_model_of_ones_own_is_built_by_name(empty):
    @dataclass(frozen=True)
    class Doubled(keras_ae.Objective):
        """2 nll."""

        model: ClassVar[str] = "twice"

    @keras_ae.register_type(Doubled)
    class Twice(keras_ae.Autoencoder):
        def objective(self, batch, outputs):
            terms = super().objective(batch, outputs)
            return terms | {"loss": 2 * terms["nll"]}

    @keras_ae.register("tiny_twice")
    def tiny_twice(input_shape=(4,), *, latent_dim=2):
        """Say everything twice."""
        rows, code = (keras_ae.Dense(3),), keras_ae.Vector(latent_dim)
        return keras_ae.Spec(input_shape, rows, code, "gaussian", objective=Doubled())

    assert "tiny_twice" in keras_ae.list_models()
    assert keras_ae.describe("tiny_twice") == "Say everything twice."
    model = keras_ae.build("tiny_twice", latent_dim=1, seed=0)
    assert isinstance(model, Twice)
    assert model.spec.latent_dim == 1
    losses = model.evaluate(np.ones((4, 4), "float32"), return_dict=True, verbose=0)
    assert losses["loss"] == pytest.approx(2 * losses["nll"])


def test_names_of_a_test_are_gone_after_it():
    assert "tiny_twice" not in keras_ae.list_models()


def test_a_backend_that_cannot_train_is_refused_in_words():
    pytest.importorskip("jax", reason="Keras' NumPy backend imports JAX")
    environment = os.environ | {"KERAS_BACKEND": "numpy"}
    command = [sys.executable, "-c", "import keras_ae"]
    error = subprocess.run(command, env=environment, capture_output=True, text=True).stderr
    assert "Set the environment variable KERAS_BACKEND" in error and "'numpy'" in error


def test_what_is_no_objective_names_no_type():
    for wrong in ("twice", keras_ae.ELBO(), keras_ae.Gaussian):
        with pytest.raises(TypeError, match=r"takes a subclass of keras_ae\.Objective"):
            keras_ae.register_type(wrong)


@pytest.mark.parametrize("name", ["Sparse", "Neighbours"])
def test_a_name_of_the_first_version_says_what_is_written_today(name):
    with pytest.raises(AttributeError, match=rf"no attribute '{name}'. Since version 0.1.0 write Spec\(.*objective="):
        getattr(keras_ae, name)
