"""Outlier detection in tables: `AutoencoderOutlierDetector` beside what people use without it.

    python benchmarks/tabular.py --data FOLDER [--seeds 0 1 2] [--sets cardio glass ...] [--methods ...] [--fresh]

FOLDER, or the environment variable KERAS_AE_TABULAR, holds .npz files with `X`, (rows, columns), and `y`, 1 where a row
is an anomaly, such as those of ADBench. Two regimes:

- clean: trained on a random half of the normal rows, tested on all the others;
- contaminated: trained on all rows without their labels, and tested on the same.

Columns are standardised by the training rows. No method sees a label, and each has one setting for all sets: its
package's defaults, but for PCA, which keeps 90 % of the variance and scores by what is left. Ours is `robust` in the
contaminated regime, at its default contamination of 0.1; so that it can be seen what this alone does, there is a kNN of
a tenth of the rows as well.

Needs `pip install -e '.[sklearn,pyod]'`; without PyOD its rows are left out. What is measured is kept in
`results/tabular.json` and not measured again unless `--fresh`. Writes `results/tabular.md`.
"""

import argparse
import os
import time
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import harness
import numpy as np
from pretrained import Kept
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

from keras_ae.estimators import AutoencoderOutlierDetector
from keras_ae.files import replacing

REGIMES = ("clean", "contaminated")
OURS = {"keras_ae": {}, "keras_ae, ensemble": {"score": "ensemble"}, "keras_ae, error": {"score": "reconstruction"}}


