"""What `fit` and `evaluate` owe to a Keras user, on the current backend."""

import csv
import importlib.util
import json
import math
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import ops

import keras_ae
from keras_ae import (
    ELBO,
    Conv,
    Dense,
    Dropout,
    Flatten,
    Gaussian,
    GaussianNoise,
    Masking,
    Norm,
    Ramp,
    Residual,
    Sparsity,
    Spec,
    Vector,
    sparse_code,
)
from keras_ae.latents import CodeLayer
from keras_ae.models.ae import AE

BACKEND = keras.backend.backend()
WIDTH = 6
X = np.random.default_rng(0).uniform(0.05, 0.95, (16, WIDTH)).astype("float32")
ODD = X[:13]  # Its last batch of 8 is not full.

SPECS = {
    "ae": Spec((WIDTH,), (), Vector(2), "gaussian"),
    "vae": Spec((WIDTH,), (), Gaussian(2), "bernoulli"),
    "sparse": Spec((WIDTH,), (), sparse_code(3, "kl", 0.2), "gaussian", objective=Sparsity("kl", 0.5, 0.2)),
    "denoising": Spec((WIDTH,), (), Vector(2), "gaussian", corruption=GaussianNoise(0.3)),
}


def made(kind, *, optimizer=None, seed=0, **options):
    """A small compiled model of `SPECS`, by plain gradient descent unless told otherwise."""
    model = keras_ae.build(SPECS.get(kind, kind) if isinstance(kind, str) else kind, seed=seed)
    model.compile(optimizer or keras.optimizers.SGD(0.01), **options)
    return model


def trained(model, x=X, *args, epochs=2, batch_size=8, **options):
    """The history of a fit in fixed order."""
    return model.fit(x, *args, epochs=epochs, batch_size=batch_size, shuffle=False, verbose=0, **options).history


def evaluated(model, x=X, *args, **options):
    return model.evaluate(x, *args, batch_size=8, verbose=0, return_dict=True, **options)


def linear_reconstruction(model, x):
    """The reconstruction of the "ae" of `SPECS`, in NumPy."""
    (w, b), (v, c) = model.encoder.get_weights(), model.decoder_logits.get_weights()
    return (x @ w + b) @ v + c


def gaussian_nll(x, x_hat):
    """-log N(x; x_hat, I), one for each sample."""
    return 0.5 * (np.square(x - x_hat) + math.log(2 * math.pi)).sum(axis=1)


def assert_same_weights(one, other, **tolerance):
    tolerance = tolerance or {"rtol": 1e-5, "atol": 1e-6}
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, **tolerance)


# A step against its closed form


