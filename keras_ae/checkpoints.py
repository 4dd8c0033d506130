"""The state of a run in files, after whole epochs and within them: the last file goes on as if nothing had happened.

| file | after |
|---|---|
| `epoch-0002.weights.h5` | 2 epochs |
| `epoch-0002-step-000300.weights.h5` | 2 epochs and 300 steps of the third |

Each holds weights, optimiser, schedules and random generators, as `Autoencoder.save_weights` writes them, and the
running means of the epoch's loss and terms, so that the numbers logged at its end are those of the whole epoch.
"""

import re
from pathlib import Path
from typing import NamedTuple

import h5py
import keras
import numpy as np

from keras_ae import digests
from keras_ae.autoencoder import Autoencoder
from keras_ae.datasets import Batches
from keras_ae.files import replacing
from keras_ae.train_step.distribution import workers

PATTERN = "epoch-*.weights.h5"
NAME = re.compile(r"epoch-(\d+)(?:-step-(\d+))?\.weights\.h5")


class Checkpoint(NamedTuple):
    """How far a state is: whole epochs, its file (None: there is none), and steps of the epoch after them."""

    epochs: int = 0
    path: Path | None = None
    steps: int = 0


def last_checkpoint(folder: Path) -> Checkpoint:
    """Return the state in `folder` that is farthest."""
    names = ((NAME.fullmatch(path.name), path) for path in folder.glob(PATTERN))
    found = (Checkpoint(int(match[1]), path, int(match[2] or 0)) for match, path in names if match)
    return max(found, key=lambda checkpoint: (checkpoint.epochs, checkpoint.steps), default=Checkpoint())


class KeepState(keras.callbacks.Callback):
    """Keep the state after each epoch, the older files removed when the newer one is whole.

    Args:
        folder: where the files go.
        train: the batches trained on; their order and noise are set to the epoch's.
    """

    def __init__(self, folder: Path, train: Batches):
        super().__init__()
        self.folder, self.train = folder, train
        self._means = None  # Of the epoch that a restored state was cut off in.

    def restore(self, model: Autoencoder) -> Checkpoint:
        """Load the last state into `model`, or save the first one; `train` then starts at its step.

        Of several processes every one loads, and the chief alone saves.
        """
        last = last_checkpoint(self.folder)
        if last.path is None:
            self.save(model, 0)
            return last
        model.load_weights(last.path)
        self.train.start = last.steps
        if last.steps:
            with h5py.File(last.path) as file:
                means = [file[f"means/{place}"][()] for place in range(len(model.metrics_variables))]
            # Those of an older version may lack a term: the epoch's numbers are then of what is left of it.
            if [mean.shape for mean in means] == [tuple(v.shape) for v in model.metrics_variables]:
                self._means = means
        return last

    def save(self, model: Autoencoder, epochs: int, steps: int = 0) -> None:
        """Write the state after `epochs` epochs and `steps` steps, then remove the states before it."""
        if not workers().chief:
            return
        path = self.folder / (f"epoch-{epochs:04d}" + (f"-step-{steps:06d}" if steps else "") + ".weights.h5")
        with replacing(path) as temporary:
            model.save_weights(temporary)
            if steps:
                means = [keras.ops.convert_to_numpy(variable) for variable in model.metrics_variables]
                with h5py.File(temporary, "a") as file:
                    for place, mean in enumerate(means):
                        file[f"means/{place}"] = np.asarray(mean)
                digests.sign(temporary)
        for older in self.folder.glob(PATTERN):
            if older != path:
                older.unlink()

    def on_epoch_begin(self, epoch, logs=None):
        """Set the order and the noise of the epoch, and the means of the steps before the cut."""
        self.train.epoch = self.epoch = epoch
        if self._means is not None:
            for variable, mean in zip(self.model.metrics_variables, self._means, strict=True):
                variable.assign(mean)
            self._means = None

    def on_epoch_end(self, epoch, logs=None):
        """Keep the state. This comes after the history's line: a kill between the two repeats the epoch."""
        self.save(self.model, epoch + 1)


class KeepStateWithin(KeepState):
    """Keep the state every `every` steps, too.

    A class of its own, because Keras runs the callbacks of a step beside the next one where none needs the model.
    """

    def __init__(self, folder: Path, train: Batches, every: int):
        super().__init__(folder, train)
        self.every = every

    def on_train_batch_end(self, batch, logs=None):
        """Keep the state where it is time to; the last step's comes with the epoch's end."""
        done = self.train.start + batch + 1
        if done % self.every == 0 and batch + 1 < len(self.train):
            self.save(self.model, self.epoch, done)
