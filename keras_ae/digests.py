"""Digests at the end of files: damage is found before a file is opened, and nothing of it is loaded.

A `.weights.h5` or `.keras` file of ours ends in 80 bytes, a mark and the SHA-256 of all before it. HDF5 does not look
behind the end that its head names, and to a zip the 80 bytes are its comment, so that every other reader takes the
files as they are. Who changes such a file with h5py cuts the digest off, and it loads as a file without one: files of
older versions have none, and end where their format says.
"""

import hashlib
import os
import zipfile

MARK = b"keras_ae sha256 "
SIZE = len(MARK) + 64
_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_END_OF_FILE = {0: 40, 1: 44, 2: 28, 3: 28}  # Version of HDF5's head: where in it the end of the file stands.
_NO_COMMENT = b"\0\0"  # The last bytes of a zip without a comment.


def sign(path: str | os.PathLike) -> None:
    """Write the digest at the end of a `.weights.h5` or `.keras` file, in the place of an older one."""
    if "://" in str(path):
        return
    if _is_zip(path):
        with zipfile.ZipFile(path, "a") as archive:
            archive.comment = bytes(SIZE)
    with open(path, "r+b") as file:
        size = os.fstat(file.fileno()).st_size
        end = size - SIZE if _is_zip(path) or _mark(file, size) else size
        digest = _digest(file, end)
        file.seek(end)
        file.write(MARK + digest)


def check(path: str | os.PathLike) -> bool:
    """Check the digest of a `.weights.h5` or `.keras` file, or where it has none that it ends where it should.

    Returns:
        Whether it has one: the bytes are then those that were written.

    Raises:
        OSError: the file is truncated, damaged, or of another format.
    """
    if "://" in str(path):
        return False
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if _mark(file, size):
            if _digest(file, size - SIZE) != _tail(file, size, 64):
                raise damaged(path, "its SHA-256 is not the one that was written with it")
            return True
        if _is_zip(path):
            if _tail(file, size, 22)[:4] != b"PK\5\6" or _tail(file, size, 2) != _NO_COMMENT:
                raise damaged(path, "it does not end as a zip does")
        else:
            _check_end(path, file, size)
    return False


def damaged(path: str | os.PathLike, reason: object) -> OSError:
    """Return the error that says that a file is no good, and what to do."""
    words = " ".join(str(reason).split()).rstrip(".")
    kind = "model" if _is_zip(path) else "weights"
    return OSError(f"{path} is damaged or no {kind} file ({words}). Copy or train it again.")


def sha256_of(path: str | os.PathLike) -> str:
    """Return the SHA-256 of a whole file in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_end(path, file, size: int) -> None:
    file.seek(0)
    head = file.read(48)
    if len(head) < 48 or not head.startswith(_SIGNATURE) or head[8] not in _END_OF_FILE:
        raise damaged(path, "it does not begin as HDF5 does")
    start = _END_OF_FILE[head[8]]
    end = int.from_bytes(head[start : start + 8], "little")
    if end != size:
        raise damaged(path, f"it has {size:,} bytes, and its head says {end:,}")


def _is_zip(path) -> bool:
    return str(path).endswith(".keras")


def _mark(file, size: int) -> bool:
    return _tail(file, size, SIZE).startswith(MARK)


def _tail(file, size: int, count: int) -> bytes:
    file.seek(max(size - count, 0))
    return file.read(count)


def _digest(file, end: int) -> bytes:
    """Return the SHA-256 of the first `end` bytes in hexadecimal."""
    digest, block = hashlib.sha256(), 1 << 20
    file.seek(0)
    for start in range(0, end, block):
        digest.update(file.read(min(block, end - start)))
    return digest.hexdigest().encode()