def test_a_step_is_the_gradient_of_the_mean_nll_by_hand():
    model = made("ae", optimizer=keras.optimizers.SGD(0.1))
    (w, b), (v, c) = model.encoder.get_weights(), model.decoder_logits.get_weights()
    z = X @ w + b
    slope = (z @ v + c - X) / len(X)
    expected = [w - 0.1 * X.T @ (slope @ v.T), b - 0.1 * (slope @ v.T).sum(0), v - 0.1 * z.T @ slope]
    expected.append(c - 0.1 * slope.sum(0))
    first = gaussian_nll(X, z @ v + c).mean()
    history = trained(model, epochs=1, batch_size=len(X))
    assert history["loss"] == pytest.approx([first], rel=1e-5)
    for found, value in zip(model.get_weights(), expected, strict=True):
        np.testing.assert_allclose(found, value, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", SPECS)
def test_training_lowers_the_loss(kind):
    history = trained(made(kind, optimizer=keras.optimizers.Adam(0.02)), epochs=12)
    assert np.isfinite(history["loss"]).all()
    assert history["loss"][-1] < history["loss"][0] - 0.05


# Weights of samples


@pytest.mark.parametrize("kind", ["ae", "sparse"])
def test_padding_of_weight_zero_changes_nothing(kind):
    plain, padded = made(kind), made(kind)
    rows, weight = [], []
    for start in (0, 8):
        rows += [X[start : start + 8], np.full((3, WIDTH), 0.9, "float32")]
        weight += [1.0] * 8 + [0.0] * 3
    without = trained(plain, X)
    with_padding = trained(padded, np.concatenate(rows), batch_size=11, sample_weight=np.array(weight, "float32"))
    for name, values in without.items():
        assert with_padding[name] == pytest.approx(values, rel=1e-6), name
    assert_same_weights(plain, padded)


@pytest.mark.parametrize("kind", ["ae", "sparse"])
def test_a_batch_of_padding_alone_changes_nothing(kind):
    model = made(kind)
    before = model.get_weights()
    padding = Batches(X[:8], np.empty((8, 0), "float32"), np.zeros(8, "float32"))
    history = trained(model, padding, epochs=1, batch_size=None)
    assert np.isfinite(history["loss"]).all()
    for found, value in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(found, value)


def test_the_loss_is_the_weighted_mean_over_all_batches():
    model = made("ae")
    weight = np.random.default_rng(1).uniform(0, 3, len(ODD)).astype("float32")
    nll = gaussian_nll(ODD, linear_reconstruction(model, ODD))
    assert evaluated(model, ODD)["loss"] == pytest.approx(nll.mean(), rel=1e-5)
    assert evaluated(model, ODD, sample_weight=weight)["loss"] == pytest.approx(
        np.average(nll, weights=weight), rel=1e-5
    )


def test_weights_of_validation_without_a_target_are_kept():
    model = made("ae", optimizer=keras.optimizers.SGD(0.0))
    weight = np.linspace(0, 2, len(X), dtype="float32")
    nll = gaussian_nll(X, linear_reconstruction(model, X))
    history = trained(model, epochs=1, validation_data=(X, None, weight))
    assert history["val_loss"] == pytest.approx([np.average(nll, weights=weight)], rel=1e-5)


def test_weights_without_a_target_leave_the_corruption_on():
    plain, weighted = made("denoising", metrics=["mse"]), made("denoising", metrics=["mse"])
    wanted, found = trained(plain), trained(weighted, sample_weight=np.ones(len(X), "float32"))
    for name, values in wanted.items():
        assert found[name] == pytest.approx(values, rel=1e-5), name


def test_the_sparsity_is_that_of_the_weighted_mean_activation():
    model = made("sparse")
    weight = np.random.default_rng(1).uniform(0, 3, 8).astype("float32")
    w, b = model.encoder.get_weights()
    mean = np.average(1 / (1 + np.exp(-(X[:8] @ w + b))), axis=0, weights=weight)
    kl = (0.2 * np.log(0.2 / mean) + 0.8 * np.log(0.8 / (1 - mean))).sum()
    logs = evaluated(model, X[:8], sample_weight=weight)
    assert logs["sparsity"] == pytest.approx(kl, rel=1e-4)
    assert logs["loss"] == pytest.approx(logs["nll"] + 0.5 * kl, rel=1e-5)


# Forms of data


class Batches(keras.utils.PyDataset):
    """Batches of arrays in order, as tuples."""

    def __init__(self, *arrays, size=8):
        super().__init__()
        self.arrays, self.size = arrays, size

    def __len__(self):
        return math.ceil(len(self.arrays[0]) / self.size)

    def __getitem__(self, index):
        return tuple(array[index * self.size : (index + 1) * self.size] for array in self.arrays)


def forms_of_data():
    import tensorflow as tf

    yield "array and target", (ODD, ODD)
    yield "PyDataset", (Batches(ODD),)
    yield "PyDataset with targets", (Batches(ODD, ODD),)
    yield "PyDataset with weights", (Batches(ODD, ODD, np.ones(len(ODD), "float32")),)
    yield "tf.data", (tf.data.Dataset.from_tensor_slices(ODD).batch(8),)
    yield "tf.data with targets", (tf.data.Dataset.from_tensor_slices((ODD, ODD)).batch(8),)


def test_every_form_of_data_trains_alike():
    expected = made("ae")
    history = trained(expected, ODD)
    for form, data in forms_of_data():
        model = made("ae")
        found = model.fit(*data, batch_size=8 if len(data) == 2 else None, epochs=2, shuffle=False, verbose=0).history
        assert found["loss"] == pytest.approx(history["loss"], rel=1e-6), form
        assert_same_weights(model, expected)


def test_every_form_of_validation_data_gives_the_loss_of_evaluate():
    wanted = evaluated(made("ae", optimizer=keras.optimizers.SGD(0.0)), ODD)
    for form, data in [("array", (ODD,)), *forms_of_data()]:
        data = data[0] if len(data) == 1 else data
        history = trained(made("ae", optimizer=keras.optimizers.SGD(0.0)), epochs=1, validation_data=data)
        assert history["val_loss"] == pytest.approx([wanted["loss"]], rel=1e-5), form
        assert history["val_nll"] == pytest.approx([wanted["nll"]], rel=1e-5), form


def test_validation_split_takes_the_last_samples():
    model = made("ae", optimizer=keras.optimizers.SGD(0.0))
    nll = gaussian_nll(X, linear_reconstruction(model, X))
    history = trained(model, epochs=1, validation_split=0.5)
    assert history["loss"] == pytest.approx([nll[:8].mean()], rel=1e-5)
    assert history["val_loss"] == pytest.approx([nll[8:].mean()], rel=1e-5)


def test_metrics_of_the_user_compare_target_and_reconstruction():
    model = made("ae", metrics=["mse"], weighted_metrics=["mae"])
    target, weight = X[::-1].copy(), np.linspace(0, 1, len(X), dtype="float32")
    x_hat = linear_reconstruction(model, X)
    logs = evaluated(model, X, target, sample_weight=weight)
    assert logs["mse"] == pytest.approx(np.square(target - x_hat).mean(), rel=1e-5)
    assert logs["mae"] == pytest.approx(np.average(np.abs(target - x_hat).mean(1), weights=weight), rel=1e-5)
    assert logs["loss"] == pytest.approx(np.average(gaussian_nll(target, x_hat), weights=weight), rel=1e-5)
    assert "mse" in trained(model, epochs=1)


def test_only_the_input_is_corrupted_and_only_without_a_target():
    model = made("denoising", optimizer=keras.optimizers.SGD(0.0))
    clean = gaussian_nll(X, linear_reconstruction(model, X)).mean()
    other = gaussian_nll(X + 0.5, linear_reconstruction(model, X)).mean()
    assert evaluated(model, X, X + 0.5)["loss"] == pytest.approx(other, rel=1e-5)
    # E |x - A(x + e) - c|^2 = |x - A x - c|^2 + sigma^2 |A|^2 for e of standard deviation sigma.
    (w, _), (v, _) = model.encoder.get_weights(), model.decoder_logits.get_weights()
    extra = 0.5 * 0.3**2 * np.square(w @ v).sum()
    many = np.tile(X, (800, 1))
    logs = model.evaluate(many, batch_size=1600, verbose=0, return_dict=True)
    (w, b), (v, c) = model.encoder.get_weights(), model.decoder_logits.get_weights()
    noisy = many + 0.3 * np.random.default_rng(0).normal(size=many.shape)
    error = gaussian_nll(many, (noisy @ w + b) @ v + c).std() / math.sqrt(len(many))
    assert abs(logs["loss"] - clean - extra) < 5 * error
    assert extra > 10 * error  # So that a model that corrupts nothing would not pass.


# Validation draws codes


def test_validation_samples_the_code():
    model = made("vae", optimizer=keras.optimizers.SGD(0.0))
    (w, b), (u, d) = (model.encoder.get_layer(name).get_weights() for name in ("z_mean_0", "z_log_var_1"))
    v, c = model.decoder_logits.get_weights()

    def nll(z, x):
        logits = z @ v + c
        return (np.logaddexp(0, logits) - x * logits).sum(1)

    draws = 400
    many = np.tile(X, (draws, 1))
    mean, log_var = many @ w + b, 10 * np.tanh((many @ u + d) / 10)
    by_hand = nll(mean + np.exp(log_var / 2) * np.random.default_rng(0).normal(size=mean.shape), many)
    error = by_hand.std() / math.sqrt(len(many))
    logs = trained(model, many, epochs=1, batch_size=1600, validation_data=many)
    assert abs(logs["val_nll"][0] - by_hand.mean()) < 6 * error
    assert abs(logs["nll"][0] - by_hand.mean()) < 6 * error
    assert by_hand.mean() - nll(mean, many).mean() > 12 * error  # So that the posterior mean would not pass.
    kl = 0.5 * (mean**2 + np.exp(log_var) - 1 - log_var).sum(1).mean()
    assert logs["val_kl"] == pytest.approx([kl], rel=1e-4)


def test_each_evaluation_draws_anew_and_the_seed_fixes_the_draws():
    one, other = made("vae"), made("vae")
    first = [evaluated(one)["loss"] for _ in range(2)]
    assert first[0] != first[1]
    assert [evaluated(other)["loss"] for _ in range(2)] == first


# Ways of running


@pytest.mark.parametrize("kind", SPECS)
def test_running_eagerly_gives_the_same_losses(kind):
    graph, eager = made(kind), made(kind, run_eagerly=True)
    wanted, found = trained(graph, validation_data=X), trained(eager, validation_data=X)
    for name, values in wanted.items():
        assert found[name] == pytest.approx(values, rel=1e-4), name
    assert_same_weights(graph, eager, rtol=1e-4, atol=1e-5)


def test_callbacks_come_alone_or_in_lists_and_what_is_none_is_named():
    class Count(keras.callbacks.Callback):
        epochs = 0

        def on_epoch_end(self, epoch, logs=None):
            self.epochs += 1

    count = Count()
    for callbacks in (count, [count], [[count]], None):
        trained(made("ae"), epochs=1, callbacks=callbacks)
    assert count.epochs == 3
    with pytest.raises(ValueError, match=r"callbacks: .*Count.* is no instance"):
        trained(made("ae"), callbacks=[Count])


def test_steps_per_execution_gives_the_same_losses():
    model = made("ae", steps_per_execution=2)
    if BACKEND == "torch":
        with pytest.raises(ValueError, match="steps_per_execution"):
            trained(model)
        return
    single = made("ae")
    assert trained(model)["loss"] == pytest.approx(trained(single)["loss"], rel=1e-5)
    assert_same_weights(model, single)


@pytest.mark.skipif(BACKEND == "torch", reason="Inductor takes a minute to compile a step on a CPU")
def test_xla_gives_the_same_losses():
    wanted = trained(made("ae", jit_compile=False))["loss"]
    assert trained(made("ae", jit_compile=True))["loss"] == pytest.approx(wanted, rel=1e-5)


def test_of_a_residual_row_at_the_end_the_last_weights_alone_are_float32():
    decoder = (Dense(WIDTH), Residual((Dense(5, "silu"), Dense(WIDTH, "linear"))))
    model = keras_ae.build(Spec((WIDTH,), (), Vector(2), "gaussian", decoder), dtype="mixed_bfloat16")
    _, hidden, last = (
        layer.compute_dtype for layer in model.decoder_logits.layers if isinstance(layer, keras.layers.Dense)
    )
    assert (hidden, last) == ("bfloat16", "float32")
    (mean,) = model.decoder_logits(np.zeros((1, 2), "float32")).values()
    assert keras.backend.standardize_dtype(mean.dtype) == "float32"


@pytest.mark.parametrize("by_argument", [True, False])
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_trains_in_float32_losses(policy, by_argument):
    spec = Spec((WIDTH,), (Dense(4, "tanh"),), Vector(2), "gaussian")
    full = AE(spec, seed=0)
    full.compile(keras.optimizers.SGD(0.01))
    if not by_argument:
        keras.config.set_dtype_policy(policy)
    model = AE(spec, seed=0, dtype=policy if by_argument else None)
    model.compile(keras.optimizers.SGD(0.01))
    is_scaled = isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    assert is_scaled == (policy == "mixed_float16")
    assert {layer.compute_dtype for layer in model.encoder.layers if "dense" in layer.name} == {policy[6:]}
    assert {keras.backend.standardize_dtype(value.dtype) for value in model.weights} == {"float32"}
    wanted, found = trained(full)["loss"], trained(model)["loss"]
    assert found == pytest.approx(wanted, rel=0.02)
    assert found[1] < found[0]
    assert model.predict(X, verbose=0).dtype == np.float32
    assert model.encode(X).dtype == np.float32


def test_clipnorm_bounds_the_step_of_every_variable():
    model = made("ae", optimizer=keras.optimizers.SGD(1.0, clipnorm=0.01))
    before = model.get_weights()
    trained(model, epochs=1, batch_size=len(X))
    moves = [np.linalg.norm(a - b) for a, b in zip(model.get_weights(), before, strict=True)]
    assert moves == pytest.approx([0.01] * len(before), rel=1e-3)


def test_accumulated_gradients_equal_one_large_batch():
    parts = made("ae", optimizer=keras.optimizers.SGD(0.05, gradient_accumulation_steps=2))
    whole = made("ae", optimizer=keras.optimizers.SGD(0.05))
    trained(parts, X, batch_size=8)
    trained(whole, X, batch_size=16)
    assert_same_weights(parts, whole)


def test_the_average_of_weights_is_that_of_the_steps_by_hand():
    averaged = made("ae", optimizer=keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5))
    plain = made("ae", optimizer=keras.optimizers.SGD(0.1))
    steps = []
    for _ in range(3):
        trained(plain, epochs=1, batch_size=len(X))
        steps.append(plain.get_weights())
    trained(averaged, epochs=3, batch_size=len(X))
    first, second, third = steps
    for found, *values in zip(averaged.get_weights(), first, second, third, strict=True):
        np.testing.assert_allclose(found, 0.25 * values[0] + 0.25 * values[1] + 0.5 * values[2], rtol=1e-5, atol=1e-6)


