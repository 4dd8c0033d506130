"""Image sets of TensorFlow Datasets, as NumPy arrays: found where prepared, else downloaded, else refused at once.

TensorFlow is imported inside these functions only, and on Keras' other backends it is kept off the GPUs.
"""

import contextlib
import difflib
import logging
import os
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from functools import cached_property
from itertools import islice
from pathlib import Path

import keras
import numpy as np

from keras_ae.datasets import images, stores
from keras_ae.datasets.catalogue import DESCRIPTIONS

VALIDATION_NAMES = ("validation", "valid", "val", "dev")
READ_SIZE = 1024
PROBE_URL, PROBE_SECONDS = "https://storage.googleapis.com", 5.0
MAGIC = {b"\xff\xd8\xff": "jpeg", b"\x89PN": "png"}


class TfdsStore:
    """A split of a TFDS set, read in its stored order and never kept.

    Args:
        builder: a prepared TFDS builder.
        split: of TFDS, slices too: "train[:1000]".
        image_size: (height, width) or None for the stored size.
        scale: what the pixels are divided by: 255, or 1 for 0/1 masks.
    """

    stream = True

    def __init__(self, builder, split: str, image_size: tuple[int, int] | None, scale: int):
        self.builder, self.split, self.image_size, self.scale = builder, split, image_size, scale
        stored = builder.info.features["image"].shape
        self.shape = (*(image_size or stored[:2]), stored[2])

    def __len__(self) -> int:
        """The number of samples."""
        return self.builder.info.splits[self.split].num_examples

    @property
    def has_labels(self) -> bool:
        """Whether labels come with the samples."""
        return "label" in self.builder.info.features

    def value_range(self) -> tuple[float, float]:
        """(Least, largest) possible value."""
        return (0.0, 1.0)

    def samples_within(self, size: int) -> int:
        """How many stored samples `size` bytes hold."""
        return size // int(np.prod(self.shape))

    def read(self, batch_size: int, wanted: np.ndarray | None = None) -> Iterator[tuple]:
        """Batches (places, x) or, with labels, (places, x, y) from the start; x: uint8, (batch_size, *shape).

        Of the samples, those are read at whose places `wanted`, (n,) bool, is True; None: all.
        """
        wanted = np.ones(len(self), bool) if wanted is None else wanted
        places, start = np.flatnonzero(wanted), 0
        for fields in read_examples(self.builder, self.split, batch_size, self.image_size, wanted):
            yield (places[start : start + len(fields[0])], *fields)
            start += len(fields[0])

    def to_float(self, x: np.ndarray) -> np.ndarray:
        """uint8 -> float32 in [0, 1]."""
        return stores.to_unit_range(x, self.scale)


