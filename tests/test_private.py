"""Undocumented names of Keras are in one file, and `fit` trains as well without any of them."""

import ast
import importlib
import json
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_ae
from keras_ae import Dense, Identity, Spec
from keras_ae.feeding import ArrayBatches
from keras_ae.streams import Watch
from keras_ae.train_step import private, watch_tfdata

BACKEND = keras.backend.backend()
ROOT = Path(keras_ae.__file__).parent
FILES = sorted(path for path in ROOT.rglob("*.py") if path != Path(private.__file__))
SPEC = Spec((6,), (Dense(5),), Identity(5))  # Nothing is drawn.
X = np.random.default_rng(0).uniform(size=(40, 6)).astype("float32")


class CutByPython(ArrayBatches):
    """A data set of the user's."""


def data_set():
    return tf.data.Dataset.from_tensor_slices(X).batch(8)


FORMS = {
    "arrays": lambda: {"x": X, "validation_data": X[:12]},
    "PyDataset": lambda: {"x": CutByPython((X,), 8), "validation_data": CutByPython((X[:12],), 8)},
    "tf.data": lambda: {"x": data_set(), "validation_data": data_set()},
}
# Name -> where it is used: backends and forms of data; and what of ours runs only where Keras has it.
USES = {
    "loss_tracker": ("tensorflow jax torch", ("arrays",), None),
    "get_data_adapter": ("tensorflow", ("arrays", "PyDataset"), "read"),
    "PyDatasetAdapter": ("tensorflow", ("arrays", "PyDataset"), "read"),
    "get_tf_dataset": ("tensorflow", ("arrays",), "read"),
    "on_epoch_begin": ("tensorflow", ("arrays",), "read"),
    "TFDatasetAdapter": ("jax torch", ("tf.data",), "read"),
    "get_numpy_iterator": ("jax torch", ("tf.data",), "read"),
    "get_jax_iterator": ("jax torch", ("tf.data",), "read"),
    "get_torch_dataloader": ("jax torch", ("tf.data",), "read"),
    "get_variable_index": ("tensorflow torch", ("arrays",), "adam"),
    "momentums": ("tensorflow torch", ("arrays",), "adam"),
    "velocities": ("tensorflow torch", ("arrays",), "adam"),
    "parallel_update_step": ("torch", ("arrays",), "adam"),
    "jax_state": ("jax", ("arrays",), None),
    "jax_state_sync": ("jax", ("arrays",), None),
    # See test_replicas_train_without.
    "maybe_symbolic_build": ("tensorflow", (), None),
    "symbolic_build": ("tensorflow", (), None),
}
HERE = [(name, form, ran) for name, (backends, forms, ran) in USES.items() if BACKEND in backends for form in forms]
GONE = "keras.src.gone.gone"


class Codes(keras.callbacks.Callback):
    """The codes after each step, by the model that it was given: `self.model` would bring that up to date."""

    def __init__(self, own):
        super().__init__()
        self.own, self.codes = own, []

    def on_train_batch_end(self, batch, logs=None):
        self.codes.append(self.own.encode(X[:3]))


@pytest.fixture
def ran(monkeypatch):
    """The names of what runs of ours that is faster than Keras' own."""
    names = set()

    def watch(owner, attribute, name):
        whole = getattr(owner, attribute)

        def noted(*args, **kwargs):
            names.add(name)
            return whole(*args, **kwargs)

        monkeypatch.setattr(owner, attribute, noted)

    if BACKEND == "tensorflow":
        from keras_ae.train_step import feed_tensorflow

        for reader in (feed_tensorflow._Read, feed_tensorflow._Gathered):
            watch(reader, "get_tf_dataset", "read")
        watch(tf.raw_ops, "ResourceApplyAdam", "adam")
    else:
        watch(watch_tfdata.WatchedAdapter, "get_numpy_iterator", "read")
    if BACKEND == "torch":
        from keras_ae.train_step import adam_torch

        watch(adam_torch, "adam", "adam")
    return names


def trained(form, *, with_codes=False):
    """A model, its history, and the codes after each step."""
    model = keras_ae.build(SPEC, seed=0, optimizer=keras.optimizers.Adam(1e-2))
    codes = Codes(model)
    options = {"batch_size": 8} if form == "arrays" else {}
    callbacks = [codes] if with_codes else []
    history = model.fit(**FORMS[form](), epochs=3, shuffle=False, verbose=0, callbacks=callbacks, **options).history
    return model, history, codes.codes