# Losses beside the objective


def test_a_regulariser_is_in_the_loss_once_and_in_the_gradient():
    model = made("ae", optimizer=keras.optimizers.SGD(0.1))
    plain = made("ae", optimizer=keras.optimizers.SGD(0.1))
    layer = model.encoder.get_layer("z_0")
    layer.kernel.regularizer = keras.regularizers.L2(0.3)
    kernel = np.array(layer.get_weights()[0])
    penalty = 0.3 * np.square(kernel).sum()
    logs, plain_logs = trained(model, epochs=1, batch_size=16), trained(plain, epochs=1, batch_size=16)
    assert logs["loss"][0] == pytest.approx(plain_logs["loss"][0] + penalty, rel=1e-5)
    assert logs["nll"][0] == pytest.approx(plain_logs["nll"][0], rel=1e-6)
    change = model.encoder.get_weights()[0] - plain.encoder.get_weights()[0]
    np.testing.assert_allclose(change, -0.1 * 2 * 0.3 * kernel, rtol=1e-3, atol=1e-6)


def test_the_add_loss_of_a_layer_is_in_the_loss_once_at_every_step():
    model = made("ae", optimizer=keras.optimizers.SGD(0.0))
    model.encoder.get_layer("z_0").activity_regularizer = keras.regularizers.L1(0.2)
    w, b = model.encoder.get_weights()
    wanted = gaussian_nll(X, linear_reconstruction(model, X)).mean() + 0.2 * np.abs(X @ w + b).sum(1).mean()
    history = trained(model, epochs=4, batch_size=len(X), validation_data=X, validation_batch_size=len(X))
    assert history["loss"] + history["val_loss"] == pytest.approx([wanted] * 8, rel=1e-5)


