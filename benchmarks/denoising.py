"""Denoising autoencoders beside the methods that people use without a network, one table for each kind of data.

    python benchmarks/denoising.py [--seeds 0 1 2] [--only images speech series tables] [--small] [--fresh]

- Images: MNIST under noise of six kinds; one model, trained on all of them by `recipes/denoising.py`, and the shipped
  `conv_denoising_ae/mnist`, which knows Gaussian noise alone.
- Speech: spoken digits of a speaker whom the model has not heard, another one with each seed; a model of masks, trained
  by the same recipe.
- Series: sensors on a chain of masses and springs, simulated; models on windows, trained here.
- Tables: scikit-learn's, values missing at random in train and test; a small denoising autoencoder, trained here.

A seed fixes weights, noise and what is drawn beside them; tables show the mean and the standard deviation over seeds.
Needs `pip install -e '.[bench,sklearn,audio,pesq]'` and prepared data sets (`TFDS_DATA_DIR`). What is measured is kept
in `results/denoising.json` and not measured again unless `--fresh`, trained models in `runs/denoising`. Writes
`results/denoising.md`. `--small` is a quick look at few images, recordings and epochs; it writes to `runs/` alone.
"""

import argparse
from importlib.metadata import version
from pathlib import Path

import denoising_images
import denoising_series
import denoising_speech
import denoising_tables
import harness
from pretrained import Kept

from keras_ae.files import replacing

KINDS = {
    "images": denoising_images,
    "speech": denoising_speech,
    "series": denoising_series,
    "tables": denoising_tables,
}
PACKAGES = (
    "keras",
    "tensorflow",
    "numpy",
    "scipy",
    "scikit-image",
    "scikit-learn",
    "PyWavelets",
    "bm3d",
    "noisereduce",
    "pystoi",
    "pesq",
)


def report(arguments: argparse.Namespace, kept: Kept) -> str:
    """Measure what is not kept and return the tables as Markdown."""
    sections, seconds = [], 0.0
    for kind in arguments.only:
        lines, spent = KINDS[kind].section(arguments, kept)
        sections += ["", *lines]
        seconds += spent
    small = " --small" if arguments.small else ""
    return "\n".join(
        [
            "# Denoising beside the methods that need no network",
            "",
            f"`python benchmarks/denoising.py --seeds {' '.join(map(str, arguments.seeds))}{small}`: mean ± standard "
            f"deviation over the seeds, test data. Rows in bold are ours. {seconds / 60:.0f} minutes of compute on one "
            "core, without the training of models that `runs/denoising` had. "
            f"{harness.named({name: version(name) for name in PACKAGES})}.",
            *sections,
            "",
        ]
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only", nargs="+", default=list(KINDS), choices=KINDS, help="print these, write no table")
    parser.add_argument("--small", action="store_true", help="few images, recordings and epochs")
    parser.add_argument("--fresh", action="store_true", help="measure what is kept anew")
    options = parser.parse_args()
    options.runs = Path("runs/denoising-small" if options.small else "runs/denoising")
    options.runs.mkdir(parents=True, exist_ok=True)
    folder = options.runs if options.small else harness.RESULTS
    text = report(options, Kept(folder / "denoising.json", fresh=options.fresh))
    print(text)
    if len(options.only) == len(KINDS):
        with replacing(folder / "denoising.md") as temporary:
            temporary.write_text(text)
