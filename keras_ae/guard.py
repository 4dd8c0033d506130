"""Stop training at the first loss that is not a number, and give back the last good weights."""

import math

import keras
import numpy as np


class FiniteGuard(keras.callbacks.Callback):
    """Raise `FloatingPointError`, naming the term, when a loss is NaN or inf; `restore` undoes the epoch.

    `Autoencoder.fit` always uses one. It keeps a copy of weights and optimiser state from the beginning of the epoch.

    Args:
        beside: let Keras run it beside the next step, in another thread, which it may as it reads logs only. Where logs
            are there when the step returns, False spares the hand-over.
    """

    def __init__(self, *, beside: bool = True):
        super().__init__()
        self.async_safe = beside
        self.good = None
        self.epoch = 0

    def _variables(self):
        return [*self.model.variables, *self.model.optimizer.variables]

    def on_epoch_begin(self, epoch, logs=None):
        """Keep a copy of the state."""
        self.epoch = epoch
        if not self.model.optimizer.built:  # Or its state would be made in the first step and missing in the copy.
            self.model.optimizer.build(self.model.trainable_variables)
        self.good = [np.array(keras.ops.convert_to_numpy(variable)) for variable in self._variables()]

    def on_train_batch_end(self, batch, logs=None):
        """Check the running means, which stay NaN once a step was."""
        self._check(logs, f"step {batch + 1} of epoch {self.epoch + 1}")

    def on_epoch_end(self, epoch, logs=None):
        """Check the epoch's losses, those of validation too."""
        self._check(logs, f"the end of epoch {epoch + 1}")

    def _check(self, logs, when: str) -> None:
        bad = [name for name, value in (logs or {}).items() if isinstance(value, float) and not math.isfinite(value)]
        if bad:
            terms = [name for name in bad if not name.endswith("loss")] or bad
            raise FloatingPointError(
                f"{', '.join(terms)} became {logs[terms[0]]} at {when}. The weights are back at the beginning of that "
                "epoch. Lower the learning rate, clip gradients (clipnorm=1.0), or look at the data's range."
            )

    def restore(self) -> None:
        """Put the copied state back; before the first epoch there is none."""
        if self.good is None:
            return
        for variable, value in zip(self._variables(), self.good, strict=True):
            variable.assign(value)
