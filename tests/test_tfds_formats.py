"""Sets of TensorFlow Datasets as TFRecord and ArrayRecord files, made here: no download."""

import importlib.util

import numpy as np
import pytest
import tensorflow_datasets as tfds

from keras_ae.datasets import load
from keras_ae.datasets.tfds import RecordStore, TfdsStore

IMAGES = np.random.default_rng(0).integers(0, 256, (60, 6, 5, 1), dtype=np.uint8)
RECORDS = pytest.param(
    "array_record",
    marks=pytest.mark.skipif(not importlib.util.find_spec("array_record"), reason="array_record is not installed"),
)
both_formats = pytest.mark.parametrize("tiny", ["tfrecord", RECORDS], indirect=True)


class TinyNumbers(tfds.core.GeneratorBasedBuilder):
    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        features = {"image": tfds.features.Image(shape=(6, 5, 1)), "label": tfds.features.ClassLabel(num_classes=60)}
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples(0, 40), "test": self._generate_examples(40, 60)}

    def _generate_examples(self, start, stop):
        for number in range(start, stop):
            yield number, {"image": IMAGES[number], "label": number}


@pytest.fixture
def tiny(tmp_path, request):
    """The folder of a prepared set of 40 + 20 images, labelled by their numbers."""
    options = {"download_config": tfds.download.DownloadConfig(num_shards=3)}
    tfds.builder("tiny_numbers", data_dir=tmp_path, file_format=request.param).download_and_prepare(**options)
    return tmp_path


def opened(folder, **options):
    return load("tiny_numbers", data_dir=folder, download=False, validation=8, **options)


def read(batches, epoch=0):
    batches.epoch = epoch
    return [x for (x,) in batches]


@both_formats
def test_a_set_in_memory_has_the_images_and_labels_it_was_made_of(tiny):
    data = opened(tiny)
    for part in (data.train, data.validation, data.test):
        np.testing.assert_array_equal(part.x, IMAGES[part.y] / np.float32(255))
    assert np.concatenate([data.train.y, data.validation.y, data.test.y]).tolist() != sorted(range(60))
    assert sorted(np.concatenate([data.train.y, data.validation.y, data.test.y])) == list(range(60))
    assert data.info["encoding"] == "png"


@both_formats
@pytest.mark.parametrize("settings", [{}, {"shuffle": True, "seed": 2}, {"shuffle": True, "binarize": "dynamic"}])
def test_shares_and_a_later_start_give_the_batches_of_the_whole_stream(tiny, settings):
    part = opened(tiny, stream=True).train
    whole = read(part.batches(9, **settings), 2)
    assert [len(x) for x in whole] == [9, 9, 9, 5]
    assert len(np.unique(np.concatenate(read(part.batches(9, shuffle=True))), axis=0)) == 32
    shares = [read(part.batches(9, shard=(index, 3), **settings), 2) for index in range(3)]
    for batch, pieces in zip(whole, zip(*shares, strict=True), strict=True):
        np.testing.assert_array_equal(np.concatenate(pieces), batch)
    late = part.batches(9, shard=(1, 3), **settings)
    late.start = 2
    for batch, expected in zip(read(late, 2), shares[1][2:], strict=True):
        np.testing.assert_array_equal(batch, expected)


@both_formats
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("settings", [{}, {"shuffle": True, "seed": 2}, {"shard": (1, 3)}])
def test_each_sample_brings_its_own_label(tiny, settings, stream):
    data = opened(tiny, stream=stream)
    assert data.classes == 60
    for part in (data.train, data.test):
        batches = part.batches(8, labels=True, **settings)
        for epoch in (0, 2):
            for x, batch in zip(read(part.batches(8, **settings), epoch), read(batches, epoch), strict=True):
                np.testing.assert_array_equal(batch["x"], x)
                np.testing.assert_array_equal(x, IMAGES[batch["labels"]] / np.float32(255))


@both_formats
def test_streamed_images_are_resized_as_those_in_memory(tiny):
    streamed, kept = (opened(tiny, stream=stream, image_size=4) for stream in (True, False))
    (x,), (labels) = streamed.test.batches(20)[0], kept.test.y
    np.testing.assert_array_equal(x, kept.test.x)
    np.testing.assert_array_equal(streamed.test.head(20)[1], labels)
    with pytest.raises(RuntimeError, match=r"Part\.y is not in memory"):
        _ = streamed.test.y


@both_formats
def test_a_worker_decodes_its_share_of_what_is_to_come_alone(tiny, monkeypatch):
    part = opened(tiny, stream=True).train
    assert type(part.store) is (TfdsStore if part.sequential else RecordStore)
    read_samples = []
    convert = TfdsStore.to_float
    monkeypatch.setattr(TfdsStore, "to_float", lambda self, x: read_samples.append(len(x)) or convert(self, x))
    wanted = []
    opened_at = TfdsStore.read
    monkeypatch.setattr(
        TfdsStore, "read", lambda self, size, mask=None: wanted.append(mask.sum()) or opened_at(self, size, mask)
    )
    batches = part.batches(8, shuffle=True, shard=(0, 4))
    batches.start = 1
    read(batches)
    assert read_samples == [2, 2, 2]
    assert wanted == ([6] if part.sequential else [])


@pytest.mark.parametrize("tiny", [RECORDS], indirect=True)
def test_array_records_are_shuffled_as_an_array_is(tiny):
    part = opened(tiny, stream=True).train
    order = np.random.default_rng([3, 0, 1]).permutation(32)
    x = np.concatenate(read(part.batches(10, shuffle=True, seed=3), 1))
    np.testing.assert_array_equal(x, np.concatenate(read(part.batches(10)))[order])
