"""Files that are whole or not there: written under a temporary name beside the target, then renamed."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`; rename it to `path` on success, remove it on failure.

    The temporary name ends like `path`, because Keras reads the format from the suffix. A full disk or a kill while
    writing leaves an older `path` as it was.
    """
    if "://" in str(path):  # A bucket's objects appear whole or not at all, and cannot be renamed.
        yield path
        return
    path = Path(path)
    temporary = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def reserve(path: str | os.PathLike, size: int) -> None:
    """Fill `path` with `size` zeros for the next writer to overwrite; a full disk is an `OSError` here and now.

    HDF5 itself crashes the process where it finds a disk full while it closes a file.
    """
    if "://" in str(path):
        return
    block = bytes(1 << 20)
    with open(path, "wb") as file:
        for start in range(0, size, len(block)):
            file.write(block[: size - start])
