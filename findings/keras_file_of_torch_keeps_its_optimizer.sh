#!/usr/bin/env bash
# A compiled .keras file that was saved on PyTorch cannot be trained on JAX: it brings the optimiser of PyTorch.
#
# Keras 3.15.1, PyTorch 2.13.0, JAX 0.10.2. On PyTorch `keras.optimizers.Adam` is a class of the backend, and the file
# names it by its private module, keras.src.backend.torch.optimizers.torch_adam, though a .keras file is meant to
# travel. On JAX, PyTorch being installed, `keras.saving.load_model` imports that module without a word, and `fit` fails:
# "expected Tensor as element 0 in argument 0, but got jaxlib._jax.ArrayImpl". (On TensorFlow likewise, "... but got
# ResourceVariable".) A file that was saved on JAX names keras.optimizers and is trained everywhere.
# Fails when the file names the public module, or when `fit` works.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q "${TORCH:-torch==2.13.0}"
"$folder/venv/bin/pip" install -q keras==3.15.1 jax==0.10.2 jaxlib==0.10.2
cat > "$folder/save.py" <<'PYTHON'
import json
import sys
import zipfile

import keras

model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
model.compile("adam", "mse")
model.save(sys.argv[1])
config = json.loads(zipfile.ZipFile(sys.argv[1]).read("config.json"))
print(config["compile_config"]["optimizer"]["module"])
PYTHON
cat > "$folder/train.py" <<'PYTHON'
import sys

import keras
import numpy as np

keras.saving.load_model(sys.argv[1]).fit(np.ones((4, 3)), np.ones((4, 1)), verbose=0)
print("trained")
PYTHON
python="$folder/venv/bin/python"
test "$(KERAS_BACKEND=jax "$python" "$folder/save.py" "$folder/jax.keras")" = keras.optimizers
test "$(KERAS_BACKEND=jax "$python" "$folder/train.py" "$folder/jax.keras")" = trained
test "$(KERAS_BACKEND=torch "$python" "$folder/save.py" "$folder/torch.keras")" \
  = keras.src.backend.torch.optimizers.torch_adam
if KERAS_BACKEND=jax "$python" "$folder/train.py" "$folder/torch.keras" 2> "$folder/error"; then
  echo "A file of PyTorch is trained on JAX now."
  exit 1
fi
tail -1 "$folder/error"
grep -q "expected Tensor as element 0" "$folder/error"
