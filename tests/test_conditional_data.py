"""Labels, and other columns, beside the samples of a data set: the same order, noise and shares as without them."""

import numpy as np
import pytest

import keras_ae
from keras_ae import Condition, Dense, Flatten, Gaussian, Labels, Spec
from keras_ae.datasets import load

RNG = np.random.default_rng(0)
X = RNG.integers(0, 256, (50, 6, 6), dtype=np.uint8)
Y = np.arange(50) % 5
DOSES = RNG.normal(size=(50, 2)).astype("float32")
SOURCE = {"x_train": X, "y_train": Y, "dose": DOSES, "x_test": X[:20], "y_test": Y[:20], "dose_test": DOSES[:20]}


@pytest.fixture(scope="module")
def data():
    return load(SOURCE, validation=10)


def read(batches):
    """The batches of an epoch: of plain ones x, of others the dicts."""
    batches.on_epoch_begin()
    found = [batches[index][0] for index in range(len(batches))]
    batches.on_epoch_end()
    return found


def names_of(x):
    """Which of X each sample is, by its pixels."""
    return [int(np.flatnonzero((np.round(255 * sample[..., 0]) == X).all(axis=(1, 2)))[0]) for sample in x]


@pytest.mark.parametrize("options", [{}, {"shuffle": True, "seed": 3}, {"binarize": "dynamic"}, {"shard": (1, 2)}])
def test_labelled_batches_have_the_order_and_the_noise_of_plain_ones(data, options):
    plain, labelled = data.train.batches(16, **options), data.train.batches(16, labels=True, **options)
    for _ in range(2):
        for x, batch in zip(read(plain), read(labelled), strict=True):
            assert list(batch) == ["x", "labels"]
            np.testing.assert_array_equal(batch["x"], x)
            if "binarize" not in options:
                np.testing.assert_array_equal(batch["labels"], Y[names_of(x)])
    assert plain.epoch == labelled.epoch == 2


def test_columns_come_by_name_and_labels_by_the_name_that_is_left(data):
    for part, count in ((data.train, 40), (data.validation, 10), (data.test, 20)):
        (batch,) = part.batches(count, labels=("dose", "digit"))[0]
        rows = names_of(batch["x"])
        np.testing.assert_array_equal(batch["digit"], Y[rows])
        np.testing.assert_array_equal(batch["dose"], DOSES[rows])
    (batch,) = data.train.batches(4, labels="condition")[0]
    assert list(batch) == ["x", "condition"]
    (batch,) = data.train.batches(4, labels="dose")[0]
    assert batch["dose"].shape == (4, 2)


def test_how_many_classes_there_are():
    assert load(SOURCE, validation=10).classes == load((X, Y)).classes == 5
    for y in (None, Y.astype("float32"), DOSES, Y - 1, np.array(list("ab"))[Y % 2]):
        assert load((X, y)).classes is None
    assert load((X, Y[:, None])).classes == 5
    mini = load("mnist_mini")
    assert mini.classes == mini.info["classes"] == 10


@pytest.mark.parametrize(
    "call, sentence",
    [
        (lambda d: load(X).train.batches(4, labels=True), "has nothing beside its samples, and 'labels' is no column"),
        (
            lambda d: d.train.batches(4, labels=("a", "b")),
            "has labels, 'dose' beside.*'a' and 'b' are no columns",
        ),
        (lambda d: d.train.batches(4, labels=("labels", "labels")), "each once"),
        (lambda d: d.train.batches(4, labels="x"), "names other than 'x'"),
        (lambda d: load({"x": X, "dose": DOSES[:9]}).train.batches(4, labels="dose"), r"'dose'.*\(9, 2\).*50 samples"),
        (lambda d: load({"x": X, "who": ["a"] * 50}).train.batches(4, labels="who"), "Give numbers"),
    ],
)
def test_what_is_not_there_is_said(data, call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call(data)


def test_a_model_trains_and_is_measured_on_labelled_batches(data):
    inputs = (Labels(5), Condition(2, name="dose"))
    model = keras_ae.build(Spec((6, 6, 1), (Flatten(), Dense(8)), Gaussian(2), inputs=inputs), seed=0)
    names = model.spec.input_names
    batches = data.train.batches(16, shuffle=True, labels=names)
    history = model.fit(batches, validation_data=data.validation.batches(16, labels=names), epochs=2, verbose=0)
    assert np.isfinite(history.history["val_loss"]).all()
    x, rows = data.test.x, np.arange(20)
    beside = {"labels": Y[rows], "dose": DOSES[rows]}
    np.testing.assert_allclose(model.encode(data.test.batches(8, labels=names)), model.encode(x, **beside), atol=1e-6)
    found = keras_ae.evaluation.measure(model, data.test, num_samples=8, progress=False)
    terms = model.elbo_terms(x, **beside, num_samples=32)
    assert found["elbo"]["value"] == pytest.approx(-(terms["nll"] + terms["kl"]).mean(), rel=0.05)
    assert found["mse"]["value"] == pytest.approx(model.reconstruction_error(x, **beside).mean(), rel=1e-5)
    assert "given labels and dose" in found["nll"]["protocol"]
    assert found["iw_nll"]["protocol"].endswith("given labels and dose")
    with pytest.raises(ValueError, match="'labels' and 'dose' are no columns of it"):
        keras_ae.evaluation.measure(model, load((X, Y)).test, progress=False)


def test_folders_of_classes_stream_their_labels(tmp_path):
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    for part in ("train", "test"):
        for label in range(2):
            folder = tmp_path / part / f"class_{label}"
            folder.mkdir(parents=True)
            for number in range(3):
                image.fromarray(X[3 * label + number]).save(folder / f"{number}.png")
    for stream in (False, True):
        data = load(tmp_path, stream=stream, validation=1)
        assert data.classes == 2
        for batch in read(data.test.batches(2, labels=True)):
            np.testing.assert_array_equal(batch["labels"], np.array(names_of(batch["x"])) // 3)
