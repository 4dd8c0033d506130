"""Anomalies of series: windows of the Numenta Anomaly Benchmark (Lavin & Ahmad 2015).

A folder holds series as CSV files, `timestamp,value`, and `combined_windows.json`, the labelled stretches. The first
15 % of a series train, without a look at labels, the rest tests; values are standardised by the training part, and a
series is sorted by time, of equal times the first value stays. Windows are scored, and a time has the mean score of the
windows that cover it. Windows cross gaps in time, which four of the seven series have: `rogue_agent_key_hold` has 91,
and they leave its training part one piece as long as a window. Nothing is point-adjusted: by that, random scores win.
"""

import csv
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from harness import spread
from pretrained import Kept
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.neighbors import NearestNeighbors

from keras_ae import anomaly, metrics
from keras_ae.estimators import AutoencoderOutlierDetector

LENGTH, TRAIN = 32, 0.15
NUMBERS = {"auroc": "AUROC", "auprc": "AUPRC", "vus_pr": "VUS-PR"}


def read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return values, standardised by the training part, and labels: (times,) each."""
    with path.open() as file:
        rows = list(csv.DictReader(file))
    times, first = np.unique(np.array([row["timestamp"] for row in rows], dtype="datetime64[s]"), return_index=True)
    values = np.array([float(row["value"]) for row in rows])[first]
    train = values[: int(TRAIN * len(values))]
    stretches = json.loads((path.parent / "combined_windows.json").read_text())[f"realKnownCause/{path.name}"]
    labels = np.zeros(len(times), dtype=bool)
    for start, stop in np.array(stretches, dtype="datetime64[s]"):
        labels |= (start <= times) & (times <= stop)
    return (values - train.mean()) / train.std(), labels


def components(train: np.ndarray, x: np.ndarray, seed: int) -> np.ndarray:
    """Return the squared error of PCA that keeps 90 % of the variance."""
    model = PCA(0.9).fit(train)
    return np.square(x - model.inverse_transform(model.transform(x))).mean(axis=1)


def forest(train: np.ndarray, x: np.ndarray, seed: int) -> np.ndarray:
    """Return the score of scikit-learn's isolation forest."""
    return -IsolationForest(random_state=seed).fit(train).score_samples(x)


def neighbours(train: np.ndarray, x: np.ndarray, seed: int) -> np.ndarray:
    """Return the mean distance to the 5 nearest training windows."""
    return NearestNeighbors(n_neighbors=5).fit(train).kneighbors(x)[0].mean(axis=1)


def chance(train: np.ndarray, x: np.ndarray, seed: int) -> np.ndarray:
    """Return random scores: what any number is worth."""
    return np.random.default_rng(seed).random(len(x))


def ours(**options) -> Callable:
    """Return the scores of our detector with these options."""

    def scores(train: np.ndarray, x: np.ndarray, seed: int) -> np.ndarray:
        return -AutoencoderOutlierDetector(random_state=seed, **options).fit(train).score_samples(x)

    return scores


METHODS = {
    "keras_ae": ours(),
    "keras_ae, error, 4 dimensions": ours(score="reconstruction", latent_dim=4),
    "PCA": components,
    "IsolationForest": forest,
    "kNN (5)": neighbours,
    "random": chance,
}


def measure(method: str, path: Path, seed: int) -> dict:
    """Return AUROC, AUPRC, VUS-PR and seconds of a method on the test part of a series."""
    values, labels = read(path)
    cut = int(TRAIN * len(values))
    started = time.perf_counter()
    windows = [anomaly.windows(part, LENGTH)[..., 0] for part in (values[:cut], values)]
    scores = anomaly.score_of_times(METHODS[method](*windows, seed), len(values), LENGTH)[cut:]
    seconds = time.perf_counter() - started
    return {
        "auroc": roc_auc_score(labels[cut:], scores),
        "auprc": average_precision_score(labels[cut:], scores),
        "vus_pr": metrics.vus_pr(labels[cut:], scores, longest=LENGTH),
        "seconds": round(seconds, 1),
    }


def table(found: dict, names: list[str], number: str) -> list[str]:
    """Return a table of one number, methods by series, the best mean first."""
    lines = [f"| {NUMBERS[number]} | mean | {' | '.join(names)} |", "|---|" + "---|" * (len(names) + 1)]
    rows = []
    for method, numbers in found.items():
        values = np.array([[one[number] for one in numbers[name]] for name in names])
        label = f"**{method}**" if method.startswith("keras_ae") else method
        cells = " | ".join(f"{value:.3f}" for value in values.mean(axis=1))
        rows.append((values.mean(), f"| {label} | {spread(values.mean(axis=0))} | {cells} |"))
    return lines + [line for _, line in sorted(rows, reverse=True)]


def section(kept: Kept, folder: Path, seeds: list[int]) -> list[str]:
    """Measure what is not kept and return a table for each number as Markdown."""
    paths = sorted(folder.glob("*.csv"))
    found = {
        method: {
            path.stem: [kept.get(f"series/{path.stem}/{method}/{seed}", measure, method, path, seed) for seed in seeds]
            for path in paths
        }
        for method in METHODS
    }
    lines = [
        "## Series",
        "",
        f"Windows of {LENGTH} values, the first {TRAIN:.0%} of a series trains, the rest tests; no point adjustment. "
        f"VUS-PR takes buffers from 0 to {LENGTH} time steps. Means over the seeds; the mean over series has its "
        "standard deviation over seeds.",
    ]
    for number in NUMBERS:
        lines += ["", *table(found, [path.stem for path in paths], number)]
    return lines
