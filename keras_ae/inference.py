"""What a trained autoencoder is for: codes, reconstructions, samples, scores and likelihoods, NumPy out.

Samples come in any form that `fit` takes, streams of batches too, whose results are joined. Where the spec has
`inputs`, methods take them by name beside the samples, `encode(x, labels=...)`, or in a dict with x.
Every method runs in batches through a function that is compiled once; a short last batch is padded, not retraced.
Noise comes from NumPy by `seed`, so that the same seed draws the same noise on every backend, and no method changes the
model's own random state. Where a method scores samples, the noise belongs to the sample (`keras_ae.noise`).
"""

from math import prod

import keras
import numpy as np
from keras import ops

from keras_ae.activations import averaged, convolutions, encoder_to
from keras_ae.checks import checked_least, checked_whole
from keras_ae.divergences import log_mean_exp
from keras_ae.feeding import padded, rows_of, scaled
from keras_ae.forms.lazy_rows import LazyRows
from keras_ae.intake import checked_batch, checked_inputs, over_batches
from keras_ae.likelihoods import sum_over_values
from keras_ae.noise import noise_for, seed_at
from keras_ae.sample_weights import shares

_CHUNK = 1024  # Decoded images at once in log_likelihood: enough to fill a machine, and few enough for its caches.


class Inference:
    """The methods of a trained `Autoencoder`."""

    @property
    def is_variational(self) -> bool:
        """Whether the code has a posterior and a prior, so that the model has a likelihood."""
        return self.latent.has_density

    @property
    def can_sample(self) -> bool:
        """Whether the code has a prior, from which `sample` draws."""
        return self.spec.code.has_prior

    @over_batches
    def posterior(self, x, *, batch_size: int = 256) -> dict[str, np.ndarray]:
        """Return what the encoder says of x: `z`, or `z_mean` and `z_log_var`, each (n, latent_dim); `z_e`, a map."""
        return self._batched("posterior", self._posterior, self._checked(x), batch_size=batch_size)

    @over_batches
    def encode(self, x, *, indices: bool = False, batch_size: int = 256) -> np.ndarray:
        """Return codes, for variational models the posterior mean: (n, *input_shape) -> (n, *code_shape).

        Args:
            x: samples.
            indices: of a discrete code return the indices of its entries, (n, *sides) int32, which `decode` takes as
                well; where it has several levels, a dict of them by name.
            batch_size: samples at once.

        Raises:
            ValueError: indices of a code that has none.
        """
        function = self._indices if indices else self._encode
        return self._batched("indices" if indices else "encode", function, self._checked(x), batch_size=batch_size)

    @over_batches
    def features(self, x, *, layer: str | None = None, grid: int | None = None, batch_size: int = 256) -> np.ndarray:
        """Return what a layer of the encoder gives, for use as features: (n, *input_shape) -> (n, d).

        Args:
            x: samples.
            layer: a name in `encoder.summary()`, such as "conv_1"; None means the code, as `encode` gives it.
            grid: average a layer's map over this many regions a side, 2 being quadrants (Coates, Ng & Lee 2011), so
                that d is `grid` to the power of the map's sides times its channels; None keeps every place.
            batch_size: samples at once.

        Raises:
            ValueError: an unknown layer; a grid below 1, beyond the map's sides, or for a layer without places.
        """
        trunk = encoder_to(self, layer, grid)

        def function(batch):
            return trunk(self.spec.taken_by("encoder", batch), training=False)

        return self._batched(f"features {layer} {grid}", function, self._checked(x), batch_size=batch_size)

    @over_batches
    def feature_maps(self, x, *, grid: int, batch_size: int = 256) -> dict[str, np.ndarray]:
        """Return what the encoder's convolutions make of images, averaged over a grid as `features` does.

        Args:
            x: images.
            grid: regions on a side, at most those that the map has.
            batch_size: samples at once.

        Returns:
            By the layer's name, from the input on, float32 arrays (n, grid, grid, channels).

        Raises:
            ValueError: an encoder without convolutions of images, a grid of less than 1.
        """
        checked_least("grid", grid)
        trunk = convolutions(self.encoder)

        def function(batch):
            found = trunk(self.spec.taken_by("encoder", batch), training=False)
            maps = {name: ops.cast(each, "float32") for name, each in found.items()}
            return {
                name: averaged(each, tuple(min(grid, side) for side in each.shape[1:-1])) for name, each in maps.items()
            }

        return self._batched(f"feature_maps_{grid}", function, self._checked(x), batch_size=batch_size)

    def decode(self, z, *, batch_size: int = 256, **inputs) -> np.ndarray:
        """Return the likelihood's mean at codes z: (n, *code_shape) -> (n, *input_shape).

        Args:
            z: codes, or, of a discrete code, indices of its entries, as `encode` gives them.
            batch_size: codes at once.
            **inputs: what the spec has as `inputs` beside x, by name; one value counts for all codes.

        Raises:
            ValueError: z has another shape, or NaN or inf; inputs that are missing, or that the model does not take.
        """
        z, shape = self.latent.embedded(z), self.spec.code_shape
        if z.shape[1:] != shape:
            raise ValueError(f"z has shape {z.shape}, but decode takes (n, {', '.join(map(str, shape))}).")
        if not np.isfinite(z).all():
            raise ValueError("z has NaN or inf.")
        batch = {"z": z} | checked_inputs(inputs, self.spec.beside("decoder", "likelihood"), len(z), "z")
        return self._batched("decode", self._decode, batch, batch_size=batch_size)

    @over_batches
    def reconstruct(self, x, *, batch_size: int = 256) -> np.ndarray:
        """Return reconstructions from the deterministic code: (n, *input_shape) -> (n, *input_shape)."""
        return self._batched("reconstruct", self._reconstruct, self._checked(x), batch_size=batch_size)

    @over_batches
    def corrupt(self, x, *, seed: int = 0, batch_size: int = 256) -> np.ndarray:
        """Return x corrupted as in training, by noise of its own from `seed`: (n, *input_shape) -> the same shape.

        The noise goes by the sample's place and the batches, not by its values as that of scores: it makes data, in
        which samples that are alike are to have noise of their own.

        Raises:
            ValueError: the spec has no corruption.
        """
        if self.corruption is None:
            raise ValueError("This model has no corruption. Build a denoising_ae, or give the spec corruption=....")
        x = self._checked(x)["x"]
        starts = range(0, len(x), batch_size)
        pieces = [self.corruption(scaled(x[start : start + batch_size]), seed=seed_at(seed, start)) for start in starts]
        return np.concatenate([ops.convert_to_numpy(piece) for piece in pieces])

    @over_batches
    def reconstruction_error(self, x, *, kind: str = "mse", batch_size: int = 256) -> np.ndarray:
        """Return how far each sample is from its reconstruction: (n, *input_shape) -> (n,); higher is worse.

        Args:
            x: samples.
            kind: "mse" or "mae", the mean over a sample's values, or "nll", -log p(x|z) in nats, the sum over them.
            batch_size: samples at once.

        Raises:
            ValueError: an unknown kind.
        """
        _check_kind(kind)
        function = {"mse": self._mse, "mae": self._mae, "nll": self._nll}[kind]
        return self._batched(kind, function, self._checked(x), batch_size=batch_size)

    @over_batches
    def value_errors(self, x, *, kind: str = "mse", batch_size: int = 256) -> np.ndarray:
        """Return each value's part in `reconstruction_error`: (n, *input_shape) -> the same shape.

        Over the values of a sample they sum to its `reconstruction_error` of the same kind.

        Args:
            x: samples.
            kind: "mse", "mae" or "nll", as in `reconstruction_error`.
            batch_size: samples at once.

        Raises:
            ValueError: an unknown kind.
        """
        _check_kind(kind)
        function = {"mse": self._squares, "mae": self._sizes, "nll": self._nll_of_values}[kind]
        return self._batched(f"{kind}_of_values", function, self._checked(x), batch_size=batch_size)

    @over_batches
    def score_samples(
        self, x, *, num_samples: int = 16, seed: int | np.random.Generator = 0, batch_size: int = 256
    ) -> np.ndarray:
        """Return a score in nats for each sample, (n,); higher is more normal.

        For variational models the ELBO, averaged over `num_samples` codes drawn from the posterior; for the others
        log p(x|z) at the code.

        Args:
            x: samples.
            num_samples: codes drawn for a sample.
            seed: fixes the noise, which belongs to the sample: alone it gets the score that it gets among others, and
                one that occurs twice gets it twice. A NumPy generator draws noise along x instead.
            batch_size: samples at once.

        Raises:
            ValueError: num_samples < 1.
        """
        if not self.is_variational:
            return -self.reconstruction_error(x, kind="nll", batch_size=batch_size)
        return np.concatenate([logs.mean(axis=0) for logs in self._log_weights(x, num_samples, seed)])

    @over_batches
    def elbo_terms(
        self, x, *, num_samples: int = 1, seed: int | np.random.Generator = 0, batch_size: int = 256
    ) -> dict[str, np.ndarray]:
        """Return the terms of -ELBO in nats, `nll` and `kl`, each (n,): those of training, at beta = 1.

        Where the KL has parts, such as the levels of a ladder, they stand beside it; terms of a whole batch do not.
        Both are averaged over `num_samples` codes drawn from the posterior, by `seed` as in `score_samples`. Like it,
        this is the objective's own: the KL is in closed form where the objective has one.

        Raises:
            ValueError: the model is not variational, or num_samples < 1.
        """
        self._require_variational("elbo_terms")
        checked_whole("num_samples", num_samples)
        x, totals = self._checked(x), {}
        noise = noise_for(x["x"], seed)
        for draw in range(num_samples):
            drawn = noise.normal(slice(0, len(x["x"])), draw, 1, self.spec.latent_dim)[:, 0]
            terms = self._batched("elbo_terms", self._elbo_terms, x, drawn, batch_size=batch_size)
            totals = {name: totals.get(name, 0.0) + term.astype("float64") for name, term in terms.items()}
        return {name: total / num_samples for name, total in totals.items()}

    @over_batches
    def log_likelihood(self, x, *, num_samples: int = 5000, seed: int | np.random.Generator = 0) -> np.ndarray:
        """Return log p(x) in nats by importance sampling: (n, *input_shape) -> (n,), in constant memory.

        The mean of log p(x|z) p(z) / q(z|x) over `num_samples` draws, taken inside the logarithm (Eq. 8 and section 5,
        Burda et al. 2016): a lower bound on average, which tightens as `num_samples` grows. `seed` is as in
        `score_samples`.

        Raises:
            ValueError: the model is not variational, or num_samples < 1.
        """
        self._require_variational("log_likelihood")
        if not self.spec.likelihood.is_density:
            raise ValueError(f"log_likelihood needs a density of x, which {self.spec.likelihood} is not.")
        return np.concatenate([log_mean_exp(logs) for logs in self._log_weights(x, num_samples, seed)])

    def sample(self, n: int, seed: int | None = None, *, batch_size: int = 256, **inputs) -> np.ndarray:
        """Return the likelihood's mean at `n` codes drawn from the prior: (n, *input_shape).

        Args:
            n: how many.
            seed: fixes the codes on every backend; None draws new ones.
            batch_size: samples at once.
            **inputs: what the spec has as `inputs` beside x, by name, such as `labels=3` or one label for each sample.

        Raises:
            ValueError: the model has no prior, or n < 1; inputs that are missing, or that it does not take.
        """
        if not self.can_sample:
            raise ValueError(f"sample needs a prior over codes, which {self.spec.model!r} has not. {self._way_to()}")
        checked_whole("n", n)
        takers = self.spec.beside("prior", "decoder", "likelihood")
        inputs = checked_inputs(inputs, takers, n, f"sample({n})")
        given = self.spec.taken_by("prior", inputs)
        of_prior = self._batched("prior", self._of_prior, given, batch_size=batch_size) if given else {}
        z = self.prior.draw(n, self.spec.latent_dim, np.random.default_rng(seed), **of_prior)
        taken = [row.name for row in self.spec.beside("decoder", "likelihood")]
        return self.decode(z, batch_size=batch_size, **{name: inputs[name] for name in taken})

    def _posterior(self, batch):
        return self.encoder(self.spec.taken_by("encoder", batch), training=False)

    def _encode(self, batch):
        return self.latent(self._posterior(batch))

    def _indices(self, batch):
        return self.latent.indices(self._posterior(batch))

    def _decode(self, batch):
        return self.likelihood.mean(self._heads(batch))

    def _heads(self, batch):
        """The heads at the codes `z` of a batch, and what of it the likelihood takes beside them."""
        heads = self.decoder_logits(self.spec.taken_by("decoder", batch), training=False)
        return {name: ops.cast(head, "float32") for name, head in heads.items()} | self._of_likelihood(batch)

    def _heads_of(self, batch):
        return self._heads(batch | {"z": self._encode(batch)})

    def _reconstruct(self, batch):
        return self.likelihood.mean(self._heads_of(batch))

    def _mse(self, batch):
        return sum_over_values(self._squares(batch))

    def _mae(self, batch):
        return sum_over_values(self._sizes(batch))

    def _squares(self, batch):
        return ops.square(self._residual(batch)) / prod(self.spec.input_shape)

    def _sizes(self, batch):
        return ops.abs(self._residual(batch)) / prod(self.spec.input_shape)

    def _residual(self, batch):
        return batch["x"] - ops.cast(self._reconstruct(batch), "float32")

    def _nll(self, batch):
        return self.likelihood.nll(batch["x"], self._heads_of(batch))

    def _nll_of_values(self, batch):
        return self.likelihood.nll_of_values(batch["x"], self._heads_of(batch))

    def _elbo_terms(self, batch, noise):
        """Return those terms of the objective that are (batch,), at codes drawn by `noise`, (batch, latent_dim)."""
        outputs = self.autoencode(batch, training=False, noise=noise)
        outputs["weight"], _ = shares(batch["x"], None)
        terms = self.objective(batch, outputs | {"share": 1.0})
        return {name: terms[name] for name in self.terms if len(terms[name].shape)}

    def _log_weight(self, batch, noise):
        """log p(x|z) + log p(z) - log q(z|x): x (batch, *shape), (batch, draws, latent_dim) -> (batch, draws)."""
        parameters = self._posterior(batch) | self._of_prior(batch)
        outputs = {**parameters, **self.latent.draw(parameters, noise)}
        draws = noise.shape[1]
        beside = {name: ops.repeat(value, draws, axis=0) for name, value in batch.items() if name != "x"}
        heads = self._heads(beside | {"z": ops.reshape(outputs["z"], (-1, self.spec.latent_dim))})
        heads = {name: ops.reshape(head, (-1, draws, *head.shape[1:])) for name, head in heads.items()}
        nll = self.likelihood.nll_of_values(batch["x"][:, None], heads)
        return self.latent.log_ratio(outputs) - ops.sum(nll, axis=tuple(range(2, len(nll.shape))))

    def _log_weights(self, x, num_samples: int, seed: int | np.random.Generator):
        """Yield log-weights, (num_samples, batch) in float64, for batch after batch of x."""
        checked_whole("num_samples", num_samples)
        x = self._checked(x)
        noise, count = noise_for(x["x"], seed), len(x["x"])
        draws = min(num_samples, 64)
        batch_size = _CHUNK // draws
        for start in range(0, count, batch_size):
            rows, logs = slice(start, min(start + batch_size, count)), []
            piece = rows_of(x, rows)
            for first in range(0, num_samples, draws):
                drawn = noise.normal(rows, first, draws, self.spec.latent_dim)
                logs.append(self._batched("log_weight", self._log_weight, piece, drawn, batch_size=batch_size).T)
            yield np.concatenate(logs)[:num_samples].astype("float64")

    def _require_variational(self, method: str) -> None:
        if not self.is_variational:
            what = "posterior" if self.can_sample else "prior"
            raise ValueError(f"{method} needs a {what} over codes, which {self.spec.model!r} has not. {self._way_to()}")

    def _way_to(self) -> str:
        """What has a likelihood and samples, where this model has not."""
        if self.spec.code.is_discrete:
            return "Fit one to them: keras_ae.priors.PixelCNN().fit(model, x); it has sample and log_likelihood."
        return "Use a variational model, such as keras_ae.build('conv_vae')."

    def _checked(self, x) -> dict:
        """Samples as rows that the model can take, under "x", and what stands beside them."""
        batch = checked_batch(x, self.spec)
        x = batch["x"]
        if x.dtype != np.uint8 and not isinstance(x, LazyRows):
            batch["x"] = np.asarray(x, dtype="float32")
        return batch

    def _batched(self, name: str, function, batch: dict, *arrays, batch_size: int):
        """Map a compiled function over batches, of a dict of rows and of arrays beside it.

        Few sizes are traced: full batches, and powers of two below them.
        """
        checked_whole("batch_size", batch_size)
        if name not in self.functions:
            names = tuple(batch)

            def flat(*values):
                given = dict(zip(names, values, strict=False))
                return function(scaled(given) if "x" in given else given, *values[len(names) :])

            self.functions[name] = self.compile_function(flat)
        arrays = [*batch.values(), *arrays]
        total, pieces = len(arrays[0]), []
        size = min(batch_size, 1 << (total - 1).bit_length())
        for start in range(0, total, size):
            batch = [array[start : start + size] for array in arrays]
            kept = len(batch[0])
            outputs = self.functions[name](*[padded(array, size) for array in batch])
            pieces.append(outputs if kept == size else rows_of(outputs, slice(kept)))
        return keras.tree.map_structure(lambda *outs: np.concatenate(outs), *pieces)


def _check_kind(kind: str) -> None:
    if kind not in ("mse", "mae", "nll"):
        raise ValueError(f'kind must be "mse", "mae" or "nll", got {kind!r}.')
