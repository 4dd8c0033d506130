"""The pictures of a trained model on a part of a data set."""

from pathlib import Path

import numpy as np

from keras_ae import plots
from keras_ae.autoencoder import Autoencoder
from keras_ae.datasets import Part
from keras_ae.feeding import rows_of, with_x, x_of
from keras_ae.intake import checked_batch
from keras_ae.spec import Spec

PICTURED = 2000  # Samples in a latent map: enough to fill it, few enough to draw at once.


def first(part: Part, n: int, spec: Spec) -> np.ndarray | dict:
    """Return the first `n` samples of a part, all where there are fewer, with what the spec has beside them."""
    (batch,) = part.batches(min(n, len(part)), labels=part.asked_for(spec.inputs))[0]
    return checked_batch(batch, spec) if spec.inputs else batch


def colours(part: Part, n: int) -> np.ndarray | None:
    """Return the labels of the first `n` samples, all where there are fewer; None without one label a sample."""
    labels = part.head(min(n, len(part)))[1]
    return None if labels is None or labels[0].size != 1 else labels.reshape(-1)


def draw(model: Autoencoder, part: Part, folder: Path, *, seed: int = 0) -> list[Path]:
    """Draw reconstructions, the latent map and, where the model can, samples and paths between; return the files."""
    count = min(PICTURED, len(part))
    x = first(part, count, model.spec)
    files = [draw_reconstructions(model, part, folder), draw_latents(model, x, colours(part, count), folder)]
    if model.can_sample:
        files.append(draw_samples(model, folder, seed=seed, part=part))
        if count >= 12:
            paths = model.interpolate(rows_of(x, slice(6)), rows_of(x, slice(6, 12)), steps=10)
            files.append(plots.save(plots.interpolations(paths), folder / "interpolations.png"))
    return files


def draw_reconstructions(model: Autoencoder, part: Part, folder: Path, *, n: int = 10) -> Path:
    """Draw originals, corrupted inputs if there are any, and reconstructions of the first `n` samples."""
    batch = first(part, n, model.spec)
    x, inputs = x_of(batch), model.corrupt(batch) if model.corruption else None
    x_hat = model.reconstruct(batch if inputs is None else with_x(batch, inputs))
    return plots.save(plots.reconstructions(x, x_hat, inputs=inputs, n=len(x)), folder / "reconstructions.png")


def draw_latents(model: Autoencoder, x: np.ndarray | dict, labels: np.ndarray | None, folder: Path) -> Path:
    """Draw the codes of x as a map, coloured by label."""
    title = f"{model.spec.model} codes of {len(x_of(x)):,} samples"
    z = model.encode(x)
    return plots.save(plots.latent_scatter(z.reshape(len(z), -1), labels, title=title), folder / "latents.png")


def draw_samples(
    model: Autoencoder, folder: Path, *, n: int = 64, seed: int = 0, part: Part | None = None, **inputs
) -> Path:
    """Draw `n` samples from the prior, in a row for each class where the model takes classes.

    Args:
        model: the trained model.
        folder: where the file goes.
        n: how many, of all classes together; at least one of each.
        seed: fixes the codes.
        part: where inputs come from that are not given and are no classes: those of its first samples.
        **inputs: what the model takes beside x, by name; classes given are those that are drawn.

    Raises:
        ValueError: inputs that are missing or that the model does not take.
    """
    takers = model.spec.beside("prior", "decoder", "likelihood")
    listed = next((row for row in takers if row.listed() is not None), None)
    each = n if listed is None else max(1, n // np.size(inputs.get(listed.name, listed.listed())))
    missing = [row.name for row in takers if row.name not in inputs and row is not listed]
    if missing and part is not None:
        beside = first(part, each, model.spec)
        inputs |= {name: np.resize(beside[name], (each, *beside[name].shape[1:])) for name in missing}
    rows = model.sample_each(each, seed, **inputs)
    return plots.save(plots.samples_by_class(rows), folder / "samples.png")
