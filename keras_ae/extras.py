"""Packages that only some functions need."""

from importlib import import_module
from types import ModuleType


def required(package: str, extra: str) -> ModuleType:
    """Return the package, or raise an `ImportError` that says which extra of this package brings it."""
    try:
        return import_module(package)
    except ImportError as error:
        raise ImportError(f"This needs {package}: pip install 'keras-ae[{extra}]'.") from error
