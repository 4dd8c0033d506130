"""Optional packages, imported where they are needed."""

from importlib import import_module
from types import ModuleType


def optional(module: str, package: str, extra: str) -> ModuleType:
    """Return a module of a package that the base install does not bring.

    Args:
        module: its full name, such as "sklearn.mixture".
        package: what the user knows it by, such as "scikit-learn".
        extra: the extra of keras-ae that installs it.

    Raises:
        ImportError: the package is not installed; the message names the extra.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise ImportError(f"This needs {package}, which is not installed: pip install 'keras-ae[{extra}]'.") from error
