"""Codes of `neighbour_ae` beside PCA, UMAP and t-SNE: what is kept of the images, of neighbours and of classes.

    KERAS_BACKEND=jax python benchmarks/dimensionality_reduction.py [--seeds 0 1 2] [--datasets mnist ...] [--fresh]

Everything is fitted on the training part (UMAP on its first 10,000 images) and measured on the test part; t-SNE, which
has no way to place new images, is fitted to the 2,000 test images themselves. Ours is trained by `train` of
`recipes/dimensionality_reduction.py`, in the same way for every size.

Needs `pip install -e '.[bench,sklearn]'`; without umap-learn its rows are left out. What is measured is kept in
`results/dimensionality_reduction.json` and not measured again unless `--fresh`. Writes
`results/dimensionality_reduction.md` and, of the codes in two dimensions, `results/dimensionality_reduction.png`.
"""

import argparse
import runpy
import time
import warnings
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import harness
import keras
import numpy as np
from pretrained import TITLES, Kept
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE, trustworthiness
from sklearn.neighbors import KNeighborsClassifier

import keras_ae
from keras_ae.files import replacing

SIZES = (2, 10, 32)
NEIGHBOURS = 5
MEASURED_ON = 2_000  # Test images: trustworthiness sorts the distances of all pairs, and depends on their number.
UMAP_ON = 10_000
SHOWN = 1_000
train = runpy.run_path(str(Path(__file__).parents[1] / "recipes" / "dimensionality_reduction.py"))["train"]


class Codes(NamedTuple):
    """What a method made: codes of the training images it has any for, and of test images; the latter's MSE."""

    train: np.ndarray
    test: np.ndarray
    mse: float | None


def rows(x: np.ndarray) -> np.ndarray:
    """Flatten images: (n, h, w, c) -> (n, values)."""
    return x.reshape(len(x), -1)


def of_pca(data, size: int, seed: int) -> Codes:
    """Return the codes of PCA, which no seed changes."""
    x, test = rows(data.train.x), rows(data.test.x)
    model = PCA(size, svd_solver="covariance_eigh").fit(x)
    codes = model.transform(test)
    return Codes(model.transform(x), codes, np.square(test - model.inverse_transform(codes)).mean())


def of_umap(data, size: int, seed: int) -> Codes:
    """Return the codes of UMAP with its defaults; its way back to images takes minutes and is left out."""
    from umap import UMAP

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # A seed makes it use one core, of which it warns.
        model = UMAP(n_components=size, random_state=seed).fit(rows(data.train.x[:UMAP_ON]))
        return Codes(model.embedding_, model.transform(rows(data.test.x)), None)


def of_tsne(data, size: int, seed: int) -> Codes:
    """Return the codes of t-SNE with its defaults, of test images alone."""
    codes = TSNE(size, random_state=seed).fit_transform(rows(data.test.x[:MEASURED_ON]))
    return Codes(codes[:0], codes, None)


def of_ours(data, size: int, seed: int) -> Codes:
    """Return the codes of `neighbour_ae`."""
    model = train(data.train.x, latent_dim=size, seed=seed)
    x, test = data.train.x, data.test.x
    return Codes(model.encode(x), model.encode(test), model.reconstruction_error(test).mean())


METHODS = {"PCA": of_pca, "neighbour_ae": of_ours, "t-SNE": of_tsne}
if find_spec("umap"):
    METHODS |= {"UMAP": of_umap}


def accuracy(codes: Codes, data) -> float:
    """Return the share of test images that 5 nearest neighbours among the training codes classify rightly.

    Where there are no training codes it is that of the test images among each other, no one its own neighbour.
    """
    if len(codes.train):
        nearest = KNeighborsClassifier(NEIGHBOURS).fit(codes.train, data.train.y[: len(codes.train)])
        return nearest.score(codes.test, data.test.y)
    labels = data.test.y[: len(codes.test)]
    nearest = KNeighborsClassifier(NEIGHBOURS).fit(codes.test, labels)
    found = labels[nearest.kneighbors(return_distance=False)]
    votes = (found[:, :, None] == np.arange(labels.max() + 1)).sum(axis=1)
    return float((votes.argmax(axis=1) == labels).mean())


def measure(method: str, data, size: int, seed: int) -> dict:
    """Return the numbers of a method's codes, and for a map the codes of the test images that are shown."""
    started = time.perf_counter()
    codes = METHODS[method](data, size, seed)
    seconds = time.perf_counter() - started
    images, of_test = rows(data.test.x)[:MEASURED_ON], codes.test[:MEASURED_ON]
    found = {
        "trustworthiness": trustworthiness(images, of_test, n_neighbors=NEIGHBOURS),
        # By its definition (Venna & Kaski 2001) the trustworthiness of the images as a map of the codes.
        "continuity": trustworthiness(of_test, images, n_neighbors=NEIGHBOURS),
        "accuracy": accuracy(codes, data),
        "seconds": seconds,
    }
    if codes.mse is not None:
        found["mse"] = codes.mse
    if size == 2 and seed == 0:  # For the figure.
        found["map"] = [" ".join(f"{value:.3g}" for value in point) for point in of_test[:SHOWN]]
    return found


