"""Masked autoencoders: patches, places, attention by hand; what is hidden has no influence and is what counts."""

from dataclasses import replace

import numpy as np
import pytest
from keras import ops
from scipy.special import softmax

import keras_ae
from keras_ae.rows import MLP, Attention, Patch, Position, SpecError, Unpatch
from keras_ae.tokens import Hidden, Joined, Patches, sines

RNG = np.random.default_rng(0)
X = RNG.random((24, 8, 8, 3), dtype="float32")
SMALL = {"input_shape": (8, 8, 3), "patch": 2, "width": 16, "depth": 1, "heads": 2, "decoder_width": 8}


@pytest.fixture(scope="module")
def model():
    model = keras_ae.build("masked_ae", **SMALL, seed=0)
    model.fit(X, batch_size=8, verbose=0)
    return model


def array(tensor):
    return ops.convert_to_numpy(tensor)


@pytest.mark.parametrize("shape, size", [((8, 6, 2), (4, 3)), ((12, 3), (4,)), ((4, 4, 6, 1), (2, 4, 3))])
def test_patches_are_cut_in_order_and_join_to_what_they_were(shape, size):
    x = np.arange(2 * np.prod(shape), dtype="float32").reshape(2, *shape)
    patches = array(Patches(size)(x))
    first = x[0][tuple(slice(0, by) for by in size)].reshape(-1)
    np.testing.assert_array_equal(patches[0, 0], first)
    along = x[0][tuple([slice(0, by) for by in size[:-1]] + [slice(size[-1], 2 * size[-1])])].reshape(-1)
    np.testing.assert_array_equal(patches[0, 1], along)
    np.testing.assert_array_equal(array(Joined(size, shape)(patches)), x)


def test_places_are_sines_and_cosines_along_each_axis():
    table = sines((3, 4), 16)
    assert table.shape == (12, 16)
    np.testing.assert_allclose(table[6, :4], np.sin(1 * 10_000.0 ** -(np.arange(4) / 4)), rtol=1e-5)
    np.testing.assert_allclose(table[6, 12:], np.cos(2 * 10_000.0 ** -(np.arange(4) / 4)), rtol=1e-5)


def test_attention_is_that_of_the_formula(model):
    layer = next(each for each in model.encoder.layers if each.name.startswith("attention"))
    h = RNG.standard_normal((2, 5, 16)).astype("float32")
    normed = array(layer.norm(h))
    kernel, bias = (array(each) for each in layer.queries_keys_values.weights)
    q, k, v = np.split((normed @ kernel + bias).reshape(2, 5, 6, 8), 3, axis=2)
    weights = softmax(np.einsum("bqhd,bkhd->bhqk", q, k) / np.sqrt(8), axis=-1)
    joined = np.einsum("bhqk,bkhd->bqhd", weights, v).reshape(2, 5, 16)
    out, out_bias = (array(each) for each in layer.out.weights)
    np.testing.assert_allclose(array(layer(h)), h + joined @ out + out_bias, atol=1e-4)


def test_kernels_of_a_block_differ(model):
    kernels = [array(each) for each in model.encoder.weights if len(each.shape) == 2]
    assert not any(a is not b and a.shape == b.shape and np.array_equal(a, b) for a in kernels for b in kernels)


def test_hidden_tokens_are_put_back_where_they_were():
    layer = Hidden()
    layer.build((None, 4, 2))
    layer.token.assign([7.0, 8.0])
    h = np.array([[[1, 1], [2, 2]]], "float32")
    restored = array(layer.restored(h, np.array([[3, 0, 1, 2]], "int32")))
    np.testing.assert_array_equal(restored[0], [[2, 2], [7, 8], [7, 8], [1, 1]])


def test_loss_is_that_of_hidden_patches_alone(model):
    scores = RNG.random((24, 16)).astype("float32")
    outputs = model.autoencode({"x": ops.convert_to_tensor(X)}, training=False, noise=scores)
    hidden = array(outputs["hidden"])
    assert hidden.shape == X.shape
    ranks = np.argsort(np.argsort(scores, axis=1), axis=1)
    expected = (ranks >= 4).reshape(24, 4, 4).repeat(2, axis=1).repeat(2, axis=2)
    np.testing.assert_array_equal(hidden[..., 0], expected)
    terms = model.objective({"x": ops.convert_to_tensor(X)}, outputs)
    squares = (hidden * (X - array(outputs["loc"])) ** 2).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(array(terms["nll"]), 0.5 * (squares + 144 * np.log(2 * np.pi)), rtol=1e-5)


def test_hidden_values_have_no_influence(model):
    hidden = model.masks(24, seed=3)
    where = hidden.reshape(24, 4, 4).repeat(2, axis=1).repeat(2, axis=2)
    other = np.where(where[..., None], 1 - X, X)
    filled, again = model.fill(X, hidden), model.fill(other, hidden)
    np.testing.assert_allclose(filled, again, atol=1e-6)
    np.testing.assert_array_equal(filled[~where], X[~where])
    assert np.abs(filled - X)[where].max() > 0.05


def test_with_nothing_hidden_both_ways_agree(model):
    """The functional encoder and decoder are the same layers as the cut ones."""
    order = np.tile(np.arange(16, dtype="int32"), (24, 1))
    outputs = model._predicted(X, order, 16, training=False)
    np.testing.assert_allclose(array(outputs["loc"]), model.decode(model.encode(X)), atol=1e-5)
    np.testing.assert_allclose(array(outputs["z"]).reshape(24, -1), model.encode(X), atol=1e-5)


