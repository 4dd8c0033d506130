"""Features of autoencoders for few labels and many, beside raw pixels and PCA of the same size.

    python benchmarks/features.py [--seeds 0 1 2] [--datasets mnist fashion_mnist cifar10] [--fresh]

- Features: of the autoencoder of `recipes/feature_extraction.py`, trained once a seed on the training part without
  labels (its code, its dense layer, its last convolution in 3 x 3 regions), and of shipped weights.
- Linear probe: scikit-learn's logistic regression on standardised features, its C of `CS` chosen by validation images.
- kNN: 5 nearest neighbours on features as they are.
- Fine-tuning: the encoder with a linear layer on its dense layer, all of it trained, and the same from new weights.

Labels are 10 or 100 of each class of the training part, drawn by the seed, or all.

Needs `pip install -e '.[sklearn]'`. What is measured is kept in `results/features.json` and not measured again unless
`--fresh`. Writes `results/features.md` and the curves, `results/features.png`.
"""

import argparse
import runpy
import time
from collections.abc import Callable
from functools import cache, lru_cache
from importlib.metadata import version
from pathlib import Path

import harness
import keras
import numpy as np
from pretrained import TITLES, Kept
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import keras_ae
from keras_ae.files import replacing
from keras_ae.plots import Picture

RECIPE = runpy.run_path(str(Path(__file__).parents[1] / "recipes" / "feature_extraction.py"))
LABELS = (10, 100, None)
CS = (1e-3, 1e-2, 1e-1, 1.0)
CHOSEN_ON = 2_000  # Training images at most, and 2,000 of validation, by which C is chosen.
NEIGHBOURS_OF = 1_000  # Test images for kNN.
EPOCHS = {10: 40, 100: 15, None: 1}  # Of fine-tuning.
SHIPPED = {
    "ae, shipped, code": ("ae", None, None),
    "conv_sparse_ae, shipped, code": ("conv_sparse_ae", None, None),
}
TUNED = ("fine-tuned encoder", "the same network from new weights")
OURS = ("denoising autoencoder, code", "denoising autoencoder, dense layer", "denoising autoencoder, convolution")


class Parts:
    """A data set and what is fitted to its training part without labels, each once."""

    def __init__(self, name: str):
        self.name, self.data = name, keras_ae.datasets.load(name)
        self.parts = (self.data.train, self.data.validation, self.data.test)

    def classes(self) -> tuple[np.ndarray, ...]:
        """Return the labels of the three parts."""
        return tuple(part.y for part in self.parts)

    def raw(self) -> tuple[np.ndarray, ...]:
        """Return the pixels of the three parts: (n, values)."""
        return tuple(part.x.reshape(len(part.x), -1) for part in self.parts)

    def of_model(self, model, layer: str | None, grid: int | None) -> tuple[np.ndarray, ...]:
        """Return features of the three parts: (n, d)."""
        return tuple(model.features(part.x, layer=layer, grid=grid) for part in self.parts)

    @cache  # noqa: B019 (there are as many as data sets)
    def pca(self, size: int) -> tuple[np.ndarray, ...]:
        """Return the first principal components of the three parts: (n, size)."""
        raw = self.raw()
        model = PCA(size, svd_solver="covariance_eigh").fit(raw[0])
        return tuple(model.transform(x) for x in raw)

    @cache  # noqa: B019
    def trained(self, seed: int):
        """Return the recipe's autoencoder."""
        return RECIPE["train"](self.data.train.x, seed=seed)

    @staticmethod
    def last(model, kind: str) -> str:
        """Return the name of the encoder's last layer of a kind, "dense" or "conv"."""
        return [layer.name for layer in model.encoder.layers if layer.name.startswith(kind)][-1]

    @lru_cache(maxsize=3)  # noqa: B019
    def features(self, name: str, seed: int) -> tuple[np.ndarray, ...]:
        """Return the features called `name` of the three parts."""
        if name == "raw pixels":
            return self.raw()
        if name.startswith("PCA-"):
            return self.pca(int(name.removeprefix("PCA-")))
        if name in SHIPPED:
            model, layer, grid = SHIPPED[name]
            return self.of_model(keras_ae.build(model, weights=self.name), layer, grid)
        model = self.trained(seed)
        convolution = self.last(model, "conv")
        places = {
            OURS[0]: (None, None),
            OURS[1]: (self.last(model, "dense"), None),
            OURS[2]: (convolution, RECIPE["regions"](model, convolution)),
        }
        return self.of_model(model, *places[name])