def sizes_of(method: str) -> tuple[int, ...]:
    """Return the sizes at which a method is measured: t-SNE makes maps alone."""
    return (2,) if method == "t-SNE" else SIZES


def shown(values: list[float], digits: int) -> str:
    """Return mean and standard deviation over seeds."""
    spread = f" ± {np.std(values, ddof=1):.{digits}f}" if len(values) > 1 and np.ptp(values) else ""
    return f"{np.mean(values):.{digits}f}{spread}"


def table(found: dict, size: int) -> list[str]:
    """Return the rows of one size: methods by numbers."""
    lines, pca = [], np.mean([one["mse"] for one in found["PCA", size]])
    for (method, of_size), numbers in found.items():
        if of_size != size:
            continue
        columns = {name: [one[name] for one in numbers if name in one] for name in numbers[0] | {"mse": 0}}
        mse = f"{shown(columns['mse'], 4)} | {np.mean(columns['mse']) / pca:.3f}" if columns["mse"] else " | "
        cells = " | ".join(shown(columns[name], 3) for name in ("trustworthiness", "continuity", "accuracy"))
        label = f"**{method}**" if method == "neighbour_ae" else method
        lines.append(f"| {size} | {label} | {mse} | {cells} | {np.mean(columns['seconds']) / 60:.1f} |")
    return lines


def report(arguments: argparse.Namespace) -> str:
    """Measure what is not kept and return the tables as Markdown."""
    kept = Kept(harness.RESULTS / "dimensionality_reduction.json", fresh=arguments.fresh)
    packages = ("keras", "numpy", "scikit-learn", *(("umap-learn",) if "UMAP" in arguments.methods else ()))
    seeds = " ".join(map(str, arguments.seeds))
    options = f"--seeds {seeds} --datasets {' '.join(arguments.datasets)} --methods {' '.join(arguments.methods)}"
    lines = [
        "# Dimensionality reduction",
        "",
        f"`KERAS_BACKEND={keras.backend.backend()} python benchmarks/dimensionality_reduction.py {options}`: mean ± "
        f"standard deviation over the seeds. {harness.named({name: version(name) for name in packages})}.",
        "",
        "Fitted on the training part (54,000 images of 60,000; the rest is for choices), measured on the test part. "
        "MSE of all 10,000 test images, nothing clipped, and its share of PCA's; trustworthiness and continuity (Venna "
        f"& Kaski 2001) of {NEIGHBOURS} neighbours among the first {MEASURED_ON:,} test images; accuracy of "
        f"{NEIGHBOURS} nearest neighbours, training codes and test codes. UMAP, where it is measured, is fitted on "
        f"{UMAP_ON:,} training images, and its neighbours are those. t-SNE places the {MEASURED_ON:,} test images "
        "themselves, its neighbours are the others of them: it has no codes for new images. Minutes of a fit and its "
        "codes, on a machine shared with other work.",
    ]
    for name in arguments.datasets:
        data = keras_ae.datasets.load(name)
        found = {
            (method, size): [
                kept.get(f"{name}/{method}/{size}/{seed}", measure, method, data, size, seed)
                for seed in ((0,) if method == "PCA" else arguments.seeds)
            ]
            for method in arguments.methods
            for size in sizes_of(method)
        }
        columns = "| k | method | MSE | of PCA's | trustworthiness | continuity | accuracy | minutes |"
        lines += ["", f"## {TITLES[name]}", "", columns, "|---|" + "---|" * 7]
        lines += [line for size in SIZES for line in table(found, size)]
        if 0 in arguments.seeds:  # Whose maps are kept.
            of_seed = {
                method: next(one["map"] for one in found[method, 2] if "map" in one) for method in arguments.methods
            }
            maps = {method: np.array([p.split() for p in points], dtype=float) for method, points in of_seed.items()}
            title = f"{TITLES[name]}, the first {SHOWN:,} test images, seed 0"
            picture = keras_ae.plots.latent_maps(maps, data.test.y[:SHOWN], title=title)
            file = f"dimensionality_reduction_{name}.png"
            keras_ae.plots.save(picture, harness.RESULTS / file)
            lines += ["", f"![Maps of {TITLES[name]} side by side]({file})"]
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--datasets", nargs="+", default=["mnist"], choices=TITLES)
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS, help="PCA must be among them")
    parser.add_argument("--fresh", action="store_true", help="measure what is kept anew")
    options = parser.parse_args()
    text = report(options)
    print(text)
    with replacing(harness.RESULTS / "dimensionality_reduction.md") as temporary:
        temporary.write_text(text)
