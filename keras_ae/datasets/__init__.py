"""Data: a name, a file, a folder or an array goes in; checked parts and batches come out.

    data = keras_ae.datasets.load("mnist_mini")
    model.fit(data.train.batches(128, shuffle=True, binarize="dynamic"))

`load` takes any source, `list_datasets` names those known by heart. A `Dataset` has three `Part`s (train,
validation, test), and a part gives arrays (`part.x`, `part.y`) or `Batches` for `model.fit`.
"""

from keras_ae.datasets.batches import Batches
from keras_ae.datasets.catalogue import list_datasets
from keras_ae.datasets.loading import load
from keras_ae.datasets.parts import Dataset, Part

__all__ = ["Batches", "Dataset", "Part", "list_datasets", "load"]
