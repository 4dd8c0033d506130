"""The conditional variational autoencoder (Sohn, Lee & Yan 2015): a `vae` whose encoder and decoder are told c.

x is a sample and c what stands beside it: a class, numbers, or both. Training minimises -ELBO of p(x|c) (Eq. 2 there),

    -log p(x|c) <= -E_q(z|x,c) [log p(x|z,c)] + KL(q(z|x,c) || p(z|c)),

so that z has no need to say what c says already: it holds the rest, such as the hand that a digit is written in. Draws
are x ~ p(x|z,c), z ~ p(z|c), of the c that is asked for.

We differ: there x is called y and c is an image, x; c enters here by concatenation, as constant channels beside an
image and as numbers beside z (their section 4.1 has a network of its own for it). p(z|c) is N(0, I) unless it is told
otherwise, as they allow (section 3); `prior="conditional"` makes it a Gaussian that a network of c gives, as theirs.
There is neither their stochastic network without q (GSNN) nor the hybrid objective with it (Eq. 5 to 7).

Take it where samples are to be had by class or by number: more digits of a rare class, faces of an age. Do not take it
to tell classes, for it must be given them; for codes in which classes stand apart, take `vae`: those of this model
leave classes out. A c that says nothing of x is ignored; one that says almost all leaves z idle, which `active_units`
shows.
"""

from keras_ae.models.encoders import conv_encoder, dense_encoder
from keras_ae.models.vae import ELBO, image_likelihood
from keras_ae.registry import register
from keras_ae.rows import Condition, ConditionalPrior, Gaussian, Input, Labels, Row, Scheduled, Shape, SpecError
from keras_ae.spec import Spec

_PRIORS = {None: None, "conditional": ConditionalPrior()}


@register("cvae")
def cvae(
    input_shape: Shape = (28, 28, 1),
    *,
    labels: int | None = 10,
    condition: int | None = None,
    latent_dim: int = 32,
    beta: Scheduled = 1.0,
    likelihood: str | None = None,
    prior: str | None = None,
) -> Spec:
    """Dense conditional variational autoencoder, 512-256-code (Sohn et al. 2015).

    It trains by `fit(x, labels=...)`, and `sample(8, labels=3)` draws eight samples of class 3.

    Args:
        input_shape: shape of one sample.
        labels: number of classes, given as `labels`, whole numbers from 0 on; None for none.
        condition: how many numbers each sample is conditioned on, given as `condition`; None for none.
        latent_dim: dimensions of z.
        beta: weight of the KL, a number, a `Ramp` or a `Cycle`.
        likelihood: p(x|z,c); None means "bernoulli" for one channel, else "gaussian_global" (Rybkin et al. 2021).
        prior: None for N(0, I), "conditional" for a Gaussian given labels and condition, learned along.
    """
    return _conditional(dense_encoder(input_shape), input_shape, labels, condition, latent_dim, beta, likelihood, prior)


@register("conv_cvae")
def conv_cvae(
    input_shape: Shape = (28, 28, 1),
    *,
    labels: int | None = 10,
    condition: int | None = None,
    latent_dim: int = 16,
    beta: Scheduled = 1.0,
    likelihood: str | None = None,
    prior: str | None = None,
) -> Spec:
    """Convolutional conditional variational autoencoder; the arguments are those of `cvae`."""
    return _conditional(conv_encoder(input_shape), input_shape, labels, condition, latent_dim, beta, likelihood, prior)


def _conditional(
    encoder: tuple[Row, ...], input_shape: Shape, labels, condition, latent_dim: int, beta, likelihood, prior
) -> Spec:
    if prior not in _PRIORS:
        raise SpecError(f'cvae: prior must be None, for N(0, I), or "conditional", got {prior!r}.')
    code = Gaussian(latent_dim, prior=_PRIORS[prior])
    inputs = _inputs(labels, condition, ("encoder", "decoder") + ("prior",) * (prior is not None))
    likelihood = image_likelihood(input_shape, likelihood)
    return Spec(input_shape, encoder, code, likelihood, objective=ELBO(beta), inputs=inputs)


def _inputs(labels: int | None, condition: int | None, to: tuple[str, ...]) -> tuple[Input, ...]:
    counts = ((Labels, labels), (Condition, condition))
    if labels is None and condition is None:
        raise SpecError(
            "cvae: labels and condition are both None. Say how many classes there are, labels=10, or how many numbers "
            "each sample is conditioned on, condition=2; without either it is 'vae'."
        )
    return tuple(row(count, to=to) for row, count in counts if count is not None)