class PenalisedCode(CodeLayer):
    """The code of an autoencoder, with a penalty of its own."""

    def call(self, parameters):
        z = super().call(parameters)
        self.add_loss(7.0 * ops.mean(ops.square(z)))
        return z


class Penalised(AE):
    """An autoencoder with a layer that calls `add_loss`."""

    def __init__(self, spec, **options):
        super().__init__(spec, **options)
        self.latent = PenalisedCode(spec.code)


def test_the_add_loss_of_a_custom_layer_is_in_the_loss_once_at_every_step():
    model = Penalised(SPECS["ae"], seed=0)
    model.compile(keras.optimizers.SGD(0.0))
    w, b = model.encoder.get_weights()
    wanted = gaussian_nll(X, linear_reconstruction(model, X)).mean() + 7 * np.square(X @ w + b).mean()
    history = trained(model, epochs=4, batch_size=len(X), validation_data=X, validation_batch_size=len(X))
    assert history["loss"] + history["val_loss"] == pytest.approx([wanted] * 8, rel=1e-5)


# Schedules by step


RAMP = Ramp(0.5, 2.0, steps=4, delay=1)
RAMPED = [0.5, 0.5, 0.875, 1.25, 1.625, 2.0, 2.0]


def test_a_ramp_follows_its_formula_step_by_step():
    model = made(Spec((WIDTH,), (), Gaussian(2), objective=ELBO(RAMP)))
    seen = []
    record = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: seen.append(float(model.scheduled["beta"].value)))
    logs = trained(model, epochs=7, batch_size=len(X), callbacks=record)
    assert seen == pytest.approx(RAMPED)
    by_hand = [nll + beta * kl for nll, kl, beta in zip(logs["nll"], logs["kl"], RAMPED, strict=True)]
    assert logs["loss"] == pytest.approx(by_hand, rel=1e-5)


