"""`tf.distribute`: the devices of one machine, or processes on several."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import tensorflow as tf

from keras_ae.train_step.distribution import Workers


def detected() -> str:
    """Return the strategy that `TF_CONFIG` or the GPUs of this machine call for."""
    if len(_addresses()) > 1:
        return "multiworker"
    return "mirrored" if len(tf.config.list_physical_devices("GPU")) > 1 else "none"


@contextmanager
def mirrored() -> Iterator[Workers]:
    """Use all GPUs of this machine, or else its logical CPU devices."""
    strategy = _made(tf.distribute.MirroredStrategy)
    with strategy.scope():
        yield Workers("mirrored", replicas=strategy.num_replicas_in_sync)


@contextmanager
def multi_worker() -> Iterator[Workers]:
    """Use the processes that `TF_CONFIG` names, with all their GPUs."""
    addresses = _addresses()
    if not addresses:
        raise ValueError(
            "distribute('multiworker') finds its processes in the environment variable TF_CONFIG, and it names no "
            'worker. Set it to {"cluster": {"worker": ["host:port", ...]}, "task": {"type": "worker", "index": 0}}, '
            "with the index of each process, before Python starts."
        )
    strategy = _made(tf.distribute.MultiWorkerMirroredStrategy)
    task = strategy.cluster_resolver
    index = addresses.index((task.task_type, task.task_id))
    with strategy.scope():
        yield Workers("multiworker", index, len(addresses), strategy.num_replicas_in_sync)


@cache
def _made(kind: type[tf.distribute.Strategy]) -> tf.distribute.Strategy:
    """Return the one strategy of that kind: a second one would number its collective operations like the first."""
    return kind()


def _addresses() -> list[tuple[str, int]]:
    """Return (type, index) of the training processes in `TF_CONFIG`, the chief first."""
    cluster = json.loads(os.environ.get("TF_CONFIG") or "{}").get("cluster", {})
    return [(kind, index) for kind in ("chief", "worker") for index in range(len(cluster.get(kind, ())))]


STRATEGIES = {"mirrored": mirrored, "multiworker": multi_worker}
