#!/usr/bin/env bash
# Renaming the outputs of a Functional model moves its weights: a file of the old names loads into the wrong heads.
#
# Keras 3.15.1 (here on JAX 0.10.2). A Functional model with a dict of outputs keeps its layers in the order of the
# sorted keys, and not in that of the dict or of their making. get_weights() and weight files go by that order. Two
# models that differ in nothing but the names of two outputs of one shape therefore take each other's weights in
# exchanged places, without an error: here the second head of the one gives what the first head of the other gave.
# Fails when the outputs keep their weights.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q keras==3.15.1 jax==0.10.2 jaxlib==0.10.2
KERAS_BACKEND=jax "$folder/venv/bin/python" - "$folder/two.weights.h5" <<'PYTHON'
import sys

import keras
import numpy as np


def two_heads(first, second):
    x = keras.Input((3,))
    return keras.Model(x, {first: keras.layers.Dense(2)(x), second: keras.layers.Dense(2)(x)})


x = np.eye(3, dtype="float32")
old, new = two_heads("mean", "scale"), two_heads("y", "a")  # The first head, and the second.
old.save_weights(sys.argv[1])
new.load_weights(sys.argv[1])
before, after = (model.predict(x, verbose=0) for model in (old, new))
assert not np.allclose(before["mean"], before["scale"])
assert np.allclose(before["mean"], after["a"]) and np.allclose(before["scale"], after["y"]), "The heads keep their weights."
print("The second head has the weights of the first, and the first those of the second.")
PYTHON
