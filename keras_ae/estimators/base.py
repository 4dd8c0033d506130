"""What the estimators share: rows in, a trained autoencoder of standardised rows."""

from abc import abstractmethod
from functools import partial

import keras
import numpy as np

from keras_ae import registry
from keras_ae.anomaly import fit_trimmed
from keras_ae.checks import checked_inputs, checked_least
from keras_ae.estimators.tables import spec_for
from keras_ae.extras import optional
from keras_ae.feeding import ArrayBatches, rows_of, x_of
from keras_ae.intake import gathered
from keras_ae.stopping import judged_by

sklearn_base = optional("sklearn.base", "scikit-learn", "sklearn")
preprocessing = optional("sklearn.preprocessing", "scikit-learn", "sklearn")
utils = optional("sklearn.utils", "scikit-learn", "sklearn")
validation = optional("sklearn.utils.validation", "scikit-learn", "sklearn")

STEPS = 2000  # Optimiser steps that None as `epochs` stands for.


class AutoencoderEstimator(sklearn_base.BaseEstimator):
    """Base of the estimators.

    A conditional model, such as "cvae", takes what stands beside the rows as metadata, `labels` or `condition`, in
    `fit` and in every method that reads rows or codes: `fit(X, labels=y)`, `transform(X, labels=y)`. How many classes
    there are, or numbers, `fit` sees. In pipelines and searches they are routed as all metadata of scikit-learn are:
    `set_config(enable_metadata_routing=True)`, then `estimator.set_fit_request(labels=True)` and the like for each
    method.

    Args:
        model: None for a network sized to the table (`table_spec`), a name of `keras_ae.list_models()`, or a `Spec`.
        latent_dim: dimensions of the code; None means what suits the estimator, or the named model's own.
        epochs: passes over the training rows at most; None means as many as 2,000 steps take, between 10 and 200.
        batch_size: rows in a step; None means a twentieth of the rows, between 32 and 256.
        validation_fraction: share of the rows in [0, 1) that is held back: training stops when their loss, at full
            weight where a weight of the objective moves, has not fallen for a tenth of the epochs, at least 5, and
            keeps the best weights. 0, or fewer than 10 rows, holds back none and trains all epochs.
        random_state: an int for equal results in every run on one backend, a `RandomState`, or None.
        model_params: arguments of the named model, or of `table_spec`, such as `{"noise": 0.1}`. Rows that are
            flattened images need `{"input_shape": (28, 28, 1)}`; they are taken as they are, in [0, 1].
        fit_params: what else `Autoencoder.fit` takes, such as callbacks.

    Attributes:
        model_: the trained `Autoencoder`.
        scaler_: the `StandardScaler` of the columns, or None where the model takes values as they are: those of images,
            and of a likelihood that bounds them. A constant column is 0 after it.
        n_features_in_, feature_names_in_: as in all of scikit-learn.
    """

    def __init__(
        self,
        model=None,
        *,
        latent_dim=None,
        epochs=None,
        batch_size=None,
        validation_fraction=0.1,
        random_state=None,
        model_params=None,
        fit_params=None,
    ):
        self.model = model
        self.latent_dim = latent_dim
        self.epochs = epochs
        self.batch_size = batch_size
        self.validation_fraction = validation_fraction
        self.random_state = random_state
        self.model_params = model_params
        self.fit_params = fit_params

    @abstractmethod
    def _table_options(self, features: int) -> dict:
        """Return `latent_dim` and `noise` of `table_spec` that suit the estimator."""

    def _train(self, X, beside: dict, *, trim: float | None = None) -> tuple:  # noqa: N803
        """Fit `scaler_` and `model_`; return the rows as the model takes them, and which of them trimming kept.

        `beside` are the rows' metadata by name, None for those that are not given.
        """
        X = self._checked(X, reset=True)  # noqa: N806
        self._check_arguments()
        seed = int(utils.check_random_state(self.random_state).randint(2**31 - 1))
        spec = self._spec(X.shape[1], beside)
        is_table = len(spec.input_shape) == 1 and spec.likelihood.support is None
        self.scaler_ = preprocessing.StandardScaler().fit(X) if is_table else None
        self.model_ = registry.build(spec, seed=seed)
        x, fit = self._with(self._to_model(X), beside), partial(self._fit_rows, seed=seed)
        if trim is not None:
            return x, fit_trimmed(self.model_, x, share=trim, rounds=1, fit=fit)
        fit(x)
        return x, np.ones(len(X), dtype=bool)

    def _with(self, rows: np.ndarray, beside: dict, name: str = "X") -> np.ndarray | dict:
        """Rows in a dict with what the model takes beside them, where it takes anything."""
        beside = {key: values for key, values in beside.items() if values is not None}
        beside = checked_inputs(beside, self.model_.spec.inputs, len(rows), name, x=rows)
        return {"x": rows} | beside if beside else rows

    def _fit_rows(self, x: np.ndarray | dict, *, seed: int) -> None:
        count = len(x_of(x))
        order = np.random.default_rng(seed).permutation(count)
        held = int(count * self.validation_fraction) if count >= 10 else 0
        rows = rows_of(x, order[held:])
        batch_size = self.batch_size or int(np.clip((count - held) // 20, 32, 256))
        steps = -(-(count - held) // batch_size)
        epochs = self.epochs or int(np.clip(STEPS // steps, 10, 200))
        options = {"verbose": 0} | (self.fit_params or {})
        if held:
            patience = max(5, epochs // 10)
            callbacks = keras.tree.flatten(options.get("callbacks") or [])
            judged = f"val_{judged_by(self.model_, callbacks)}"
            stop = keras.callbacks.EarlyStopping(judged, mode="min", patience=patience, restore_best_weights=True)
            options["callbacks"] = [*callbacks, stop]
            options["validation_data"] = ArrayBatches((rows_of(x, order[:held]),), batch_size)
        self.model_.fit(ArrayBatches((rows,), batch_size, shuffle=True, seed=seed), epochs=epochs, **options)

    def _spec(self, features: int, beside: dict):
        options = dict(self.model_params or {})
        if isinstance(self.model, str) and registry.takes(self.model, "labels"):
            options = _counts(**beside) | options
        latent_dim = self.latent_dim
        if self.model is None:
            suited = self._table_options(features)
            own = suited.pop("latent_dim")
            latent_dim = own if latent_dim is None else latent_dim
            options = suited | options
        return spec_for(self.model, features, latent_dim=latent_dim, options=options)

    def _check_arguments(self) -> None:
        for name in ("epochs", "batch_size", "latent_dim"):
            value = getattr(self, name)
            if value is not None:
                checked_least(name, value)
        if not 0 <= self.validation_fraction < 1:
            raise ValueError(f"validation_fraction must lie in [0, 1), got {self.validation_fraction!r}.")

    def _rows(self, X, **beside) -> np.ndarray | dict:  # noqa: N803
        """Return new rows as the fitted model takes them: (n, features) -> (n, *input_shape)."""
        validation.check_is_fitted(self)
        return self._with(self._to_model(self._checked(X)), beside)

    def _checked(self, X, *, reset: bool = False) -> np.ndarray:  # noqa: N803
        """Return X, in any form that `Autoencoder.fit` takes, as finite float64 rows, all in memory.

        Raises:
            ValueError: columns that are not numbers, NaN or inf, no rows (or one, where the estimator is fitted).
        """
        X = gathered(X, "X")  # noqa: N806
        try:
            return validation.validate_data(self, X, reset=reset, dtype="float64", ensure_min_samples=2 if reset else 1)
        except ValueError as error:
            if "could not convert" not in str(error):
                raise
            message = f"X has a column that is not numeric ({error}). Encode it first, for example with OneHotEncoder."
            raise ValueError(message) from error

    def _to_model(self, X: np.ndarray) -> np.ndarray:  # noqa: N803
        """Rows as the model takes them: (n, features) -> (n, *input_shape), float32."""
        X = X if self.scaler_ is None else self.scaler_.transform(X)  # noqa: N806
        return X.astype("float32").reshape(len(X), *self.model_.spec.input_shape)

    def _to_rows(self, x: np.ndarray) -> np.ndarray:
        """Undo `_to_model`: (n, *input_shape) -> (n, features)."""
        rows = x.reshape(len(x), -1)
        return rows if self.scaler_ is None else self.scaler_.inverse_transform(rows)


def _counts(labels, condition) -> dict:
    """How many classes the labels of rows have, and how many numbers a condition; None where it is not given."""
    given = {
        name: np.asarray(each) for name, each in (("labels", labels), ("condition", condition)) if each is not None
    }
    for name, values in given.items():
        if values.dtype.kind not in "buif" or not values.size or values.ndim == 0:
            raise ValueError(
                f"{name} must be numbers, one or several for each row, got {values.dtype} of shape {values.shape}. "
                "Encode classes as whole numbers from 0 on, for example with LabelEncoder."
            )
    counts = {"labels": int(given["labels"].max()) + 1 if "labels" in given else None}
    return counts | {"condition": given["condition"][0].size if "condition" in given else None}
