#!/usr/bin/env bash
# keras.ops.stop_gradient takes NumPy arrays on the JAX backend, and raises on PyTorch, where other operations take them.
#
# Keras 3.15.1, PyTorch 2.13.0 for CPU, JAX 0.10.2. On PyTorch keras.ops.square turns an array into a tensor, and
# keras.ops.stop_gradient raises AttributeError, "'numpy.ndarray' object has no attribute 'detach'": code that is tried
# with arrays on one backend fails on the other. With keras.ops.convert_to_tensor first it works on both.
# Fails when stop_gradient takes an array on PyTorch, or when it no longer does on JAX.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.13.0
"$folder/venv/bin/pip" install -q keras==3.15.1 jax==0.10.2 jaxlib==0.10.2
for backend in jax torch; do
  KERAS_BACKEND=$backend "$folder/venv/bin/python" - <<'PYTHON'
import keras
import numpy as np

x, backend = np.ones(3, "float32"), keras.backend.backend()
assert keras.ops.convert_to_numpy(keras.ops.square(x)).tolist() == [1, 1, 1]
assert keras.ops.convert_to_numpy(keras.ops.stop_gradient(keras.ops.convert_to_tensor(x))).tolist() == [1, 1, 1]
try:
    found = keras.ops.convert_to_numpy(keras.ops.stop_gradient(x)).tolist()
except AttributeError as error:
    assert backend == "torch" and "detach" in str(error), (backend, error)
    print(f"{backend}: {error}")
else:
    assert backend == "jax" and found == [1, 1, 1], f"{backend} takes arrays now."
    print(f"{backend}: takes an array")
PYTHON
done
