"""Whatever form data come in, they train and are scored as the array of the same values, or are refused in words."""

import os
import re
import warnings

import h5py
import keras
import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
import tensorflow as tf

import keras_ae
from keras_ae import Dense, Flatten, Spec, Vector
from keras_ae.estimators import AutoencoderTransformer

# Keras cannot know how long a generator is, and warns when it ends.
pytestmark = pytest.mark.filterwarnings("ignore:Your input ran out of data")
torch = pytest.importorskip("torch") if keras.backend.backend() == "torch" else None
X = np.random.default_rng(0).random((40, 6)).astype("float32")
X[X < 0.3] = 0
SPEC = Spec((6,), (Dense(4),), Vector(2), "bernoulli")
IMAGES = np.random.default_rng(1).random((40, 4, 4, 1)).astype("float32")
OF_IMAGES = Spec((4, 4, 1), (Flatten(), Dense(4)), Vector(2), "bernoulli")
COLUMNS = list("abcdef")


class Batches(keras.utils.PyDataset):
    def __init__(self, *arrays, **options):
        super().__init__(**options)
        self.arrays = arrays

    def __len__(self):
        return 5

    def __getitem__(self, index):
        parts = tuple(array[index * 8 : index * 8 + 8] for array in self.arrays)
        return parts if len(parts) > 1 else parts[0]


def in_file(x):
    file = h5py.File.in_memory()
    return file.create_dataset("x", data=x)


def on_disk(x):
    path = os.path.join(os.environ["PYTEST_TMP"], "x.npy")
    np.save(path, x)
    return np.load(path, mmap_mode="r")


def unknown_shapes(x):
    signature = tf.TensorSpec(None, tf.float32)
    return tf.data.Dataset.from_generator(
        lambda: (x[i : i + 8] for i in range(0, len(x), 8)), output_signature=signature
    )


ROWS = {
    "array": np.asarray,
    "float64": lambda x: x.astype("float64"),
    "list of arrays": list,
    "nested lists": lambda x: x.tolist(),
    "pandas": lambda x: pd.DataFrame(x, columns=COLUMNS),
    "pandas, nullable": lambda x: pd.DataFrame(x, columns=COLUMNS).astype("Float64"),
    "polars": lambda x: pl.DataFrame(x, schema=COLUMNS),
    "SciPy csr": scipy.sparse.csr_matrix,
    "SciPy coo array": scipy.sparse.coo_array,
    "h5py": in_file,
    "memory map": on_disk,
    "TensorFlow tensor": tf.constant,
    "backend tensor": keras.ops.convert_to_tensor,
}
STREAMS = {
    "tf.data": lambda x: tf.data.Dataset.from_tensor_slices(x).batch(8),
    "tf.data of pairs": lambda x: tf.data.Dataset.from_tensor_slices((x, x)).batch(8),
    "tf.data of dicts": lambda x: tf.data.Dataset.from_tensor_slices({"image": x}).batch(8),
    "tf.data of unknown shapes": unknown_shapes,
    "PyDataset": Batches,
    "PyDataset of pairs": lambda x: Batches(x, x),
    "PyDataset, threads": lambda x: Batches(x, workers=2),
    "generator": lambda x: (x[i : i + 8] for i in range(0, len(x), 8)),
    "generator of lists": lambda x: ([*x[i : i + 8]] for i in range(0, len(x), 8)),
    "generator of frames": lambda x: (pd.DataFrame(x[i : i + 8]) for i in range(0, len(x), 8)),
    "iterator": lambda x: iter([x[i : i + 8] for i in range(0, len(x), 8)]),
}
if torch is not None:
    STREAMS["DataLoader"] = lambda x: torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(torch.as_tensor(x)), batch_size=8
    )
    STREAMS["DataLoader of tensors"] = lambda x: torch.utils.data.DataLoader(torch.as_tensor(x), batch_size=8)
