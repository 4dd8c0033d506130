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
from functools import cache
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
from keras_ae.plots.picture import DPI, PALETTE, Picture

RECIPE = runpy.run_path(str(Path(__file__).parents[1] / "recipes" / "feature_extraction.py"))
LABELS = (10, 100, None)
CS = (1e-3, 1e-2, 1e-1, 1.0)
CHOSEN_ON = 5_000  # Training images at most, and 2,000 of validation, by which C is chosen.
NEIGHBOURS_OF = 2_000  # Test images for kNN.
EPOCHS = {10: 40, 100: 20, None: 3}  # Of fine-tuning.
SHIPPED = {"conv_sparse_ae, shipped, code": ("conv_sparse_ae", None, None)}
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

    def wide(self, model) -> tuple[str, str]:
        """Return the names of the dense layer and of the last convolution."""
        names = [layer.name for layer in model.encoder.layers]
        return tuple([name for name in names if name.startswith(kind)][-1] for kind in ("dense", "conv"))

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
        dense, convolution = self.wide(model)
        places = {OURS[0]: (None, None), OURS[1]: (dense, None), OURS[2]: (convolution, RECIPE["GRID"])}
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


def probe(parts: Parts, name: str, seed: int) -> dict:
    """Return the test accuracy of linear probe and kNN on features, by number of labels, and their size."""
    (train, validation, test), (y, y_validation, y_test) = parts.features(name, seed), parts.classes()
    found = {"size": train.shape[1]}
    for count in LABELS:
        rows = drawn(y, count, seed)
        few = rows[:CHOSEN_ON]
        scores = [regression(c).fit(train[few], y[few]).score(validation[:2000], y_validation[:2000]) for c in CS]
        best = CS[int(np.argmax(scores))]
        found[f"linear {count}"] = regression(best).fit(train[rows], y[rows]).score(test, y_test)
        nearest = KNeighborsClassifier(5).fit(train[rows], y[rows])
        found[f"kNN {count}"] = nearest.score(test[:NEIGHBOURS_OF], y_test[:NEIGHBOURS_OF])
        found[f"C {count}"] = best
    return found


def tune(parts: Parts, pretrained: bool, seed: int) -> dict:
    """Return the test accuracy of the encoder with a linear layer, trained on labels, by their number."""
    model = parts.trained(seed) if pretrained else keras_ae.build(RECIPE["spec"](parts.data.train.shape), seed=seed)
    x, y, found = parts.data.train.x, parts.data.train.y, {}
    for count, epochs in EPOCHS.items():
        rows, batch_size = drawn(y, count, seed), 32 if count else 128
        steps = epochs * -(-len(rows) // batch_size)
        rate = keras.optimizers.schedules.CosineDecay(1e-3, steps)
        options = {"layer": parts.wide(model)[0], "optimizer": keras.optimizers.Adam(rate), "seed": seed}
        classifier = keras_ae.fine_tuning.classifier(model, len(np.unique(y)), **options)
        keras.utils.set_random_seed(seed)
        classifier.fit(x[rows], y[rows], batch_size=batch_size, epochs=epochs, verbose=0)
        found[f"tuned {count}"] = (classifier.labels(parts.data.test.x) == parts.data.test.y).mean()
    return found


def timed(measure: Callable, *arguments) -> dict:
    """Return what `measure` finds, and the minutes it took."""
    started = time.perf_counter()
    return measure(*arguments) | {"minutes": (time.perf_counter() - started) / 60}


def mean(numbers: list[dict], key: str) -> str:
    """Return mean and standard deviation over seeds."""
    values = [one[key] for one in numbers]
    spread = f" ± {np.std(values, ddof=1):.3f}" if np.ptp(values) else ""
    return f"{np.mean(values):.3f}{spread}"


def table(found: dict, tuned: dict) -> list[str]:
    """Return the rows of a data set: features by numbers of labels, linear probe / kNN; then fine-tuning."""
    lines = []
    for name, numbers in found.items():
        cells = [f"{mean(numbers, f'linear {count}')} | {mean(numbers, f'kNN {count}')}" for count in LABELS]
        label = f"**{name}**" if name in OURS or name in SHIPPED else name
        lines.append(f"| {label} | {numbers[0]['size']:.0f} | {' | '.join(cells)} |")
    for name, numbers in tuned.items():
        cells = [f"{mean(numbers, f'tuned {count}')} | " for count in LABELS]
        lines.append(f"| {name} | | {'| '.join(cells)} |")
    return lines


def draw(curves: dict[str, dict[str, list[float]]], counts: dict[str, list[int]]) -> Picture:
    """Return accuracy over labels a class, a panel a data set: curves by data set and by features."""
    picture = Picture(figsize=(4 * len(curves), 4.6), dpi=DPI)
    panels = picture.subplots(1, len(curves), squeeze=False)[0]
    for axes, (name, of_features) in zip(panels, curves.items(), strict=True):
        for colour, (features, accuracies) in zip(PALETTE, of_features.items(), strict=False):
            axes.plot(counts[name], accuracies, marker="o", color=colour, label=features)
        axes.set(title=TITLES[name], xlabel="labels a class", ylabel="test accuracy", xscale="log")
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.3)
    picture.legend(*panels[0].get_legend_handles_labels(), loc="lower center", ncols=3, frameon=False)
    picture.tight_layout(rect=(0, 0.14, 1, 1))
    return picture