class RecordStore(TfdsStore):
    """A split in ArrayRecord files, whose samples are read by their places."""

    @cached_property
    def source(self):
        """The samples, decoded one by one."""
        return self.builder.as_data_source(self.split)

    def take(self, rows: np.ndarray) -> np.ndarray:
        """The samples at `rows`: float32, (len(rows), *shape)."""
        (x,) = _stacked(self.source.__getitems__(rows.tolist()), ("image",), self.image_size)
        return self.to_float(x)

    def take_labelled(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The samples at `rows`, as `take` gives them, and their labels, (len(rows),)."""
        x, y = _stacked(self.source.__getitems__(rows.tolist()), ("image", "label"), self.image_size)
        return self.to_float(x), y


def load_tfds(
    source: str,
    *,
    data_dir: str | os.PathLike | None,
    download: bool,
    image_size: tuple[int, int] | None,
    stream: bool,
    part_size,
) -> tuple[dict, dict, dict]:
    """Open a TFDS image set.

    Args:
        source: "name", "name:version" or "name/config".
        data_dir: where sets are prepared; None: TFDS_DATA_DIR, else TFDS's own default.
        download: prepare a set that is not there.
        image_size: (height, width) or None.
        stream: give stores that read on demand, with all three parts.
        part_size: (train samples) -> samples of a carved part, for streams.

    Returns:
        {part: store}, {part: how it was split}, {fact: value}.

    Raises:
        FileNotFoundError: the set is neither prepared nor to be had.
        ValueError: no such name or version, or not a set of images that this package reads.
        ImportError: TensorFlow Datasets is not installed.
    """
    builder = prepared_builder(source, data_dir, download)
    _hide_gpus()
    check_image_feature(builder, image_size, stream)
    splits = _part_splits(builder)
    if stream:
        splits = _carve_slices(builder, splits, part_size)
        probe = next(read_examples(builder, splits["train"], stores.PROBE, image_size))[0]
        scale = stores.grey_levels(probe)
        store = RecordStore if has_records(builder) else TfdsStore
        opened = {part: store(builder, split, image_size, scale) for part, split in splits.items()}
    else:
        arrays = {part: read_split(builder, split, image_size) for part, split in splits.items()}
        opened = stores.array_stores(arrays, source=source)
    info = builder.info
    facts = {
        "source": f"TensorFlow Datasets {info.full_name}",
        "version": str(builder.version),
        "licence": (info.redistribution_info.license or None) if info.redistribution_info else None,
        "classes": getattr(info.features["label"], "num_classes", None) if "label" in info.features else None,
        "encoding": stored_encoding(builder, splits["train"]),
        "description": " ".join(info.description.split()),
        "homepage": info.homepage or None,
    }
    return opened, {part: f"TFDS split {split!r}" for part, split in splits.items()}, facts


def prepared_builder(source: str, data_dir: str | os.PathLike | None, download: bool):
    """The TFDS builder of a set that is ready to be read; see `load_tfds` for arguments and errors."""
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise ImportError(
            f"{source!r} is no file or folder, and data sets by name need TensorFlow Datasets, which is not installed: "
            "pip install tensorflow tensorflow-datasets importlib_resources. 'mnist_mini' ships with keras_ae."
        ) from error

    data_dir = data_dir or os.environ.get("TFDS_DATA_DIR")
    try:
        with _quiet():
            builder = tfds.builder(source, data_dir=data_dir and os.path.expanduser(data_dir))
    except tfds.core.registered.DatasetNotFoundError:
        raise unknown_name(source, tfds.list_builders(with_community_datasets=False)) from None
    except (AssertionError, ValueError) as error:
        raise ValueError(f"TensorFlow Datasets refuses {source!r}: {error}") from error
    if builder.is_prepared():
        return builder
    root = Path(str(builder.data_dir).removesuffix(builder.info.full_name))
    if not download:
        raise _not_prepared(source, builder, root, "and download=False")
    if not online():
        raise _not_prepared(source, builder, root, "and there is no way to the internet")
    _prepare(source, builder, root)
    return builder


def unknown_name(source: str, known: list[str]) -> ValueError:
    """The error for a name that is neither in TFDS nor a file; it suggests the nearest known name."""
    name = source.split(":")[0].split("/")[0]
    near = difflib.get_close_matches(name, [*DESCRIPTIONS, *known], n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    message = f"No data set, file or folder {source!r}.{hint} See keras_ae.datasets.list_datasets()."
    return FileNotFoundError(message) if "/" in source else ValueError(message)


def _not_prepared(source: str, builder, root: Path, reason: str) -> FileNotFoundError:
    return FileNotFoundError(
        f"{source!r}, version {builder.version}, is not prepared in {root}, {reason}. Set TFDS_DATA_DIR or pass "
        f"data_dir= to a folder that holds {builder.info.full_name}/, or use 'mnist_mini', which ships with keras_ae."
    )


def _prepare(source: str, builder, root: Path) -> None:
    import tensorflow_datasets as tfds

    folders = [folder for folder in Path(builder.data_dir).parents if folder == root or root in folder.parents]
    made = [folder for folder in [*folders, *root.parents] if not folder.exists()]
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=root, prefix="download_") as downloads:
            config = tfds.download.DownloadConfig(manual_dir=str(root / "downloads" / "manual"))
            builder.download_and_prepare(download_dir=downloads, download_config=config)
    except Exception as error:
        raise _not_prepared(source, builder, root, f"and preparing it failed: {error}") from error
    finally:
        if not builder.is_prepared():
            for folder in made:
                # Only what this call made, and only if nobody has put anything there since.
                with contextlib.suppress(OSError):
                    folder.rmdir()


def online() -> bool:
    """Whether the internet answers within seconds: TFDS by itself would retry for minutes."""
    answered = threading.Event()

    def ask() -> None:
        try:
            urllib.request.urlopen(PROBE_URL, timeout=PROBE_SECONDS).close()
        except urllib.error.HTTPError as error:
            error.close()
        except OSError:
            return
        answered.set()

    # A thread, because looking up a host name has no time limit of its own.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PROBE_SECONDS)
    return answered.is_set()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    # TFDS logs deprecations of its own code, and each folder in which it looked, as warnings.
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _hide_gpus() -> None:
    if keras.backend.backend() == "tensorflow":
        return
    import tensorflow as tf

    # A RuntimeError means that somebody uses TensorFlow's GPUs already: theirs to decide.
    with contextlib.suppress(RuntimeError):
        tf.config.set_visible_devices([], "GPU")


def check_image_feature(builder, image_size: tuple[int, int] | None, stream: bool) -> None:
    """Raise a ValueError where a TFDS set has no `image` feature of a kind that can be read as asked."""
    import tensorflow_datasets as tfds

    features, name = builder.info.features, builder.info.full_name
    if "image" not in features or not isinstance(features["image"], tfds.features.Image):
        raise ValueError(f"{name} has the features {sorted(features)}, no 'image'. Pass its values as arrays.")
    image = features["image"]
    if None in image.shape[:2] and image_size is None:
        raise ValueError(f"{name} has images of different sizes. Pass image_size=(height, width).")
    if image.np_dtype != np.uint8 and (stream or image_size):
        raise ValueError(f"{name} has {image.np_dtype.__name__} images: load them with neither stream nor image_size.")


def _part_splits(builder) -> dict[str, str]:
    names = list(builder.info.splits)
    if "train" not in names:
        raise ValueError(f"{builder.info.full_name} has the splits {names}, no 'train'. Pass its values as arrays.")
    candidates = {"train": ("train",), "validation": VALIDATION_NAMES, "test": ("test",)}
    found = {part: [name for name in known if name in names] for part, known in candidates.items()}
    return {part: matches[0] for part, matches in found.items() if matches}


def _carve_slices(builder, splits: dict[str, str], part_size) -> dict[str, str]:
    stop = builder.info.splits["train"].num_examples
    missing = [part for part in ("validation", "test") if part not in splits]
    size = part_size(stop, len(missing)) if missing else 0
    carved = {}
    for part in missing:
        carved[part] = f"train[{stop - size}:{stop}]"
        stop -= size
    return splits | carved | ({"train": f"train[:{stop}]"} if missing else {})


def has_records(builder) -> bool:
    """Whether a set is prepared in ArrayRecord files, which are read at any place."""
    return builder.info.file_format.value == "array_record"


def _stacked(examples: list[dict], names: tuple[str, ...], image_size: tuple[int, int] | None) -> tuple:
    """Examples as arrays, one for each name, images resized."""
    fields = {name: [example[name] for example in examples] for name in names}
    if image_size:
        fields["image"] = [images.resize(image[None], image_size)[0] for image in fields["image"]]
    return tuple(np.stack(fields[name]) for name in names)


def read_examples(
    builder, split: str, size: int, image_size: tuple[int, int] | None, wanted: np.ndarray | None = None
) -> Iterator[tuple]:
    """Batches (x,) or, with labels, (x, y) of at most `size` samples in stored order; x: (size, h, w, c) as stored.

    Where `wanted`, (n,) bool, is False, a sample is passed over without being decoded.
    """
    import tensorflow_datasets as tfds

    features = builder.info.features
    names = tuple(name for name in ("image", "label") if name in features)
    if has_records(builder):
        source = builder.as_data_source(split)  # TFDS decodes all features there: it refuses PartialDecoding.
        places = list(range(len(source)) if wanted is None else np.flatnonzero(wanted).tolist())
        for start in range(0, len(places), size):
            yield _stacked(source.__getitems__(places[start : start + size]), names, image_size)
        return
    skip = None if wanted is None else {"image": tfds.decode.SkipDecoding()}
    decoders = tfds.decode.PartialDecoding(dict.fromkeys(names, True), decoders=skip)
    with _quiet():
        examples = builder.as_dataset(split=split, shuffle_files=False, decoders=decoders)
    if wanted is not None:
        examples = _decoded(examples, wanted, features["image"])
    if None not in features["image"].shape[:2]:
        for batch in tfds.as_numpy(examples.batch(size).prefetch(1)):
            x = images.resize(batch["image"], image_size) if image_size else batch["image"]
            yield (x, *(batch[name] for name in names[1:]))
        return
    singles = iter(tfds.as_numpy(examples))
    while chunk := list(islice(singles, size)):
        yield _stacked(chunk, names, image_size)


def _decoded(examples, wanted: np.ndarray, image):
    """Return those of a `tf.data.Dataset` of encoded examples that are wanted, decoded."""
    import tensorflow as tf

    mask = tf.constant(wanted)
    examples = examples.enumerate().filter(lambda place, _: mask[place])
    return examples.map(
        lambda _, example: example | {"image": image.decode_example(example["image"])},
        num_parallel_calls=tf.data.AUTOTUNE,
    )


def read_split(builder, split: str, image_size: tuple[int, int] | None) -> tuple[np.ndarray, np.ndarray | None]:
    """A whole split as (x, y or None), in stored order."""
    batches = list(read_examples(builder, split, READ_SIZE, image_size))
    x, *y = (np.concatenate(fields) for fields in zip(*batches, strict=True))
    return x, (y[0] if y else None)


def stored_encoding(builder, split: str) -> str | None:
    """ "jpeg" (which loses detail), "png", or None where the first image's bytes tell neither."""
    import tensorflow_datasets as tfds

    skip = {"image": tfds.decode.SkipDecoding()}
    with _quiet():
        if has_records(builder):
            encoded = builder.as_data_source(split, decoders=skip)
        else:
            encoded = tfds.as_numpy(builder.as_dataset(split=split, shuffle_files=False, decoders=skip))
    image = next(iter(encoded))["image"]
    return MAGIC.get(image[:3]) if isinstance(image, bytes) else None
