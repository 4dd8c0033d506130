"""What `tf.data` sets give to `fit` is looked at by the step or by the reader, whichever is fast on a backend."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_ae
from keras_ae import Dense, Flatten, Gaussian, Identity, Spec
from keras_ae.train_step import private

SPEC = Spec((6,), (Dense(5),), Identity(5))
IMAGES = Spec((8, 8, 1), (Flatten(), Dense(5)), Gaussian(2))
X = np.random.default_rng(0).uniform(size=(40, 6)).astype("float32")


def of(x, size=8):
    return tf.data.Dataset.from_tensor_slices(x).batch(size)


def trained(*data, compiled_again=False, **options):
    """The weights after a fit on each of the data."""
    model = keras_ae.build(SPEC, seed=0)
    for each in data:
        if compiled_again:
            model.compile(keras.optimizers.SGD(0.1))
        batch = {} if hasattr(each, "element_spec") else {"batch_size": 8}
        model.fit(each, shuffle=False, verbose=0, **batch, **options)
    return model.get_weights()


def same(ours, theirs):
    return all(np.allclose(a, b, atol=1e-6) for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("compiled_again", [False, True])
def test_arrays_and_sets_take_turns(compiled_again):
    expected = trained(X, X, X, X, compiled_again=compiled_again)
    assert same(trained(X, of(X), of(X), X, compiled_again=compiled_again), expected)
    assert same(trained(of(X), X, of(X), of(X), compiled_again=compiled_again), expected)


@pytest.mark.parametrize("options", [{"epochs": 2}, {"epochs": 2, "steps_per_epoch": 3}, {"validation_data": of(X)}])
def test_options_of_fit_change_nothing(options):
    data = of(X).repeat() if "steps_per_epoch" in options else of(X)
    unknown = data.map(lambda x: tf.ensure_shape(tf.numpy_function(lambda x: x, [x], "float32"), None))
    assert unknown.element_spec.shape.rank is None
    assert same(trained(data, **options), trained(unknown, **options))


class Looks(keras.callbacks.Callback):
    """Wants the weights after every step."""

    def on_train_batch_end(self, batch, logs=None):
        self.model.get_weights()


@pytest.mark.parametrize("options", [{}, {"steps_per_epoch": 5}, {"callbacks": [Looks()]}])
@pytest.mark.parametrize("where", ["x", "target"])
@pytest.mark.parametrize(
    ("value", "message"),
    [(np.nan, "NaN or inf, first in sample 2"), (-0.5, "values in.*outside"), (2, "values in.*outside")],
)
def test_a_bad_value_is_refused_and_leaves_the_weights(options, where, value, message):
    bad = X.copy()
    bad[34, 1] = value
    data = {"x": of((bad, X)), "target": of((X, bad))}[where]
    model = keras_ae.build(SPEC, seed=0)
    before = model.get_weights()
    name = r"a batch of x \(target\)" if where == "target" else "a batch of x"
    with pytest.raises(ValueError, match=f"^{name} has {message}"):
        model.fit(data, verbose=0, **options)
    assert same(before, model.get_weights())
    model.fit(of(X), verbose=0)
    assert not same(before, model.get_weights())


@pytest.mark.parametrize("strange", [-0.0, np.float32(1e-45)])
def test_strange_but_right_values_are_taken(strange):
    x = X.copy()
    x[20:30] = strange
    assert same(trained(of(x)), trained(x))
    gaussian = keras_ae.build(keras_ae.spec("ae", input_shape=(6,), likelihood="gaussian"), seed=0)
    gaussian.fit(of(x), verbose=0)
    large = np.full((8, 6), 3e38, "float32")
    keras_ae.checks.check_rows(large, gaussian.spec)


def test_bytes_are_images_and_a_first_batch_that_may_be_masks_is_refused():
    x = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 1)).astype("uint8")
    x[16:24] = 1
    models = [keras_ae.build(IMAGES, seed=0) for _ in range(2)]
    models[0].fit(of(x), verbose=0)
    models[1].fit(x, batch_size=8, shuffle=False, verbose=0)
    assert same(*(model.get_weights() for model in models))
    for data in (of(x[16:]), of((x[16:], x[16:]))):
        with pytest.raises(ValueError, match="uint8 with no value over 1, which is a 0/1 mask or almost black"):
            models[0].fit(data, verbose=0)


def test_labels_and_entries_are_left_out_with_one_notice():
    labels = np.arange(40)
    for data, what in (
        (of((X, labels)), "labels"),
        (of({"image": X, "label": labels}), "'label' beside 'image'"),
        (of(({"image": X}, labels)), "labels"),
    ):
        with pytest.warns(UserWarning, match=what) as notices:
            found = trained(data)
        assert sum(what in str(notice.message) for notice in notices) == 1 and same(found, trained(X))


def test_a_step_that_runs_by_hand_is_looked_at_too():
    model = keras_ae.build(SPEC, seed=0)
    model.compile("adam", run_eagerly=True)
    bad = X.copy()
    bad[3, 3] = np.inf
    with pytest.raises(ValueError, match="NaN or inf, first in sample 3"):
        model.fit(of(bad), verbose=0)


def weighted(kind):
    """Data with weights of values or of samples: an array's arguments, and a set of the same."""
    rng = np.random.default_rng(1)
    weights = rng.integers(0, 2, X.shape) if kind == "values" else rng.uniform(size=40)
    weights = weights.astype("float32")
    return {"x": X, "sample_weight": weights, "batch_size": 8}, {"x": of((X, X, weights))}


