"""Denoising autoencoders beside the methods that people use without a network, one table for each kind of data.

    python benchmarks/denoising.py [--small] [--only images speech series tables] [--fine-tune 0] [--mask-epochs 0]

- Images: MNIST under noise of six kinds, the shipped `conv_denoising_ae/mnist`, which was trained on Gaussian noise
  alone; `--fine-tune` epochs under each other noise make it a model of that.
- Speech: spoken digits, ten test recordings of a speaker joined, the shipped `conv_denoising_ae/spoken_digit`, trained
  on white noise; `--mask-epochs` trains a model of masks beside it, on white, pink and babble noise.
- Series: sensors on a chain of masses and springs, simulated; a dense `denoising_ae` on windows, trained here.
- Tables: scikit-learn's, values missing at random in train and test; a small denoising autoencoder, trained here.

Needs `pip install -e '.[bench,sklearn,audio,pesq]'` and prepared data sets (`TFDS_DATA_DIR`). Writes
`results/denoising.md`.
"""

import argparse
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from itertools import product

import classical
import harness
import numpy as np
from pretrained import clipped, score

import keras_ae
from keras_ae import (
    JPEG,
    Blur,
    Dense,
    GaussianNoise,
    MissingValues,
    Poisson,
    SaltAndPepper,
    Spec,
    Speckle,
    Vector,
    audio,
    corrupted,
    imputation,
    metrics,
)
from keras_ae.files import replacing
from keras_ae.rows import corruption_row

PICTURES = {
    "Gaussian 0.5": GaussianNoise(0.5),
    "salt and pepper 0.3": SaltAndPepper(0.3),
    "Poisson, peak 5": Poisson(5.0),
    "speckle 0.5": Speckle(0.5),
    "blur 1 + Gaussian 0.1": corruption_row((Blur(1.0), GaussianNoise(0.1))),
    "JPEG, quality 5": JPEG((5, 5)),
}
LEVELS, JOINED = (0, 5, 10), 10
STEPS, SIGMA, MASSES = 64, 0.5, 4
MISSING = 0.2


def best_setting(method: Callable, grid: dict, clean: np.ndarray, noisy: np.ndarray) -> dict:
    """Return the settings of `grid` with the least squared error."""
    if not grid:
        return {}
    settings = [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]
    return min(settings, key=lambda setting: np.mean(np.square(method(noisy, **setting) - clean)))


def images(arguments: argparse.Namespace) -> list[str]:
    """Return the rows of the table of images: PSNR / SSIM of each method under each noise."""
    from sklearn.decomposition import PCA

    data = keras_ae.datasets.load("mnist")
    count, tuned = (10, 3) if arguments.small else (100, 20)
    x, seen = data.test.head(count)[0], data.validation.head(tuned)[0]
    train = data.train.head(10_000)[0].reshape(10_000, -1)
    pca = PCA(80, svd_solver="covariance_eigh").fit(train)
    methods = classical.IMAGES | {
        "PCA": (partial(classical.principal_components, model=pca), {"count": (10, 20, 40, 80)}),
    }
    shipped = keras_ae.build("conv_denoising_ae", weights="mnist")
    cells = {name: [] for name in ("noisy", "black image", *methods, "**conv_denoising_ae**")}
    for row in PICTURES.values():
        noisy, tried = corrupted(x, row), corrupted(seen, row, seed=1)
        sigma = float(np.sqrt(np.mean(np.square(tried - seen))))
        found = {"noisy": noisy, "black image": np.zeros_like(x)}
        for name, (method, grid) in methods.items():
            told = partial(method, sigma=sigma)
            setting = best_setting(lambda y, told=told, **options: clipped(told(y, **options)), grid, seen, tried)
            found[name] = clipped(told(noisy, **setting))
        model = shipped
        if arguments.fine_tune and not isinstance(row, GaussianNoise):
            model = keras_ae.build(replace(shipped.spec, corruption=row), seed=0)
            model.set_weights(shipped.get_weights())
            model.fit(data.train.batches(32, shuffle=True), epochs=arguments.fine_tune, verbose=2)
        found["**conv_denoising_ae**"] = clipped(model.reconstruct(noisy))
        for name, x_hat in found.items():
            numbers = score(x, x_hat)
            cells[name].append(f"{numbers['psnr']:.2f} ± {numbers['error']:.2f} / {numbers['ssim']:.3f}")
        print(row, {name: texts[-1] for name, texts in cells.items()}, flush=True)
    tuning = f", tuned by {arguments.fine_tune} epochs under each other noise" if arguments.fine_tune else ""
    return [
        "## Images",
        "",
        f"PSNR in dB (mean over images, ± its standard error) / SSIM on the first {count} test images of MNIST. Noise "
        "by seed 0, not clipped; every estimate is clipped to [0, 1]. The classical methods are told the noise's "
        f"standard deviation, that of {tuned} validation images, and have the settings that are best there; PCA is "
        f"fitted on 10,000 clean training images. Ours was trained on Gaussian noise of sigma up to 0.55{tuning}.",
        "",
        *table("method", PICTURES, cells),
    ]