@cache
def expected(form, with_codes=False):
    """What the same training comes to while Keras has all names."""
    model, history, codes = trained(form, with_codes=with_codes)
    return model.get_weights(), model.evaluate(X, verbose=0, return_dict=True), history, codes


def assert_same(model, history, codes, wanted):
    weights, scores, wanted_history, wanted_codes = wanted
    assert history.keys() == wanted_history.keys()
    for name, values in wanted_history.items():
        assert history[name] == pytest.approx(values, rel=1e-5)
        assert np.isfinite(values).all() and values[-1] < values[0]
    for ours, theirs in zip([*model.get_weights(), *codes], [*weights, *wanted_codes], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
    assert model.evaluate(X, verbose=0, return_dict=True) == pytest.approx(scores, rel=1e-5)


def test_every_name_is_hidden_by_a_test():
    assert USES.keys() == private.NAMES.keys()
    assert len(set(private.NAMES.values())) == len(USES)


@pytest.mark.parametrize("form", sorted({form for _, form, _ in HERE}))
def test_with_all_names_the_faster_ways_are_taken(form, ran):
    assert_same(*trained(form), expected(form))
    of_this_form = {what for name, other, what in HERE if other == form} - {None}
    assert ran >= of_this_form


@pytest.mark.parametrize(("name", "form", "what"), HERE)
def test_fit_trains_without(name, form, what, ran, monkeypatch):
    wanted = expected(form)
    ran.clear()
    monkeypatch.setitem(private.NAMES, name, GONE)
    assert_same(*trained(form), wanted)
    assert what not in ran


def test_a_loss_tracker_of_keras_changes_no_log_and_no_file(monkeypatch, tmp_path):
    model, _, _ = trained("arrays")
    assert "loss" not in model.metrics_names
    model.save(tmp_path / "model.keras")
    wanted = model.fit(X, batch_size=8, verbose=0).history
    monkeypatch.setitem(private.NAMES, "loss_tracker", GONE)
    other = keras_ae.load_model(tmp_path / "model.keras")
    assert other.metrics_names[0] == "loss"  # The test sees the name hidden.
    other.save(tmp_path / "other.keras")
    monkeypatch.undo()
    again = keras_ae.load_model(tmp_path / "other.keras")
    for one in (other, again):
        assert one.fit(X, batch_size=8, verbose=0).history["loss"] == pytest.approx(wanted["loss"], rel=1e-5)


@pytest.mark.skipif(BACKEND != "jax", reason="elsewhere the state is in the variables")
def test_codes_within_fit_are_up_to_date(monkeypatch):
    wanted = expected("arrays", with_codes=True)
    monkeypatch.setitem(private.NAMES, "jax_state_sync", GONE)
    model, history, codes = trained("arrays", with_codes=True)
    assert_same(model, history, codes, wanted)
    assert not np.allclose(codes[0], codes[-1], atol=1e-3)


@pytest.mark.skipif(BACKEND != "jax", reason="elsewhere the state is in the variables")
def test_the_state_is_set_past_keras_where_its_name_is_known(monkeypatch):
    model, state = keras_ae.build(SPEC, seed=0), {"trainable_variables": [1]}
    model._jax_state = state
    assert model._jax_state is state
    monkeypatch.setitem(private.NAMES, "jax_state", GONE)
    model._jax_state = state
    assert model._jax_state is not state and model._jax_state == state


def test_a_bad_batch_is_refused_without_adapters(monkeypatch):
    monkeypatch.setitem(private.NAMES, "get_data_adapter", GONE)
    bad = X.copy()
    bad[34, 1] = np.nan
    data = CutByPython((bad,), 8) if BACKEND == "tensorflow" else tf.data.Dataset.from_tensor_slices(bad).batch(8)
    model = keras_ae.build(SPEC, seed=0)
    before = model.get_weights()
    with pytest.raises(ValueError, match="NaN or inf, first in sample 2"):
        model.fit(data, shuffle=False, verbose=0)
    for ours, theirs in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_adapters_that_keras_no_longer_takes_are_not_given(monkeypatch):
    def refuses(data):
        raise ValueError(f"Unrecognized data type: {data}")

    monkeypatch.setattr(private.NAMES["get_data_adapter"], refuses)
    assert not private.is_read(object())
    if BACKEND == "tensorflow":
        batches = CutByPython((X,), 8)
        assert keras_ae.build(SPEC).read({"x": batches})["x"] is batches
    else:
        assert isinstance(watch_tfdata.adapter(data_set(), Watch(SPEC, "x")), tf.data.Dataset)


def test_readers_need_no_class_of_keras_when_they_are_imported(monkeypatch):
    for name in ("PyDatasetAdapter", "TFDatasetAdapter"):
        monkeypatch.setitem(private.NAMES, name, GONE)
    module = "feed_tensorflow" if BACKEND == "tensorflow" else "watch_tfdata"
    spec = importlib.util.spec_from_file_location("fresh", Path(private.__file__).with_name(f"{module}.py"))
    fresh = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fresh)
    if BACKEND == "tensorflow":
        batches = CutByPython((X,), 8)
        assert fresh.adapter(batches, shuffle=False, passes=3, shared=False) is batches
    else:
        assert isinstance(fresh.adapter(data_set(), Watch(SPEC, "x")), tf.data.Dataset)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="the others share no batch among replicas of a process")
