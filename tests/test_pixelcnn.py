"""The prior over indices: causal, normalised, drawn by seed; maps above it are known to it; a bound of log p(x)."""

import pickle
from itertools import product

import numpy as np
import pytest
from keras import ops

import keras_ae
from keras_ae.priors.pixelcnn import PixelCNN, PixelNetwork

RNG = np.random.default_rng(0)
X = RNG.random((40, 8, 8, 1), dtype="float32")
SIDES = ((), (7,), (4, 5), (2, 3, 4))
QUICK = {"width": 8, "blocks": 2, "kernel": 3, "epochs": 2, "batch_size": 16}


def network(sides, codes=3, above=(), *, blocks=3, kernel=5):
    """A network of random weights, those that start at 0 too."""
    found = PixelNetwork(sides, codes, above, 6, blocks, kernel, seed=0)
    rng = np.random.default_rng(1)
    for weight in found.weights:
        weight.assign(0.5 * rng.standard_normal(weight.shape).astype("float32"))
    return found


def logits_of(found, x):
    return ops.convert_to_numpy(found(ops.convert_to_tensor(x.astype("float32"))))


def built(**options):
    options = {"input_shape": (8, 8, 1), "codes": 8, "dim": 4, "width": 8} | options
    return keras_ae.build("vq_vae", **options, seed=0)


@pytest.fixture(scope="module")
def fitted():
    """A model of one level and one of two, each with a prior that was trained for a moment."""
    models = [built(levels=levels, likelihood="discretized_logistic") for levels in (1, 2)]
    return [(model, PixelCNN(**QUICK).fit(model, X)) for model in models]


@pytest.mark.parametrize("sides", SIDES, ids=str)
@pytest.mark.parametrize("kernel", [3, 5])
def test_a_place_knows_nothing_of_itself_and_of_those_after_it(sides, kernel):
    found, rng = network(sides, kernel=kernel), np.random.default_rng(2)
    x = rng.integers(3, size=(1, found.count))
    before = logits_of(found, x)
    for place in range(found.count):
        other = x.copy()
        other[0, place:] = (other[0, place:] + rng.integers(1, 3, size=found.count - place)) % 3
        after = logits_of(found, other)
        np.testing.assert_allclose(after[:, : place + 1], before[:, : place + 1], atol=1e-5)


@pytest.mark.parametrize("sides", [(6,), (4, 5)], ids=str)
def test_a_place_knows_all_before_it_within_its_reach(sides):
    """There is no blind spot: 4 blocks of kernel 5 reach 8 rows and columns."""
    found, rng = network(sides, blocks=4), np.random.default_rng(2)
    x = rng.integers(3, size=(1, found.count))
    before = logits_of(found, x)[0, -1]
    for place in range(found.count - 1):
        other = x.copy()
        other[0, place] = (other[0, place] + 1) % 3
        assert np.abs(logits_of(found, other)[0, -1] - before).max() > 1e-6, place


@pytest.mark.parametrize("above", [(), [((1, 2), 2)]], ids=str)
def test_probabilities_of_all_maps_sum_to_one(above):
    prior = PixelCNN()
    prior.networks = {"": network((2, 2), above=above)}
    maps = np.array(list(product(range(3), repeat=4)), "float32")
    if above:
        prior.networks = {"top": network((1, 2), 2), "bottom": network((2, 2), above=above)}
        maps = np.array([(*top, *m) for top in product(range(2), repeat=2) for m in maps], "float32")
    total = np.exp(prior._log_density(maps)).sum()
    assert total == pytest.approx(1, abs=1e-6)


def test_draws_have_their_probabilities():
    prior = PixelCNN()
    prior.networks = {"": network((2,), blocks=1, kernel=3)}
    maps = np.array(list(product(range(3), repeat=2)), "float32")
    chances = np.exp(prior._log_density(maps))
    drawn = prior._draw(4000, np.random.default_rng(0))
    shares = np.array([(drawn == each).all(axis=1).mean() for each in maps])
    np.testing.assert_allclose(shares, chances, atol=4 * 0.5 / np.sqrt(4000))


@pytest.mark.slow
def test_it_learns_the_entropy_of_what_it_sees():
    """Maps of one symbol all over, of two that are as likely: log 2 nats, all at the first place."""
    codes = np.repeat(np.arange(400)[:, None] % 2, 6, axis=1).astype("float64")
    prior = PixelCNN(width=8, blocks=2, kernel=3, epochs=20, batch_size=20, learning_rate=1e-2)
    prior.networks = {"": PixelNetwork((2, 3), 4, (), 8, 2, 3, seed=0)}
    prior._fit(codes)
    assert -prior._log_density(codes).mean() == pytest.approx(np.log(2), abs=0.03)


