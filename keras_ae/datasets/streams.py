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

    def take(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """The samples at `places`, each of which is given out once, and their labels, None where there are none.

        float32, (len(places), *shape), and (len(places), ...).
        """
        places = places.tolist()
        while not self.held.keys() >= set(places):
            read, *fields = next(self.batches)
            # Copies, because a view would keep all samples that were read with it.
            samples = zip(read.tolist(), *fields, strict=True)
            self.held.update((place, (x.copy(), *map(np.copy, y))) for place, x, *y in samples)
        x, *y = (np.stack(field) for field in zip(*map(self.held.pop, places), strict=True))
        return self.store.to_float(x), y[0] if y else None
