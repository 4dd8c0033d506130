"""How the priors that are networks are trained: on most of the codes, stopped by the rest."""

import keras
import numpy as np

from keras_ae.checks import checked_least, checked_whole
from keras_ae.feeding import ArrayBatches
from keras_ae.guard import FiniteGuard
from keras_ae.priors.base import Prior, held_back

PATIENCE = 20


class NetworkPrior(Prior):
    """Base of the priors that are trained by gradients.

    Args:
        width: units of a hidden layer.
        epochs: most passes over the codes; training ends early where a held-back tenth has not improved for 20, and the
            weights of the best epoch are kept.
        batch_size: codes a step.
        learning_rate: Adam's.
        seed: fixes the fit.

    Raises:
        ValueError: width, epochs or batch_size below 1, or a learning rate that is not positive.
    """

    def __init__(
        self, *, width: int, epochs: int = 200, batch_size: int = 256, learning_rate: float = 1e-3, seed: int = 0
    ):
        super().__init__(seed=seed)
        if not learning_rate > 0:
            raise ValueError(f"learning_rate must be positive, got {learning_rate!r}.")
        self.width = checked_least("width", width)
        self.epochs = checked_least("epochs", epochs)
        self.batch_size = checked_whole("batch_size", batch_size)
        self.learning_rate = learning_rate

    def _train(self, network: keras.Model, codes: np.ndarray) -> None:
        """Train a compiled network on codes, (n, latent_dim).

        Raises:
            FloatingPointError: the loss became NaN or inf.
        """
        part, held = (codes.astype("float32") for codes in held_back(codes, self.seed))
        stop = keras.callbacks.EarlyStopping(patience=PATIENCE, restore_best_weights=True)
        network.fit(
            ArrayBatches((part,), self.batch_size, shuffle=True, seed=self.seed),
            validation_data=ArrayBatches((held,), self.batch_size),
            epochs=self.epochs,
            shuffle=False,
            callbacks=[stop, FiniteGuard()],
            verbose=0,
        )
