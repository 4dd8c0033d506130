"""Rows of a user's own, one of each kind: declared here with what they become, and used as those of the package."""

import sys
from dataclasses import dataclass
from typing import ClassVar

import keras
import numpy as np
import pytest
from keras import ops
from scipy import stats

import keras_ae
from keras_ae import registry
from keras_ae.bounds import bounded
from keras_ae.divergences import gaussian_log_density
from keras_ae.latents import CodeLayer
from keras_ae.likelihoods import LikelihoodLayer
from keras_ae.rows import CORRUPTIONS, LIKELIHOODS, Prior


@dataclass(frozen=True)
class GatedLinear(keras_ae.Row):
    """values * sigmoid(gates), both linear in x (Dauphin et al. 2017)."""

    units: int

    def output_shape(self, shape):
        return (*shape[:-1], self.units)

    def mirror(self, shape, activation):
        return GatedLinear(shape[-1])

    def parameters(self, shape):
        return 2 * (shape[-1] + 1) * self.units


@keras_ae.register_layer(GatedLinear)
def gated_linear(row, x, make):
    values = make.weighted(keras.layers.Dense, row.units, name="values")(x)
    gates = make.weighted(keras.layers.Dense, row.units, activation="sigmoid", name="gates")(x)
    return make.layer(keras.layers.Multiply, name="gated")([values, gates])


@dataclass(frozen=True)
class Cauchy(keras_ae.Likelihood):
    """A Cauchy density around the decoder's output."""

    scale: float = 1.0
    names: ClassVar[dict[str, tuple]] = {"cauchy": (), "cauchy_narrow": (0.1,)}


@keras_ae.register_layer(Cauchy)
class CauchyLayer(LikelihoodLayer):
    def nll_of_values(self, x, outputs):
        distance = (x - outputs["loc"]) / self.row.scale
        return ops.log(np.pi * self.row.scale) + ops.log1p(ops.square(distance))

    def mean(self, outputs):
        return ops.convert_to_tensor(outputs["loc"])

    def sample(self, outputs, seed):
        return outputs["loc"] + self.row.scale * ops.tan(np.pi * (self.uniform(outputs["loc"], seed) - 0.5))


@dataclass(frozen=True)
class Sphere(keras_ae.Code):
    """A code of length 1."""

    latent_dim: int


@keras_ae.register_layer(Sphere)
class SphereCode(CodeLayer):
    def call(self, parameters):
        return ops.normalize(parameters["z"], axis=-1)


@dataclass(frozen=True)
class Offset(keras_ae.Corruption):
    """Add the same number everywhere."""

    by: float = 0.25
    names: ClassVar[dict[str, tuple]] = {"offset": ()}


@keras_ae.register_layer(Offset)
def offset(row, x, draws):
    return x + row.by


@dataclass(frozen=True)
class Wide(Prior):
    """N(0, exp(log_var) I), of one learned variance."""

    def parameters(self, latent_dim):
        return 1


@keras_ae.register_layer(Wide)
class WidePrior(keras.layers.Layer):
    def __init__(self, row, latent_dim, seed=None, *, draw=True, **options):
        super().__init__(**options)
        self.log_var = self.add_weight(shape=(), initializer=keras.initializers.Constant(1.0), name="log_var")
        self.built = True

    def log_density(self, z):
        log_var = bounded(ops.convert_to_tensor(self.log_var))
        return gaussian_log_density(z, ops.zeros_like(z), ops.broadcast_to(log_var, ops.shape(z)))

    def kl(self, z_mean, z_log_var, z):
        return gaussian_log_density(z, z_mean, z_log_var) - self.log_density(z)

    def draw(self, n, latent_dim, rng):
        return np.exp(0.5 * ops.convert_to_numpy(self.log_var)) * rng.standard_normal((n, latent_dim), dtype="float32")


@dataclass(frozen=True)
class Halving(keras_ae.Schedule):
    """From `start` towards `stop`, nearer by half at each step."""

    start: float
    stop: float = 0.0

    def moves(self, step):
        return True


