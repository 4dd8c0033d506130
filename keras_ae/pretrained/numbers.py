"""The numbers on the card of pretrained weights, each with its error, its tolerance and its protocol."""

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from rich.progress import Progress

from keras_ae import audio, metrics
from keras_ae.autoencoder import Autoencoder
from keras_ae.datasets import Dataset, Part
from keras_ae.evaluation import fixed
from keras_ae.models.sparse_ae import Sparsity
from keras_ae.noise import seed_at
from keras_ae.pretrained.noise import SIGMAS, unit_noise
from keras_ae.rows import Bernoulli, DiscretizedLogistic, GaussianNoise, SpectralNoise

BATCH = 256
AT_ONCE = 64  # Images of the importance-weighted bound between two steps of the progress bar.

# How far a number may move with the backend, its version and the machine, for the same weights and the same draws:
# (share of the value, at least). They leave room for single precision, and for the shortened products of GPUs.
TOLERANCES = {
    "mse": (1e-3, 1e-7),
    "psnr": (0.0, 0.01),
    "ssim": (0.0, 1e-3),
    "nll": (5e-4, 0.01),
    "kl": (2e-3, 1e-3),
    "elbo": (5e-4, 0.01),
    "iw_nll": (5e-4, 0.01),
    "bits_per_dim": (5e-4, 1e-4),
    "active_units": (0.0, 1),
    "l0": (5e-3, 0.01),
    "dead_units": (0.01, 1),
    "mean_activation": (5e-3, 1e-4),
}

Found = Iterator[tuple[str, np.ndarray, str]]  # Name, one value a sample, protocol.


@dataclass(frozen=True)
class Test:
    """What the measures of a batch share.

    Attributes:
        part: the test part.
        range: bounds of the data by which PSNR, SSIM and clipping go; None where they are not known.
        samples: which samples, and how binarised, in words.
        seed: of all draws.
    """

    part: Part
    range: tuple[float, float] | None
    samples: str
    seed: int


def measure(
    model: Autoencoder,
    data: Dataset,
    *,
    binarize: str | None = None,
    num_samples: int | None = 5000,
    images: int = 1000,
    seed: int = 0,
    progress: bool = True,
) -> dict[str, dict]:
    """Return what a card says of `model` on the test part, read batch by batch.

    Each number is `{"value", "error", "tolerance", "protocol"}`: the mean over test samples, its standard error (None
    for a count), how far it may move on another backend, and how it was measured. All draws are NumPy's, by `seed`,
    the same on every backend.

    - `mse`, `psnr` (dB) and, of pictures, `ssim` of the reconstruction at the deterministic code. PSNR is the mean of
      each sample's own, which is more than that of the mean squared error.
    - variational models: `nll`, `kl` and `elbo = -(nll + kl)` at drawn codes, `iw_nll`, the importance-weighted
      bound of Burda et al. 2016, `active_units`, and under a discretised likelihood `bits_per_dim` of the ELBO.
    - sparse models: under "l1" `l0`, the mean number of units that are not 0, and `dead_units`, those that are 0 on
      every sample; under "kl", where no unit is 0, `mean_activation`.
    - models of pictures that are trained on Gaussian noise: at each sigma S of 0.1, 0.25, 0.5 `psnr_noisy_S` of the
      input, `psnr_S` and `ssim_S` of the output.
    - models of speech that are trained on `SpectralNoise`: the SI-SDR of `audio.measure_speech`.

    Args:
        model: the trained model.
        data: the data set, whose test part is measured.
        binarize: how the data were binarised in training; the draw here is fixed.
        num_samples: draws of the importance-weighted bound; None leaves it out.
        images: the first of the test part, for which that bound is taken.
        seed: of binarisation, codes and noise.
        progress: show bars where there is a terminal.

    Raises:
        ValueError: num_samples or images is less than 1.
    """
    if images < 1 or (num_samples is not None and num_samples < 1):
        raise ValueError(f"num_samples and images must be at least 1, got {num_samples} and {images}.")
    test = Test(data.test, data.train.range, _samples(len(data.test), binarize, seed), seed)
    batches = data.test.batches(BATCH, seed=seed, binarize=fixed(binarize))
    values, protocols, codes = {}, {}, []
    with Progress(disable=not progress, transient=True) as bar:
        task = bar.add_task(f"{data.name}, test part", total=len(batches))
        for index in range(len(batches)):
            (x,) = batches[index]
            for name, array, protocol in _of_batch(model, x, index * BATCH, test):
                values.setdefault(name, []).append(array)
                protocols[name] = protocol
            codes.append(model.encode(x))
            bar.advance(task)
        found = {name: _mean(name, np.concatenate(pieces), protocols[name]) for name, pieces in values.items()}
        found |= _of_codes(model, np.concatenate(codes), test)
        if isinstance(model.spec.corruption, SpectralNoise):
            found |= audio.measure_speech(model, data.test, seed=seed)
        if model.is_variational and model.spec.likelihood.is_density and num_samples:
            count = min(images, len(data.test))
            task = bar.add_task(f"log p(x), {num_samples:,} draws", total=count)
            (x,) = data.test.batches(count, seed=seed, binarize=fixed(binarize))[0]
            log_p = _log_likelihood(model, x, num_samples, seed, lambda done: bar.advance(task, done))
            protocol = (
                f"-log p(x) in nats by {num_samples:,} draws from q(z|x), the first {_samples(count, binarize, seed)}"
            )
            found["iw_nll"] = _mean("iw_nll", -log_p, protocol)
    return found