@pytest.mark.slow
def test_the_bottom_is_drawn_in_the_knowledge_of_the_top():
    """The bottom repeats the top, and so says nothing more."""
    top = np.random.default_rng(0).integers(3, size=(400, 2))
    codes = np.concatenate([top, top.repeat(2, axis=1)], axis=1).astype("float64")
    prior = PixelCNN(width=8, blocks=1, kernel=3, epochs=20, batch_size=20, learning_rate=1e-2)
    prior.networks = {
        "top": PixelNetwork((2,), 3, (), 8, 1, 3, seed=0),
        "bottom": PixelNetwork((4,), 3, [((2,), 3)], 8, 1, 3, seed=1),
    }
    prior._fit(codes)
    assert -prior._log_density(codes).mean() == pytest.approx(2 * np.log(3), abs=0.1)
    drawn = prior._draw(50, np.random.default_rng(0))
    assert (drawn[:, 2:] == drawn[:, :2].repeat(2, axis=1)).mean() > 0.98


@pytest.mark.parametrize("levels", [1, 2])
def test_it_samples_by_seed(fitted, levels):
    model, prior = fitted[levels - 1]
    indices = prior.draw(5, seed=3)
    some, others = prior.draw(5, seed=3), prior.draw(5, seed=4)
    if levels == 1:
        indices, some, others = ({"": each} for each in (indices, some, others))
    assert {name: each.shape[1:] for name, each in indices.items()} == model.latent.sides
    assert all(np.array_equal(indices[name], some[name]) for name in indices)
    assert not all(np.array_equal(indices[name], others[name]) for name in indices)
    pictures = prior.sample(5, seed=3)
    np.testing.assert_allclose(pictures, model.decode(indices if levels == 2 else indices[""]), atol=1e-6)
    assert np.array_equal(pictures, prior.sample(5, seed=3))


@pytest.mark.parametrize("levels", [1, 2])
def test_the_bound_is_that_of_the_code(fitted, levels):
    model, prior = fitted[levels - 1]
    log_prior = prior.log_density(model.encode(X, indices=True))
    assert log_prior.shape == (40,) and log_prior.dtype == "float64" and (log_prior < 0).all()
    nll = model.reconstruction_error(X, kind="nll")
    np.testing.assert_allclose(prior.log_likelihood(X), log_prior - nll, rtol=1e-6)
    # A sample alone gets what it gets among others.
    np.testing.assert_allclose(prior.log_likelihood(X[:1]), prior.log_likelihood(X)[:1], rtol=1e-5)


def test_a_fitted_prior_is_pickled_with_its_model(fitted):
    model, prior = fitted[1]
    again = pickle.loads(pickle.dumps(prior))
    indices = model.encode(X, indices=True)
    np.testing.assert_allclose(again.log_density(indices), prior.log_density(indices), rtol=1e-6)


@pytest.mark.slow
def test_each_label_may_have_one():
    model = built()
    priors = keras_ae.priors.ClassConditional(PixelCNN(**QUICK)).fit(model, X, np.arange(40) % 2)
    assert priors.sample(2, 1, seed=0).shape == (2, 8, 8, 1)
    assert priors.log_density(model.encode(X, indices=True), 0).shape == (40,)


@pytest.mark.slow
def test_the_fit_goes_by_its_seed():
    model = built()
    weights = [PixelCNN(**QUICK, seed=seed).fit(model, X).networks[""].get_weights() for seed in (0, 0, 1)]
    assert all(np.array_equal(a, b) for a, b in zip(weights[0], weights[1], strict=True))
    assert not np.array_equal(weights[0][0], weights[2][0])


def test_what_it_cannot_do_is_refused_in_words(fitted):
    model, prior = fitted[0]
    cases = {
        "kernel must be odd, got 4": lambda: PixelCNN(kernel=4),
        "blocks must be at least 1": lambda: PixelCNN(blocks=0),
        "PixelCNN is a prior of indices, which the code of 'ae' has not. Fit GaussianMixture": lambda: PixelCNN().fit(
            keras_ae.build("ae"), np.zeros((3, 28, 28, 1), "float32")
        ),
        "needs at least 2 samples, got 1": lambda: PixelCNN().fit(model, X[:1]),
        "n must be at least 1": lambda: prior.draw(0),
        r"indices has shape \(2, 3\), but this model takes \(n, 4, 4\)": lambda: prior.log_density(
            np.zeros((2, 3), int)
        ),
        "must be whole numbers from 0 to 7": lambda: prior.log_density(model.encode(X)[..., 0]),
    }
    for words, ask in cases.items():
        with pytest.raises(ValueError, match=words):
            ask()
    with pytest.raises(TypeError, match="model must be a keras_ae"):
        PixelCNN().fit("vq_vae", X)
    with pytest.raises(RuntimeError, match="Call fit"):
        PixelCNN().draw(3)
