"""Running means of the terms of a loss."""

import keras
from keras import ops


class TermMeans(keras.metrics.Metric):
    """The means of several terms at once: one update a step, where a metric for each would take dozens.

    Args:
        names: the terms; `result()` is a dict of their means.
    """

    def __init__(self, names: tuple[str, ...], **kwargs):
        super().__init__(dtype="float32", **kwargs)
        self.names = names
        self.sums = self.add_variable((len(names) + 1,), initializer="zeros", name="sums")

    def update_state(self, terms: dict, count) -> None:
        """Add the terms, scalars that are means over samples of the weight `count`."""
        values = [ops.cast(terms[name], "float32") for name in self.names]
        self.sums.assign_add(ops.cast(count, "float32") * ops.stack([*values, ops.ones(())]))

    def result(self) -> dict:
        """Return the means by name; 0 before the first update."""
        means = ops.divide_no_nan(self.sums[:-1], self.sums[-1])
        return dict(zip(self.names, ops.unstack(means, len(self.names)), strict=True))
