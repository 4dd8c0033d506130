"""`keras.distribution.DataParallel`: all JAX devices, of one process or of several."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import jax
import keras

from keras_ae.train_step.distribution import Workers

ADDRESSES, PROCESSES = "KERAS_DISTRIBUTION_JOB_ADDRESSES", "KERAS_DISTRIBUTION_NUM_PROCESSES"


def detected() -> str:
    """Return "data-parallel" where the environment names several processes or JAX sees several devices."""
    if int(os.environ.get(PROCESSES, 1)) > 1:
        return "data-parallel"
    return "data-parallel" if jax.device_count() > 1 else "none"


@contextmanager
def data_parallel() -> Iterator[Workers]:
    """Use all devices, after the processes that the environment names have found each other."""
    if ADDRESSES in os.environ and not jax.distributed.is_initialized():
        keras.distribution.initialize()
    # Batches come to a process as its share already.
    strategy = keras.distribution.DataParallel(auto_shard_dataset=False)
    with strategy.scope():
        yield Workers("data-parallel", jax.process_index(), jax.process_count(), jax.device_count())


STRATEGIES = {"data-parallel": data_parallel}
