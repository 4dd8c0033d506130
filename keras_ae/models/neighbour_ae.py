"""The neighbour-preserving autoencoder: reconstruction, and a code that keeps near samples near, for maps of data.

To the autoencoder's objective is added that of stochastic neighbour embedding (Hinton & Roweis 2002) under the heavy
tail of t-SNE (van der Maaten & Hinton 2008), of a batch at a time, which trains the encoder (van der Maaten 2009,
"Learning a parametric embedding by preserving local structure"); Sainburg, McInnes & Gentner 2021 add the loss of UMAP
to an autoencoder in the same way. We differ: a sample's neighbours are its nearest few in the batch, all of one weight,
so there is no perplexity. With `keras_ae.neighbours.NeighbourBatches` they are its nearest in all the data.
"""

from dataclasses import dataclass
from math import prod
from typing import ClassVar

import keras
from keras import ops

from keras_ae.autoencoder import Autoencoder
from keras_ae.registry import register, register_type
from keras_ae.rows import (
    Activation,
    Dense,
    Flatten,
    Identity,
    Norm,
    Objective,
    Reshape,
    Row,
    Scheduled,
    Shape,
    Vector,
    checked_count,
)
from keras_ae.spec import Spec, checked_shape

WIDTHS = (512, 256, 128)
_FAR = 1e30  # The squared distance of a sample to itself, so that it is no neighbour of its own.


@dataclass(frozen=True)
class NeighbourEmbedding(Objective):
    """nll + strength * neighbours, so that samples that are near each other in x are near in z.

    Args:
        strength: weight of the term that keeps neighbours, a number of at least 0 or a `Ramp` or `Cycle` by step.
        count: how many of the nearest samples of a batch are a sample's neighbours.
    """

    strength: Scheduled = 50.0
    count: int = 1
    model: ClassVar[str] = "neighbour_ae"
    codes: ClassVar[tuple[type, ...]] = (Vector, Identity)
    weights: ClassVar[dict[str, str]] = {"strength": "neighbours"}

    def __post_init__(self):
        super().__post_init__()
        checked_count("NeighbourEmbedding", "count", self.count)


@register_type(NeighbourEmbedding)
@keras.saving.register_keras_serializable("keras_ae")
class NeighbourAE(Autoencoder):
    """Minimise nll + strength * neighbours."""

    terms = ("nll", "neighbours")

    def objective(self, batch, outputs):
        """Return -log p(x|z) and the surprise at the neighbours in nats, (batch,) each.

        The latter is the mean over a sample's neighbours j in the batch, by x, of -log q(j), where q(j) is proportional
        to 1 / (1 + |z - z_j|^2) over all others. Of a batch spread over devices each knows its own part.
        """
        nll = self.nll(batch, outputs)
        rows = ops.reshape(batch["x"], (ops.shape(batch["x"])[0], -1))
        neighbours = surprise(rows, outputs["z"], self.spec.objective.count)
        return {"loss": nll + self.scheduled["strength"] * neighbours, "nll": nll, "neighbours": neighbours}


def surprise(x, z, count: int):
    """-log q(j) in nats, the mean over the `count` nearest j of each sample: (batch, d), (batch, k) -> (batch,).

    Where a batch has no more samples than that, all others are neighbours; of one sample alone it is 0.
    """
    itself = _FAR * ops.eye(ops.shape(x)[0])
    # Columns of nobody, for the last batch of an epoch, which may have fewer samples than a sample has neighbours.
    distances = ops.pad(_squared_distances(x) + itself, [[0, 0], [0, count]], constant_values=_FAR)
    nearness, nearest = ops.top_k(-distances, count)
    log_kernel = -ops.log1p(_squared_distances(z)) - itself
    log_q = log_kernel - ops.logsumexp(log_kernel, axis=1, keepdims=True)
    log_q = ops.take_along_axis(ops.pad(log_q, [[0, 0], [0, count]]), nearest, axis=1)
    there = ops.cast(nearness > -0.5 * _FAR, log_q.dtype)
    return ops.divide_no_nan(-ops.sum(there * log_q, axis=1), ops.sum(there, axis=1))


def _squared_distances(x):
    """(batch, d) -> (batch, batch), at least 0, where rounding may leave it a little below."""
    squares = ops.sum(ops.square(x), axis=1)
    return ops.maximum(squares[:, None] + squares[None] - 2 * ops.matmul(x, ops.transpose(x)), 0.0)


def _normalised(width: int) -> tuple[Row, ...]:
    return Dense(width, "linear"), Norm("layer"), Activation("silu")


@register("neighbour_ae")
def neighbour_ae(
    input_shape: Shape = (28, 28, 1),
    *,
    latent_dim: int = 2,
    strength: Scheduled | None = None,
    neighbours: int = 1,
    likelihood: str = "bernoulli",
) -> Spec:
    """Dense autoencoder, 512-256-128-code, whose code keeps neighbours: for maps in 2 dimensions, and small codes.

    Args:
        input_shape: shape of one sample.
        latent_dim: dimensions of the code.
        strength: weight of the neighbours, a number, a `Ramp` or a `Cycle`; None means 200 / latent_dim**2: a code
            of more dimensions keeps them by itself.
        neighbours: how many of the nearest samples of a batch are a sample's neighbours.
        likelihood: p(x|z).
    """
    input_shape = checked_shape(input_shape)
    code = Vector(latent_dim)
    objective = NeighbourEmbedding(200 / latent_dim**2 if strength is None else strength, neighbours)
    hidden = [_normalised(width) for width in WIDTHS]
    flatten, unfold = ((Flatten(),), (Reshape(input_shape),)) if len(input_shape) > 1 else ((), ())
    encoder = (*flatten, *sum(hidden, ()))
    decoder = (*sum(hidden[::-1], ()), Dense(prod(input_shape), "linear"), *unfold)
    return Spec(input_shape, encoder, code, likelihood, decoder, objective=objective)