@pytest.mark.parametrize("together", [1, 2])
def test_a_ramp_moves_within_an_epoch(together):
    if BACKEND == "torch" and together > 1:
        pytest.skip("Keras takes one step at a time on PyTorch")
    spec = Spec((WIDTH,), (), sparse_code(3), "gaussian", objective=Sparsity("l1", RAMP))
    model = made(spec, optimizer=keras.optimizers.SGD(0.0), steps_per_execution=together)
    logs = trained(model, np.tile(X[:4], (6, 1)), epochs=1, batch_size=4)
    strength = (logs["loss"][0] - logs["nll"][0]) / logs["sparsity"][0]
    assert strength == pytest.approx(np.mean(RAMPED[:6]), rel=1e-4)


class Counting(keras_ae.models.sparse_ae.SparseAE):
    """Counts how often Python runs the objective: once a trace on TensorFlow and JAX."""

    count = 0

    def objective(self, batch, outputs):
        type(self).count += 1
        return super().objective(batch, outputs)


@pytest.mark.skipif(BACKEND == "torch", reason="PyTorch traces nothing")
@pytest.mark.parametrize("ramp", [True, False])
def test_no_step_is_traced_again_when_a_weight_moves(ramp):
    objective = Sparsity(strength=Ramp(0.0, 1.0, steps=9) if ramp else 1.0)
    model = Counting(Spec((WIDTH,), (), sparse_code(3), objective=objective), seed=0)
    model.compile("sgd")
    counts = []
    callbacks = [keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: counts.append(Counting.count))]
    if not ramp:
        callbacks.append(keras_ae.callbacks.Anneal("strength", lambda epoch: epoch / 3))
    trained(model, X, epochs=4, callbacks=callbacks)
    assert len(set(counts)) == 1


