"""How the priors that are networks are trained: on most of the codes, stopped by the rest."""

import keras
import numpy as np

from keras_ae.feeding import ArrayBatches
from keras_ae.guard import FiniteGuard
from keras_ae.priors.base import held_back

PATIENCE = 5


def fit_to_codes(network: keras.Model, codes: np.ndarray, *, epochs: int, batch_size: int, seed: int) -> None:
    """Fit a compiled network to codes, (n, latent_dim), and leave it with the weights of its best epoch.

    Training ends early where a held-back tenth has not improved for 5 epochs.

    Raises:
        FloatingPointError: the loss became NaN or inf.
    """
    part, held = (codes.astype("float32") for codes in held_back(codes, seed))
    stop = keras.callbacks.EarlyStopping(patience=PATIENCE, restore_best_weights=True)
    network.fit(
        ArrayBatches((part,), min(batch_size, len(part)), shuffle=True, seed=seed),
        validation_data=ArrayBatches((held,), batch_size),
        epochs=epochs,
        shuffle=False,
        callbacks=[stop, FiniteGuard()],
        verbose=0,
    )
