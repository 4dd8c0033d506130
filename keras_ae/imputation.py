"""Tables with missing values: a denoising autoencoder that learns from what is there and fills what is not.

model = keras_ae.build("denoising_ae", input_shape=(columns,), corruption="missing", strength=0.3)
keras_ae.imputation.fit_incomplete(model, x, epochs=50)  # x: standardised, NaN where a value is missing
filled = keras_ae.imputation.impute(model, x_test)
"""

import numpy as np

from keras_ae.checks import checked_whole
from keras_ae.forms import as_array


def fit_incomplete(model, x, *, rounds: int = 3, **options) -> np.ndarray:
    """Train on a table with missing values, and return the table with them filled: (n, columns) -> (n, columns).

    The first round takes 0 for what is missing, and each later one what the model of the round before says.

    Args:
        model: an autoencoder with the corruption `MissingValues` or `Masking`; the likelihood is one of real numbers.
        x: floats, NaN where a value is missing; columns are standardised, so that 0 is their mean.
        rounds: how often the model is trained.
        **options: of `model.fit`, in each round, inputs beside x among them, by name, which have no missing values.

    Raises:
        ValueError: another shape, inf, a column without a value, or less than one round.
        TypeError: values that are no floats.
    """
    checked_whole("rounds", rounds)
    x, inputs = _checked(model, x), {name: options[name] for name in model.spec.input_names if name in options}
    if (empty := np.isnan(x).all(axis=0)).any():
        raise ValueError(f"x has no value in columns {np.flatnonzero(empty).tolist()}. Drop them before training.")
    filled = np.nan_to_num(x)
    for _ in range(rounds):
        model.fit(filled, **options)
        filled = impute(model, x, **inputs)
    return filled


def impute(model, x, **inputs) -> np.ndarray:
    """Return x with what is missing as the model rebuilds it from the rest: (n, columns) -> (n, columns) float32.

    The model is given 0 for what is missing, as in training. Values that are there stay; a row without any gets what
    the model makes of zeros.

    Args:
        model: as in `fit_incomplete`.
        x: floats on the scale of the training, NaN where a value is missing.
        **inputs: what the model takes beside x, by name.

    Raises:
        ValueError: another shape, or inf.
        TypeError: values that are no floats.
    """
    x = _checked(model, x)
    return np.where(np.isnan(x), model.reconstruct(np.nan_to_num(x), **inputs), x)


def _checked(model, x) -> np.ndarray:
    x, wanted = as_array(x), model.spec.input_shape
    if x.dtype.kind != "f":
        raise TypeError(f"x has dtype {x.dtype}. Give floats, with NaN where a value is missing; encode categories.")
    if x.shape[1:] != wanted or len(x) == 0:
        raise ValueError(f"x has shape {x.shape}, but the model takes (n, {', '.join(map(str, wanted))}).")
    if np.isinf(x).any():
        raise ValueError("x has inf. NaN alone stands for a missing value.")
    return x.astype("float32")
