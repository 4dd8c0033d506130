import ast
import json
import os
import re
import sys
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from PIL import Image

from keras_ae import datasets
from keras_ae.datasets import load, tfds
from keras_ae.datasets.batches import shuffled, uniform
from keras_ae.datasets.make_mnist_mini import shares

REAL = os.environ.get("TFDS_DATA_DIR")
FOLDER = Path(datasets.__file__).parent


def needs(name):
    there = REAL is not None and (Path(REAL) / name).is_dir()
    return pytest.mark.skipif(not there, reason=f"TFDS_DATA_DIR holds no prepared {name}")


@pytest.fixture
def grey():
    """40 numbered grey images: pixel (0, 0) is the number."""
    x = np.random.default_rng(0).integers(0, 256, (40, 6, 5), dtype=np.uint8)
    x[:, 0, 0] = np.arange(40)
    return x


@pytest.fixture
def image_folder(tmp_path, grey):
    """The grey images as PNG files, even numbers in class "a", odd ones in "b"."""
    for name in "ab":
        (tmp_path / "pictures" / name).mkdir(parents=True)
    for number, image in enumerate(grey):
        Image.fromarray(image).save(tmp_path / "pictures" / "ab"[number % 2] / f"{number:02}.png")
    return tmp_path / "pictures"


def epoch_of(batches, epoch=0):
    batches.epoch = epoch
    return np.concatenate([x for (x,) in batches])


def numbers(x):
    return np.rint(x[:, 0, 0, 0] * 255).astype(int)


# The shipped sample


def test_mini_counts_and_checksums_are_those_of_its_page():
    page = (FOLDER / "mnist_mini.md").read_text()
    with np.load(FOLDER / "mnist_mini.npz") as arrays:
        for name in ("x_train", "y_train", "x_test", "y_test"):
            assert f"| {name} | {sha256(arrays[name].tobytes()).hexdigest()} |" in page
        for part in ("train", "test"):
            counts = " | ".join(str(count) for count in np.bincount(arrays[f"y_{part}"]))
            assert f"| {part} | {counts} | {len(arrays[f'y_{part}']):,} |" in page
    assert f"| mnist_mini.npz | {sha256((FOLDER / 'mnist_mini.npz').read_bytes()).hexdigest()} |" in page


@pytest.fixture(scope="module")
def mnist():
    return load("mnist", download=False)


@needs("mnist")
def test_mini_is_a_stratified_subset_of_real_mnist(mnist):
    with np.load(FOLDER / "mnist_mini.npz") as arrays:
        for part in ("train", "test"):
            x, y = getattr(mnist, part).store.x, getattr(mnist, part).store.y
            label_of = {image.tobytes(): label for image, label in zip(x, y, strict=True)}
            drawn = [image.tobytes() for image in arrays[f"x_{part}"]]
            assert len(set(drawn)) == len(drawn)
            assert [label_of[image] for image in drawn] == arrays[f"y_{part}"].tolist()
            share = np.bincount(y) * len(drawn) / len(y)
            assert np.abs(np.bincount(arrays[f"y_{part}"]) - share).max() < 1


def test_shares_are_proportional_and_sum_to_the_size():
    np.testing.assert_array_equal(shares(np.array([10, 20, 30]), 6), [1, 2, 3])
    np.testing.assert_array_equal(shares(np.array([1, 1, 1]), 4), [2, 1, 1])


def test_mini_loads_as_unit_range_images_with_facts():
    data = load("mnist_mini", notes="a remark")
    assert data.input_shape == (28, 28, 1)
    assert [len(part) for part in (data.train, data.validation, data.test)] == [5400, 600, 1000]
    assert data.train.x.dtype == np.float32 and data.train.x.min() == 0 and data.train.x.max() == 1
    assert data.info["licence"] == "CC BY-SA 3.0" and data.info["notes"] == "a remark"
    assert json.loads(json.dumps(data.info)) == data.info
    assert repr(data) == "Dataset('mnist_mini', input_shape=(28, 28, 1), train=5,400, validation=600, test=1,000)"
    assert "licence: CC BY-SA 3.0" in str(data)
    assert repr(data.train) == "Part(train: 5,400 x (28, 28, 1))"


