"""The encoders that the named models share: dense, and convolutional of any rank and of any sides."""

from keras_ae.rows import Conv, Dense, Flatten, Row, Shape, SpecError
from keras_ae.spec import checked_shape

DENSE_WIDTHS = (512, 256)
CONV_WIDTHS = (32, 64, 128, 256)
# Elfwing et al. 2018. Chosen over "relu" by the validation -ELBO of conv_vae on MNIST.
ACTIVATION = "silu"
_LARGE = 15  # An odd side above it is halved on: the dense row after it would be several times that of a power of two.
_SMALL = 7  # A side of up to so many is left as it is.


def dense_encoder(input_shape: Shape, widths: tuple[int, ...] = DENSE_WIDTHS) -> tuple[Row, ...]:
    """Return dense rows, flattening first where x has axes to flatten."""
    flatten = (Flatten(),) if len(checked_shape(input_shape)) > 1 else ()
    return (*flatten, *(Dense(width, ACTIVATION) for width in widths))


def conv_encoder(input_shape: Shape, widths: tuple[int, ...] = CONV_WIDTHS, units: int = 256) -> tuple[Row, ...]:
    """Return the rows of `halvings`, then a dense row."""
    return (*halvings(input_shape, widths), Flatten(), Dense(units, ACTIVATION))


def halvings(input_shape: Shape, widths: tuple[int, ...] = CONV_WIDTHS) -> tuple[Conv, ...]:
    """Return strided convolutions that halve the sides, as many as `widths` and the sides allow.

    All sides are halved together while all are even and above 4: 28x28 takes two of `widths` (to 7x7), 32x32 three,
    64x64 four. Where an odd side above 15 is in the way, or one that is odd from the first, each axis goes on by
    itself while it is above 7, rounded up: 250x250 takes four (125, 63, 32, 16), 45x30 three.

    Raises:
        SpecError: no side can be halved even once; a side is None.
    """
    strides = _strides(checked_shape(input_shape), len(widths))
    if not strides:
        raise SpecError(
            f"input_shape={tuple(input_shape)} does not suit a convolutional model, whose strides halve the sides: "
            "one must be at least 8, or all even and above 4. Pad or resize the input, or use the dense model of the "
            "same type."
        )
    return tuple(map(halving, widths, strides))


def _strides(input_shape: Shape, most: int) -> list[tuple[int, ...]]:
    """Return the strides of up to `most` convolutions, 1 or 2 for each axis."""
    sides, strides = tuple(input_shape[:-1]), []
    while sides and len(strides) < most and all(side % 2 == 0 and side > 4 for side in sides):
        sides, strides = tuple(side // 2 for side in sides), [*strides, (2,) * len(sides)]
    if strides and not any(side % 2 and side > _LARGE for side in sides):
        return strides
    while len(strides) < most and any(side > _SMALL for side in sides):
        step = tuple(2 if side > _SMALL else 1 for side in sides)
        sides, strides = tuple(-(-side // by) for side, by in zip(sides, step, strict=True)), [*strides, step]
    return strides


def halving(width: int, stride: tuple[int, ...]) -> Conv:
    """Return a convolution of that stride, 1 or 2 an axis, whose kernel less its stride is even along each axis."""
    if set(stride) == {2}:
        return Conv(width, kernel=4, stride=2, activation=ACTIVATION)
    return Conv(width, kernel=tuple(by + 2 for by in stride), stride=stride, activation=ACTIVATION)
