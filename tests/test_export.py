from collections import Counter
from importlib.util import find_spec

import keras
import numpy as np
import pytest

import keras_ae

MODELS = ["vae", "conv_vae", "denoising_ae", "sparse_ae"]
NO_ONNX = [package for package in ("onnx", "onnxruntime", "tf2onnx") if not find_spec(package)]

pytestmark = [
    pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="only TensorFlow writes both formats"),
    pytest.mark.parametrize("name", MODELS),
]


@pytest.fixture
def model(name):
    return keras_ae.build(name, input_shape=(8, 8, 1), latent_dim=3, seed=0)


@pytest.fixture
def x():
    return np.random.default_rng(0).random((5, 8, 8, 1), dtype="float32")


def check_nothing_random(operations):
    drawn = [name for name in operations if "Random" in name or name.startswith("Stateless") or "Multinomial" in name]
    assert drawn == []
    assert sum(operations.values()) >= 5


def test_saved_model_equals_predict_and_draws_nothing(model, x, tmp_path):
    import tensorflow as tf

    model.fit(x, verbose=0)
    model.export(tmp_path / "exported", verbose=False)
    exported = tf.saved_model.load(tmp_path / "exported")
    np.testing.assert_allclose(exported.serve(x).numpy(), model.predict(x, verbose=0), atol=1e-5)
    np.testing.assert_allclose(exported.serve(x[:2]).numpy(), model.predict(x[:2], verbose=0), atol=1e-5)
    graph = exported.signatures["serving_default"].graph.as_graph_def()
    operations = Counter(node.op for node in graph.node)
    for function in graph.library.function:
        operations.update(node.op for node in function.node_def)
    check_nothing_random(operations)


@pytest.mark.skipif(bool(NO_ONNX), reason=f"not installed: {', '.join(NO_ONNX)}")
@pytest.mark.filterwarnings("ignore:In the future `np.object`:FutureWarning")  # In Keras' patch of tf2onnx.
def test_onnx_equals_predict_and_draws_nothing(model, x, tmp_path):
    import onnx
    import onnxruntime

    file = tmp_path / "exported.onnx"
    model.export(file, format="onnx", verbose=False)
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    (name,) = [entry.name for entry in session.get_inputs()]
    for batch in (x, x[:2]):
        (x_hat,) = session.run(None, {name: batch})
        np.testing.assert_allclose(x_hat, model.predict(batch, verbose=0), atol=1e-5)
    graph = onnx.load(file).graph
    check_nothing_random(Counter(node.op_type for node in graph.node))