@pytest.mark.parametrize(("order", "form"), [(("values", "samples"), 0), (("samples", "values"), 1)])
def test_weights_of_values_and_of_samples_take_turns(order, form):
    model = keras_ae.build(SPEC, seed=0)
    for kind in order:
        data, other = weighted(kind)[form], weighted(kind)[1 - form]
        fresh = keras_ae.build(SPEC, seed=0)
        fresh.set_weights(model.get_weights())
        assert model.evaluate(**data, verbose=0) == pytest.approx(fresh.evaluate(**other, verbose=0), rel=1e-5)
        fresh.compile(keras.optimizers.SGD(0.1))
        model.compile(keras.optimizers.SGD(0.1))
        for one, given in ((model, data), (fresh, other)):
            one.fit(**given, shuffle=False, verbose=0, validation_data=of(X))
        assert same(model.get_weights(), fresh.get_weights())
    for kind in order:  # Without another `compile` between.
        assert np.isfinite(model.fit(**weighted(kind)[form], verbose=0).history["loss"]).all()
        assert np.isfinite(model.train_on_batch(X, sample_weight=weighted(kind)[0]["sample_weight"])).all()
        assert np.isfinite(model.test_on_batch(X, sample_weight=weighted(kind)[0]["sample_weight"])).all()


def test_bytes_into_a_model_of_vectors_are_refused_as_the_array_is():
    x = np.arange(240).reshape(40, 6).astype("uint8")
    for data in (x, of(x), of((x, X))):
        with pytest.raises(ValueError, match="is uint8, which models of images alone scale"):
            keras_ae.build(SPEC, seed=0).fit(data, verbose=0)


class StepsByHand(keras.callbacks.Callback):
    """Trains on a batch more at the end of an epoch, and within."""

    def on_epoch_end(self, epoch, logs=None):
        self.model.train_on_batch(X[:8])
        self.model.train_on_batch(X[:8], X[8:16])


class StepsWithin(StepsByHand):
    def on_train_batch_end(self, batch, logs=None):
        self.model.train_on_batch(X[:8])


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="within Keras' fit on JAX the state is not in the model")
@pytest.mark.parametrize("steps", [StepsByHand, StepsWithin])
@pytest.mark.parametrize("form", [lambda: X, lambda: of(X), lambda: of((X, X))])
def test_a_callback_may_train_on_a_batch(steps, form):
    data, model = form(), keras_ae.build(SPEC, seed=0)
    model.fit(data, epochs=2, callbacks=[steps()], verbose=0, **({"batch_size": 8} if data is X else {}))
    assert int(model.optimizer.iterations) == 2 * (7 + (5 if steps is StepsWithin else 0))


