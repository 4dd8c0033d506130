"""Likelihood rows: what p(x|z) is."""

import math
import struct
from dataclasses import dataclass
from typing import ClassVar

from keras_ae.rows.base import Row, ShortNames, SpecError, checked_count

LIKELIHOODS = ShortNames()


class Likelihood(Row, abstract=True):
    """Base of the likelihood rows.

    Attributes:
        names: short names of its rows, and the values of their fields, `{"gaussian_global": ("global",)}`.
            `LIKELIHOODS` has all.
        support: bounds of x, None where it has none.
        heads: names of what the decoder gives for each value of x, in alphabetic order, in which Keras keeps them in
            files.
        is_whole: x is whole numbers.
        inputs: names of what it takes beside its heads, which the spec must have as inputs to the likelihood.
        is_discrete: exp(-nll) is a probability of x, comparable with those of other discrete likelihoods.
        levels: grey values of x, whose bits can be counted; 0 where there are none.
        is_density: exp(-nll) is a probability (density) of x, so that log p(x) can be estimated.
    """

    names: ClassVar[dict[str, tuple]] = {}
    support: ClassVar[tuple[float, float] | None] = None
    heads: ClassVar[tuple[str, ...]] = ("loc",)
    is_density: ClassVar[bool] = True
    is_whole: ClassVar[bool] = False
    inputs: ClassVar[tuple[str, ...]] = ()
    is_discrete: ClassVar[bool] = False
    levels: ClassVar[int] = 0

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        LIKELIHOODS.declare(cls)

    def parameters(self, shape: tuple[int, ...]) -> int:
        """Return how many numbers of its own are learned, of samples of that shape."""
        return 0


def greatest_bits(support: tuple[float, float]) -> int:
    """The bits, as a whole number, of the greatest float32 in a support [0, high]; 0 where it begins below 0.

    The bits of a float32 are a greater number the greater it is, and those of NaN, inf and negative ones are greater
    than those of all others: one look for the greatest tells whether values lie in [0, high], -0 apart.
    """
    low, high = support
    greatest = min(high, (2 - 2**-23) * 2.0**127)
    return struct.unpack("<I", struct.pack("<f", greatest))[0] if low == 0 else 0


@dataclass(frozen=True)
class Bernoulli(Likelihood):
    """Each value of x in [0, 1] is a coin: the cross-entropy on logits."""

    names: ClassVar[dict[str, tuple]] = {"bernoulli": ()}
    support: ClassVar[tuple[float, float] | None] = (0.0, 1.0)
    is_discrete: ClassVar[bool] = True
    heads: ClassVar[tuple[str, ...]] = ("logits",)


@dataclass(frozen=True)
class ContinuousBernoulli(Likelihood):
    """The Bernoulli made a proper density on [0, 1] by its normaliser (Loaiza-Ganem & Cunningham 2019)."""

    names: ClassVar[dict[str, tuple]] = {"continuous_bernoulli": ()}
    support: ClassVar[tuple[float, float] | None] = (0.0, 1.0)
    heads: ClassVar[tuple[str, ...]] = ("logits",)


@dataclass(frozen=True)
class Normal(Likelihood):
    """A Gaussian around the decoder's output.

    Args:
        variance: "fixed" (sigma squared), "global" (one learned number; Rybkin et al. 2021), "sample" (the mean squared
            error of each sample, at which its likelihood is greatest; the optimal sigma of the same paper) or "pixel"
            (the decoder gives a log-variance for each value).
        sigma: standard deviation under "fixed", where learning starts under "global", that of draws under "sample".

    Under "sample" the loss is the logarithm of the squared error, that is the PSNR: a sample that is hard, of much
    noise, say, counts as much as an easy one. It is a score for training, not a density: the variance comes from x.
    """

    variance: str = "fixed"
    sigma: float = 1.0
    names: ClassVar[dict[str, tuple]] = {
        "gaussian": (),
        "gaussian_global": ("global",),
        "gaussian_sample": ("sample",),
        "gaussian_pixel": ("pixel",),
    }

    def __post_init__(self):
        if self.variance not in (known := ("fixed", "global", "sample", "pixel")):
            raise SpecError(f"Normal: variance must be one of {known}, got {self.variance!r}.")
        if not self.sigma > 0:
            raise SpecError(f"Normal: sigma must be greater than 0, got {self.sigma!r}.")
        if self.variance == "global" and not abs(math.log(self.sigma)) < 5:
            raise SpecError(f'Normal: under "global" sigma must lie in (0.0068, 148), got {self.sigma!r}.')

    @property
    def is_density(self) -> bool:
        """False under "sample", whose variance is not known without x."""
        return self.variance != "sample"

    @property
    def heads(self) -> tuple[str, ...]:
        """The mean, and under "pixel" the log-variance."""
        return ("loc", "log_var") if self.variance == "pixel" else ("loc",)

    def parameters(self, shape: tuple[int, ...]) -> int:
        """Return 1 under "global", the log-variance."""
        return int(self.variance == "global")


@dataclass(frozen=True)
class Laplace(Likelihood):
    """A Laplace density of the given `scale` around the decoder's output: absolute error, robust to outliers."""

    scale: float = 1.0
    names: ClassVar[dict[str, tuple]] = {"laplace": ()}

    def __post_init__(self):
        if not self.scale > 0:
            raise SpecError(f"Laplace: scale must be greater than 0, got {self.scale!r}.")


@dataclass(frozen=True)
class DiscretizedLogistic(Likelihood):
    """Probability of each of `levels` grey values in [0, 1] under a logistic (Salimans et al. 2017)."""

    levels: int = 256
    names: ClassVar[dict[str, tuple]] = {"discretized_logistic": ()}
    support: ClassVar[tuple[float, float] | None] = (0.0, 1.0)
    is_discrete: ClassVar[bool] = True
    heads: ClassVar[tuple[str, ...]] = ("loc", "log_scale")

    def __post_init__(self):
        if checked_count("DiscretizedLogistic", "levels", self.levels) < 2:
            raise SpecError("DiscretizedLogistic: levels must be at least 2.")