def test_nothing_but_numpy_and_keras_is_imported_before_it_is_needed(monkeypatch):
    allowed = {"keras", "keras_ae", "numpy"} | sys.stdlib_module_names
    for path in FOLDER.glob("*.py"):
        for node in ast.parse(path.read_text()).body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) else []
            assert {name.split(".")[0] for name in names} <= allowed, path.name
    for name in ("tensorflow_datasets", "PIL"):
        monkeypatch.setitem(sys.modules, name, None)  # From here on, importing it fails.
    load("mnist_mini")


# Parts


def test_splits_are_disjoint_and_cover_train(grey):
    data = load(grey, validation=0.2)
    parts = [numbers(part.x) for part in (data.train, data.validation, data.test)]
    assert [len(part) for part in parts] == [24, 8, 8]
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(40))
    assert "drawn at random from train, seed 0" in data.info["split"]["test"]


def test_same_seed_same_split_and_another_seed_another(grey):
    a, b, c = (load(grey, validation=5, seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(a.validation.x, b.validation.x)
    assert not np.array_equal(a.validation.x, c.validation.x)


def test_given_parts_are_used_as_they_are(grey):
    labels = np.arange(40)
    data = load({"x_train": grey[:20], "x_validation": grey[20:30], "x_test": grey[30:], "y_validation": labels[20:30]})
    for part, rows in ((data.train, slice(20)), (data.validation, slice(20, 30)), (data.test, slice(30, 40))):
        np.testing.assert_array_equal(part.x[..., 0], grey[rows] / np.float32(255))
    assert data.train.y is None
    np.testing.assert_array_equal(data.validation.y, labels[20:30])
    assert data.info["split"] == {"train": "given", "validation": "given", "test": "given"}


def test_tables_pass_unscaled_and_labels_stay_with_their_rows():
    x = np.arange(60, dtype=np.int64).reshape(20, 3) - 7
    data = load((x, x[:, 0]))
    for part in (data.train, data.validation, data.test):
        assert part.x.dtype == np.float32
        np.testing.assert_array_equal(part.x[:, 0], part.y)
    assert data.info["range"] == [-7.0, 52.0]
    assert "not scaled" in data.info["preprocessing"]


def test_masks_of_zero_and_one_are_not_divided_by_255(grey):
    masks = (grey > 100).astype(np.uint8)
    assert load(masks).train.x.max() == 1.0


def test_npz_keys_of_anomaly_tables(tmp_path):
    x = np.random.default_rng(0).normal(size=(30, 4))
    np.savez(tmp_path / "table.npz", X=x, y=np.arange(30))
    data = load(tmp_path / "table.npz", seed=1)
    np.testing.assert_array_equal(data.train.x, x.astype("float32")[data.train.y])
    assert data.name == "table" and data.info["source"] == "file table.npz"


def test_a_file_named_after_a_known_set_does_not_take_its_licence(tmp_path, grey):
    np.save(tmp_path / "mnist.npy", grey)
    data = load(tmp_path / "mnist.npy")
    assert data.name == "mnist" and "licence" not in data.info


def test_head_gives_the_first_samples(grey):
    part = load((grey, np.arange(40))).train
    x, y = part.head(3)
    np.testing.assert_array_equal(x, part.x[:3])
    np.testing.assert_array_equal(y, part.y[:3])
    with pytest.raises(ValueError, match="give 1 to 32"):
        part.head(33)


# Batches


SHARDED = [{}, {"shuffle": True, "seed": 3}, {"shuffle": True, "binarize": "dynamic"}, {"binarize": "static"}]


def joined(part, count, batch_size, epoch, **settings):
    """The batches of an epoch, each put together from the shares of `count` workers."""
    workers = [part.batches(batch_size, shard=(index, count), **settings) for index in range(count)]
    for worker in workers:
        worker.epoch = epoch
    return [np.concatenate([worker[index][0] for worker in workers]) for index in range(len(workers[0]))]


@pytest.mark.parametrize("settings", SHARDED, ids=str)
@pytest.mark.parametrize("count", [1, 2, 3])
def test_shards_side_by_side_are_the_unsharded_batches(grey, count, settings):
    part = load(grey).train
    whole = part.batches(9, **settings)
    whole.epoch = 2
    shares = joined(part, count, 9, 2, **settings)
    assert len(shares) == len(whole)
    for index, share in enumerate(shares):
        np.testing.assert_array_equal(share, whole[index][0])


def test_shares_are_split_as_evenly_as_can_be(grey):
    part = load(grey).train  # 32 samples: batches of 10, 10, 10 and 2.
    sizes = [[len(x) for (x,) in part.batches(10, shard=(index, 2))] for index in (0, 1)]
    assert sizes == [[5, 5, 5, 1], [5, 5, 5, 1]]
    sizes = [[len(x) for (x,) in part.batches(14, shard=(index, 3))] for index in (0, 1, 2)]
    assert sizes == [[5, 5, 2], [5, 5, 1], [4, 4, 1]]


def test_a_shard_reads_its_share_alone(grey):
    part = load(grey).train
    taken = []
    take = part.store.take
    part.store.take = lambda rows: taken.append(len(rows)) or take(rows)
    epoch_of(part.batches(8, shard=(1, 4)))
    assert taken == [2, 2, 2, 2]


@pytest.mark.parametrize(
    ("shard", "message"),
    [
        ((2, 2), r"shard=\(2, 2\): give \(index, count\), whole numbers with 0 <= index < count"),
        ((-1, 2), "give \\(index, count\\)"),
        ((0, 0), "give \\(index, count\\)"),
        ((0.0, 1), "give \\(index, count\\)"),
        (1, "give \\(index, count\\)"),
        ((0, 3), "the smallest batch has 2 samples, fewer than 3 shards. Pass drop_remainder=True"),
        ((2, 3), "the smallest batch has 2 samples"),
    ],
)
def test_shards_that_cannot_be(grey, shard, message):
    with pytest.raises(ValueError, match=message):
        load(grey).train.batches(10, shard=shard)


def test_without_its_remainder_a_part_has_more_shards(grey):
    assert len(load(grey).train.batches(10, shard=(0, 3), drop_remainder=True)) == 3


@pytest.mark.parametrize(("drop_remainder", "sizes"), [(False, [10, 10, 10, 2]), (True, [10, 10, 10])])
def test_every_sample_once_an_epoch(grey, drop_remainder, sizes):
    batches = load(grey).train.batches(10, shuffle=True, drop_remainder=drop_remainder)
    read = [x for (x,) in batches]
    assert [len(x) for x in read] == sizes and len(batches) == len(sizes)
    assert all(x.dtype == np.float32 and type(x) is np.ndarray for x in read)
    assert len(set(numbers(np.concatenate(read)))) == sum(sizes)


def test_order_is_a_function_of_seed_and_epoch(grey):
    part = load(grey).train
    batches = part.batches(10, shuffle=True, seed=5)
    epochs = [epoch_of(batches, epoch) for epoch in range(3)]
    np.testing.assert_array_equal(epoch_of(part.batches(7, shuffle=True, seed=5), 2), epochs[2])
    batches.epoch = 1
    np.testing.assert_array_equal(batches[2][0], epochs[1][20:30])
    assert not np.array_equal(epochs[0], epochs[1]) and not np.array_equal(epochs[1], epochs[2])
    assert not np.array_equal(epoch_of(part.batches(10, shuffle=True, seed=6)), epochs[0])


def test_an_epoch_that_was_cut_off_goes_on_at_its_start(grey):
    batches = load(grey).train.batches(10, shuffle=True, binarize="dynamic")
    whole = epoch_of(batches, 3)
    batches.start = 2
    assert len(batches) == 2
    np.testing.assert_array_equal(epoch_of(batches, 3), whole[20:])
    with pytest.raises(IndexError, match=r"Batch 2 of 2"):
        batches[2]


def test_unshuffled_batches_keep_the_order_of_the_part(grey):
    part = load(grey).train
    np.testing.assert_array_equal(epoch_of(part.batches(9), 4), part.x)


def test_dynamic_binarisation_has_the_grey_value_as_its_mean(grey):
    part = load(grey).train
    batches = part.batches(32, binarize="dynamic")
    draws = np.stack([epoch_of(batches, epoch) for epoch in range(2000)])
    assert set(np.unique(draws)) == {0.0, 1.0}
    # Five standard deviations of a mean of 2000 coins, over 960 pixels.
    tolerance = 5 * np.sqrt(part.x * (1 - part.x) / 2000) + 1e-6
    assert (np.abs(draws.mean(axis=0) - part.x) <= tolerance).all()
    assert not np.array_equal(draws[0], draws[1])


def test_static_binarisation_is_one_draw_whatever_the_epoch_order_and_batch_size(grey):
    part = load(grey).test
    once = epoch_of(part.batches(32, binarize="static", seed=2))
    np.testing.assert_array_equal(epoch_of(part.batches(3, binarize="static", seed=2), 7), once)
    mixed = part.batches(5, binarize="static", seed=2, shuffle=True)
    order = epoch_of(part.batches(5, shuffle=True, seed=2))
    places = [numbers(part.x).tolist().index(number) for number in numbers(order)]
    np.testing.assert_array_equal(epoch_of(mixed), once[places])
    assert not np.array_equal(epoch_of(part.batches(32, binarize="static", seed=3)), once)


def test_threshold_binarisation(grey):
    part = load(grey).train
    np.testing.assert_array_equal(epoch_of(part.batches(binarize="threshold")), part.x >= 0.5)


def test_black_and_white_survive_a_draw():
    x = np.tile(np.array([0, 255], np.uint8), (500, 4, 4)).reshape(500, 4, 8)
    part = load(x).train
    np.testing.assert_array_equal(epoch_of(part.batches(binarize="dynamic")), part.x)


def test_uniform_noise_is_uniform_and_uncorrelated():
    noise = uniform([0, 1], np.arange(2000), 100)
    assert noise.dtype == np.float32 and noise.min() >= 0 and noise.max() < 1
    counts = np.histogram(noise, bins=50, range=(0, 1))[0]
    chi_square = ((counts - 4000) ** 2 / 4000).sum()
    assert chi_square < 85.4  # the 0.999 quantile of chi-square with 49 degrees of freedom
    other = uniform([0, 2], np.arange(2000), 100)
    pairs = [(noise[1:], noise[:-1]), (noise[:, 1:], noise[:, :-1]), (noise, other)]
    # Four standard deviations, 1 / sqrt(200,000) each.
    assert all(abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 0.009 for a, b in pairs)


# On the torch backend, Keras turns tensors into arrays by a call that NumPy 2 deprecates.
@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")
def test_fit_takes_batches_and_counts_epochs(grey):
    model = keras.Sequential([keras.layers.Input((6, 5, 1)), keras.layers.Flatten(), Recorder()])
    model.compile(optimizer="sgd")
    data = load(grey)
    batches = data.train.batches(10, shuffle=True, binarize="dynamic")
    model.fit(batches, epochs=2, verbose=0, validation_data=data.validation.batches(4, binarize="static"))
    assert batches.epoch == 2
    scale = float(model.predict(np.ones((1, 6, 5, 1)), verbose=0)[0, 0])
    # The scale falls by rate x the batch's mean, four batches an epoch: the very draws of epochs 0 and 1.
    means = [x.mean() for epoch in range(2) for (x,) in set_epoch(batches, epoch)]
    assert scale == pytest.approx(1 - 0.01 * np.sum(means), abs=1e-5)
    assert model.predict(data.test.batches(3), verbose=0).shape == (4, 30)


def set_epoch(batches, epoch):
    batches.epoch = epoch
    return batches


@keras.saving.register_keras_serializable("test_datasets")
class Recorder(keras.layers.Layer):
    """Scales x, and adds mean(scale x) to the loss: the scale sums up what was seen."""

    def build(self, shape):
        self.scale = self.add_weight(shape=(), initializer="ones")

    def call(self, x):
        x = x * self.scale
        self.add_loss(keras.ops.mean(x))
        return x


# Streams


def same_parts(streamed, kept):
    for name in ("train", "validation", "test"):
        a, b = getattr(streamed, name), getattr(kept, name)
        for settings in ({}, {"shuffle": True, "seed": 3}, {"binarize": "static", "seed": 1}):
            np.testing.assert_array_equal(epoch_of(a.batches(7, **settings), 2), epoch_of(b.batches(7, **settings), 2))
        np.testing.assert_array_equal(a.head(2)[0], b.x[:2])
        np.testing.assert_array_equal(a.y, b.y)


@pytest.mark.parametrize("image_size", [None, (4, 3)])
def test_streamed_npy_equals_npy_in_memory(tmp_path, grey, image_size):
    np.save(tmp_path / "grey.npy", grey)
    streamed, kept = (load(tmp_path / "grey.npy", image_size=image_size, stream=stream) for stream in (True, False))
    assert isinstance(streamed.train.store.x.base, np.memmap) and streamed.info["stream"]
    same_parts(streamed, kept)


def test_streamed_folder_equals_folder_in_memory_and_the_images(image_folder, grey):
    streamed, kept = (load(image_folder, stream=stream) for stream in (True, False))
    same_parts(streamed, kept)
    np.testing.assert_array_equal(kept.train.x[..., 0], grey[numbers(kept.train.x)] / np.float32(255))
    np.testing.assert_array_equal(kept.train.y, numbers(kept.train.x) % 2)
    assert kept.info["class_names"] == ["a", "b"] and kept.info["source"] == "image folder pictures"


def test_streamed_floats_are_checked_as_they_are_read(tmp_path):
    x = np.full((20, 3), 0.5)
    x[4, 1] = np.nan
    np.save(tmp_path / "x.npy", x)
    data = load({"x_train": np.load(tmp_path / "x.npy", mmap_mode="r"), "x_test": x[:2] * 3}, stream=True)
    with pytest.raises(
        ValueError, match=re.escape("1 values that are NaN, infinite or beyond float32, the first at index (4, 1)")
    ):
        epoch_of(data.train.batches(20)), epoch_of(data.validation.batches(2))
    with pytest.raises(ValueError, match=r"needs values in \[0, 1\], and these lie in \[1.5, 1.5\]"):
        data.test.batches(2, binarize="static")[0]


def test_x_of_a_stream_says_what_to_do(image_folder):
    with pytest.raises(RuntimeError, match=r"Part\.x is not in memory.*batches.*head\(n\).*without stream=True"):
        _ = load(image_folder, stream=True).train.x


def test_shuffle_buffer_gives_each_sample_once_in_full_batches():
    stored = np.split(np.arange(103), range(10, 103, 10))
    for buffer_size in (10, 35, 500):
        batches = list(shuffled(stored, buffer_size, np.random.default_rng(0)))
        assert [len(ids) for ids in batches] == [10] * 10 + [3]
        np.testing.assert_array_equal(np.sort(np.concatenate(batches)), np.arange(103))
        again = list(shuffled(stored, buffer_size, np.random.default_rng(0)))
        np.testing.assert_array_equal(np.concatenate(again), np.concatenate(batches))


# TensorFlow Datasets


@needs("mnist")
def test_tfds_stream_reads_in_order_and_reshuffles_by_epoch():
    data = load("mnist:3.0.1", validation=59_000, stream=True, download=False)
    assert [len(part) for part in (data.train, data.validation, data.test)] == [1000, 59_000, 10_000]
    assert data.info["split"]["validation"] == "TFDS split 'train[1000:60000]'"
    assert data.info["encoding"] == "png" and data.info["source"] == "TensorFlow Datasets mnist/3.0.1"
    plain = epoch_of(data.train.batches(300))
    x, y = data.train.head(5)
    np.testing.assert_array_equal(x, plain[:5])
    assert y.shape == (5,)
    batches = data.train.batches(300, shuffle=True, seed=1, binarize="static")
    epochs = [epoch_of(batches, epoch) for epoch in (0, 1)]
    assert not np.array_equal(epochs[0], epochs[1])
    np.testing.assert_array_equal(epoch_of(batches, 0), epochs[0])
    np.testing.assert_array_equal(batches[2][0], epochs[0][600:900])
    in_order = epoch_of(data.train.batches(128, seed=1, binarize="static"))
    assert {image.tobytes() for image in epochs[1]} == {image.tobytes() for image in in_order}
    with pytest.raises(RuntimeError, match=r"Part\.y is not in memory"):
        _ = data.train.y


@needs("mnist")
def test_shards_of_a_tfds_stream_side_by_side_are_the_unsharded_batches():
    part = load("mnist", validation=59_000, stream=True, download=False).train
    for settings in SHARDED:
        whole = part.batches(300, **settings)
        whole.epoch = 1
        for index, share in enumerate(joined(part, 3, 300, 1, **settings)):
            np.testing.assert_array_equal(share, whole[index][0])


@needs("mnist")
def test_tfds_in_memory_equals_its_stream(mnist):
    streamed = load("mnist", stream=True, download=False)
    assert mnist.input_shape == (28, 28, 1) and len(mnist.train) == 54_000
    x, y = streamed.test.head(500)
    np.testing.assert_array_equal(mnist.test.take(np.arange(500)), x)
    np.testing.assert_array_equal(mnist.test.y[:500], y)


@needs("mnist")
def test_tfds_images_are_resized_as_arrays_are(mnist):
    small = load("mnist", image_size=14, stream=True, download=False)
    arrays = load({"x_train": mnist.test.store.x[:50], "x_test": mnist.test.store.x[:50]}, image_size=14)
    assert small.input_shape == (14, 14, 1)
    np.testing.assert_array_equal(small.test.head(50)[0], arrays.test.x)


@needs("cifar10")
def test_tfds_facts_name_the_stored_encoding():
    data = load("cifar10", stream=True, download=False)
    assert data.info["encoding"] in ("jpeg", "png")
    assert data.input_shape == (32, 32, 3) and "CIFAR-10" in data.info["description"]
    assert data.info["licence"].startswith("none stated") and json.loads(json.dumps(data.info)) == data.info


def test_tfds_set_without_images_is_refused():
    info = SimpleNamespace(features={"label": None, "audio": None}, full_name="sounds/1.0.0")
    with pytest.raises(ValueError, match=r"sounds/1\.0\.0 has the features \['audio', 'label'\], no 'image'"):
        tfds.check_image_feature(SimpleNamespace(info=info), None, False)


@pytest.mark.parametrize(("download", "reason"), [(False, "download=False"), (True, "no way to the internet")])
def test_tfds_set_that_is_not_prepared(tmp_path, monkeypatch, download, reason):
    monkeypatch.setattr(tfds, "PROBE_URL", "http://127.0.0.1:9")
    wanted = (
        rf"'mnist', version 3\.\d\.\d, is not prepared in {re.escape(str(tmp_path / 'here'))}.*{reason}.*'mnist_mini'"
    )
    with pytest.raises(FileNotFoundError, match=wanted):
        load("mnist", data_dir=tmp_path / "here", download=download)
    assert not list(tmp_path.iterdir())


def test_a_failed_download_leaves_nothing_behind(tmp_path, monkeypatch):
    def fail(self, *, download_dir, download_config):
        (Path(self.data_dir).parent).mkdir(parents=True)
        (Path(download_dir) / "half.tmp").write_bytes(b"half a file")
        raise ConnectionError("the line went dead")

    monkeypatch.setattr(tfds, "online", lambda: True)
    builder = tfds_builder_class("mnist")
    monkeypatch.setattr(builder, "download_and_prepare", fail)
    with pytest.raises(FileNotFoundError, match="preparing it failed: the line went dead"):
        load("mnist", data_dir=tmp_path / "a" / "b")
    assert not list(tmp_path.iterdir())


def tfds_builder_class(name):
    import tensorflow_datasets

    return tensorflow_datasets.builder_cls(name)


def test_unknown_tfds_version_names_the_known_one(tmp_path):
    with pytest.raises(ValueError, match=r"cannot be loaded at version 9\.9\.9, only: 3"):
        load("mnist:9.9.9", data_dir=tmp_path)


# Folders


def test_folder_with_split_folders(tmp_path):
    colour = np.zeros((4, 4, 3), np.uint8) + np.array([255, 0, 0], np.uint8)
    for part, shade in (("train", 10), ("validation", 20), ("test", 30)):
        (tmp_path / part).mkdir()
        for number in range(3):
            Image.fromarray(np.full((4, 4), shade, np.uint8)).save(tmp_path / part / f"{number}.png")
    data = load(tmp_path)
    assert data.input_shape == (4, 4, 1) and data.train.y is None and len(data.train) == 3
    assert [round(float(part.x.max()) * 255) for part in (data.train, data.validation, data.test)] == [10, 20, 30]
    Image.fromarray(colour).save(tmp_path / "train" / "red.png")
    assert load(tmp_path).input_shape == (4, 4, 3)


def test_images_are_cropped_about_the_centre_not_squeezed(tmp_path):
    wide = np.zeros((4, 12), np.uint8)
    wide[:, 2:10] = 200
    for number in range(5):
        Image.fromarray(wide).save(tmp_path / f"{number}.png")
    np.testing.assert_array_equal(load(tmp_path, image_size=2).train.x, np.full((3, 2, 2, 1), np.float32(200) / 255))


def test_images_of_different_sizes_need_an_image_size(image_folder):
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(image_folder / "a" / "large.png")
    with pytest.raises(ValueError, match=r"2 different sizes.*\(6, 5\).*\(9, 9\) in .*large\.png.*Pass image_size"):
        load(image_folder)
    assert load(image_folder, image_size=(6, 5)).input_shape == (6, 5, 1)


def test_folders_that_cannot_be_read(tmp_path, image_folder):
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"No image in .*empty\. Looked for \.png"):
        load(tmp_path / "empty")
    (image_folder / "a" / "00.png").write_bytes(b"\x89PNG not really")
    with pytest.raises(ValueError, match=r"Cannot read the image .*00\.png.*Remove or replace it"):
        load(image_folder)
    (image_folder / "a" / "00.png").unlink()
    Image.fromarray(np.zeros((6, 5), np.uint8)).save(image_folder / "stray.png")
    with pytest.raises(ValueError, match="1 images beside class folders with 39 images"):
        load(image_folder)


# Errors


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("mnist_mni", ValueError, "Did you mean 'mnist_mini'"),
        ("fashion_mnst", ValueError, "Did you mean 'fashion_mnist'"),
        ("qqqqqq", ValueError, r"No data set, file or folder 'qqqqqq'\. See keras_ae\.datasets\.list_datasets"),
        ("no/such", FileNotFoundError, "No data set, file or folder 'no/such'"),
        ("./none.npz", FileNotFoundError, r"No file or folder './none\.npz' \(looked for .*none\.npz\)"),
    ],
)
def test_unknown_names_and_missing_files(name, error, message):
    with pytest.raises(error, match=message):
        load(name)


