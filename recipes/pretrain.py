"""Train the weights that the package ships: one command makes each of them again.

    python recipes/pretrain.py --model conv_vae --dataset mnist

The run goes to `runs/pretrain/MODEL-DATASET`, `--resume` goes on with one that was cut off. Epochs and weights are
chosen by the validation part, the test part is touched once, when the card is written. `--smoke` tries it in seconds.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from keras_ae import (
    Activation,
    Conv,
    Deconv,
    Dense,
    Flatten,
    Gaussian,
    GaussianNoise,
    Identity,
    MixturePrior,
    Reshape,
    Residual,
    Spec,
    Sparse,
    Vector,
    cli,
    runs,
)

GREY, COLOUR = (28, 28, 1), (32, 32, 3)


def residual(filters: int) -> Residual:
    """Return two 3x3 convolutions around which x passes by, activation first (He et al. 2016, "Identity mappings")."""
    return Residual((Activation("silu"), Conv(filters, activation="silu"), Conv(filters, activation="linear")))


def dense_spec(shape, latent, likelihood, widths=(512, 256), **options) -> Spec:
    """Return a dense encoder of these widths, mirrored."""
    return Spec(shape, (Flatten(), *(Dense(width, "silu") for width in widths)), latent, likelihood, **options)


def conv_spec(shape, latent, likelihood, *, filters=64, units=512, blocks=(2, 2), **options) -> Spec:
    """Return two strided convolutions, residual rows at a quarter of the side, a dense row, and the way back."""
    sides = (shape[0] // 4, shape[1] // 4)
    encoder = (
        Conv(filters // 2, kernel=4, stride=2, activation="silu"),
        Conv(filters, kernel=4, stride=2, activation="linear"),
        *[residual(filters)] * blocks[0],
        Activation("silu"),
        Flatten(),
        Dense(units, "silu"),
    )
    decoder = (
        Dense(units, "silu"),
        Dense(sides[0] * sides[1] * filters, "linear"),
        Reshape((*sides, filters)),
        *[residual(filters)] * blocks[1],
        Activation("silu"),
        Deconv(filters // 2, kernel=4, stride=2, activation="silu"),
        Deconv(shape[-1], kernel=4, stride=2, activation="linear"),
    )
    return Spec(shape, encoder, latent, likelihood, decoder, **options)


def around_pixels(shape, latent, likelihood, *, filters=64, **options) -> Spec:
    """Return a linear code of all pixels with convolutions beside it: it begins where PCA is, and refines."""

    def beside():
        return Residual(
            (
                Conv(filters, kernel=4, stride=2, activation="silu"),
                residual(filters),
                Activation("silu"),
                Deconv(shape[-1], kernel=4, stride=2, activation="linear"),
            )
        )

    pixels = shape[0] * shape[1] * shape[2]
    decoder = (Dense(pixels, "linear"), Reshape(shape), beside())
    return Spec(shape, (beside(), Flatten()), latent, likelihood, decoder, **options)


def denoising_spec(shape, corruption, *, filters=64, blocks=3) -> Spec:
    """Return convolutions at half the side with a code that keeps its places (after Zhang et al. 2018, FFDNet)."""
    sides, width = (shape[0] // 2, shape[1] // 2), 16 * shape[-1]
    encoder = (
        Conv(filters, kernel=4, stride=2, activation="linear"),
        *[residual(filters)] * blocks,
        Activation("silu"),
        Conv(width, kernel=1, activation="linear"),
        Flatten(),
    )
    decoder = (
        Reshape((*sides, width)),
        Conv(filters, kernel=3, activation="linear"),
        *[residual(filters)] * blocks,
        Activation("silu"),
        Deconv(shape[-1], kernel=4, stride=2, activation="linear"),
    )
    code = Identity(sides[0] * sides[1] * width)
    return Spec(shape, encoder, code, "gaussian", decoder, corruption=corruption)


@dataclass(frozen=True)
class Recipe:
    """A spec and what fixes its training."""

    spec: Spec
    epochs: int
    settings: dict = field(default_factory=dict)


NOISE = GaussianNoise(0.55, low=0.0)
STEADY = {"learning_rate": 1e-3, "clipnorm": 1.0}
BINARY = {"learning_rate": 1e-3, "binarize": "dynamic", "validation": 0.05}
HALF = {"precision": "mixed_bfloat16"}

RECIPES = {
    "ae/mnist": Recipe(dense_spec(GREY, Vector(32), "gaussian"), 60),
    "ae/fashion_mnist": Recipe(dense_spec(GREY, Vector(32), "gaussian"), 60),
    "ae/cifar10": Recipe(dense_spec(COLOUR, Vector(128), "gaussian", widths=(1024,)), 40, STEADY),
    "conv_ae/mnist": Recipe(conv_spec(GREY, Vector(16), "gaussian", filters=48, blocks=(1, 1)), 30, STEADY | HALF),
    "conv_ae/fashion_mnist": Recipe(
        conv_spec(GREY, Vector(16), "gaussian", filters=48, blocks=(1, 1)), 30, STEADY | HALF
    ),
    "conv_ae/cifar10": Recipe(around_pixels(COLOUR, Vector(128), "gaussian"), 15, STEADY),
    "conv_denoising_ae/mnist": Recipe(denoising_spec(GREY, NOISE), 8, STEADY | HALF),
    "conv_denoising_ae/fashion_mnist": Recipe(denoising_spec(GREY, NOISE), 8, STEADY | HALF),
    "conv_denoising_ae/cifar10": Recipe(denoising_spec(COLOUR, NOISE), 10, STEADY | HALF),
    "vae/mnist": Recipe(
        Spec(GREY, (Flatten(), Dense(200, "tanh"), Dense(200, "tanh")), Gaussian(50), "bernoulli"), 500, BINARY
    ),
    "vae/fashion_mnist": Recipe(dense_spec(GREY, Gaussian(50), "bernoulli", widths=(400, 400)), 60, BINARY),
    "vae/cifar10": Recipe(dense_spec(COLOUR, Gaussian(128), "gaussian_global", widths=(1024,)), 30, STEADY),
    "conv_vae/mnist": Recipe(
        conv_spec(GREY, Gaussian(32, prior=MixturePrior(500)), "bernoulli", filters=48), 100, BINARY | HALF
    ),
    "conv_vae/fashion_mnist": Recipe(
        conv_spec(GREY, Gaussian(32, prior=MixturePrior(500)), "bernoulli", filters=48, blocks=(1, 1)),
        30,
        STEADY | HALF,
    ),
    "conv_vae/cifar10": Recipe(
        conv_spec(COLOUR, Gaussian(128, prior=MixturePrior(500)), "discretized_logistic"), 20, STEADY | HALF
    ),
    "conv_sparse_ae/mnist": Recipe(
        conv_spec(GREY, Sparse(256, strength=0.05), "gaussian", filters=32, units=256, blocks=(1, 1)), 15, STEADY | HALF
    ),
    "conv_sparse_ae/fashion_mnist": Recipe(
        conv_spec(GREY, Sparse(256, strength=0.05), "gaussian", filters=32, units=256, blocks=(1, 1)), 15, STEADY | HALF
    ),
    "conv_sparse_ae/cifar10": Recipe(
        conv_spec(COLOUR, Sparse(512, strength=0.05), "gaussian", filters=32, units=256, blocks=(1, 1)),
        12,
        STEADY | HALF,
    ),
}


def main(
    model: Annotated[str, typer.Option(help="A model's name.")],
    dataset: Annotated[str, typer.Option(help="A data set's name.")],
    out: Annotated[Path | None, typer.Option(help="The run folder.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that was cut off.")] = False,
    smoke: Annotated[bool, typer.Option("--smoke", help="One epoch on 256 samples.")] = False,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training part.")] = None,
) -> None:
    """Train one of the models whose weights are shipped."""
    recipe = RECIPES[f"{model}/{dataset}"]
    few = {"epochs": 1, "smoke": True} if smoke else {"epochs": epochs or recipe.epochs}
    settings = runs.Settings(model, dataset, **few, **recipe.settings)
    folder = out or Path("runs/pretrain") / f"{model}-{dataset}"
    cli.run_and_report(settings, folder, resume=resume, spec=recipe.spec)


if __name__ == "__main__":
    typer.run(main)
