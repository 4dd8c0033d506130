"""Small classifiers that ship with the package, whose features measure generated samples.

    classifier = keras_ae.classifiers.load("mnist")
    features = classifier.features(images)  # (n, 64)
    distance = keras_ae.metrics.frechet_distance(classifier.features(test), classifier.features(samples))

The distance in the features of this LeNet is called FD-LeNet here. It is not FID, whose features are those of
Inception, and no published number may stand beside it. Compare numbers of the same n only.
"""

import io
import json
import os
from pathlib import Path

import keras
import numpy as np

from keras_ae.classifiers.lenet import Classifier, lenet
from keras_ae.files import replacing
from keras_ae.pretrained.folders import Folder, digest

__all__ = ["Classifier", "card", "lenet", "list_classifiers", "load", "pack"]

ROOT = Path(__file__).parent
CATALOGUE, CARD, WEIGHTS = "catalogue.json", "card.json", "weights.npz"


def list_classifiers() -> list[str]:
    """Return the names of the data sets whose classifier ships with the package."""
    return sorted(_catalogue())


def card(name: str) -> dict:
    """Return what is known of the classifier of a data set: data, training, accuracy on the test part.

    Raises:
        ValueError: there is none of that name, or its file is damaged.
    """
    return json.loads(_folder(name).read(CARD))


def load(name: str) -> "Classifier":
    """Return the trained classifier of a data set, such as "mnist", on any backend.

    Raises:
        ValueError: there is none of that name, or a file's SHA-256 is not that of the catalogue.
        FileNotFoundError: a file is missing.
    """
    facts = card(name)
    classifier = Classifier(lenet(tuple(facts["input_shape"]), facts["classes"]))
    with np.load(io.BytesIO(_folder(name).read(WEIGHTS)), allow_pickle=False) as file:
        classifier.model.set_weights([file[str(number)].astype("float32") for number in range(len(file.files))])
    return classifier


def pack(model: keras.Model, folder: str | os.PathLike) -> None:
    """Write the weights of a classifier as float16, and leave the model with the weights as stored."""
    weights = [weight.astype("float16") for weight in model.get_weights()]
    Path(folder).mkdir(parents=True, exist_ok=True)
    with replacing(Path(folder) / WEIGHTS) as temporary:
        np.savez_compressed(temporary, **{str(number): weight for number, weight in enumerate(weights)})
    model.set_weights([weight.astype("float32") for weight in weights])


def refresh_catalogue(root: str | os.PathLike = ROOT) -> None:
    """Write `catalogue.json`, the SHA-256 of card and weights of every folder in `root`."""
    folders = sorted(path.parent for path in Path(root).glob(f"*/{CARD}"))
    found = {path.name: {file: digest((path / file).read_bytes()) for file in (CARD, WEIGHTS)} for path in folders}
    with replacing(Path(root) / CATALOGUE) as temporary:
        temporary.write_text(json.dumps(found, indent=1) + "\n")


def _catalogue() -> dict[str, dict[str, str]]:
    return json.loads((ROOT / CATALOGUE).read_text())


def _folder(name: str) -> Folder:
    catalogue = _catalogue()
    if name not in catalogue:
        raise ValueError(f"There is no classifier of {name!r}. There are {', '.join(sorted(catalogue))}.")
    return Folder(ROOT / name, name, catalogue[name])
