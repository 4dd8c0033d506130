"""The versions that a number depends on."""

import keras


def versions() -> dict[str, str]:
    """Return the versions that a number depends on: Python, keras_ae's dependencies and the backend."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    backend = keras.backend.backend()
    found = {"python": platform.python_version(), "backend": backend}
    for package in dict.fromkeys(("keras-ae", "keras", "numpy", "tensorflow" if backend == "tensorflow" else backend)):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed as a package"
    return found
