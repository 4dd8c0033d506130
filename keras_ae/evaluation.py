"""What a trained model is worth on a part of a data set: numbers and pictures."""

import math
from pathlib import Path

import keras
import numpy as np

from keras_ae import metrics, plots
from keras_ae.autoencoder import Autoencoder
from keras_ae.datasets import Part
from keras_ae.models.sparse_ae import Sparsity
from keras_ae.rows import DiscretizedLogistic

PICTURED = 2000  # Samples in a latent map: enough to fill it, few enough to draw at once.


def evaluate(model: Autoencoder, part: Part, *, binarize: str | None = None, batch_size: int = 256) -> dict:
    """Return the numbers of `model` on a part, each a float.

    - `loss` and its terms in nats, by the training objective: codes are drawn, and a corruption is applied.
    - `mse` and `psnr` (dB, of the part's mean squared error, for data of range 1) of the reconstruction at the
      deterministic code; of a denoising model from corrupted inputs, beside `psnr_corrupted`, the inputs' own.
    - variational models: `elbo = -(nll + kl)`, `active_units` (variance of the posterior mean > 0.01, Burda et al.
      2016) and, under a discretised likelihood, `bits_per_dim` of that bound.
    - sparse models: under "l1" `active_share`, the mean share of units that are not 0, and `dead_share`, those that
      are 0 on every sample; under "kl" `mean_activation`, which the penalty draws to rho.

    Args:
        model: the trained model.
        part: the samples.
        binarize: how the data were binarised in training; the draw here is fixed.
        batch_size: samples at once.
    """
    batches = part.batches(batch_size, binarize=fixed(binarize))
    result = {name: float(value) for name, value in model.evaluate(batches, return_dict=True, verbose=0).items()}
    squared, squared_corrupted, codes = [], [], []
    for index in range(len(batches)):
        (x,) = batches[index]
        inputs = model.corrupt(x, seed=index) if model.corruption else x
        squared.append(metrics.mean_squared_error(x, model.reconstruct(inputs)))
        squared_corrupted.append(metrics.mean_squared_error(x, inputs))
        codes.append(model.encode(inputs))
    result["mse"] = float(np.concatenate(squared).mean())
    result["psnr"] = -10 * math.log10(result["mse"])
    if model.corruption:
        result["psnr_corrupted"] = -10 * math.log10(np.concatenate(squared_corrupted).mean())
    return result | _of_code(model, np.concatenate(codes), result)


def fixed(binarize: str | None) -> str | None:
    """Return the binarisation for numbers: what training draws anew every epoch is here one draw that stays."""
    return "static" if binarize == "dynamic" else binarize


def _of_code(model: Autoencoder, z: np.ndarray, result: dict) -> dict:
    if isinstance(model.spec.objective, Sparsity):
        if model.spec.objective.penalty == "kl":
            return {"mean_activation": float(z.mean())}
        return {"active_share": float((z > 0).mean()), "dead_share": float((z == 0).all(axis=0).mean())}
    if not model.is_variational:
        return {}
    elbo = -(result["nll"] + result["kl"])
    found = {"elbo": elbo, "active_units": metrics.active_units(z), "latent_dim": model.spec.latent_dim}
    if isinstance(model.spec.likelihood, DiscretizedLogistic):
        found["bits_per_dim"] = metrics.bits_per_dim(-elbo, model.spec.input_shape)
    return found


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


def versions() -> dict[str, str]:
    """Return the versions that a number depends on: Python, keras_ae's dependencies and the backend."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    backend = keras.backend.backend()
    found = {"python": platform.python_version(), "backend": backend}
    for package in dict.fromkeys(("keras-ae", "keras", "numpy", "tensorflow" if backend == "tensorflow" else backend)):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed as a package"
    return found
