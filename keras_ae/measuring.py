"""What a model is measured by: numbers of each sample, or counts over all, each with its protocol in words."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from keras_ae.feeding import x_of
from keras_ae.noise import seed_at


@dataclass(frozen=True)
class Measured:
    """What was found of the samples of a batch, or of all of them.

    Attributes:
        name: the number's name; it has one meaning wherever it stands.
        values: of each sample, (n,); or a count over all samples, a number.
        protocol: how it was measured, in words.
        tolerance: how far the number may move with the backend, its version and the machine, for the same weights and
            the same draws: (share of its value, at least). It leaves room for single precision, and for the shortened
            products of GPUs.
    """

    name: str
    values: np.ndarray | float
    protocol: str
    tolerance: tuple[float, float]


@dataclass(frozen=True)
class Samples:
    """What the measures of a batch share.

    Attributes:
        words: which samples, and how binarised: "10,000 test samples".
        data_range: bounds of the data by which PSNR, SSIM and clipping go; None where they are not known.
        seed: of all draws.
        start: the place of the batch's first sample.
    """

    words: str
    data_range: tuple[float, float] | None
    seed: int
    start: int = 0

    @property
    def span(self) -> float:
        """The width of the range."""
        low, high = self.data_range
        return high - low

    def are_pictures(self, x: np.ndarray) -> bool:
        """Whether SSIM is defined: samples with two sides that hold its window, and a known range."""
        from keras_ae.metrics import structure

        return self.data_range is not None and x.ndim == 4 and min(x.shape[1:3]) >= structure.WINDOW

    def noise(self) -> np.random.Generator:
        """Noise along the samples from `start` on, as cards have had it since the first: their numbers stay."""
        return np.random.default_rng(seed_at(self.seed, self.start))


class Measuring:
    """What every `Autoencoder` is measured by. A type adds its own."""

    def measured(self, x: np.ndarray | dict, samples: Samples) -> Iterator[Measured]:
        """Yield what is measured of each sample of a batch: `mse`, `psnr` (dB) and, of pictures, `ssim`.

        x are samples, in a dict with what stands beside them where the spec has `inputs`. All numbers are of the
        reconstruction at the deterministic code. PSNR is the mean of each sample's own, which is more than that of the
        mean squared error.
        """
        from keras_ae import metrics  # It takes SciPy, which a model in training has no need of.

        x_hat, x = self.reconstruct(x), x_of(x)
        of = f"reconstructions at the deterministic code, not clipped, {samples.words}"
        yield Measured("mse", metrics.mean_squared_error(x, x_hat), of, (1e-3, 1e-7))
        if samples.data_range:
            psnr = metrics.psnr(x, x_hat, data_range=samples.span)
            yield Measured("psnr", psnr, f"dB, mean over samples of each one's; {of}", (0.0, 0.01))
        if samples.are_pictures(x):
            yield Measured("ssim", metrics.ssim(x, x_hat, data_range=samples.span), of, (0.0, 1e-3))

    def codes_of(self, x: np.ndarray) -> np.ndarray:
        """Return what `measured_codes` counts over, of a batch: its codes."""
        return self.encode(x)

    def measured_codes(self, z: np.ndarray, samples: Samples) -> Iterator[Measured]:
        """Yield counts over the codes of all samples, (n, latent_dim)."""
        yield from ()
