"""The vector-quantised autoencoder: a map of entries of a codebook (van den Oord, Vinyals & Kavukcuoglu 2017).

In the code there stands, at each place of the encoder's map z_e(x), the entry e of the codebook that is nearest to it
(Eq. 1 and 2). The loss is Eq. 3 of "Neural discrete representation learning",

    -log p(x|e) + |sg(z_e) - e|^2 + beta |z_e - sg(e)|^2

where sg lets no gradient through: the first term trains the decoder and, as if e were z_e, the encoder; the second the
codebook; the third keeps the encoder near the entries. Unless `decay=None`, the entries are moving averages of what is
assigned to them, as in appendix A.1, and there is no second term. The posterior is a point, so that
log p(e) + log p(x|e) is a lower bound of log p(x), under any prior p(e). While the model trains, that prior is uniform,
and its term constant.

With two levels it is the model of Razavi, van den Oord & Vinyals 2019, "Generating diverse high-fidelity images with
VQ-VAE-2": a coarse code, and a fine one made in its knowledge.

We differ: distances are summed over the places of the map, as log p(x|e) is over the values of x, so that their ratio
is the same for images of all sizes; entries that are hardly used are revived (`rows.Quantiser`); the network is small
(2017: 256 channels), and its decoder reads the coarse code through repeated places instead of a transposed convolution.

Use it where codes are to be symbols: for compression, for a strong prior over them (`keras_ae.priors.PixelCNN`, by
which it samples), for tokens of another model. Do not use it where a code is to be a point among others that one can
walk between, or a short vector of features: a `vae` and a `conv_ae` are for these. Without a prior fitted to its codes
it does not sample.
"""

from dataclasses import dataclass
from typing import ClassVar

import keras
import numpy as np

from keras_ae.autoencoder import Autoencoder
from keras_ae.codebooks import of
from keras_ae.measuring import Measured
from keras_ae.models.encoders import ACTIVATION, dense_encoder, halving, halvings
from keras_ae.registry import register, register_type
from keras_ae.rows import (
    Conv,
    Dense,
    Discrete,
    HierarchicalQuantiser,
    Objective,
    Quantiser,
    Reshape,
    Residual,
    Row,
    Scheduled,
    Shape,
    SpecError,
    checked_count,
    shapes,
)
from keras_ae.spec import Spec, checked_shape

PARTS = 8  # Entries that stand for a vector.


@dataclass(frozen=True)
class VectorQuantisation(Objective):
    """nll + beta * commitment, and, where the entries are trained by gradient, + codebook (Eq. 3).

    Args:
        beta: weight of the distance from the encoder's map to the entries, a number of at least 0 or a `Ramp` or
            `Cycle` by step. The authors found results alike from 0.1 to 2.
    """

    beta: Scheduled = 0.25
    model: ClassVar[str] = "vq_vae"
    codes: ClassVar[tuple[type, ...]] = (Discrete,)
    weights: ClassVar[dict[str, str]] = {"beta": "commitment"}


