#!/usr/bin/env bash
# Keras' MultiHeadAttention, given an initialiser with a seed, starts queries, keys and values with the same kernel.
#
# Keras 3.15.1. The layer makes a copy of kernel_initializer for each of its projections, meant to keep them apart, and
# the copy has the seed too: at equal shapes all three kernels are equal, so that queries equal keys and every head
# attends by plain similarity at first. With the default initialiser, which has no seed of one's own, they differ.
# Whoever seeds an initialiser for reproducible weights gets this without a word; a network whose layers are each given
# a seed has to make the projections itself. Seen: "seeded: alike", "default: different".
# Fails when seeded projections differ, or those of the default are alike.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q keras==3.15.1 jax==0.10.2 jaxlib==0.10.2
KERAS_BACKEND=jax "$folder/venv/bin/python" - <<'PYTHON'
import keras
import numpy as np


def kernels(**options):
    layer = keras.layers.MultiHeadAttention(num_heads=2, key_dim=4, **options)
    layer.build((None, 5, 8), (None, 5, 8), (None, 5, 8))
    return [np.asarray(keras.ops.convert_to_numpy(w)) for w in layer.weights if w.path.endswith("/kernel")][:3]


seeded = kernels(kernel_initializer=keras.initializers.GlorotUniform(seed=1))
assert all(np.array_equal(seeded[0], other) for other in seeded[1:]), "seeded projections differ now"
default = kernels()
assert not np.array_equal(default[0], default[1]), "projections of the default are alike"
print("seeded: alike; default: different")
PYTHON