def test_replicas_that_share_a_batch_do_not_have_the_array_of_the_user(monkeypatch):
    from keras_ae.train_step.feed_tensorflow import adapter

    monkeypatch.setitem(private.NAMES, "PyDatasetAdapter", GONE)
    batches = adapter(ArrayBatches((X,), 8, shuffle=True, seed=0), shuffle=False, passes=1, shared=True)
    for place, batch in enumerate(batches):
        np.testing.assert_array_equal(*batch, X[8 * place :][:8])
        assert not np.shares_memory(*batch, X)
    batches.on_epoch_begin()
    assert not np.array_equal(*batches[0], X[:8])
    assert batches.num_batches == 5


REPLICAS = """
import json
import keras, numpy as np, tensorflow as tf
(cpu,) = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
import keras_ae
from keras_ae.train_step import private
X = np.random.default_rng(0).uniform(size=(40, 6)).astype("float32")
spec = keras_ae.Spec((6,), (keras_ae.Dense(5),), keras_ae.Identity(5))
found, whole = {}, private.BuiltBySpec._maybe_symbolic_build
with keras_ae.distribute("mirrored") as together:
    for name in ("symbolic_build", "maybe_symbolic_build"):
        private.NAMES[name] = "keras.src.gone.gone"
        if name == "maybe_symbolic_build":  # Keras calls its own, of whatever name.
            del private.BuiltBySpec._maybe_symbolic_build
            private.NAMES["PyDatasetAdapter"] = "keras.src.gone.gone"
        model = keras_ae.build(spec, seed=0, optimizer=keras.optimizers.Adam(1e-2))
        found[name] = model.fit(X, batch_size=8, epochs=2, shuffle=False, verbose=0).history["loss"]
        assert together.replicas == 2
print(json.dumps(found))
"""


@pytest.mark.slow
@pytest.mark.skipif(BACKEND != "tensorflow", reason="for tf.distribute alone")
def test_replicas_train_without():
    """Keras' own way takes a first batch to learn its shape."""
    environment = os.environ | {"KERAS_BACKEND": BACKEND, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run([sys.executable, "-c", REPLICAS], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    for losses in json.loads(done.stdout.splitlines()[-1]).values():
        assert losses == pytest.approx(expected("arrays")[2]["loss"][:2], rel=1e-4)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="steps run ahead on TensorFlow alone")
def test_keras_callbacks_that_write_once_an_epoch_only_see_logs(tmp_path):
    from keras_ae.train_step.ahead_tensorflow import only_logs

    class Looks(keras.callbacks.ModelCheckpoint):
        def on_train_batch_end(self, batch, logs=None):
            self.model.get_weights()

    path = tmp_path / "last.weights.h5"
    assert only_logs(keras.callbacks.ModelCheckpoint(path, save_weights_only=True))
    assert not only_logs(keras.callbacks.ModelCheckpoint(path, save_weights_only=True, save_freq=3))
    assert not only_logs(Looks(path, save_weights_only=True))


# Where the names are: no other file has one.

OF_PYTHON = {"_replace", "_asdict", "_fields", "_make"}  # Of named tuples, documented.


def is_private(name):
    return re.fullmatch(r"_[a-zA-Z]\w*", name) and not name.endswith("__")


def private_of(thing):
    return {name for name in dir(thing) if is_private(name)}


@cache
def of_keras():
    """The private names that models, layers, optimisers and what belongs to them have here."""
    x = keras.Input((4, 4, 1))
    h = keras.layers.Conv2DTranspose(1, 2)(keras.layers.Conv2D(1, 2)(x))
    model = keras.Model(x, keras.layers.Dense(1)(keras.layers.Flatten()(h)))
    model.compile("adam", "mse")
    model.optimizer.build(model.trainable_variables)
    scaled = keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam())
    things = [model, *model.layers, *model.variables[:1], model.optimizer, scaled, x]
    things += [keras.metrics.Mean(), keras.random.SeedGenerator(0), keras.StatelessScope(), keras.callbacks.Callback()]
    return set().union(*map(private_of, things))