def test_every_known_name_is_listed():
    assert list(datasets.list_datasets()) == ["mnist_mini", "mnist", "fashion_mnist", "cifar10", "spoken_digit"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (np.zeros((0, 3)), r"x of train in arrays is empty: its shape is \(0, 3\)"),
        (np.zeros(5), r"has shape \(5,\), and needs \(samples, features"),
        (np.array([["a", "b"]]), "has dtype <U1, which is not numeric"),
        (np.array([[None, 1]]), "is an object array"),
        ([[1, 2], [3]], "is not one array"),
        (np.array([[1.0, np.nan], [np.inf, 2.0]]), r"2 values that are NaN.*the first at index \(0, 1\)"),
        (np.full((4, 2), 1e300), r"8 values that are NaN, infinite or beyond float32"),
        ((np.zeros((4, 2)), np.zeros(3)), r"y of train in arrays has shape \(3,\), and x has 4 samples"),
        ((1, 2, 3), "A tuple of 3 is no source"),
        ({"a": np.zeros((4, 2))}, r"has the keys \['a'\]\. It needs 'x_train'"),
        ({"x_train": np.zeros((4, 2)), "x_val": np.zeros((4, 2))}, "unknown key 'x_val'"),
        ({"x_train": np.zeros((4, 2)), "x": np.zeros((4, 2))}, "gives x_train twice"),
        ({"x_train": np.zeros((4, 2)), "y_test": np.zeros(4)}, "'y_test' without its 'x_test'"),
        (
            {"x_train": np.zeros((9, 2)), "x_test": np.zeros((4, 3))},
            r"test part have shape \(3,\), those of train \(2,\)",
        ),
    ],
)
def test_arrays_that_cannot_be_used(source, message):
    with pytest.raises(ValueError, match=message):
        load(source)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ({"validation": 0}, r"validation=0: give a fraction in \(0, 1\)"),
        ({"validation": 1.5}, r"validation=1\.5: give a fraction"),
        ({"validation": -0.1}, r"validation=-0\.1: give a fraction"),
        ({"validation": True}, "validation=True: give a fraction"),
        ({"validation": 20}, "would carve 2 x 20 samples from the 40 of train"),
        ({"validation": 0.5}, "would carve 2 x 20 samples from the 40 of train"),
        ({"seed": -1}, "seed=-1: give a whole number >= 0"),
        ({"image_size": 0}, "image_size=0: give a whole number >= 1"),
        ({"image_size": (3, 3, 3)}, "image_size=.*a pair"),
    ],
)
def test_arguments_of_load_out_of_range(grey, argument, message):
    with pytest.raises(ValueError, match=message):
        load(grey, **argument)


