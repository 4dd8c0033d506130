"""Discrete codes: nearest entries, their moving averages and gradients, revival, maps and indices as codes."""

import keras
import numpy as np
import pytest
from keras import ops
from scipy.spatial.distance import cdist

import keras_ae
from keras_ae import Conv, Dense, Flatten, HierarchicalQuantiser, Labels, Quantiser, Reshape, Spec, SpecError, Vector
from keras_ae.codebooks import SMOOTHING, Codebook, perplexity, smoothed, straight_through
from keras_ae.evaluation import measure
from keras_ae.measuring import Samples
from keras_ae.metrics import code_perplexity, unused_codes

RNG = np.random.default_rng(0)
X = RNG.random((24, 8, 8, 1), dtype="float32")
SMALL = {"input_shape": (8, 8, 1), "codes": 16, "dim": 4, "width": 8}


class Alone:
    """One device."""

    def sum_over_replicas(self, value):
        return value

    of_first_replica = sum_over_replicas


def codebook(codes=8, dim=3, **options):
    book = Codebook(codes, dim, seed=0, **options)
    book.entries.assign(np.random.default_rng(1).standard_normal((codes, dim)).astype("float32"))
    return book


def as_array(value):
    return np.array(ops.convert_to_numpy(value))


def vectors(n=40, places=5, dim=3, seed=2):
    return np.random.default_rng(seed).standard_normal((n, places, dim)).astype("float32")


def moved(book, z_e, weight=None):
    """Update a codebook by a batch of these vectors."""
    weight = np.full(len(z_e), 1 / len(z_e), "float32") if weight is None else weight
    z_e, weight = ops.convert_to_tensor(z_e), ops.convert_to_tensor(weight)
    book.update(z_e, book.nearest(z_e), weight, Alone())


# Entries


def test_the_nearest_entry_is_scipys():
    book, z_e = codebook(), vectors()
    expected = cdist(z_e.reshape(-1, 3), as_array(book.entries), "sqeuclidean").argmin(axis=1)
    assert np.array_equal(as_array(book.nearest(z_e)), expected.reshape(40, 5))
    np.testing.assert_array_equal(as_array(book(z_e)), as_array(book.entries)[expected].reshape(40, 5, 3))


def test_of_two_entries_as_near_the_first_is_taken():
    book = codebook(codes=3)
    book.entries.assign(np.ones((3, 3), "float32"))
    assert (as_array(book.nearest(vectors())) == 0).all()


