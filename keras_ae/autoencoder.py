"""`Autoencoder`: a compiled Keras model with a spec, one objective, and one step for every backend."""

from typing import ClassVar, NamedTuple

import keras
import numpy as np
from keras import ops

from keras_ae.builder import build_parts
from keras_ae.checks import check_batch, check_data
from keras_ae.feeding import ArrayBatches, fed, fed_fit, scaled
from keras_ae.guard import FiniteGuard
from keras_ae.inference import Inference
from keras_ae.means import TermMeans
from keras_ae.saving import Saving
from keras_ae.schedules import end_of, value_at
from keras_ae.spec import Spec
from keras_ae.stopping import FULL, check_monitors
from keras_ae.train_step import Steps
from keras_ae.train_step.distribution import workers


class Report(NamedTuple):
    """What a step tracks beside the loss: the terms, the batch's weight and share, and what metrics compare."""

    terms: dict
    count: object
    share: object
    target: object
    x_hat: object
    sample_weight: object


class Autoencoder(Steps, Inference, Saving, keras.Model):
    """Base of all model types. A type overrides `terms` and `objective`, and nothing that knows a backend.

    As a Keras model it maps x to its reconstruction, deterministically: the code is the posterior mean, and the output
    is the likelihood's mean. `encoder` and `decoder` are Functional models of their own. Wherever the model takes
    images, uint8 in [0, 255] will do: batches are divided by 255 on the device, so that no float copy is ever made.

    Args:
        spec: the table that the model is built from.
        seed: fixes initial weights and random layers on one backend; None takes them from Python's `random`.
        dtype: Keras dtype policy of the hidden layers, such as "mixed_bfloat16"; None means Keras' global policy.
        draw: False leaves kernels at 0, for weights that are loaded next.
    """

    terms: tuple[str, ...] = ("nll",)
    weighted: ClassVar[dict[str, str]] = {}  # A weight of the objective that may move: the term that it multiplies.
    samples_code = False

    def __init__(
        self, spec: Spec, *, seed: int | None = None, name: str | None = None, dtype=None, trainable=True, draw=True
    ):
        policy = keras.dtype_policies.get(dtype)
        parts = build_parts(spec, seed=seed, dtype=policy, draw=draw)
        x = keras.Input(spec.input_shape, name="x")
        x_hat = parts.likelihood(parts.decoder(parts.latent(parts.encoder(x))))
        super().__init__(inputs=x, outputs=x_hat, name=name or spec.model, trainable=trainable)
        self.dtype_policy = policy  # By which Keras decides in `compile` whether losses need scaling.
        self.spec, self.seed, self.policy = spec, seed, policy
        self.encoder, self.latent, self.decoder = parts.encoder, parts.latent, parts.decoder
        self.likelihood, self.corruption, self.prior = parts.likelihood, parts.corruption, parts.prior
        self.scheduled = {key: self._scheduled_weight(key) for key in spec.latent.scheduled}
        schedules = {name: getattr(spec.latent, name) for name in self.scheduled if name in self.weighted}
        self.full_weights = {
            name: end_of(schedule) for name, schedule in schedules.items() if not isinstance(schedule, int | float)
        }
        full = (FULL,) if self.full_weights else ()
        self.term_means = TermMeans(("loss", *self.terms, *full), name="terms")
        self.functions: dict = {}  # What `Inference` has compiled, by name.

    def _scheduled_weight(self, name: str):
        """Return a variable, which a step can read anew without a retrace, at the value that `name` has at step 0."""
        start = keras.initializers.Constant(float(value_at(getattr(self.spec.latent, name), 0)))
        options = {"trainable": False, "dtype": "float32", "aggregation": "only_first_replica"}
        return self.add_weight(shape=(), initializer=start, name=name, **options)

    def call(self, inputs, training=None, mask=None):
        """Return the reconstruction of x from the deterministic code."""
        return super().call(scaled(inputs), training=training, mask=mask)

    def objective(self, x, outputs: dict) -> dict:
        """Return the terms of the loss: `{"loss": ..., term: ...}`, each (batch,) or a scalar, in nats.

        A term of one's own goes into "loss" here; `self.add_loss` is for layers, and Keras refuses it in a model.

        Args:
            x: the target, (batch, *input_shape).
            outputs: what the encoder gives, `z` (batch, latent_dim), `x_logits`, and `weight` (batch,), the samples'
                shares of the mean, which sum to 1; `share`, a scalar, the share that this batch has of the global
                batch under a strategy, else 1.
        """
        nll = self.likelihood.nll(x, outputs["x_logits"])
        return {"loss": nll, "nll": nll}

    def autoencode(self, x, *, training: bool) -> dict:
        """Return the encoder's parameters, the code `z` (drawn, where the type draws it) and `x_logits`, float32."""
        parameters = self.encoder(x, training=training)
        z = self.latent(parameters, sample=self.samples_code)
        outputs = {**parameters, "z": z, "x_logits": self.decoder(z, training=training)}
        return {name: ops.cast(value, "float32") for name, value in outputs.items()}

    def compute_terms(self, x, y, sample_weight, *, training: bool):
        """Return the batch's loss and a `Report`.

        Without y the target is x, and x is corrupted where the spec says so, in training and validation alike; with y
        the target is y and x is taken as it is. Samples are averaged by `sample_weight`, once; terms that are scalars
        already, regularisers and `add_loss` are added as they are.
        """
        x, y = scaled(ops.convert_to_tensor(x)), y if _is_target(y) else None
        target = ops.cast(x if y is None else scaled(y), "float32")
        inputs = self.corruption(x) if y is None and self.corruption else x
        if training:
            self._advance_schedules()
        outputs = self.autoencode(inputs, training=training)
        outputs["weight"], count = _shares(target, sample_weight)
        outputs["share"] = self.share_of(count)
        terms = self.objective(target, outputs)
        # A plain mean where it will do: XLA fuses it into the gradient, which it cannot with weights.
        weight = None if sample_weight is None else outputs["weight"]
        terms = {name: _mean(value, weight) for name, value in terms.items()}
        loss = sum((ops.sum(ops.cast(extra, "float32")) for extra in self.losses), start=terms["loss"])
        if self.full_weights:
            terms[FULL] = loss + sum(
                (end - self.scheduled[name]) * terms[self.weighted[name]] for name, end in self.full_weights.items()
            )
        x_hat = self.likelihood(outputs["x_logits"]) if self.has_metrics else None
        return loss, Report(terms, count, outputs["share"], target, x_hat, sample_weight)

    def _advance_schedules(self) -> None:
        for name, variable in self.scheduled.items():
            schedule = getattr(self.spec.latent, name)
            if not isinstance(schedule, int | float):  # A plain number may have been set by the Anneal callback.
                variable.assign(value_at(schedule, self.optimizer.iterations))

    def track(self, loss, report: Report) -> dict:
        """Update the running means of the loss, its terms and the user's metrics, and return them."""
        self.term_means.update_state({**report.terms, "loss": loss}, report.count)
        if report.x_hat is None:
            return self.get_metrics_result()
        return self.compute_metrics(None, report.target, report.x_hat, report.sample_weight)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """Update the metrics given to `compile`, which compare the target with the reconstruction."""
        return super().compute_metrics(x, y if _is_target(y) else x, y_pred, sample_weight)

    def compile(self, optimizer="adam", *, jit_compile: bool | None = None, **options):
        """Configure training, as in Keras; the loss belongs to the model type and cannot be given.

        Args:
            optimizer: a Keras optimiser or its name.
            jit_compile: compile steps with XLA; None takes the faster choice measured for the backend.
            **options: `metrics`, `weighted_metrics`, `run_eagerly`, `steps_per_execution`, `auto_scale_loss`.

        Raises:
            ValueError: a loss, or an option that the strategy of `keras_ae.distribute` does not allow.
        """
        if options.pop("loss", None) is not None:
            raise ValueError(
                "compile(loss=...): the loss of an autoencoder is its objective. Choose a likelihood in the spec, "
                "or subclass the model type and override objective()."
            )
        if jit_compile is None:
            jit_compile = self.default_jit_compile and not options.get("run_eagerly", False)
        self.has_metrics = bool(options.get("metrics") or options.get("weighted_metrics"))
        super().compile(optimizer=optimizer, jit_compile=jit_compile, **options)
        self._loss_tracker = None  # Keras' own; `term_means` has the loss.
        self.fuse_optimizer()
        self.check_strategy(unweighted_metrics=bool(options.get("metrics")))

    def fit(self, x=None, y=None, batch_size=None, epochs=1, *, callbacks=None, validation_data=None, **options):
        """Train, as `keras.Model.fit`, after a check of the data; arrays `x` alone are all that is needed.

        Args:
            x: array (n, *input_shape), `tf.data.Dataset`, `keras.utils.PyDataset` or whatever Keras takes.
            y: the clean target where x is a corrupted input of your own; else None.
            batch_size: samples in a step, for arrays; None means 128.
            epochs: last epoch to train.
            callbacks: a callback or a list of them. On TensorFlow short steps run several in a call, ahead of callbacks
                that see logs alone; with one that has hooks of batches, and is not `async_safe`, step by step.
            validation_data: what `evaluate` takes: x, `(x, y)` or a dataset.
            **options: all else that `keras.Model.fit` takes.

        Returns:
            Keras' `History`.

        Raises:
            ValueError: data that the model cannot take, see `keras_ae.checks.check_data`; what is no callback; or one
                that judges by "loss" or "val_loss" while a weight of the objective moves: `keras_ae.stopping`.
            FloatingPointError: a term of the loss became NaN or inf. The message names it; the model keeps the weights
                of the beginning of that epoch.
        """
        check_batch((x, y), self.spec, "x")
        if validation_data is not None:
            validation_data = validation_data if isinstance(validation_data, tuple | list) else (validation_data,)
            check_batch(tuple(validation_data), self.spec, "validation_data")
            if len(validation_data) == 3:
                validation_data = _with_target(*validation_data)
        callbacks = keras.tree.flatten(callbacks or [])
        for callback in callbacks:
            if not isinstance(callback, keras.callbacks.Callback):
                raise ValueError(f"callbacks: {callback!r} is no instance of keras.callbacks.Callback; give one.")
        # What changes the objective adds to the logs by which the others judge.
        callbacks.sort(key=lambda callback: not getattr(callback, "changes_objective", False))
        check_monitors(self, callbacks)
        x, y, sample_weight = _with_target(x, y, options.pop("sample_weight", None))
        if workers().cut:
            if options.get("validation_split"):
                raise ValueError("validation_split: under a strategy give validation_data=..., which it cuts alike.")
            if validation_data is not None:
                validation_data = self._cut(validation_data, options.pop("validation_batch_size", None) or batch_size)
            x = self._cut((x, y, sample_weight), batch_size, shuffle=options.get("shuffle", True))
            y, sample_weight, batch_size = None, None, None
            options["shuffle"] = False
        if isinstance(x, keras.utils.PyDataset):
            # One that has an order of its own Keras would shuffle once more.
            options.setdefault("shuffle", not hasattr(x, "shuffle"))
        guard = FiniteGuard(beside=self.returns_early)
        options |= {"callbacks": [*callbacks, guard], "validation_data": validation_data}
        batch_size = batch_size or _default_batch(x)
        try:
            with self.fitting(callbacks, options.get("steps_per_epoch")):
                return super().fit(**self.read(fed_fit(x, y, sample_weight, batch_size, epochs=epochs, **options)))
        except FloatingPointError:
            guard.restore()
            raise

    def evaluate(self, x=None, y=None, batch_size=None, **options):
        """Return loss and terms, as `keras.Model.evaluate`, after a check of the data; codes are drawn anew."""
        sample_weight = options.pop("sample_weight", None)
        if not options.get("_use_cached_eval_dataset"):
            check_batch((x, y), self.spec, "x")
            x, y, _ = _with_target(x, y, sample_weight)
            if workers().cut:
                x = self._cut((x, y, sample_weight), batch_size)
                y, sample_weight, batch_size = None, None, None
        return super().evaluate(**self.read(fed(x, y, sample_weight, batch_size or _default_batch(x)) | options))

    def predict(self, x, batch_size=None, **options):
        """Return reconstructions, as `keras.Model.predict`, after a check of the data; nothing is drawn.

        Under data-parallel each process computes them for itself, and there are no options.
        """
        check_data(x, self.spec)
        if workers().kind == "data-parallel":
            return self.reconstruct(x, batch_size=batch_size or 128)  # Each process for itself.
        fed_x = self.read(fed(x, None, None, batch_size or _default_batch(x)))
        return super().predict(fed_x["x"], batch_size=fed_x.get("batch_size"), **options)

    def _cut(self, data: tuple, batch_size: int | None, *, shuffle: bool = False) -> keras.utils.PyDataset:
        """Return the batches of arrays `(x, y, sample_weight)`, or of a dataset `(x,)`, that this process takes."""
        x = data[0]
        if hasattr(x, "__array__"):
            arrays = tuple(np.asarray(part) for part in data if part is not None)
            x = ArrayBatches(arrays, batch_size or _default_batch(x), shuffle=shuffle, seed=self.seed or 0)
        return self.cut(x)


def _default_batch(x) -> int | None:
    """Return 128 for arrays; datasets bring their own batches, and Keras refuses a size beside them."""
    return 128 if hasattr(x, "__array__") else None


def _with_target(x, y, sample_weight) -> tuple:
    """Return the three with an empty target (n, 0) for weights without one, which Keras would drop in silence."""
    if y is None and sample_weight is not None and hasattr(x, "__array__"):
        y = np.empty((len(x), 0), dtype="float32")
    return x, y, sample_weight


def _is_target(y) -> bool:
    return y is not None and y.shape[-1] != 0


def _shares(target, sample_weight):
    """Return each sample's share of the mean, (batch,), and the weight of the whole batch, a scalar."""
    if sample_weight is None:
        count = ops.cast(ops.shape(target)[0], "float32")
        return ops.ones((ops.shape(target)[0],), dtype="float32") / count, count
    weight = ops.reshape(ops.cast(sample_weight, "float32"), (-1,))
    count = ops.sum(weight)
    return ops.divide_no_nan(weight, count), count


def _mean(value, weight):
    """Average a term over the batch: (batch,) -> (); a scalar stays."""
    if not len(value.shape):
        return value
    return ops.mean(value) if weight is None else ops.sum(value * weight)