# A form of each kind is enough where every model takes long to compile.
KINDS = ["array", "pandas", "SciPy csr", "h5py", "backend tensor", "tf.data of pairs", "PyDataset", "generator"]
if keras.backend.backend() != "tensorflow":
    ROWS = {form: make for form, make in ROWS.items() if form in KINDS}
    STREAMS = {form: make for form, make in STREAMS.items() if form in (*KINDS, "DataLoader")}
FORMS = ROWS | STREAMS


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTEST_TMP", str(tmp_path))


@pytest.fixture(scope="module")
def model():
    return keras_ae.build(SPEC, seed=0)


def trained(data, **options):
    model = keras_ae.build(SPEC, seed=0)
    model.fit(data, batch_size=None if data_is_stream(data) else 8, shuffle=False, verbose=0, **options)
    return model


def data_is_stream(data):
    return any(data is stream for stream in (data,) if keras_ae.streams.is_stream(data))


@pytest.fixture(scope="module")
def codes():
    return trained(X).encode(X)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_trains_as_the_array(form, codes):
    np.testing.assert_allclose(trained(FORMS[form](X)).encode(X), codes, atol=1e-5)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_evaluated_and_predicted_as_the_array(model, form):
    assert model.evaluate(FORMS[form](X), verbose=0) == pytest.approx(
        model.evaluate(X, batch_size=8, verbose=0), rel=1e-5
    )
    np.testing.assert_allclose(model.predict(FORMS[form](X), verbose=0), model.predict(X, verbose=0), atol=1e-5)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_held_out_as_the_array(form):
    losses = [
        keras_ae.build(SPEC, seed=0).fit(X, batch_size=8, validation_data=held, verbose=0).history["val_loss"]
        for held in (X, FORMS[form](X))
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "method", ["encode", "reconstruct", "reconstruction_error", "value_errors", "features", "posterior"]
)
def test_every_form_is_scored_as_the_array(model, form, method):
    ours, theirs = (getattr(model, method)(data) for data in (FORMS[form](X), X))
    if isinstance(theirs, dict):
        ours, theirs = (np.concatenate([found[key] for key in sorted(found)]) for found in (ours, theirs))
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_has_the_anomaly_scores_of_the_array(model, form):
    scores = [
        keras_ae.anomaly.ReconstructionError(model).fit(data()).score(data())
        for data in (lambda: X, lambda: FORMS[form](X))
    ]
    np.testing.assert_allclose(*scores, atol=1e-6)


@pytest.mark.parametrize("form", KINDS)
def test_every_kind_of_form_is_taken_by_the_estimators(form):
    codes = []
    for data in (lambda: X, lambda: FORMS[form](X)):
        estimator = AutoencoderTransformer(latent_dim=2, epochs=1, random_state=0).fit(data())
        codes.append(estimator.transform(data()))
    np.testing.assert_allclose(*codes, atol=1e-5)


@pytest.mark.parametrize("form", ROWS)
def test_every_form_is_a_batch(form):
    models = [keras_ae.build(SPEC, seed=0) for _ in range(2)]
    losses = [m.train_on_batch(data) for m, data in zip(models, (X, ROWS[form](X)), strict=True)]
    np.testing.assert_allclose(*losses, rtol=1e-5)
    np.testing.assert_allclose(models[0].predict_on_batch(X), models[1].predict_on_batch(ROWS[form](X)), atol=1e-5)
    np.testing.assert_allclose(models[0].test_on_batch(X), models[1].test_on_batch(ROWS[form](X)), rtol=1e-5)


# What is bad in one value, in the fourth batch


def with_value(value):
    x = X.copy()
    x[29, 4] = value
    return x