@keras_ae.register_layer(Halving)
def halving(row, step):
    return row.stop + (row.start - row.stop) * 0.5 ** ops.cast(step, "float32")


SPECS = {
    "layer row": keras_ae.Spec((6,), (GatedLinear(5), keras_ae.Dense(4)), keras_ae.Vector(2), "gaussian"),
    "layer rows in a residual": keras_ae.Spec(
        (6,), (keras_ae.Residual((GatedLinear(6), keras_ae.Dense(6))),), keras_ae.Vector(2), "gaussian"
    ),
    "likelihood": keras_ae.Spec((6,), (keras_ae.Dense(5),), keras_ae.Vector(2), "cauchy_narrow"),
    "code": keras_ae.Spec((6,), (keras_ae.Dense(5, "tanh"),), Sphere(3), "gaussian"),
    "corruption": keras_ae.Spec((6,), (keras_ae.Dense(5),), keras_ae.Vector(2), "gaussian", corruption=Offset(0.5)),
    "prior": keras_ae.Spec((6,), (keras_ae.Dense(5),), keras_ae.Gaussian(2, prior=Wide()), "gaussian"),
    "schedule": keras_ae.Spec(
        (6,), (keras_ae.Dense(5),), keras_ae.Gaussian(2), "gaussian", objective=keras_ae.ELBO(Halving(4.0, 1.0))
    ),
}
X = np.random.default_rng(0).normal(size=(32, 6)).astype("float32")

each_spec = pytest.mark.parametrize("name", SPECS)


@each_spec
def test_a_spec_is_itself_after_json_and_counts_the_weights_that_are_built(name):
    spec = SPECS[name]
    assert keras_ae.Spec.from_json(spec.to_json()) == spec
    assert keras_ae.build(spec, seed=0).count_params() == spec.parameters + len(spec.scheduled)


@each_spec
def test_a_model_learns_and_is_itself_after_files(name, tmp_path):
    model = keras_ae.build(SPECS[name], optimizer=keras.optimizers.Adam(0.01), seed=0)
    losses = model.fit(X, epochs=5, batch_size=8, verbose=0, shuffle=False).history["loss"]
    assert losses[-1] < losses[0]
    model.save(tmp_path / "model.keras")
    model.save_weights(tmp_path / "model.weights.h5")
    other = keras_ae.build(SPECS[name], seed=1)
    other.load_weights(tmp_path / "model.weights.h5")
    for again in (keras_ae.load_model(tmp_path / "model.keras"), other):
        np.testing.assert_allclose(again.reconstruct(X), model.reconstruct(X), atol=1e-6)


def test_a_layer_row_is_its_formula_and_is_mirrored():
    spec = SPECS["layer row"]
    assert spec.decoder_rows[-1] == GatedLinear(6)
    layers = keras_ae.build(spec, seed=0).encoder
    (w, b), (v, c) = (layers.get_layer(name).get_weights() for name in ("values_0", "gates_1"))
    found = keras.Model(layers.input, layers.get_layer("gated_2").output)(X)
    wanted = (X @ w + b) / (1 + np.exp(-(X @ v + c)))
    np.testing.assert_allclose(ops.convert_to_numpy(found), wanted, atol=1e-6)


def test_a_likelihood_is_scipys_and_has_its_short_names():
    assert LIKELIHOODS["cauchy"] == Cauchy() and LIKELIHOODS["cauchy_narrow"] == Cauchy(0.1)
    model = keras_ae.build(SPECS["likelihood"], seed=0)
    wanted = -stats.cauchy.logpdf(X, model.reconstruct(X), 0.1).sum(axis=1)
    np.testing.assert_allclose(model.reconstruction_error(X, kind="nll"), wanted, rtol=1e-4)


