"""Denoising networks that add to their input what takes the noise off, at several scales."""

from keras_ae.rows import Activation, Conv, Corruption, Deconv, Flatten, Identity, Normal, Reshape, Residual, Shape
from keras_ae.rows.layers import shapes
from keras_ae.spec import Spec, checked_shape


def denoising_spec(
    input_shape: Shape, corruption: Corruption | None = None, *, widths: tuple[int, ...] = (32, 64)
) -> Spec:
    """Return a spec for denoising of images, spectrograms or series: x plus what a U-Net and a last touch add to it.

    The network learns the noise and not the picture (Zhang et al. 2017, DnCNN), at half the sides, a quarter of them
    and so on, each scale around the next (Ronneberger et al. 2015, U-Net; we add where they concatenate). The code is
    the picture between the two parts, so that what needs no denoising passes unchanged. The loss is the logarithm of
    the squared error of each sample, that is its PSNR (`Normal("sample")`).

    Args:
        input_shape: (*sides, channels), sides of any length, but not None.
        corruption: what the model is to undo, such as `OneOf((GaussianNoise(0.5), SaltAndPepper(0.3)))`, or None for
            training on pairs: `fit(noisy, clean)`.
        widths: channels at each scale, the finest first.
    """
    channels = checked_shape(input_shape)[-1]
    touch = Residual((Conv(8, activation="silu"), Conv(channels, activation="linear")))
    encoder = (_unet(channels, widths), Flatten())
    (pixels,) = shapes(encoder, input_shape)[-1]
    decoder = (Reshape(input_shape), touch)
    return Spec(input_shape, encoder, Identity(pixels), Normal("sample"), decoder, corruption=corruption)


def _unet(channels: int, widths: tuple[int, ...]) -> Residual:
    """Return rows at half the sides, and at smaller ones inside of them, around which x passes by."""
    width, *others = widths
    inner = (Residual((Activation("silu"), *_unet(width, others).rows)),) if others else ()
    rows = (
        Conv(width, kernel=4, stride=2, activation="linear"),
        _convolutions(width),
        *inner,
        _convolutions(width),
        Activation("silu"),
        Deconv(channels, kernel=4, stride=2, activation="linear"),
    )
    return Residual(rows)


def _convolutions(width: int) -> Residual:
    """Return two 3x3 convolutions around which x passes by, activation first (He et al. 2016, "Identity mappings")."""
    return Residual((Activation("silu"), Conv(width, activation="silu"), Conv(width, activation="linear")))
