"""`load`: from a name, a file, a folder or arrays to a `Dataset`."""

import os
import re
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from keras_ae.datasets import image_files, images, stores
from keras_ae.datasets.batches import check_seed
from keras_ae.datasets.catalogue import DESCRIPTIONS, LICENCES
from keras_ae.datasets.parts import Dataset, Part
from keras_ae.datasets.speech import load_spoken_digits
from keras_ae.datasets.tfds import load_tfds

PARTS = ("train", "validation", "test")
TFDS_NAME = re.compile(r"\w+(/[\w.-]+)?(:[\d.*]+)?")
UNREADABLE = (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error)


def load(
    source,
    *,
    validation: float | int = 0.1,
    seed: int = 0,
    image_size: int | tuple[int, int] | None = None,
    alpha: str = "white",
    stream: bool = False,
    data_dir: str | os.PathLike | None = None,
    download: bool = True,
    notes: str | None = None,
) -> Dataset:
    """A `Dataset` with the parts train, validation and test.

    uint8 of shape (n, h, w) or (n, h, w, c) is images: divided by 255 (by 1 where no value exceeds 1: 0/1 masks),
    a channel axis appended to grey ones. Grey image files of 16 bits are divided by 65535. All else becomes float32
    unscaled, an array of uint16 too, whose greatest value only you know. Parts that the source has are used as
    they are; a missing validation or test part is carved from train, and `info["split"]` says so.

    Args:
        source: one of
            a name: "mnist_mini", or of TensorFlow Datasets "mnist", "cifar10:3.0.2", any set with an `image`, and
            "spoken_digit", which becomes log-mel spectrograms;
            an `.npz` (or a dict of arrays) with x_train, x_validation, x_test or x or X, and the same with y; other
            arrays of as many rows, such as dose_train and dose_test, are columns, which `Part.batches` gives by name;
            an `.npy`; an array; a pair (x, y);
            a folder of images: flat, or one sub-folder a class, or train/, validation/, test/ of either kind.
            A name known by heart is never taken for a folder: write "./mnist".
        validation: size of each carved part: a fraction in (0, 1), or a whole number >= 1 of samples.
        seed: of the carving, a whole number >= 0.
        image_size: side, or (height, width): images are cropped about the centre to these proportions and resized.
        alpha: what becomes of transparent image files: the colour that they are composed on, by name or as "#rrggbb",
            or "keep", a channel more; `info["preprocessing"]` says it where any is transparent.
        stream: keep no more than a batch (and a shuffle buffer) in memory. `.npy` is mapped, folders are read file by
            file, TFDS in order; TFDS parts are carved as slices off the end of train instead of at random.
        data_dir: folder of prepared TFDS sets; None: the environment's TFDS_DATA_DIR, else TFDS's default.
        download: let TFDS download and prepare a set that is not in that folder.
        notes: a remark to keep in `info["notes"]`.

    Raises:
        FileNotFoundError: no such file or folder, a folder without images, or a TFDS set that is not to be had.
        ValueError: an unknown name, an argument out of range, or data that cannot be used; the message says why.
    """
    size = images.check_image_size(image_size)
    image_files.check_alpha(alpha)
    check_seed(seed)
    part_size(validation, None, 0)
    if isinstance(source, (str, os.PathLike)):
        options = {"image_size": size, "alpha": alpha, "stream": stream, "data_dir": data_dir, "download": download}
        name, parts, split, facts = _open(source, validation=validation, **options)
    else:
        name, facts = "arrays", {"source": "arrays"}
        parts = _array_parts(_as_dict(source), name, image_size=size, stream=stream)
        split = dict.fromkeys(parts, "given")
    rows, carved = _carve(len(parts["train"]), [part for part in PARTS if part not in parts], validation, seed)
    data = {part: Part(parts.get(part, parts["train"]), rows.get(part), name=part) for part in PARTS}
    info = {
        **facts,
        "preprocessing": facts.get("preprocessing") or _preprocessing(parts["train"], size),
        "range": data["train"].range,
        "classes": facts.get("classes") or _classes(parts),
        "split": split | carved,
        "sizes": {part: len(data[part]) for part in PARTS},
        "input_shape": data["train"].shape,
        "stream": stream,
        "notes": notes,
    }
    return Dataset(name, **data, info={key: list(v) if isinstance(v, tuple) else v for key, v in info.items()})


