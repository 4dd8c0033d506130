"""Anomaly detection: tables, one class of images, series, beside what people use without an autoencoder.

    python benchmarks/anomaly.py [--seeds 0 1 2] [--tables FOLDER] [--keel FOLDER] [--series FOLDER] [--parts PART ...]

The parts are tables, keel, one_class and series. Folders may come from the environment variables KERAS_AE_TABULAR,
KERAS_AE_KEEL and KERAS_AE_SERIES; what they hold is said in `tabular.py`, `keel.py` and `nab.py`. The images are
prepared data sets (`TFDS_DATA_DIR`). A part whose data are not given is left out, and named. What is measured is kept
in `results/anomaly.json` and not measured again unless `--fresh`.

Needs `pip install -e '.[sklearn,pyod]'`; without PyOD and PyTorch its rows are left out. On JAX many small trainings
are fastest with compiled steps kept, JAX_COMPILATION_CACHE_DIR=FOLDER JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS=0;
images are fastest on TensorFlow. Writes `results/anomaly.md`.
"""

import argparse
import os
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import harness
import keel
import nab
import one_class
import tabular
from pretrained import Kept

from keras_ae.files import replacing

PARTS = ("tables", "keel", "one_class", "series")


def folder(variable: str) -> Path | None:
    """Return the folder that an environment variable names, if it does."""
    return Path(os.environ[variable]) if os.environ.get(variable) else None


def report(arguments: argparse.Namespace) -> str:
    """Measure what is not kept and return the tables as Markdown."""
    kept = Kept(harness.RESULTS / "anomaly.json", fresh=arguments.fresh)
    packages = ("keras", "numpy", "scikit-learn", *(("pyod",) if find_spec("pyod") else ()))
    sections = {
        "tables": arguments.tables and (lambda: tabular.section(kept, arguments.tables, arguments.seeds)),
        "keel": arguments.keel and (lambda: keel.section(kept, arguments.keel, arguments.seeds)),
        "one_class": lambda: one_class.section(kept, arguments.seeds),
        "series": arguments.series and (lambda: nab.section(kept, arguments.series, arguments.seeds)),
    }
    lines = [
        "# Anomaly detection",
        "",
        f"`python benchmarks/anomaly.py --seeds {' '.join(map(str, arguments.seeds))}`. Rows in bold are ours. "
        f"{harness.named({name: version(name) for name in packages})}.",
    ]
    for part in arguments.parts:
        missing = f"Left out: {part}, whose folder was not given (`--{part} FOLDER`)."
        lines += ["", *(sections[part]() if sections[part] else [missing])]
    seconds = sum(one["seconds"] for one in kept.read().values())
    return "\n".join([*lines, "", f"{seconds / 60:.0f} minutes of compute in all.", ""])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--tables", type=Path, default=folder("KERAS_AE_TABULAR"), help="folder of .npz files")
    parser.add_argument("--keel", type=Path, default=folder("KERAS_AE_KEEL"), help="folder of .dat files")
    parser.add_argument("--series", type=Path, default=folder("KERAS_AE_SERIES"), help="folder of .csv files")
    parser.add_argument("--parts", nargs="+", default=PARTS, choices=PARTS)
    parser.add_argument("--fresh", action="store_true", help="measure what is kept anew")
    text = report(parser.parse_args())
    print(text)
    with replacing(harness.RESULTS / "anomaly.md") as temporary:
        temporary.write_text(text)
