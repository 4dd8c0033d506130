"""What fixes a run, beside the code and the machine: the model, the data, and how the one is trained on the other."""

from dataclasses import dataclass, field, replace

import numpy as np

from keras_ae import datasets, registry
from keras_ae.checks import checked_inputs, checked_whole
from keras_ae.rows import Condition, Labels
from keras_ae.spec import Spec

SMOKE_SAMPLES = 256
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")


@dataclass(frozen=True)
class Settings:
    """What fixes a run, beside the code and the machine.

    Args:
        model: a name of `list_models()`, or the path of a `spec.json`.
        dataset: what `datasets.load` takes as a name or path.
        epochs: passes over the training part.
        batch_size: samples in a step; None becomes 64 below 20,000 training samples, else 128.
        learning_rate: of Adam, at the first step.
        schedule: "cosine", from `learning_rate` to 0 over the run (Loshchilov & Hutter 2017), or "constant".
        clipnorm: greatest norm of each gradient, or None; 1.0 steadies deep decoders under a Gaussian likelihood.
        precision: "float32", or "mixed_bfloat16" or "mixed_float16": hidden layers compute in 16 bits, weights and the
            loss stay float32 (Micikevicius et al. 2018).
        seed: fixes weights, order, noise and the validation split.
        binarize: None, "dynamic", "static" or "threshold"; see `datasets.Batches`.
        validation: share (or number) of training samples kept for validation.
        image_size: (height, width) to which a folder's images are resized.
        alpha: what becomes of a folder's transparent images, see `keras_ae.datasets.load`.
        stream: read the data while training instead of holding them in memory.
        backup_every: steps between two backups within an epoch, from which a run that was cut off goes on; None keeps
            the state after each epoch alone.
        smoke: train on 256 samples only: a test of the machinery, not of the model.
        overrides: options of the named model, such as `{"latent_dim": 2}`. How many classes a conditional model has,
            or how many numbers stand beside a sample, the data say where `labels` is not among them.
        conditional: give the model the labels of the data beside x (`Spec.conditional`).
    """

    model: str
    dataset: str = "mnist_mini"
    epochs: int = 30
    batch_size: int | None = None
    learning_rate: float = 2e-3
    schedule: str = "cosine"
    clipnorm: float | None = None
    precision: str = "float32"
    seed: int = 0
    binarize: str | None = None
    validation: float = 0.1
    image_size: tuple[int, int] | None = None
    alpha: str = "white"
    stream: bool = False
    backup_every: int | None = None
    smoke: bool = False
    overrides: dict = field(default_factory=dict)
    conditional: bool = False

    def __post_init__(self):
        for name in ("epochs", "batch_size", "backup_every"):
            value = getattr(self, name)
            if value is not None:
                checked_whole(name, value)
        if not self.learning_rate > 0:
            raise ValueError(f"learning_rate must be greater than 0, got {self.learning_rate}.")
        if self.clipnorm is not None and not self.clipnorm > 0:
            raise ValueError(f"clipnorm must be greater than 0, got {self.clipnorm}.")
        if self.schedule not in ("cosine", "constant"):
            raise ValueError(f'schedule must be "cosine" or "constant", got {self.schedule!r}.')
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, got {self.precision!r}.")

    def load_data(self) -> datasets.Dataset:
        """Load the data set, or its first samples for a smoke run."""
        names = ("validation", "seed", "image_size", "alpha", "stream")
        data = datasets.load(self.dataset, **{name: getattr(self, name) for name in names})
        if not self.smoke:
            return data
        few = {}
        for part in (data.train, data.validation, data.test):
            few[f"x_{part.name}"], labels = part.head(min(SMOKE_SAMPLES, len(part)))
            few |= {} if labels is None else {f"y_{part.name}": labels}
            head = part.rows[: len(few[f"x_{part.name}"])]
            few |= {f"{name}_{part.name}": np.asarray(column)[head] for name, column in part.columns.items()}
        info = data.info | {"smoke": f"the first {SMOKE_SAMPLES} samples of each part"}
        return replace(datasets.load(few), name=data.name, info=info)

    def resolved(self, data: datasets.Dataset) -> "Settings":
        """Return the settings with what hangs on the data written out."""
        return self if self.batch_size else replace(self, batch_size=64 if len(data.train) < 20_000 else 128)

    def load_spec(self, data: datasets.Dataset) -> Spec:
        """Return the spec of the named model for the data's shape, or that of the file.

        Raises:
            ValueError: a model or an option that is not known; data without labels for a conditional model.
        """
        if self.model.endswith(".json"):
            if self.overrides:
                raise ValueError(f"A spec from a file takes no options, got {self.overrides}. Edit {self.model}.")
            spec = Spec.from_file(self.model)
        else:
            told = {}
            if registry.takes(self.model, "labels") and "labels" not in self.overrides:
                told = self._told_by(data)
            spec = registry.spec(self.model, **{"input_shape": data.input_shape} | told | self.overrides)
        if not self.conditional or spec.inputs:
            return spec
        told = self._told_by(data)
        return spec.conditional(Labels(told["labels"]) if told["labels"] else Condition(told["condition"]))

    def _told_by(self, data: datasets.Dataset) -> dict:
        """How many classes the labels of the data count, or how many numbers they are, as options of `cvae`."""
        if data.classes:
            return {"labels": data.classes}
        if "condition" in self.overrides:
            return {"labels": None}
        y = data.train.head(1)[1]
        if y is None or y.dtype.kind not in "buif" or y.ndim > 2:
            raise ValueError(
                f"A conditional {self.model} takes labels beside the samples, and {self.dataset} has "
                f"{'none' if y is None else f'such of {y.dtype} and shape {y.shape[1:]}'}. Give data with a class, or "
                "a row of numbers, for each sample: a folder for each class, or y_train and y_test in an .npz."
            )
        return {"labels": None, "condition": y[0].size}


def check_inputs(spec: Spec, data: datasets.Dataset) -> None:
    """Raise a `ValueError` where data lack what the spec has as `inputs` beside x, or have other values of it.

    The labels of a stream, which come with its samples, are looked at when they are read.
    """
    for part in (data.train, data.validation, data.test):
        names = part.asked_for(spec.inputs)
        labels = part.labels_among(names)
        if names and not (labels and hasattr(part.store, "read")):
            beside = part.beside(np.arange(len(part)), names, part.y if labels else None)
            rows = tuple(row for row in spec.inputs if row.name in names)
            checked_inputs(beside, rows, len(part), f"the {part.name} part")
