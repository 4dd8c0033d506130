"""The shipped weights beside classical methods and published numbers, on test images.

    python benchmarks/pretrained.py [--images 100] [--datasets mnist fashion_mnist cifar10] [--fresh]

- Denoising: the noisy images, black and mean image, median, Wiener, non-local means and BM3D, beside
  `conv_denoising_ae`. Gaussian noise, not clipped, from `keras_ae.evaluation.noise`; the classical methods are told
  sigma, and choose what else they have to choose on validation images.
- Compression: PCA, beside `conv_ae`.
- Likelihood: published numbers, beside `vae` and `conv_vae`.

Needs `pip install -e '.[bench,sklearn]'`; the `bm3d` package has a non-commercial licence. What is measured without our
weights is kept in `results/pretrained.json` and not measured again unless `--fresh`; weights that are not shipped yet
leave their rows out. Writes `results/pretrained.md`.
"""

import argparse
import json
import time
from importlib.metadata import version
from itertools import product

import harness
import numpy as np
from classical import CLASSICAL

import keras_ae
from keras_ae import metrics
from keras_ae.evaluation.noise import SIGMAS, unit_noise
from keras_ae.files import replacing

DATASETS = ("mnist", "fashion_mnist", "cifar10")
TITLES = {"mnist": "MNIST", "fashion_mnist": "Fashion-MNIST", "cifar10": "CIFAR-10 (JPEG)"}
COMPONENTS = {"mnist": 16, "fashion_mnist": 16, "cifar10": 128}
TUNED_ON = 20  # Validation images for the choices of the classical methods.
PUBLISHED = (
    ("VAE, 1 stochastic layer of 50, 200-200 units", "5,000", 86.76, "Burda et al. 2016"),
    ("IWAE, k = 5, the same network", "5,000", 85.54, "Burda et al. 2016"),
    ("IWAE, k = 50, the same network", "5,000", 84.78, "Burda et al. 2016"),
    ("VAE, 2 stochastic layers", "5,000", 85.33, "Burda et al. 2016"),
    ("IWAE, k = 50, 2 stochastic layers", "5,000", 82.90, "Burda et al. 2016"),
    ("CIWAE, beta = 0.05", "5,000", 84.57, "Rainforth et al. 2018"),
)


def score(x: np.ndarray, x_hat: np.ndarray) -> dict:
    """Return PSNR (mean over images, with its standard error) and SSIM of `x_hat` as it is."""
    psnr = metrics.psnr(x, x_hat)
    ssim = metrics.ssim(x, x_hat)
    return {"psnr": psnr.mean(), "error": psnr.std(ddof=1) / len(psnr) ** 0.5, "ssim": ssim.mean()}


def clipped(x: np.ndarray) -> np.ndarray:
    """Return x clipped to [0, 1], as every estimate is."""
    return np.clip(x, 0, 1)


