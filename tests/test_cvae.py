"""The conditional VAE: closed forms, priors given inputs, draws of the class that is asked for."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import ops
from scipy.integrate import quad
from scipy.stats import multivariate_normal, norm

import keras_ae
from keras_ae import Condition, ConditionalPrior, Dense, Flatten, Gaussian, Identity, Labels, Normal, Spec, SpecError
from keras_ae.divergences import gaussian_kl

RNG = np.random.default_rng(0)
ALL = ("encoder", "decoder", "prior")
QUIET = {"verbose": 0, "batch_size": 32}
PATTERNS = RNG.random((3, 6, 6, 1)) > 0.5


def blobs(n, seed=0):
    """Pictures of three classes, each its pattern in a brightness of the sample's own, and their labels."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, n)
    bright = rng.uniform(0.3, 1.0, (n, 1, 1, 1))
    return (PATTERNS[labels] * bright).astype("float32"), labels


def made(code, *inputs, shape=(4,), sigma=0.5):
    """A linear model: the encoder is one dense layer a head, and so is the decoder."""
    return keras_ae.build(Spec(shape, (), code, Normal(sigma=sigma), inputs=inputs), seed=0)


def test_kl_of_gaussians_is_the_integral():
    mean, log_var, other, other_log_var = 0.3, -0.4, -0.5, 0.7
    q, p = norm(mean, np.exp(log_var / 2)), norm(other, np.exp(other_log_var / 2))
    expected, _ = quad(lambda z: q.pdf(z) * (q.logpdf(z) - p.logpdf(z)), -12, 12)
    tensors = [ops.convert_to_tensor([[value]]) for value in (mean, log_var, other, other_log_var)]
    assert float(gaussian_kl(*tensors)[0]) == pytest.approx(expected, rel=1e-5)
    assert float(gaussian_kl(tensors[0], tensors[1], *tensors[:2])[0]) == pytest.approx(0, abs=1e-7)
    zeros = ops.zeros((1, 1))
    assert float(gaussian_kl(*tensors[:2], zeros, zeros)[0]) == pytest.approx(float(gaussian_kl(*tensors[:2])[0]))


def set_heads(model, heads):
    """Give the encoder's dense layers their weights, by the names of its heads."""
    for layer in model.encoder.layers:
        if (name := layer.name.rsplit("_", 1)[0]) in heads:
            layer.set_weights(heads[name])


def linear(prior=None, sigma=0.5):
    """A linear model with random weights, and what its decoder does: x = z W + c A + b."""
    to = ALL if prior else ALL[:2]
    model = made(Gaussian(2, prior=prior), Condition(3, to=to), sigma=sigma)
    kernel, bias = (RNG.normal(size=weight.shape, scale=0.7) for weight in model.decoder_logits.get_weights())
    model.decoder_logits.set_weights([kernel, bias])
    if prior:
        model.prior.set_weights([RNG.normal(size=weight.shape, scale=0.5) for weight in model.prior.get_weights()])
    return model, kernel[:2], kernel[2:], bias


def test_elbo_at_the_exact_posterior_is_the_evidence():
    """Of a linear Gaussian model p(x|c) = N(c A + b, W^T W + sigma^2 I), and its posterior is linear in x and c."""
    model, w, a, b = linear()
    w *= np.array([[1.0], [0.0]])  # One code in use: the posterior's covariance is then diagonal.
    model.decoder_logits.set_weights([np.concatenate([w, a]), b])
    x, c = RNG.normal(size=(5, 4)).astype("float32"), RNG.normal(size=(5, 3)).astype("float32")
    covariance = np.linalg.inv(np.eye(2) + w @ w.T / 0.25)
    to_mean = w.T @ covariance / 0.25
    log_var = 10 * np.arctanh(np.log(np.diag(covariance)) / 10)  # The encoder's are bounded to (-10, 10).
    zeros = np.zeros((7, 2))
    heads = {"z_mean": [np.concatenate([to_mean, -a @ to_mean]), -b @ to_mean], "z_log_var": [zeros, log_var]}
    set_heads(model, heads)
    evidence = multivariate_normal(np.zeros(4), w.T @ w + 0.25 * np.eye(4))
    expected = evidence.logpdf(x - (c @ a + b))
    np.testing.assert_allclose(model.log_likelihood(x, condition=c, num_samples=4), expected, rtol=1e-4)
    np.testing.assert_allclose(model.score_samples(x, condition=c, num_samples=20_000), expected, rtol=5e-3)