def measured(dataset: str, seeds: list[int], kept: Kept) -> tuple[dict, dict, Parts]:
    """Return the numbers of features and of fine-tuning, a list over seeds each, and the data set."""
    parts = Parts(dataset)
    found = {}

    def add(name: str) -> None:
        found[name] = [kept.get(f"{dataset}/{name}/{seed}", timed, probe, parts, name, seed) for seed in seeds]

    for name in (*OURS, *SHIPPED, "raw pixels"):
        add(name)
    for size in sorted({found[name][0]["size"] for name in (*OURS, *SHIPPED)}):
        add(f"PCA-{size:.0f}")
    tuned = {
        name: [kept.get(f"{dataset}/{name}/{seed}", timed, tune, parts, name == TUNED[0], seed) for seed in seeds]
        for name in TUNED
    }
    order = ["raw pixels", *(name for name in found if name.startswith("PCA-")), *SHIPPED, *OURS]
    return {name: found[name] for name in order}, tuned, parts


def report(arguments: argparse.Namespace) -> tuple[str, Picture]:
    """Measure what is not kept; return the tables as Markdown, and the curves."""
    kept = Kept(harness.RESULTS / "features.json", fresh=arguments.fresh)
    lines, curves, counts = [], {}, {}
    for dataset in arguments.datasets:
        found, tuned, parts = measured(dataset, arguments.seeds, kept)
        every = [one for numbers in (found | tuned).values() for one in numbers]
        minutes = sum(one["minutes"] for one in every)
        columns = " | ".join(f"{words}, {way}" for words in ("10", "100", "all") for way in ("linear", "kNN"))
        lines += ["", f"## {TITLES[dataset]}", "", f"| features | size | {columns} |", "|---|" + "---|" * 7]
        lines += [*table(found, tuned), "", f"{minutes:.0f} minutes of measuring."]
        counts[dataset] = [*LABELS[:-1], round(len(parts.data.train.y) / len(np.unique(parts.data.train.y)))]
        chosen = {"raw pixels": "linear", "PCA-32": "linear", **dict.fromkeys(OURS, "linear"), TUNED[0]: "tuned"}
        curves[dataset] = {
            name: [np.mean([one[f"{way} {count}"] for one in (found | tuned)[name]]) for count in LABELS]
            for name, way in chosen.items()
        }
    head = [
        "# Features",
        "",
        f"`KERAS_BACKEND={keras.backend.backend()} python benchmarks/features.py --seeds "
        f"{' '.join(map(str, arguments.seeds))} --datasets {' '.join(arguments.datasets)}`: test accuracy, mean ± "
        "standard deviation over the seeds of weights and of the labelled images. "
        f"{harness.named({name: version(name) for name in ('keras', 'numpy', 'scikit-learn')})}.",
        "",
        "10 and 100 labels of each class, and all of the training part. Linear: scikit-learn's logistic regression on "
        f"standardised features, C of {', '.join(f'{c:g}' for c in CS)}, chosen by 2,000 validation images after a fit "
        f"to at most {CHOSEN_ON:,} labelled ones, all 10,000 test images. kNN: 5 neighbours, features as they are, the "
        f"first {NEIGHBOURS_OF:,} test images. Fine-tuning: the encoder as far as its dense layer with a linear layer "
        "on top, trained on the labels alone. Rows in bold are ours, and have seen no label; PCA and they are fitted "
        "on the training part.",
        "",
        "![Accuracy over labels](features.png)",
    ]
    return "\n".join([*head, *lines, ""]), draw(curves, counts)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--datasets", nargs="+", default=list(TITLES), choices=TITLES)
    parser.add_argument("--fresh", action="store_true", help="measure what is kept anew")
    text, picture = report(parser.parse_args())
    print(text)
    keras_ae.plots.save(picture, harness.RESULTS / "features.png")
    with replacing(harness.RESULTS / "features.md") as temporary:
        temporary.write_text(text)