# A loss that is not a number


class TurnsBad(Batches):
    """Good until `bad` is set, when the second batch has values whose squares overflow."""

    bad = False

    def __getitem__(self, index):
        (x,) = super().__getitem__(index)
        return (np.where(self.bad and index == 1, np.float32(1e30), x),)


@pytest.mark.parametrize("kind", ["ae", "sparse"])
def test_a_loss_that_is_no_number_stops_fit_and_gives_the_weights_back(kind):
    model = made(kind, optimizer=keras.optimizers.Adam(0.01))
    kept, data = {}, TurnsBad(X)

    def keep(epoch, logs):
        kept[epoch], data.bad = model.get_weights(), epoch == 1

    with pytest.raises(FloatingPointError, match=r"nll.* became (nan|inf).* epoch 2"):
        model.fit(data, epochs=4, verbose=0, callbacks=keras.callbacks.LambdaCallback(on_epoch_begin=keep))
    assert max(kept) == 1
    codes = model.encode(X)
    assert np.isfinite(codes).all()
    for found, value in zip(model.get_weights(), kept[1], strict=True):
        np.testing.assert_array_equal(found, value)
    assert np.isfinite(trained(model, epochs=1)["loss"]).all()


# Keras' own callbacks

DRAWING = Spec(
    (WIDTH,),
    (Dense(4, "tanh"), Dropout(0.2)),
    Gaussian(2),
    corruption=Masking(0.2),
    objective=ELBO(Ramp(0.0, 1.0, steps=8)),
)


