"""`Autoencoder`: a compiled Keras model with a spec, one objective, and one step for every backend."""

from typing import NamedTuple

import keras
from keras import ops

from keras_ae.builder import build_parts, inputs_of
from keras_ae.checks import check_shape
from keras_ae.exporting import Exporting
from keras_ae.feeding import scaled
from keras_ae.fitting import Fitting
from keras_ae.inference import Inference
from keras_ae.means import TermMeans
from keras_ae.measuring import Measuring
from keras_ae.players import Playing
from keras_ae.resizing import Resizing
from keras_ae.rows import Scheduled
from keras_ae.sample_weights import shares, weighs_values
from keras_ae.saving import Saving
from keras_ae.schedules import end_of, value_at
from keras_ae.spec import Spec
from keras_ae.stopping import FULL
from keras_ae.streams import is_labels, shape_of
from keras_ae.train_step import Steps, private
from keras_ae.walks import Walks


class Report(NamedTuple):
    """What a step tracks: the terms, the loss among them, the batch's weight and share, and what metrics compare."""

    terms: dict
    count: object
    share: object
    target: object
    x_hat: object
    sample_weight: object


class Autoencoder(Fitting, Playing, Steps, Inference, Measuring, Walks, Saving, Exporting, Resizing, keras.Model):
    """Base of all model types. A type overrides `terms` and `objective`, and nothing that knows a backend.

    As a Keras model it maps x to its reconstruction, deterministically: the code is the posterior mean, and the output
    is the likelihood's mean. `encoder` and `decoder` are Functional models of their own, which give what `posterior`
    and `decode` give; `decoder_logits` gives the raw heads of the likelihood by name. Wherever the model takes images,
    uint8 in [0, 255] will do: batches are divided by 255 on the device, so that no float copy is ever made.

    Where the spec has `inputs`, a batch is a dict of x and of these, `{"x": ..., "labels": ...}`, and so is what `fit`,
    `encode`, `reconstruct` and all other methods take in the place of x; they take inputs by name as well,
    `encode(x, labels=...)`, `decode(z, labels=...)`, `sample(8, labels=3)`.

    Args:
        spec: the table that the model is built from.
        seed: fixes initial weights and random layers on one backend; None takes them from Python's `random`.
        dtype: Keras dtype policy of the hidden layers, such as "mixed_bfloat16"; None means Keras' global policy.
        draw: False leaves kernels at 0, for weights that are loaded next.
    """

    terms: tuple[str, ...] = ("nll",)

    def __init__(
        self, spec: Spec, *, seed: int | None = None, name: str | None = None, dtype=None, trainable=True, draw=True
    ):
        if keras.config.floatx() != "float32":
            raise ValueError(
                f"Keras' floatx is {keras.config.floatx()!r}, in which likelihoods are not computed. Set it back, "
                'keras.config.set_floatx("float32"), and give hidden layers another type by dtype="mixed_float16", say.'
            )
        policy = keras.dtype_policies.get(dtype)
        parts = build_parts(spec, seed=seed, dtype=policy, draw=draw)
        batch = inputs_of(spec)
        z = parts.latent(parts.encoder(spec.taken_by("encoder", batch)))
        heads = parts.decoder(spec.taken_by("decoder", batch | {"z": z}))
        x_hat = parts.likelihood(heads | {row.name: batch[row.name] for row in spec.beside("likelihood")})
        inputs = batch if spec.inputs else batch["x"]
        super().__init__(inputs=inputs, outputs=x_hat, name=name or spec.model, trainable=trainable)
        self.dtype_policy = policy  # By which Keras decides in `compile` whether losses need scaling.
        self.spec, self.seed, self.policy = spec, seed, policy
        self.parts = parts
        self.encoder, self.latent, self.decoder_logits = parts.encoder, parts.latent, parts.decoder
        self.likelihood, self.corruption, self.prior = parts.likelihood, parts.corruption, parts.prior
        self.scheduled = {name: self._scheduled_variable(name, value) for name, value in spec.scheduled.items()}
        self.weighted = spec.objective.weights  # A weight of the objective: the term that it multiplies.
        self.full_weights = {name: end_of(spec.scheduled[name]) for name in self.weighted if name in spec.schedules}
        full = (FULL,) if self.full_weights else ()
        self.term_means = TermMeans(("loss", *self.terms, *full), name="terms")
        self.functions: dict = {}  # What `Inference` has compiled, by name.

    @property
    def decoder(self) -> keras.Model:
        """Codes -> the likelihood's mean, as `decode` gives it: (batch, *code_shape) -> (batch, *input_shape)."""
        return self.parts.mean

    def _scheduled_variable(self, name: str, schedule: Scheduled):
        """Return a variable, which a step can read anew without a retrace, at the value of the schedule at step 0."""
        start = keras.initializers.Constant(float(value_at(schedule, 0)))
        options = {"trainable": False, "dtype": "float32", "aggregation": "only_first_replica"}
        return self.add_weight(shape=(), initializer=start, name=name, **options)

    def call(self, inputs, training=None, mask=None):
        """Return the reconstruction of x from the deterministic code.

        Raises:
            TypeError: what is no dict, where the spec has `inputs`.
        """
        if self.spec.inputs and not isinstance(inputs, dict):
            names = "".join(f", {row.name!r}: ..." for row in self.spec.inputs)
            raise TypeError(
                f"{type(self).__name__} takes {', '.join(map(str, self.spec.inputs))} beside x. Call it with a dict, "
                f"model({{'x': x{names}}}); reconstruct(x, ...) takes them by name."
            )
        return super().call(scaled(inputs), training=training, mask=mask)

    def objective(self, batch: dict, outputs: dict) -> dict:
        """Return the terms of the loss: `{"loss": ..., term: ...}`, each (batch,) or a scalar, in nats.

        A term of one's own goes into "loss" here; `self.add_loss` is for layers, and Keras refuses it in a model.

        Args:
            batch: `x`, the target, (batch, *input_shape), and what the spec has as `inputs` beside it, by name.
            outputs: what the encoder gives, and a prior given inputs; `z` (batch, *code_shape) and what else a draw
                gives; the heads of the likelihood, such as `logits`; `weight` (batch,), the samples' shares of the
                mean, which sum to 1; `share`, a scalar, the share that this batch has of the global batch under a
                strategy, else 1; and, where single values are weighed, `where`, their weights, of the shape of x,
                which `nll` heeds.
        """
        nll = self.nll(batch, outputs)
        return {"loss": nll, "nll": nll}

    def nll(self, batch: dict, outputs: dict):
        """-log p(x|z) in nats, (batch,), for `objective`: where values are weighed, the weighted sum over them."""
        self.weighs_values = True
        return self.likelihood.nll(batch["x"], outputs, where=outputs.get("where"))

    def autoencode(self, batch: dict, *, training: bool, noise=None) -> dict:
        """Return what `objective` gets of a batch, float32: the encoder's parameters, the drawn code `z`, the heads.

        Args:
            batch: `x`, corrupted where the spec says so, and what stands beside it.
            training: whether dropout and batch normalisation train.
            noise: of the draw, (batch, latent_dim); None takes the model's own.
        """
        parameters = self.encoder(self.spec.taken_by("encoder", batch), training=training) | self._of_prior(batch)
        outputs = {**parameters, **self.latent.draw(parameters, noise)}
        outputs |= self.decoder_logits(self.spec.taken_by("decoder", batch | {"z": outputs["z"]}), training=training)
        outputs |= self._of_likelihood(batch)
        return {name: ops.cast(value, "float32") for name, value in outputs.items()}

    def _of_prior(self, batch: dict) -> dict:
        """The parameters of a prior given inputs, nothing of another."""
        return self.prior(self.spec.taken_by("prior", batch)) if self.spec.beside("prior") else {}

    def _of_likelihood(self, batch: dict) -> dict:
        """What of a batch the likelihood takes beside its heads."""
        return {row.name: batch[row.name] for row in self.spec.beside("likelihood")}

    def compute_terms(self, x, y, sample_weight, *, training: bool):
        """Return the batch's loss, or a list of the players' losses, and a `Report`.

        Without y the target is x, and x is corrupted where the spec says so, in training and validation alike; with y
        the target is y and x is taken as it is. Samples are averaged by `sample_weight`, once; terms that are scalars
        already, regularisers and `add_loss` are added as they are.
        """
        batch = x if isinstance(x, dict) else {"x": x}
        batch = scaled({name: ops.convert_to_tensor(value) for name, value in batch.items()})
        x, y = batch["x"], self._checked_target(y)
        target = ops.cast(x if y is None else scaled(y), "float32")
        if training:
            self._advance_schedules()
        outputs = self.autoencode(batch | {"x": self._corrupted(x, target, y)}, training=training)
        of_metrics, (where, sample_weight) = sample_weight, self._value_weights(sample_weight)
        if where is not None:
            outputs["where"] = where
        outputs["weight"], count = shares(target, sample_weight)
        outputs["share"] = self.share_of(count)
        self.weighs_values = where is None
        terms = self.objective(batch | {"x": target}, outputs)
        if training:
            self.latent.update(outputs, self)
        if not self.weighs_values:
            raise ValueError(
                f"sample_weight weighs single values, which {type(self).__name__}.objective does not. Let it call "
                "self.nll(batch, outputs), or give one weight for each sample."
            )
        # A plain mean where it will do: XLA fuses it into the gradient, which it cannot with weights.
        weight = None if sample_weight is None else outputs["weight"]
        terms = {name: _mean(value, weight) for name, value in terms.items()}
        loss = sum((ops.sum(ops.cast(extra, "float32")) for extra in self.losses), start=terms["loss"])
        if self.full_weights:
            terms[FULL] = loss + sum(
                (end - self.scheduled[name]) * terms[self.weighted[name]] for name, end in self.full_weights.items()
            )
        x_hat = self.likelihood.mean(outputs) if self.has_metrics else None
        terms["loss"] = loss
        return self.losses_of_players(loss, terms), Report(terms, count, outputs["share"], target, x_hat, of_metrics)

    def _checked_target(self, y):
        """The target, None for none and for labels; one of another shape is refused, as far as that is known."""
        shape = shape_of(y)
        if y is None or shape is None:
            return y
        if shape[-1:] == (0,) or is_labels(shape, self.spec.input_shape):
            return None
        check_shape(shape, self.spec, "x (target)")
        return y

    def _corrupted(self, x, target, y):
        """What the encoder gets: x corrupted, unless a target other than x says that it is corrupted already."""
        if self.corruption is None:
            return x
        if y is None:
            return self.corruption(x)
        is_same = ops.all(ops.abs(ops.cast(x, "float32") - target) <= 1e-6)
        return ops.where(is_same, ops.cast(self.corruption(x), x.dtype), x)

    def _value_weights(self, sample_weight):
        """Split weights into those of values, None or of the shape of x, and those of samples, None or (batch,).

        A sample none of whose values counts, such as one that fills up a batch, counts as none.
        """
        if sample_weight is None or not weighs_values(sample_weight.shape, self.spec.input_shape):
            return None, sample_weight
        where = ops.cast(sample_weight, "float32")
        return where, ops.cast(ops.any(where > 0, axis=tuple(range(1, len(where.shape)))), "float32")

    def _advance_schedules(self) -> None:
        for name, schedule in self.spec.schedules.items():  # A plain number may have been set by the Anneal callback.
            self.scheduled[name].assign(value_at(schedule, self.optimizer.iterations))

    def track(self, report: Report) -> dict:
        """Update the running means of the loss, its terms and the user's metrics, and return them."""
        self.term_means.update_state(report.terms, report.count)
        if report.x_hat is None:
            return self.get_metrics_result()
        return self.compute_metrics(None, report.target, report.x_hat, report.sample_weight)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """Update the metrics given to `compile`, which compare the target with the reconstruction."""
        y = self._checked_target(y)
        is_of_values = sample_weight is not None and weighs_values(sample_weight.shape, self.spec.input_shape)
        if self.has_weighted_metrics and is_of_values:
            raise ValueError(
                "sample_weight weighs single values, which weighted_metrics cannot. Give them as metrics=..., or one "
                "weight for each sample."
            )
        target = x["x"] if isinstance(x, dict) else x
        return super().compute_metrics(x, target if y is None else y, y_pred, sample_weight)

    def compile(self, optimizer="adam", loss=None, *, jit_compile: bool | None = None, **options):
        """Configure training, as in Keras; the loss belongs to the model type and cannot be given.

        Args:
            optimizer: a Keras optimiser or its name; where the model has several players, one for each of them is made
                like it, or a dict has one for each by name.
            loss: refused: the objective is the loss.
            jit_compile: compile steps with XLA; None takes the faster choice measured for the backend.
            **options: `metrics`, `weighted_metrics`, `run_eagerly`, `steps_per_execution`, `auto_scale_loss`.

        Raises:
            ValueError: a loss, or an option that the strategy of `keras_ae.distribute` does not allow.
        """
        if loss is not None or options.pop("loss_weights", None) is not None:
            raise ValueError(
                "compile(loss=...): the loss of an autoencoder is its objective. Choose a likelihood in the spec, "
                "or subclass the model type and override objective()."
            )
        if jit_compile is None:
            jit_compile = self.default_jit_compile and not options.get("run_eagerly", False)
        self.has_metrics = bool(options.get("metrics") or options.get("weighted_metrics"))
        self.has_weighted_metrics = bool(options.get("weighted_metrics"))
        super().compile(optimizer=self.optimizer_of_players(optimizer), jit_compile=jit_compile, **options)
        private.drop_loss_tracker(self)
        self.fuse_optimizer()
        self.check_strategy(unweighted_metrics=bool(options.get("metrics")))


def _mean(value, weight):
    """Average a term over the batch: (batch,) -> (); a scalar stays."""
    if not len(value.shape):
        return value
    return ops.mean(value) if weight is None else ops.sum(value * weight)
