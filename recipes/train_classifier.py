"""Train the small classifier that measures generated pictures, and pack its weights.

    python recipes/train_classifier.py --dataset mnist

Three epochs on the training part; the weights of the epoch that is best on the validation part are stored as float16,
and the test part is touched once, with the weights as stored. `--smoke` tries it in seconds on 512 samples.
"""

import json
from pathlib import Path
from typing import Annotated

import keras
import typer

import keras_ae
from keras_ae import classifiers, cli, evaluation

SEED, BATCH_SIZE = 0, 64


def accuracy(classifier: classifiers.Classifier, part: keras_ae.datasets.Part) -> float:
    """Return the share of a part's pictures whose label the classifier knows."""
    return float((classifier.predict(part.x) == part.y).mean())


def main(
    dataset: Annotated[str, typer.Option(help="A data set of labelled pictures.")] = "mnist",
    epochs: Annotated[int, typer.Option(help="Passes over the training part.")] = 3,
    shelf: Annotated[Path, typer.Option(help="Where the packed folder goes.")] = Path("runs/classifiers"),
    smoke: Annotated[bool, typer.Option("--smoke", help="One epoch on 512 samples.")] = False,
) -> None:
    """Train the classifier of a data set and write its folder."""
    data = keras_ae.datasets.load(dataset)
    x, y = data.train.head(512) if smoke else (data.train.x, data.train.y)
    model = classifiers.lenet(data.train.shape, int(y.max()) + 1, seed=SEED)
    keras.utils.set_random_seed(SEED)  # The order of the samples.
    best = keras.callbacks.EarlyStopping("val_accuracy", mode="max", patience=epochs, restore_best_weights=True)
    validation = (data.validation.x, data.validation.y)
    options = {"batch_size": BATCH_SIZE, "epochs": 1 if smoke else epochs, "callbacks": [best], "verbose": 2}
    model.fit(x, y, validation_data=validation, **options)
    folder = shelf / data.name
    classifiers.pack(model, folder)
    classifier = classifiers.Classifier(model)
    facts = {
        "name": data.name,
        "input_shape": list(data.train.shape),
        "classes": model.output_shape[-1],
        "parameters": model.count_params(),
        "storage": "float16",
        "data": data.info,
        "command": f"python recipes/train_classifier.py --dataset {dataset} --epochs {epochs}",
        "seed": SEED,
        "batch_size": BATCH_SIZE,
        "versions": evaluation.versions(),
        "accuracy": {
            "validation": accuracy(classifier, data.validation),
            "test": accuracy(classifier, data.test),
        },
    }
    (folder / classifiers.CARD).write_text(json.dumps(facts, indent=1) + "\n")
    classifiers.refresh_catalogue(shelf)
    print(json.dumps(facts["accuracy"]))


if __name__ == "__main__":
    with cli.mendable():
        typer.run(main)
