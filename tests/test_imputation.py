"""Missing values of tables: what is there stays, what is not follows from it."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest

import keras_ae
from keras_ae import Flatten, MissingValues, Spec, Vector, corrupted
from keras_ae.imputation import fit_incomplete, impute


class Told:
    """A model that answers what it is told to, and keeps what it was trained on."""

    spec = SimpleNamespace(input_shape=(3,), input_names=())

    def __init__(self, answer):
        self.answer, self.given = answer, []

    def reconstruct(self, x):
        assert np.isfinite(x).all()
        return self.answer(x)

    def fit(self, x, **options):
        self.given.append(x)


HOLES = np.array([[1.0, np.nan, 3.0], [np.nan, 2.0, np.nan], [4.0, 5.0, 6.0]], "float32")


def test_what_is_there_stays_and_what_is_missing_is_the_models():
    filled = impute(Told(lambda x: x + 10), HOLES)
    np.testing.assert_array_equal(filled, [[1, 10, 3], [10, 2, 10], [4, 5, 6]])
    np.testing.assert_array_equal(impute(Told(lambda x: x + 1), np.full((1, 3), np.nan)), [[1, 1, 1]])


def test_each_round_of_training_takes_what_the_round_before_found():
    model = Told(lambda x: x + 10)
    filled = fit_incomplete(model, HOLES, rounds=2)
    np.testing.assert_array_equal(model.given[0], np.nan_to_num(HOLES))
    np.testing.assert_array_equal(model.given[1], filled)
    np.testing.assert_array_equal(filled, impute(model, HOLES))


def test_a_linear_model_finds_values_that_follow_from_the_others():
    rng = np.random.default_rng(0)
    x = (rng.standard_normal((600, 1)) * np.ones(6) + 0.1 * rng.standard_normal((600, 6))).astype("float32")
    holes = corrupted(x, MissingValues(0.2, "nan"), seed=1)
    spec = Spec((6,), (Flatten(),), Vector(1), "gaussian", corruption=MissingValues(0.3))
    model = keras_ae.build(spec, optimizer=keras.optimizers.Adam(1e-2), seed=0)
    fit_incomplete(model, holes, rounds=2, epochs=20, batch_size=50, verbose=0)
    errors = (impute(model, holes) - x)[np.isnan(holes)]
    # The mean is off by 1, the other columns' mean by about 0.1; a linear model does not know how many are missing.
    assert np.sqrt(np.mean(errors**2)) < 0.45


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (np.where(np.arange(3) == 1, np.nan, HOLES), ValueError, r"no value in columns \[1\]. Drop them"),
        (np.ones((2, 4)), ValueError, r"shape \(2, 4\), but the model takes \(n, 3\)"),
        (np.ones((0, 3)), ValueError, r"shape \(0, 3\)"),
        (np.array([[np.inf, 1.0, 2.0]]), ValueError, "x has inf"),
        (np.array([["a", "b", "c"]]), TypeError, "encode categories"),
    ],
)
def test_tables_that_cannot_be_used_are_refused_in_words(x, error, message):
    with pytest.raises(error, match=message):
        fit_incomplete(Told(lambda x: x), x)


def test_no_round_of_training_is_refused():
    with pytest.raises(ValueError, match="rounds must be at least 1, not 0"):
        fit_incomplete(Told(lambda x: x), HOLES, rounds=0)