def noisy_images(part, count: int, sigma: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the first `count` images of a part, clean and noisy, each (count, h, w, c)."""
    x, _ = part.head(count)
    return x, x + sigma * unit_noise(range(count), x.shape[1:])


def choose(method, grid: dict, part, sigma: float) -> dict:
    """Return the settings of `grid` with the best PSNR on validation images."""
    if not grid:
        return {}
    x, noisy = noisy_images(part, TUNED_ON, sigma)
    settings = [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]
    return max(settings, key=lambda setting: score(x, clipped(method(noisy, sigma, **setting)))["psnr"])


def classical(name: str, data, count: int, sigma: float) -> dict:
    """Return the numbers of one of `CLASSICAL` on the first `count` test images."""
    method, grid = CLASSICAL[name]
    setting = choose(method, grid, data.validation, sigma)
    x, noisy = noisy_images(data.test, count, sigma)
    started = time.perf_counter()
    x_hat = clipped(method(noisy, sigma, **setting))
    return score(x, x_hat) | {"setting": setting, "seconds": (time.perf_counter() - started) / count}


def trivial(name: str, data, count: int, sigma: float) -> dict:
    """Return the numbers of an estimate that takes no work."""
    x, noisy = noisy_images(data.test, count, sigma)
    if name == "noisy":
        return score(x, noisy)
    estimates = {
        "noisy, clipped": lambda: clipped(noisy),
        "black image": lambda: np.zeros_like(x),
        "mean image": lambda: np.broadcast_to(data.train.x.mean(axis=0), x.shape),
    }
    return score(x, estimates[name]())


TRIVIAL = ("noisy", "noisy, clipped", "black image", "mean image")


def pca(data, components: int) -> dict:
    """Return the test MSE of PCA fitted on the training part, and its standard error over images."""
    from sklearn.decomposition import PCA

    train, test = (part.x.reshape(len(part), -1) for part in (data.train, data.test))
    model = PCA(components, svd_solver="covariance_eigh").fit(train)
    errors = metrics.mean_squared_error(test, model.inverse_transform(model.transform(test)))
    return {"mse": errors.mean(), "error": errors.std(ddof=1) / len(errors) ** 0.5, "fitted_on": len(train)}


class Kept:
    """Numbers by key in a file, each written when it is known."""

    def __init__(self, path, *, fresh: bool):
        self.path, self.fresh = path, fresh
        self.made: set[str] = set()

    def read(self) -> dict[str, dict]:
        """Return all that the file has."""
        return json.loads(self.path.read_text()) if self.path.exists() else {}

    def get(self, key: str, measure, *arguments) -> dict:
        """Return what the file has under `key`, or `measure(*arguments)`, which it then has."""
        numbers = self.read()
        if key not in numbers or (self.fresh and key not in self.made):
            measured = measure(*arguments)
            numbers = self.read()
            # Through float: NumPy's numbers are none that JSON knows.
            numbers[key] = {name: round(float(v), 8) if np.isscalar(v) else v for name, v in measured.items()}
            with replacing(self.path) as temporary:
                temporary.write_text(json.dumps(numbers, indent=1, sort_keys=True) + "\n")
            self.made.add(key)
            print(key, numbers[key], flush=True)
        return numbers[key]


def shipped(model: str, dataset: str) -> bool:
    """Return whether weights of the model on the data set are shipped."""
    return f"{model}/{dataset}" in keras_ae.list_weights()


def denoising(data, kept: Kept, count: int) -> list[str]:
    """Return the rows of the denoising table of a data set, measuring what is not kept."""
    rows = []
    key = f"denoising/{data.name}/{count} images"
    numbers = {
        name: [kept.get(f"{key}/{sigma}/{name}", measure, name, data, count, sigma) for sigma in SIGMAS]
        for names, measure in ((TRIVIAL, trivial), (CLASSICAL, classical))
        for name in names
    }
    if shipped("conv_denoising_ae", data.name):
        model, pairs = keras_ae.build("conv_denoising_ae", weights=data.name), []
        for sigma in SIGMAS:
            x, noisy = noisy_images(data.test, count, sigma)
            pairs.append(score(x, clipped(model.reconstruct(noisy))))
        numbers["**conv_denoising_ae**"] = pairs
    for name, found in numbers.items():
        cells = [f"{one['psnr']:.2f} ± {one['error']:.2f} / {one['ssim']:.3f}" for one in found]
        settings = [", ".join(f"{k} {v:g}" for k, v in one.get("setting", {}).items()) for one in found]
        rows.append(f"| {TITLES[data.name]} | {name} | {' | '.join(cells)} | {'; '.join(filter(None, settings))} |")
    return rows


def compression(data, kept: Kept) -> list[str]:
    """Return the rows of the compression table of a data set."""
    title, size = TITLES[data.name], COMPONENTS[data.name]
    found = kept.get(f"pca/{data.name}/{size}", pca, data, size)
    rows = [f"| {title} | PCA | {size} | {found['mse']:.5f} ± {found['error']:.5f} | |"]
    if shipped("conv_ae", data.name):
        mse = keras_ae.card(f"conv_ae/{data.name}").numbers["mse"]
        size = keras_ae.build("conv_ae", weights=data.name).spec.latent_dim
        under = f"{1 - mse['value'] / found['mse']:.1%}"
        rows.append(f"| {title} | **conv_ae** | {size} | {mse['value']:.5f} ± {mse['error']:.5f} | {under} |")
    return rows


def likelihoods() -> list[str]:
    """Return the rows of the likelihood table: published numbers, then the shipped cards'."""
    rows = [f"| {model} | MNIST, dynamic | {draws} | {nll:.2f} | {source} |" for model, draws, nll, source in PUBLISHED]
    for name in keras_ae.list_weights("*vae/*"):
        card = keras_ae.card(name)
        if nll := card.numbers.get("iw_nll"):
            model, dataset = name.split("/")
            protocol = f"{TITLES.get(dataset, dataset)}, {card.binarize or 'not binarised'}"
            rows.append(f"| **{model}** | {protocol} | | {nll['value']:.2f} ± {nll['error']:.2f} | {nll['protocol']} |")
    return rows


def report(arguments: argparse.Namespace) -> str:
    """Measure what is not kept and return the tables as Markdown."""
    kept = Kept(harness.RESULTS / "pretrained.json", fresh=arguments.fresh)
    noise_rows, code_rows = [], []
    for name in arguments.datasets:
        data = keras_ae.datasets.load(name)
        code_rows += compression(data, kept)
        noise_rows += denoising(data, kept, arguments.images)
    packages = {name: version(name) for name in ("numpy", "scipy", "scikit-image", "scikit-learn", "bm3d")}
    return "\n".join(
        [
            "# Shipped weights beside classical methods and published numbers",
            "",
            f"`python benchmarks/pretrained.py --images {arguments.images}`: test parts; ± is the standard error over "
            f"images. Rows in bold are ours; weights that are not shipped have none. {harness.named(packages)}.",
            "",
            "## Denoising",
            "",
            f"PSNR in dB (the mean over images) / SSIM on the first {arguments.images} test images, Gaussian noise of "
            "known sigma, not clipped, the same for all rows. Every estimate is clipped to [0, 1] before it is "
            "measured; the noisy images are as they are, and clipped. Median, Wiener and non-local means have the "
            f"settings, one for each sigma, that are best on {TUNED_ON} validation images; BM3D is told sigma and has "
            "its own defaults.",
            "",
            "| data | method | " + " | ".join(f"sigma {sigma}" for sigma in SIGMAS) + " | settings |",
            "|---|---|" + "---|" * len(SIGMAS) + "---|",
            *noise_rows,
            "",
            "## Compression",
            "",
            "Mean squared error of the reconstructions of all test images, nothing clipped; PCA is fitted on the "
            "training part.",
            "",
            "| data | method | code | MSE | under PCA |",
            "|---|---|---|---|---|",
            *code_rows,
            "",
            "## Likelihood",
            "",
            "-log p(x) in nats by importance sampling, lower is better. Ours: the number of draws and images is in the "
            "protocol.",
            "",
            "| model | data | draws | nll | source or protocol |",
            "|---|---|---|---|---|",
            *likelihoods(),
            "",
        ]
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=100, help="test images for denoising: BM3D takes seconds each")
    parser.add_argument("--datasets", nargs="*", default=DATASETS, choices=DATASETS)
    parser.add_argument("--fresh", action="store_true", help="measure what is kept anew")
    options = parser.parse_args()
    text = report(options)
    print(text)
    with replacing(harness.RESULTS / "pretrained.md") as temporary:
        temporary.write_text(text)
