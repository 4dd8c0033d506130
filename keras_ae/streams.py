"""Streams of batches, each batch of which meets the checks of an array.

A stream is a `tf.data.Dataset`, a `keras.utils.PyDataset`, a PyTorch `DataLoader` or a Python generator. Its batches
are x, `(x, target)` or `(x, target, sample_weight)`.
"""

import inspect
import itertools
import re
import warnings
from collections.abc import Callable, Iterator

import keras
import numpy as np

from keras_ae.checks import check_rows, check_shape, checked_inputs
from keras_ae.forms import as_array
from keras_ae.forms.frames import column_names
from keras_ae.rows import Input
from keras_ae.sample_weights import checked_weights
from keras_ae.spec import Spec
from keras_ae.train_step.watched import WatchedDataset


def is_stream(data) -> bool:
    """Whether `data` gives batches one after the other."""
    return isinstance(data, keras.utils.PyDataset) or _is_dataset(data) or _is_loader(data) or _is_iterator(data)


class Watch:
    """Turns the batches of a stream into tuples of arrays, and raises at the first that the model cannot take.

    Args:
        spec: the model's.
        name: the argument's name in messages.
        training: refuse uint8 values that may be masks, in the first batch.

    Attributes:
        error: what was raised, where a backend's reader gives another error to the caller.
        weights_rank: axes of the weights, where there are any and one batch, or the specs of all, was seen.
    """

    def __init__(self, spec: Spec, name: str, *, training: bool = False):
        self.spec, self.name, self.training = spec, name, training
        self.error = self.weights_rank = None
        self.is_first, self.has_said = True, False

    def __call__(self, batch, name: str | None = None) -> tuple[np.ndarray, ...]:
        """(x,), (x, target) or (x, target, sample_weight) as arrays."""
        try:
            return self._checked(batch, name or f"a batch of {self.name}")
        except (ValueError, TypeError) as error:
            self.error = error
            raise

    def _checked(self, batch, name: str) -> tuple:
        x, y, sample_weight = self.parts_of(batch, name)
        beside = {row.name: x.get(row.name) for row in self.spec.inputs}
        x = x["x"] if self.spec.inputs else x
        x, columns = as_array(x, name), column_names(x)
        masks_refused, self.is_first = self.training and self.is_first, False
        check_rows(x, self.spec, name, columns=columns, masks_refused=masks_refused)
        whole = {"x": x} | checked_inputs(beside, self.spec.inputs, len(x), name, x=x) if beside else x
        if y is None and sample_weight is None:
            return (whole,)
        # The empty target stands for none, which Keras would drop, and the weights with it.
        y = np.empty((len(x), 0), "float32") if y is None else as_array(y, f"{name} (target)")
        if y.shape[-1:] != (0,):
            check_target(y, x, self.spec, name)
        if sample_weight is None:
            return (whole, y)
        weights = checked_weights(sample_weight, x.shape, f"sample_weight in {name}", may_be_zero=True)
        self.weights_rank = weights.ndim
        return (whole, y, weights)

    def parts_of(self, batch, name: str) -> tuple:
        """x, target and weights, None where there is none, of a batch or of the specs of its elements.

        x is a dict where the model's spec has inputs beside it. Labels that it does not take are left out, with one
        notice.

        Raises:
            ValueError: an input that is missing.
        """
        x, y, sample_weight = (batch, None, None) if isinstance(batch, dict) else _parts(batch, name)
        x, beside = apart(x, self.spec, name, self.leave_out)
        if y is not None and is_labels(shape_of(y), self.spec.input_shape):
            if row := first_missing(beside, self.spec):
                beside[row.name] = y
            else:
                self.leave_out(f"labels {shape_of(y)} beside x")
            y = None
        if row := first_missing(beside, self.spec):
            raise ValueError(
                f"{name} comes without {row.name!r}, and this model takes {row}. Let it give dicts of 'x' and "
                f"{', '.join(repr(each.name) for each in self.spec.inputs)}."
            )
        return {"x": x} | beside if self.spec.inputs else x, y, sample_weight

    def without_a_batch(self) -> ValueError:
        """The error of a stream that ends before it has begun."""
        self.error = ValueError(f"{self.name} is a stream without a batch. Give it at least one sample.")
        return self.error

    def leave_out(self, what: str) -> None:
        """Say once what of the stream is left out."""
        if not self.has_said:
            self.has_said = True
            say_left_out(what, self.name)


