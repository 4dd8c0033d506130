import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # Before TensorFlow is imported, or it reports on every device.

import keras
import pytest


def pytest_configure(config):
    # Keras 3.15 and TensorFlow 2.21 hand their variables to NumPy 2 by the older protocol; nothing here can change it.
    config.addinivalue_line("filterwarnings", "ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(autouse=True)
def _fresh_state():
    """Every test starts from the same random state and from Keras' defaults."""
    keras.utils.set_random_seed(0)
    yield
    keras.config.set_dtype_policy("float32")
    keras.config.set_floatx("float32")