@register_type(VectorQuantisation)
@keras.saving.register_keras_serializable("keras_ae")
class VQVAE(Autoencoder):
    """Minimise nll + beta * commitment, and the codebook's term where its entries are not moving averages."""

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of the terms: `nll`, `commitment`, perhaps `codebook`, and the perplexity of each codebook."""
        levels = self.spec.code.levels
        by_gradient = ["codebook"] if any(level.decay is None for level in levels.values()) else []
        return ("nll", "commitment", *by_gradient, *(of("perplexity", name) for name in levels))

    def objective(self, batch, outputs):
        """Return -log p(x|e), the distances `commitment` and `codebook`, (batch,) each, and perplexities, scalars.

        The perplexity is exp of the entropy of how the batch uses the entries: from 1 to their number.
        """
        nll, terms = self.nll(batch, outputs), self.latent.terms(outputs)
        loss = nll + self.scheduled["beta"] * terms["commitment"] + terms.get("codebook", 0.0)
        return {"loss": loss, "nll": nll} | terms | self.latent.perplexities(outputs, self)

    def measured(self, x, samples):
        """Yield, beside what is said of reconstructions, `nll`, and, under a likelihood of grey values, `bits_per_dim`.

        The latter is of the bound under the uniform prior; a fitted one, whose `log_likelihood` says it, takes fewer.
        """
        from keras_ae.metrics import bits_per_dim

        yield from super().measured(x, samples)
        nll = self.reconstruction_error(x, kind="nll")
        likelihood = self.spec.likelihood
        of_x = "nats" if likelihood.is_discrete else "nats, a density's, not comparable with a probability's"
        yield Measured("nll", nll, f"-log p(x|z) at the code, {of_x}, {samples.words}", (5e-4, 0.01))
        if likelihood.levels:
            bits = bits_per_dim(nll + self.code_nats, x.shape[1:])
            protocol = (
                f"-(log p(x|z) + log p(z)) in bits for each of {x[0].size:,} values, p(z) uniform over all codes, "
                f"{samples.words}"
            )
            yield Measured("bits_per_dim", bits, protocol, (5e-4, 1e-4))

    @property
    def code_nats(self) -> float:
        """-log p(z) under the uniform prior, nats of a sample: places times log of the number of entries, summed."""
        levels = self.spec.code.levels
        return float(sum(np.prod(self.latent.sides[name]) * np.log(each.codes) for name, each in levels.items()))

    def codes_of(self, x):
        """Return the indices of all places, those of levels one after the other: (n, places)."""
        found = self.encode(x, indices=True)
        maps = found if isinstance(found, dict) else {"": found}
        return np.concatenate([maps[level].reshape(len(x), -1) for level in self.spec.code.levels], axis=1)

    def measured_codes(self, z, samples):
        """Yield, of each codebook, `perplexity`, 1 to its number of entries, and `dead_codes`, which are never used."""
        from keras_ae.metrics import code_perplexity, unused_codes

        start = 0
        for name, level in self.spec.code.levels.items():
            stop = start + int(np.prod(self.latent.sides[name]))
            indices, start = z[:, start:stop], stop
            of_codes = f"{level.codes:,} entries{f' of the {name}' if name else ''}, over {samples.words}"
            used = f"exp of the entropy of the use of {of_codes}"
            yield Measured(of("perplexity", name), code_perplexity(indices, level.codes), used, (0.01, 0.1))
            dead = f"entries that no place uses, of {of_codes}"
            yield Measured(of("dead_codes", name), unused_codes(indices, level.codes), dead, (0.02, 2))


@register("vq_vae")
def vq_vae(
    input_shape: Shape = (28, 28, 1),
    *,
    codes: int = 512,
    dim: int = 64,
    levels: int = 1,
    beta: Scheduled = 0.25,
    decay: float | None = 0.99,
    revival: float = 0.01,
    width: int = 64,
    parts: int | None = None,
    likelihood: str = "gaussian_global",
) -> Spec:
    """Convolutional autoencoder whose code is a map of entries of a codebook (van den Oord et al. 2017).

    Images, series and volumes are halved twice, so that 28x28 has a code of 7x7 entries; with `levels=2` there is a map
    of 4x4 above it (Razavi et al. 2019). Vectors, `input_shape=(features,)`, have a dense encoder, and a code that is a
    product of `parts` entries of one codebook.

    `likelihood="discretized_logistic"` counts bits of images in [0, 1]. `keras_ae.priors.PixelCNN().fit(model, x)`
    gives samples. Under a likelihood whose scale is not learned, such as "gaussian", a smaller beta suits.

    Args:
        input_shape: shape of one sample.
        codes: entries of the codebook, of each level.
        dim: dimensions of an entry.
        levels: 1, or 2 for a coarse code above the fine one.
        beta: weight of the distance from the encoder's map to the entries, a number, a `Ramp` or a `Cycle`.
        decay: of the moving averages that entries are; None trains them by gradient.
        revival: share of the mean count below which an entry is revived; 0 revives none.
        width: channels of the encoder's map; the paper has 256.
        parts: of vectors, how many entries stand for one; None means 8.
        likelihood: p(x|z); the default is a Gaussian of learned variance, at which nll and distances are in balance.
    """
    quantiser = Quantiser(codes, dim, decay, revival)
    if isinstance(levels, bool) or levels not in (1, 2):
        raise SpecError(f"vq_vae: levels must be 1 or 2, got {levels!r}.")
    checked_count("vq_vae", "width", width)
    if len(checked_shape(input_shape)) == 1:
        if levels == 2:
            raise SpecError(f"vq_vae: levels=2 needs a map with places, and input_shape={input_shape} has none.")
        parts = PARTS if parts is None else checked_count("vq_vae", "parts", parts)
        encoder = (*dense_encoder(input_shape), Dense(parts * width, ACTIVATION), Reshape((parts, width)))
        return Spec(input_shape, encoder, quantiser, likelihood, objective=VectorQuantisation(beta))
    if parts is not None:
        raise SpecError(f"vq_vae: parts={parts} is for vectors. The code of {input_shape} has an entry at each place.")
    encoder = (*halvings(input_shape, (max(1, width // 2), width)), _residual(width), _residual(width))
    code = quantiser
    if levels == 2:
        sides = shapes(encoder, tuple(input_shape))[-1][:-1]
        stride = tuple(2 if side > 1 else 1 for side in sides)
        code = HierarchicalQuantiser(quantiser, quantiser, (halving(width, stride), _residual(width)))
    return Spec(input_shape, encoder, code, likelihood, objective=VectorQuantisation(beta))


def _residual(width: int) -> Row:
    """Return the residual row of the paper's section 4.1: a convolution of 3, then one of 1."""
    return Residual((Conv(max(1, width // 2), 3, activation=ACTIVATION), Conv(width, 1, activation="linear")))