@pytest.mark.parametrize("decay", [0.9, 0.0])
def test_entries_are_the_moving_averages_of_numpy(decay):
    """Appendix A.1, van den Oord et al. 2017, with smoothed counts, in sums that are kept for themselves."""
    book = codebook(decay=decay)
    entries, counts, sums = as_array(book.entries).astype("float64"), np.zeros(8), np.zeros((8, 3))
    for seed in range(6):
        z_e = vectors(seed=seed)
        weight = np.random.default_rng(seed).uniform(size=40)
        weight /= weight.sum()
        moved(book, z_e, weight.astype("float32"))
        nearest = cdist(z_e.reshape(-1, 3), entries, "sqeuclidean").argmin(axis=1).reshape(40, 5)
        of_batch, sum_of_batch = np.zeros(8), np.zeros((8, 3))
        for sample in range(40):
            for place in range(5):
                of_batch[nearest[sample, place]] += weight[sample]
                sum_of_batch[nearest[sample, place]] += weight[sample] * z_e[sample, place]
        counts = decay * counts + (1 - decay) * of_batch
        sums = decay * sums + (1 - decay) * sum_of_batch
        total = counts.sum()
        divisors = (counts + SMOOTHING) / (total + 8 * SMOOTHING) * total
        entries = np.where(counts[:, None] > 0, sums / divisors[:, None], entries)
        np.testing.assert_allclose(as_array(book.counts), counts, rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(as_array(book.entries), entries, rtol=1e-4, atol=1e-5)


def test_smoothed_counts_keep_their_sum_and_none_is_zero():
    counts = np.array([0.0, 1.0, 3.0], "float32")
    found = as_array(smoothed(counts))
    assert found.sum() == pytest.approx(4, rel=1e-6)
    assert (found > 0).all()
    np.testing.assert_allclose(found[1:], counts[1:], rtol=1e-6)


def test_counts_do_not_go_by_the_size_of_the_batch():
    books = codebook(), codebook()
    moved(books[0], vectors())
    moved(books[1], np.concatenate([vectors(), vectors()]))
    np.testing.assert_allclose(as_array(books[0].entries), as_array(books[1].entries), atol=1e-5)
    assert as_array(books[0].counts).sum() == pytest.approx(0.01 * 5, rel=1e-5)


def test_dead_entries_become_what_the_encoder_gave_and_get_the_mean_count():
    book, z_e, dead = codebook(codes=32, revival=0.01), vectors(), np.arange(16, 32)
    book.entries.assign(np.where(np.arange(32)[:, None] < 16, as_array(book.entries), 100.0))
    moved(book, z_e)
    entries, counts = as_array(book.entries), as_array(book.counts)
    distances = cdist(entries[dead], z_e.reshape(-1, 3))
    assert (distances.min(axis=1) < 1e-6).all()
    np.testing.assert_allclose(counts[dead], 0.01 * 5 / 32, rtol=1e-4)
    assert len(np.unique(distances.argmin(axis=1))) > 1


def test_what_revives_is_drawn_by_the_seed_and_anew_each_time():
    entries = []
    for seed in (0, 0, 1):
        book = Codebook(64, 3, revival=0.5, seed=seed)
        book.entries.assign(np.zeros((64, 3), "float32"))
        moved(book, vectors())
        entries.append(as_array(book.entries))
    assert np.array_equal(entries[0], entries[1])
    assert not np.array_equal(entries[0], entries[2])


def test_samples_of_weight_zero_neither_count_nor_revive():
    z_e = vectors()
    z_e[20:] = 100.0
    weight = np.repeat(np.array([1 / 20, 0.0], "float32"), 20)
    book = codebook(codes=32, revival=0.5)
    moved(book, z_e, weight)
    assert np.abs(as_array(book.entries)).max() < 50


def test_without_revival_what_is_not_used_stays():
    book, z_e = codebook(codes=32), vectors()
    before, unused = as_array(book.entries), np.setdiff1d(np.arange(32), as_array(book.nearest(z_e)))
    moved(book, z_e)
    assert np.array_equal(as_array(book.entries)[unused], before[unused])
    assert (as_array(book.counts)[unused] == 0).all()


def test_perplexity_is_the_number_of_entries_used_alike():
    for used in (1, 5, 8):
        uses = np.zeros(8, "float32")
        uses[:used] = 0.7
        assert float(perplexity(uses)) == pytest.approx(used, rel=1e-5)
        indices = np.repeat(np.arange(used), 3)
        assert code_perplexity(indices, 8) == pytest.approx(used)
        assert unused_codes(indices, 8) == 8 - used
    shares = np.array([0.5, 0.25, 0.25])
    assert code_perplexity(np.array([0, 0, 1, 2]), 3) == pytest.approx(np.exp(-(shares * np.log(shares)).sum()))


@pytest.mark.parametrize("indices", [np.zeros(0, int), np.array([3]), np.array([-1]), np.array([0.5])], ids=str)
def test_what_are_no_indices_is_refused(indices):
    with pytest.raises(ValueError, match="indices must be whole numbers from 0 to 2"):
        code_perplexity(indices, 3)


# Gradients


class Through(keras.Model):
    """x -> a dense layer -> a codebook; the loss is a sum with weights of its own."""

    def __init__(self, decay):
        super().__init__()
        self.dense = keras.layers.Dense(3, use_bias=False, kernel_initializer=keras.initializers.GlorotUniform(0))
        self.book = codebook(decay=decay)
        self.dense.build((None, 4))
        self.built = True

    def call(self, x):
        return self.book(self.dense(x))

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return ops.sum(y_pred * ops.convert_to_tensor(y))


@pytest.mark.filterwarnings("ignore:Gradients do not exist")  # The entries get none: that is what is tested.
@pytest.mark.parametrize("decay", [0.99, None])
def test_the_gradient_goes_straight_through(decay):
    model, x, y = Through(decay), RNG.random((6, 4), dtype="float32"), RNG.random((6, 3), dtype="float32")
    model.compile(keras.optimizers.SGD(0.1), run_eagerly=keras.backend.backend() != "jax")
    before, entries = as_array(model.dense.kernel), as_array(model.book.entries)
    model.train_on_batch(x, y)
    np.testing.assert_allclose(before - as_array(model.dense.kernel), 0.1 * x.T @ y, rtol=1e-4)
    assert np.array_equal(as_array(model.book.entries), entries)


def test_the_value_that_goes_through_is_the_entry_to_the_last_bit():
    z_e, entries = vectors(seed=3) * 1e3, vectors(seed=4)
    assert np.array_equal(as_array(straight_through(ops.convert_to_tensor(z_e), entries)), entries)


def model_of(**options):
    return keras_ae.build("vq_vae", **SMALL | options, seed=0)


@pytest.mark.parametrize("levels", [1, 2])
@pytest.mark.parametrize("decay", [0.99, None])
def test_the_terms_are_those_of_the_paper(levels, decay):
    model = model_of(levels=levels, decay=decay, beta=0.5)
    for name in ("", "top", "bottom")[: levels * 2 - 1]:
        if name in model.latent.codebooks:
            book = model.latent.codebooks[name]
            book.entries.assign(RNG.standard_normal(book.entries.shape).astype("float32"))
    z_e, e = model.posterior(X), model.latent.codebooks
    pairs = [(z_e["z_e"], e[""])] if levels == 1 else [(z_e[f"z_e_{name}"], e[name]) for name in ("top", "bottom")]
    distance = sum(
        cdist(given.reshape(-1, 4), as_array(book.entries), "sqeuclidean").min(axis=1).sum() for given, book in pairs
    )
    nll = model.reconstruction_error(X, kind="nll").mean()
    logs = model.test_on_batch(X, return_dict=True)
    assert logs["commitment"] == pytest.approx(distance / len(X), rel=1e-4)
    assert logs["nll"] == pytest.approx(nll, rel=1e-5)
    total = 0.5 * logs["commitment"] + (0 if decay else logs["codebook"])
    assert logs["loss"] == pytest.approx(nll + total, rel=1e-5)
    assert ("codebook" in logs) == (decay is None)
    indices = model.encode(X, indices=True)
    for name in ("",) if levels == 1 else ("top", "bottom"):
        expected = code_perplexity(indices[name] if name else indices, 16)
        assert logs[f"perplexity_{name}".strip("_")] == pytest.approx(expected, rel=1e-4)


def test_entries_trained_by_gradient_take_the_step_of_numpy():
    model = model_of(decay=None, revival=0.0)
    model.compile(keras.optimizers.SGD(0.1), run_eagerly=keras.backend.backend() != "jax")
    book = model.latent.codebooks[""]
    book.entries.assign(RNG.standard_normal(book.entries.shape).astype("float32"))
    entries, z_e = as_array(book.entries), model.posterior(X)["z_e"].reshape(-1, 4)
    nearest = model.encode(X, indices=True).ravel()
    expected = entries.copy()
    for vector, index in zip(z_e, nearest, strict=True):
        expected[index] -= 0.1 * 2 * (entries[index] - vector) / len(X)
    model.train_on_batch(X)
    np.testing.assert_allclose(as_array(book.entries), expected, rtol=1e-4, atol=1e-5)
    assert as_array(book.counts).sum() == pytest.approx(0.01 * 16, rel=1e-4)


# The model


def test_entries_move_in_training_alone():
    model = model_of()
    before = [as_array(weight) for weight in model.latent.weights]
    model.evaluate(X, verbose=0)
    model.encode(X)
    model.predict(X, verbose=0)
    assert all(np.array_equal(a, as_array(b)) for a, b in zip(before, model.latent.weights, strict=True))
    model.train_on_batch(X)
    assert not any(np.array_equal(a, as_array(b)) for a, b in zip(before, model.latent.weights, strict=True))


def test_the_first_batch_fills_the_codebook():
    model = model_of(codes=64)
    model.train_on_batch(X)
    book = model.latent.codebooks[""]
    assert len(np.unique(as_array(book.entries), axis=0)) > 32
    assert as_array(book.counts).min() > 0


@pytest.mark.parametrize("levels", [1, 2])
def test_a_saved_model_goes_on_as_if_nothing_had_happened(levels, tmp_path):
    model = model_of(levels=levels, revival=0.5)
    model.fit(X, batch_size=8, verbose=0)
    model.save(tmp_path / "model.keras")
    twin = keras_ae.load_model(tmp_path / "model.keras")
    for each in (model, twin):
        each.fit(X, batch_size=8, shuffle=False, verbose=0)
    for ours, theirs in zip(model.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_weights_of_another_codebook_are_refused(tmp_path):
    model_of().save_weights(tmp_path / "a.weights.h5")
    with pytest.raises(ValueError, match=r"code is Quantiser\(16, 4\), moving averages there and Quantiser\(32, 4\)"):
        model_of(codes=32).load_weights(tmp_path / "a.weights.h5")
    model_of(revival=0.0, decay=0.5).load_weights(tmp_path / "a.weights.h5")  # The same weights.


def test_codes_are_entries_and_decode_takes_them_and_their_indices():
    model = model_of()
    z, indices = model.encode(X), model.encode(X, indices=True)
    assert z.shape == (24, *model.spec.code_shape) == (24, 4, 4, 4)
    assert indices.shape == (24, 4, 4) and indices.dtype == "int32"
    assert np.array_equal(as_array(model.latent.codebooks[""].entries)[indices], z)
    x_hat = model.reconstruct(X)
    for code in (z, indices, indices.astype("int64"), indices.astype("uint16")):
        np.testing.assert_allclose(model.decode(code), x_hat, atol=1e-6)
    assert np.array_equal(model.encode((255 * X).astype("uint8")).shape, z.shape)


def test_two_levels_stand_side_by_side_and_the_top_is_repeated():
    model = model_of(levels=2)
    assert model.spec.code_shape == (4, 4, 8)
    z, indices = model.encode(X), model.encode(X, indices=True)
    assert {name: each.shape for name, each in indices.items()} == {"top": (24, 2, 2), "bottom": (24, 4, 4)}
    top, bottom = (as_array(model.latent.codebooks[name].entries) for name in ("top", "bottom"))
    assert np.array_equal(z[..., :4], bottom[indices["bottom"]])
    assert np.array_equal(z[..., 4:], top[indices["top"]].repeat(2, axis=1).repeat(2, axis=2))
    np.testing.assert_allclose(model.decode(indices), model.reconstruct(X), atol=1e-6)


def test_the_bottom_is_made_in_the_knowledge_of_the_top():
    model = model_of(levels=2)
    before = model.posterior(X)
    model.latent.codebooks["top"].entries.assign(np.full((16, 4), 3.0, "float32"))
    after = model.posterior(X)
    assert np.array_equal(before["z_e_top"], after["z_e_top"])
    assert not np.allclose(before["z_e_bottom"], after["z_e_bottom"])


def test_odd_sides_have_a_top_of_sides_rounded_up():
    spec = keras_ae.spec("vq_vae", levels=2, width=8, codes=16, dim=4)
    model = keras_ae.build(spec, seed=0)
    assert model.count_params() == spec.parameters + 1
    assert model.latent.sides == {"top": (4, 4), "bottom": (7, 7)}
    z, indices = (model.encode(np.zeros((1, 28, 28, 1), "float32"), indices=each) for each in (False, True))
    top = as_array(model.latent.codebooks["top"].entries)[indices["top"][0]]
    assert np.array_equal(z[0, 2, 6, 4:], top[1, 3])


@pytest.mark.slow
@pytest.mark.parametrize("input_shape", [(16, 2), (8, 8, 8, 1)])
@pytest.mark.parametrize("levels", [1, 2])
def test_series_and_volumes(input_shape, levels):
    model = model_of(input_shape=input_shape, levels=levels)
    assert model.count_params() == model.spec.parameters + 1
    x = RNG.random((3, *input_shape), dtype="float32")
    model.train_on_batch(x)
    indices = model.encode(x, indices=True)
    np.testing.assert_allclose(model.decode(indices), model.reconstruct(x), atol=1e-5)


def test_a_vector_has_a_product_of_entries():
    model, x = model_of(input_shape=(12,), parts=3), RNG.random((5, 12), dtype="float32")
    assert model.encode(x).shape == (5, 3, 4)
    assert model.encode(x, indices=True).shape == (5, 3)
    one = keras_ae.build(Spec((12,), (Dense(8),), Quantiser(16, 4), "gaussian"), seed=0)
    assert one.encode(x).shape == (5, 4)
    indices = one.encode(x, indices=True)
    assert indices.shape == (5,)
    np.testing.assert_allclose(one.decode(indices), one.reconstruct(x), atol=1e-6)


def test_labels_stand_beside_a_map():
    spec = Spec((8, 8, 1), (Conv(4, 4, 2),), Quantiser(16, 4), "gaussian", inputs=Labels(3))
    model, labels = keras_ae.build(spec, seed=0), np.arange(24) % 3
    model.fit(X, labels=labels, verbose=0)
    indices = model.encode(X, labels=labels, indices=True)
    assert model.decode(indices, labels=labels).shape == X.shape


@pytest.mark.parametrize("levels", [1, 2])
def test_a_model_of_small_images_takes_large_ones(levels):
    model = model_of(levels=levels)
    model.fit(X, verbose=0)
    large = model.resized((16, 12, 1))
    assert large.spec.code_shape[:2] == (8, 6)
    x = np.tile(X[:2], (1, 2, 2, 1))[:, :, :12]
    assert large.reconstruct(x).shape == x.shape
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), large.get_weights(), strict=True))


