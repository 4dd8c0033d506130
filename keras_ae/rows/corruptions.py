"""Corruption rows: what a denoising autoencoder has to undo."""

from dataclasses import dataclass

from keras_ae.rows.base import Row, SpecError


class Corruption(Row, abstract=True):
    """Base of the corruption rows: what happens to the input, and never to the target, while training."""


@dataclass(frozen=True)
class GaussianNoise(Corruption):
    """Add N(0, sigma^2) to every value; the result is not clipped.

    Args:
        sigma: standard deviation, in units of x.
        low: None, or the lower end of a range: each sample's standard deviation is then drawn from (low, sigma), so
            that one model serves all levels (Zhang et al. 2017).
    """

    sigma: float = 0.5
    low: float | None = None

    def __post_init__(self):
        if not self.sigma > 0:
            raise SpecError(f"GaussianNoise: sigma must be greater than 0, got {self.sigma!r}.")
        if self.low is not None and not 0 <= self.low < self.sigma:
            raise SpecError(f"GaussianNoise: low must be None or lie in [0, sigma={self.sigma}), got {self.low!r}.")


def _checked_rate(row: Corruption) -> None:
    if not 0 < row.rate < 1:
        raise SpecError(f"{type(row).__name__}: rate must lie in (0, 1), got {row.rate!r}.")


@dataclass(frozen=True)
class SaltAndPepper(Corruption):
    """Set a share `rate` of the values to 0 or 1, with equal chance."""

    rate: float = 0.3

    def __post_init__(self):
        _checked_rate(self)


@dataclass(frozen=True)
class Masking(Corruption):
    """Set a share `rate` of the values to 0 (Vincent et al. 2008)."""

    rate: float = 0.3

    def __post_init__(self):
        _checked_rate(self)


@dataclass(frozen=True)
class SpectralNoise(Corruption):
    """Add noise to the recording behind a log-mel spectrogram, at a signal-to-noise ratio drawn for each sample.

    Powers add, and so does the product of the two that their phases leave; x is a spectrogram of `keras_ae.spectra`.

    Args:
        snr: least and greatest signal-to-noise ratio in dB; the power of the signal is the mean over frames with sound.
        tilt: least and greatest fall of the noise's spectrum in dB an octave, drawn for each sample, too: 0 is white
            noise, 3 is pink.
    """

    snr: tuple[float, float] = (-5.0, 20.0)
    tilt: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self):
        for name in ("snr", "tilt"):
            value = getattr(self, name)
            if not isinstance(value, tuple | list) or len(value) != 2 or not value[0] <= value[1]:
                raise SpecError(f"SpectralNoise: {name} must be (least, greatest), got {value!r}.")
            object.__setattr__(self, name, tuple(map(float, value)))


CORRUPTIONS: dict[str, type[Corruption]] = {
    "gaussian": GaussianNoise,
    "salt_and_pepper": SaltAndPepper,
    "masking": Masking,
    "spectral": SpectralNoise,
}