def say_left_out(what: str, name: str) -> None:
    """Give the notice of what of the data is left out, in words."""
    warnings.warn(f"{name} brings {what}. An autoencoder's target is x itself: they are left out.", stacklevel=2)


def is_labels(shape: tuple | None, input_shape: tuple) -> bool:
    """Whether a target of that shape, (n, ...), is no x but one label, or a row of labels, for each sample."""
    if shape is None or shape[-1:] == (0,):
        return False
    return len(shape) == 1 or (len(shape) == 2 and (len(input_shape) > 1 or (shape[1] == 1 and input_shape != (1,))))


def check_target(y: np.ndarray, x: np.ndarray, spec: Spec, name: str, **options) -> None:
    """Raise where `y` cannot be the clean x of as many samples."""
    check_rows(y, spec, f"{name} (target)", **options)
    if len(y) != len(x):
        raise ValueError(f"{name} has {len(x)} samples and its target {len(y)}. Give one target for each sample.")


def _parts(batch, name: str) -> tuple:
    if not isinstance(batch, tuple | list):
        return batch, None, None
    if isinstance(batch, list) and not (len(batch) <= 3 and all(hasattr(part, "shape") for part in batch)):
        return batch, None, None  # Samples, one by one.
    if not 1 <= len(batch) <= 3:
        raise ValueError(f"{name} has {len(batch)} parts. Give x, (x, target) or (x, target, sample_weight).")
    return (*batch, None, None)[:3]


def first_part(batch, name: str):
    """x of a batch, whatever stands beside it; of a dict of several entries nobody knows which it is."""
    if isinstance(batch, dict):
        if len(batch) != 1:
            raise ValueError(f"{name} gives dicts of {', '.join(map(repr, batch))}. Give one array.")
        return next(iter(batch.values()))
    return _parts(batch, name)[0]


def apart(x, spec: Spec, name: str, leave_out: Callable | None = None) -> tuple:
    """The samples, and the spec's inputs by name, of what may be a dict of both.

    Args:
        x: samples, or a dict of them and of inputs, under the names of these, or, for labels, TFDS' "label".
        spec: the model's.
        name: the argument's name in messages.
        leave_out: told what else of the dict is left out; None refuses that.

    Raises:
        ValueError: it cannot be told which entry the samples are.
    """
    if not isinstance(x, dict):
        return x, {}
    rest = dict(x)
    keys = {row.name: "label" if row.name == "labels" and "label" in x else row.name for row in spec.inputs}
    beside = {name: rest.pop(key) for name, key in keys.items() if key in rest}
    key = "x" if "x" in rest and spec.inputs else _entry(rest, spec, name)
    others = ", ".join(map(repr, (each for each in rest if each != key)))
    if others and leave_out is None:
        raise ValueError(f"{name} has {others} beside {key!r}, which this model does not take. Leave that out.")
    if others:
        leave_out(f"{others} beside {key!r}")
    return rest[key], beside


def first_missing(beside: dict, spec: Spec) -> Input | None:
    """The first of the spec's inputs that is not there and does not follow from x."""
    return next((row for row in spec.inputs if row.name not in beside and not row.is_derived), None)