# What other methods make of such codes


def test_walks_go_between_maps():
    model = model_of()
    for method in ("linear", "spherical"):
        paths = model.interpolate(X[:3], X[3:6], steps=4, method=method)
        assert paths.shape == (3, 4, 8, 8, 1)
        np.testing.assert_allclose(paths[:, 0], model.reconstruct(X[:3]), atol=1e-5)
    vector = model.attribute_vector(X, np.arange(24) < 12)
    assert vector.shape == (4, 4, 4)
    assert model.add_attribute(X, vector).shape == X.shape


def test_scores_features_and_classifiers_take_codes_flat():
    model = model_of()
    assert model.features(X).shape == (24, 64)
    assert np.array_equal(model.features(X), model.encode(X).reshape(24, -1))
    assert model.features(X, grid=2).shape == (24, 16)
    for kind in (keras_ae.anomaly.LatentMahalanobis, keras_ae.anomaly.LatentKNN):
        assert kind(model).fit(X).score(X).shape == (24,)
    classifier = keras_ae.fine_tuning.classifier(model, classes=2)
    before = as_array(classifier.encoder.trainable_variables[0])
    classifier.fit(X, np.arange(24) % 2, verbose=0)
    assert not np.array_equal(before, as_array(classifier.encoder.trainable_variables[0]))


