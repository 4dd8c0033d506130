import ast
import inspect
import re
import warnings
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from PIL import Image

from keras_ae.callbacks import CollapseMonitor, LatentVisualizer, ReconstructionVisualizer, pictures

X = np.random.default_rng(0).uniform(size=(30, 4, 4, 1)).astype("float32")
LABELS = np.arange(30) % 3


def spec_of(latent_dim, corruption=None):
    """A stand-in for a spec without inputs."""
    code = SimpleNamespace(prior=None, latent_dim=latent_dim)
    return SimpleNamespace(corruption=corruption, code=code, code_shape=(latent_dim,), beside=lambda *parts: ())


class FakeModel:
    """A linear encoder whose scale a test may change; `active` of its dimensions react to x."""

    name = "fake"

    def __init__(self, latent_dim=2, gaussian=True, corruption=None):
        self.weights = np.random.default_rng(1).normal(size=(16, latent_dim))
        self.spec = spec_of(latent_dim, corruption)
        self.gaussian, self.active, self.scale = gaussian, latent_dim, 1.0
        self.can_sample = gaussian
        self.decoded, self.reconstructed = [], []

    def encode(self, x, batch_size=None):
        z = self.scale * x.reshape(len(x), -1) @ self.weights
        return z * (np.arange(z.shape[1]) < self.active)

    def posterior(self, x, batch_size=None):
        z = self.encode(x)
        return {"z_mean": z, "z_log_var": -1.0 * (z != 0)} if self.gaussian else {"z": z}

    def decode(self, z):
        self.decoded.append(z)
        return np.clip(0.1 * z @ self.weights.T + 0.5, 0, 1).reshape(-1, 4, 4, 1)

    def corrupt(self, x, seed):
        return np.clip(x + np.random.default_rng(seed).normal(size=x.shape), 0, 1)

    def reconstruct(self, x):
        self.reconstructed.append(x)
        return 0.5 * x


def train(callback, model, epochs, before_epoch=lambda epoch: None):
    """The hooks that `fit` calls; gives the logs of each epoch."""
    callback.set_model(model)
    callback.on_train_begin()
    rows = []
    for epoch in epochs:
        before_epoch(epoch)
        callback.on_epoch_begin(epoch)
        rows.append({"loss": 1.0})
        callback.on_epoch_end(epoch, rows[-1])
    callback.on_train_end()
    return rows


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def frames(path):
    with Image.open(path) as gif:
        return gif.n_frames


def test_latent_visualizer_draws_every_second_epoch_and_a_gif(tmp_path):
    model = FakeModel()
    train(LatentVisualizer(X, LABELS, folder=tmp_path / "new", every=2, grid=3), model, range(5))
    assert names(tmp_path / "new") == [
        *("latent-grid-0002.png", "latent-grid-0004.png", "latent-grid.gif"),
        *("latents-0002.png", "latents-0004.png", "latents.gif"),
    ]
    assert frames(tmp_path / "new" / "latents.gif") == 2


def test_grid_of_a_gaussian_posterior_is_at_the_quantiles_of_the_prior(tmp_path):
    model = FakeModel()
    train(LatentVisualizer(X, folder=tmp_path, grid=3, gif=False), model, range(1))
    low = -1.6448536  # The 5 % quantile of the normal distribution.
    np.testing.assert_allclose(model.decoded[0][:4], [[low, low], [0, low], [-low, low], [low, 0]], atol=1e-6)


def test_grid_of_another_model_spans_the_latents_of_the_data(tmp_path):
    model = FakeModel(gaussian=False)
    train(LatentVisualizer(X, folder=tmp_path, grid=4, gif=False), model, range(1))
    z, points = model.encode(X), model.decoded[0]
    np.testing.assert_allclose(points.min(axis=0), np.percentile(z, 1, axis=0), rtol=1e-5)
    np.testing.assert_allclose(points.max(axis=0), np.percentile(z, 99, axis=0), rtol=1e-5)


@pytest.mark.parametrize("latent_dim", [1, 5])
def test_other_latent_dims_are_drawn_without_a_grid(tmp_path, latent_dim):
    train(LatentVisualizer(X, LABELS, folder=tmp_path, gif=False), FakeModel(latent_dim), range(2))
    assert names(tmp_path) == ["latents-0001.png", "latents-0002.png"]