def _of_batch(model: Autoencoder, x: np.ndarray, start: int, test: Test) -> Found:
    """Yield what is measured of each sample of a batch that begins at sample `start`."""
    yield from _of_reconstructions(model, x, test)
    if model.is_variational:
        yield from _of_drawn_codes(model, x, start, test)
    if isinstance(model.spec.objective, Sparsity):
        yield from _of_activations(model, x, test)
    if isinstance(model.spec.corruption, GaussianNoise) and _is_picture(x, test):
        yield from _of_denoising(model, x, start, test)


def _of_reconstructions(model: Autoencoder, x: np.ndarray, test: Test) -> Found:
    x_hat = model.reconstruct(x)
    of = f"reconstructions at the deterministic code, not clipped, {test.samples}"
    yield "mse", metrics.mean_squared_error(x, x_hat), of
    if test.range:
        yield "psnr", metrics.psnr(x, x_hat, data_range=_span(test)), f"dB, mean over samples of each one's; {of}"
    if _is_picture(x, test):
        yield "ssim", metrics.ssim(x, x_hat, data_range=_span(test)), of


def _of_drawn_codes(model: Autoencoder, x: np.ndarray, start: int, test: Test) -> Found:
    terms = model.elbo_terms(x, seed=_along(test.seed, start))
    elbo = -(terms["nll"] + terms["kl"])
    of = f"nats, one code drawn for each of {test.samples}, seed {test.seed}"
    is_discrete = isinstance(model.spec.likelihood, Bernoulli | DiscretizedLogistic)
    of_x = of if is_discrete else f"{of}; a density's, not comparable with a probability's"
    yield "nll", terms["nll"], f"-log p(x|z), {of_x}"
    yield "kl", terms["kl"], f"of q(z|x) to the prior, {of}"
    yield "elbo", elbo, f"-(nll + kl), {of_x}"
    if isinstance(model.spec.likelihood, DiscretizedLogistic):
        bits = metrics.bits_per_dim(-elbo, x.shape[1:])
        yield "bits_per_dim", bits, f"-elbo in bits for each of {x[0].size:,} values, {test.samples}"


def _of_activations(model: Autoencoder, x: np.ndarray, test: Test) -> Found:
    z, units = model.encode(x), f"{model.spec.latent_dim:,} units"
    if model.spec.objective.penalty == "l1":
        yield "l0", (z > 0).sum(axis=1), f"units above 0 of {units}, mean over {test.samples}"
    else:
        yield "mean_activation", z.mean(axis=1), f"of {units}, mean over {test.samples}"


def _of_denoising(model: Autoencoder, x: np.ndarray, start: int, test: Test) -> Found:
    noise = unit_noise(range(start, start + len(x)), x.shape[1:], seed=test.seed)
    for sigma in SIGMAS:
        noisy, of = x + np.float32(sigma) * noise, f"Gaussian noise of sigma {sigma}, not clipped, {test.samples}"
        x_hat = np.clip(model.reconstruct(noisy), *test.range)
        yield f"psnr_noisy_{sigma}", metrics.psnr(x, noisy, data_range=_span(test)), f"dB, of the input, {of}"
        yield f"psnr_{sigma}", metrics.psnr(x, x_hat, data_range=_span(test)), f"dB, output clipped to the range, {of}"
        yield f"ssim_{sigma}", metrics.ssim(x, x_hat, data_range=_span(test)), f"output clipped to the range, {of}"


def _of_codes(model: Autoencoder, z: np.ndarray, test: Test) -> dict[str, dict]:
    """Return the counts over the codes of all samples, (n, latent_dim)."""
    of = f"of {model.spec.latent_dim:,}, over {test.samples}"
    if model.is_variational:
        protocol = f"dimensions whose posterior mean has a variance above 0.01, {of}"
        return {"active_units": _number("active_units", metrics.active_units(z), None, protocol)}
    if isinstance(model.spec.objective, Sparsity) and model.spec.objective.penalty == "l1":
        dead = int((z == 0).all(axis=0).sum())
        return {"dead_units": _number("dead_units", dead, None, f"units that are always 0, {of}")}
    return {}


def _log_likelihood(
    model: Autoencoder, x: np.ndarray, num_samples: int, seed: int, advance: Callable[[int], None]
) -> np.ndarray:
    pieces = []
    for start in range(0, len(x), AT_ONCE):
        piece = x[start : start + AT_ONCE]
        pieces.append(model.log_likelihood(piece, num_samples=num_samples, seed=_along(seed, start)))
        advance(len(piece))
    return np.concatenate(pieces)


def _along(seed: int, start: int) -> np.random.Generator:
    """Return noise along the samples from `start` on, as cards have had it since the first: their numbers stay."""
    return np.random.default_rng(seed_at(seed, start))


def _mean(name: str, values: np.ndarray, protocol: str) -> dict:
    error = float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else None
    return _number(name, float(values.mean()), error, protocol)


def _number(name: str, value: float, error: float | None, protocol: str) -> dict:
    """Return a number as the card has it; that of one sigma has its family's tolerance."""
    share, least = TOLERANCES[re.sub(r"(_noisy)?_[\d.]+$", "", name)]
    return {"value": value, "error": error, "tolerance": max(share * abs(value), least), "protocol": protocol}


def _samples(count: int, binarize: str | None, seed: int) -> str:
    """Return the samples in words: "10,000 test samples, binarised by one draw that stays (seed 0)"."""
    draw = f"by one draw that stays (seed {seed})"
    how = {"dynamic": draw, "static": draw, "threshold": "at 0.5"}
    return f"{count:,} test samples" + (f", binarised {how[binarize]}" if binarize else "")


def _span(test: Test) -> float:
    low, high = test.range
    return high - low


def _is_picture(x: np.ndarray, test: Test) -> bool:
    """Return whether SSIM is defined: samples with two sides that hold its window, and a known range."""
    return test.range is not None and x.ndim == 4 and min(x.shape[1:3]) >= metrics.structure.WINDOW
