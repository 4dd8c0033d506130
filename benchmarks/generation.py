"""Samples of the shipped models on MNIST: plain ones by every ex-post prior, beside PCA with a mixture of Gaussians.

    python benchmarks/generation.py

Each row fits a density to the codes of the first `--fitted` training images and draws `--samples` codes by each of
`--seeds`; the test part alone is what samples are compared with. Writes `results/generation.md`. Needs the extra
`sklearn`.
"""

import argparse
import time
from collections.abc import Callable
from importlib.metadata import version

import harness
import numpy as np

import keras_ae
from keras_ae import classifiers, metrics, priors
from keras_ae.files import replacing

COMPONENTS, DIMENSIONS = 50, 32
PRIORS = {
    "standard normal": priors.StandardNormal,
    f"mixture of {COMPONENTS} Gaussians": lambda seed: priors.GaussianMixture(COMPONENTS, seed=seed),
    "kernel density": priors.KernelDensity,
    "two-stage VAE": priors.TwoStageVAE,
    "autoregressive flow": priors.AutoregressiveFlow,
}
BASELINE = f"PCA-{DIMENSIONS} + mixture of {COMPONENTS} Gaussians"
MEASURED = ("FD-LeNet", "density", "coverage", "nearer")


def of_pca(train: np.ndarray, samples: int, seed: int) -> np.ndarray:
    """Return samples of a mixture of Gaussians on PCA's components, (samples, h, w, c)."""
    from sklearn.decomposition import PCA
    from sklearn.mixture import GaussianMixture

    pca = PCA(DIMENSIONS, svd_solver="covariance_eigh").fit(train.reshape(len(train), -1))
    codes = pca.transform(train.reshape(len(train), -1))
    mixture = GaussianMixture(COMPONENTS, max_iter=300, random_state=seed).fit(codes)
    return pca.inverse_transform(mixture.sample(samples)[0]).reshape(samples, *train.shape[1:])


def samplers(models: list[str], train: np.ndarray, samples: int) -> dict[str, Callable[[int], np.ndarray]]:
    """Return what draws by a seed, for each row: (seed) -> (samples, h, w, c)."""
    found = {
        "training images": lambda seed: train[np.random.default_rng(seed).choice(len(train), samples, replace=False)],
        BASELINE: lambda seed: of_pca(train, samples, seed),
    }
    for name in models:
        model = keras_ae.build(name, weights="mnist")
        if model.is_variational:
            found[f"**{name}**, its own prior"] = lambda seed, model=model: model.sample(samples, seed)
            continue
        for title, make in PRIORS.items():
            found[f"**{name}** + {title}"] = lambda seed, model=model, make=make: (
                make(seed=seed).fit(model, train).sample(samples, seed)
            )
    return found


class Judge:
    """Test images and training images as a classifier's features, and what samples are worth beside them."""

    def __init__(self, train: np.ndarray, test: np.ndarray):
        self.classifier = classifiers.load("mnist")
        self.train, self.test = (self.classifier.features(x) for x in (train, test))

    def measure(self, samples: np.ndarray) -> tuple[float, ...]:
        """Return the numbers of `MEASURED`: (n, h, w, c), clipped to [0, 1] here."""
        features = self.classifier.features(np.clip(samples, 0, 1))
        copies = metrics.nearest_training_distance(features, self.train, self.test)
        distance = metrics.frechet_distance(self.test, features)
        return distance, *metrics.density_coverage(self.test, features), copies.nearer


def shown(values: np.ndarray) -> str:
    """Return the mean over seeds, and the standard deviation where there are several: (seeds,)."""
    digits = 2 if values.mean() > 1.5 else 3
    spread = f" ± {values.std(ddof=1):.{digits}f}" if len(values) > 1 else ""
    return f"{values.mean():.{digits}f}{spread}"


def report(arguments: argparse.Namespace) -> str:
    """Measure every row and return the table as Markdown."""
    data = keras_ae.datasets.load("mnist")
    fitted = arguments.fitted or len(data.train)
    train, test = data.train.head(fitted)[0], data.test.head(arguments.samples)[0]
    judge, rows, baseline = Judge(train, test), [], None
    for title, draw in samplers(arguments.models, train, arguments.samples).items():
        started = time.perf_counter()
        numbers = np.array([judge.measure(draw(seed)) for seed in arguments.seeds])
        minutes = (time.perf_counter() - started) / 60 / len(arguments.seeds)
        baseline = numbers[:, 0].mean() if title == BASELINE else baseline
        share = f"{numbers[:, 0].mean() / baseline:.2f}" if baseline else ""
        rows.append(f"| {title} | {' | '.join(map(shown, numbers.T))} | {share} | {minutes:.1f} |")
        print(rows[-1], flush=True)
    seeds = " ".join(map(str, arguments.seeds))
    options = f"--samples {arguments.samples} --fitted {fitted} --seeds {seeds} --models {' '.join(arguments.models)}"
    versions = {name: version(name) for name in ("keras", "numpy", "scikit-learn")}
    accuracy = classifiers.card("mnist")["accuracy"]["test"]
    return "\n".join(
        [
            "# Generation",
            "",
            f"`python benchmarks/generation.py {options}`: MNIST (TFDS 3.0.1), the shipped weights, {fitted:,} "
            f"training images for every fit, {arguments.samples:,} samples, clipped to [0, 1], against the first "
            f"{arguments.samples:,} test images; seeds {seeds} of fit and draws. {harness.named(versions)}.",
            "",
            f"FD-LeNet: Fréchet distance in the 64 features of the shipped LeNet (test accuracy {accuracy:.4f}), lower "
            "is better, biased up for few samples, and no FID. Density and coverage (Naeem et al. 2020, k = 5), higher "
            "is better, and nearer, the chance that a sample lies nearer to its training image than a test image does "
            "(0.5: as new as test images; 1: copies), in the same features. Minutes for a fit and its samples, on a "
            "machine shared with other work.",
            "",
            f"| samples | {' | '.join(MEASURED)} | FD-LeNet over PCA's | minutes |",
            "|---|" + "---|" * (len(MEASURED) + 2),
            *rows,
            "",
        ]
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--fitted", type=int, help="training images to fit to; all if not given")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--models", nargs="+", default=["ae", "conv_ae", "vae", "conv_vae"])
    text = report(parser.parse_args())
    print(text)
    with replacing(harness.RESULTS / "generation.md") as temporary:
        temporary.write_text(text)
