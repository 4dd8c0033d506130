"""The denoising autoencoder: rebuild x from a corrupted x (Vincent et al. 2008; 2010, JMLR 11).

The objective is the autoencoder's own; the corruption is in the spec, and any other model type may have one as well.
"""

from keras_ae.models.encoders import conv_encoder, dense_encoder
from keras_ae.registry import register
from keras_ae.rows import Corruption, Shape, Vector, corruption_row
from keras_ae.spec import Spec


@register("denoising_ae")
def denoising_ae(
    input_shape: Shape = (28, 28, 1),
    *,
    latent_dim: int = 128,
    corruption: str | Corruption | tuple[Corruption, ...] = "gaussian",
    strength: float | tuple[float, float] | None = None,
    likelihood: str = "gaussian",
    tied: bool = False,
) -> Spec:
    """Dense denoising autoencoder (Vincent et al. 2008).

    Args:
        input_shape: shape of one sample.
        latent_dim: units of the code.
        corruption: a name of `keras_ae.rows.CORRUPTIONS`: "gaussian", "poisson", "speckle", "salt_and_pepper",
            "masking", "missing", "blur", "jpeg", or "spectral" for log-mel spectrograms; a row such as `Masking(0.25)`;
            or several rows, which follow one another.
        strength: the first field of the named row, such as sigma of the Gaussian noise (default 0.5), the share of
            values that is hit (default 0.3), or the least and greatest signal-to-noise ratio of spectral noise in dB
            (default (-5, 20)).
        likelihood: p(x|z).
        tied: whether the decoder uses the encoder's kernels, transposed (Vincent et al. 2010, section 2).
    """
    row = corruption_row(corruption, strength)
    return Spec(input_shape, dense_encoder(input_shape), Vector(latent_dim), likelihood, corruption=row, tied=tied)


@register("conv_denoising_ae")
def conv_denoising_ae(
    input_shape: Shape = (28, 28, 1),
    *,
    latent_dim: int = 128,
    corruption: str | Corruption | tuple[Corruption, ...] = "gaussian",
    strength: float | tuple[float, float] | None = None,
    likelihood: str = "gaussian",
    tied: bool = False,
) -> Spec:
    """Convolutional denoising autoencoder (Vincent et al. 2010); the arguments are those of `denoising_ae`."""
    row = corruption_row(corruption, strength)
    return Spec(input_shape, conv_encoder(input_shape), Vector(latent_dim), likelihood, corruption=row, tied=tied)
