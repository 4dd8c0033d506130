"""The one road to numbers: what a model is measured by, on a part of a data set, for runs and cards alike."""

import math
from collections.abc import Callable, Iterator

import numpy as np
from rich.progress import Progress

from keras_ae import audio, metrics
from keras_ae.autoencoder import Autoencoder
from keras_ae.checks import checked_whole
from keras_ae.corruptions import corrupted
from keras_ae.datasets import Part
from keras_ae.evaluation.noise import SIGMAS, unit_noise
from keras_ae.feeding import rows_of, with_x, x_of
from keras_ae.measuring import Measured, Samples
from keras_ae.noise import seed_at

BATCH = 256
AT_ONCE = 64  # Images of the importance-weighted bound between two steps of the progress bar.


def evaluate(
    model: Autoencoder,
    part: Part,
    *,
    binarize: str | None = None,
    seed: int = 0,
    num_samples: int | None = None,
    **options,
) -> dict[str, float]:
    """Return the numbers of `model` on a part.

    They are what `measure` finds, and the `loss` and its terms by the training objective, codes drawn and a corruption
    applied anew; where a term has the name of a measure, the measure counts.

    Args:
        model: the trained model.
        part: the samples, with what the model takes beside them.
        binarize: how the data were binarised in training; the draw here is fixed.
        seed: of all draws but those of the loss.
        num_samples: draws of the importance-weighted bound, `iw_nll`, which has its standard error beside it; None
            leaves it out.
        **options: `data_range` and `images`, as in `measure`.
    """
    batches = part.batches(BATCH, seed=seed, binarize=fixed(binarize), labels=part.asked_for(model.spec.inputs))
    found = {name: float(value) for name, value in model.evaluate(batches, return_dict=True, verbose=0).items()}
    options |= {"binarize": binarize, "seed": seed, "num_samples": num_samples, "progress": num_samples is not None}
    measured = measure(model, part, **options)
    found |= {name: float(number["value"]) for name, number in measured.items()}
    return found | ({"iw_nll_error": measured["iw_nll"]["error"]} if "iw_nll" in measured else {})


def measure(
    model: Autoencoder,
    part: Part,
    *,
    data_range: tuple[float, float] | str | None = "part",
    binarize: str | None = None,
    num_samples: int | None = 5000,
    images: int = 1000,
    seed: int = 0,
    progress: bool = True,
) -> dict[str, dict]:
    """Return what `model` is measured by on a part, read batch by batch.

    Each number is `{"value", "error", "tolerance", "protocol"}`: the mean over samples, its standard error (None for a
    count), how far it may move on another backend, and how it was measured. All draws are NumPy's, by `seed`, the same
    on every backend. A name has one meaning wherever it stands: in `metrics.json`, on a card, in the table of a
    benchmark.

    - what the model's type yields as `measured` and `measured_codes`: `mse`, `psnr` (dB) and, of pictures, `ssim`; of
      variational models `nll`, `kl`, `elbo`, `active_units` and perhaps `bits_per_dim`; of sparse ones `l0` and
      `dead_units`, or `mean_activation`.
    - variational models: `iw_nll`, the importance-weighted bound of Burda et al. 2016.
    - models with a corruption: `psnr_corrupted` of inputs corrupted as in training, and `psnr_denoised` of the output.
    - models of pictures that are trained on Gaussian noise: at each sigma S of 0.1, 0.25, 0.5 `psnr_noisy_S` of the
      input, `psnr_S` and `ssim_S` of the output.
    - models of speech that are trained on `SpectralNoise`: the SI-SDR of `audio.measure_speech`.

    Args:
        model: the trained model.
        part: the samples.
        data_range: bounds of the data by which PSNR, SSIM and clipping go, None where there are none; "part" takes
            those of the part, which for images are (0, 1).
        binarize: how the data were binarised in training; the draw here is fixed.
        num_samples: draws of the importance-weighted bound; None leaves it out.
        images: the first of the part, for which that bound is taken.
        seed: of binarisation, codes and noise.
        progress: show bars where there is a terminal.

    Raises:
        ValueError: num_samples or images is less than 1.
    """
    checked_whole("images", images)
    if num_samples is not None:
        checked_whole("num_samples", num_samples)
    data_range = part.range if isinstance(data_range, str) else data_range
    words = _words(len(part), part, binarize, seed)
    options = {"seed": seed, "binarize": fixed(binarize), "labels": part.asked_for(model.spec.inputs)}
    batches = part.batches(BATCH, **options)
    pieces: dict[str, list[Measured]] = {}
    codes = []
    with Progress(disable=not progress, transient=True) as bar:
        task = bar.add_task(f"{part.name} part", total=len(batches))
        for index in range(len(batches)):
            (x,) = batches[index]
            samples = Samples(words, data_range, seed, index * BATCH)
            for measured in (*model.measured(x, samples), *_of_denoising(model, x, samples)):
                pieces.setdefault(measured.name, []).append(measured)
            codes.append(model.codes_of(x))
            bar.advance(task)
        found = {name: _mean(measured) for name, measured in pieces.items()}
        counts = model.measured_codes(np.concatenate(codes), Samples(words, data_range, seed))
        found |= {count.name: _number(count, count.values, None) for count in counts}
        if model.corruption and model.spec.corruption.protocol == "speech":
            found |= audio.measure_speech(model, part, seed=seed)
        if model.is_variational and model.spec.likelihood.is_density and num_samples:
            count = min(images, len(part))
            task = bar.add_task(f"log p(x), {num_samples:,} draws", total=count)
            (x,) = part.batches(count, **options)[0]
            log_p = _log_likelihood(model, x, num_samples, seed, lambda done: bar.advance(task, done))
            first = _words(count, part, binarize, seed)
            given = f", given {' and '.join(model.spec.input_names)}" if model.spec.inputs else ""
            protocol = f"-log p(x) in nats by {num_samples:,} draws from q(z|x), the first {first}{given}"
            found["iw_nll"] = _mean([Measured("iw_nll", -log_p, protocol, (5e-4, 0.01))])
    return found


