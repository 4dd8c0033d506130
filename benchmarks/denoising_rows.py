"""What the tables of denoising share: settings by validation, cells over seeds, Markdown."""

import time
from collections.abc import Callable
from itertools import product

import numpy as np


def best_setting(method: Callable, grid: dict, clean: np.ndarray, noisy: np.ndarray) -> dict:
    """Return the settings of `grid` with the least squared error."""
    if not grid:
        return {}
    settings = [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]
    return min(settings, key=lambda setting: np.mean(np.square(method(noisy, **setting) - clean)))


def timed(measure: Callable, *arguments) -> dict:
    """Return the numbers of `measure(*arguments)` and the seconds of this process that they took."""
    started = time.process_time()
    numbers = measure(*arguments)
    return numbers | {"seconds": time.process_time() - started}


def shown(values, digits: int) -> str:
    """Return the mean over seeds, and the standard deviation where there are several."""
    spread = f" ± {np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else ""
    return f"{np.mean(values):.{digits}f}{spread}"


def table(title: str, columns, cells: dict[str, list[str]]) -> list[str]:
    """Return the lines of a Markdown table: a row for each key of `cells`."""
    head = [f"| {title} | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    return head + [f"| {name} | " + " | ".join(texts) + " |" for name, texts in cells.items()]
