"""One class of images is normal, the nine others are anomalies (Ruff et al. 2018).

Trained on `IMAGES` training images of one class, tested on all 10,000 test images; each of the ten classes in turn. No
method sees a label or an image of another class. Ours is a `conv_denoising_ae`, its setting one for each kind of data,
chosen on training images that were held back, of the class against other classes:

- grey pictures of one thing on black: two views of an image, at one contrast (`contrast_normalised`) and its pixels,
  scored by the rank ensemble of `FeatureKNN` and `LatentMahalanobis`;
- photographs: one contrast alone, scored by `FeatureKNN`.
"""

import time
from functools import cache
from itertools import product

import keras
import numpy as np
from harness import spread
from pretrained import TITLES, Kept
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors

import keras_ae
from keras_ae import anomaly

DATASETS, CLASSES = ("mnist", "fashion_mnist", "cifar10"), range(10)
GREY = ("mnist", "fashion_mnist")
IMAGES, EPOCHS, NOISE = 2500, 3, 0.5
PUBLISHED = {
    "Deep SVDD (Ruff et al. 2018)": (0.948, None, 0.648),
    "OCGAN (Perera et al. 2019)": (0.975, None, 0.657),
}


@cache
def images(dataset: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return images and labels of the training part, and those of the test part; floats in [0, 1]."""
    data = keras_ae.datasets.load(dataset)
    return data.train.x, data.train.y, data.test.x, data.test.y


def normal_images(dataset: str, label: int, seed: int) -> np.ndarray:
    """Return `IMAGES` training images of a class, drawn by the seed."""
    x, y, *_ = images(dataset)
    return x[np.random.default_rng(seed).permutation(np.flatnonzero(y == label))[:IMAGES]]


def views(x: np.ndarray, normal: np.ndarray, dataset: str) -> np.ndarray:
    """Return images at one contrast, and beside them grey pixels as they are, in units of the normal images'."""
    contrast = anomaly.contrast_normalised(x)
    if dataset not in GREY:
        return contrast
    return np.concatenate([contrast, (x - normal.mean()) / normal.std()], axis=-1, dtype="float32")


def ours(train: np.ndarray, test: np.ndarray, dataset: str, seed: int) -> np.ndarray:
    """Return the scores of a model of the views."""
    x = views(train, train, dataset)
    optimizer = keras.optimizers.Adam(2e-3)
    options = {"input_shape": x.shape[1:], "strength": NOISE, "seed": seed, "optimizer": optimizer}
    model = keras_ae.build("conv_denoising_ae", **options)
    keras.utils.set_random_seed(seed)  # The order of the images.
    model.fit(x, batch_size=64, epochs=EPOCHS, verbose=0)
    score = anomaly.FeatureKNN(model, seed=seed)
    if dataset in GREY:
        score = anomaly.RankEnsemble([score, anomaly.LatentMahalanobis(model)])
    return score.fit(x).score(views(test, train, dataset))


def rows(x: np.ndarray) -> np.ndarray:
    """Return images as rows: (n, h, w, c) -> (n, values)."""
    return x.reshape(len(x), -1)


def components(train: np.ndarray, test: np.ndarray, dataset: str, seed: int) -> np.ndarray:
    """Return the squared error of 32 principal components."""
    train, test = rows(train), rows(test)
    model = PCA(32, svd_solver="randomized", random_state=seed).fit(train)
    return np.square(test - model.inverse_transform(model.transform(test))).sum(axis=1)


def neighbours(train: np.ndarray, test: np.ndarray, dataset: str, seed: int) -> np.ndarray:
    """Return the mean distance to the 5 nearest training images."""
    return NearestNeighbors(n_neighbors=5, algorithm="brute").fit(rows(train)).kneighbors(rows(test))[0].mean(axis=1)


def forest(train: np.ndarray, test: np.ndarray, dataset: str, seed: int) -> np.ndarray:
    """Return the score of scikit-learn's isolation forest."""
    return -IsolationForest(random_state=seed).fit(rows(train)).score_samples(rows(test))


METHODS = {"keras_ae": ours, "kNN (5)": neighbours, "PCA (32)": components, "IsolationForest": forest}


def measure(method: str, dataset: str, label: int, seed: int) -> dict:
    """Return AUROC and seconds of a method with one class as the normal one."""
    train, (_, _, test, labels) = normal_images(dataset, label, seed), images(dataset)
    started = time.perf_counter()
    scores = METHODS[method](train, test, dataset, seed)
    return {"auroc": roc_auc_score(labels != label, scores), "seconds": round(time.perf_counter() - started, 1)}


def table(dataset: str, found: dict) -> list[str]:
    """Return a table of AUROC, methods by classes, the best mean first."""
    rows = []
    for method, numbers in found.items():
        values = np.array([[one["auroc"] for one in numbers[label]] for label in CLASSES])
        label = f"**{method}**" if method == "keras_ae" else method
        cells = " | ".join(f"{value:.3f}" for value in values.mean(axis=1))
        rows.append((values.mean(), f"| {label} | {spread(values.mean(axis=0))} | {cells} |"))
    for method, means in PUBLISHED.items():
        if mean := dict(zip(DATASETS, means, strict=True))[dataset]:
            rows.append((mean, f"| {method}, published | {mean:.3f} |" + " |" * len(CLASSES)))
    lines = [f"| {TITLES[dataset]} | mean | {' | '.join(map(str, CLASSES))} |", "|---|" + "---|" * (len(CLASSES) + 1)]
    return lines + [line for _, line in sorted(rows, reverse=True)]


def section(kept: Kept, seeds: list[int]) -> list[str]:
    """Measure what is not kept and return a table for each data set as Markdown."""
    found = {dataset: {method: {label: [] for label in CLASSES} for method in METHODS} for dataset in DATASETS}
    for seed, method, dataset, label in product(seeds, METHODS, DATASETS, CLASSES):
        key = f"one_class/{dataset}/{label}/{method}/{seed}"
        found[dataset][method][label].append(kept.get(key, measure, method, dataset, label, seed))
    lines = [
        "## One class",
        "",
        f"AUROC on the 10,000 test images with one class as the normal one, trained on {IMAGES:,} images of it (ours "
        f"{EPOCHS} epochs); means over the seeds, the mean over classes with its standard deviation over seeds. "
        "Published means are of all training images, and on CIFAR-10 of the original pixels.",
    ]
    for dataset in DATASETS:
        lines += ["", *table(dataset, found[dataset])]
    return lines
