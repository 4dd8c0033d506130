"""A `tf.data.Dataset` and what is to look at its batches, until `Steps.read` makes of both what a trainer reads."""

from collections.abc import Callable


class WatchedDataset:
    """A `tf.data.Dataset` whose every batch is to pass a `streams.Watch`."""

    def __init__(self, dataset, watch: Callable):
        self.dataset, self.watch = dataset, watch

    @property
    def element_spec(self):
        """What the data set gives."""
        return self.dataset.element_spec


def with_adapters(arguments: dict) -> dict:
    """Return Keras' arguments with each `WatchedDataset` among them as JAX and PyTorch read it fastest."""
    return {name: _adapter(data) if isinstance(data, WatchedDataset) else data for name, data in arguments.items()}


def _adapter(data: WatchedDataset):
    from keras_ae.train_step.watch_tfdata import adapter  # It loads TensorFlow.

    return adapter(data.dataset, data.watch)
