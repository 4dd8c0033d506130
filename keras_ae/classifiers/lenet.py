"""LeNet with 64 features: two convolutions, a dense layer, logits (after LeCun et al. 1998)."""

import keras
import numpy as np

FEATURES = 64


def lenet(input_shape: tuple[int, int, int] = (28, 28, 1), classes: int = 10, *, seed: int | None = None):
    """Return a compiled classifier of small pictures: (batch, h, w, c) -> logits (batch, classes).

    Args:
        input_shape: h, w and c; h and w at least 16.
        classes: number of labels, which are 0, 1, ....
        seed: fixes the initial weights on one backend.

    Raises:
        ValueError: another input shape.
    """
    if len(input_shape) != 3 or min(input_shape[:2]) < 16:
        raise ValueError(f"input_shape must be (h, w, c) with sides of at least 16, got {input_shape}.")
    seeds = np.random.default_rng(seed).integers(2**31, size=4).tolist()
    start = [keras.initializers.GlorotUniform(value) for value in seeds]
    x = keras.Input(input_shape, name="x")
    h = keras.layers.Conv2D(16, 5, activation="relu", kernel_initializer=start[0])(x)
    h = keras.layers.MaxPooling2D(2)(h)
    h = keras.layers.Conv2D(32, 5, activation="relu", kernel_initializer=start[1])(h)
    h = keras.layers.MaxPooling2D(2)(h)
    h = keras.layers.Flatten()(h)
    h = keras.layers.Dense(FEATURES, activation="relu", kernel_initializer=start[2], name="features")(h)
    logits = keras.layers.Dense(classes, kernel_initializer=start[3], name="logits")(h)
    model = keras.Model(x, logits, name="lenet")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-3), loss=loss, metrics=["accuracy"])
    return model


class Classifier:
    """A trained `lenet` as features and labels, NumPy in and out.

    Args:
        model: the network.
    """

    def __init__(self, model: keras.Model):
        self.model = model
        self.body = keras.Model(model.input, [model.get_layer("features").output, model.output])

    def features(self, x: np.ndarray) -> np.ndarray:
        """Return the features of pictures in [0, 1], after their rectifier: (n, h, w, c) -> (n, 64).

        Raises:
            ValueError: another shape, or values outside [0, 1].
        """
        return self._of(x)[0]

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Return the label of each picture: (n, h, w, c) in [0, 1] -> (n,) int64; errors as in `features`."""
        return self._of(x)[1].argmax(axis=1)

    def _of(self, x) -> list[np.ndarray]:
        x = np.asarray(x)
        x = x.astype("float32") / 255 if x.dtype == np.uint8 else x.astype("float32")
        shape = self.model.input_shape[1:]
        if x.shape[1:] != shape or not len(x):
            raise ValueError(f"x has shape {x.shape}, but the classifier takes (n, {', '.join(map(str, shape))}).")
        if not (x.min() >= 0 and x.max() <= 1):  # Not `<`: NaN is refused too.
            raise ValueError(f"x must lie in [0, 1], not [{x.min():.4g}, {x.max():.4g}]: clip samples first.")
        return self.body.predict(x, batch_size=256, verbose=0)
