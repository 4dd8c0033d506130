"""Outliers in tables: `AutoencoderOutlierDetector` beside what people use without it.

A folder holds .npz files with `X`, (rows, columns), and `y`, 1 where a row is an anomaly, such as those of ADBench (Han
et al. 2022). Two regimes:

- clean: trained on a random half of the normal rows, tested on all the others;
- contaminated: trained on all rows without their labels, and tested on the same.

Columns are standardised by the training rows. No method sees a label, and each has one setting for all sets: its
package's defaults, but for PCA, which keeps 90 % of the variance and scores by what is left. Ours is `robust` in the
contaminated regime, at its default contamination of 0.1; so that it can be seen what this alone does, there is a kNN of
a tenth of the rows as well.
"""

import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from harness import spread
from pretrained import Kept
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

from keras_ae.estimators import AutoencoderOutlierDetector

REGIMES = ("clean", "contaminated")
MOST = 10_000  # Rows that the slowest methods are trained on.
OURS = {
    "keras_ae": {},
    "keras_ae, latent kNN": {"score": "latent_knn"},
    "keras_ae, error": {"score": "reconstruction"},
}


def read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return values, (rows, columns), and labels, (rows,), of a file of ADBench (.npz) or of KEEL (.dat)."""
    if path.suffix == ".npz":
        with np.load(path) as data:
            return data["X"].astype("float64"), data["y"].astype(int)
    *columns, label = np.loadtxt(path, delimiter=",", dtype=str, unpack=True)
    return np.array(columns, "float64").T, (np.char.strip(label) == "positive").astype(int)


def split(path: Path, regime: str, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return training rows, test rows and the labels of the test rows, columns standardised by the training rows."""
    x, y = read(path)
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
    """Return the score of scikit-learn's one-class SVM, whose time is quadratic in the rows, on at most `MOST`."""
    train = np.random.default_rng(seed).permutation(train)[:MOST]
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
    """Return the scores of a network of PyOD, trained on at most `MOST` rows."""

    def scores(train: np.ndarray, test: np.ndarray, regime: str, seed: int) -> np.ndarray:
        train = np.random.default_rng(seed).permutation(train)[:MOST]
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
PYOD = {"PyOD AutoEncoder": ("auto_encoder", "AutoEncoder"), "PyOD VAE": ("vae", "VAE")}
if find_spec("pyod") and find_spec("torch"):
    METHODS |= {name: of_pyod(*place) for name, place in PYOD.items()}


def measure(method: str, path: Path, regime: str, seed: int) -> dict:
    """Return AUROC, average precision and seconds of a method on a set."""
    train, test, y = split(path, regime, seed)
    started = time.perf_counter()
    scores = METHODS[method](train, test, regime, seed)
    seconds = time.perf_counter() - started
    if np.ptp(scores) == 0:
        raise ValueError(f"{method} gives every row of {path.stem} the same score.")
    return {"auroc": roc_auc_score(y, scores), "ap": average_precision_score(y, scores), "seconds": round(seconds, 1)}


def table(found: dict, columns: dict[str, list[str]]) -> list[str]:
    """Return a table of AUROC, best first.

    Args:
        found: what `measure` returned, of every method, set and seed.
        columns: the sets that each column is the mean of; the means of AUROC and average precision are over columns.
    """
    lines = [f"| method | AUROC | AP | {' | '.join(columns)} | minutes |", "|---|" + "---|" * (len(columns) + 3)]
    rows = []
    for method, numbers in found.items():
        auroc, ap = (
            np.array([np.mean([[one[name] for one in numbers[each]] for each in sets], 0) for sets in columns.values()])
            for name in ("auroc", "ap")
        )
        minutes = sum(one["seconds"] for runs in numbers.values() for one in runs) / 60 / auroc.shape[1]
        label = f"**{method}**" if method in OURS else method
        cells = " | ".join(f"{value:.3f}" for value in auroc.mean(axis=1))
        means = " | ".join(spread(values.mean(axis=0)) for values in (auroc, ap))
        rows.append((auroc.mean(), f"| {label} | {means} | {cells} | {minutes:.1f} |"))
    return lines + [line for _, line in sorted(rows, reverse=True)]


def regimes(kept: Kept, part: str, columns: dict[str, list[Path]], seeds: list[int]) -> list[str]:
    """Measure what is not kept and return a table of each regime as Markdown; see `table` for the columns.

    Raises:
        ValueError: there is no column.
    """
    if not columns:
        raise ValueError(f"The folder of the part {part} has no file that it should have. Name another folder.")
    lines = []
    for regime in REGIMES:
        found = {
            method: {
                path.stem: [
                    kept.get(f"{part}/{regime}/{path.stem}/{method}/{seed}", measure, method, path, regime, seed)
                    for seed in (seeds[:1] if method in PYOD else seeds)
                ]
                for paths in columns.values()
                for path in paths
            }
            for method in METHODS
        }
        names = {column: [path.stem for path in paths] for column, paths in columns.items()}
        lines += ["", f"### {regime.capitalize()}", "", *table(found, names)]
    return lines


def section(kept: Kept, folder: Path, seeds: list[int]) -> list[str]:
    """Measure what is not kept and return the tables of both regimes as Markdown."""
    paths = sorted(folder.glob("*.npz"), key=lambda path: path.stem.lower())
    return [
        "## Tables",
        "",
        "AUROC of each set, mean over the seeds; means over the sets with the standard deviation over seeds; minutes "
        "to fit and score all sets once. OCSVM and PyOD's networks, of their defaults, are trained on at most "
        f"{MOST:,} rows, PyOD's by seed {seeds[0]} alone.",
        *regimes(kept, "tables", {path.stem: [path] for path in paths}, seeds),
    ]