@cache
def of_base(base):
    """The private names that a class of ours has from Keras, by the name of its base; a mixin may have any."""
    if base.startswith("keras.callbacks."):
        return private_of(getattr(keras.callbacks, base.split(".")[2])) | private_of(keras.callbacks.Callback())
    return private_of(keras.utils.PyDataset) if base == "keras.utils.PyDataset" else of_keras()


@cache
def of_ours():
    """The private names that our files define, or set on something."""
    names = set()
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                names.add(node.name)
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                names.add(node.attr)
    return names


def touches(node, kind=None):
    """The undocumented names in code, each with its line; `kind` is the class around it."""
    if isinstance(node, ast.ClassDef):
        kind = node
    own = set().union(*(of_base(ast.unparse(base)) for base in kind.bases or [ast.Name("object")])) if kind else set()
    name = None
    if isinstance(node, ast.alias):
        name = node.name if node.name.startswith("keras.src") else None
    elif isinstance(node, ast.ImportFrom):
        name = node.module if node.module.startswith("keras.src") else None
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        name = node.value if "keras.src" in node.value or node.value in of_keras() else None
    elif isinstance(node, ast.FunctionDef):
        name = node.name if node.name in own else None
    elif isinstance(node, ast.Attribute):
        if ast.unparse(node.value) in ("self", "cls", "super()"):
            name = node.attr if node.attr in own else None
        elif ast.unparse(node) == "keras.src":
            name = "keras.src"
        elif is_private(node.attr) and (node.attr in of_keras() or node.attr not in of_ours() | OF_PYTHON):
            name = node.attr
    found = {(node.lineno, name)} if name else set()
    return found.union(*(touches(child, kind) for child in ast.iter_child_nodes(node)))


def test_no_other_file_has_an_undocumented_name():
    found = {str(file.relative_to(ROOT)): touches(ast.parse(file.read_text())) for file in FILES}
    assert {file: names for file, names in found.items() if names} == {}


@pytest.mark.parametrize(
    "code",
    [
        "from keras.src import backend",
        "import keras.src.backend",
        "backend = import_module('keras.src.backend')",
        "keras.src.backend",
        "optimizer._momentums",
        "model._flatten_layers()",
        "getattr(model, '_loss_tracker')",
        "class Mixed:\n    def compile(self):\n        self._loss_tracker = None",
        "class Mixed:\n    def _symbolic_build(self):\n        pass",
        "class Kept(keras.callbacks.Callback):\n    def on_train_end(self, logs=None):\n        self._model = None",
        "tf.data.Dataset._variant_tensor",
    ],
)
def test_an_undocumented_name_is_seen(code):
    assert touches(ast.parse(code))


def test_names_are_those_of_this_keras():
    """What Keras renames is noticed here, not by a training that got slower."""
    model = keras_ae.build(SPEC, seed=0)
    model.fit(X[:8], verbose=0)
    readers = [private.reader(kind) for kind in ("PyDatasetAdapter", "TFDatasetAdapter")]
    by_keras = [keras.Model, SimpleNamespace(**vars(model))]  # Not the methods that are ours.

    def is_there(name):
        module, _, name = private.NAMES[name].rpartition(".")
        owners = [importlib.import_module(module)] if module else [*by_keras, model.optimizer, *readers]
        return any(hasattr(owner, name) for owner in owners)

    assert [name for name, (backends, *_) in USES.items() if BACKEND in backends and not is_there(name)] == []
