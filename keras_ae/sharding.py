"""Weights in several files: a `.weights.json` and the parts beside it, checked as one before any is opened."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from keras_ae import digests
from keras_ae.files import replacing

KEY = "sha256"


@contextmanager
def replacing_all(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a name in a folder of its own; move its parts, then the `.weights.json`, beside `path` on success.

    The latter tells the SHA-256 of every part, so that parts of two savings never load as one.
    """
    path = Path(path)
    with replacing(path) as temporary:
        temporary.mkdir()
        try:
            written = temporary / path.name
            yield written
            facts = json.loads(written.read_text())
            parts = sorted(temporary.glob("*.weights.h5"))
            for part in parts:
                digests.sign(part)
            sums = {part.name: digests.sha256_of(part) for part in parts}
            for part in parts:
                os.replace(part, path.with_name(part.name))
        finally:
            shutil.rmtree(temporary)
        temporary.write_text(json.dumps(facts | {KEY: sums | {"": _digest(facts)}}, indent=1))


def check(path: str | os.PathLike) -> None:
    """Check a `.weights.json` and its parts.

    Raises:
        OSError: one is damaged or missing, or they are of two savings.
    """
    path = Path(path)
    try:
        facts = json.loads(path.read_text())
        sums = facts.pop(KEY, None)
        places = facts["weight_map"].values()
        names = {name for each in places for name in ([each] if isinstance(each, str) else each)}
        found = {name: digests.sha256_of(path.with_name(name)) for name in names} | {"": _digest(facts)}
        have_digests = [digests.check(path.with_name(name)) for name in sorted(names)]
    except (OSError, ValueError, LookupError, AttributeError, TypeError) as error:
        raise digests.damaged(path, f"{type(error).__name__}: {error}") from error
    if sums is None and any(have_digests):
        raise digests.damaged(path, "the digests of its parts are missing")
    if sums is not None and found != sums:
        raise digests.damaged(path, "its SHA-256, or that of a part, is not the one that was written with it")


def _digest(facts: dict) -> str:
    return sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
