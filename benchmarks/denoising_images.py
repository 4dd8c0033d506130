"""Images: PSNR and SSIM of each method under each kind of noise, on MNIST."""

from functools import cache, partial

import classical
import numpy as np
from denoising_rows import best_setting, shown, table, timed
from pretrained import clipped, score
from recipe_modules import recipe

import keras_ae
from keras_ae import corrupted

FEW, TUNED, FITTED = 100, 10, 10_000
OURS, SHIPPED = "**one model of all kinds**", "**shipped, of Gaussian noise**"
FAST = ("median", "PCA")
SLOW = "BM3D"  # More than half a second an image: measured with the first seed, on two kinds of noise alone.
ours = recipe("denoising")


@cache
def data(small: bool):
    """Return the data set."""
    return keras_ae.datasets.load("mnist_mini" if small else "mnist")


@cache
def methods(small: bool) -> dict:
    """Return the methods without a network and the grids of their settings."""
    from sklearn.decomposition import PCA

    train = data(small).train.head(min(FITTED, len(data(small).train)))[0]
    pca = PCA(80, svd_solver="covariance_eigh").fit(train.reshape(len(train), -1))
    components = partial(classical.principal_components, model=pca)
    return classical.IMAGES | {"PCA": (components, {"count": (10, 20, 40, 80)})}


@cache
def told(name: str, small: bool, kind: str):
    """Return a method that knows the noise's standard deviation and its best settings on validation images."""
    seen = data(small).validation.head(TUNED)[0]
    tried = corrupted(seen, ours.KINDS[kind], seed=1000)
    method, grid = methods(small)[name]
    method = partial(method, sigma=float(np.sqrt(np.mean(np.square(tried - seen)))))
    setting = best_setting(lambda noisy, **options: clipped(method(noisy, **options)), grid, seen, tried)
    return lambda noisy: clipped(method(noisy, **setting))


def trivial(small: bool) -> dict:
    """Return the estimates that take no work."""
    return {
        "noisy": lambda noisy: noisy,
        "black image": np.zeros_like,
        "mean image": lambda noisy: np.broadcast_to(data(small).train.x.mean(axis=0), noisy.shape),
    }


def by_kind(estimate, small: bool, seed: int, sizes: dict, kinds: int | None = None) -> dict:
    """Return `{kind: {size: [PSNR, SSIM]}}` of what `estimate(kind)` makes of noisy test images.

    `kinds`: how many of them, from the first on; all if None.
    """
    x, found = data(small).test.x[: max(sizes.values())], {}
    for kind, row in list(ours.KINDS.items())[:kinds]:
        noisy = corrupted(x, row, seed=seed)
        x_hat = estimate(kind)(noisy)
        numbers = {size: score(x[:count], x_hat[:count]) for size, count in sizes.items()}
        found[kind] = {size: [float(one["psnr"]), float(one["ssim"])] for size, one in numbers.items()}
    return found


def reconstructed(model):
    """Return the denoising of noisy images by a model."""
    return lambda noisy: clipped(model.reconstruct(noisy))


def of_recipe(arguments, seed: int, sizes: dict) -> dict:
    """Return the numbers of the recipe's model, which is trained where it is not kept."""
    model, _ = ours.train_images(seed, arguments.runs / f"images-{seed}", smoke=arguments.small)
    return by_kind(lambda kind: reconstructed(model), arguments.small, seed, sizes)


def of_shipped(arguments, seed: int, sizes: dict) -> dict:
    """Return the numbers of the shipped model."""
    model = keras_ae.build("conv_denoising_ae", weights="mnist")
    return by_kind(lambda kind: reconstructed(model), arguments.small, seed, sizes)


def measured(arguments, kept, few: dict, both: dict) -> dict[str, list[dict]]:
    """Return what each method has, for each seed, from `kept` or measured now."""
    small, found = arguments.small, {}

    def add(name: str, sizes: dict, measure, *given) -> None:
        found[name] = [
            kept.get(f"images/{name}/{seed}", timed, measure, *given, seed, sizes) for seed in arguments.seeds
        ]

    add(OURS, both, of_recipe, arguments)
    add(SHIPPED, few, of_shipped, arguments)
    for name, one in trivial(small).items():
        add(name, both, by_kind, lambda kind, one=one: one, small)
    for name in methods(small):
        if name != SLOW:
            add(name, both if name in FAST else few, by_kind, partial(told, name, small), small)
    first, given = arguments.seeds[0], (partial(told, SLOW, small), small)
    found[SLOW] = [kept.get(f"images/{SLOW}/{first}", timed, by_kind, *given, first, few, 2)]
    order = [*trivial(small), *methods(small), SHIPPED, OURS]
    return {name: found[name] for name in order}


def cell(numbers: list) -> str:
    """Return PSNR and SSIM over seeds as text, nothing where there are none."""
    if not numbers:
        return ""
    psnr, ssim = zip(*numbers, strict=True)
    return f"{shown(psnr, 2)} / {np.mean(ssim):.3f}"


def section(arguments, kept) -> tuple[list[str], float]:
    """Measure what is not kept; return the lines of the section, and the seconds that it took."""
    few = {"few": FEW // 10 if arguments.small else FEW}
    both = few | {"all": len(data(arguments.small).test)}
    found = measured(arguments, kept, few, both)
    tables = []
    for size, count in reversed(both.items()):
        cells = {
            name: [cell([one[kind][size] for one in numbers if kind in one]) for kind in ours.KINDS]
            for name, numbers in found.items()
            if size in numbers[0][next(iter(ours.KINDS))]
        }
        title = "All" if size == "all" else "The first"
        tables += ["", f"### {title} {count:,} test images", "", *table("method", ours.KINDS, cells)]
    lines = [
        "## Images",
        "",
        "PSNR in dB (mean over images) / SSIM on MNIST. Noise is not clipped; every estimate is clipped to [0, 1]. The "
        f"classical methods are told the noise's standard deviation, and have the settings that are best on {TUNED} "
        f"validation images; PCA is fitted on {FITTED:,} clean training images. {SLOW}: one seed, two kinds.",
        *tables,
    ]
    return lines, sum(one["seconds"] for numbers in found.values() for one in numbers)
