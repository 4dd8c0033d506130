"""Memory that one step frees and the next takes again, kept by the process while a model trains on CPU.

PyTorch and TensorFlow ask the C library for every tensor, and glibc hands large blocks back to the system when they are
freed: the next step then pays for each page anew. See `mallopt(3)` for the options.
"""

import ctypes
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4  # Options of `mallopt`, as <malloc.h> numbers them.
_KEPT = {_MMAP_MAX: 0, _TRIM_THRESHOLD: 2**31 - 1}
# Where glibc's own sliding thresholds end, which setting any of them switches off.
_USUAL = {_MMAP_MAX: 65_536, _MMAP_THRESHOLD: 2**25, _TRIM_THRESHOLD: 2**26}
_ENVIRONMENT = ("MALLOC_MMAP_MAX_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES")


@contextmanager
def kept_memory(*, on_cpu: bool) -> Iterator[None]:
    """Keep freed memory within, and give it back at the end.

    Nothing happens unless the tensors are `on_cpu`, without glibc, or where the environment sets one of glibc's
    thresholds itself (MALLOC_TRIM_THRESHOLD_, MALLOC_MMAP_THRESHOLD_, MALLOC_MMAP_MAX_ or GLIBC_TUNABLES).
    """
    chosen = any(name in os.environ for name in _ENVIRONMENT)
    if chosen or not on_cpu or platform.libc_ver()[0] != "glibc":
        yield
        return
    library = ctypes.CDLL(None)
    _set(library, _KEPT)
    try:
        yield
    finally:
        _set(library, _USUAL)
        library.malloc_trim(0)


def _set(library: ctypes.CDLL, options: dict[int, int]) -> None:
    for option, value in options.items():
        library.mallopt(option, value)