def _entry(batch: dict, spec: Spec, name: str) -> str:
    """The key of the one entry of a dict that has the shape of x."""
    shape = spec.input_shape
    fitting = [key for key, part in batch.items() if (shape_of(part) or ())[1:] == shape]
    if len(batch) == 1:
        fitting = list(batch)
    if len(fitting) != 1:
        raise ValueError(
            f"{name} gives dicts of {', '.join(map(repr, batch))}, of which {len(fitting)} have the shape that the "
            f"model takes, (batch, {', '.join(map(str, shape))}). Give one: dataset.map(lambda batch: batch['image'])."
        )
    return fitting[0]


def shape_of(part) -> tuple | None:
    """The shape of an array, a tensor or its spec, None in it where a side is not known; None where nothing is."""
    shape = getattr(part, "shape", None)
    if shape is None:
        return np.shape(part) if isinstance(part, list | tuple | int | float) else None
    return None if getattr(shape, "rank", 0) is None else tuple(shape)


def watched(stream, watch: Watch, *, shuffle_seed: list | None = None):
    """The same stream, as `Steps.read` takes it, whose every batch passes `watch`.

    Args:
        stream: see `is_stream`.
        watch: one of its own.
        shuffle_seed: read a `PyDataset` in another order every epoch, which these numbers fix; None keeps the order.

    Raises:
        ValueError, TypeError: what can be seen before the first batch: shapes, entries and kinds of elements.
    """
    if isinstance(stream, keras.utils.PyDataset):
        if stream.num_batches != 0:  # Bad data are best found before training; an empty stream Keras refuses.
            watch(stream[0], f"{watch.name}[0]")
        return WatchedBatches(stream, watch, shuffle_seed=shuffle_seed)
    if _is_dataset(stream):
        check_elements(stream, watch)
        # One that the user has distributed cannot be looked at; the step checks shapes.
        return WatchedDataset(stream, watch) if hasattr(stream, "map") else stream
    if _is_loader(stream):
        from keras_ae.train_step.watch_loader import watched_loader

        return watched_loader(stream, watch)
    batches = (watch(batch) for batch in stream)
    try:
        first = next(batches)
    except StopIteration:
        raise watch.without_a_batch() from None
    return (batch for batch in itertools.chain([first], batches))


class WatchedBatches(keras.utils.PyDataset):
    """A `PyDataset` whose batches pass a `Watch`, in an order of its own where `shuffle_seed` is given."""

    def __init__(self, batches: keras.utils.PyDataset, watch: Watch, *, shuffle_seed: list | None = None):
        super().__init__(
            workers=batches.workers,
            use_multiprocessing=batches.use_multiprocessing,
            max_queue_size=batches.max_queue_size,
        )
        self.batches, self.watch, self.shuffle_seed = batches, watch, shuffle_seed
        self.order, self.epoch = None, 0

    @property
    def num_batches(self) -> int | None:
        """Batches an epoch; None for an endless stream."""
        return self.batches.num_batches

    @property
    def shard(self) -> tuple[int, int] | None:
        """(Index, count) of the worker whose share of each batch this is, where the stream says so."""
        return getattr(self.batches, "shard", None)

    @property
    def batch_size(self) -> int | None:
        """Samples of a whole batch, where the stream says so."""
        return getattr(self.batches, "batch_size", None)

    def __getitem__(self, index: int) -> tuple:
        """The batch at `index`."""
        place = index if self.order is None else int(self.order[index])
        return self.watch(self.batches[place], f"{self.watch.name}[{place}]")

    def on_epoch_begin(self) -> None:
        """Called by Keras: draw the epoch's order."""
        self.batches.on_epoch_begin()
        if self.shuffle_seed is not None and self.num_batches is not None:
            self.order = np.random.default_rng([*self.shuffle_seed, self.epoch]).permutation(self.num_batches)
            self.epoch += 1

    def on_epoch_end(self) -> None:
        """Called by Keras."""
        self.batches.on_epoch_end()