def test_log_likelihood_under_a_conditional_prior_is_the_evidence():
    """p(x|c) = N(m(c) W + c A + b, W^T diag(v(c)) W + sigma^2 I) where p(z|c) = N(m(c), v(c))."""
    model, w, a, b = linear(ConditionalPrior(8), sigma=1.0)
    c = RNG.normal(size=(3, 3)).astype("float32")
    prior = {name: ops.convert_to_numpy(value) for name, value in model.prior({"condition": c}).items()}
    mean = prior["prior_mean"] @ w + c @ a + b
    spread = [w.T @ np.diag(np.exp(each)) @ w + np.eye(4) for each in prior["prior_log_var"]]
    x = np.stack([RNG.multivariate_normal(*each) for each in zip(mean, spread, strict=True)]).astype("float32")
    expected = [multivariate_normal(*each[1:]).logpdf(each[0]) for each in zip(x, mean, spread, strict=True)]
    zeros = np.zeros((7, 2))  # q(z|x, c) = N(0, e^2 I): as wide as all that is likely.
    set_heads(model, {"z_mean": [zeros, zeros[0]], "z_log_var": [zeros, zeros[0] + 2.0]})
    np.testing.assert_allclose(model.log_likelihood(x, condition=c, num_samples=40_000), expected, atol=0.1)
    terms = model.elbo_terms(x, condition=c)
    posterior = np.zeros((3, 2), "float32"), np.full((3, 2), 10 * np.tanh(0.2), "float32")
    kl = gaussian_kl(*map(ops.convert_to_tensor, (*posterior, *prior.values())))
    np.testing.assert_allclose(terms["kl"], ops.convert_to_numpy(kl), rtol=1e-4)


def test_samples_are_of_the_conditional_prior():
    model, w, a, b = linear(ConditionalPrior(8))
    c = np.array([0.5, -1.0, 0.3], "float32")
    drawn = model.sample(20_000, seed=0, condition=c)
    prior = {name: ops.convert_to_numpy(value)[0] for name, value in model.prior({"condition": c[None]}).items()}
    np.testing.assert_allclose(drawn.mean(axis=0), prior["prior_mean"] @ w + c @ a + b, atol=0.05)
    expected = w.T @ np.diag(np.exp(prior["prior_log_var"])) @ w
    np.testing.assert_allclose(np.cov(drawn.T), expected, atol=0.05 * np.abs(expected).max())


