"""Measure applications and write their tables: the scripts of this folder, one after the other.

    python benchmarks/run.py anomaly --seeds 0 1 2
    python benchmarks/run.py --all

Each keeps what it has measured in `results/APPLICATION.json` where it takes long, so that a run that was cut off goes
on; the first lines of each script tell what data and packages it needs.
"""

import argparse
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
APPLICATIONS = ("dimensionality_reduction", "denoising", "anomaly", "generation", "features")


def main() -> None:
    """Run the scripts that the command line names, and tell at the end which of them failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("applications", nargs="*", metavar="APPLICATION", help=", ".join(APPLICATIONS))
    parser.add_argument("--all", action="store_true", help="all of them")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    arguments = parser.parse_args()
    unknown = set(arguments.applications) - set(APPLICATIONS)
    if unknown or arguments.all == bool(arguments.applications):
        parser.error(f"name applications ({', '.join(APPLICATIONS)}) or give --all")
    options, failed = ["--seeds", *map(str, arguments.seeds)], []
    for name in APPLICATIONS if arguments.all else arguments.applications:
        print(f"== {name}", flush=True)
        if subprocess.run([sys.executable, FOLDER / f"{name}.py", *options]).returncode:
            failed.append(name)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
