"""Training on several devices, processes or machines, by each backend's own engine."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module

import keras

KINDS = ("auto", "none", "mirrored", "multiworker", "data-parallel")


# Between the seeds of two replicas: more than the draws that a training makes, because PyTorch adds the two numbers of
# a seed.
SEED_STRIDE = 2_654_435


@dataclass(frozen=True)
class Workers:
    """Who trains together, seen from one process.

    Attributes:
        kind: the strategy, one of `KINDS` but "auto"; "none" is one device.
        index: this process' number; 0 is the chief, the only one that writes the files of a run.
        count: how many processes there are.
        replicas: how many devices, of all processes, share a batch.
    """

    kind: str = "none"
    index: int = 0
    count: int = 1
    replicas: int = 1

    @property
    def chief(self) -> bool:
        """Whether this process writes and prints."""
        return self.index == 0

    @property
    def cut(self) -> bool:
        """Whether each process is fed its own share of the global batches."""
        return self.kind in ("multiworker", "data-parallel")

    @property
    def shard(self) -> tuple[int, int]:
        """What `keras_ae.datasets.Batches` take as `shard` to read this process' share alone."""
        return (self.index, self.count) if self.kind == "data-parallel" else (0, 1)


_workers = Workers()


def workers() -> Workers:
    """Return who trains together now: what the `distribute` around this call began, or one device."""
    return _workers


@contextmanager
def distribute(kind: str = "auto") -> Iterator[Workers]:
    """Train on several devices: build, compile, fit and evaluate models inside this block.

    A batch size is that of the whole: every worker trains on its share of each batch, and the same batches give the
    same losses as on one device, where no noise is drawn. In multi-process training every process runs the same
    program, enters the block before anything else, and writes files only where `workers.chief`.

    Args:
        kind: on TensorFlow "mirrored" (all GPUs of this machine) or "multiworker" (processes that `TF_CONFIG` names);
            on JAX "data-parallel" (all devices, those of other processes too, where the variables
            `KERAS_DISTRIBUTION_*` of `keras.distribution.initialize` name them); on PyTorch "data-parallel" (processes
            started by `torchrun`); "none"; or "auto", the one that devices and environment call for.

    Yields:
        `Workers`.

    Raises:
        ValueError: the backend has no such strategy, or its processes are not named in the environment.

    Example:

        with keras_ae.distribute() as workers:
            model = keras_ae.build("conv_vae")
            model.fit(images, batch_size=512, epochs=20, verbose=2 if workers.chief else 0)
    """
    global _workers
    backend = import_module(f"keras_ae.train_step.distribution_{keras.backend.backend()}")
    if kind == "auto":
        kind = backend.detected()
    if kind not in ("none", *backend.STRATEGIES):
        raise ValueError(
            f"distribute({kind!r}): the {keras.backend.backend()} backend has {', '.join(backend.STRATEGIES)}. "
            "Choose one of these, none or auto."
        )
    before = _workers
    try:
        if kind == "none":
            _workers = Workers()
            yield _workers
        else:
            with backend.STRATEGIES[kind]() as _workers:
                yield _workers
    finally:
        _workers = before


def out_of_scope(action: Callable):
    """Return `action()` from a thread of its own, which is in no strategy's scope.

    Whenever Keras saves an optimiser it makes another one for comparison; in the scope all processes would have to.
    """
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(action).result()
