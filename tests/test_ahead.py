"""Steps on TensorFlow that run ahead of Keras: `fit` gives what it gives step by step."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_ae
from keras_ae import Dense, Gaussian, Spec
from keras_ae.models.vae import VAE

if keras.backend.backend() != "tensorflow":
    pytest.skip("the other backends run step by step", allow_module_level=True)

import tensorflow as tf

from keras_ae.train_step import ahead_tensorflow
from keras_ae.train_step.ahead_tensorflow import Ahead, only_logs

X = np.random.default_rng(0).uniform(0.05, 0.95, (49, 6)).astype("float32")
SPEC = Spec((6,), (Dense(4),), Gaussian(2), "bernoulli")
STEPS = 13  # Of an epoch, in batches of 4; the last has one sample.


class Watch(keras.callbacks.Callback):
    """Keeps what a callback sees after each step."""

    def __init__(self, *, async_safe=False):
        super().__init__()
        self.async_safe, self.logs, self.iterations = async_safe, [], []

    def on_train_batch_end(self, batch, logs=None):
        self.logs.append((batch, logs))
        self.iterations.append(int(self.model.optimizer.iterations))


@pytest.fixture(autouse=True)
def _patient(monkeypatch):
    """However slow the machine, steps run ahead."""
    monkeypatch.setattr(ahead_tensorflow, "SECONDS", 1000.0)


def trained(callback=None, data=X, model=None, **options):
    """A model and its history after two epochs."""
    model = model or keras_ae.build(SPEC, seed=0)
    options = {"batch_size": 4 if data is X else None, "epochs": 2, "verbose": 0} | options
    return model, model.fit(data, callbacks=callback, shuffle=False, **options).history


def assert_same_state(one, other):
    for a, b in zip(one.variables + one.optimizer.variables, other.variables + other.optimizer.variables, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())  # Seeds and counters, too.


def test_logs_come_step_by_step_and_are_those_of_steps_alone():
    ahead, alone = Watch(async_safe=True), Watch()
    one, wanted = trained(alone, validation_data=X[:9])
    other, found = trained(ahead, validation_data=X[:9])
    assert found == wanted
    assert_same_state(one, other)
    assert ahead.logs == alone.logs
    assert [batch for batch, _ in ahead.logs] == 2 * list(range(STEPS))
    # A callback that reads weights sees those of the step; the other sees them some steps further.
    assert alone.iterations == list(range(1, 2 * STEPS + 1))
    assert ahead.iterations != alone.iterations
    assert all(seen >= own for seen, own in zip(ahead.iterations, alone.iterations, strict=True))


def test_slow_steps_run_alone(monkeypatch):
    monkeypatch.setattr(ahead_tensorflow, "SECONDS", 0.0)
    watch = Watch(async_safe=True)
    trained(watch)
    assert watch.iterations == list(range(1, 2 * STEPS + 1))


def test_epochs_of_a_given_length_end_there():
    data = tf.data.Dataset.from_tensor_slices(X).batch(4).repeat()
    one, wanted = trained(Watch(), data, steps_per_epoch=5)
    other, found = trained(None, data, steps_per_epoch=5)
    assert found == wanted
    assert_same_state(one, other)
    assert int(other.optimizer.iterations) == 10


def test_data_of_unknown_length_end_without_a_step():
    data = tf.data.Dataset.from_tensor_slices(X).batch(4)
    counted, wanted = trained(data=data)
    with pytest.warns(UserWarning, match="ran out of data"):  # Keras learns the length so.
        uncounted, found = trained(data=data.filter(lambda batch: True))
    assert found == wanted
    assert_same_state(counted, uncounted)


def test_a_fit_that_was_cut_off_leaves_no_logs_to_the_next():
    class Stop(keras.callbacks.Callback):
        async_safe = True

        def on_train_batch_end(self, batch, logs=None):
            if batch == 8:
                raise KeyboardInterrupt

    cut, whole = keras_ae.build(SPEC, seed=0), keras_ae.build(SPEC, seed=0)
    with pytest.raises(KeyboardInterrupt):
        trained(Stop(), model=cut)
    trained(model=whole, epochs=1)
    assert_same_state(cut, whole)  # Its steps had run to the epoch's end.
    found, wanted = Watch(async_safe=True), Watch()
    trained(found, model=cut, epochs=1)
    trained(wanted, model=whole, epochs=1)
    assert found.logs == wanted.logs
    assert_same_state(cut, whole)


class Norms(VAE):
    """Logs what no metric of the model knows: a scalar, and a value for each sample."""

    def train_step(self, data):
        norm = ops.norm(self.trainable_variables[0].value)
        return super().train_step(data) | {"norm": norm, "first": data[0][:, 0] if self.per_sample else norm}


@pytest.mark.parametrize("per_sample", [False, True])
def test_a_step_of_ones_own_may_log_what_it_likes(per_sample):
    class Last(Watch):
        def on_train_batch_end(self, batch, logs=None):
            self.logs.append(logs["first"])

    model, last = Norms(SPEC, seed=0), Last(async_safe=True)
    model.per_sample = per_sample
    model.compile("adam")
    before = np.linalg.norm(model.trainable_variables[0].numpy())
    _, history = trained(last, model=model, epochs=1)
    assert len(last.logs) == STEPS
    if per_sample:
        np.testing.assert_array_equal(np.concatenate([np.atleast_1d(values) for values in last.logs]), X[:, 0])
    else:
        assert last.logs[0] == pytest.approx(before, rel=1e-6)
        assert last.logs[-1] == history["norm"][0]


def test_which_callbacks_see_only_logs(tmp_path):
    keras_own = keras.callbacks
    assert only_logs(keras_own.EarlyStopping())
    assert only_logs(keras_own.CSVLogger(tmp_path / "log.csv"))
    assert only_logs(keras_own.ModelCheckpoint(tmp_path / "a.keras"))
    assert only_logs(keras_own.LambdaCallback(on_epoch_end=print))
    assert not only_logs(keras_own.ModelCheckpoint(tmp_path / "a.keras", save_freq=10))
    assert not only_logs(keras_own.LambdaCallback(on_train_batch_end=print))
    assert not only_logs(Watch())

    class Own(keras_own.ModelCheckpoint):
        def on_train_batch_begin(self, batch, logs=None):
            """Anything."""

    assert not only_logs(Own(tmp_path / "a.keras"))  # It saves once an epoch, and has a hook of its own.
    assert only_logs(keras_own.TensorBoard(tmp_path))


def test_a_call_does_more_steps_the_faster_they_are(monkeypatch):
    clock = iter(range(1000))
    monkeypatch.setattr(ahead_tensorflow.time, "perf_counter", lambda: next(clock))  # A call takes a second.
    monkeypatch.setattr(ahead_tensorflow, "SECONDS", 3.0)
    ahead = Ahead(tf.function(lambda batch: {"loss": batch}))
    iterator, most = iter(tf.data.Dataset.range(30)), []
    for wanted in range(30):
        assert ahead(iterator)["loss"] == wanted
        most.append(ahead.most)
    assert most[:7] == [2, 4, 4, 8, 8, 8, 8]
    with pytest.raises(StopIteration):
        ahead(iterator)
