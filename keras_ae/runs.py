"""A run: one model trained on one data set, in one folder from which it can be resumed, evaluated and remade.

| in the folder | what it is |
|---|---|
| `run.json` | the exact command, all settings, versions, data set, and how far training came |
| `spec.json` | the model |
| `history.csv` | loss and terms by epoch |
| `checkpoints/` | `epoch-NNNN.weights.h5`, the last state (`checkpoints.py`); `best.weights.h5`, by validation loss |
| `metrics.json` | test numbers of the best weights |
| `pictures/` | reconstructions, latent map, samples, learning curves |
"""

import csv
import json
import math
import os
import re
import shlex
import sys
import time
from dataclasses import asdict
from functools import partial
from itertools import count, takewhile
from pathlib import Path

import keras

from keras_ae import callbacks, checkpoints, datasets, evaluation, plots, registry
from keras_ae.autoencoder import Autoencoder
from keras_ae.digests import sha256_of
from keras_ae.files import replacing
from keras_ae.settings import Settings, check_inputs
from keras_ae.spec import Spec
from keras_ae.stopping import judged_by
from keras_ae.train_step.distribution import workers

PICTURES = 50  # Of a kind in a run, at most: one every few epochs of a long one.


class Run:
    """A run folder, new (`Run.create`) or found (`Run.open`)."""

    def __init__(self, folder: Path, settings: Settings, spec: Spec):
        self.folder, self.settings, self.spec = folder, settings, spec
        self.checkpoints, self.pictures = folder / "checkpoints", folder / "pictures"
        self.history, self.metrics = folder / "history.csv", folder / "metrics.json"

    @classmethod
    def create(
        cls, folder: str | os.PathLike, settings: Settings, data: datasets.Dataset, spec: Spec | None = None
    ) -> "Run":
        """Make the folder and write what the run is; of several processes the chief alone does.

        Args:
            folder: where the run goes.
            settings: what fixes the run.
            data: what it trains on.
            spec: the model, where it is another than the one that `settings.model` names.

        Raises:
            ValueError: the model takes samples of another shape, or what does not stand beside them.
            FileExistsError: the folder holds a run already, of an epoch or more.
            OSError: the folder cannot be written.
        """
        run = cls(Path(folder), settings, spec or settings.load_spec(data))
        if run.spec.input_shape != data.input_shape:
            way = " --image-size HEIGHT WIDTH resizes images." if len(data.input_shape) == 3 else ""
            raise ValueError(
                f"{settings.dataset} has samples of shape {data.input_shape}, and {settings.model} takes "
                f"{run.spec.input_shape}.{way} Or change input_shape in the spec."
            )
        check_inputs(run.spec, data)
        if not workers().chief:
            return run
        if (run.folder / "run.json").exists() and any(run.checkpoints.glob("*.h5")):
            raise FileExistsError(
                f"{folder} holds a run. Continue it with resume (--resume), or choose another folder."
            )
        try:
            run.checkpoints.mkdir(parents=True, exist_ok=True)
            run.pictures.mkdir(exist_ok=True)
            _write(run.folder / "spec.json", run.spec.to_json())
            facts = {"command": shlex.join(sys.argv), "settings": asdict(settings)}
            facts["spec"] = sha256_of(run.folder / "spec.json")
            facts |= {"versions": evaluation.versions(), "dataset": data.info, "cores": os.cpu_count()}
            _write(run.folder / "run.json", json.dumps(facts, indent=1))
        except OSError as error:
            raise type(error)(f"The run folder {folder} cannot be written: {error}. Choose another one.") from error
        return run

    @classmethod
    def open(cls, folder: str | os.PathLike) -> "Run":
        """Read a run folder.

        Raises:
            FileNotFoundError: the folder holds no run.
            ValueError: `run.json` or `spec.json` is damaged.
        """
        folder = Path(folder)
        try:
            facts = json.loads((folder / "run.json").read_text())
            settings, digest = facts["settings"], facts.get("spec")  # Older runs have no digest.
            spec = Spec.from_file(folder / "spec.json", digest=digest)
        except FileNotFoundError as error:
            raise FileNotFoundError(f"{folder} is no run folder: {Path(error.filename).name} is missing.") from error
        except (UnicodeDecodeError, json.JSONDecodeError, LookupError, TypeError, AttributeError) as error:
            reason = f"{type(error).__name__}: {error}"
            raise ValueError(f"{folder / 'run.json'} is damaged ({reason}). Copy it again.") from error
        size = settings["image_size"]
        return cls(folder, Settings(**{**settings, "image_size": size and tuple(size)}), spec)

    def build(self, steps_per_epoch: int = 1) -> Autoencoder:
        """Return the model, compiled as for training, with its initial weights."""
        rate = self.settings.learning_rate
        if self.settings.schedule == "cosine":
            rate = keras.optimizers.schedules.CosineDecay(rate, self.settings.epochs * steps_per_epoch)
        options = registry.type_of(self.spec).adam
        adam = keras.optimizers.Adam(rate, clipnorm=self.settings.clipnorm, **options)
        return registry.build(self.spec, optimizer=adam, seed=self.settings.seed, dtype=self.settings.precision)

    def load_model(self) -> Autoencoder:
        """Return the model with the best weights, or the last ones where no epoch was validated.

        Raises:
            FileNotFoundError: the run has no weights yet.
        """
        best = self.checkpoints / "best.weights.h5"
        weights = best if best.exists() else self.last_checkpoint().path
        if weights is None:
            raise FileNotFoundError(
                f"{self.checkpoints} holds no weights yet. Train first: keras-ae train ... --resume."
            )
        model = self.build()
        model.load_weights(weights)
        return model

    def last_checkpoint(self) -> checkpoints.Checkpoint:
        """Return how many epochs and steps are done, and the file that holds the state after them."""
        return checkpoints.last_checkpoint(self.checkpoints)

    def train(self, data: datasets.Dataset, *, verbose: int | str = "auto") -> Autoencoder:
        """Train to the last epoch, from the last checkpoint if there is one, and return the model at its best.

        An epoch that was cut off goes on from its last backup (`Settings.backup_every`), or from its beginning; what
        follows is what would have been. Under a strategy all processes train, the chief writes, and each gets the model
        as the last epoch left it.
        """
        settings, together = self.settings, workers()
        if settings.backup_every and together.replicas > 1:
            raise ValueError(
                f"backup_every={settings.backup_every}: several devices keep the state after whole epochs only. Leave "
                "it out, or train on one device."
            )
        options = {"seed": settings.seed, "shard": together.shard, "labels": data.train.asked_for(self.spec.inputs)}
        train = data.train.batches(settings.batch_size, shuffle=True, binarize=settings.binarize, **options)
        binarize = evaluation.fixed(settings.binarize)
        validation = data.validation.batches(settings.batch_size, binarize=binarize, **options)
        model = self.build(len(train))
        model.optimizer.build(model.trainable_variables)
        if settings.backup_every:
            state = checkpoints.KeepStateWithin(self.checkpoints, train, settings.backup_every)
        else:
            state = checkpoints.KeepState(self.checkpoints, train)
        done, _, steps = state.restore(model)
        fit = partial(model.fit, train, validation_data=validation, epochs=settings.epochs)
        if not together.chief:
            fit(initial_epoch=done, callbacks=state, verbose=0)
            return model
        self._cut_history(done)
        if verbose == "auto":
            verbose = 1 if sys.stdout.isatty() else 2
        log = keras.callbacks.CSVLogger(self.history, append=True)
        # A history that an older version began may have fewer columns.
        columns = [name for row in self.rows()[:1] for name in row if name != "epoch"] or None
        in_them = keras.callbacks.LambdaCallback(on_train_begin=lambda logs: setattr(log, "keys", columns))
        watching = [*self._watchers(data.validation), log, in_them, self._best_checkpoint(model), state]
        fit = partial(fit, callbacks=watching, verbose=verbose)
        self._note(distribute=asdict(together))
        started = time.perf_counter()
        try:
            if steps:  # A fit of its own: Keras takes all epochs of one to be of one length.
                fit(initial_epoch=done, epochs=done + 1)
                train.start, done = 0, done + 1
            fit(initial_epoch=done)
        finally:
            if log.csv_file:  # Keras leaves it open when training is cut off.
                log.csv_file.close()
            self._note(seconds=round(self.facts().get("seconds", 0) + time.perf_counter() - started, 1))
        return self.load_model() if together.kind == "none" else model

    def evaluate(
        self, model: Autoencoder, data: datasets.Dataset, *, num_samples: int | None = None, images: int = 1000
    ) -> dict:
        """Return the numbers of `evaluation.evaluate` on the test part, binarised as in training.

        Args:
            model: the trained model.
            data: the data set of the run.
            num_samples: draws for `iw_nll`, the importance-weighted -log p(x); None leaves it out.
            images: the first of the test part, for which that bound is taken.

        Raises:
            ValueError: draws for a model without a likelihood; num_samples or images is less than 1.
        """
        settings = self.settings
        if num_samples is not None:
            model.log_likelihood(evaluation.first(data.test, 1, self.spec), num_samples=num_samples)
        options = {"data_range": data.train.range, "binarize": settings.binarize, "seed": settings.seed}
        return evaluation.evaluate(model, data.test, num_samples=num_samples, images=images, **options)

    def report(self, model: Autoencoder, data: datasets.Dataset) -> dict:
        """Write `metrics.json` with the test numbers and the final pictures, and return the numbers."""
        found = self.evaluate(model, data) | {"samples": len(data.test)}
        _write(self.metrics, json.dumps(found, indent=1))
        evaluation.draw(model, data.test, self.pictures, seed=self.settings.seed)
        self.draw_history()
        return found

    def draw_history(self) -> Path:
        """Draw the learning curves."""
        return plots.save(plots.history(self.history), self.pictures / "history.png")

    def facts(self) -> dict:
        """Return what `run.json` holds."""
        return json.loads((self.folder / "run.json").read_text())

    def rows(self) -> list[dict]:
        """Return the lines of `history.csv`, values as text."""
        if not self.history.exists():
            return []
        with open(self.history, newline="") as file:
            return list(csv.DictReader(file))

    def _note(self, **facts) -> None:
        _write(self.folder / "run.json", json.dumps(self.facts() | facts, indent=1))

    def _cut_history(self, epochs: int) -> None:
        """Keep the lines of the epochs that the checkpoint holds; an epoch after them is trained again."""
        rows = self.rows()
        if len(rows) > epochs:
            with replacing(self.history) as temporary, open(temporary, "w", newline="") as file:
                writer = csv.DictWriter(file, rows[0])
                writer.writeheader()
                writer.writerows(rows[:epochs])

    def _watchers(self, validation: datasets.Part) -> list[keras.callbacks.Callback]:
        count = min(evaluation.PICTURED, len(validation))
        x, labels = evaluation.first(validation, count, self.spec), evaluation.colours(validation, count)
        options = {"folder": self.pictures / "epochs", "every": math.ceil(self.settings.epochs / PICTURES)}
        watch = [callbacks.CollapseMonitor(x)] if self.spec.code.has_closed_kl else []
        if self.spec.code.has_prior and (takers := self.spec.beside("prior", "decoder", "likelihood")):
            listed, n = next((row for row in takers if row.listed() is not None), None), min(8, count)
            beside = {row.name: x[row.name][:n] for row in takers if row is not listed}
            watch.append(callbacks.SampleVisualizer(n=n, **beside, **options))
        return [
            *watch,
            callbacks.ReconstructionVisualizer(x, **options),
            callbacks.LatentVisualizer(x, labels, **options),
        ]

    def _best_checkpoint(self, model: Autoencoder) -> keras.callbacks.ModelCheckpoint:
        monitor = f"val_{judged_by(model)}"
        return keras.callbacks.ModelCheckpoint(
            self.checkpoints / "best.weights.h5",
            monitor=monitor,
            mode="min",
            save_best_only=True,
            save_weights_only=True,
            initial_value_threshold=min((float(row[monitor]) for row in self.rows() if monitor in row), default=None),
        )