def _open(source, *, validation, image_size, alpha, stream, data_dir, download) -> tuple[str, dict, dict, dict]:
    text, path = os.fspath(source), Path(source).expanduser()
    name = text.split(":")[0]
    if text == "mnist_mini":
        parts = _open_file(Path(__file__).with_name("mnist_mini.npz"), image_size, stream)
        facts = {
            "source": "a sample of MNIST, shipped with keras_ae",
            "version": "1",
            "licence": LICENCES[name],
            "description": DESCRIPTIONS[name],
        }
        return name, parts, dict.fromkeys(parts, "given"), facts
    if name not in DESCRIPTIONS and path.is_dir():
        parts, class_names, remark = _open_folder(path, image_size, alpha, stream)
        facts = {"source": f"image folder {path.name}", "class_names": class_names, "classes": len(class_names) or None}
        facts["preprocessing"] = remark + _preprocessing(parts["train"], image_size)
        return path.name, parts, dict.fromkeys(parts, "given"), facts
    if name not in DESCRIPTIONS and path.is_file():
        parts = _open_file(path, image_size, stream)
        return path.stem, parts, dict.fromkeys(parts, "given"), {"source": f"file {path.name}"}
    if not TFDS_NAME.fullmatch(text):
        raise FileNotFoundError(f"No file or folder {text!r} (looked for {path.absolute()}). Give an existing path.")
    if name == "spoken_digit":
        if stream or image_size:
            raise ValueError(
                f"{text!r} is read whole and has one size: load it with neither stream=True nor image_size."
            )
        parts, split, facts = load_spoken_digits(text, data_dir=data_dir, download=download)
        return name, parts, split, facts | {"licence": LICENCES[name]}
    parts, split, facts = load_tfds(
        text,
        data_dir=data_dir,
        download=download,
        image_size=image_size,
        stream=stream,
        part_size=lambda count, parts: part_size(validation, count, parts),
    )
    # TFDS leaves the licence of most sets empty.
    return name, parts, split, facts | {"licence": LICENCES.get(name, facts["licence"])}


def _open_file(path: Path, image_size, stream: bool) -> dict:
    if path.suffix not in (".npz", ".npy"):
        raise ValueError(f"{path} is neither .npz nor .npy. Save its values as one, or pass them as an array.")
    if stream and path.suffix == ".npz":
        raise ValueError(f"stream=True cannot map {path.name}, which is compressed. Save it as .npy, or stream=False.")
    arrays = _read_numpy(path, mapped=stream)
    return _array_parts(arrays, path.name, image_size=image_size, stream=stream)


def _read_numpy(path: Path, mapped: bool) -> dict[str, np.ndarray]:
    try:
        if mapped:
            return {"x": np.load(path, mmap_mode="r", allow_pickle=False)}
        with path.open("rb") as file:
            read = np.load(file, allow_pickle=False)
            return {"x": read} if isinstance(read, np.ndarray) else dict(read)
    except UNREADABLE as error:
        raise ValueError(
            f"Cannot read {path}: it is truncated, not of NumPy's format, or holds pickled objects, which are never "
            f"unpickled ({error})."
        ) from error


def _open_folder(folder: Path, image_size, alpha: str, stream: bool) -> tuple[dict, list[str], str]:
    found, class_names = image_files.scan_folder(folder)
    form = image_files.common_format([path for paths, _ in found.values() for path in paths], image_size, alpha)
    if stream:
        scale = _scale(form, image_files.read_images(found["train"][0][: stores.PROBE], form))
        parts = {part: image_files.FileStore(paths, y, form, scale) for part, (paths, y) in found.items()}
    else:
        arrays = {part: (image_files.read_images(paths, form), y) for part, (paths, y) in found.items()}
        scale = _scale(form, *(x for x, _ in arrays.values()))
        parts = stores.array_stores(arrays, source=folder.name, scale=scale)
    return parts, class_names, form.remark


def _scale(form: image_files.Format, *arrays: np.ndarray) -> int:
    return 65535 if form.dtype == np.uint16 else stores.grey_levels(*arrays)