BAD = {
    "NaN": (np.nan, "has NaN or inf"),
    "inf": (np.inf, "has NaN or inf"),
    "range": (255.0, r"outside the range \[0, 1\]"),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("bad", BAD)
def test_a_bad_value_is_refused_wherever_it_stands(form, bad):
    value, message = BAD[bad]
    model = keras_ae.build(SPEC, seed=0)
    before = model.get_weights()
    with pytest.raises(ValueError, match=message):
        model.fit(FORMS[form](with_value(value)), verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    for method in ("encode", "evaluate", "predict"):
        with pytest.raises(ValueError, match=message):
            getattr(model, method)(FORMS[form](with_value(value)))
    with pytest.raises(ValueError, match=message):
        model.fit(X, validation_data=FORMS[form](with_value(value)), verbose=0)


@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_frames_are_refused_by_row_and_column(kind):
    frame = {"pandas": pd.DataFrame, "polars": pl.DataFrame}[kind]
    plain = {name: X[:, i] for i, name in enumerate(COLUMNS)}
    dates = pd.date_range("2020-01-01", periods=40)
    cases = {
        "x has NaN or inf, first in row 29, column 'e'": plain | {"e": with_value(np.nan)[:, 4]},
        "first in row 29, column 'e'": plain | {"e": with_value(7)[:, 4]},
        "x has 'ink' in row 0, column 'b', which is no number": plain | {"b": ["ink"] * 40},
        "x has flags (bool) in column 'c', beside numbers": plain | {"c": X[:, 2] > 0.5},
        "x has dates in column 'd'": plain | {"d": dates.to_numpy()},
    }
    for message, columns in cases.items():
        with pytest.raises((ValueError, TypeError), match=re.escape(message)):
            keras_ae.build(SPEC).fit(frame(columns), verbose=0)
    categories = {"pandas": pd.Categorical, "polars": lambda words: pl.Series(words, dtype=pl.Categorical)}[kind]
    with pytest.raises(TypeError, match=r"x has categories in column 'a'\. Models take numbers: encode"):
        keras_ae.build(SPEC).fit(frame(plain | {"a": categories(["ink"] * 40)}), verbose=0)


def test_flags_alone_are_zeros_and_ones():
    flags = X > 0.5
    codes = [
        trained(data).encode(flags.astype("float32")) for data in (flags, pd.DataFrame(flags), pl.DataFrame(flags))
    ]
    assert all(np.array_equal(codes[0], each) for each in codes)


REFUSED = {
    "a path": ("digits.npz", TypeError, r"x is 'digits.npz'\. Read it first: keras_ae\.datasets\.load"),
    "None": (None, ValueError, r"x is None\. Give an array"),
    "an object": (object(), TypeError, r"x is a builtins\.object\. Give an array \(n, \.\.\.\), a list of samples"),
    "ragged": ([np.zeros(6), np.zeros(5)], ValueError, r"differ in shape: \(6,\) in row 0, \(5,\) in row 1"),
    "an empty list": ([], ValueError, "x is empty"),
    "one array in a list": ([X], ValueError, r"a list that holds one array: give the array itself, x\[0\]"),
    "words": ([["a"] * 6] * 4, TypeError, "models take real numbers"),
    "a masked array": (np.ma.masked_less(X, 0.5), ValueError, r"masked array with \d+ masked values.*sample_weight"),
    "too large": (X.astype("float64") * 1e300, ValueError, "beyond float32|outside the range"),
    "a sparse tensor": (tf.sparse.from_dense(X), TypeError, r"SparseTensor of TensorFlow\. Give tf\.sparse\.to_dense"),
    "a series": (pd.Series(X[:, 0]), ValueError, r"x has shape \(40,\)"),
    "sparse words": (scipy.sparse.csr_matrix(X) * 1j, TypeError, "dtype complex"),
    "unbatched": (tf.data.Dataset.from_tensor_slices(X), ValueError, r"Make batches of the samples: dataset\.batch"),
    "strings": (tf.data.Dataset.from_tensor_slices(["a"]).batch(1), TypeError, "gives strings"),
    "endless": (
        tf.data.Dataset.from_tensor_slices(X).batch(8).repeat(),
        ValueError,
        r"stream without an end\. Say how many",
    ),
    "empty generator": ((batch for batch in ()), ValueError, "stream without a batch"),
}


@pytest.mark.parametrize("data", REFUSED)
def test_what_is_no_data_is_refused_in_words(data):
    x, error, message = REFUSED[data]
    with pytest.raises(error, match=message):
        keras_ae.build(SPEC).fit(x, verbose=0)


def test_a_generator_is_read_once():
    with pytest.raises(
        ValueError, match=r"x is a generator, which is read once, and there are 2 epochs.*steps_per_epoch"
    ):
        keras_ae.build(SPEC).fit(STREAMS["generator"](X), epochs=2)
    with pytest.raises(ValueError, match=r"validation_data is a generator, which is read once"):
        keras_ae.build(SPEC).fit(X, validation_data=STREAMS["generator"](X), epochs=2)
    with pytest.raises(ValueError, match=r"without an end\. Cut it first"):
        keras_ae.build(SPEC).encode(tf.data.Dataset.from_tensor_slices(X).batch(8).repeat())


def test_nothing_stands_beside_a_stream():
    for part in ({"y": X}, {"sample_weight": np.ones(40)}):
        with pytest.raises(ValueError, match=r"cannot stand beside a stream\. Let x give \(x, target, sample_weight\)"):
            keras_ae.build(SPEC).fit(Batches(X), verbose=0, **part)


# Labels


LABELLED = {
    "arrays": lambda x, y: (x, y),
    "tf.data": lambda x, y: (tf.data.Dataset.from_tensor_slices((x, y)).batch(8),),
    "dicts": lambda x, y: (tf.data.Dataset.from_tensor_slices({"image": x, "label": y}).batch(8),),
    "PyDataset": lambda x, y: (Batches(x, y),),
    "generator": lambda x, y: (((x[i : i + 8], y[i : i + 8]) for i in range(0, 40, 8)),),
    "lists": lambda x, y: (list(x), list(y)),
}
if torch is not None:
    LABELLED["DataLoader"] = lambda x, y: (
        torch.utils.data.DataLoader(
            torch.utils.data.TensorDataset(torch.as_tensor(x), torch.as_tensor(y)), batch_size=8
        ),
    )


@pytest.mark.parametrize("form", LABELLED)
@pytest.mark.parametrize("kind", ["numbers", "rows"])
def test_labels_are_left_out_with_one_notice(form, kind):
    labels = np.arange(40) % 3
    labels = np.eye(3, dtype="float32")[labels] if kind == "rows" else labels
    found = []
    for data in ((IMAGES,), LABELLED[form](IMAGES, labels)):
        model = keras_ae.build(OF_IMAGES, seed=0)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model.fit(*data, batch_size=8 if isinstance(data[0], np.ndarray | list) else None, shuffle=False, verbose=0)
        said = [str(each.message) for each in caught if "left out" in str(each.message)]
        found.append((model.encode(IMAGES), said))
    np.testing.assert_allclose(found[0][0], found[1][0], atol=1e-5)
    assert found[0][1] == [] and len(found[1][1]) == 1
    assert re.match(r"x brings (labels \(.*\)|'label') beside .*target is x itself: they are left out", found[1][1][0])


def test_a_dict_of_several_images_is_refused():
    data = tf.data.Dataset.from_tensor_slices({"image": IMAGES, "image2": IMAGES}).batch(8)
    with pytest.raises(ValueError, match=r"dicts of 'image', 'image2', of which 2 have the shape"):
        keras_ae.build(OF_IMAGES).fit(data)


def test_a_target_of_another_shape_is_refused_in_every_form():
    wrong = np.zeros((40, 5, 4, 1), "float32")
    for form, make in LABELLED.items():
        if form not in ("dicts", "lists"):
            with pytest.raises(ValueError, match=r"\(target\) has shape \(\w+, 5, 4, 1\), but the model takes"):
                keras_ae.build(OF_IMAGES).fit(*make(IMAGES, wrong), verbose=0)


# fit(x, x)


PAIRS = {
    "fit(x, x)": lambda x: (x, x),
    "fit(x, copy)": lambda x: (x, x.copy()),
    "PyDataset": lambda x: (Batches(x, x),),
    "weighted": lambda x: (Batches(x, x, np.ones(40, "float32")),),
    "tf.data": lambda x: (tf.data.Dataset.from_tensor_slices((x, x)).batch(8),),
}


@pytest.mark.parametrize("form", PAIRS)
def test_a_target_that_is_x_is_none(form):
    spec = Spec((6,), (Dense(4),), Vector(2), "gaussian", corruption=keras_ae.rows.GaussianNoise(0.5))
    found = []
    for data in ((X,), PAIRS[form](X)):
        model = keras_ae.build(spec, seed=0)
        size = 8 if isinstance(data[0], np.ndarray) else None
        history = model.fit(
            *data, batch_size=size, shuffle=False, validation_data=(X, *data[1:]), validation_batch_size=8, verbose=0
        ).history
        found.append((model.encode(X), history["loss"], history["val_loss"]))
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def test_a_target_that_is_not_x_takes_x_as_it_is():
    spec = Spec((6,), (Dense(4),), Vector(2), "gaussian", corruption=keras_ae.rows.GaussianNoise(0.5))
    model = keras_ae.build(spec, seed=0)
    plain = keras_ae.build(Spec((6,), (Dense(4),), Vector(2), "gaussian"), seed=0)
    plain.set_weights([np.array(w) for w in model.get_weights()][: len(plain.get_weights())])
    assert model.evaluate(X, 1 - X, verbose=0) == pytest.approx(plain.evaluate(X, 1 - X, verbose=0), rel=1e-5)


# Weights


WEIGHTS_OF_VALUES = np.random.default_rng(2).integers(0, 3, (40, 6)).astype("float32")


@pytest.mark.parametrize("likelihood", ["gaussian", "gaussian_global", "gaussian_pixel", "bernoulli", "laplace"])
def test_values_count_by_their_weights(likelihood):
    model = keras_ae.build(Spec((6,), (Dense(4),), Vector(2), likelihood), seed=0)
    of_values = model.value_errors(X, kind="nll")
    expected = (WEIGHTS_OF_VALUES * of_values).sum(axis=1).mean()
    found = model.evaluate(X, sample_weight=WEIGHTS_OF_VALUES, verbose=0, return_dict=True)
    assert found["nll"] == pytest.approx(expected, rel=1e-4)


def test_weights_of_one_leave_the_optimal_variance_and_zeros_drop_values():
    model = keras_ae.build(Spec((6,), (Dense(4),), Vector(2), "gaussian_sample"), seed=0)
    plain = model.evaluate(X, verbose=0)[0]
    assert model.evaluate(X, sample_weight=np.ones_like(X), verbose=0)[0] == pytest.approx(plain, rel=1e-5)
    half = np.repeat([[1, 1, 1, 0, 0, 0]], 40, axis=0)
    squared = np.square(model.reconstruct(X) - X)[:, :3]
    expected = 0.5 * 3 * (np.log(2 * np.pi) + np.log(squared.mean(axis=1)) + 1)
    assert model.evaluate(X, sample_weight=half, verbose=0)[0] == pytest.approx(expected.mean(), rel=1e-4)


def test_values_without_weight_are_not_learned():
    """A target that is nonsense where nothing counts trains as one that is right there."""
    mask = (np.arange(6) < 3).astype("float32") * np.ones((40, 1), "float32")
    found = []
    for target in (X, np.where(mask > 0, X, 1 - X)):
        model = keras_ae.build(SPEC, seed=0)
        model.fit(np.where(mask > 0, X, 0), target, sample_weight=mask, epochs=2, shuffle=False, verbose=0)
        found.append(model.encode(X))
    np.testing.assert_allclose(*found, atol=1e-5)


def test_weights_of_samples_come_as_lists_and_frames():
    weights = np.arange(40) % 2
    expected = keras_ae.build(SPEC, seed=0).evaluate(X[weights == 1], verbose=0)
    for form in (weights, weights.tolist(), pd.Series(weights), pl.Series(weights), weights[:, None]):
        assert keras_ae.build(SPEC, seed=0).evaluate(X, sample_weight=form, verbose=0) == pytest.approx(
            expected, rel=1e-5
        )


BAD_WEIGHTS = {
    "NaN": (np.r_[np.nan, np.ones(39)], r"sample_weight has NaN or inf, first in sample 0"),
    "negative": (np.r_[np.ones(39), -1], r"sample_weight has the negative weight -1, first in sample 39"),
    "none": (np.zeros(40), r"sample_weight is 0 for all samples"),
    "short": (np.ones(39), r"sample_weight has shape \(39,\), but x has \(40, 6\)\. Give one weight for each sample"),
    "wide": (np.ones((40, 5)), r"sample_weight has shape \(40, 5\), but x has \(40, 6\)"),
}


@pytest.mark.parametrize("kind", BAD_WEIGHTS)
def test_bad_weights_are_refused(kind):
    weights, message = BAD_WEIGHTS[kind]
    for call in ("fit", "evaluate", "train_on_batch"):
        with pytest.raises(ValueError, match=message):
            getattr(keras_ae.build(SPEC), call)(X, sample_weight=weights)
    with pytest.raises(ValueError, match=message.replace("sample_weight", "sample_weight", 1)):
        keras_ae.build(SPEC).fit(X, validation_data=(X, X, weights), verbose=0)


def test_class_weights_are_refused():
    for call in ("fit", "train_on_batch"):
        with pytest.raises(ValueError, match=r"class_weight: an autoencoder has no classes.*sample_weight=np\.array"):
            getattr(keras_ae.build(SPEC), call)(X, class_weight={0: 1.0})


def test_weights_of_values_need_an_objective_that_heeds_them_and_metrics_that_can():
    class Own(keras_ae.models.ae.AE):
        def objective(self, batch, outputs):
            nll = self.likelihood.nll(batch["x"], outputs)
            return {"loss": nll, "nll": nll}

    model = Own(SPEC, seed=0)
    model.compile("adam", run_eagerly=keras.backend.backend() != "jax")
    with pytest.raises(ValueError, match=r"Own\.objective does not.*self\.nll\(batch, outputs\)"):
        model.fit(X, sample_weight=WEIGHTS_OF_VALUES, verbose=0)
    model = keras_ae.build(SPEC)
    model.compile("adam", weighted_metrics=["mse"])
    with pytest.raises(ValueError, match=r"sample_weight weighs single values, which weighted_metrics cannot"):
        model.fit(X, sample_weight=WEIGHTS_OF_VALUES, verbose=0)


def test_a_mask_without_channels_holds_for_all_of_them():
    spec = Spec((4, 4, 2), (Flatten(), Dense(4)), Vector(2), "bernoulli")
    x = np.concatenate([IMAGES, 1 - IMAGES], axis=-1)
    mask = (IMAGES > 0.5).astype("float32")
    found = [
        keras_ae.build(spec, seed=0).evaluate(x, sample_weight=form, verbose=0)[0]
        for form in (np.repeat(mask, 2, axis=-1), mask, mask[..., 0])
    ]
    assert found[0] == pytest.approx(found[1]) == pytest.approx(found[2])


# Order


def test_the_order_follows_the_seed_and_goes_on():
    def codes(seed, *epochs):
        model = keras_ae.build(SPEC, seed=seed)
        for count in epochs:
            model.fit(X, batch_size=8, epochs=count, verbose=0)
        return model.encode(X)

    assert np.array_equal(codes(0, 2), codes(0, 2))
    np.testing.assert_array_equal(codes(0, 1, 1), codes(0, 2))
    assert not np.array_equal(codes(0, 2), codes(1, 2))


def test_the_order_of_a_pydataset_follows_the_seed():
    codes = []
    for seed in (0, 0, 1):
        model = keras_ae.build(SPEC, seed=0)
        model.seed = seed
        model.fit(Batches(X), epochs=2, verbose=0)
        codes.append(model.encode(X))
    assert np.array_equal(codes[0], codes[1]) and not np.array_equal(codes[0], codes[2])
