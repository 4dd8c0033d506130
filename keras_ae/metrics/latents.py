"""What the latents of a model carry: variance, KL per dimension, and whether a posterior has collapsed."""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np


def latent_variance(z: np.ndarray) -> np.ndarray:
    """Variance of each latent dimension over the data: (n, latent_dim) -> (latent_dim,).

    Args:
        z: latents or posterior means, (n, latent_dim), n >= 2.

    Raises:
        ValueError: `z` is not such an array, or holds NaN or infinite values.
    """
    z = _checked(z, "z")
    if len(z) < 2:
        raise ValueError("A variance over the data needs at least 2 examples; z has 1.")
    return np.var(z, axis=0)


def active_units(z_mean: np.ndarray, threshold: float = 0.01) -> int:
    """How many latent dimensions react to the data: the number with A_u = Var_x(E[z_u | x]) > threshold.

    Section 5.2 of Burda, Grosse and Salakhutdinov, "Importance Weighted Autoencoders", 2015, whose threshold is 0.01.

    Args:
        z_mean: posterior means over a data set, (n, latent_dim), n >= 2.
        threshold: the least variance of an active dimension.

    Returns:
        A count in 0 ... latent_dim.

    Raises:
        ValueError: `z_mean` is not such an array, or holds NaN or infinite values.
    """
    return int(np.sum(latent_variance(z_mean) > threshold))


def kl_per_dimension(z_mean: np.ndarray, z_log_var: np.ndarray) -> np.ndarray:
    """KL(q(z_u|x) || N(0, 1)) of each latent dimension in nats, mean over the data: (n, latent_dim) -> (latent_dim,).

    The sum over dimensions is the KL term of the bound (Appendix B of Kingma and Welling, 2013).

    Args:
        z_mean: posterior means, (n, latent_dim).
        z_log_var: logarithms of the posterior variances, of the same shape.

    Raises:
        ValueError: the arrays are not (n, latent_dim), differ in shape, or hold NaN or infinite values.
    """
    z_mean, z_log_var = _checked(z_mean, "z_mean"), _checked(z_log_var, "z_log_var")
    if z_mean.shape != z_log_var.shape:
        raise ValueError(f"z_mean and z_log_var must have the same shape, not {z_mean.shape} and {z_log_var.shape}.")
    # expm1 keeps the digits that exp(v) - 1 loses for a posterior close to the prior, the case looked for here.
    return np.mean(0.5 * (np.square(z_mean) + np.expm1(z_log_var) - z_log_var), axis=0)


def sliced_wasserstein(z: np.ndarray, *, directions: int = 256, seed: int = 0) -> float:
    """Sliced Wasserstein distance of codes to N(0, I): 0 where they are distributed as it; lower is nearer.

    The root of the mean, over directions u, of the squared 2-Wasserstein distance between z . u and N(0, 1), which in
    one dimension is that of sorted values to quantiles (Bonneel et al. 2015; Kolouri et al. 2019 train by it). A shift
    of all codes by m gives |m| / sqrt(latent_dim), a scale s of them |s - 1|.

    Args:
        z: codes, (n, latent_dim), n >= 2. For few of them it is above 0 even if they are drawn from N(0, I).
        directions: how many, drawn evenly from the sphere.
        seed: fixes the directions.

    Returns:
        A number of at least 0, in units of z.

    Raises:
        ValueError: `z` is not such an array, or holds NaN or infinite values; no direction.
    """
    z = _checked(z, "z")
    if len(z) < 2 or directions < 1:
        raise ValueError(f"sliced_wasserstein needs 2 codes and a direction, got {len(z)} and {directions}.")
    drawn = np.random.default_rng(seed).standard_normal((z.shape[1], directions))
    along = np.sort(z @ (drawn / np.linalg.norm(drawn, axis=0)), axis=0)
    inverse = NormalDist().inv_cdf
    quantiles = np.array([inverse((place + 0.5) / len(z)) for place in range(len(z))])
    return float(np.sqrt(np.mean(np.square(along - quantiles[:, None]))))


@dataclass(frozen=True)
class PosteriorReport:
    """How much of a Gaussian posterior is in use; made by `posterior_collapse`.

    Attributes:
        variance: Var_x(E[z_u | x]) of each dimension.
        kl: mean KL to the prior of each dimension, nats.
        threshold: a dimension is active when its variance is above this.
        kl_threshold: a dimension has collapsed when its KL is below this, nats.
    """

    variance: tuple[float, ...]
    kl: tuple[float, ...]
    threshold: float
    kl_threshold: float

    @property
    def latent_dim(self) -> int:
        """Number of latent dimensions."""
        return len(self.kl)

    @property
    def active_units(self) -> int:
        """How many dimensions react to the data (Burda et al. 2015)."""
        return sum(variance > self.threshold for variance in self.variance)

    @property
    def collapsed(self) -> tuple[int, ...]:
        """Indices of the dimensions whose posterior equals the prior, whatever x is."""
        return tuple(u for u, kl in enumerate(self.kl) if kl < self.kl_threshold)

    def describe(self) -> str:
        """The report in a sentence, such as "3 of 16 latent dimensions are active (...)"."""
        are = "dimension is" if self.latent_dim == 1 else "dimensions are"
        words = (
            f"{self.active_units} of {self.latent_dim} latent {are} active "
            f"(variance of the posterior mean above {self.threshold:g})"
        )
        if not self.collapsed:
            return f"{words}; KL is {self.kl_threshold:g} nats or more in every dimension."
        return f"{words}; KL is below {self.kl_threshold:g} nats in {_dimensions(self.collapsed)}."


def posterior_collapse(
    z_mean: np.ndarray, z_log_var: np.ndarray, *, threshold: float = 0.01, kl_threshold: float = 0.01
) -> PosteriorReport:
    """Which latent dimensions are in use and which have fallen back to the prior.

    Two views that nearly always agree: the posterior mean that does not vary with x (Burda et al. 2015), and
    the KL to the prior that is nearly zero.

    Args:
        z_mean: posterior means over a data set, (n, latent_dim), n >= 2.
        z_log_var: logarithms of the posterior variances, of the same shape.
        threshold: the least variance of an active dimension.
        kl_threshold: the least mean KL, in nats, of a dimension that has not collapsed.

    Returns:
        A `PosteriorReport`; its `describe()` says it in words.

    Raises:
        ValueError: the arrays are refused as in `active_units` and `kl_per_dimension`.
    """
    return PosteriorReport(
        variance=tuple(latent_variance(z_mean).tolist()),
        kl=tuple(kl_per_dimension(z_mean, z_log_var).tolist()),
        threshold=threshold,
        kl_threshold=kl_threshold,
    )


def _dimensions(indices: tuple[int, ...], most: int = 8) -> str:
    """ "dimensions 0, 3 and 5", cut after `most` of them."""
    if len(indices) == 1:
        return f"dimension {indices[0]}"
    shown = [str(u) for u in indices[:most]]
    last = f"{len(indices) - most} more" if len(indices) > most else shown.pop()
    return f"dimensions {', '.join(shown)} and {last}"


def _checked(z: np.ndarray, name: str) -> np.ndarray:
    """`z` as float64 (n, latent_dim), finite and not empty."""
    z = np.asarray(z, dtype=np.float64)
    if z.ndim != 2 or z.size == 0:
        raise ValueError(f"{name} must have shape (n, latent_dim) and hold at least one example, not {z.shape}.")
    if not np.isfinite(z).all():
        raise ValueError(f"{name} must be finite; it holds NaN or infinite values.")
    return z
