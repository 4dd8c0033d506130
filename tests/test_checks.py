from dataclasses import replace
from itertools import product

import keras
import numpy as np
import pytest
from keras import ops

import keras_ae
from keras_ae import Conv, Dense, Flatten, Gaussian, Reshape, SpecError, Vector

SPEC = keras_ae.Spec((6, 6, 1), (Flatten(), Dense(4)), Gaussian(2))
TAKEN = ["fit", "evaluate", "predict", "encode", "posterior", "reconstruct", "reconstruction_error", "score_samples"]


@pytest.fixture(scope="module")
def model():
    return keras_ae.build(SPEC, seed=0)


@pytest.fixture(autouse=True)
def _untrained(model):
    """Whatever is refused leaves weights, optimiser and random state as they were."""
    before = state_of(model)
    yield
    after = state_of(model)
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def state_of(model):
    variables = [*model.variables, *model.optimizer.variables]
    return [np.array(ops.convert_to_numpy(variable)) for variable in variables]


def x_with(value, shape=(10, 6, 6, 1)):
    x = np.full(shape, 0.5, dtype="float32")
    x[3, 2] = value
    return x


BAD = {
    "NaN": (x_with(np.nan), ValueError, r"x has NaN or inf, first in sample 3\. Drop or fill"),
    "inf": (x_with(-np.inf), ValueError, r"x has NaN or inf, first in sample 3\."),
    "above the range": (x_with(1.5), ValueError, r"values in \[0\.5, 1\.5\], outside the range \[0, 1\] of the Bernou"),
    "below the range": (x_with(-1), ValueError, r"values in \[-1, 0\.5\], outside the range .*likelihood='gaussian'"),
    "uint8 masks": (
        np.ones((4, 6, 6, 1), np.uint8),
        ValueError,
        r"uint8 with no value over 1.*masks as floats: .*astype\('float32'\), and images as .* / 255",
    ),
    "empty": (np.zeros((0, 6, 6, 1)), ValueError, r"x is empty \(shape \(0, 6, 6, 1\)\)"),
    "no channel axis": (np.zeros((4, 6, 6)), ValueError, r"Add the channel axis: x\[\.\.\., None\]"),
    "no batch axis": (np.zeros((6, 6, 1)), ValueError, r"One sample needs a batch axis too: x\[None\]"),
    "wrong side": (np.zeros((4, 6, 7, 1)), ValueError, r"shape \(4, 6, 7, 1\), but the model takes \(batch, 6, 6, 1\)"),
    "flat": (np.zeros((4, 36)), ValueError, r"shape \(4, 36\), but the model takes \(batch, 6, 6, 1\)"),
    "a number": (np.array(0.5), ValueError, r"shape \(\), but the model takes"),
    "complex": (np.zeros((4, 6, 6, 1), complex), TypeError, r"dtype complex128; models take real numbers"),
    "text": (np.full((4, 6, 6, 1), "ink"), TypeError, r"dtype <U3; models take real numbers"),
    "objects": (np.full((4, 6, 6, 1), None), TypeError, r"dtype object; models take real numbers"),
}


def test_bytes_that_are_no_images_are_refused():
    table = keras_ae.build("ae", input_shape=(9,), latent_dim=2, likelihood="gaussian")
    with pytest.raises(ValueError, match=r"x is uint8, which models of images alone scale, and this one takes \(9,\)"):
        table.fit(np.full((4, 9), 7, np.uint8))


def test_a_dark_image_is_scored_as_any_other(model):
    dark = np.zeros((2, 6, 6, 1), np.uint8)
    dark[:, 2] = 1
    for method in ("encode", "reconstruct", "reconstruction_error", "score_samples"):
        np.testing.assert_allclose(getattr(model, method)(dark), getattr(model, method)(dark / 255), atol=1e-5)


@pytest.mark.parametrize(
    ("method", "data"), [pair for pair in product(TAKEN, BAD) if pair[1] != "uint8 masks" or pair[0] == "fit"]
)
def test_bad_data_is_refused(model, method, data):
    x, error, message = BAD[data]
    with pytest.raises(error, match=message):
        getattr(model, method)(x)


@pytest.mark.parametrize("data", BAD)
def test_bad_validation_data_is_refused(model, data):
    x, error, message = BAD[data]
    with pytest.raises(
        error,
        match=message.replace(r"x\[", r"validation_data\[")
        .replace("x has", "validation_data has")
        .replace("x is", "validation_data is"),
    ):
        model.fit(x_with(0.5), validation_data=x)


def test_bad_data_of_a_denoising_model_is_refused():
    denoising = keras_ae.build("denoising_ae", input_shape=(6, 6, 1), latent_dim=2)
    with pytest.raises(ValueError, match="sample 3"):
        denoising.corrupt(x_with(np.nan))


@pytest.mark.parametrize("method", ["fit", "evaluate"])
def test_a_bad_target_is_refused(model, method):
    with pytest.raises(ValueError, match=r"x \(target\) has NaN or inf, first in sample 3"):
        getattr(model, method)(x_with(0.5), x_with(np.nan))


class Wide(keras.utils.PyDataset):
    """Batches of images that are one pixel too wide."""

    def __init__(self):
        super().__init__()

    def __len__(self):
        return 2

    def __getitem__(self, index):
        return (np.zeros((4, 6, 7, 1), dtype="float32"),)


@pytest.mark.parametrize("method", ["fit", "evaluate", "predict"])
def test_a_pydataset_of_another_shape_is_refused(model, method):
    with pytest.raises(ValueError, match=r"x\[0\] has shape \(4, 6, 7, 1\), but the model takes \(batch, 6, 6, 1\)"):
        getattr(model, method)(Wide())


