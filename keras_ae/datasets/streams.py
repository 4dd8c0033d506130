"""Samples of a store that can be read from its beginning only, in another order than the stored one."""

import numpy as np


class Stream:
    """One pass over a sequential store: it decodes what will be asked for, once, and holds it until then.

    Args:
        store: a store with `read`, such as `TfdsStore`.
        wanted: places of all the samples to come, in any order; no other is decoded.
        size: samples to read at once.
    """

    def __init__(self, store, wanted: np.ndarray, size: int):
        mask = np.zeros(len(store), bool)
        mask[wanted] = True
        self.store, self.batches = store, store.read(size, mask)
        self.held = {}  # By place. Under a shuffle these are the samples of its buffer.

    def take(self, places: np.ndarray) -> np.ndarray:
        """The samples at `places`, each of which is given out once: float32, (len(places), *shape)."""
        places = places.tolist()
        while not self.held.keys() >= set(places):
            read, x, *_ = next(self.batches)
            # Copies, because a view would keep all samples that were read with it.
            self.held.update((place, sample.copy()) for place, sample in zip(read.tolist(), x, strict=True))
        return self.store.to_float(np.stack([self.held.pop(place) for place in places]))
