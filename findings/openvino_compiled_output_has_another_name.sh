#!/usr/bin/env bash
# OpenVINO: the output of a compiled model may have a second name, of a tensor inside, and any_name gives that one.
#
# OpenVINO 2026.4.1, ONNX 1.23.2. An ONNX graph Reshape ("reshaped") -> Sigmoid ("x_hat") has one output, "x_hat". So has
# the converted model. Compiled for the CPU, which puts the Sigmoid before the Reshape, the output has the names
# "reshaped" and "x_hat", and any_name is "reshaped", though the values are those of "x_hat": results that are read by
# any_name miss their output. By position, or by the names of the model that was not compiled, they are found.
# Output seen:
#   converted: ['x_hat']; compiled: ['reshaped', 'x_hat'], any_name: reshaped
# Fails when the compiled output has the one name, or any_name is "x_hat".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q openvino==2026.4.1 onnx==1.23.2 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
import onnx
import openvino
from onnx import TensorProto, helper, numpy_helper

nodes = [helper.make_node("Reshape", ["x", "shape"], ["reshaped"]), helper.make_node("Sigmoid", ["reshaped"], ["x_hat"])]
inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 6])]
outputs = [helper.make_tensor_value_info("x_hat", TensorProto.FLOAT, ["n", 2, 3])]
shape = numpy_helper.from_array(np.array([-1, 2, 3]), "shape")
graph = helper.make_graph(nodes, "graph", inputs, outputs, [shape])
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), "graph.onnx")

(converted,) = openvino.convert_model("graph.onnx").outputs
model = openvino.compile_model("graph.onnx", "CPU")
(compiled,) = model.outputs
print(f"converted: {sorted(converted.get_names())}; compiled: {sorted(compiled.get_names())}, any_name: {compiled.any_name}")
x = np.linspace(-3, 3, 12, dtype="float32").reshape(2, 6)
np.testing.assert_allclose(model(x)[0], 1 / (1 + np.exp(-x.reshape(2, 2, 3))), atol=1e-3)
assert converted.get_names() == {"x_hat"}
assert compiled.get_names() == {"x_hat", "reshaped"} and compiled.any_name == "reshaped"
PYTHON
