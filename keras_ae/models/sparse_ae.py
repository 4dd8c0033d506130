"""The sparse autoencoder: an overcomplete code of which few units are on (Ng 2011; Olshausen & Field 1996)."""

from dataclasses import dataclass
from typing import ClassVar

import keras
from keras import ops

from keras_ae.autoencoder import Autoencoder
from keras_ae.divergences import bernoulli_kl
from keras_ae.measuring import Measured
from keras_ae.models.encoders import conv_encoder
from keras_ae.registry import register, register_type
from keras_ae.rows import Flatten, Identity, Objective, Scheduled, Shape, SpecError, Vector, check_penalty, sparse_code
from keras_ae.spec import Spec, checked_shape


@dataclass(frozen=True)
class Sparsity(Objective):
    """nll + strength * sparsity, so that few units of the code are on at a time.

    Args:
        penalty: "l1", the sum of |z|, or "kl", the sum over units of KL(rho || mean activation) over a sigmoid code
            (Ng 2011, "Sparse autoencoder"). `sparse_code(units, penalty, rho)` is the code that suits it.
        strength: weight of the penalty, a number of at least 0 or a `Ramp` or `Cycle` by step.
        rho: wanted mean activation of a unit for penalty "kl", in (0, 1).
    """

    penalty: str = "l1"
    strength: Scheduled = 0.1
    rho: float = 0.05
    model: ClassVar[str] = "sparse_ae"
    codes: ClassVar[tuple[type, ...]] = (Vector, Identity)
    weights: ClassVar[dict[str, str]] = {"strength": "sparsity"}

    def __post_init__(self):
        super().__post_init__()
        check_penalty("Sparsity", self.penalty, self.rho)

    def check_code(self, code):
        """Raise a `SpecError` where the penalty is not defined for the code."""
        super().check_code(code)
        if self.penalty == "kl" and getattr(code, "activation", "sigmoid") != "sigmoid":
            raise SpecError(
                f"Spec: {self} needs units whose mean activation is a probability, got {code}. Use "
                f'sparse_code({code.latent_dim}, "kl").'
            )


@register_type(Sparsity)
@keras.saving.register_keras_serializable("keras_ae")
class SparseAE(Autoencoder):
    """Minimise nll + strength * sparsity, where sparsity is the penalty that the spec names."""

    terms = ("nll", "sparsity")

    def objective(self, batch, outputs):
        """Return -log p(x|z), (batch,), and the sparsity.

        Under "l1" the sum of |z|, (batch,); under "kl" the sum over units of KL(rho || mean activation over the batch),
        a scalar (Ng 2011, section 3).
        """
        nll = self.nll(batch, outputs)
        sparsity = self._l1(outputs) if self.spec.objective.penalty == "l1" else self._kl(outputs)
        return {"loss": nll + self.scheduled["strength"] * sparsity, "nll": nll, "sparsity": sparsity}

    def measured(self, x, samples):
        """Yield `l0`, the number of units that are not 0, or, under "kl", where no unit is, `mean_activation`."""
        yield from super().measured(x, samples)
        z, units = self.encode(x), f"{self.spec.latent_dim:,} units"
        if self.spec.objective.penalty == "l1":
            of = f"units above 0 of {units}, mean over {samples.words}"
            yield Measured("l0", (z > 0).sum(axis=1), of, (5e-3, 0.01))
        else:
            yield Measured("mean_activation", z.mean(axis=1), f"of {units}, mean over {samples.words}", (5e-3, 1e-4))

    def measured_codes(self, z, samples):
        """Yield, under "l1", `dead_units`: those that are 0 on every sample."""
        if self.spec.objective.penalty == "l1":
            of = f"units that are always 0, of {self.spec.latent_dim:,}, over {samples.words}"
            yield Measured("dead_units", int((z == 0).all(axis=0).sum()), of, (0.01, 1))

    def _l1(self, outputs):
        return ops.sum(ops.abs(outputs["z"]), axis=-1)

    def _kl(self, outputs):
        mean_activation = ops.sum(outputs["weight"][:, None] * outputs["z"], axis=0)
        return bernoulli_kl(self.spec.objective.rho, self.sum_over_replicas(outputs["share"] * mean_activation))


_STRENGTHS = {"l1": 0.05, "kl": 1.0}


def _sparse(latent_dim: int, penalty: str, strength: Scheduled | None, rho: float) -> dict:
    strength = _STRENGTHS.get(penalty, 0.0) if strength is None else strength
    objective = Sparsity(penalty, strength, rho)
    return {"code": sparse_code(latent_dim, penalty, rho), "objective": objective}


@register("sparse_ae")
def sparse_ae(
    input_shape: Shape = (28, 28, 1),
    *,
    latent_dim: int = 1024,
    penalty: str = "l1",
    strength: Scheduled | None = None,
    rho: float = 0.05,
    likelihood: str = "gaussian",
    tied: bool = False,
) -> Spec:
    """Sparse autoencoder with one hidden layer, whose decoder columns are features (Ng 2011).

    Args:
        input_shape: shape of one sample.
        latent_dim: units of the code.
        penalty: "l1" on a rectified code, or "kl" to the mean activation `rho` on a sigmoid code.
        strength: weight of the penalty, a number, a `Ramp` or a `Cycle`; None means 0.05 for "l1", 1 for "kl".
        rho: wanted mean activation under "kl".
        likelihood: p(x|z).
        tied: whether the decoder uses the encoder's kernel, transposed.
    """
    flatten = (Flatten(),) if len(checked_shape(input_shape)) > 1 else ()
    sparse = _sparse(latent_dim, penalty, strength, rho)
    return Spec(input_shape, flatten, likelihood=likelihood, tied=tied, **sparse)


@register("conv_sparse_ae")
def conv_sparse_ae(
    input_shape: Shape = (28, 28, 1),
    *,
    latent_dim: int = 512,
    penalty: str = "l1",
    strength: Scheduled | None = None,
    rho: float = 0.05,
    likelihood: str = "gaussian",
    tied: bool = False,
) -> Spec:
    """Convolutional encoder and decoder around a sparse code; the arguments are those of `sparse_ae`."""
    sparse = _sparse(latent_dim, penalty, strength, rho)
    return Spec(input_shape, conv_encoder(input_shape), likelihood=likelihood, tied=tied, **sparse)
