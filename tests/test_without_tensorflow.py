"""JAX and PyTorch without TensorFlow: only data sets by name and exports ask for it, in words."""

import os
import subprocess
import sys
from importlib.util import find_spec

import keras
import pytest

import keras_ae

WITHOUT = """
import sys

sys.modules.update(dict.fromkeys(("tensorflow", "tensorflow_datasets")))  # None: as if they were not installed.

import numpy as np
import keras_ae

data = keras_ae.datasets.load("mnist_mini")
model = keras_ae.build("vae", latent_dim=2, seed=0)
model.fit(data.train.x[:300], batch_size=300, validation_data=data.test.x[:300], verbose=0)
model.fit(data.validation.batches(300, shuffle=True), verbose=0)
folder = sys.argv[1]
model.save(f"{folder}/model.keras")
loaded = keras_ae.load_model(f"{folder}/model.keras")
np.testing.assert_array_equal(loaded.reconstruct(data.test.x[:8]), model.reconstruct(data.test.x[:8]))
try:
    model.export(f"{folder}/model", "tf_saved_model")
except ImportError as error:
    assert "pip install tensorflow" in str(error), error
else:
    raise AssertionError("an export without TensorFlow")
"""


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_a_model_is_trained_saved_and_loaded_without_tensorflow(backend, tmp_path):
    if find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    if keras.backend.backend() not in ("tensorflow", backend):
        pytest.skip("the tests on that backend have it")
    command = [sys.executable, "-c", WITHOUT, str(tmp_path)]
    done = subprocess.run(command, env=os.environ | {"KERAS_BACKEND": backend}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["mnist", "spoken_digit", "mnist_mimi"])
def test_a_set_by_name_asks_for_tensorflow_datasets(name, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(ImportError, match=rf"'{name}' is no file or folder.* pip install .*tensorflow-datasets"):
        keras_ae.datasets.load(name)
