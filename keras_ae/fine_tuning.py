"""Classifiers that begin as a trained encoder.

    model = keras_ae.build("conv_ae", weights="mnist")
    classifier = keras_ae.fine_tuning.classifier(model, classes=10, layer="activation_7", grid=2)
    classifier.fit(images, labels, epochs=5)
    classifier.labels(images)  # (n,)

`model.features(x, layer=..., grid=...)` gives the same features to a classifier of any other kind.
"""

from dataclasses import replace

import keras
import numpy as np

from keras_ae import registry
from keras_ae.activations import encoder_to
from keras_ae.checks import checked_least
from keras_ae.feeding import ArrayBatches, fed_fit, scaled
from keras_ae.intake import checked_rows, over_batches
from keras_ae.saving import SavesWhole
from keras_ae.spec import Spec


def classifier(
    model,
    classes: int,
    *,
    layer: str | None = None,
    grid: int | None = None,
    freeze: bool = False,
    optimizer="adam",
    seed: int | None = None,
) -> "EncoderClassifier":
    """Return a compiled classifier: a copy of a model's encoder, and a new linear layer on its features.

    Fit it with `fit(x, labels)`; the labels are whole numbers from 0 on. The model itself stays as it is.

    Args:
        model: an `Autoencoder`.
        classes: number of labels, at least 2.
        layer: the layer under the new one, as in `Autoencoder.features`.
        grid: as in `Autoencoder.features`.
        freeze: train the new layer alone: a linear probe.
        optimizer: a Keras optimiser or its name.
        seed: fixes the new layer's weights on one backend.

    Raises:
        ValueError: fewer than 2 classes, what `Autoencoder.features` refuses of `layer` and `grid`, or an encoder that
            takes inputs beside x.
    """
    found = EncoderClassifier(_of_x_alone(model.spec), classes, layer=layer, grid=grid, freeze=freeze, seed=seed)
    found.encoder.set_weights(encoder_to(model, layer, grid).get_weights())
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    found.compile(optimizer, loss=loss, metrics=["accuracy"])
    found.optimizer.build(found.trainable_variables)  # Or a file written before the first fit lacks its state.
    return found


def _of_x_alone(spec: Spec) -> Spec:
    """The spec of the same encoder in a model without inputs beside x; their parts in decoder and prior are left out.

    Raises:
        ValueError: the encoder takes inputs, labels perhaps, of which a classifier would only have to read them off.
    """
    if takers := spec.beside("encoder"):
        raise ValueError(
            f"The encoder of this model takes {', '.join(map(str, takers))} beside x, a classifier x alone. Give "
            "the inputs to=(\"decoder\",), or classify by a model without them, such as 'vae'."
        )
    code = replace(spec.code, prior=None) if spec.beside("prior") else spec.code
    return replace(spec, inputs=(), code=code)


@keras.saving.register_keras_serializable("keras_ae")
class EncoderClassifier(SavesWhole, keras.Model):
    """The encoder of a spec and a linear layer, of new weights: (batch, *input_shape) -> logits (batch, classes).

    The arguments are those of `classifier`, which gives it the weights of a trained model.

    Attributes:
        encoder: x -> features (batch, d).
        head: the linear layer.
    """

    def __init__(
        self,
        spec: Spec,
        classes: int,
        *,
        layer: str | None = None,
        grid: int | None = None,
        freeze: bool = False,
        seed: int | None = None,
        **options,
    ):
        super().__init__(**options)
        checked_least("classes", classes, least=2)
        self.spec, self.classes, self.freeze, self.seed = spec, classes, freeze, seed
        self.layer, self.grid = layer, grid
        self.encoder = encoder_to(registry.build(spec, seed=seed), layer, grid)
        self.encoder.trainable = not freeze
        start = keras.initializers.GlorotUniform(seed)
        self.head = keras.layers.Dense(classes, kernel_initializer=start, dtype="float32", name="logits")
        self.build((None, *spec.input_shape))

    def build(self, input_shape):
        """Make the weights of the linear layer; the encoder has its own."""
        self.head.build(self.encoder.output_shape)
        self.built = True

    def call(self, x, training=None):
        """Return logits: (batch, *input_shape) -> (batch, classes)."""
        return self.head(self.encoder(scaled(x), training=training and not self.freeze))

    def fit(self, x, y, batch_size: int = 128, **options):
        """Train on arrays of samples and labels, (n, *input_shape) and (n,), as `keras.Model.fit`.

        Raises:
            ValueError: data that the model cannot take, or labels that are no whole numbers in [0, classes).
        """
        x = checked_rows(x, self.spec, masks_refused=True)
        return super().fit(**fed_fit(x, self._checked_labels(y, len(x)), None, batch_size, **options))

    @over_batches
    def labels(self, x, *, batch_size: int = 256) -> np.ndarray:
        """Return the likeliest label of each sample: (n, *input_shape) -> (n,) int64."""
        x = checked_rows(x, self.spec)
        return self.predict(ArrayBatches((x,), batch_size), verbose=0).argmax(axis=1)

    def _checked_labels(self, y, count: int) -> np.ndarray:
        y = np.asarray(y)
        if y.shape != (count,):
            raise ValueError(f"y must hold one label a sample, ({count},), not {y.shape}.")
        if y.dtype.kind not in "iu" or y.min() < 0 or y.max() >= self.classes:
            raise ValueError(f"y must be whole numbers in [0, {self.classes}), not {y.dtype}, {y.min()} to {y.max()}.")
        return y.astype("int32")

    def get_config(self) -> dict:
        """Return the arguments, the spec as JSON."""
        options = {"layer": self.layer, "grid": self.grid, "freeze": self.freeze, "seed": self.seed}
        return super().get_config() | {"spec": self.spec.to_json(), "classes": self.classes, **options}

    @classmethod
    def from_config(cls, config: dict) -> "EncoderClassifier":
        """Build from `get_config`."""
        return cls(**config | {"spec": Spec.from_json(config["spec"])})
