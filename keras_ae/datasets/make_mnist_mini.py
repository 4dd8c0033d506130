"""Draw `mnist_mini.npz` from MNIST, which TFDS must hold prepared.

    TFDS_DATA_DIR=FOLDER python -m keras_ae.datasets.make_mnist_mini

Prints what `mnist_mini.md` records. The images are put in the order of their bytes before the draw, so that the
outcome depends on the set of images alone, not on the order in which TFDS stored them.
"""

import argparse
import hashlib
from pathlib import Path

import numpy as np

from keras_ae.datasets import tfds

SIZES = {"train": 6_000, "test": 1_000}
SEED = 0


def draw(x: np.ndarray, y: np.ndarray, size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """`size` of the samples, in random order, with each label's share as near to its share of y as can be."""
    by_bytes = sorted(range(len(x)), key=lambda row: x[row].tobytes())
    x, y = x[by_bytes], y[by_bytes]
    rng = np.random.default_rng(seed)
    labels, counts = np.unique(y, return_counts=True)
    rows = [
        rng.choice(np.flatnonzero(y == label), count, replace=False)
        for label, count in zip(labels, shares(counts, size), strict=True)
    ]
    rows = rng.permutation(np.concatenate(rows))
    return x[rows], y[rows]


def shares(counts: np.ndarray, size: int) -> np.ndarray:
    """Whole numbers proportional to `counts` that sum to `size` (method of the largest remainder)."""
    exact = counts * size / counts.sum()
    whole = np.floor(exact).astype(int)
    largest = np.argsort(whole - exact, kind="stable")[: size - whole.sum()]
    whole[largest] += 1
    return whole


def main() -> None:
    """Write the file and print its counts and checksums."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", help="folder of prepared TFDS sets; default: TFDS_DATA_DIR")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("mnist_mini.npz"))
    arguments = parser.parse_args()
    builder = tfds.prepared_builder("mnist", arguments.data_dir, download=False)
    arrays = {}
    for part, size in SIZES.items():
        x, y = draw(*tfds.read_split(builder, part, image_size=None), size, SEED)
        arrays |= {f"x_{part}": x[..., 0], f"y_{part}": y.astype(np.uint8)}
    np.savez_compressed(arguments.output, **arrays)
    print(f"{arguments.output.name}: {arguments.output.stat().st_size:,} bytes")
    print(f"sha256 of the file: {hashlib.sha256(arguments.output.read_bytes()).hexdigest()}")
    for name, array in arrays.items():
        print(f"{name}: {array.dtype} {array.shape}, sha256 {hashlib.sha256(array.tobytes()).hexdigest()}")
    for part in SIZES:
        print(f"{part}, digits 0 to 9: {', '.join(str(count) for count in np.bincount(arrays[f'y_{part}']))}")


if __name__ == "__main__":
    main()
