"""Make a folder of pretrained weights: `pack` the model, `write_card`, and for a set of folders `refresh_catalogue`."""

import io
import json
import os
from pathlib import Path

import h5py
import numpy as np

from keras_ae import digests
from keras_ae.autoencoder import Autoencoder
from keras_ae.feeding import x_of
from keras_ae.files import replacing
from keras_ae.pretrained.cards import FORMAT, Card
from keras_ae.pretrained.folders import CARD, CATALOGUE, SPEC, WEIGHTS, Folder, digest, folder_name
from keras_ae.spec import Spec

STORAGES = ("float16", "float32")
TOLERANCE = 1e-3  # Of reconstructions from float16 weights against those from float32, the greatest difference.
COMPRESSED = 1024  # Values from which on an array is compressed: below, the chunks take more than they save.


def pack(
    model: Autoencoder, folder: str | os.PathLike, *, check: np.ndarray | dict | None = None, storage: str = "float16"
) -> str:
    """Write `spec.json` and `model.weights.h5` of a trained model, without optimiser and random state.

    A weight of the objective that followed a schedule (`beta=Ramp(...)`) is written as the number at which it stands.
    Numbers for the card are to be measured on the packed weights: `model.load_weights(folder / "model.weights.h5")`.

    Args:
        model: the trained model; it is left as it is.
        folder: where to write; made where it does not exist.
        check: samples, (n, *input_shape), whose reconstructions from float16 must be within 1e-3 of the model's own.
            Where they are not, the smaller half of the kernels is stored as float32, then half of the rest, and so on.
            Needed for float16. In a dict where the model takes inputs beside them.
        storage: "float16" or "float32".

    Returns:
        The storage that was used: "float16" where any kernel is stored so.

    Raises:
        ValueError: an unknown storage, or float16 without samples to check it on.
    """
    if storage not in STORAGES:
        raise ValueError(f"storage must be one of {', '.join(STORAGES)}, got {storage!r}.")
    if storage == "float16" and (check is None or not len(x_of(check))):
        raise ValueError("pack: storage float16 is checked on samples. Give check=x, or storage='float32'.")
    folder, spec = Path(folder), _at_rest(model)
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / WEIGHTS) as temporary:
        model.save_weights(temporary)
        whole = temporary.read_bytes()
        halved = _kernels(whole) if storage == "float16" else []
        temporary.write_bytes(_repacked(whole, spec, halved))
        while halved and not _holds(model, spec, temporary, check):
            halved = halved[: len(halved) // 2]
            temporary.write_bytes(_repacked(whole, spec, halved))
        digests.sign(temporary)
    _write(folder / SPEC, spec.to_json() + "\n")
    return "float16" if halved else "float32"


def write_card(folder: str | os.PathLike, facts: dict) -> Card:
    """Write `card.json` and `card.md` beside packed weights, and return the card.

    Args:
        folder: made by `pack`.
        facts: `model` and `dataset` by name, and what else there is to tell: docs/pretrained.md lists the keys. Format,
            name, parameters, storage and the SHA-256 of spec and weights are filled in.

    Raises:
        FileNotFoundError: `pack` was not called.
        ValueError: `model` or `dataset` is missing, a number is not finite, or a picture is missing.
    """
    folder = Path(folder)
    if missing := [key for key in ("model", "dataset") if not facts.get(key)]:
        raise ValueError(f"write_card: the facts lack {', '.join(missing)}.")
    if missing := [name for name in facts.get("pictures", ()) if not (folder / name).is_file()]:
        raise ValueError(f"write_card: {folder} lacks the pictures {', '.join(missing)}.")
    text, weights = (folder / SPEC).read_bytes(), (folder / WEIGHTS).read_bytes()
    known = {
        "format": FORMAT,
        "name": f"{facts['model']}/{facts['dataset']}",
        "spec": digest(text),
        "weights": digest(weights),
        "parameters": Spec.from_json(text.decode()).parameters,
        "storage": _storage(weights),
    }
    facts = known | facts | known  # In the order of `known`, and by its values.
    data = json.dumps(facts, indent=1, allow_nan=False, ensure_ascii=False) + "\n"
    card = Card(json.loads(data))
    _write(folder / "card.md", str(card))
    _write(folder / CARD, data)
    return card


def refresh_catalogue(root: str | os.PathLike) -> dict[str, dict[str, str]]:
    """Write `catalogue.json`, the SHA-256 of every file of every folder with a card in `root`, and return it.

    Each `card.md` is written anew, with the line that loads the weights by name.

    Raises:
        ValueError: a folder is not named for its card, or its card is for another spec or other weights.
    """
    root, catalogue = Path(root), {}
    for path in sorted(root.glob(f"*/{CARD}")):
        folder = Folder(path.parent, path.parent.name)
        folder.check()
        name = folder.card()["name"]
        if folder_name(name) != folder.name:
            raise ValueError(f"{path.parent} has the card of {name}: name the folder {folder_name(name)}.")
        _write(path.parent / "card.md", str(Card(dict(folder.card()), weights=name)))
        files = sorted(file for file in path.parent.iterdir() if file.is_file() and not file.name.startswith("."))
        catalogue[name] = {file.name: digest(file.read_bytes()) for file in files}
    _write(root / CATALOGUE, json.dumps(dict(sorted(catalogue.items())), indent=1) + "\n")
    return catalogue


def _at_rest(model: Autoencoder) -> Spec:
    """Return the model's spec with every schedule replaced by the number that it stands at."""
    # Seven digits: float32 has no more, and 0.1 stays 0.1.
    values = {name: float(f"{float(model.scheduled[name]):.7g}") for name in model.spec.schedules}
    return model.spec.rescheduled(**values)


def _kernels(weights: bytes) -> list[str]:
    """Return the names of the arrays of two axes and more in a weights file, the largest first.

    Biases are left out: they are few, and count most.
    """
    sizes = {}

    def note(name: str, node) -> None:
        if _is_kept(name) and isinstance(node, h5py.Dataset) and node.ndim > 1 and node.dtype.kind == "f":
            sizes[name] = node.size

    with h5py.File(io.BytesIO(weights)) as file:
        file.visititems(note)
    return sorted(sizes, key=sizes.get, reverse=True)


def _is_kept(name: str) -> bool:
    """Return whether a model that is loaded needs this part of a weights file."""
    return name.split("/")[0] != "optimizer" and name not in ("vars/random_states", "vars/scheduled")


def _repacked(weights: bytes, spec: Spec, halved: list[str]) -> bytes:
    """Return a weights file with what a model needs that is loaded, the arrays of these names as float16."""
    packed = io.BytesIO()
    with h5py.File(io.BytesIO(weights)) as old, h5py.File(packed, "w", libver="latest") as new:

        def copy(name: str, node) -> None:
            if not _is_kept(name):
                return
            if isinstance(node, h5py.Group):
                new.require_group(name).attrs.update(node.attrs)
                return
            value = node[()]
            if name == "vars/spec":
                value = np.frombuffer(json.dumps(spec.to_dict()).encode(), dtype="uint8")
            elif name in halved:
                with np.errstate(over="ignore"):  # What overflows is found where the outputs are compared.
                    value = value.astype("float16")
            small = {"compression": "gzip", "shuffle": True} if value.size >= COMPRESSED else {}
            new.create_dataset(name, data=value, **small).attrs.update(node.attrs)

        old.visititems(copy)
    return packed.getvalue()


def _holds(model: Autoencoder, spec: Spec, weights: Path, check: np.ndarray | dict) -> bool:
    """Return whether a model filled from `weights` reconstructs the samples as `model` does; NaN does not."""
    again = type(model).from_config(model.get_config() | {"spec": spec.to_dict()})
    again.load_weights(weights)
    return bool(np.abs(again.reconstruct(check) - model.reconstruct(check)).max() <= TOLERANCE)


def _storage(weights: bytes) -> str:
    """Return the narrowest float type in a weights file."""
    found = set()
    with h5py.File(io.BytesIO(weights)) as file:
        file.visititems(lambda _, node: found.add(str(node.dtype)) if isinstance(node, h5py.Dataset) else None)
    return min(found & set(STORAGES))


def _write(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
