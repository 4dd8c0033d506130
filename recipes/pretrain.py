"""Train the weights that the package ships: one command makes each of them again.

    python recipes/pretrain.py --model conv_vae --dataset mnist

The run goes to `runs/pretrain/MODEL-DATASET`, `--resume` goes on with one that was cut off. Epochs and weights are
chosen by the validation part, the test part is touched once, when the card is written. `--smoke` tries it in seconds;
`--dataset mnist_mini` trains the models of MNIST on the sample that comes with the package.
"""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

import keras_ae
from keras_ae import (
    ELBO,
    Activation,
    Conv,
    Deconv,
    Dense,
    Flatten,
    Gaussian,
    GaussianNoise,
    Identity,
    MixturePrior,
    Norm,
    Normal,
    Ramp,
    Reshape,
    Residual,
    Sparsity,
    Spec,
    SpectralNoise,
    Vector,
    audio,
    cli,
    evaluation,
    pretrained,
    priors,
    runs,
    sparse_code,
)
from keras_ae.models.encoders import conv_encoder
from keras_ae.pretrained.cards import Card

GREY, COLOUR, SPEECH = (28, 28, 1), (32, 32, 3), (64, 64, 1)


def residual(filters: int) -> Residual:
    """Return two 3x3 convolutions around which x passes by, activation first (He et al. 2016, "Identity mappings")."""
    return Residual((Activation("silu"), Conv(filters, activation="silu"), Conv(filters, activation="linear")))


def dense_spec(shape, code, likelihood, widths=(512, 256), **options) -> Spec:
    """Return a dense encoder of these widths, mirrored."""
    return Spec(shape, (Flatten(), *(Dense(width, "silu") for width in widths)), code, likelihood, **options)


def beside_linear(units: int, outputs: int) -> Residual:
    """Return a hidden row beside a linear one: the sum holds all that PCA can do, and bends it."""
    return Residual((Dense(units, "silu"), Dense(outputs, "linear")))


def bent_linear_spec(shape, code, likelihood, *, units=128) -> Spec:
    """Return `beside_linear` on the way to the code and back."""
    pixels = math.prod(shape)
    encoder = (Flatten(), beside_linear(units, code.latent_dim))
    return Spec(shape, encoder, code, likelihood, (beside_linear(units, pixels), Reshape(shape)))


