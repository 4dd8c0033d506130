"""Corruption rows: what a denoising autoencoder has to undo."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import ClassVar

from keras_ae.rows.base import Row, ShortNames, SpecError

CORRUPTIONS = ShortNames()


class Corruption(Row, abstract=True):
    """Base of the corruption rows: what happens to the input, and never to the target, while training.

    Attributes:
        names: short names of its rows, and the values of their fields, `{"gaussian": ()}`. `CORRUPTIONS` has all.
        protocol: how models that are trained on it are measured, beside what their type is measured by: "gaussian" at
            three sigmas, "speech" by recordings; "" by nothing more.
        takes_nan: whether it knows what to do with values that are missing.
        leaves_nan: whether the result has NaN.
    """

    names: ClassVar[dict[str, tuple]] = {}
    protocol: ClassVar[str] = ""
    takes_nan: ClassVar[bool] = False
    leaves_nan: ClassVar[bool] = False
    in_training_only: ClassVar[bool] = True

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        CORRUPTIONS.declare(cls)


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
    names: ClassVar[dict[str, tuple]] = {"gaussian": ()}
    protocol: ClassVar[str] = "gaussian"

    def __post_init__(self):
        _checked_positive(self, "sigma")
        if self.low is not None and not 0 <= self.low < self.sigma:
            raise SpecError(f"GaussianNoise: low must be None or lie in [0, sigma={self.sigma}), got {self.low!r}.")


@dataclass(frozen=True)
class Poisson(Corruption):
    """Count photons: Poisson(peak * x) / peak. x lies in [0, 1]; what lies outside is clipped to it first.

    Args:
        peak: photons counted on average where x is 1; fewer mean more noise, whose variance is x / peak.
    """

    peak: float = 30.0
    names: ClassVar[dict[str, tuple]] = {"poisson": ()}

    def __post_init__(self):
        _checked_positive(self, "peak")


@dataclass(frozen=True)
class Speckle(Corruption):
    """Multiply every value by 1 + N(0, sigma^2), as in radar and ultrasound images; the result is not clipped."""

    sigma: float = 0.3
    names: ClassVar[dict[str, tuple]] = {"speckle": ()}

    def __post_init__(self):
        _checked_positive(self, "sigma")


def _checked_positive(row: Corruption, field: str) -> None:
    value = getattr(row, field)
    if not 0 < value < math.inf:
        raise SpecError(f"{type(row).__name__}: {field} must be greater than 0 and finite, got {value!r}.")


def _checked_rate(row: Corruption) -> None:
    if not 0 < row.rate < 1:
        raise SpecError(f"{type(row).__name__}: rate must lie in (0, 1), got {row.rate!r}.")


@dataclass(frozen=True)
class SaltAndPepper(Corruption):
    """Set a share `rate` of the values to 0 or 1, with equal chance."""

    rate: float = 0.3
    names: ClassVar[dict[str, tuple]] = {"salt_and_pepper": ()}

    def __post_init__(self):
        _checked_rate(self)


@dataclass(frozen=True)
class Masking(Corruption):
    """Set a share `rate` of the values to 0 (Vincent et al. 2008)."""

    rate: float = 0.3
    names: ClassVar[dict[str, tuple]] = {"masking": ()}

    def __post_init__(self):
        _checked_rate(self)


@dataclass(frozen=True)
class MissingValues(Corruption):
    """Hide a share `rate` of the values, completely at random.

    `keras_ae.corruptions.corrupted` counts NaN in x as hidden, too; models refuse NaN, see `keras_ae.imputation`.

    Args:
        rate: share of the values that is hidden, in (0, 1).
        fill: what stands for a hidden value: "zero", which is the mean of standardised columns, "mean", the mean over
            the values of the batch that are left at that place (0 where none is), or "nan", for data to be imputed:
            a model refuses it.
    """

    rate: float = 0.2
    fill: str = "zero"
    names: ClassVar[dict[str, tuple]] = {"missing": ()}
    takes_nan: ClassVar[bool] = True

    def __post_init__(self):
        _checked_rate(self)
        if self.fill not in ("zero", "mean", "nan"):
            raise SpecError(f'MissingValues: fill must be "zero", "mean" or "nan", got {self.fill!r}.')

    @property
    def leaves_nan(self) -> bool:
        """Whether the result has NaN."""
        return self.fill == "nan"


@dataclass(frozen=True)
class Blur(Corruption):
    """Blur by a Gaussian along all axes but the last, the channels; what is past an edge is as the edge.

    Args:
        sigma: standard deviation in pixels or steps; the kernel ends at 4 sigma.
    """

    sigma: float = 1.0
    names: ClassVar[dict[str, tuple]] = {"blur": ()}

    def __post_init__(self):
        _checked_positive(self, "sigma")


@dataclass(frozen=True)
class JPEG(Corruption):
    """Write and read images as JPEG (ITU-T T.81, quantisation tables of Annex K), grey or RGB in [0, 1].

    Colour is kept at full resolution (4:4:4). Values outside [0, 1] are clipped to it first.

    Args:
        quality: least and greatest quality from 1 to 100 in the scale of libjpeg, of which a whole number between is
            drawn for each image.
    """

    quality: tuple[int, int] = (10, 50)
    names: ClassVar[dict[str, tuple]] = {"jpeg": ()}

    def __post_init__(self):
        _checked_pair(self, "quality", int)
        if not 1 <= self.quality[0] <= self.quality[1] <= 100:
            raise SpecError(f"JPEG: quality must lie in [1, 100], got {self.quality!r}.")


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
    names: ClassVar[dict[str, tuple]] = {"spectral": ()}
    protocol: ClassVar[str] = "speech"

    def __post_init__(self):
        for name in ("snr", "tilt"):
            _checked_pair(self, name, float)


def _checked_pair(row: Corruption, field: str, kind: type) -> None:
    value = getattr(row, field)
    if not isinstance(value, tuple | list) or len(value) != 2 or not value[0] <= value[1]:
        raise SpecError(f"{type(row).__name__}: {field} must be (least, greatest), got {value!r}.")
    object.__setattr__(row, field, tuple(map(kind, value)))


@dataclass(frozen=True)
class Several(Corruption, abstract=True):
    """Base of the rows that hold other corruptions."""

    rows: tuple[Corruption, ...]

    def __post_init__(self):
        object.__setattr__(self, "rows", tuple(self.rows))
        if not self.rows or not all(isinstance(row, Corruption) for row in self.rows):
            raise SpecError(f"{type(self).__name__}: rows must be one corruption row or more, got {self.rows!r}.")

    @property
    def leaves_nan(self) -> bool:
        """Whether the result has NaN."""
        return any(row.leaves_nan for row in self.rows)


@dataclass(frozen=True)
class Chain(Several):
    """Corruptions one after the other, such as `Chain((Blur(1.0), GaussianNoise(0.1)))`."""


@dataclass(frozen=True)
class OneOf(Several):
    """One of several corruptions, drawn for each sample with equal chance, so that one model serves them all.

    Such as `OneOf((GaussianNoise(0.5), SaltAndPepper(0.3)))`. A row that stands twice is drawn twice as often.
    """


def corruption_row(corruption: str | Corruption | Sequence[Corruption], strength=None) -> Corruption:
    """Return the corruption row of that name, its first field `strength` where it is given; several make a `Chain`.

    Raises:
        SpecError: an unknown name, or a strength that the row refuses.
    """
    if isinstance(corruption, str):
        if corruption not in CORRUPTIONS:
            raise SpecError(f"Unknown corruption {corruption!r}. Use {', '.join(CORRUPTIONS)} or a corruption row.")
        row = CORRUPTIONS[corruption]
        return row if strength is None else replace(row, **{fields(row)[0].name: strength})
    return corruption if isinstance(corruption, Corruption) else Chain(corruption)