def test_image_size_is_for_images():
    with pytest.raises(ValueError, match=r"image_size=\(4, 4\) resizes uint8 images, and .* is float64"):
        load(np.zeros((9, 6, 6)), image_size=4)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ({"binarize": "dynamics"}, "binarize='dynamics': choose one of None, 'dynamic', 'static', 'threshold'"),
        ({"batch_size": 0}, "batch_size=0: give a whole number >= 1"),
        ({"batch_size": 64, "drop_remainder": True}, "drop_remainder=True leaves no batch: the part has 32 samples"),
        ({"seed": 0.5}, "seed=0.5: give a whole number >= 0"),
    ],
)
def test_arguments_of_batches_out_of_range(grey, argument, message):
    with pytest.raises(ValueError, match=message):
        load(grey).train.batches(**argument)


def test_binarize_refuses_values_outside_the_unit_range():
    part = load(np.linspace(-1, 1, 40).reshape(20, 2)).train
    with pytest.raises(ValueError, match=r"needs values in \[0, 1\], and these lie in \[-1, 1\]"):
        part.batches(binarize="dynamic")


def test_an_index_beyond_the_epoch_is_refused(grey):
    with pytest.raises(IndexError, match=r"Batch 4 of 4: an index lies in \[0, 4\)"):
        load(grey).train.batches(10)[4]


