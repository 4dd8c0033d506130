"""The pictures of a trained model on a part of a data set."""

from pathlib import Path

import numpy as np

from keras_ae import plots
from keras_ae.autoencoder import Autoencoder
from keras_ae.datasets import Part

PICTURED = 2000  # Samples in a latent map: enough to fill it, few enough to draw at once.


def draw(model: Autoencoder, part: Part, folder: Path, *, seed: int = 0) -> list[Path]:
    """Draw reconstructions, the latent map and, where the model can, samples and paths between; return the files."""
    x, labels = part.head(min(PICTURED, len(part)))
    files = [draw_reconstructions(model, part, folder), draw_latents(model, x, labels, folder)]
    if model.is_variational:
        files.append(draw_samples(model, folder, seed=seed))
        paths = model.interpolate(x[:6], x[6:12], steps=10) if len(x) >= 12 else None
        if paths is not None:
            files.append(plots.save(plots.interpolations(paths), folder / "interpolations.png"))
    return files


def draw_reconstructions(model: Autoencoder, part: Part, folder: Path, *, n: int = 10) -> Path:
    """Draw originals, corrupted inputs if there are any, and reconstructions of the first `n` samples."""
    x, _ = part.head(min(n, len(part)))
    inputs = model.corrupt(x) if model.corruption else None
    x_hat = model.reconstruct(x if inputs is None else inputs)
    return plots.save(plots.reconstructions(x, x_hat, inputs=inputs, n=len(x)), folder / "reconstructions.png")


def draw_latents(model: Autoencoder, x: np.ndarray, labels: np.ndarray | None, folder: Path) -> Path:
    """Draw the codes of x as a map, coloured by label."""
    title = f"{model.spec.model} codes of {len(x):,} samples"
    return plots.save(plots.latent_scatter(model.encode(x), labels, title=title), folder / "latents.png")


def draw_samples(model: Autoencoder, folder: Path, *, n: int = 64, seed: int = 0) -> Path:
    """Draw `n` samples from the prior."""
    return plots.save(plots.samples(model.sample(n, seed)), folder / "samples.png")