def split(name: str, folder: Path, regime: str, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return training rows, test rows and the labels of the test rows, columns standardised by the training rows."""
    with np.load(folder / f"{name}.npz") as data:
        x, y = data["X"].astype("float64"), data["y"].astype(int)
    train = test = np.arange(len(y))
    if regime == "clean":
        normal = np.random.default_rng(seed).permutation(np.flatnonzero(y == 0))
        train = normal[: len(normal) // 2]
        test = np.setdiff1d(test, train)
    scaler = StandardScaler().fit(x[train])
    return scaler.transform(x[train]), scaler.transform(x[test]), y[test]


def neighbours(train: np.ndarray, test: np.ndarray, regime: str, seed: int) -> np.ndarray:
    """Return the mean distance to the 5 nearest training rows, a row not being its own neighbour."""
    index = NearestNeighbors(n_neighbors=5).fit(train)
    return index.kneighbors(None if regime == "contaminated" else test)[0].mean(axis=1)


def many_neighbours(train: np.ndarray, test: np.ndarray, regime: str, seed: int) -> np.ndarray:
    """Return the mean distance to the nearest tenth of the training rows, of at most 5,000 of them."""
    train = np.random.default_rng(seed).permutation(train)[:5000]
    index = NearestNeighbors(n_neighbors=max(5, len(train) // 10)).fit(train)
    return np.concatenate([index.kneighbors(rows)[0].mean(axis=1) for rows in np.array_split(test, 16)])


def components(train: np.ndarray, test: np.ndarray, regime: str, seed: int) -> np.ndarray:
    """Return the squared error of PCA."""
    model = PCA(0.9).fit(train)
    return np.square(test - model.inverse_transform(model.transform(test))).mean(axis=1)


def forest(train: np.ndarray, test: np.ndarray, regime: str, seed: int) -> np.ndarray:
    """Return the score of scikit-learn's isolation forest."""
    return -IsolationForest(random_state=seed).fit(train).score_samples(test)


def support(train: np.ndarray, test: np.ndarray, regime: str, seed: int) -> np.ndarray:
    """Return the score of scikit-learn's one-class SVM."""
    return -OneClassSVM().fit(train).score_samples(test)


def density(train: np.ndarray, test: np.ndarray, regime: str, seed: int) -> np.ndarray:
    """Return scikit-learn's local outlier factor."""
    if regime == "contaminated":
        return -LocalOutlierFactor().fit(train).negative_outlier_factor_
    return -LocalOutlierFactor(novelty=True).fit(train).score_samples(test)


def ours(**options) -> Callable:
    """Return the scores of our detector with these options."""

    def scores(train: np.ndarray, test: np.ndarray, regime: str, seed: int) -> np.ndarray:
        detector = AutoencoderOutlierDetector(random_state=seed, robust=regime == "contaminated", **options)
        return -detector.fit(train).score_samples(test)

    return scores


def of_pyod(module: str, name: str) -> Callable:
    """Return the scores of a network of PyOD."""

    def scores(train: np.ndarray, test: np.ndarray, regime: str, seed: int) -> np.ndarray:
        found = getattr(__import__(f"pyod.models.{module}", fromlist=[name]), name)
        return found(random_state=seed, verbose=0).fit(train).decision_function(test)

    return scores


METHODS = {
    **{name: ours(**options) for name, options in OURS.items()},
    "kNN (5)": neighbours,
    "kNN (a tenth)": many_neighbours,
    "IsolationForest": forest,
    "OCSVM": support,
    "LOF": density,
    "PCA": components,
}
if find_spec("pyod") and find_spec("torch"):
    METHODS |= {"PyOD AutoEncoder": of_pyod("auto_encoder", "AutoEncoder"), "PyOD VAE": of_pyod("vae", "VAE")}


def measure(method: str, name: str, folder: Path, regime: str, seed: int) -> dict:
    """Return AUROC, average precision and seconds of a method on a set."""
    train, test, y = split(name, folder, regime, seed)
    started = time.perf_counter()
    scores = METHODS[method](train, test, regime, seed)
    seconds = time.perf_counter() - started
    if np.ptp(scores) == 0:
        raise ValueError(f"{method} gives every row of {name} the same score.")
    return {"auroc": roc_auc_score(y, scores), "ap": average_precision_score(y, scores), "seconds": round(seconds, 1)}


def table(found: dict, sets: list[str]) -> list[str]:
    """Return a table of AUROC: methods by sets, with the mean of AUROC and average precision, best first."""
    lines = [f"| method | AUROC | AP | {' | '.join(sets)} | minutes |", "|---|" + "---|" * (len(sets) + 3)]
    rows = []
    for method, numbers in found.items():
        auroc = np.array([[one["auroc"] for one in numbers[name]] for name in sets])
        ap = np.mean([[one["ap"] for one in numbers[name]] for name in sets])
        minutes = np.sum([[one["seconds"] for one in numbers[name]] for name in sets]) / 60 / auroc.shape[1]
        label = f"**{method}**" if method in OURS else method
        means = auroc.mean(axis=0)
        cells = " | ".join(f"{value:.3f}" for value in auroc.mean(axis=1))
        line = f"| {label} | {means.mean():.3f} ± {means.std():.3f} | {ap:.3f} | {cells} | {minutes:.1f} |"
        rows.append((means.mean(), line))
    return lines + [line for _, line in sorted(rows, reverse=True)]


def report(arguments: argparse.Namespace) -> str:
    """Measure what is not kept and return the tables as Markdown."""
    kept = Kept(harness.RESULTS / "tabular.json", fresh=arguments.fresh)
    sets = arguments.sets or sorted((path.stem for path in arguments.data.glob("*.npz")), key=str.lower)
    names = ("keras", "numpy", "scikit-learn", *(("pyod",) if find_spec("pyod") else ()))
    seeds = " ".join(map(str, arguments.seeds))
    lines = [
        "# Outlier detection in tables",
        "",
        f"`python benchmarks/tabular.py --data FOLDER --seeds {seeds}`: AUROC of each set, mean over the seeds; the "
        "mean over sets with its standard deviation over seeds; mean average precision; minutes to fit and score all "
        "sets once. Rows in bold are ours. "
        f"{harness.named({name: version(name) for name in names})}.",
    ]
    for regime in REGIMES:
        found = {
            method: {
                name: [
                    kept.get(f"{regime}/{name}/{method}/{seed}", measure, method, name, arguments.data, regime, seed)
                    for seed in arguments.seeds
                ]
                for name in sets
            }
            for method in arguments.methods
        }
        lines += ["", f"## {regime.capitalize()}", "", *table(found, sets)]
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = os.environ.get("KERAS_AE_TABULAR")
    parser.add_argument("--data", type=Path, default=default and Path(default), required=default is None)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--sets", nargs="+", help="names of files, without .npz; all of them unless told")
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument("--fresh", action="store_true", help="measure what is kept anew")
    options = parser.parse_args()
    text = report(options)
    print(text)
    with replacing(harness.RESULTS / "tabular.md") as temporary:
        temporary.write_text(text)