def down(filters: int, blocks: int) -> tuple:
    """Return two strided convolutions, and residual rows at a quarter of the side."""
    return (
        Conv(filters // 2, kernel=4, stride=2, activation="silu"),
        Conv(filters, kernel=4, stride=2, activation="linear"),
        *[residual(filters)] * blocks,
        Activation("silu"),
    )


def up(channels: int, filters: int, blocks: int) -> tuple:
    """Return the way back of `down`."""
    return (
        *[residual(filters)] * blocks,
        Activation("silu"),
        Deconv(filters // 2, kernel=4, stride=2, activation="silu"),
        Deconv(channels, kernel=4, stride=2, activation="linear"),
    )


def conv_spec(shape, code, likelihood, *, filters=48, units=256, blocks=1, **options) -> Spec:
    """Return `down` to a dense row, if `units` says so, and the code, and `up` from there."""
    quarter = (shape[0] // 4, shape[1] // 4, filters)
    dense = (Dense(units, "silu"),) if units else ()
    encoder = (*down(filters, blocks), Flatten(), *dense)
    decoder = (*dense, Dense(math.prod(quarter), "linear"), Reshape(quarter), *up(shape[-1], filters, blocks))
    return Spec(shape, encoder, code, likelihood, decoder, **options)


def sparse_spec(shape, strength, *, units=256, filters=32) -> Spec:
    """Return `down` and `up` around a code of rectified units.

    Half of them would die early without the normalisation, or under the whole penalty from the first step on.
    """
    quarter = (shape[0] // 4, shape[1] // 4, filters)
    encoder = (*down(filters, 1), Flatten(), Norm("batch"))
    decoder = (Dense(math.prod(quarter), "linear"), Reshape(quarter), *up(shape[-1], filters, 1))
    return Spec(shape, encoder, sparse_code(units), "gaussian", decoder, objective=Sparsity(strength=strength))


def beside(channels: int, *, filters: int, blocks: int = 1) -> Residual:
    """Return convolutions at half the side around which the image itself passes by."""
    rows = (
        Conv(filters, kernel=4, stride=2, activation="silu"),
        *[residual(filters)] * blocks,
        Activation("silu"),
        Deconv(channels, kernel=4, stride=2, activation="linear"),
    )
    return Residual(rows)


def around_pixels(shape, code, likelihood, *, filters=48, **options) -> Spec:
    """Return a linear code of all pixels with convolutions beside it: it begins where PCA is, and refines."""
    refined = beside(shape[-1], filters=filters)
    decoder = (Dense(math.prod(shape), "linear"), Reshape(shape), refined)
    return Spec(shape, (refined, Flatten()), code, likelihood, decoder, **options)


def two_step_spec(shape, corruption, *, filters=64, blocks=2) -> Spec:
    """Return two steps that each add to the image what takes noise off (after Zhang et al. 2017, DnCNN).

    The code is the image between the two: what needs no denoising passes unchanged.
    """
    step = beside(shape[-1], filters=filters, blocks=blocks)
    code = Identity(math.prod(shape))
    return Spec(shape, (step, Flatten()), code, "gaussian_sample", (Reshape(shape), step), corruption=corruption)


def speech_denoising_spec(shape, corruption, *, filters=64) -> Spec:
    """Return `down` and `up` with a code between them that keeps its places."""
    quarter = (shape[0] // 4, shape[1] // 4, filters)
    code = Identity(math.prod(quarter))
    decoder = (Reshape(quarter), *up(shape[-1], filters, 1))
    return Spec(shape, (*down(filters, 2), Flatten()), code, "gaussian", decoder, corruption=corruption)


@dataclass(frozen=True)
class Recipe:
    """A spec and what fixes its training; `mixture` Gaussians with full covariances replace the prior after it."""

    spec: Spec
    epochs: int
    settings: dict = field(default_factory=dict)
    mixture: int | None = None


CALIBRATED = Normal("global", sigma=0.1)
NOISE = GaussianNoise(0.55, low=0.0)
MIXED = Gaussian(50, prior=MixturePrior(500))
# Of the importance-weighted likelihood, where it is not 5,000 draws for each of the first 1,000 test images.
PROTOCOLS = {
    "conv_vae/fashion_mnist": {"num_samples": 500, "images": 500},
    "conv_vae/cifar10": {"num_samples": 200, "images": 500},
}
STEADY = {"learning_rate": 1e-3, "clipnorm": 1.0}
BINARY = {"learning_rate": 1e-3, "binarize": "dynamic", "validation": 0.05}
HALF = {"precision": "mixed_bfloat16"}
SMALL_STEPS = STEADY | HALF | {"learning_rate": 4e-3, "batch_size": 32}

RECIPES = {
    "ae/mnist": Recipe(dense_spec(GREY, Vector(32), "gaussian"), 40),
    "ae/fashion_mnist": Recipe(dense_spec(GREY, Vector(32), "gaussian"), 40),
    "ae/cifar10": Recipe(bent_linear_spec(COLOUR, Vector(128), "gaussian"), 30, STEADY),
    "conv_ae/mnist": Recipe(conv_spec(GREY, Vector(16), "gaussian", units=None), 8, STEADY | HALF),
    "conv_ae/fashion_mnist": Recipe(conv_spec(GREY, Vector(16), "gaussian", units=None), 8, STEADY | HALF),
    "conv_ae/cifar10": Recipe(
        around_pixels(COLOUR, Vector(128), "gaussian"), 16, STEADY | HALF | {"learning_rate": 2e-3}
    ),
    "conv_denoising_ae/mnist": Recipe(two_step_spec(GREY, NOISE), 10, SMALL_STEPS),
    "conv_denoising_ae/fashion_mnist": Recipe(two_step_spec(GREY, NOISE), 10, SMALL_STEPS),
    "conv_denoising_ae/cifar10": Recipe(two_step_spec(COLOUR, NOISE), 12, SMALL_STEPS),
    "conv_denoising_ae/spoken_digit": Recipe(
        speech_denoising_spec(SPEECH, SpectralNoise((-5.0, 20.0))),
        30,
        STEADY | HALF | {"learning_rate": 2e-3, "batch_size": 32},
    ),
    "vae/mnist": Recipe(
        dense_spec(GREY, MIXED, "bernoulli", widths=(200, 200), objective=ELBO(Ramp(0.0, 1.0, steps=4000))),
        300,
        BINARY | {"learning_rate": 6e-3, "batch_size": 256},
    ),
    "vae/fashion_mnist": Recipe(
        dense_spec(GREY, MIXED, CALIBRATED, widths=(200, 200)),
        60,
        STEADY | {"learning_rate": 2e-3},
    ),
    "vae/cifar10": Recipe(bent_linear_spec(COLOUR, Gaussian(128, prior=MixturePrior(500)), CALIBRATED), 30, STEADY),
    "conv_vae/mnist": Recipe(
        conv_spec(GREY, Gaussian(32, prior=MixturePrior(500)), "bernoulli", units=512, blocks=2), 100, BINARY | HALF
    ),
    "conv_vae/fashion_mnist": Recipe(
        conv_spec(GREY, Gaussian(32, prior=MixturePrior(500)), CALIBRATED, units=None), 12, STEADY | HALF
    ),
    "conv_vae/cifar10": Recipe(
        conv_spec(
            COLOUR, Gaussian(128, prior=MixturePrior(500)), "discretized_logistic", filters=64, units=None, blocks=2
        ),
        12,
        STEADY | HALF,
        mixture=50,
    ),
    "conv_vae/spoken_digit": Recipe(
        Spec(
            SPEECH,
            conv_encoder(SPEECH, (16, 32, 64, 128)),
            Gaussian(32, prior=MixturePrior(100)),
            CALIBRATED,
        ),
        40,
        STEADY | HALF | {"learning_rate": 2e-3},
    ),
    "conv_sparse_ae/mnist": Recipe(sparse_spec(GREY, Ramp(0.0, 0.5, steps=2500)), 8, STEADY | HALF),
    "conv_sparse_ae/fashion_mnist": Recipe(sparse_spec(GREY, Ramp(0.0, 0.5, steps=2500)), 8, STEADY | HALF),
    "conv_sparse_ae/cifar10": Recipe(sparse_spec(COLOUR, Ramp(0.0, 0.3, steps=2000)), 8, STEADY | HALF),
}


USE = {
    "ae": "Compact codes of the images for search, clustering and as features; a dense baseline.",
    "conv_ae": "Compact codes of the images for search, clustering and as features.",
    "conv_denoising_ae": "Removing noise: Gaussian up to sigma 0.55 from images, steady noise from speech.",
    "vae": "A likelihood and codes with a prior: density estimation, scores of anomaly, samples.",
    "conv_vae": "Samples, interpolations, likelihoods and codes with a prior; a start for fine-tuning.",
    "conv_sparse_ae": "Codes of which few units are on, to be looked at one by one.",
}
LIMITS = {
    "mnist": "Centred 28x28 grey digits, white on black; other images, inverted ones too, are beyond it.",
    "fashion_mnist": "Centred 28x28 grey articles of clothing on black; other images are beyond it.",
    "spoken_digit": "English digits of five speakers at 8 kHz, cut to 0.64 s; no running speech.",
    "cifar10": "32x32 colour photographs of ten classes, after JPEG: its numbers are not those of CIFAR-10 itself.",
}


def trained(run: runs.Run, data: keras_ae.datasets.Dataset, mixture: int | None) -> keras_ae.Autoencoder:
    """Return the best model of a run, in float32, with its prior fitted anew where the recipe says so."""
    model = keras_ae.build(run.spec, seed=run.settings.seed, dtype="float32")
    model.set_weights(run.load_model().get_weights())
    if mixture is None:
        return model
    count = 1 if run.settings.smoke else mixture
    codes = priors.GaussianMixture(count, iterations=25, least_variance=3e-3, seed=run.settings.seed)
    return codes.fit(model, data.train.head(len(data.train))[0]).into_model()


def pack(run: runs.Run, shelf: Path, *, mixture: int | None = None) -> Card:
    """Write the folder of a run's weights, its card with the test numbers of the packed weights, and pictures.

    Of a model of speech, ten test recordings go to `wavs/` of the run: clean, noisy and denoised.
    """
    data, settings, facts = run.settings.load_data(), run.settings, run.facts()
    backend, options = facts["versions"]["backend"], f"--model {settings.model} --dataset {data.name}"
    folder = shelf / f"{settings.model}-{data.name}"
    model = trained(run, data, mixture)
    pretrained.pack(model, folder, check=evaluation.first(data.validation, 256, model.spec))
    packed = keras_ae.build(Spec.from_json((folder / "spec.json").read_text()), seed=settings.seed)
    packed.load_weights(folder / "model.weights.h5")
    pictures = [evaluation.draw_reconstructions(packed, data.test, folder)]
    if packed.can_sample:
        pictures.append(evaluation.draw_samples(packed, folder))
    if isinstance(packed.spec.corruption, SpectralNoise):
        audio.write_examples(packed, data.test, run.folder / "wavs")
    few = {"num_samples": 50, "images": 20} if settings.smoke else PROTOCOLS.get(f"{settings.model}/{data.name}", {})
    card = pretrained.write_card(
        folder,
        {
            "model": settings.model,
            "dataset": data.name,
            "data": facts["dataset"],
            "binarize": settings.binarize,
            "seed": settings.seed,
            "command": f"KERAS_BACKEND={backend} python recipes/pretrain.py {options}",
            "rows": str(packed.spec),
            "settings": facts["settings"],
            "versions": facts["versions"],
            "cores": facts["cores"],
            "seconds": facts["seconds"],
            "protocol": few,
            "numbers": evaluation.measure(
                packed,
                data.test,
                data_range=data.train.range,
                binarize=settings.binarize,
                seed=settings.seed,
                **few,
            ),
            "pictures": [path.name for path in pictures],
            "use": USE[settings.model],
            "limits": LIMITS[data.name.removesuffix("_mini")],
        },
    )
    pretrained.refresh_catalogue(shelf)
    return card


def main(
    model: Annotated[str, typer.Option(help="A model's name.")],
    dataset: Annotated[str, typer.Option(help="A data set's name.")],
    out: Annotated[Path | None, typer.Option(help="The run folder; runs/pretrain/MODEL-DATASET if not given.")] = None,
    shelf: Annotated[Path, typer.Option(help="Where the packed folder goes.")] = Path("runs/pretrained"),
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that was cut off.")] = False,
    smoke: Annotated[bool, typer.Option("--smoke", help="One epoch on 256 samples.")] = False,
) -> None:
    """Train one of the models whose weights are shipped, and pack its weights with their card."""
    name = f"{model}/{dataset.removesuffix('_mini')}"
    if name not in RECIPES:
        raise typer.BadParameter(f"There is no recipe for {name}. There are {', '.join(RECIPES)}.")
    recipe = RECIPES[name]
    few = {"epochs": 1, "smoke": True} if smoke else {"epochs": recipe.epochs}
    settings = runs.Settings(model, dataset, **few, **recipe.settings)
    folder = out or Path("runs/pretrain") / f"{model}-{dataset}"
    cli.run_and_report(settings, folder, resume=resume, spec=recipe.spec, test=False)
    print(pack(runs.Run.open(folder), shelf, mixture=recipe.mixture))


if __name__ == "__main__":
    with cli.mendable():
        typer.run(main)