def test_a_code_is_what_its_layer_makes_of_what_the_encoder_gives():
    model = keras_ae.build(SPECS["code"], seed=0)
    z = model.posterior(X)["z"]
    np.testing.assert_allclose(model.encode(X), z / np.linalg.norm(z, axis=1, keepdims=True), atol=1e-6)


def test_a_corruption_has_its_short_name_and_takes_its_strength():
    assert CORRUPTIONS["offset"] == Offset()
    np.testing.assert_array_equal(keras_ae.corrupted(X, "offset"), X + np.float32(0.25))
    assert keras_ae.spec("denoising_ae", corruption="offset", strength=0.5).corruption == Offset(0.5)


def test_a_prior_is_drawn_from_and_counts_in_the_elbo():
    model = keras_ae.build(SPECS["prior"], seed=0)
    assert model.prior.draw(20_000, 2, np.random.default_rng(0)).var() == pytest.approx(np.e, rel=0.05)
    assert np.isfinite(model.log_likelihood(X[:4], num_samples=8)).all()


def test_a_schedule_is_followed_step_by_step():
    model = keras_ae.build(SPECS["schedule"], seed=0)
    found = []
    for _ in range(3):
        model.train_on_batch(X)
        found.append(float(model.scheduled["beta"]))
    assert found == pytest.approx([4.0, 2.5, 1.75])


# What is refused


def test_a_row_of_which_nothing_says_what_it_becomes_is_named():
    @dataclass(frozen=True)
    class Nothing(keras_ae.Row, abstract=True):
        """A layer row without a layer."""

        def output_shape(self, shape):
            return shape

        def mirror(self, shape, activation):
            return self

        def parameters(self, shape):
            return 0

    spec = keras_ae.Spec((6,), (Nothing(), keras_ae.Dense(2)), keras_ae.Vector(2))
    with pytest.raises(TypeError, match=r"Nothing says what Nothing\(\) becomes\. .*register_layer\(Nothing\)"):
        keras_ae.build(spec)


def test_what_is_no_class_of_rows_becomes_nothing():
    for wrong in ("Dense", keras_ae.Dense(3), keras.layers.Dense):
        with pytest.raises(TypeError, match=r"register_layer takes a subclass of keras_ae\.Row"):
            keras_ae.register_layer(wrong)


def test_the_name_of_another_row_is_refused():
    with pytest.raises(ValueError, match=r"row called 'Dense' already, keras_ae\.rows\.layers\.Dense\. Call yours"):
        type("Dense", (keras_ae.Row,), {})
    with pytest.raises(ValueError, match=r"short name called 'laplace' already, keras_ae\.rows\.likelihoods\.Laplace"):
        type("Laplacian", (keras_ae.Likelihood,), {"names": {"laplace": ()}}, abstract=True)


def test_a_file_whose_row_is_not_declared_says_so():
    text = SPECS["code"].to_json().replace("Sphere", "Torus")
    with pytest.raises(keras_ae.SpecError, match=r"Unknown row 'Torus'.*once the module that declares it is imported"):
        keras_ae.Spec.from_json(text)


# Discovery


def test_the_modules_of_a_package_are_found_in_folders_too(tmp_path, monkeypatch):
    package = tmp_path / "families_of_a_test"
    for folder in (package, package / "plain"):
        folder.mkdir()
        (folder / "__init__.py").write_text("")
    text = (
        "from dataclasses import dataclass\nfrom keras_ae import Row\n@dataclass(frozen=True)\nclass {}(Row):\n  pass"
    )
    (package / "first.py").write_text(text.format("FirstOfATest"))
    (package / "plain" / "second.py").write_text(text.format("SecondOfATest"))
    monkeypatch.syspath_prepend(tmp_path)
    found = registry.discover("families_of_a_test")
    assert {name: row.__module__ for name, row in found.items()} == {
        "FirstOfATest": "families_of_a_test.first",
        "SecondOfATest": "families_of_a_test.plain.second",
    }
    assert "families_of_a_test.plain.second" in sys.modules
