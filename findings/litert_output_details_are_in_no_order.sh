#!/usr/bin/env bash
# A LiteRT file lists its outputs in another order than its signature: neither that of the model nor of the alphabet.
#
# Keras 3.15.1, TensorFlow 2.21.0. A Keras model whose outputs are a dict of ten arrays is exported as "litert". The
# interpreter's `get_output_details()`, which nearly every example reads by position, gives them in an order of its own,
# under names such as "StatefulPartitionedCall_1:7"; two outputs of one shape are easily taken for each other, without
# an error. The right names are in the signature alone: `get_signature_runner()`, which gives a dict.
# With one or two outputs the order is often that of the alphabet, so that nothing is noticed.
# Fails when the list is in the order of the signature, or when the signature gives other values than the model.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q keras==3.15.1 tensorflow==2.21.0
TF_CPP_MIN_LOG_LEVEL=3 KERAS_BACKEND=tensorflow "$folder/venv/bin/python" - "$folder/file.tflite" <<'PYTHON'
import sys
import warnings

import keras
import numpy as np
import tensorflow as tf

warnings.simplefilter("ignore")
keras.utils.set_random_seed(0)
h = x = keras.Input((6,), name="x")
outputs = {}
for level in range(1, 6):
    h = keras.layers.Dense(8, activation="relu")(h)
    outputs |= {f"{kind}_{level}": keras.layers.Dense(3)(h) for kind in ("mean", "log_var")}
model = keras.Model(x, outputs)
model.export(sys.argv[1], format="litert", verbose=False)

batch = np.ones((1, 6), "float32")
expected = {name: value.numpy() for name, value in model(batch).items()}
interpreter = tf.lite.Interpreter(sys.argv[1])
runner = interpreter.get_signature_runner()
named = runner(x=batch)
assert all(np.allclose(named[name], expected[name], atol=1e-5) for name in expected), "the signature is wrong"
by_index = {details["index"]: name for name, details in runner.get_output_details().items()}
listed = [by_index[details["index"]] for details in interpreter.get_output_details()]
print("signature:", ", ".join(sorted(named)))
print("listed:   ", ", ".join(listed))
assert sorted(listed) == sorted(expected)
if listed in (sorted(expected), list(expected)):
    raise SystemExit("The list is in the order of the signature, or of the model, now.")
PYTHON
