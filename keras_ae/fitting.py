"""`fit`, `evaluate` and `predict` of an autoencoder: Keras' own, after a check of the data."""

import keras
import numpy as np

from keras_ae.feeding import ArrayBatches, fed, fed_fit, rows_of
from keras_ae.guard import FiniteGuard
from keras_ae.intake import Given, given, with_inputs
from keras_ae.stopping import check_monitors
from keras_ae.streams import error_behind, is_stream, refuse_endless, refuse_running_dry
from keras_ae.train_step.distribution import workers


class Fitting:
    """What an `Autoencoder` is trained and measured with."""

    def fit(self, x=None, y=None, batch_size=None, epochs=1, *, callbacks=None, validation_data=None, **options):
        """Train, as `keras.Model.fit`, after a check of the data; `x` alone is all that is needed.

        The order of samples follows the model's seed; without one, NumPy's global random state.

        Args:
            x: samples (n, *input_shape) as an array, list, pandas or polars frame, SciPy sparse matrix, `h5py.Dataset`
                or tensor; or a stream of batches x, `(x, target)` or `(x, target, sample_weight)`: a `tf.data.Dataset`,
                `keras.utils.PyDataset`, PyTorch `DataLoader` or generator. Every batch of a stream is checked.
            y: the clean target where x is a corrupted input of your own; None, or x itself, means that there is none.
            batch_size: samples in a step; None means 128. Streams bring their own.
            epochs: last epoch to train.
            callbacks: a callback or a list of them. On TensorFlow short steps run several in a call, ahead of callbacks
                that see logs alone; with one that has hooks of batches, and is not `async_safe`, step by step.
            validation_data: what `evaluate` takes: x, `(x, y)`, `(x, y, sample_weight)` or a stream.
            **options: what the spec has as `inputs` beside x, by name, `labels=...`; and all else that
                `keras.Model.fit` takes. `sample_weight` has one weight of at least 0 for each
                sample, (n,), or for each value, of the shape of x: a mask of what counts in -log p(x|z).

        Returns:
            Keras' `History`.

        Raises:
            ValueError, TypeError: data that the model cannot take: another shape, NaN or inf, values outside the
                likelihood's range, labels, none at all; a stream without an end and without `steps_per_epoch`; or what
                is no callback, or one that judges by "loss" or "val_loss" while a weight of the objective moves, see
                `keras_ae.stopping`. Where a later batch of a stream is refused, the model keeps the weights of the
                beginning of that epoch.
            FloatingPointError: a term of the loss became NaN or inf. The message names it; the model keeps the weights
                of the beginning of that epoch.
        """
        _refuse_class_weight(options)
        callbacks = [each for given in keras.tree.flatten(callbacks or []) for each in _members(given)]
        for callback in callbacks:
            if not isinstance(callback, keras.callbacks.Callback):
                raise ValueError(f"callbacks: {callback!r} is no instance of keras.callbacks.Callback; give one.")
        # What changes the objective adds to the logs by which the others judge.
        callbacks.sort(key=lambda callback: not getattr(callback, "changes_objective", False))
        check_monitors(self, callbacks)
        if not options.get("steps_per_epoch"):
            refuse_endless(x, "x", "Say how many batches an epoch has: steps_per_epoch=...")
            refuse_running_dry(x, "x", epochs, "steps_per_epoch")
        x = with_inputs(x, options, self.spec)
        data = given(
            *(x, y, options.pop("sample_weight", None), self.spec),
            training=True,
            shuffle_seed=self._shuffle_seed(x, options),
        )
        held = None if validation_data is None else self._held(validation_data, epochs, options)
        self.expect_weights("train", data.weights_rank)
        self.expect_weights("test", held and held.weights_rank)
        x, y, sample_weight, _ = data
        if workers().cut:
            if options.get("validation_split"):
                raise ValueError("validation_split: under a strategy give validation_data=..., which it cuts alike.")
            if held is not None:
                size = options.pop("validation_batch_size", None) or batch_size
                held = held._replace(x=self._cut(held[:3], size))
            x = self._cut((x, y, sample_weight), batch_size, shuffle=options.get("shuffle", True))
            y, sample_weight, batch_size = None, None, None
            options["shuffle"] = False
        elif data.watch is not None:
            options["shuffle"] = False  # `WatchedBatches` have drawn their order; Keras leaves other streams alone.
        guard = FiniteGuard(beside=self.returns_early)
        validation_data = held and (held.x if is_stream(held.x) else held.arrays)
        options |= {"callbacks": [*callbacks, guard], "validation_data": validation_data}
        options |= {"seed": self.seed, "steps_done": self._steps_done()}
        batch_size = batch_size or _default_batch(x)
        watches = [each.watch for each in (data, held) if each is not None and each.watch is not None]
        try:
            with self.fitting(callbacks, options.get("steps_per_epoch")):
                history = super().fit(**self.read(fed_fit(x, y, sample_weight, batch_size, epochs=epochs, **options)))
            if data.watch is not None and history.epoch and not history.history:
                raise data.watch.without_a_batch()
            return history
        except FloatingPointError:
            guard.restore()
            raise
        except Exception as error:
            if (behind := error_behind(error, watches)) is None:
                raise
            guard.restore()
            raise behind from None

    def _steps_done(self) -> int:
        return int(keras.ops.convert_to_numpy(self.optimizer.iterations))

    def _shuffle_seed(self, x, options: dict) -> list | None:
        """Return what fixes the order of a `PyDataset`, None where it keeps its own or is to keep it."""
        # One that has an order of its own would be shuffled once more.
        if not isinstance(x, keras.utils.PyDataset) or not options.get("shuffle", not hasattr(x, "shuffle")):
            return None
        return [np.random.randint(2**31) if self.seed is None else self.seed, self._steps_done()]

    def _held(self, validation_data, epochs: int, options: dict) -> Given:
        parts = (validation_data,)
        if isinstance(validation_data, tuple) or _is_pair(validation_data, self.spec.input_shape):
            parts = tuple(validation_data)
        if not 1 <= len(parts) <= 3:
            raise ValueError(f"validation_data has {len(parts)} parts. Give x, (x, y) or (x, y, sample_weight).")
        x, y, sample_weight = (*parts, None, None)[:3]
        if not options.get("validation_steps"):
            refuse_endless(x, "validation_data", "Say how many batches it takes: validation_steps=...")
        if is_stream(x) and hasattr(x, "__next__") and epochs > 1:
            raise ValueError(
                "validation_data is a generator, which is read once, and there are several epochs. Give arrays, or a "
                "stream that can be read again."
            )
        return given(x, y, sample_weight, self.spec, name="validation_data", training=True)

    def evaluate(self, x=None, y=None, batch_size=None, **options):
        """Return loss and terms, as `keras.Model.evaluate`, after a check of the data; codes are drawn anew.

        Args:
            x: samples in any form that `fit` takes.
            y: the clean target, or None.
            batch_size: samples at once; None means 128.
            **options: all else that `keras.Model.evaluate` takes.

        Raises:
            ValueError, TypeError: data that the model cannot take.
        """
        sample_weight = options.pop("sample_weight", None)
        if _is_within_fit(options.get("callbacks")):
            return super().evaluate(x, y, batch_size, sample_weight=sample_weight, **options)
        if not options.get("steps"):
            refuse_endless(x, "x", "Say how many batches it takes: steps=...")
        data = given(with_inputs(x, options, self.spec), y, sample_weight, self.spec)
        self.expect_weights("test", data.weights_rank)
        x, y, sample_weight, _ = data
        if workers().cut:
            x = self._cut((x, y, sample_weight), batch_size)
            y, sample_weight, batch_size = None, None, None
        fed_data = self.read(fed(x, y, sample_weight, batch_size or _default_batch(x)) | options)
        evaluate = super().evaluate
        return self._explained(lambda: evaluate(**fed_data), data)

    def predict(self, x, batch_size=None, **options):
        """Return reconstructions, as `keras.Model.predict`, after a check of the data; nothing is drawn.

        Under data-parallel each process computes them for itself, and there are no options.

        Raises:
            ValueError, TypeError: data that the model cannot take.
        """
        x = with_inputs(x, options, self.spec)
        if workers().kind == "data-parallel":
            return self.reconstruct(x, batch_size=batch_size or 128)  # Each process for itself.
        if not options.get("steps"):
            refuse_endless(x, "x", "Say how many batches it takes: steps=...")
        data = given(x, None, None, self.spec)
        fed_x = self.read(fed(data.x, None, None, batch_size or _default_batch(data.x)))
        predict = super().predict
        return self._explained(lambda: predict(fed_x["x"], batch_size=fed_x.get("batch_size"), **options), data)

    def train_on_batch(self, x, y=None, sample_weight=None, class_weight=None, return_dict=False):
        """Train by one batch, as `keras.Model.train_on_batch`, after a check of the data.

        Raises:
            ValueError, TypeError: data that the model cannot take.
        """
        _refuse_class_weight({"class_weight": class_weight})
        batch = given(x, y, sample_weight, self.spec, training=True)
        self.expect_weights("train", batch.weights_rank)
        with self.apart():
            x = rows_of(batch.x, slice(None))
            return super().train_on_batch(x, batch.y, batch.sample_weight, return_dict=return_dict)

    def test_on_batch(self, x, y=None, sample_weight=None, return_dict=False):
        """Return loss and terms of one batch, as `keras.Model.test_on_batch`, after a check of the data.

        Raises:
            ValueError, TypeError: data that the model cannot take.
        """
        batch = given(x, y, sample_weight, self.spec)
        self.expect_weights("test", batch.weights_rank)
        x = rows_of(batch.x, slice(None))
        return super().test_on_batch(x, batch.y, batch.sample_weight, return_dict=return_dict)

    def predict_on_batch(self, x):
        """Return reconstructions of one batch, as `keras.Model.predict_on_batch`, after a check of the data.

        Raises:
            ValueError, TypeError: data that the model cannot take.
        """
        return super().predict_on_batch(rows_of(given(x, None, None, self.spec).x, slice(None)))

    def _explained(self, action, data: Given):
        """Return `action()`; where a batch of a stream is refused, raise what its `Watch` raised."""
        if data.watch is None:
            return action()
        try:
            with self.keeping_state():
                return action()
        except Exception as error:
            if (behind := error_behind(error, [data.watch])) is None:
                raise
            raise behind from None

    def _cut(self, data: tuple, batch_size: int | None, *, shuffle: bool = False) -> keras.utils.PyDataset:
        """Return the batches of arrays `(x, y, sample_weight)`, or of a stream `(x,)`, that this process takes."""
        x = data[0]
        if not is_stream(x):
            arrays = tuple(part for part in data if part is not None)
            x = ArrayBatches(arrays, batch_size or _default_batch(x), shuffle=shuffle, seed=self.seed or 0)
        return self.cut(x)


def _is_within_fit(callbacks) -> bool:
    """Whether Keras' `fit` asks, whose data are checked: it hands its list of callbacks on, with the guard in it."""
    is_list = isinstance(callbacks, keras.callbacks.CallbackList)
    return is_list and any(isinstance(callback, FiniteGuard) for callback in callbacks.callbacks)


def _members(callback) -> list:
    return callback.callbacks if isinstance(callback, keras.callbacks.CallbackList) else [callback]


def _refuse_class_weight(options: dict) -> None:
    if options.pop("class_weight", None) is not None:
        raise ValueError(
            "class_weight: an autoencoder has no classes. Give each sample the weight of its class: "
            "sample_weight=np.array([weights[label] for label in labels])."
        )


def _is_pair(data, input_shape: tuple) -> bool:
    """Whether a list is (x, y) or (x, y, sample_weight), and not samples."""
    rank = len(input_shape) + 1
    return isinstance(data, list) and len(data) in (2, 3) and all(np.ndim(part) == rank for part in data[:2])


def _default_batch(x) -> int | None:
    """Return 128 for arrays; streams bring their own batches, and Keras refuses a size beside them."""
    return None if is_stream(x) else 128