@pytest.mark.parametrize("ratio", [0.25, 0.5, 0.6, 0.75])
def test_a_reconstructed_patch_is_predicted_from_others(ratio):
    model = keras_ae.build("masked_ae", **SMALL, ratio=ratio, seed=0)
    before, influence = model.reconstruct(X[:2]), []
    np.testing.assert_allclose(model.predict(X[:2], verbose=0), before, atol=1e-5)
    for row, column in np.ndindex(4, 4):
        patch = (slice(None), slice(2 * row, 2 * row + 2), slice(2 * column, 2 * column + 2))
        other = X[:2].copy()
        other[patch] = 1 - other[patch]
        changed = np.abs(model.reconstruct(other) - before)
        assert changed[patch].max() < 1e-6
        influence.append(changed.max())
    assert np.mean(np.array(influence) > 1e-6) >= min(0.5, 1 - ratio)


def test_training_draws_new_masks_and_moves_the_token(model):
    first, second = (model.evaluate(X, return_dict=True, verbose=0)["nll"] for _ in range(2))
    assert first != second
    assert np.abs(array(model.pieces.mask_token.token)).max() > 0


def test_features_are_means_over_tokens(model):
    assert model.features(X).shape == (24, 16)
    np.testing.assert_allclose(model.features(X), model.encode(X).reshape(24, 16, 16).mean(axis=1), atol=1e-5)
    assert model.features(X, grid=2).shape == (24, 32)


@pytest.mark.parametrize("shape", [(28, 28, 1), (32, 32, 3), (64, 2), (8, 8, 8, 1), (12,), (30, 45, 1)])
def test_default_patches_divide_the_sides(shape):
    spec = keras_ae.spec("masked_ae", input_shape=shape)
    assert 8 <= spec.code.latent_dim // 128 <= 128
    assert keras_ae.Spec.from_json(spec.to_json()) == spec


@pytest.mark.parametrize(
    "make, sentence",
    [
        (lambda: Patch(3, 8).output_shape((8, 8, 1)), "do not divide the side 8"),
        (lambda: Unpatch(2, (8, 8, 1)).output_shape((9, 8)), "joins 16 patches, and 9 tokens"),
        (lambda: Position((3, 3)).output_shape((8, 4)), "9 places, and 8 tokens"),
        (lambda: Attention(3).output_shape((8, 16)), "no multiple of the heads"),
        (lambda: MLP().output_shape((8, 8, 1)), r"needs tokens \(count, width\)"),
        (lambda: keras_ae.spec("masked_ae", ratio=1.0), r"ratio must lie in \(0, 1\)"),
        (lambda: keras_ae.spec("masked_ae", patch=32), "leave one patch"),
        (lambda: keras_ae.spec("masked_ae", patch=0), "size must be"),
        (lambda: keras_ae.spec("masked_ae", depth=0), "depth must be a whole number of at least 1"),
        (lambda: keras_ae.build(_with_labels(), seed=0), "takes x alone"),
        (lambda: keras_ae.build(_without_places(), seed=0), "needs an encoder with Patch and Position"),
    ],
)
def test_what_cannot_be_is_refused(make, sentence):
    with pytest.raises(SpecError, match=sentence):
        make()


def _with_labels():
    return replace(keras_ae.spec("masked_ae"), inputs=keras_ae.Labels(3, to=("encoder",)))


def _without_places():
    spec = keras_ae.denoising_spec((8, 8, 1), corruption=None)
    return replace(spec, objective=keras_ae.MaskedReconstruction())


@pytest.mark.parametrize(
    "hidden, sentence",
    [
        (np.zeros(16), "hides 0 to 0"),
        (np.ones(15), "fill takes"),
        (np.linspace(0, 1, 16), "True or False"),
        (["no", ""] * 8, "True or False"),
    ],
)
def test_masks_that_cannot_be_are_refused(model, hidden, sentence):
    with pytest.raises((ValueError, TypeError), match=sentence):
        model.fill(X, hidden)


def test_what_is_missing_is_filled_in(model):
    hidden = model.masks(24, seed=1)
    where = hidden.reshape(24, 4, 4).repeat(2, axis=1).repeat(2, axis=2)[..., None]
    filled = model.fill(np.where(where, np.nan, X), hidden)
    np.testing.assert_allclose(filled, model.fill(X, hidden), atol=1e-6)


def test_patches_come_as_a_list_from_json():
    assert keras_ae.spec("masked_ae", patch=[4, 8]) == keras_ae.spec("masked_ae", patch=(4, 8))


def test_tables_hide_features():
    x = RNG.random((32, 6), dtype="float32")
    model = keras_ae.build("masked_ae", input_shape=(6,), width=8, depth=1, heads=2, decoder_width=8, ratio=0.5, seed=0)
    model.fit(x, batch_size=8, verbose=0)
    hidden = np.array([1, 0, 1, 0, 0, 1], bool)
    filled = model.fill(x, hidden)
    np.testing.assert_array_equal(filled[:, ~hidden], x[:, ~hidden])
    assert model.visible == 3


def test_weights_of_values_count_hidden_values_too(model):
    weights = np.zeros_like(X)
    assert model.evaluate(X, sample_weight=weights + 1e-3, return_dict=True, verbose=0)["nll"] < 1
