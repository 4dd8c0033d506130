"""The autoencoder: a bottleneck and nothing else (Hinton & Salakhutdinov 2006; Masci et al. 2011 for convolutions)."""

from dataclasses import dataclass
from typing import ClassVar

import keras

from keras_ae.autoencoder import Autoencoder
from keras_ae.models.encoders import conv_encoder, dense_encoder
from keras_ae.registry import register, register_type
from keras_ae.rows import Objective, Shape, Vector
from keras_ae.spec import Spec


@dataclass(frozen=True)
class Reconstruction(Objective):
    """-log p(x|z) at the code of x, and nothing else."""

    model: ClassVar[str] = "ae"


@register_type(Reconstruction)
@keras.saving.register_keras_serializable("keras_ae")
class AE(Autoencoder):
    """Minimise -log p(x|z); under the Gaussian likelihood that is the squared error."""


@register("ae")
def ae(
    input_shape: Shape = (28, 28, 1), *, latent_dim: int = 32, likelihood: str = "gaussian", tied: bool = False
) -> Spec:
    """Dense autoencoder, 512-256-code (Hinton & Salakhutdinov 2006, Science 313).

    Args:
        input_shape: shape of one sample.
        latent_dim: units of the code.
        likelihood: p(x|z).
        tied: whether the decoder uses the encoder's kernels, transposed (Vincent et al. 2010, JMLR 11, section 2).
    """
    return Spec(input_shape, dense_encoder(input_shape), Vector(latent_dim), likelihood, tied=tied)


@register("conv_ae")
def conv_ae(
    input_shape: Shape = (28, 28, 1), *, latent_dim: int = 32, likelihood: str = "gaussian", tied: bool = False
) -> Spec:
    """Convolutional autoencoder: strided convolutions to the code and transposed ones back (Masci et al. 2011).

    The arguments are those of `ae`.
    """
    return Spec(input_shape, conv_encoder(input_shape), Vector(latent_dim), likelihood, tied=tied)