def drawn(y: np.ndarray, count: int | None, seed: int) -> np.ndarray:
    """Return the indices of `count` images of each class, in an order of their own, or of all images."""
    rng = np.random.default_rng(seed)
    if count is None:
        return rng.permutation(len(y))
    return np.concatenate([rng.choice(np.flatnonzero(y == label), count, replace=False) for label in np.unique(y)])


def regression(c: float):
    """Return logistic regression on standardised features."""
    return make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=100, tol=1e-3))


def probe(parts: Parts, name: str, count: int | None, seed: int) -> dict:
    """Return the test accuracy of linear probe and kNN on features after `count` labels a class, and their size."""
    (train, validation, test), (y, y_validation, y_test) = parts.features(name, seed), parts.classes()
    rows = drawn(y, count, seed)
    few = rows[:CHOSEN_ON]
    scores = [regression(c).fit(train[few], y[few]).score(validation[:2000], y_validation[:2000]) for c in CS]
    best = CS[int(np.argmax(scores))]
    nearest = KNeighborsClassifier(5).fit(train[rows], y[rows])
    return {
        "size": train.shape[1],
        "linear": regression(best).fit(train[rows], y[rows]).score(test, y_test),
        "kNN": nearest.score(test[:NEIGHBOURS_OF], y_test[:NEIGHBOURS_OF]),
        "C": best,
    }


