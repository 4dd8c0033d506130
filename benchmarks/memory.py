"""Greatest resident memory of training on a million uint8 images, on each backend that is installed.

    python benchmarks/memory.py [--images 1000000] [--batch 1000] [--backends tensorflow jax torch]

One epoch of a tiny dense model, validation included, over `--images` digits of 28x28 bytes (784 MB for a million), in
a process of its own for each way that data reach a model:

- Batches: `load({"x_train": x}, validation=1000)` and `fit(train.batches(...))`.
- Run: `runs.Settings(dataset="x.npy")`, from the file to the pictures.
- uint8: `fit(x)` with the uint8 array.
- float32: `fit(x)` with a float32 array of a quarter of the images, which are as many bytes.

The limit is what the array takes and 1 GB, for the whole process. Writes `results/memory.md`.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import harness

WAYS = ("Batches", "Run", "uint8", "float32")
LIMIT = 1000  # MB beside the array.


def peak() -> float:
    """Return the greatest resident memory of this process so far in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def digits(count: int, dtype: str):
    """Return `count` digits, (count, 28, 28, 1): the shipped ones over and over, uint8 or float32 in [0, 1]."""
    import numpy as np

    import keras_ae

    few = keras_ae.datasets.load("mnist_mini").train.store.x[..., None]
    x = np.empty((count, *few.shape[1:]), dtype)
    for start in range(0, count, len(few)):
        x[start : start + len(few)] = few[: count - start]
    if dtype == "float32":
        x /= 255
    return x


def train(way: str, arguments: argparse.Namespace) -> dict:
    """Train one epoch in this process and return its memory in MB: the array, before training, the greatest."""

    import keras_ae

    small = {"encoder": (keras_ae.Flatten(), keras_ae.Dense(16)), "latent": keras_ae.Vector(4)}
    spec = keras_ae.Spec((28, 28, 1), likelihood="bernoulli", **small)
    if way == "Run":
        with tempfile.TemporaryDirectory() as folder:
            file, spec_file = Path(folder) / "x.npy", Path(folder) / "spec.json"
            subprocess.run([sys.executable, __file__, "--write", file, "--images", str(arguments.images)], check=True)
            spec_file.write_text(spec.to_json())
            settings = keras_ae.runs.Settings(
                str(spec_file), str(file), epochs=1, batch_size=arguments.batch, validation=0.001
            )
            before, array = peak(), file.stat().st_size / 1e6
            run, data = keras_ae.runs.start(settings, Path(folder) / "run")
            run.report(run.train(data, verbose=0), data)
            return {"array": array, "before": before, "peak": peak()}
    x = digits(arguments.images // 4, "float32") if way == "float32" else digits(arguments.images, "uint8")
    model = keras_ae.build(spec, seed=0)
    before = peak()
    if way == "Batches":
        data = keras_ae.datasets.load({"x_train": x}, validation=1000)
        batches = data.train.batches(arguments.batch, shuffle=True, binarize="dynamic")
        model.fit(batches, validation_data=data.validation.batches(arguments.batch), verbose=0)
    else:
        model.fit(x, batch_size=arguments.batch, validation_data=x[:1000], verbose=0)
    return {"array": x.nbytes / 1e6, "before": before, "peak": peak()}


def measure(arguments: argparse.Namespace) -> dict:
    """Return the memory of every way on the backend of this process, each measured in a child."""
    found = {}
    for way in WAYS:
        command = [sys.executable, __file__, "--way", way, *options_of(arguments)]
        output = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout
        found[way] = json.loads(output.splitlines()[-1])
    return {"ways": found}


def options_of(arguments: argparse.Namespace) -> list[str]:
    """Return the options that fix a measurement, as on the command line."""
    return ["--images", str(arguments.images), "--batch", str(arguments.batch)]


def report(results: list[dict], arguments: argparse.Namespace) -> str:
    """Return the table as Markdown."""
    lines = [
        "# Memory of training",
        "",
        f"`python benchmarks/memory.py {' '.join(options_of(arguments))}`: one epoch of a dense model with 16 hidden "
        "units over all images, 28x28x1, validation included, a process for each row, "
        f"{os.cpu_count()} cores, Python {platform.python_version()}. MB of resident memory; `before` has the array "
        f"and the imports (of Run, the imports alone), and the limit of `peak` is array + {LIMIT}.",
        "",
        "| backend | way | array | before | peak | peak - array | versions |",
        "|---|---|---|---|---|---|---|",
    ]
    for result in results:
        for way, row in result["ways"].items():
            numbers = (row["array"], row["before"], row["peak"], row["peak"] - row["array"])
            cells = (result["backend"], way, *(f"{number:,.0f}" for number in numbers))
            lines.append(f"| {' | '.join(cells)} | {harness.named(result['versions'])} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    parser = harness.parser(__doc__.splitlines()[0])
    parser.set_defaults(images=1_000_000, batch=1000)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:
        import numpy as np

        np.save(options.write, digits(options.images, "uint8"))
    elif options.way:
        print(json.dumps(train(options.way, options)))
    else:
        harness.run(measure, lambda results: report(results, options), options, "memory.md")
