"""The recipes as modules: a benchmark measures what a recipe trains, and has no second way to train it."""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

FOLDER = Path(__file__).parents[1] / "recipes"


def recipe(name: str) -> ModuleType:
    """Return recipes/NAME.py as a module."""
    title = f"recipes.{name}"
    if title not in sys.modules:
        spec = spec_from_file_location(title, FOLDER / f"{name}.py")
        sys.modules[title] = module_from_spec(spec)
        spec.loader.exec_module(sys.modules[title])
    return sys.modules[title]