def test_an_estimator_lays_codes_out_flat():
    from keras_ae.estimators import AutoencoderTransformer

    rows = RNG.standard_normal((40, 6))
    options = {"codes": 8, "dim": 2, "parts": 4, "width": 4}
    transformer = AutoencoderTransformer("vq_vae", model_params=options, epochs=1, random_state=0).fit(rows)
    z = transformer.transform(rows)
    assert z.shape == (40, 8)
    assert len(transformer.get_feature_names_out()) == 8
    assert transformer.inverse_transform(z).shape == rows.shape


def test_it_is_measured_by_the_use_of_its_entries():
    data = keras_ae.datasets.load({f"x_{part}": (255 * X).astype("uint8") for part in ("train", "validation", "test")})
    model = model_of(levels=2, likelihood="discretized_logistic")
    found = measure(model, data.test, progress=False)
    assert {"mse", "nll", "bits_per_dim", "perplexity_top", "dead_codes_bottom"} <= set(found)
    indices = model.encode(data.test.head(24)[0], indices=True)
    assert found["perplexity_top"]["value"] == pytest.approx(code_perplexity(indices["top"], 16))
    assert found["dead_codes_bottom"]["value"] == 16 - len(np.unique(indices["bottom"]))
    uniform = (4 + 16) * np.log(16)
    bits = (found["nll"]["value"] + uniform) / (64 * np.log(2))
    assert found["bits_per_dim"]["value"] == pytest.approx(bits, rel=1e-5)
    assert all(each.protocol for each in model.measured_codes(model.codes_of(X), Samples("24 samples", (0, 1), 0)))


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="it writes the file everywhere")
@pytest.mark.parametrize("part", [None, "encoder", "decoder"])
def test_export(part, tmp_path):
    model_of(levels=2).export(tmp_path / "exported", part=part)  # It was run before it got its name.
    assert (tmp_path / "exported").is_dir()