def test_limits_begin_at_the_prior_and_only_grow(tmp_path):
    model, callback, seen = FakeModel(), LatentVisualizer(X, folder=tmp_path, grid=2, gif=False), []

    def scale(epoch):
        model.scale = [0.01, 100.0, 1.0][epoch]
        seen.append(callback._limits)

    train(callback, model, range(3), scale)
    _, prior, grown = seen
    assert prior == ((-3, 3), (-3, 3))
    assert grown == callback._limits and all(high - low > 100 for low, high in grown)


def test_axes_do_not_flip_when_the_encoder_does(tmp_path):
    model, callback, seen = FakeModel(5), LatentVisualizer(X, folder=tmp_path, gif=False), []

    def turn(epoch):
        model.weights = model.weights * (1 + 0.01 * epoch)
        seen.append(callback._plane)

    train(callback, model, range(4), turn)
    for before, after in zip(seen[1:], [*seen[2:], callback._plane], strict=True):
        assert (np.sum(before.axes * after.axes, axis=1) > 0.99).all()


def test_resumed_run_joins_the_earlier_pictures_and_no_others(tmp_path):
    options = {"folder": tmp_path, "grid": 2}
    train(LatentVisualizer(X, **options), FakeModel(), range(6))
    model = FakeModel()

    def scale(epoch):
        model.scale = 0.5 / (epoch + 1)  # Or equal pictures would share a frame.

    train(LatentVisualizer(X, **options), model, range(3), scale)
    assert frames(tmp_path / "latents.gif") == 3  # 0004 ... 0006 are of the run before, which did not end here.
    train(LatentVisualizer(X, **options), model, range(3, 5), scale)
    assert frames(tmp_path / "latents.gif") == 5


@pytest.mark.parametrize("corruption", [None, "noise"])
def test_reconstructions_are_made_from_what_the_model_saw(tmp_path, corruption):
    model = FakeModel(corruption=corruption)
    train(ReconstructionVisualizer(X, folder=tmp_path, n=4, gif=True), model, range(2))
    assert names(tmp_path) == ["reconstructions-0001.png", "reconstructions-0002.png", "reconstructions.gif"]
    for inputs in model.reconstructed:
        np.testing.assert_array_equal(inputs, X[:4] if corruption is None else model.corrupt(X[:4], seed=0))


@pytest.mark.parametrize("callback", [LatentVisualizer, ReconstructionVisualizer])
def test_diverged_model_is_not_drawn_but_training_goes_on(tmp_path, callback):
    model = FakeModel()
    model.encode = model.reconstruct = lambda x: np.full((len(x), 2), np.nan)
    with pytest.warns(UserWarning, match="drew nothing at epoch 1"):
        train(callback(X, folder=tmp_path, gif=True), model, range(1))
    assert names(tmp_path) == []


def test_monitor_writes_logs_and_reports():
    monitor, model = CollapseMonitor(X, verbose=0), FakeModel(latent_dim=4)
    rows = train(monitor, model, range(2))
    kl = [monitor.reports[epoch].kl for epoch in (1, 2)]
    assert rows == [{"loss": 1.0, "active_units": 4.0, "kl_min": min(k), "kl_max": max(k)} for k in kl]
    assert monitor.messages == []


def test_monitor_says_a_collapse_once_and_the_recovery(capsys):
    monitor, model = CollapseMonitor(X, patience=2), FakeModel(latent_dim=4)

    def collapse(epoch):
        model.active = [4, 1, 4, 1, 1, 1, 1, 4][epoch]

    rows = train(monitor, model, range(8), collapse)
    assert [row["active_units"] for row in rows] == [4, 1, 4, 1, 1, 1, 1, 4]
    fewer, again = monitor.messages
    assert fewer.startswith("Epoch 5: 1 of 4 latent dimensions are active")
    assert "KL is below 0.01 nats in dimensions 1, 2 and 3." in fewer and "lower beta" in fewer
    assert again == "Epoch 8: all 4 latent dimensions are in use again."
    assert capsys.readouterr().out.splitlines() == [fewer, again]


def test_monitor_checks_the_first_epoch_and_repeats_the_latest_numbers():
    monitor, model = CollapseMonitor(X, every=3, verbose=0), FakeModel(latent_dim=4)

    def collapse(epoch):
        model.active = 4 - epoch // 2

    rows = train(monitor, model, range(6), collapse)
    assert list(monitor.reports) == [1, 3, 6]
    assert [row["active_units"] for row in rows] == [4, 4, 3, 3, 3, 2]


