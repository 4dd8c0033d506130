"""Samples beside those of PCA with a mixture of Gaussians: digits of MNIST by every ex-post prior, and spoken digits.

    python benchmarks/generation.py

MNIST: each row fits a density to the codes of the first `--fitted` training images and draws `--samples` codes by each
of `--seeds`; the test part alone is what samples are compared with. Spoken digits: `generation_speech.py`. What is
measured is kept in `results/generation.json`, `--fresh` measures it anew. Writes `results/generation.md`. Needs the
extras `sklearn` and `audio`.
"""

import argparse
import time
from collections.abc import Callable
from importlib.metadata import version

import generation_speech
import harness
import numpy as np
from pretrained import Kept

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
        if model.can_sample:
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

    def measure(self, draw: Callable[[int], np.ndarray], seed: int) -> dict:
        """Return the numbers of `MEASURED` of what `draw(seed)` gives, clipped to [0, 1] here, and the minutes."""
        started = time.perf_counter()
        features = self.classifier.features(np.clip(draw(seed), 0, 1))
        minutes = (time.perf_counter() - started) / 60
        copies = metrics.nearest_training_distance(features, self.train, self.test)
        distance = metrics.frechet_distance(self.test, features)
        numbers = (distance, *metrics.density_coverage(self.test, features), copies.nearer)
        return dict(zip(MEASURED, numbers, strict=True)) | {"minutes": minutes}


def pictures(arguments: argparse.Namespace, kept: Kept) -> list[str]:
    """Return the section of MNIST."""
    data = keras_ae.datasets.load("mnist")
    fitted = min(arguments.fitted, len(data.train))
    train, test = data.train.head(fitted)[0], data.test.head(arguments.samples)[0]
    judge, rows, baseline = Judge(train, test), [], None
    for title, draw in samplers(arguments.models, train, arguments.samples).items():
        key = f"{title}, {fitted} fitted, {len(test)} samples, seed "
        found = [kept.get(f"{key}{seed}", judge.measure, draw, seed) for seed in arguments.seeds]
        numbers = {name: np.array([one[name] for one in found]) for name in (*MEASURED, "minutes")}
        distance, minutes = numbers["FD-LeNet"].mean(), numbers.pop("minutes").mean()
        baseline = distance if title == BASELINE else baseline
        share = f"{distance / baseline:.2f}" if baseline else ""
        rows.append(f"| {title} | {' | '.join(map(harness.spread, numbers.values()))} | {share} | {minutes:.1f} |")
    accuracy = classifiers.card("mnist")["accuracy"]["test"]
    return [
        "## Pictures",
        "",
        f"MNIST (TFDS 3.0.1), the shipped weights, {fitted:,} training images for every fit, {len(test):,} samples, "
        f"clipped to [0, 1], against the first {len(test):,} test images.",
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
    ]


def report(arguments: argparse.Namespace) -> str:
    """Measure what is not kept and return the tables as Markdown."""
    kept = Kept(harness.RESULTS / "generation.json", fresh=arguments.fresh)
    seeds = " ".join(map(str, arguments.seeds))
    options = f"--samples {arguments.samples} --fitted {arguments.fitted} --seeds {seeds}"
    versions = {name: version(name) for name in ("keras", "numpy", "scikit-learn", "librosa")}
    return "\n".join(
        [
            "# Generation",
            "",
            f"`python benchmarks/generation.py {options}`; means and standard deviations over the seeds of fits and "
            f"draws. Rows in bold are ours. {harness.named(versions)}.",
            "",
            *pictures(arguments, kept),
            "",
            *generation_speech.section(arguments.seeds, kept),
            "",
        ]
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--fitted", type=int, default=20_000, help="training images to fit to")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--models", nargs="+", default=["ae", "conv_ae", "vae", "conv_vae"])
    parser.add_argument("--fresh", action="store_true", help="measure what is kept anew")
    text = report(parser.parse_args())
    print(text)
    with replacing(harness.RESULTS / "generation.md") as temporary:
        temporary.write_text(text)
