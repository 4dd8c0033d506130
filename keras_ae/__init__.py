"""keras_ae: a Keras 3 model zoo of autoencoders.

    import keras_ae

    model = keras_ae.build("conv_vae", latent_dim=2)
    model.fit(images, epochs=10)
    codes, pictures = model.encode(images), model.sample(16)

    model = keras_ae.build("conv_vae", weights="mnist")  # pretrained

`list_models()` names the models; `spec(name)` shows one as a table of rows; `list_weights()` names pretrained weights,
and `card(name)` says what they are; `datasets.load(name)` brings data.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from keras_ae import models, rows
from keras_ae.autoencoder import Autoencoder
from keras_ae.corruptions import corrupted
from keras_ae.models import *
from keras_ae.pretrained import card, list_weights
from keras_ae.registry import build, describe, list_models, register, register_layer, register_type, spec
from keras_ae.rows import *
from keras_ae.saving import load_model
from keras_ae.spec import Spec
from keras_ae.train_step.distribution import distribute
from keras_ae.unet import denoising_spec

if TYPE_CHECKING:  # What editors read; `__getattr__` imports them.
    from keras_ae import (
        anomaly,
        audio,
        callbacks,
        classifiers,
        datasets,
        estimators,
        evaluation,
        fine_tuning,
        imputation,
        metrics,
        neighbours,
        plots,
        priors,
        runs,
    )

__version__ = "0.1.0"

__all__ = [
    "Autoencoder",
    "Spec",
    "build",
    "card",
    "corrupted",
    "denoising_spec",
    "describe",
    "distribute",
    "list_models",
    "list_weights",
    "load_model",
    "register",
    "register_layer",
    "register_type",
    "spec",
]
__all__ += models.__all__
__all__ += rows.__all__

_ON_USE = (
    "anomaly",
    "audio",
    "callbacks",
    "classifiers",
    "datasets",
    "estimators",
    "evaluation",
    "fine_tuning",
    "imputation",
    "metrics",
    "neighbours",
    "plots",
    "priors",
    "runs",
)


# Names of version 0.1.0, and what is written today.
_MOVED = {
    "Sparse": 'Spec(..., code=sparse_code(64, "l1"), objective=Sparsity("l1", strength=0.1))',
    "Neighbours": "Spec(..., code=Vector(2), objective=NeighbourEmbedding(strength=50.0))",
}


def __getattr__(name: str):
    """Import the parts that need more than Keras when they are first used."""
    if name in _ON_USE:
        return import_module(f"keras_ae.{name}")
    today = f". Since version 0.1.0 write {_MOVED[name]}" if name in _MOVED else ""
    raise AttributeError(f"module 'keras_ae' has no attribute {name!r}{today}")


def __dir__() -> list[str]:
    """What is there, and what is imported when it is first used."""
    return sorted({*globals(), *_ON_USE})