def test_the_prior_is_standard_normal_at_the_start_and_learns():
    model = keras_ae.build("cvae", input_shape=(6, 6, 1), labels=3, latent_dim=2, prior="conditional", seed=0)
    x, labels = blobs(128)
    for values in model.prior({"labels": labels}).values():
        np.testing.assert_array_equal(ops.convert_to_numpy(values), 0)
    plain = keras_ae.build("cvae", input_shape=(6, 6, 1), labels=3, latent_dim=2, seed=0)
    np.testing.assert_allclose(model.sample(4, 0, labels=1), plain.sample(4, 0, labels=1), atol=1e-6)
    before = [np.array(variable) for variable in model.trainable_variables]
    model.fit(x, labels=labels, epochs=3, **QUIET)
    after = [np.array(variable) for variable in model.trainable_variables]
    assert not any(np.array_equal(old, new) for old, new in zip(before, after, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("prior", [None, "conditional"])
def test_draws_are_of_the_class_that_is_asked_for(prior):
    x, labels = blobs(512)
    options = {"input_shape": (6, 6, 1), "latent_dim": 2, "likelihood": "gaussian_global"}
    model = keras_ae.build("cvae", labels=3, prior=prior, seed=0, **options)
    model.fit(x, labels=labels, epochs=12, **QUIET)
    for label, drawn in model.sample_each(30, seed=0).items():
        correlation = [np.corrcoef(each.ravel(), pattern.ravel())[0, 1] for each in drawn for pattern in PATTERNS]
        assert (np.reshape(correlation, (30, 3)).argmax(axis=1) == label).all()
    twin = keras_ae.build("vae", seed=0, **options)
    twin.fit(x, epochs=12, **QUIET)
    test, test_labels = blobs(128, seed=1)
    # What the labels say the codes need not: log 3 nats, if all else is learned alike.
    assert model.elbo_terms(test, labels=test_labels)["kl"].mean() < twin.elbo_terms(test)["kl"].mean() - 0.5


def test_labels_and_a_condition_both_count():
    """x is the condition, times -1 for class 1: neither tells it alone."""
    c, labels = RNG.uniform(-1, 1, (512, 1)).astype("float32"), RNG.integers(0, 2, 512)
    x = np.repeat(c * np.where(labels, -1, 1)[:, None], 4, axis=1).astype("float32")
    model = keras_ae.build(
        "cvae", input_shape=(4,), labels=2, condition=1, latent_dim=2, likelihood="gaussian_global", seed=0
    )
    model.fit(x, labels=labels, condition=c, epochs=15, **QUIET)
    for label, sign in ((0, 1), (1, -1)):
        drawn = model.sample(20, seed=0, labels=label, condition=[0.8])
        np.testing.assert_allclose(drawn.mean(), 0.8 * sign, atol=0.15)


@pytest.mark.parametrize("value", [0.5, [0.5], np.float32(0.5), np.full(3, 0.5), np.full((3, 1), 0.5), [0.5] * 3])
def test_one_number_for_each_sample_or_for_all(value):
    model = made(Gaussian(2), Condition(1))
    expected = model.decode(np.ones((3, 2)), condition=np.full((3, 1), 0.5))
    np.testing.assert_array_equal(model.decode(np.ones((3, 2)), condition=value), expected)


def test_both_models_print_what_they_count():
    for name in ("cvae", "conv_cvae"):
        for prior in (None, "conditional"):
            spec = keras_ae.spec(name, labels=3, condition=2, prior=prior, latent_dim=2)
            assert keras_ae.build(spec).count_params() == spec.parameters + 1
            assert ("prior  " in str(spec)) == (prior is not None)
            assert Spec.from_json(spec.to_json()) == spec
    assert spec.input_names == ("labels", "condition")


def test_a_conditional_model_is_its_plain_one_with_inputs():
    plain = keras_ae.spec("conv_vae", latent_dim=3)
    assert plain.conditional(Labels(10)) == keras_ae.spec("conv_cvae", latent_dim=3)
    assert plain.conditional(Labels(10)).conditional(Labels(10)) == plain.conditional(Labels(10))
    with pytest.raises(SpecError, match=r"has a code with a prior.*Vector\(32\)"):
        keras_ae.spec("ae").conditional(Labels(10))


@pytest.mark.parametrize(
    "make, sentence",
    [
        (lambda: keras_ae.build("cvae", labels=None), "labels and condition are both None.*it is 'vae'"),
        (lambda: keras_ae.build("cvae", prior="normal"), "prior must be None, for N.*\"conditional\", got 'normal'"),
        (lambda: keras_ae.build("cvae", labels=0), "classes must be a whole number of at least 1, got 0"),
        (lambda: keras_ae.build("conv_cvae", condition=1.5), "size must be a whole number"),
        (lambda: ConditionalPrior(0), "ConditionalPrior: units must be"),
        (lambda: made(Gaussian(2), Labels(3, to=ALL)), r"Labels\(3.*goes to the prior.*N\(0, I\), takes nothing"),
        (lambda: made(Gaussian(2, keras_ae.MixturePrior(5)), Labels(3, to=ALL)), "goes to the prior.*MixturePrior"),
        (lambda: made(Gaussian(2, ConditionalPrior()), Labels(3)), "a prior given inputs, and none goes to it"),
        (lambda: made(Identity(4), Labels(3, to=("encoder", "prior"))), "goes to the prior"),
    ],
)
def test_what_cannot_be_is_refused(make, sentence):
    with pytest.raises(SpecError, match=sentence):
        make()


def test_an_input_of_the_prior_alone_is_asked_for_where_it_counts():
    model = made(Gaussian(2, ConditionalPrior(4)), Labels(3), Condition(2, to=("prior",)))
    x, labels, c = np.zeros((4, 4), "float32"), np.array([0, 1, 2, 0]), np.zeros((4, 2))
    model.fit(x, labels=labels, condition=c, **QUIET)
    assert model.sample(2, labels=1, condition=[0, 1]).shape == (2, 4)
    with pytest.raises(ValueError, match="comes without 'condition'"):
        model.sample(2, labels=1)
    assert model.decode(np.zeros((4, 2)), labels=labels).shape == (4, 4)


def test_paths_hold_the_inputs_of_their_beginning():
    model = made(Gaussian(2), Labels(3))
    x = RNG.normal(size=(4, 4)).astype("float32")
    a, b = {"x": x[:2], "labels": [0, 1]}, {"x": x[2:], "labels": [2, 2]}
    paths = model.interpolate(a, b, steps=3)
    assert paths.shape == (2, 3, 4)
    np.testing.assert_allclose(paths[:, 0], model.reconstruct(a), atol=1e-6)
    np.testing.assert_allclose(paths[:, -1], model.decode(model.encode(b), labels=[0, 1]), atol=1e-6)
    same = model.interpolate(x[:2], x[2:], steps=3, labels=1)
    np.testing.assert_allclose(same[:, -1], model.reconstruct(x[2:], labels=1), atol=1e-6)
    has = np.array([True, False, True, False])
    vector = model.attribute_vector(x, has, labels=2)
    moved = model.add_attribute(x, vector, strength=0.5, labels=2)
    np.testing.assert_allclose(moved, model.decode(model.encode(x, labels=2) + 0.5 * vector, labels=2), atol=1e-6)
    for call in (lambda: model.add_attribute(x, vector), lambda: model.interpolate(x[:2], x[2:])):
        with pytest.raises(ValueError, match="x comes without 'labels'"):
            call()
    with pytest.raises(ValueError, match=r"'label', which this model does not take\. It takes labels"):
        model.add_attribute(x, vector, label=2)


def test_each_class_has_its_samples():
    model = made(Gaussian(2), Labels(3), Condition(1))
    each = np.array([[0.0], [1.0]])
    rows = model.sample_each(2, seed=0, condition=each)
    assert list(rows) == [0, 1, 2]
    drawn = model.sample(6, seed=0, labels=[0, 0, 1, 1, 2, 2], condition=np.concatenate([each] * 3))
    np.testing.assert_array_equal(np.concatenate(list(rows.values())), drawn)
    assert list(model.sample_each(2, labels=[2, 0], condition=0.5)) == [2, 0]
    assert list(model.sample_each(2, labels=1, condition=0.5)) == [1]
    assert made(Gaussian(2)).sample_each(3)[None].shape == (3, 4)


def test_a_cvae_in_mixed_precision():
    model = keras_ae.build("cvae", input_shape=(6, 6, 1), labels=3, prior="conditional", dtype="mixed_bfloat16", seed=0)
    x, labels = blobs(64)
    assert np.isfinite(model.fit(x, labels=labels, **QUIET).history["loss"]).all()
    assert model.sample(2, labels=1).dtype == np.float32


def test_a_fixed_beta_and_a_ramp_are_as_in_the_vae():
    ramp = keras_ae.Ramp(0.0, 1.0, steps=10)
    model = keras_ae.build("cvae", input_shape=(6, 6, 1), labels=3, beta=ramp, latent_dim=2, seed=0)
    x, labels = blobs(64)
    history = model.fit(x, labels=labels, validation_data=(x, labels), epochs=2, **QUIET).history
    assert {"val_full_loss", "kl"} <= set(history)
    assert float(model.scheduled["beta"]) == pytest.approx(0.3)


def test_a_saved_model_draws_the_same(tmp_path):
    spec = keras_ae.spec("cvae", input_shape=(6, 6, 1), labels=3, condition=1, latent_dim=2, prior="conditional")
    model = keras_ae.build(spec, seed=0)
    x, labels = blobs(64)
    model.fit(x, labels=labels, condition=np.zeros(64), **QUIET)
    expected = model.sample(3, 0, labels=1, condition=0.5)
    model.save(tmp_path / "model.keras")
    model.save_weights(tmp_path / "x.weights.h5")
    fresh = keras_ae.build(spec, seed=3)
    fresh.load_weights(tmp_path / "x.weights.h5")
    for again in (keras_ae.load_model(tmp_path / "model.keras"), fresh):
        np.testing.assert_allclose(again.sample(3, 0, labels=1, condition=0.5), expected, atol=1e-6)
    other = keras_ae.build(replace(spec, inputs=(Labels(4, to=ALL), Condition(1, to=ALL))), seed=0)
    with pytest.raises(ValueError):
        other.load_weights(tmp_path / "x.weights.h5")


def test_packed_weights_know_how_many_classes(tmp_path):
    options = {"input_shape": (6, 6, 1), "labels": 3, "latent_dim": 2, "prior": "conditional"}
    model = keras_ae.build("cvae", seed=0, **options)
    x, labels = blobs(64)
    model.fit(x, labels=labels, **QUIET)
    keras_ae.pretrained.pack(model, tmp_path, check={"x": x, "labels": labels})
    keras_ae.pretrained.write_card(tmp_path, {"model": "cvae", "dataset": "blobs"})
    again = keras_ae.build("cvae", weights=tmp_path, **options)
    np.testing.assert_allclose(again.sample(4, 0, labels=2), model.sample(4, 0, labels=2), atol=1e-2)
    with pytest.raises(ValueError, match="are for labels 3, got 10"):
        keras_ae.build("cvae", weights=tmp_path, labels=10)


def test_the_encoder_and_the_dense_layers_know_the_inputs():
    spec = Spec((6, 6, 1), (Flatten(), Dense(5)), Gaussian(2), inputs=Labels(3))
    model = keras_ae.build(spec, seed=0)
    assert {layer.name for layer in model.encoder.layers} >= {"x", "labels", "beside_1", "dense_2"}
    assert keras.backend.standardize_dtype(model.encoder.input["labels"].dtype) == "int32"