def _as_dict(source) -> dict:
    if isinstance(source, Mapping):
        return dict(source)
    if isinstance(source, tuple):
        if len(source) != 2:
            raise ValueError(f"A tuple of {len(source)} is no source: give (x, y), or a dict with x_train, x_test, ...")
        return {"x": source[0], "y": source[1]}
    return {"x": source}


def _array_parts(arrays: dict, source: str, **options) -> dict[str, stores.ArrayStore]:
    return stores.array_stores(_parts_of(arrays, source), columns=_columns(arrays), source=source, **options)


def _columns(arrays: dict) -> dict[str, dict]:
    """What stands beside x and y, by part and name: "dose_test" is the column "dose" of test, "dose" that of train."""
    found: dict[str, dict] = {part: {} for part in PARTS}
    for key, array in arrays.items():
        name, _, part = key.rpartition("_")
        name, part = (name, part) if name and part in PARTS else (key, "train")
        if name not in ("x", "X", "y"):
            found[part][name] = array
    return found


def _classes(parts: dict) -> int | None:
    """How many classes the labels of a source count, whole numbers from 0 on; None where they are none such."""
    labels = [np.asarray(y) for store in parts.values() if (y := getattr(store, "y", None)) is not None]
    if not labels or any(y.dtype.kind not in "bui" or y.ndim > 2 or y[0].size != 1 or y.min() < 0 for y in labels):
        return None
    return max(int(y.max()) for y in labels) + 1


def _parts_of(arrays: dict, source: str) -> dict[str, tuple]:
    aliases = {"x": "x_train", "X": "x_train", "y": "y_train"}
    known = [f"{letter}_{part}" for letter in "xy" for part in PARTS]
    named = {}
    for key, array in arrays.items():
        if key not in aliases and key not in known:
            if key[:2] in ("x_", "y_"):
                raise ValueError(f"{source} has the unknown key {key!r}. Use {', '.join(known)}.")
            continue
        name = aliases.get(key, key)
        if name in named:
            raise ValueError(f"{source} gives {name} twice, as {key!r} too. Its keys are {list(arrays)}.")
        named[name] = array
    if "x_train" not in named:
        raise ValueError(f"{source} has the keys {list(arrays)}. It needs 'x_train' (or 'x', or 'X').")
    for key in named:
        samples = "x" + key[1:]
        if samples not in named:
            raise ValueError(f"{source} has {key!r} without its {samples!r}. Its keys are {list(arrays)}.")
    return {part: (named[f"x_{part}"], named.get(f"y_{part}")) for part in PARTS if f"x_{part}" in named}


def part_size(validation: float | int, count: int | None, parts: int) -> int:
    """Samples of each of `parts` parts to carve from `count` samples (None: check `validation` alone).

    Raises:
        ValueError: `validation` is neither a fraction in (0, 1) nor a whole number >= 1, or leaves train empty.
    """
    whole = isinstance(validation, (int, np.integer)) and not isinstance(validation, bool)
    fraction = isinstance(validation, (float, np.floating)) and 0 < validation < 1
    if not (fraction or (whole and validation >= 1)):
        raise ValueError(f"validation={validation!r}: give a fraction in (0, 1), or a whole number >= 1 of samples.")
    if count is None:
        return 0
    size = int(validation) if whole else max(1, round(validation * count))
    if size * parts >= count:
        raise ValueError(
            f"validation={validation!r} would carve {parts} x {size} samples from the {count} of train, and leave "
            "none. Give a smaller one."
        )
    return size


def _carve(count: int, missing: list[str], validation, seed: int) -> tuple[dict, dict]:
    if not missing:
        return {}, {}
    size = part_size(validation, count, len(missing))
    order = np.random.default_rng(seed).permutation(count)
    rows = {part: np.sort(order[place * size : (place + 1) * size]) for place, part in enumerate(missing)}
    told = {part: f"{size} drawn at random from train, seed {seed}" for part in missing}
    rows["train"] = np.sort(order[len(missing) * size :])
    told["train"] = f"the {len(rows['train'])} left after carving {' and '.join(missing)}"
    return rows, told


def _preprocessing(store, image_size) -> str:
    if isinstance(store, stores.ArrayStore) and not store.images:
        return "cast to float32, not scaled"
    resized = f"cropped about the centre and resized to {image_size}; " if image_size else ""
    return resized + {255: "uint8 / 255", 65535: "uint16 / 65535", 1: "0/1 masks as they are"}[store.scale]