def test_monitor_of_a_diverged_model_writes_nan():
    monitor, model = CollapseMonitor(X), FakeModel()

    def diverge(epoch):
        model.scale = np.nan

    (row,) = train(monitor, model, range(1), diverge)
    assert np.isnan(row["active_units"]) and monitor.reports == {}


def test_monitor_refuses_a_model_without_a_gaussian_posterior():
    with pytest.raises(ValueError, match=r"Gaussian posterior .* the latents of 'fake' are \['z'\]"):
        train(CollapseMonitor(X), FakeModel(gaussian=False), range(1))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: LatentVisualizer(X[:0], folder="f"), "at least one example"),
        (lambda: LatentVisualizer([{"a": 1}], folder="f"), "array of at least one example"),
        (lambda: LatentVisualizer(X, LABELS[:5], folder="f"), "labels must be one an example"),
        (lambda: LatentVisualizer(X, folder="f", every=0), "every must be at least 1"),
        (lambda: LatentVisualizer(X, folder="f", grid=1), "grid must be at least 2"),
        (lambda: ReconstructionVisualizer(X, folder="f", n=0), "n must be at least 1"),
        (lambda: ReconstructionVisualizer(X * np.nan, folder="f"), "NaN"),
        (lambda: CollapseMonitor(X[:1]), "at least 2 examples"),
        (lambda: CollapseMonitor(X, threshold=0), "threshold must be positive"),
        (lambda: CollapseMonitor(X, patience=0), "patience must be at least 1"),
    ],
)
def test_bad_arguments_are_refused_before_training(make, words):
    with pytest.raises(ValueError, match=words):
        make()


class TinyVAE(keras.Model):
    """A real Keras model with the methods of an `Autoencoder`."""

    can_sample = True

    def __init__(self):
        super().__init__()
        self.spec = spec_of(2)
        self.flatten = keras.layers.Flatten()
        self.to_mean = keras.layers.Dense(2)
        self.to_pixels = keras.layers.Dense(16)

    def call(self, x):
        return keras.ops.reshape(self.to_pixels(self.to_mean(self.flatten(x))), (-1, 4, 4, 1))

    def encode(self, x):
        return keras.ops.convert_to_numpy(self.to_mean(self.flatten(x)))

    def posterior(self, x):
        z = self.encode(x)
        return {"z_mean": z, "z_log_var": np.zeros_like(z)}

    def decode(self, z):
        return keras.ops.convert_to_numpy(self.to_pixels(z)).reshape(-1, 4, 4, 1)

    def reconstruct(self, x):
        return keras.ops.convert_to_numpy(self(x))


def test_callbacks_run_in_fit_and_leave_the_training_as_it_is(tmp_path, capsys):
    def fit(callbacks):
        keras.utils.set_random_seed(0)
        model = TinyVAE()
        model.compile("adam", "mse")
        with warnings.catch_warnings():
            # Keras' own, on NumPy 2: not what is tested here.
            warnings.simplefilter("ignore", DeprecationWarning)
            history = model.fit(X, X, epochs=3, batch_size=10, verbose=2, callbacks=callbacks)
        return history.history, np.random.uniform()

    plain, plain_draw = fit([])
    monitor = CollapseMonitor(X, threshold=1e6, patience=1)
    log = keras.callbacks.CSVLogger(tmp_path / "log.csv")
    watched, watched_draw = fit(
        [
            monitor,
            log,
            LatentVisualizer(X, LABELS, folder=tmp_path / "pictures", grid=2),
            ReconstructionVisualizer(X, folder=tmp_path / "pictures"),
        ]
    )
    assert watched["loss"] == plain["loss"] and watched_draw == plain_draw
    assert watched["active_units"] == [0.0, 0.0, 0.0]
    assert "active_units" in (tmp_path / "log.csv").read_text().splitlines()[0]
    assert {"latents.gif", "latent-grid.gif", "reconstructions-0003.png"} <= set(names(tmp_path / "pictures"))
    printed = capsys.readouterr().out
    # After the first epoch's line and before the second's heading.
    assert re.search(r"active_units: 0[^\n]*\nEpoch 1: 0 of 2 latent[^\n]*\nEpoch 2/3\n", printed)


def test_plots_are_imported_only_where_something_is_drawn():
    # Not read from sys.modules, because `import keras` brings Matplotlib itself where it is installed.
    statements = ast.parse(inspect.getsource(pictures)).body
    imports = [ast.unparse(node) for node in statements if isinstance(node, ast.Import | ast.ImportFrom)]
    assert imports and not [line for line in imports if "plots" in line or "matplotlib" in line or "PIL" in line]
