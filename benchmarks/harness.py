"""What the benchmarks share: a process for each backend, rates in turn, a table with where and how it was measured."""

import argparse
import importlib
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

RESULTS = Path(__file__).parent / "results"


def parser(description: str) -> argparse.ArgumentParser:
    """Return the options that every benchmark has."""
    found = argparse.ArgumentParser(description=description)
    found.add_argument("--repeats", type=int, default=7, help="measured epochs of each variant")
    found.add_argument("--images", type=int, default=20000)
    found.add_argument("--batch", type=int, default=128)
    found.add_argument("--backends", nargs="*", default=["tensorflow", "jax", "torch"])
    found.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    return found


def images(count: int):
    """Return `count` digits, (count, 28, 28, 1) in [0, 1]; the shipped ones repeat where more are asked for."""
    import keras_ae

    x = keras_ae.datasets.load("mnist_mini").train.x
    return x.repeat(-(-count // len(x)), axis=0)[:count]


def rates(variants: dict[str, Callable[[], float]], count: int, repeats: int) -> dict:
    """Run every variant's epoch in turn and return images per second of each, without the first round, which compiles.

    Every second round goes backwards, so that none always follows the same other.

    A variant is a function that runs an epoch over `count` images and returns its loss.
    """
    found, losses = {name: [] for name in variants}, {}
    for repeat in range(repeats + 1):
        for name, epoch in list(variants.items())[:: -1 if repeat % 2 else 1]:
            started = time.perf_counter()
            losses[name] = epoch()
            if repeat:
                found[name].append(count / (time.perf_counter() - started))
    return {"rates": found, "losses": losses}


def run(
    measure: Callable[[argparse.Namespace], dict], report: Callable, arguments: argparse.Namespace, name: str
) -> None:
    """Call `measure` for each backend in a process of its own; print `report(results)` and write it to results/NAME."""
    if arguments.one:
        import keras

        backend = keras.backend.backend()
        versions = {"keras": keras.version(), backend: importlib.import_module(backend).__version__}
        print(json.dumps({"backend": backend, "versions": versions} | measure(arguments)))
        return
    results = []
    for backend in arguments.backends:
        if importlib.util.find_spec(backend) is None:
            print(f"{backend} is not installed", file=sys.stderr)
            continue
        environment = os.environ | {"KERAS_BACKEND": backend}
        command = [sys.executable, *sys.argv, "--one"]
        output = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, text=True).stdout
        results.append(json.loads(output.splitlines()[-1]))
    text = report(results)
    print(text)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / name).write_text(text)


def where(arguments: argparse.Namespace) -> str:
    """Return command, network and machine in a sentence."""
    options = f"--repeats {arguments.repeats} --images {arguments.images} --batch {arguments.batch}"
    return (
        f"`python benchmarks/{Path(sys.argv[0]).name} {options}`: `conv_vae`, 28x28x1, latent_dim 16, seed 0, float32, "
        f"{os.cpu_count()} cores, Python {platform.python_version()}. Images per second, medians over the repeats "
        "(least to most), epochs of all variants in turn in one process."
    )


def shown(values: list[float]) -> str:
    """Return median and spread as text."""
    return f"{statistics.median(values):,.0f} ({min(values):,.0f}-{max(values):,.0f})"


class Sentences:
    """What is said in place of a result: numbered in a table, and written out below it."""

    def __init__(self):
        self.texts: list[str] = []

    def cell(self, text: str) -> str:
        """Return the number of a sentence, as a cell."""
        if text not in self.texts:
            self.texts.append(text)
        return f"refused [{self.texts.index(text) + 1}]"

    def below(self, results: list[dict]) -> str:
        """Return the sentences, and the versions that were measured."""
        lines = ["", "What is said:", "", *(f"{number}. {text}" for number, text in enumerate(self.texts, start=1))]
        return "\n".join([*lines, "", f"Versions: {'; '.join(named(each['versions']) for each in results)}."]) + "\n"


def spread(values: np.ndarray) -> str:
    """Return the mean over seeds as text, and the standard deviation where there are several: (seeds,)."""
    digits = 2 if values.mean() > 1.5 else 3
    deviation = f" ± {values.std(ddof=1):.{digits}f}" if len(values) > 1 else ""
    return f"{values.mean():.{digits}f}{deviation}"


def named(versions: dict[str, str]) -> str:
    """Return versions as text."""
    return ", ".join(f"{name} {version}" for name, version in versions.items())
