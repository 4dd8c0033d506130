"""Pretrained weights by name: what ships with the package, folders of one's own, and the Hugging Face Hub.

    keras_ae.list_weights("conv_*")  # ["conv_ae/mnist", ...]
    print(keras_ae.card("conv_vae/mnist"))
    model = keras_ae.build("conv_vae", weights="mnist")

Beside the code stand the folders `<model>-<dataset>/`, and `catalogue.json` with the SHA-256 of each file in them.
"""

import difflib
import json
import os
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path

from keras_ae import registry
from keras_ae.pretrained.cards import Card
from keras_ae.pretrained.folders import CARD, CATALOGUE, SPEC, WEIGHTS, Folder, folder_name
from keras_ae.pretrained.options import fitted
from keras_ae.pretrained.packing import pack, refresh_catalogue, write_card
from keras_ae.spec import Spec

ROOT = Path(__file__).parent
HUB = "hf://"


def list_weights(pattern: str = "*") -> list[str]:
    """Return the names such as "conv_vae/mnist" of the weights that ship with the package, sorted.

    Args:
        pattern: shell-style, over the whole name or over the model's part of it: "conv_*", "*/mnist".
    """
    names = ((name, name.split("/")[0]) for name in _catalogue())
    return sorted(name for name, model in names if fnmatch(name, pattern) or fnmatch(model, pattern))


def card(weights: str | os.PathLike) -> Card:
    """Return the card of pretrained weights: data, protocol, numbers, how they were made. `print` shows it whole.

    Args:
        weights: a name of `list_weights()`, a folder, or "hf://user/repo".

    Raises:
        ValueError: an unknown name (the nearest is suggested), or a card that is damaged.
        FileNotFoundError: there is no such folder, or no card in it.
    """
    return find(weights).card()


def find(weights: str | os.PathLike, model: str | None = None) -> Folder:
    """Return the folder of `weights`: of a name, or a path, or an address on the Hub.

    A name of the catalogue is never taken for a folder: write "./mnist".

    Args:
        weights: a name of `list_weights()`, with `model` its part after the slash, a folder, or "hf://user/repo".
        model: the name of the model that it is for.
    """
    text, catalogue = os.fspath(weights), _catalogue()
    if isinstance(weights, str):
        for name in (f"{model}/{text}", text):
            if name in catalogue:
                return Folder(ROOT / folder_name(name), name, catalogue[name])
        if text.startswith(HUB):
            return Folder(_download(text), text)
    path = Path(text).expanduser()
    if path.is_dir():
        return Folder(path, text)
    if path.is_file():
        raise ValueError(f"{text} is a file: give the folder that it is in, or build the model and load_weights(file).")
    if not isinstance(weights, str) or text.startswith((".", "~")) or text.count("/") > 1:
        raise FileNotFoundError(f"There is no folder {text}. See keras_ae.list_weights() for weights by name.")
    name = text if "/" in text or model is None else f"{model}/{text}"
    near = difflib.get_close_matches(name, catalogue, n=1, cutoff=0.4)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"Unknown weights {name!r}, and there is no such folder.{hint} See keras_ae.list_weights().")


@registry.register_opener
def opened(model: str | Spec, weights: str | os.PathLike, overrides: dict) -> tuple[Spec, Callable]:
    """Return the spec that `build` is to build for `weights`, and the function that fills the model.

    Every file is checked before it is opened, and all are before a model is built.

    Args:
        model: the name of a model, or a spec that must have the architecture of the stored one.
        weights: as in `find`.
        overrides: options of the named model; see `options.fitted`.

    Raises:
        ValueError: unknown or damaged weights, weights of another model, options that they do not fit.
        FileNotFoundError: a folder or file is missing.
        ImportError: "hf://..." without the package huggingface_hub.
    """
    if isinstance(model, Spec):
        folder, spec, changed = find(weights), model, []
        folder.check()
    else:
        folder = find(weights, model)
        folder.check()
        theirs = folder.card()["model"]
        if theirs != model:
            raise ValueError(f"The weights {folder.name} are of {theirs!r}, not of {model!r}: build({theirs!r}, ...).")
        stored = folder.spec()
        spec = fitted(stored, model, overrides, folder.name)
        changed = [name for name, value in spec.scheduled.items() if value != stored.scheduled[name]]

    def load(autoencoder) -> None:
        starts = {name: float(autoencoder.scheduled[name]) for name in changed}
        autoencoder.load_weights(folder.path / WEIGHTS)
        for name, start in starts.items():  # A schedule of the caller's starts at its start.
            autoencoder.scheduled[name].assign(start)

    return spec, load


def _catalogue() -> dict[str, dict[str, str]]:
    return json.loads((ROOT / CATALOGUE).read_text())


def _download(address: str) -> Path:
    """Return the folder to which the files of "hf://user/repo" were downloaded, as `keras.saving.load_model` does."""
    try:
        import huggingface_hub
    except ImportError as error:
        raise ImportError(f"{address} needs a package that is not installed: pip install huggingface_hub.") from error
    repository = address.removeprefix(HUB)
    return Path(huggingface_hub.snapshot_download(repo_id=repository, allow_patterns=[SPEC, WEIGHTS, CARD]))