def test_a_pydataset_of_another_shape_is_refused_for_validation(model):
    with pytest.raises(ValueError, match=r"validation_data\[0\] has shape \(4, 6, 7, 1\)"):
        model.fit(x_with(0.5), validation_data=Wide())


@pytest.mark.parametrize("method", ["fit", "evaluate", "predict"])
def test_a_tf_dataset_of_another_shape_is_refused(model, method):
    tf = pytest.importorskip("tensorflow")
    data = tf.data.Dataset.from_tensor_slices(np.zeros((8, 6, 7, 1), "float32")).batch(4)
    with pytest.raises(ValueError, match=r"x has shape \(None, 6, 7, 1\), but the model takes \(batch, 6, 6, 1\)"):
        getattr(model, method)(data)


def test_a_tensor_of_another_shape_is_refused(model):
    with pytest.raises(ValueError, match=r"x has shape \(4, 6, 7, 1\)"):
        model.fit(ops.zeros((4, 6, 7, 1)))


@pytest.mark.parametrize("given", [((), {"loss": "mse"}), (("adam", "mse"), {}), ((), {"loss_weights": [1.0]})])
def test_a_loss_cannot_be_given(model, given):
    arguments, options = given
    with pytest.raises(ValueError, match=r"compile\(loss=\.\.\.\): the loss of an autoencoder is its objective"):
        model.compile(*arguments, **options)


@pytest.mark.parametrize("z", [np.zeros((4, 3)), np.zeros(2), np.full((4, 2), np.nan)])
def test_bad_codes_are_refused(model, z):
    with pytest.raises(ValueError, match=r"z has shape .* but decode takes \(n, 2\)|z has NaN or inf"):
        model.decode(z)


def test_numbers_out_of_range_are_refused(model):
    x = x_with(0.5)
    for call, message in {
        "n must be at least 1, not 0": lambda: model.sample(0),
        r"n must be a whole number of at least 1, not 2\.5": lambda: model.sample(2.5),
        "num_samples must be a whole number of at least 1, not True": lambda: model.score_samples(x, num_samples=True),
        "batch_size must be a whole number of at least 1, not '8'": lambda: model.encode(x, batch_size="8"),
        "num_samples must be at least 1, not 0": lambda: model.log_likelihood(x, num_samples=0),
        "steps >= 2": lambda: model.interpolate(x, x, steps=1),
        "as many a as b": lambda: model.interpolate(x, x[:3]),
        'method must be "linear"': lambda: model.interpolate(x, x, method="cubic"),
        'kind must be "mse"': lambda: model.reconstruction_error(x, kind="rmse"),
        "batch_size must be at least 1": lambda: model.encode(x, batch_size=0),
        "This model has no corruption": lambda: model.corrupt(x),
    }.items():
        with pytest.raises(ValueError, match=call):
            message()


# Specs that cannot be built


OF_VECTORS = [name for name in keras_ae.list_models() if name not in ("ladder_vae", "masked_ae", "vq_vae")]


@pytest.mark.parametrize("name", OF_VECTORS)
@pytest.mark.parametrize("latent_dim", [0, -3, 2.5, True, "many"])
def test_a_code_of_no_size_is_refused(name, latent_dim):
    with pytest.raises(SpecError, match=r"latent_dim must be a whole number of at least 1, got"):
        keras_ae.build(name, latent_dim=latent_dim)


@pytest.mark.parametrize("name", [name for name in keras_ae.list_models() if name.startswith("conv_")])
@pytest.mark.parametrize("input_shape", [(7, 7, 1), (4, 4, 1), (784,)])
def test_sides_that_cannot_be_halved_are_refused_by_convolutional_models(name, input_shape):
    with pytest.raises(
        SpecError, match=r"does not suit a convolutional model.*at least 8, or all even and above 4\. Pad or"
    ):
        keras_ae.build(name, input_shape=input_shape)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ((Conv(4, kernel=1, stride=2), Flatten()), r"kernel 1 < stride 2 leaves gaps\. Use kernel=2"),
        ((Dense(4),), r"needs a flat input, got \(6, 6, 4\)\. End the encoder with Flatten"),
        ((Flatten(), Reshape((5, 7))), r"36 numbers do not fill 35 places"),
    ],
)
def test_what_does_not_mirror_is_refused_when_the_spec_is_made(rows, message):
    with pytest.raises(SpecError, match=message):
        keras_ae.Spec((6, 6, 1), rows, Vector(2))


def test_a_decoder_that_leads_elsewhere_is_refused():
    with pytest.raises(SpecError, match=r"leads from the code to \(35,\), not back to \(6, 6, 1\)"):
        replace(SPEC, decoder=(Dense(35, "linear"),))
    with pytest.raises(SpecError, match=r"Give its last row activation='linear'"):
        replace(SPEC, input_shape=(36,), decoder=(Dense(36, "sigmoid"),))


def test_unknown_options_of_a_model_are_refused():
    with pytest.raises(SpecError, match=r"Unknown corruption 'rain'\. Use gaussian, poisson, speckle, salt_and_pepper"):
        keras_ae.build("denoising_ae", corruption="rain")
    with pytest.raises(SpecError, match=r'penalty must be "l1" or "kl", got \'l2\''):
        keras_ae.build("sparse_ae", penalty="l2")
    with pytest.raises(SpecError, match=r"Unknown likelihood 'mse'\. Use a likelihood row or one of bernoulli"):
        keras_ae.build("vae", likelihood="mse")
