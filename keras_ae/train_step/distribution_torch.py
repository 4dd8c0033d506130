"""`torch.distributed`: the processes that `torchrun` starts, one for each device."""

import os
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import distributed

from keras_ae.train_step.distribution import Workers

# Models whose function "replicated" is PyTorch's engine, which keeps the threads that talk to other processes.
replicated = weakref.WeakSet()


def detected() -> str:
    """Return "data-parallel" where `torchrun` has started several processes."""
    return "data-parallel" if int(os.environ.get("WORLD_SIZE", 1)) > 1 else "none"


@contextmanager
def data_parallel() -> Iterator[Workers]:
    """Join the processes of `torchrun`, unless the program has: by NCCL where each has a GPU, else by Gloo."""
    if "RANK" not in os.environ:
        raise ValueError(
            "distribute('data-parallel') finds its processes by torchrun's environment variables, and RANK is not set. "
            "Start the program by torchrun --nproc_per_node N -m keras_ae train ..., or choose none."
        )
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    joined = distributed.is_initialized()
    if not joined:
        distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    size = distributed.get_world_size()
    try:
        yield Workers("data-parallel", distributed.get_rank(), count=size, replicas=size)
    finally:
        if not joined:
            # Threads that outlive the block may abort the process when Python ends.
            for model in replicated:
                model.functions.pop("replicated", None)
            distributed.destroy_process_group()


STRATEGIES = {"data-parallel": data_parallel}
