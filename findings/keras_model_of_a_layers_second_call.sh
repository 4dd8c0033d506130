#!/usr/bin/env bash
# Keras 3.15.1: a Functional model of a layer's second call counts the outputs of its first one.
#
# A layer may give one tensor in one call and three in another, by an argument. Of the two symbolic calls on one input the
# first makes a model; one of the second is refused:
#     ValueError: Output with path `mean` is not connected to `inputs`
# though it is connected, and though the same model is made where the longer call comes first. One would expect that the
# order of calls does not matter, and that the message names what is wrong. `Function.__init__` takes the number of
# outputs of every node from `operation.output`, which are those of the operation's first node.
#
# Output seen, keras 3.15.1 on jax 0.10.2, CPU:
#     short first: one output builds, three raise ValueError: Output with path `mean` is not connected to `inputs`
#     long first: both build, with 3 and 1 outputs
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q keras==3.15.1 jax==0.10.2
KERAS_BACKEND=jax "$work/venv/bin/python" - <<'PYTHON'
import keras
from keras import ops


class Statistics(keras.layers.Layer):
    def call(self, x, whole=False):
        found = {"mean": ops.mean(x, axis=-1)}
        return found | {"max": ops.max(x, axis=-1), "var": ops.var(x, axis=-1)} if whole else found


def calls(*orders):
    x, layer = keras.Input((4,)), Statistics()
    return x, {whole: layer(x, whole=whole) for whole in orders}


x, outputs = calls(False, True)
assert len(keras.Model(x, outputs[False]).outputs) == 1
try:
    keras.Model(x, outputs[True])
except ValueError as error:
    message = str(error).splitlines()[0]
else:
    raise SystemExit("changed: the second call makes a model")
assert message == "Output with path `mean` is not connected to `inputs`", message
print("short first: one output builds, three raise ValueError:", message)

x, outputs = calls(True, False)
counts = [len(keras.Model(x, outputs[whole]).outputs) for whole in (True, False)]
assert counts == [3, 1], counts
print("long first: both build, with 3 and 1 outputs")
PYTHON
