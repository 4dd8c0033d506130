"""Weights of the objective that change by epoch."""

from collections.abc import Callable

import keras

from keras_ae.stopping import FULL


class Anneal(keras.callbacks.Callback):
    """Set a weight of the objective at the beginning of every epoch; no backend retraces its step for it.

    Logs get `full_loss` and `val_full_loss`, the loss at the value of the last epoch, by which epochs compare. That
    value stays: a later `fit` without the callback trains with it.

    For a schedule by step write it in the spec, `objective=ELBO(beta=Ramp(0.0, 1.0, steps=5000))`: the step then
    reads it from the optimiser's count of iterations.

    Args:
        name: the weight, as the objective's row calls it: "beta" of `ELBO`, "strength" of `Sparsity`.
        schedule: epoch, counted from 0 -> value, at least 0.

    Raises:
        ValueError: at the start of training, when the model has no such weight or its spec schedules it by step; and
            when the schedule gives a negative number or NaN.

    Example:

        model.fit(x, epochs=20, callbacks=keras_ae.callbacks.Anneal("beta", lambda epoch: min(1.0, epoch / 10)))
    """

    changes_objective = True  # `fit` calls it before callbacks that look at logs.

    def __init__(self, name: str, schedule: Callable[[int], float]):
        super().__init__()
        self.name = name
        self.schedule = schedule

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Check that the model has the weight, and that nothing else moves it."""
        if self.name not in self.model.scheduled:
            known = ", ".join(self.model.scheduled) or "none"
            raise ValueError(
                f"Anneal: {self.model.name!r} has no weight {self.name!r} in its objective; it has {known}."
            )
        if self.name in self.model.spec.schedules:
            raise ValueError(f"Anneal: the spec schedules {self.name} by step already. Give the spec a plain number.")

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Set the weight."""
        self.value = self._value_at(epoch)
        self.model.scheduled[self.name].assign(self.value)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Add the loss at full weight to the logs."""
        term = self.model.weighted.get(self.name)
        missing = self._value_at(self.params["epochs"] - 1) - self.value
        for prefix in ("", "val_"):
            if logs and f"{prefix}loss" in logs and f"{prefix}{term}" in logs:
                logs[prefix + FULL] = logs[f"{prefix}loss"] + missing * logs[f"{prefix}{term}"]

    def _value_at(self, epoch: int) -> float:
        value = float(self.schedule(epoch))
        if not value >= 0:
            raise ValueError(f"Anneal: the schedule of {self.name} gives {value} at epoch {epoch}; give at least 0.")
        return value