class WeighedByHand(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        self.model.train_on_batch(X[:8], sample_weight=np.ones((8, 6), "float32"))


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="within Keras' fit on JAX the state is not in the model")
def test_a_callback_may_train_by_weights_of_another_rank():
    model = keras_ae.build(SPEC, seed=0)
    model.fit(X, sample_weight=np.ones(40), batch_size=8, verbose=0)
    model.fit(of(X), epochs=3, callbacks=[WeighedByHand()], verbose=0)
    assert int(model.optimizer.iterations) == 5 + 3 * 6


def test_bfloat16_and_long_floats_are_numbers():
    expected = trained(tf.cast(X, "bfloat16").numpy().astype("float32"))
    assert same(trained(of(tf.cast(X, "bfloat16"))), expected)
    assert same(trained(tf.cast(X, "bfloat16").numpy()), expected)
    assert same(trained(X.astype("longdouble")), trained(X))


def test_an_iterator_of_a_set_is_a_stream():
    assert same(trained(iter(of(X)), steps_per_epoch=5), trained(X))
    model = keras_ae.build(SPEC, seed=0)
    np.testing.assert_allclose(model.encode(iter(of(X))), model.encode(X), atol=1e-6)


@pytest.mark.filterwarnings("ignore:Your input ran out of data")  # Keras says so, and goes on.
def test_a_set_without_a_batch_is_refused():
    empty = tf.data.Dataset.from_generator(lambda: iter(()), output_signature=tf.TensorSpec((None, 6), "float32"))
    with pytest.raises(ValueError, match="x is a stream without a batch"):
        keras_ae.build(SPEC, seed=0).fit(empty, verbose=0)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="other backends see what comes")
def test_targets_and_weights_of_unknown_shape_are_refused():
    def unknown(x):
        return tf.ensure_shape(tf.numpy_function(lambda x: x, [x], "float32"), None)

    model = keras_ae.build(SPEC, seed=0)
    with pytest.raises(ValueError, match=r"gives a target of unknown shape .*Say it by tf\.ensure_shape"):
        model.fit(of((X, X)).map(lambda x, y: (x, unknown(y))), verbose=0)
    with pytest.raises(ValueError, match="gives a sample_weight of unknown shape"):
        model.fit(of((X, X, X)).map(lambda x, y, w: (x, y, unknown(w))), verbose=0)


def test_a_list_of_callbacks_is_looked_into():
    spec = keras_ae.spec("vae", input_shape=(6,), beta=keras_ae.Ramp(0.0, 1.0, steps=50))
    stopping = keras.callbacks.CallbackList([keras.callbacks.EarlyStopping("val_loss")])
    with pytest.raises(ValueError, match="val_full_loss"):
        keras_ae.build(spec).fit(X, validation_data=X, callbacks=stopping, verbose=0)


@pytest.mark.skipif(keras.backend.backend() == "tensorflow", reason="TensorFlow's trainer reads data sets itself")
@pytest.mark.parametrize("action", ["fit", "evaluate", "predict"])
def test_a_set_whose_length_is_known_is_read_to_its_end(action, monkeypatch):
    """To put away an iterator that is not at its end takes TensorFlow longer than a batch takes."""
    adapter, ends = private.reader("TFDatasetAdapter"), []
    read = adapter.get_numpy_iterator

    def noted(self):
        yield from read(self)
        ends.append(self)

    monkeypatch.setattr(adapter, "get_numpy_iterator", noted)
    model = keras_ae.build(SPEC, seed=0)
    getattr(model, action)(of(X), verbose=0, **({"epochs": 3} if action == "fit" else {}))
    assert len(ends) == (3 if action == "fit" else 1)
