"""Files that are whole or not there: written under a temporary name beside the target, then renamed."""

import os
import platform
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path


@contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`; rename it to `path` on success, remove it on failure.

    The temporary name ends like `path`, because Keras reads the format from the suffix, and names the process that
    writes. A full disk or a kill while writing leaves an older `path` as it was; the temporary file that a kill leaves
    is removed by the next writer in that folder. An error that tells of the temporary file tells of `path` instead.
    """
    if "://" in str(path):  # A bucket's objects appear whole or not at all, and cannot be renamed.
        yield path
        return
    path = Path(path)
    _remove_stale(path.parent)
    temporary = path.with_name(f".{_host()}-{os.getpid()}-{path.name}")
    try:
        yield temporary
        os.replace(temporary, path)
    except Exception as error:
        _rename_in(error, temporary, path)
        raise
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


def _host() -> str:
    """Return ten hexadecimal digits for the machine, and for the container in which process ids count."""
    container = ""
    with suppress(OSError):
        container = os.readlink("/proc/self/ns/pid")
    return sha256(f"{platform.node()} {container}".encode()).hexdigest()[:10]


def _remove_stale(folder: Path) -> None:
    """Remove temporary files in `folder` whose writer, a process of this machine, is gone."""
    written_here = re.compile(rf"\.{_host()}-(\d+)-.+")
    for path in folder.glob(f".{_host()}-*"):
        if (match := written_here.fullmatch(path.name)) and not _runs(int(match[1])):
            with suppress(OSError):  # Another writer was first, or it is not ours to remove.
                path.unlink()


def _runs(process: int) -> bool:
    """Whether a process may be running; False is proof that it is not."""
    if os.name == "nt":  # There the question would end the process.
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True


def _rename_in(error: Exception, temporary: Path, path: Path) -> None:
    """Let an error name `path` where it names `temporary`."""

    def renamed(value):
        return value.replace(str(temporary), str(path)) if isinstance(value, str) else value

    error.args = tuple(renamed(value) for value in error.args)
    if isinstance(error, OSError):
        for name in ("filename", "filename2"):
            if getattr(error, name, None) is not None:
                setattr(error, name, renamed(os.fspath(getattr(error, name))))
