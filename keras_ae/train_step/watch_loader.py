"""A PyTorch `DataLoader` whose every batch passes a check, on whatever backend Keras runs."""

import copy
from collections.abc import Callable

import torch


class _Watched:
    """What makes a loader's batches, followed by a check; gives a tuple of tensors, as Keras takes from loaders."""

    def __init__(self, collate: Callable, watch: Callable):
        self.collate, self.watch = collate, watch

    def __call__(self, samples) -> tuple[torch.Tensor, ...]:
        return tuple(map(_tensors, self.watch(self.collate(samples))))


def _tensors(part):
    """An array, or each of a dict, as a tensor."""
    return {name: _tensors(each) for name, each in part.items()} if isinstance(part, dict) else torch.as_tensor(part)


def watched_loader(loader: torch.utils.data.DataLoader, watch: Callable) -> torch.utils.data.DataLoader:
    """The same batches, in the same order and by the same worker processes; `loader` stays as it is."""
    watched = copy.copy(loader)
    # The class forbids some attributes to change after its construction; of a copy that nobody else has, they may.
    watched.__dict__["collate_fn"] = _Watched(loader.collate_fn, watch)
    return watched