def new_folder(model: str, dataset: str, root: str | os.PathLike = "runs") -> Path:
    """Return the first of `runs/MODEL-DATASET`, `runs/MODEL-DATASET-2`, ... that is not there yet."""
    return _numbered(model, dataset, root, len(_taken(model, dataset, root)) + 1)


def newest_folder(model: str, dataset: str, root: str | os.PathLike = "runs") -> Path:
    """Return the last run of that model on that data set.

    Raises:
        FileNotFoundError: there is none.
    """
    taken = _taken(model, dataset, root)
    if not taken:
        raise FileNotFoundError(f"There is no run of {model} on {dataset} in {root} to resume. Give its folder.")
    return taken[-1]


def _taken(model: str, dataset: str, root: str | os.PathLike) -> list[Path]:
    numbered = (_numbered(model, dataset, root, number) for number in count(1))
    return list(takewhile(Path.exists, numbered))


def _numbered(model: str, dataset: str, root: str | os.PathLike, number: int) -> Path:
    name = "-".join(re.sub(r"[^\w.]+", "_", Path(part).stem) for part in (model, dataset))
    return Path(root) / (name if number == 1 else f"{name}-{number}")


def start(
    settings: Settings, folder: str | os.PathLike | None = None, spec: Spec | None = None
) -> tuple[Run, datasets.Dataset]:
    """Make a new run in `folder`, or in `new_folder(...)`, of the named model or of `spec`; return it and its data.

    Raises:
        ValueError: several processes train and no folder is given.
    """
    if folder is None and workers().count > 1:
        raise ValueError("Several processes train one run: name its folder (--out), on a disk that all of them see.")
    data = settings.load_data()
    folder = folder or new_folder(settings.model, settings.dataset)
    return Run.create(folder, settings.resolved(data), data, spec), data


def resume(settings: Settings, folder: str | os.PathLike | None = None) -> tuple[Run, datasets.Dataset]:
    """Open the run in `folder`, or in `newest_folder(...)`, to go on with the same settings; return it and its data.

    Raises:
        ValueError: `settings` are not those that the run began with; the message lists the differences.
    """
    run = Run.open(folder or newest_folder(settings.model, settings.dataset))
    data, began = run.settings.load_data(), asdict(run.settings)
    now = asdict(settings.resolved(data))
    changed = {name: (began[name], value) for name, value in now.items() if began[name] != value}
    if changed:
        listing = ", ".join(f"{name}: {old} then, {new} now" for name, (old, new) in changed.items())
        raise ValueError(
            f"{run.folder} began with other settings ({listing}). Resume with its own, or start a new run."
        )
    return run, data


def _write(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text + "\n")
