"""By which loss epochs are compared while the weights of the objective move.

While `beta` climbs by a `Ramp`, a `Cycle` or the `Anneal` callback, the loss of an early epoch is low because the
weight is: who keeps the best "val_loss" keeps the weights of a small beta. Logs then have `full_loss`, the loss with
every such weight at its end, by which epochs compare.
"""

from collections.abc import Iterable

import keras

from keras_ae.schedules import moves

FULL = "full_loss"


def moving_weights(model, callbacks: Iterable[keras.callbacks.Callback] = ()) -> list[str]:
    """Return the names of the weights of the objective that move from now on.

    Args:
        model: an `Autoencoder`.
        callbacks: those of `fit`; one that has `changes_objective` moves the weight `name`.
    """
    step = int(keras.ops.convert_to_numpy(model.optimizer.iterations)) if model.compiled else 0
    by_step = [name for name in model.full_weights if moves(model.spec.scheduled[name], step)]
    return by_step + [callback.name for callback in callbacks if getattr(callback, "changes_objective", False)]


def judged_by(model, callbacks: Iterable[keras.callbacks.Callback] = ()) -> str:
    """Return the name in the logs by which epochs compare: "loss", or "full_loss" while a weight moves.

    Of several players it is "nll": how high a loss is that an opponent takes part in says who of both is ahead.
    """
    if len(model.players) > 1:
        return "nll"
    return FULL if moving_weights(model, callbacks) else "loss"


def check_monitors(model, callbacks: list[keras.callbacks.Callback]) -> None:
    """Refuse callbacks that compare the losses of epochs between which a weight moves.

    Raises:
        ValueError: `EarlyStopping`, `ReduceLROnPlateau`, `ModelCheckpoint(save_best_only=True)` or another callback
            with a `monitor` of "loss" or "val_loss".
    """
    moving = moving_weights(model, callbacks)
    for callback in callbacks:
        monitor = getattr(callback, "monitor", None)
        if moving and monitor in ("loss", "val_loss") and getattr(callback, "save_best_only", True):
            full = monitor.replace("loss", FULL)
            raise ValueError(
                f"{type(callback).__name__}: monitor={monitor!r} compares losses of epochs between which "
                f"{', '.join(moving)} moves, and is best where that is small. Give monitor={full!r}, mode='min': the "
                "loss at the weight that the schedule ends with."
            )
