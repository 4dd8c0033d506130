"""A `tf.data.Dataset` whose every batch passes a check in Python, on whatever backend Keras runs."""

from collections.abc import Callable, Iterator

import keras
import numpy as np
import tensorflow as tf

from keras_ae.train_step import private

_TFDatasetAdapter = ("TFDatasetAdapter", "get_numpy_iterator", "get_jax_iterator", "get_torch_dataloader")


class WatchedAdapter(private.reader(*_TFDatasetAdapter) or object):
    """How JAX and PyTorch read the batches: as NumPy arrays, which the check sees where they are."""

    def __init__(self, dataset: tf.data.Dataset, watch: Callable):
        super().__init__(dataset)
        self.number, self.watch = int(dataset.cardinality()), watch

    def get_numpy_iterator(self) -> Iterator[tuple]:
        """Called by Keras once a pass.

        It asks for no batch after the last one, whose number it knows. TensorFlow 2.21 takes a while to put away an
        iterator that has not come to its end, so this one goes there by itself.
        """
        batches, place = super().get_numpy_iterator(), 0
        for place, batch in enumerate(batches, start=1):
            if place == self.number:
                next(batches, None)
            yield self.watch(batch)
        if not place:
            raise self.watch.without_a_batch()

    def get_jax_iterator(self) -> Iterator[tuple]:
        """Called by Keras on JAX once a pass."""
        return self.get_numpy_iterator()

    def get_torch_dataloader(self):
        """Called by Keras on PyTorch once a pass. Keras would copy arrays once more; tensors it takes as they are."""
        import torch

        def tensor(part):
            if isinstance(part, dict):
                return {name: tensor(each) for name, each in part.items()}
            own = part.dtype in (np.float32, np.uint8) and part.flags.writeable
            return keras.ops.convert_to_tensor(torch.from_numpy(part) if own else part)

        class Batches(torch.utils.data.IterableDataset):
            def __iter__(self):
                for batch in batches:
                    yield tuple(map(tensor, batch))

        batches = self.get_numpy_iterator()
        return torch.utils.data.DataLoader(Batches(), batch_size=None)


def adapter(dataset: tf.data.Dataset, watch: Callable):
    """Return what JAX and PyTorch read in the place of a data set: an adapter, where Keras takes one."""
    if private.reader(*_TFDatasetAdapter) and private.is_read(made := WatchedAdapter(dataset, watch)):
        return made
    return watched_dataset(dataset, watch)


def watched_dataset(dataset: tf.data.Dataset, watch: Callable) -> tf.data.Dataset:
    """The same batches, x, (x, target) or (x, target, sample_weight); one at which `watch` raises ends the stream.

    Args:
        dataset: batches as `streams.Watch` takes them.
        watch: a `streams.Watch`; its `spec` gives x, and the target, the shape that the element's spec may leave open.
    """
    shape = watch.spec.input_shape

    def checked(*element):
        x, y, weights = watch.parts_of(element if len(element) > 1 else element[0], watch.name)
        for part, what in ((y, "target"), (weights, "sample_weight")):
            if part is not None and (part.shape.rank is None or (part is weights and part.shape[1:] == [None])):
                raise ValueError(
                    f"{watch.name} gives a {what} of unknown shape {part.shape}, which the step must know. Say it by "
                    "tf.ensure_shape in dataset.map(...), and leave labels out there."
                )
        if weights is not None and y is None:  # Of no columns, it stands for none.
            y = tf.zeros((tf.shape(x["x"] if watch.spec.inputs else x)[0], 0))
        rows = watch.spec.inputs  # Of these a stream may leave out what follows from x.
        names = ["x", *(row.name for row in rows if row.name in x)]

        def watched(*arrays):
            given = dict(zip(names, arrays, strict=False)) if rows else arrays[0]
            whole, *rest = watch((given, *arrays[len(names) :]))
            return [*([whole["x"], *(whole[row.name] for row in rows)] if rows else [whole]), *rest]

        parts = [*([x[name] for name in names] if rows else [x]), *(part for part in (y, weights) if part is not None)]
        x, *others = parts[0], *parts[len(names) :]

        def type_of(part):
            return tf.float32 if part is weights or part.dtype == tf.bfloat16 else part.dtype

        # What it gives is used: TensorFlow leaves a call out that is there for its check alone.
        types = [type_of(x), *(row.dtype for row in rows), *map(type_of, others)]
        whole, *seen = tf.numpy_function(watched, parts, types)
        whole.set_shape(_shape_of(x, shape))
        beside = {row.name: seen.pop(0) for row in rows}
        for row in rows:
            beside[row.name].set_shape((x.shape[0] if x.shape.rank else None, *row.shape))
        for part, given in zip(seen, others, strict=True):
            part.set_shape(_shape_of(given, shape) if given is not weights else _weights_shape(given, shape))
        seen = ({"x": whole} | beside if rows else whole, *seen)
        return seen if len(seen) > 1 else seen[0]

    return dataset.map(tf.autograph.experimental.do_not_convert(checked)).prefetch(1)


def _shape_of(part: tf.Tensor, shape: tuple) -> tuple:
    known = part.shape
    return tuple(known) if known.rank is not None and known[-1] == 0 else (known[0] if known.rank else None, *shape)


def _weights_shape(weights: tf.Tensor, shape: tuple) -> tf.TensorShape:
    """The shape that weights have after the check, (batch,) or (batch, *shape)."""
    known = weights.shape
    of_samples = known.rank == 1 or (known.rank == 2 and known[-1] == 1)
    return tf.TensorShape((known[0],) if of_samples else (known[0], *shape))
