"""What `tf.data` sets give to `fit` is looked at by the step or by the reader, whichever is fast on a backend."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_ae
from keras_ae import Dense, Flatten, Gaussian, Identity, Spec

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
    for data, what in ((of((X, labels)), "labels"), (of({"image": X, "label": labels}), "'label' beside 'image'")):
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