def test_files_that_cannot_be_read(tmp_path, grey):
    np.savez_compressed(tmp_path / "good.npz", x=grey)
    (tmp_path / "cut.npz").write_bytes((tmp_path / "good.npz").read_bytes()[:300])
    np.save(tmp_path / "good.npy", grey)
    (tmp_path / "cut.npy").write_bytes((tmp_path / "good.npy").read_bytes()[:300])
    np.save(tmp_path / "objects.npy", np.array([{"a": 1}]), allow_pickle=True)
    np.savez(tmp_path / "objects.npz", x=np.array([{"a": 1}]))
    for name in ("cut.npz", "cut.npy", "objects.npy", "objects.npz"):
        with pytest.raises(ValueError, match=f"Cannot read .*{name}: it is truncated.*or holds pickled objects"):
            load(tmp_path / name)
    with pytest.raises(ValueError, match=r"Cannot read .*cut\.npy"):
        load(tmp_path / "cut.npy", stream=True)
    with pytest.raises(ValueError, match=r"stream=True cannot map good\.npz"):
        load(tmp_path / "good.npz", stream=True)
    (tmp_path / "table.csv").write_text("1,2")
    with pytest.raises(ValueError, match=r"table\.csv is neither \.npz nor \.npy"):
        load(tmp_path / "table.csv")


@pytest.mark.parametrize("suffix", ["tif", "gif"])
def test_a_stack_of_pages_is_no_image(suffix, tmp_path):
    image = pytest.importorskip("PIL.Image")
    pages = [image.fromarray(np.full((8, 8), 40 * page, "uint8")) for page in range(3)]
    for number in range(12):
        pages[0].save(tmp_path / f"{number}.{suffix}", save_all=True, append_images=pages[1:])
    with pytest.raises(ValueError, match=r"0\.\w+ has 3 pages or frames, and a sample is one image\. Save"):
        load(tmp_path)
