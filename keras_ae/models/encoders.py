"""The encoders that the named models share: dense, and convolutional of any rank."""

from keras_ae.rows import Conv, Dense, Flatten, Row, Shape, SpecError

DENSE_WIDTHS = (512, 256)
CONV_WIDTHS = (32, 64, 128, 256)
# Elfwing et al. 2018. Chosen over "relu" by the validation -ELBO of conv_vae on MNIST.
ACTIVATION = "silu"


def dense_encoder(input_shape: Shape, widths: tuple[int, ...] = DENSE_WIDTHS) -> tuple[Row, ...]:
    """Return dense rows, flattening first where x has axes to flatten."""
    flatten = (Flatten(),) if len(input_shape) > 1 else ()
    return (*flatten, *(Dense(width, ACTIVATION) for width in widths))


def conv_encoder(input_shape: Shape, widths: tuple[int, ...] = CONV_WIDTHS, units: int = 256) -> tuple[Row, ...]:
    """Return strided convolutions that halve the sides while they stay even and above 4, then a dense row.

    28x28 takes two of `widths` (to 7x7), 32x32 three, 64x64 four.

    Raises:
        SpecError: the sides cannot be halved even once.
    """
    sides, count = tuple(input_shape[:-1]), 0
    while sides and count < len(widths) and all(side % 2 == 0 and side > 4 for side in sides):
        sides, count = tuple(side // 2 for side in sides), count + 1
    if not count:
        raise SpecError(
            f"input_shape={tuple(input_shape)} does not suit a convolutional model, whose strides halve the sides: "
            "each must be even and above 4. Pad or resize the input, or use the dense model of the same type."
        )
    return (
        *(Conv(width, kernel=4, stride=2, activation=ACTIVATION) for width in widths[:count]),
        Flatten(),
        Dense(units, ACTIVATION),
    )
