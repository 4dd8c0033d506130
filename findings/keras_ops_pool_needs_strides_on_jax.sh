#!/usr/bin/env bash
# keras.ops.max_pool and average_pool without strides fail on the JAX backend, and work on TensorFlow.
#
# Keras 3.15.1, JAX 0.10.2. The docstring says that strides default to pool_size. On JAX the call raises
# "reduce_window got inconsistent window_strides and window_dimensions", window_strides having two entries more than
# there are axes; with strides=pool_size it gives the right shape. Layers (MaxPooling2D) pass strides and are not hit.
# Fails when the call without strides works, or when that with strides does not.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q keras==3.15.1 jax==0.10.2 jaxlib==0.10.2
KERAS_BACKEND=jax "$folder/venv/bin/python" - <<'PYTHON'
import keras
import numpy as np

x = np.ones((2, 6, 4, 3), "float32")
for pool in (keras.ops.max_pool, keras.ops.average_pool):
    assert pool(x, 2, strides=2, data_format="channels_last").shape == (2, 3, 2, 3)
    try:
        pool(x, 2, data_format="channels_last")
    except Exception as error:  # JAX's own TypeError.
        assert "inconsistent window_strides" in str(error), error
        print(f"{pool.__name__} without strides:", str(error).splitlines()[0])
    else:
        raise SystemExit(f"{pool.__name__} without strides works now.")
PYTHON
