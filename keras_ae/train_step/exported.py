"""Exported files: names for their outputs, and what they give when their own runtime runs them."""

from importlib.util import find_spec
from pathlib import Path

import keras
import numpy as np

RUNTIMES = {
    "tf_saved_model": "tensorflow",
    "onnx": "onnxruntime",
    "litert": "ai_edge_litert",
    "openvino": "openvino",
}


def has_runtime(kind: str) -> bool:
    """Whether files of that format can be run here. TensorFlow has an interpreter of LiteRT's files, too."""
    return find_spec(RUNTIMES[kind]) is not None or kind == "litert"


def write(model: keras.Model, kind: str, path: Path, names: list[str], **options) -> None:
    """Write a model whose outputs are a dict, with their names, in alphabetic order.

    OpenVINO's own way from TensorFlow does not take every model; the one by ONNX does.
    """
    if kind == "openvino":
        import openvino

        through = path.with_suffix(".onnx")
        write(model, "onnx", through, names)
        converted = openvino.convert_model(through)
        for output, name in zip(converted.outputs, names, strict=True):
            output.get_tensor().set_names({name})
        openvino.save_model(converted, path, compress_to_fp16=False)
        through.unlink()
        return
    if kind == "onnx":
        from keras_ae.train_step import onnx_operators  # noqa: F401 (it registers them)
    model.export(str(path), format=kind, verbose=False, **options)
    if kind == "onnx":
        _name_outputs(path, names)


def _name_outputs(path: Path, names: list[str]) -> None:
    """Give an ONNX file's outputs names, in their order: its writer numbers them."""
    import onnx

    model = onnx.load(path)
    new = dict(zip((output.name for output in model.graph.output), names, strict=True))
    for node in model.graph.node:
        node.input[:] = [new.get(name, name) for name in node.input]
        node.output[:] = [new.get(name, name) for name in node.output]
    for output in model.graph.output:
        output.name = new[output.name]
    onnx.checker.check_model(model)
    onnx.save(model, path)


def run(kind: str, path: Path, inputs: np.ndarray | dict) -> dict[str, np.ndarray]:
    """The outputs of an exported file by name, for one batch: an array, or a dict of several by name."""
    return {"tf_saved_model": _saved_model, "onnx": _onnx, "litert": _litert, "openvino": _openvino}[kind](path, inputs)


def _saved_model(path, inputs):
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))  # Its variables live as long as it does.
    return {name: value.numpy() for name, value in loaded.serve(inputs).items()}


def _onnx(path, inputs):
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    feed = _by_name(inputs, [entry.name for entry in session.get_inputs()])
    return dict(zip((o.name for o in session.get_outputs()), session.run(None, feed), strict=True))


def _by_name(inputs, names: list[str]) -> dict:
    """The inputs of a file by name, where they are not yet: then there is one."""
    return inputs if isinstance(inputs, dict) else {names[0]: inputs}


def _litert(path, inputs):
    if find_spec("ai_edge_litert"):
        from ai_edge_litert.interpreter import Interpreter
    else:
        import tensorflow as tf

        Interpreter = tf.lite.Interpreter  # noqa: N806 (a class)
    # By the signature: the plain lists of its entries have neither names nor order.
    runner = Interpreter(model_path=str(path)).get_signature_runner()
    return runner(**_by_name(inputs, list(runner.get_input_details())))


def _openvino(path, inputs):
    import openvino

    # On CPUs that have bfloat16 it would compute in it.
    compiled = openvino.compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    # Compiling may give an output a second name, of the layer before it, and put that first.
    names = [output.any_name for output in openvino.Core().read_model(str(path)).outputs]
    return dict(zip(names, (np.array(value) for value in compiled(inputs).values()), strict=True))