def batches_of(stream, watch: Watch) -> Iterator[np.ndarray]:
    """The x of each batch of a stream that ends, checked: (batch, *input_shape).

    Raises:
        ValueError: an endless stream, or a batch that the model cannot take.
    """
    if _is_dataset(stream):
        check_elements(stream, watch)
    return (watch(batch)[0] for batch in read(stream, watch.name))


def read(stream, name: str) -> Iterator:
    """The batches of a stream that ends, as they are.

    Raises:
        ValueError: an endless stream.
    """
    refuse_endless(stream, name, "Cut it first, for example dataset.take(100).")
    if isinstance(stream, keras.utils.PyDataset):
        return (stream[index] for index in range(stream.num_batches))
    return stream.as_numpy_iterator() if _is_dataset(stream) else iter(stream)


def refuse_endless(stream, name: str, remedy: str) -> None:
    """Raise where a stream is known to have no end."""
    endless = isinstance(stream, keras.utils.PyDataset) and stream.num_batches is None
    if hasattr(stream, "cardinality"):
        endless = int(stream.cardinality()) == -1  # tf.data.INFINITE_CARDINALITY
    if endless:
        raise ValueError(f"{name} is a stream without an end. {remedy}")


def refuse_running_dry(stream, name: str, epochs: int, steps: str) -> None:
    """Raise where a generator, which can be read once, is to be read in several epochs, without a count of steps."""
    if _is_iterator(stream) and epochs > 1:
        raise ValueError(
            f"{name} is a generator, which is read once, and there are {epochs} epochs: the first would never end, or "
            f"leave nothing to the others. Say how many batches an epoch has: {steps}=..."
        )


def check_elements(dataset, watch: Watch) -> None:
    """Check the shapes of what a `tf.data.Dataset` gives, as far as they are known."""
    x, y, weights = watch.parts_of(dataset.element_spec, watch.name)
    x = x["x"] if watch.spec.inputs else x
    shape = None if weights is None else shape_of(weights)
    watch.weights_rank = shape and (1 if len(shape) == 2 and shape[1] == 1 else len(shape))
    for name, element in ((watch.name, x), (f"{watch.name} (target)", y)):
        if element is None:
            continue
        kind = type(element).__name__
        if kind in ("SparseTensorSpec", "RaggedTensorSpec"):
            raise TypeError(f"{name} gives {kind[:-4]}s of TensorFlow. Map them to dense tensors first.")
        if not hasattr(element, "shape"):
            raise TypeError(f"{name} gives a {kind}. Give tensors (batch, ...).")
        if element.dtype.name == "string":
            raise TypeError(f"{name} gives strings. Decode them first, for example with tf.io.decode_image.")
        shape = shape_of(element)
        if shape is not None and shape[-1:] != (0,):
            check_shape(shape, watch.spec, name, batched_by="dataset.batch(128)")


def error_behind(error: Exception, watches: list[Watch]) -> Exception | None:
    """The error that a `Watch` raised, where `error` is what a backend's reader made of it."""
    for watch in watches:
        if watch.error is not None:
            return watch.error
    # From a worker process nothing but text comes back.
    names = "|".join(re.escape(watch.name) for watch in watches)
    match = re.search(rf"(ValueError|TypeError): ((?:{names}|a batch of|sample_weight)\b.*)", str(error))
    if not (watches and match):
        return None
    return (ValueError if match[1] == "ValueError" else TypeError)(match[2])


def _is_dataset(data) -> bool:
    """Whether this is a `tf.data.Dataset`, or one that was distributed, and not the iterator of one."""
    return hasattr(data, "element_spec") and not hasattr(data, "__next__")


def _is_loader(data) -> bool:
    return any(
        kind.__name__ == "DataLoader" and kind.__module__.startswith("torch.utils.data") for kind in type(data).__mro__
    )


def _is_iterator(data) -> bool:
    return inspect.isgenerator(data) or (hasattr(data, "__next__") and hasattr(data, "__iter__"))
