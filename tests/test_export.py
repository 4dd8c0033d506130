"""Exported files run without Keras and give what the model gives, or nothing is written."""

from collections import Counter
from importlib.util import find_spec

import keras
import numpy as np
import pytest

import keras_ae
from keras_ae import Conv, Dense, Flatten, Gaussian, Norm, Spec, Vector
from keras_ae.train_step import exported

ON_TENSORFLOW = keras.backend.backend() == "tensorflow"
X = np.random.default_rng(0).random((5, 8, 8, 1), dtype="float32")
GELU = Spec((8, 8, 1), (Conv(4, 4, 2, "gelu"), Norm("group", 2), Flatten(), Dense(8, "celu")), Gaussian(3))
ENDINGS = {"tf_saved_model": "", "onnx": ".onnx", "litert": ".tflite"}
PACKAGES = {"tf_saved_model": (), "onnx": ("onnx", "onnxruntime", "tf2onnx"), "litert": ()}
FORMATS = ENDINGS if ON_TENSORFLOW else ("tf_saved_model",)  # The others go the same way, in minutes.

pytestmark = [
    pytest.mark.filterwarnings("ignore:In the future `np.object`:FutureWarning"),  # In Keras' patch of tf2onnx.
    pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated:UserWarning"),
]


def outputs_of(model, part, x=X):
    if part == "encoder":
        return x, model.posterior(x)
    if part == "decoder":
        z = model.encode(x)
        return z, {"x_hat": model.decode(z)}
    return x, {"x_hat": model.reconstruct(x)}


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("part", [None, "encoder", "decoder"] if ON_TENSORFLOW else ["encoder"])
def test_a_file_gives_what_the_model_gives(format, part, tmp_path):
    if missing := [package for package in PACKAGES[format] if not find_spec(package)]:
        pytest.skip(f"not installed: {', '.join(missing)}")
    model = keras_ae.build(GELU, seed=0)
    model.fit(X, verbose=0)
    path = tmp_path / f"file{ENDINGS[format]}"
    before = model.get_weights()
    model.export(path, format, part=part)
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    for count in (1, 3, 5):
        inputs, expected = outputs_of(model, part, X[:count])
        found = exported.run(format, path, inputs)
        assert sorted(found) == sorted(expected)
        for name in expected:
            np.testing.assert_allclose(found[name], expected[name], atol=1e-5)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    model.fit(X, verbose=0)
    model.export(path, format, part=part)  # In the place of the older one.


MANY_OUTPUTS = {"ladder_vae": {"input_shape": (12,)}, "vq_vae": {"input_shape": (8, 8, 1), "levels": 2}}
TYPES = MANY_OUTPUTS | {"count_vae": {"input_shape": (12,)}, "masked_ae": {"input_shape": (8, 8, 1)}}


@pytest.mark.slow
@pytest.mark.skipif(not ON_TENSORFLOW, reason="it writes the file everywhere")
@pytest.mark.parametrize(
    "name, format, part",
    [*((name, "onnx", None) for name in TYPES), *((name, "litert", "encoder") for name in MANY_OUTPUTS)],
)
def test_types_are_exported_with_the_operators_and_names_of_each_format(name, format, part, tmp_path):
    if missing := [package for package in PACKAGES[format] if not find_spec(package)]:
        pytest.skip(f"not installed: {', '.join(missing)}")
    keras_ae.build(name, **TYPES[name], seed=0).export(tmp_path / f"file{ENDINGS[format]}", format, part=part)


@pytest.mark.skipif(not ON_TENSORFLOW, reason="it writes the file everywhere")
@pytest.mark.parametrize("name", ["vae", "conv_vae", "denoising_ae", "sparse_ae"])
def test_nothing_random_is_in_a_file(name, tmp_path):
    import tensorflow as tf

    model = keras_ae.build(name, input_shape=(8, 8, 1), latent_dim=3, seed=0)
    model.export(tmp_path / "exported")
    loaded = tf.saved_model.load(tmp_path / "exported")
    graph = loaded.signatures["serving_default"].graph.as_graph_def()
    operations = Counter(node.op for node in graph.node)
    for function in graph.library.function:
        operations.update(node.op for node in function.node_def)
    drawn = [each for each in operations if "Random" in each or each.startswith("Stateless") or "Multinomial" in each]
    assert drawn == [] and sum(operations.values()) >= 5


REFUSED = {
    "torch": ({"format": "torch"}, "fixes the batch of such files at 1. Export .onnx."),
    "unknown": ({"format": "pickle"}, "format must be one of 'tf_saved_model', 'onnx', 'litert', 'openvino'"),
    "ending": ({"format": "onnx"}, r"export\(format='onnx'\) writes \.onnx, not 'file'"),
    "part": ({"part": "latent"}, 'part must be None, "encoder" or "decoder", got \'latent\''),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_exported_is_refused_before_anything_is_written(case, tmp_path):
    options, message = REFUSED[case]
    with pytest.raises(ValueError, match=message):
        keras_ae.build(GELU).export(tmp_path / "file", **options)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not ON_TENSORFLOW, reason="it writes the file everywhere")
def test_a_file_that_gives_other_values_gets_no_name(tmp_path, monkeypatch):
    (tmp_path / "file").mkdir()
    (tmp_path / "file" / "older").write_text("older")
    run = exported.run
    monkeypatch.setattr(exported, "run", lambda *given: {name: value + 1 for name, value in run(*given).items()})
    with pytest.raises(
        ValueError, match=r"nothing was written.*at a batch of 1 the file's x_hat differs by 1 from the model"
    ):
        keras_ae.build(GELU).export(tmp_path / "file")
    assert [each.name for each in tmp_path.rglob("*")] == ["file", "older"]


@pytest.mark.skipif(not ON_TENSORFLOW, reason="it writes the file everywhere")
def test_a_file_that_is_not_run_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(exported, "has_runtime", lambda format: False)
    with pytest.warns(UserWarning, match="The file was not run: tensorflow is not installed"):
        keras_ae.build(GELU).export(tmp_path / "file")


@pytest.mark.skipif(ON_TENSORFLOW, reason="there it is done in this process")
def test_a_type_of_ones_own_is_exported_on_tensorflow(tmp_path):
    class Own(keras_ae.models.ae.AE):
        pass

    model = Own(Spec((4,), (), Vector(2)), seed=0)
    with pytest.raises(ValueError, match="in a process of its own, which does not know Own"):
        model.export(tmp_path / "file")


def test_mixed_precision_is_exported_in_float32(tmp_path):
    if not ON_TENSORFLOW:
        pytest.skip("the file is written by TensorFlow everywhere")
    model = keras_ae.build(GELU, seed=0, dtype="mixed_bfloat16")
    twin = keras_ae.build(GELU, seed=0)
    model.export(tmp_path / "file")
    found = exported.run("tf_saved_model", tmp_path / "file", X)["x_hat"]
    np.testing.assert_allclose(found, twin.reconstruct(X), atol=1e-5)
    assert keras.backend.standardize_dtype(model.encoder.layers[1].compute_dtype) == "bfloat16"