def table(title: str, columns, cells: dict) -> list[str]:
    """Return the lines of a Markdown table: a row for each key of `cells`."""
    head = [f"| {title} | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    return head + [f"| {name} | " + " | ".join(texts) + " |" for name, texts in cells.items()]


def joined(part, count: int | None) -> tuple[list[np.ndarray], list[str]]:
    """Return ten recordings of one speaker at a time, joined, and who speaks; `count` of each speaker, or all."""
    recordings, names = audio.waveforms(part), audio.speakers(part)
    found, said_by = [], []
    for name in np.unique(names):
        own = [recordings[place] for place in np.flatnonzero(names == name)]
        groups = [np.concatenate(own[start : start + JOINED]) for start in range(0, len(own), JOINED)][:count]
        found += groups
        said_by += [name] * len(groups)
    return found, said_by


def babbled(waveforms, said_by, snr: float, part, seed: int) -> list[np.ndarray]:
    """Return waveforms under the babble of the training recordings of the other speakers."""
    recordings, names = audio.waveforms(part), audio.speakers(part)
    noisy = []
    for index, (waveform, name) in enumerate(zip(waveforms, said_by, strict=True)):
        others = [recordings[place] for place in np.flatnonzero(names != name)]
        noisy.append(audio.add_noise(waveform, snr, kind="babble", voices=others, seed=seed + index))
    return noisy


def mask_model(data, epochs: int):
    """Return a model of masks trained on the training recordings under all kinds of noise."""
    clean = audio.waveforms(data.train)
    model = keras_ae.build(audio.mask_spec(), seed=0)
    batches = audio.MaskBatches(clean, kinds=("white", "pink", "babble"), voices=clean)
    model.fit(batches, epochs=epochs, verbose=2)
    return model


def speech(arguments: argparse.Namespace) -> list[str]:
    """Return the rows of the table of speech: SI-SDR / STOI / PESQ of each method at each level."""
    data = keras_ae.datasets.load("spoken_digit")
    clean, said_by = joined(data.test, 1 if arguments.small else None)
    shipped = keras_ae.build("conv_denoising_ae", weights="spoken_digit")
    methods = {name: lambda noisy, one=one: list(map(one, noisy)) for name, one in classical.SPEECH.items()}
    methods["**conv_denoising_ae**"] = partial(audio.denoise, shipped)
    if arguments.mask_epochs:
        methods["**mask**"] = partial(audio.denoise, mask_model(data, arguments.mask_epochs))
    lines = []
    for kind in ("white", "pink", "babble"):
        cells = {name: [] for name in ("noisy", *methods)}
        for level in LEVELS:
            if kind == "babble":
                noisy = babbled(clean, said_by, level, data.train, seed=0)
            else:
                noisy = audio.add_noise(clean, level, kind=kind)
            for name in cells:
                estimate = methods[name](noisy) if name in methods else noisy
                measures = (audio.si_sdr, audio.stoi, audio.pesq)
                numbers = [measure(clean, estimate).mean() for measure in measures]
                cells[name].append("{:.2f} / {:.3f} / {:.2f}".format(*numbers))
            print(kind, level, {name: texts[-1] for name, texts in cells.items()}, flush=True)
        lines += [
            "",
            f"### {kind.capitalize()} noise",
            "",
            *table("method", [f"{level} dB" for level in LEVELS], cells),
        ]
    return [
        "## Speech",
        "",
        f"SI-SDR in dB / STOI / PESQ (narrow band), means over {len(clean)} joins of ten test recordings of one "
        "speaker of spoken_digit. The recordings are not in train, the speakers are. Babble: six training recordings "
        "of the other speakers. Wiener and spectral subtraction take the noise from the quiet frames of each bin.",
        *lines,
    ]


def sensors(count: int, seed: int) -> np.ndarray:
    """Return windows of a chain of masses between springs: (count, STEPS, 2 * MASSES) float32, standardised.

    m x_i'' = k (x_(i-1) - 2 x_i + x_(i+1)) - c x_i', both ends held, with m = k = 1 and c = 0.1; a random force of a
    correlation time of 1 drives the first mass. Sensors read all positions and velocities every 0.2.
    """
    from scipy.signal import cont2discrete, dlsim

    springs = np.eye(MASSES, k=1) - 2 * np.eye(MASSES) + np.eye(MASSES, k=-1)
    a = np.block([[np.zeros((MASSES, MASSES)), np.eye(MASSES)], [springs, -0.1 * np.eye(MASSES)]])
    a = np.pad(a, [(0, 1), (0, 1)])  # The last state is the force: f' = -f + white noise.
    a[MASSES, -1], a[-1, -1] = 1, -1
    b = np.eye(2 * MASSES + 1)[:, -1:]
    system = cont2discrete((a, b, np.eye(len(a)), np.zeros_like(b)), 0.2)
    noise = np.random.default_rng(seed).standard_normal((count * STEPS, 1))
    states = dlsim(system, noise)[1][:, :-1]
    return (states / states.std(axis=0)).astype("float32").reshape(count, STEPS, 2 * MASSES)


def series(arguments: argparse.Namespace) -> list[str]:
    """Return the rows of the table of series: RMSE of each method, with its standard error over windows."""
    train, seen, x = (sensors(count, seed) for seed, count in enumerate((8000, 400, 1000)))
    noisy, tried = corrupted(x, GaussianNoise(SIGMA), seed=0), corrupted(seen, GaussianNoise(SIGMA), seed=1)
    found, settings = {"noisy": noisy}, {}
    for name, (method, grid) in classical.SERIES.items():
        settings[name] = best_setting(method, grid, seen, tried)
        found[name] = method(noisy, **settings[name])
    model = keras_ae.build("denoising_ae", input_shape=x.shape[1:], strength=SIGMA, seed=0)
    model.fit(train, epochs=10 if arguments.small else 40, validation_data=seen, verbose=2)
    found["**denoising_ae**"] = model.reconstruct(noisy)
    cells = {}
    for name, x_hat in found.items():
        errors = metrics.mean_squared_error(x, x_hat)
        rmse, error = np.sqrt(errors.mean()), errors.std(ddof=1) / len(errors) ** 0.5 / 2 / np.sqrt(errors.mean())
        chosen = ", ".join(f"{key} {value}" for key, value in settings.get(name, {}).items())
        cells[name] = [f"{rmse:.4f} ± {error:.4f}", chosen]
    return [
        "## Series",
        "",
        f"RMSE, ± its standard error over 1,000 windows of {STEPS} steps by {2 * MASSES} sensors (positions and "
        f"velocities of {MASSES} masses in a chain of springs, simulated, of standard deviation 1), white noise of "
        f"{SIGMA}. The classical methods, which treat each sensor alone, have the settings that are best on 400 "
        "validation windows.",
        "",
        *table("method", ["RMSE", "settings"], cells),
    ]


def tables(arguments: argparse.Namespace) -> list[str]:
    """Return the rows of the table of tables: RMSE of the missing values, mean and standard deviation over seeds."""
    from sklearn import datasets
    from sklearn.model_selection import train_test_split

    sets = {
        "breast cancer": datasets.load_breast_cancer,
        "wine": datasets.load_wine,
        "diabetes": datasets.load_diabetes,
    }
    seeds, cells = range(1 if arguments.small else 3), {}
    for open_set in sets.values():
        x, found = open_set(return_X_y=True)[0], {}
        for seed in seeds:
            parts = train_test_split(x, test_size=0.3, random_state=seed)
            train, test = (corrupted(part, MissingValues(MISSING, "nan"), seed=seed) for part in parts)
            mean, scale = np.nanmean(train, axis=0), np.nanstd(train, axis=0)
            train, test, truth = (train - mean) / scale, (test - mean) / scale, (parts[1] - mean) / scale
            columns = x.shape[1]
            spec = Spec((columns,), (Dense(128, "silu"),), Vector(columns), "gaussian", corruption=MissingValues(0.3))
            model = keras_ae.build(spec, seed=seed)
            imputation.fit_incomplete(model, train, epochs=60, batch_size=32, verbose=0)
            estimates = {name: one.fit(train).transform(test) for name, one in classical.imputers().items()}
            estimates["**denoising autoencoder**"] = imputation.impute(model, test)
            for name, estimate in estimates.items():
                errors = (estimate - truth)[np.isnan(test)]
                found.setdefault(name, []).append(np.sqrt(np.mean(np.square(errors))))
        for name, values in found.items():
            cells.setdefault(name, []).append(f"{np.mean(values):.3f} ± {np.std(values):.3f}")
        print(found, flush=True)
    return [
        "## Tables",
        "",
        "RMSE of the values hidden in the test part, in standard deviations of their columns; mean ± standard "
        f"deviation over {len(seeds)} seeds of split, holes and weights. {MISSING:.0%} of all values are missing "
        "completely at random, in the training part (70 %), too. Ours: a layer of 128 units and a code of as many as "
        "there are columns, 3 rounds of 60 epochs.",
        "",
        *table("method", sets, cells),
    ]


KINDS = {"images": images, "speech": speech, "series": series, "tables": tables}


def report(arguments: argparse.Namespace) -> str:
    """Measure and return the tables as Markdown."""
    names = (
        "keras",
        "numpy",
        "scipy",
        "scikit-image",
        "scikit-learn",
        "PyWavelets",
        "bm3d",
        "noisereduce",
        "pystoi",
        "pesq",
    )
    options = [f"--fine-tune {arguments.fine_tune} --mask-epochs {arguments.mask_epochs}"]
    options += ["--small"] if arguments.small else []
    sections = [line for kind in arguments.only for line in ["", *KINDS[kind](arguments)]]
    return "\n".join(
        [
            "# Denoising beside the methods that need no network",
            "",
            f"`python benchmarks/denoising.py {' '.join(options)}`. Rows in bold are ours. "
            f"{harness.named({name: version(name) for name in names})}.",
            *sections,
            "",
        ]
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="few images, recordings, epochs and seeds")
    parser.add_argument(
        "--only", nargs="*", default=list(KINDS), choices=KINDS, help="print these tables, write nothing"
    )
    parser.add_argument("--fine-tune", type=int, default=0, help="epochs of images under each noise")
    parser.add_argument("--mask-epochs", type=int, default=0, help="epochs of a model of masks")
    chosen = parser.parse_args()
    text = report(chosen)
    print(text)
    if len(chosen.only) == len(KINDS):
        with replacing(harness.RESULTS / "denoising.md") as temporary:
            temporary.write_text(text)