def tune(parts: Parts, name: str, count: int | None, seed: int) -> dict:
    """Return the test accuracy of the encoder with a linear layer after training on `count` labels a class."""
    pretrained = name == TUNED[0]
    model = parts.trained(seed) if pretrained else keras_ae.build(RECIPE["spec"](parts.data.train.shape), seed=seed)
    x, y = parts.data.train.x, parts.data.train.y
    rows, batch_size, epochs = drawn(y, count, seed), 32 if count else 128, EPOCHS[count]
    rate = keras.optimizers.schedules.CosineDecay(1e-3, epochs * -(-len(rows) // batch_size))
    options = {"layer": parts.last(model, "dense"), "optimizer": keras.optimizers.Adam(rate), "seed": seed}
    classifier = keras_ae.fine_tuning.classifier(model, len(np.unique(y)), **options)
    keras.utils.set_random_seed(seed)  # The order of the samples.
    classifier.fit(x[rows], y[rows], batch_size=batch_size, epochs=epochs, verbose=0)
    return {"tuned": (classifier.labels(parts.data.test.x) == parts.data.test.y).mean()}


def timed(measure: Callable, *arguments) -> dict:
    """Return what `measure` finds, and the minutes it took."""
    started = time.perf_counter()
    return measure(*arguments) | {"minutes": (time.perf_counter() - started) / 60}


def mean(numbers: list[dict], key: str) -> str:
    """Return mean and standard deviation over seeds."""
    values = [one[key] for one in numbers]
    spread = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
    return f"{np.mean(values):.3f}{spread}"


def table(found: dict) -> list[str]:
    """Return the rows of a data set: features, or fine-tuning, by numbers of labels."""
    lines = []
    for name, of_counts in found.items():
        if name in TUNED:
            cells = [f"{mean(numbers, 'tuned')} | " for numbers in of_counts.values()]
        else:
            cells = [f"{mean(numbers, 'linear')} | {mean(numbers, 'kNN')}" for numbers in of_counts.values()]
        label = f"**{name}**" if name in (*OURS, *SHIPPED, TUNED[0]) else name
        size = f"{of_counts[None][0]['size']:.0f}" if name not in TUNED else ""
        lines.append(f"| {label} | {size} | {' | '.join(cells)} |")
    return lines


def measured(parts: Parts, seeds: list[int], kept: Kept, only: str | None) -> dict[str, dict]:
    """Return the numbers of features and of fine-tuning by number of labels: a list over seeds each.

    What has no seed of its own is measured with all labels once.
    """

    def get(measure: Callable, name: str) -> dict[int | None, list[dict]]:
        return {
            count: [
                kept.get(f"{parts.name}/{name}/{count or 'all'}/{seed}", timed, measure, parts, name, count, seed)
                for seed in (seeds if count or name in (*OURS, *TUNED) else seeds[:1])
            ]
            for count in LABELS
        }

    others = {name: get(probe, name) for name in ("raw pixels", *SHIPPED)}
    others |= {name: get(probe, name) for name in OURS}
    sizes = sorted(
        {of_counts[None][0]["size"] for of_counts in others.values()} - {others["raw pixels"][None][0]["size"]}
    )
    pca = {name: get(probe, name) for name in (f"PCA-{size:.0f}" for size in sizes)}
    tuned = {} if only == "probes" else {name: get(tune, name) for name in TUNED}
    return {"raw pixels": others.pop("raw pixels")} | pca | others | tuned


def report(arguments: argparse.Namespace) -> tuple[str, Picture]:
    """Measure what is not kept; return the tables as Markdown, and the curves."""
    kept = Kept(harness.RESULTS / "features.json", fresh=arguments.fresh)
    lines, curves, counts = [], {}, {}
    columns = " | ".join(f"{words}, {way}" for words in ("10", "100", "all") for way in ("linear", "kNN"))
    for dataset in arguments.datasets:
        parts = Parts(dataset)
        found = measured(parts, arguments.seeds, kept, arguments.only)
        every = [one for of_counts in found.values() for numbers in of_counts.values() for one in numbers]
        lines += ["", f"## {TITLES[dataset]}", "", f"| features | size | {columns} |", "|---|" + "---|" * 7]
        lines += [*table(found), "", f"{sum(one['minutes'] for one in every):.0f} minutes of measuring."]
        labels = parts.data.train.y
        counts[TITLES[dataset]] = [*LABELS[:-1], round(len(labels) / len(np.unique(labels)))]
        curves[TITLES[dataset]] = {
            name: [np.mean([one["tuned" if name in TUNED else "linear"] for one in found[name][n]]) for n in LABELS]
            for name in ("raw pixels", "PCA-32", *SHIPPED, *OURS, TUNED[0])
            if name in found
        }
    options = f"--seeds {' '.join(map(str, arguments.seeds))} --datasets {' '.join(arguments.datasets)}"
    if arguments.only:
        options += f" --only {arguments.only}"
    head = [
        "# Features",
        "",
        f"`KERAS_BACKEND={keras.backend.backend()} python benchmarks/features.py {options}`: test accuracy, mean ± "
        "standard deviation over the seeds of weights and of the labelled images. "
        f"{harness.named({name: version(name) for name in ('keras', 'numpy', 'scikit-learn')})}.",
        "",
        "10 and 100 labels of each class, and all of the training part. Linear: scikit-learn's logistic regression on "
        f"standardised features, C of {', '.join(f'{c:g}' for c in CS)}, chosen by 2,000 validation images after a fit "
        f"to at most {CHOSEN_ON:,} labelled ones, all 10,000 test images. kNN: 5 neighbours, features as they are, the "
        f"first {NEIGHBOURS_OF:,} test images. Fine-tuning: the encoder as far as its dense layer with a linear layer "
        "on top, trained on the labels alone. Rows in bold are ours; but for fine-tuning they have seen no label, and "
        "they and PCA are fitted on the training part. Shipped weights are of one seed.",
        "",
        "![Accuracy over labels](features.png)",
    ]
    return "\n".join([*head, *lines, ""]), keras_ae.plots.label_curves(curves, counts)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--datasets", nargs="+", default=list(TITLES), choices=TITLES)
    parser.add_argument("--only", choices=["probes"], help="leave fine-tuning out")
    parser.add_argument("--fresh", action="store_true", help="measure what is kept anew")
    text, picture = report(parser.parse_args())
    print(text)
    keras_ae.plots.save(picture, harness.RESULTS / "features.png")
    with replacing(harness.RESULTS / "features.md") as temporary:
        temporary.write_text(text)
