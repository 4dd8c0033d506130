"""Batches in which samples meet their nearest neighbours, for `neighbour_ae`. Extra "sklearn".

model = keras_ae.build("neighbour_ae", latent_dim=2, seed=0)
model.fit(keras_ae.neighbours.NeighbourBatches(images), epochs=10)
"""

import keras
import numpy as np

from keras_ae.checks import checked_examples, checked_least
from keras_ae.extras import optional
from keras_ae.feeding import rows_of, x_of

DIMENSIONS = 30  # Principal components in which neighbours are looked for, as t-SNE's users do.


def nearest(x: np.ndarray, *, neighbours: int = 5, seed: int = 0) -> np.ndarray:
    """Return the indices of each sample's nearest others, nearest first: (n, ...) -> (n, neighbours).

    Distances are Euclidean, in the first 30 principal components of samples that have more values than that.

    Args:
        x: samples.
        neighbours: how many, fewer than there are samples.
        seed: fixes what is random in finding the components.

    Raises:
        ValueError: x is no array of numbers, has NaN or inf, or no more samples than `neighbours`.
        ImportError: scikit-learn is missing.
    """
    decomposition = optional("sklearn.decomposition", "scikit-learn", "sklearn")
    search = optional("sklearn.neighbors", "scikit-learn", "sklearn")
    x = checked_examples(x)
    checked_least("neighbours", neighbours)
    if len(x) <= neighbours:
        raise ValueError(f"x has {len(x)} samples, of which none has neighbours={neighbours} others. Ask for fewer.")
    rows = x.reshape(len(x), -1).astype("float32")
    if min(rows.shape) > DIMENSIONS:
        rows = decomposition.PCA(DIMENSIONS, random_state=seed).fit_transform(rows)
    return search.NearestNeighbors(n_neighbors=neighbours).fit(rows).kneighbors(return_distance=False)


class NeighbourBatches(keras.utils.PyDataset):
    """Batches of samples with neighbours of theirs: a random sample, and a few of its nearest in all the data.

    Batches drawn without a thought hold the nearest of few samples, which are far. An epoch has as many batches as one
    over plain samples, and begins with the samples that the one before did not come to.

    Args:
        x: samples, (n, ...), as the model takes them, or a dict of them and of what it takes beside them.
        batch_size: samples in a batch, a multiple of `beside` + 1.
        beside: neighbours that come with a sample.
        neighbours: how many nearest ones they are drawn from.
        seed: fixes the order and the draws.

    Raises:
        ValueError: a batch size that is no such multiple or beyond the samples, `beside` above `neighbours`, or what
            `nearest` refuses.
        ImportError: scikit-learn is missing.
    """

    shuffle = True  # They have an order of their own, which Keras is not to change.

    def __init__(
        self, x: np.ndarray | dict, batch_size: int = 128, *, beside: int = 1, neighbours: int = 5, seed: int = 0
    ):
        super().__init__()
        self.count = len(x_of(x))
        if not 1 <= beside <= neighbours:
            raise ValueError(f"beside must lie in [1, neighbours={neighbours}], got {beside}.")
        if batch_size < 1 or batch_size % (beside + 1) or batch_size > self.count:
            raise ValueError(
                f"batch_size must be a multiple of beside + 1 = {beside + 1} and at most the {self.count} samples, "
                f"got {batch_size}."
            )
        self.x, self.batch_size, self.beside, self.seed = x, batch_size, beside, seed
        self.nearest = nearest(x_of(x), neighbours=neighbours, seed=seed)
        self.epoch = 0

    def __len__(self) -> int:
        """Batches an epoch."""
        return self.count // self.batch_size

    def __getitem__(self, index: int) -> tuple:
        """The batch at `index`."""
        step = self.epoch * len(self) + index
        of_pass = self.count // (self.batch_size // (self.beside + 1))  # Batches until all samples have had a turn.
        order = np.random.default_rng([self.seed, step // of_pass]).permutation(self.count)
        rows = order[step % of_pass :: of_pass][: self.batch_size // (self.beside + 1)]
        rng = np.random.default_rng([self.seed, 1, step])
        drawn = rng.permuted(self.nearest[rows], axis=1)[:, : self.beside]
        return (rows_of(self.x, np.concatenate([rows, drawn.ravel()])),)

    def on_epoch_end(self) -> None:
        """Called by Keras: go on in the order."""
        self.epoch += 1