def fixed(binarize: str | None) -> str | None:
    """Return the binarisation for numbers: what training draws anew every epoch is here one draw that stays."""
    return "static" if binarize == "dynamic" else binarize


def _of_denoising(model: Autoencoder, batch: np.ndarray | dict, samples: Samples) -> Iterator[Measured]:
    """Yield what a model with a corruption is measured by beside its type's own numbers."""
    if model.corruption is None:
        return
    x = x_of(batch)
    if samples.data_range:
        noisy = corrupted(x, model.spec.corruption, seed=seed_at(samples.seed, samples.start))
        x_hat = model.reconstruct(with_x(batch, noisy))
        for name, found in (("psnr_corrupted", noisy), ("psnr_denoised", x_hat)):
            psnr = metrics.psnr(x, found, data_range=samples.span)
            yield Measured(name, psnr, f"dB, {model.spec.corruption} as in training, {samples.words}", (0.0, 0.01))
    if model.spec.corruption.protocol == "gaussian" and samples.are_pictures(x):
        yield from _of_sigmas(model, batch, samples)


def _of_sigmas(model: Autoencoder, batch: np.ndarray | dict, samples: Samples) -> Iterator[Measured]:
    x = x_of(batch)
    noise = unit_noise(range(samples.start, samples.start + len(x)), x.shape[1:], seed=samples.seed)
    for sigma in SIGMAS:
        noisy, of = x + np.float32(sigma) * noise, f"Gaussian noise of sigma {sigma}, not clipped, {samples.words}"
        x_hat = np.clip(model.reconstruct(with_x(batch, noisy)), *samples.data_range)
        clipped = "output clipped to the range"
        before, after = (metrics.psnr(x, found, data_range=samples.span) for found in (noisy, x_hat))
        yield Measured(f"psnr_noisy_{sigma}", before, f"dB, of the input, {of}", (0.0, 0.01))
        yield Measured(f"psnr_{sigma}", after, f"dB, {clipped}, {of}", (0.0, 0.01))
        ssim = metrics.ssim(x, x_hat, data_range=samples.span)
        yield Measured(f"ssim_{sigma}", ssim, f"{clipped}, {of}", (0.0, 1e-3))


def _log_likelihood(
    model: Autoencoder, x: np.ndarray | dict, num_samples: int, seed: int, advance: Callable[[int], None]
) -> np.ndarray:
    pieces = []
    for start in range(0, len(x_of(x)), AT_ONCE):
        piece, noise = rows_of(x, slice(start, start + AT_ONCE)), Samples("", None, seed, start).noise()
        pieces.append(model.log_likelihood(piece, num_samples=num_samples, seed=noise))
        advance(len(pieces[-1]))
    return np.concatenate(pieces)


def _mean(measured: list[Measured]) -> dict:
    """Return the mean over samples, and its standard error, of what was measured batch by batch."""
    values = np.concatenate([piece.values for piece in measured])
    error = float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else None
    return _number(measured[0], float(values.mean()), error)


def _number(measured: Measured, value: float, error: float | None) -> dict:
    share, least = measured.tolerance
    return {
        "value": value,
        "error": error,
        "tolerance": max(share * abs(value), least),
        "protocol": measured.protocol,
    }


def _words(count: int, part: Part, binarize: str | None, seed: int) -> str:
    """Return the samples in words: "10,000 test samples, binarised by one draw that stays (seed 0)"."""
    draw = f"by one draw that stays (seed {seed})"
    how = {"dynamic": draw, "static": draw, "threshold": "at 0.5"}
    return f"{count:,} {part.name} samples" + (f", binarised {how[binarize]}" if binarize else "")
