"""The shipped classifiers: what the catalogue says of their files, features, and what they know of digits."""

import importlib.util
import json

import numpy as np
import pytest

import keras_ae
from keras_ae import classifiers, metrics
from keras_ae.pretrained.folders import digest

MOST_BYTES = 300_000


@pytest.fixture(scope="module")
def digits():
    return keras_ae.datasets.load("mnist_mini").test


@pytest.fixture(scope="module")
def classifier():
    return classifiers.load("mnist")


def test_the_catalogue_has_the_hash_of_every_file_and_all_are_small():
    catalogue = json.loads((classifiers.ROOT / "catalogue.json").read_text())
    assert list(catalogue) == classifiers.list_classifiers() == ["fashion_mnist", "mnist", "spoken_digit"]
    for name, digests in catalogue.items():
        assert {path.name: digest(path.read_bytes()) for path in (classifiers.ROOT / name).iterdir()} == digests
    assert sum(path.stat().st_size for path in folder.iterdir()) < MOST_BYTES


def test_the_card_says_what_was_trained_on_what():
    card = classifiers.card("mnist")
    assert card["storage"] == "float16" and card["seed"] == 0
    assert card["data"]["version"] == "3.0.1" and card["command"].startswith("python recipes/train_classifier.py")
    assert card["accuracy"]["test"] > 0.98 and card["accuracy"]["validation"] > 0.98


def test_it_knows_digits(classifier, digits):
    """mnist_mini's test part is of MNIST's test part: this is what the card has, on a tenth of it."""
    accuracy = (classifier.predict(digits.x) == digits.y).mean()
    assert accuracy == pytest.approx(classifiers.card("mnist")["accuracy"]["test"], abs=0.01)
    as_bytes = np.round(255 * digits.x[:50]).astype("uint8")
    np.testing.assert_allclose(classifier.features(as_bytes), classifier.features(digits.x[:50]), rtol=1e-4, atol=1e-4)


def test_its_distance_grows_with_noise(classifier, digits):
    one, other = classifier.features(digits.x[:500]), classifier.features(digits.x[500:])
    assert one.shape == (500, 64)
    noise = np.random.default_rng(0).normal(size=digits.x[:500].shape).astype("float32")
    noisy = [classifier.features((digits.x[:500] + sigma * noise).clip(0, 1)) for sigma in (0.2, 0.6)]
    distances = [metrics.frechet_distance(other, features) for features in (one, *noisy)]
    assert 2 * distances[0] < 2 * distances[1] < distances[2]


def test_a_changed_file_is_refused(monkeypatch, tmp_path):
    for path in (classifiers.ROOT / "catalogue.json", *(classifiers.ROOT / "mnist").iterdir()):
        copied = tmp_path / path.relative_to(classifiers.ROOT)
        copied.parent.mkdir(exist_ok=True)
        copied.write_bytes(path.read_bytes())
    monkeypatch.setattr(classifiers, "ROOT", tmp_path)
    classifiers.load("mnist")
    weights = bytearray((tmp_path / "mnist" / "weights.npz").read_bytes())
    weights[200] ^= 1
    (tmp_path / "mnist" / "weights.npz").write_bytes(weights)
    with pytest.raises(ValueError, match=r"weights\.npz is damaged or was changed"):
        classifiers.load("mnist")


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((2, 28, 28)), r"takes \(n, 28, 28, 1\)"),
        (np.zeros((0, 28, 28, 1)), r"takes \(n, 28, 28, 1\)"),
        (np.full((2, 28, 28, 1), 1.5), r"must lie in \[0, 1\]"),
        (np.full((2, 28, 28, 1), np.nan), r"must lie in \[0, 1\]"),
    ],
)
def test_pictures_that_it_cannot_take_are_refused(classifier, x, message):
    with pytest.raises(ValueError, match=message):
        classifier.features(x)


def test_what_does_not_exist_is_refused():
    with pytest.raises(ValueError, match=r"no classifier of 'letters'\. There are fashion_mnist, mnist, "):
        classifiers.load("letters")
    with pytest.raises(ValueError, match="sides of at least 16"):
        classifiers.lenet((8, 8, 1))


def test_the_recipe_writes_a_folder_that_loads(request, tmp_path, monkeypatch, capsys):
    path = request.config.rootpath / "recipes" / "train_classifier.py"
    spec = importlib.util.spec_from_file_location("train_classifier", path)
    recipe = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(recipe)
    recipe.main("mnist_mini", epochs=1, shelf=tmp_path, smoke=True)
    monkeypatch.setattr(classifiers, "ROOT", tmp_path)
    assert classifiers.list_classifiers() == ["mnist_mini"]
    card, test = classifiers.card("mnist_mini"), keras_ae.datasets.load("mnist_mini").test
    accuracy = (classifiers.load("mnist_mini").predict(test.x) == test.y).mean()
    assert accuracy == pytest.approx(card["accuracy"]["test"], abs=2e-3) and accuracy > 0.2
