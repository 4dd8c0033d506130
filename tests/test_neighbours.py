"""The neighbour-preserving autoencoder, and batches in which samples meet their neighbours."""

import numpy as np
import pytest
from keras import ops
from scipy.spatial.distance import cdist
from sklearn.manifold import trustworthiness
from sklearn.neighbors import NearestNeighbors

import keras_ae
from keras_ae.models.neighbour_ae import surprise
from keras_ae.neighbours import NeighbourBatches, nearest

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 5)).astype("float32")
Z = RNG.normal(size=(60, 2)).astype("float32")


def surprises(x, z, count):
    return ops.convert_to_numpy(surprise(ops.convert_to_tensor(x), ops.convert_to_tensor(z), count))


def test_the_surprise_is_the_log_of_a_students_t_at_the_nearest():
    distances, kernel = cdist(X, X), 1 / (1 + cdist(Z, Z) ** 2)
    np.fill_diagonal(distances, np.inf)
    np.fill_diagonal(kernel, 0)
    q = kernel / kernel.sum(axis=1, keepdims=True)
    of_nearest = np.take_along_axis(q, np.argsort(distances, axis=1)[:, :3], axis=1)
    np.testing.assert_allclose(surprises(X, Z, 3), -np.log(of_nearest).mean(axis=1), rtol=1e-4)


def test_codes_that_are_all_equal_tell_nothing_of_neighbours():
    np.testing.assert_allclose(surprises(X, np.zeros_like(Z), 4), np.log(59), rtol=1e-5)


@pytest.mark.parametrize("samples", [1, 2, 3])
def test_batches_of_few_samples_have_the_neighbours_that_there_are(samples):
    found = surprises(X[:samples], np.zeros_like(Z[:samples]), 3)
    np.testing.assert_allclose(found, np.log(max(samples - 1, 1)), atol=1e-6)


@pytest.mark.slow
def test_the_term_makes_a_map_keep_neighbours():
    digits = keras_ae.datasets.load("mnist_mini").train.x[:400]
    kept = {}
    for strength in (0.0, 100.0):
        model = keras_ae.build("neighbour_ae", strength=strength, seed=0)
        model.fit(NeighbourBatches(digits, 40), epochs=5, verbose=0)
        kept[strength] = trustworthiness(digits.reshape(400, -1), model.encode(digits))
    assert kept[100.0] > kept[0.0] + 0.02


def test_the_nearest_are_those_of_scikit_learn():
    expected = NearestNeighbors(n_neighbors=4).fit(X).kneighbors(return_distance=False)
    np.testing.assert_array_equal(nearest(X, neighbours=4), expected)
    wide = np.concatenate([X, X @ RNG.normal(size=(5, 40))], axis=1)  # Of rank 5: the components lose nothing.
    expected = NearestNeighbors(n_neighbors=4).fit(wide).kneighbors(return_distance=False)
    np.testing.assert_array_equal(nearest(wide, neighbours=4), expected)


def test_every_sample_has_a_turn_and_its_neighbours_beside_it():
    x = np.arange(60, dtype="float32")[:, None] ** 1.01  # Neighbours are those next in line.
    batches = NeighbourBatches(x, 12, beside=2, neighbours=2)
    assert len(batches) == 5
    turns = []
    for _ in range(3):
        for index in range(5):
            (batch,) = batches[index]
            rows = np.searchsorted(x[:, 0], batch[:, 0])
            turns += rows[:4].tolist()
            gaps = np.abs(rows[4:].reshape(4, 2) - rows[:4, None])
            assert gaps.min() == 1 and gaps.max() <= 2
        batches.on_epoch_end()
    assert sorted(turns) == list(range(60))


def test_batches_follow_their_seed():
    one, same, other = (NeighbourBatches(X, 8, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one[3][0], same[3][0])
    assert not np.array_equal(one[3][0], other[3][0])
    before = one[0][0]
    one.on_epoch_end()
    assert not np.array_equal(one[0][0], before)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: NeighbourBatches(X, 9, beside=3), r"multiple of beside \+ 1 = 4 and at most the 60 samples, got 9"),
        (lambda: NeighbourBatches(X, 64, beside=3), "at most the 60 samples, got 64"),
        (lambda: NeighbourBatches(X, 12, beside=6), r"beside must lie in \[1, neighbours=5\], got 6"),
        (lambda: nearest(X[:4], neighbours=4), "x has 4 samples, of which none has neighbours=4 others"),
        (lambda: nearest(np.where(X > 2, np.nan, X)), "x holds NaN"),
        (lambda: nearest(X, neighbours=0), "neighbours must be at least 1"),
        (lambda: keras_ae.NeighbourEmbedding(count=0), "NeighbourEmbedding: count must be"),
        (
            lambda: keras_ae.NeighbourEmbedding(strength=-1.0),
            "NeighbourEmbedding: strength must be a number of at least 0",
        ),
    ],
)
def test_what_cannot_be_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