class Interruption(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2:
            raise KeyboardInterrupt


def test_an_interrupted_and_restored_fit_equals_an_uninterrupted_one(tmp_path):
    def run(model, *callbacks):
        return trained(model, epochs=4, validation_data=X, callbacks=list(callbacks))

    whole = made(DRAWING, optimizer="adam")
    wanted = run(whole)
    backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
    with pytest.raises(KeyboardInterrupt):
        run(made(DRAWING, optimizer="adam"), backup, Interruption())
    resumed = made(DRAWING, optimizer="adam", seed=99)
    found = run(resumed, keras.callbacks.BackupAndRestore(tmp_path / "backup"))
    assert {name: values[2:] for name, values in wanted.items()} == found
    assert_same_weights(whole, resumed, rtol=0, atol=0)


def test_checkpoints_logs_and_early_stopping_work_unchanged(tmp_path):
    model = made("ae", optimizer=keras.optimizers.Adam(0.02))
    best = tmp_path / "best.weights.h5"
    callbacks = [
        keras.callbacks.ModelCheckpoint(best, monitor="val_loss", save_best_only=True, save_weights_only=True),
        keras.callbacks.CSVLogger(tmp_path / "log.csv"),
    ]
    history = trained(model, epochs=3, validation_data=X, callbacks=callbacks)
    with open(tmp_path / "log.csv") as file:
        rows = list(csv.DictReader(file))
    for name, values in history.items():
        assert [float(row[name]) for row in rows] == pytest.approx(values, rel=1e-5), name
    other = made("ae", seed=5)
    other.load_weights(best)
    assert evaluated(other)["loss"] == pytest.approx(min(history["val_loss"]), rel=1e-5)


def test_early_stopping_watches_the_validation_loss():
    model = made("ae", optimizer=keras.optimizers.SGD(0.0))
    stop = keras.callbacks.EarlyStopping(patience=1, restore_best_weights=True)
    assert len(trained(model, epochs=9, validation_data=X, callbacks=stop)["val_loss"]) == 2


@pytest.mark.skipif(BACKEND != "tensorflow", reason="Keras' TensorBoard callback writes with TensorFlow")
def test_tensorboard_writes_its_events(tmp_path):
    pytest.importorskip("tensorboard", reason="TensorFlow does not bring TensorBoard along")
    trained(made("ae"), validation_data=X, callbacks=keras.callbacks.TensorBoard(tmp_path))
    assert list(tmp_path.glob("train/*tfevents*"))
    assert list(tmp_path.glob("validation/*tfevents*"))


# Three backends, one training

DETERMINISTIC = {
    "ae": Spec((WIDTH,), (Dense(4, "tanh"), Norm("layer")), Vector(2), "gaussian_global"),
    "sparse": SPECS["sparse"],
    "conv": Spec((8, 8, 1), (Conv(2, kernel=4, stride=2), Norm(), Flatten()), Vector(3), "discretized_logistic"),
}

ELSEWHERE = """
import json, sys
import numpy as np, keras, keras_ae

files = np.load(sys.argv[1])
losses = {}
for kind, spec in json.loads(str(files["specs"])).items():
    model = keras_ae.build(keras_ae.Spec.from_dict(spec), optimizer=keras.optimizers.Adam(0.01))
    model.set_weights([files[f"{kind}_{number}"] for number in range(len(model.weights))])
    x = files[f"{kind}_x"]
    losses[kind] = [float(model.train_on_batch(x, return_dict=True)["loss"]) for _ in range(1)]
    losses[kind] += model.fit(x, epochs=4, batch_size=len(x), shuffle=False, verbose=0).history["loss"]
print("LOSSES", json.dumps(losses))
"""


def run_elsewhere(backend, path):
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-c", ELSEWHERE, str(path)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_five_steps_give_the_same_losses_on_every_backend(tmp_path):
    arrays, models = {}, {}
    for kind, spec in DETERMINISTIC.items():
        models[kind] = keras_ae.build(spec, optimizer=keras.optimizers.Adam(0.01), seed=0)
        arrays |= {f"{kind}_{number}": value for number, value in enumerate(models[kind].get_weights())}
        shape = (8, *spec.input_shape)
        arrays[f"{kind}_x"] = np.random.default_rng(0).integers(0, 256, shape).astype("float32") / 255
    specs = json.dumps({kind: spec.to_dict() for kind, spec in DETERMINISTIC.items()})
    np.savez(tmp_path / "start.npz", specs=specs, **arrays)
    others = [name for name in ("tensorflow", "jax", "torch") if name != BACKEND and importlib.util.find_spec(name)]
    runs = {backend: run_elsewhere(backend, tmp_path / "start.npz") for backend in others}
    losses = {}
    for kind, model in models.items():
        losses[kind] = trained(model, arrays[f"{kind}_x"], epochs=5)["loss"]
        assert losses[kind][-1] < losses[kind][0]
    for backend, process in runs.items():
        out, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors[-2000:]
        theirs = json.loads(out.split("LOSSES", 1)[1])
        for kind, values in losses.items():
            assert theirs[kind] == pytest.approx(values, rel=1e-4), (backend, kind)
    if not others:
        pytest.skip("no other backend is installed")