# What is refused


REFUSED = {
    "codes": (lambda: Quantiser(0), "Quantiser: codes must be a whole number of at least 1, got 0"),
    "decay": (lambda: Quantiser(decay=1.0), r"Quantiser: decay must lie in \[0, 1\), or be None, .* got 1.0"),
    "revival": (lambda: Quantiser(revival=-1), r"Quantiser: revival must lie in \[0, 1\), got -1"),
    "levels": (lambda: keras_ae.spec("vq_vae", levels=3), "levels must be 1 or 2, got 3"),
    "parts": (lambda: keras_ae.spec("vq_vae", parts=3), "parts=3 is for vectors"),
    "a vector of two levels": (lambda: keras_ae.spec("vq_vae", input_shape=(9,), levels=2), "needs a map with places"),
    "tied": (
        lambda: Spec((8, 8, 1), (Conv(4, 4, 2),), Quantiser(8, 4), "gaussian", tied=True),
        "two kernels that are not each other's mirror",
    ),
    "another code": (
        lambda: Spec((8,), (), Vector(2), objective=keras_ae.VectorQuantisation()),
        r"objective VectorQuantisation\(0.25\) needs a code of the kind Discrete, got Vector\(2\)",
    ),
    "beta": (lambda: keras_ae.spec("vq_vae", beta=-1.0), "VectorQuantisation: beta must be"),
    "a top as large": (
        lambda: Spec((8, 8, 1), (Conv(4, 4, 2),), HierarchicalQuantiser(Quantiser(), Quantiser(), (Conv(4),))),
        r"above must lead to a map smaller than \(4, 4\), and it leads to \(4, 4\)",
    ),
    "a top without places": (
        lambda: Spec((8, 8, 1), (Conv(4, 4, 2),), HierarchicalQuantiser(Quantiser(), Quantiser(), (Flatten(),))),
        r"above must lead to a map smaller than \(4, 4\), and it leads to \(\)",
    ),
    "levels of a vector": (
        lambda: Spec((8,), (Dense(4),), HierarchicalQuantiser(Quantiser(), Quantiser(), ())),
        r"needs an encoder that ends in a map with places, got \(4,\)",
    ),
    "a top that is none": (
        lambda: HierarchicalQuantiser(Quantiser(), Vector(2), ()),
        r"HierarchicalQuantiser: top must be a Quantiser, got Vector",
    ),
    "what is no row": (lambda: HierarchicalQuantiser(Quantiser(), Quantiser(), (3,)), "above must hold layer rows"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_specs_that_cannot_be_built_are_refused_in_words(case):
    make, words = REFUSED[case]
    with pytest.raises(SpecError, match=words):
        make()


def test_codes_and_methods_that_do_not_apply_are_refused_in_words():
    model, two = model_of(), model_of(levels=2)
    indices = np.zeros((2, 4, 4), int)
    cases = {
        r"indices has shape \(2, 3, 4\), but this model takes \(n, 4, 4\)": lambda: model.decode(indices[:, :3]),
        "indices must be whole numbers from 0 to 15": lambda: model.decode(indices + 16),
        r"z has shape \(2, 4, 4\), but decode takes \(n, 4, 4, 4\)": lambda: model.decode(indices.astype("float32")),
        "The indices of this code are a dict of top, bottom": lambda: two.decode(indices),
        "The indices of this code are an array of whole numbers": lambda: model.decode({"top": indices}),
        "n the same for all": lambda: two.decode({"top": np.zeros((3, 2, 2), int), "bottom": indices}),
        r"sample needs a prior over codes, which 'vq_vae' has not\. Fit one .*PixelCNN": lambda: model.sample(2),
        "log_likelihood needs a prior over codes, .*PixelCNN": lambda: model.log_likelihood(X),
        "is discrete, and this is a density of numbers. Fit keras_ae.priors.PixelCNN": (
            lambda: keras_ae.priors.GaussianMixture(1).fit(model, X)
        ),
        r"Vector\(32\) has no indices. Use a code of entries": lambda: keras_ae.build("ae").encode(
            np.zeros((1, 28, 28, 1), "float32"), indices=True
        ),
    }
    for words, ask in cases.items():
        with pytest.raises(ValueError, match=words):
            ask()


def test_a_spec_survives_json_and_rows_of_ones_own_make_a_code():
    above = (Conv(8, 4, 2), Reshape((2, 2, 8)))
    code = HierarchicalQuantiser(Quantiser(8, 2), Quantiser(4, 3, decay=None), above)
    spec = Spec((8, 8, 1), (Conv(6, 4, 2),), code, "gaussian")
    assert Spec.from_json(spec.to_json()) == spec
    model = keras_ae.build(spec, seed=0)
    assert model.spec.model == "vq_vae" and model.count_params() == spec.parameters + 1
    assert "codebook" in model.train_on_batch(X, return_dict=True)
