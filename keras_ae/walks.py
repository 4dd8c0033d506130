"""Walks through the codes of a trained autoencoder: paths between samples, and steps along an attribute."""

import numpy as np

from keras_ae.checks import checked_whole
from keras_ae.intake import checked_batch, with_inputs
from keras_ae.paths import spherical


class Walks:
    """The methods of a trained `Autoencoder` that decode codes of its own making."""

    def sample_each(self, n: int, seed: int | None = None, *, batch_size: int = 256, **inputs) -> dict:
        """Return `n` samples of each class, drawn from the prior, by class: {class: (n, *input_shape)}.

        Args:
            n: how many of each.
            seed: fixes the codes on every backend; None draws new ones.
            batch_size: samples at once.
            **inputs: what the spec has as `inputs` beside x, by name. Classes given are those that are drawn; without
                them, all. Of all else there is one value, or one for each of the `n` samples, the same of each class.

        Raises:
            ValueError: as `sample`. A model that takes no classes draws `n` samples, by the key None.
        """
        checked_whole("n", n)
        takers = self.spec.beside("prior", "decoder", "likelihood")
        listed = next((row for row in takers if row.listed() is not None), None)
        if listed is None:
            return {None: self.sample(n, seed, batch_size=batch_size, **inputs)}
        classes = np.atleast_1d(inputs.get(listed.name, listed.listed()))
        for row in takers:
            if row.name in inputs:
                value = np.asarray(inputs[row.name])
                each = value.ndim > len(row.shape) and len(value) == n
                inputs[row.name] = np.concatenate([value] * len(classes)) if each else value
        inputs[listed.name] = np.repeat(classes, n)
        drawn = self.sample(n * len(classes), seed, batch_size=batch_size, **inputs)
        return dict(zip(classes.tolist(), drawn.reshape(len(classes), n, *drawn.shape[1:]), strict=True))

    def interpolate(self, a, b, *, steps: int = 8, method: str = "linear", **inputs) -> np.ndarray:
        """Return decoded paths from the codes of `a` to those of `b`: twice (n, *input_shape) -> (n, steps, ...).

        Where the spec has `inputs`, a and b are encoded by their own, in dicts, and those of `a` hold along the path:
        it ends in what the code of b is under them, another digit of a's class in b's hand, say. Between two discrete
        codes, and where an attribute is added to one, z is no entry of a codebook: the decoder gets what it was not
        trained on.

        Args:
            a: samples at which the paths begin.
            b: samples at which they end.
            steps: points on a path, both ends included, at least 2.
            method: "linear", or "spherical" (along the great circle; White 2016), which keeps the length of codes.
            **inputs: what the spec has as `inputs` beside x, by name, of a and b alike.

        Raises:
            ValueError: other shapes, fewer than 2 steps, an unknown method.
        """
        if method not in ("linear", "spherical"):
            raise ValueError(f'method must be "linear" or "spherical", got {method!r}.')
        (a, beside), (b, _) = self._with_beside(a, inputs), self._with_beside(b, inputs)
        start, stop = (z.reshape(len(z), 1, -1) for z in (self.encode(a), self.encode(b)))
        count = len(start)
        if steps < 2 or count != len(stop):
            raise ValueError(
                f"interpolate needs steps >= 2 and as many a as b, got steps={steps}, {count}, {len(stop)}."
            )
        share = np.linspace(0, 1, steps, dtype="float32")[None, :, None]
        path = spherical(start, stop, share) if method == "spherical" else (1 - share) * start + share * stop
        beside = {name: np.repeat(values, steps, axis=0) for name, values in beside.items()}
        x_hat = self.decode(path.reshape(-1, *self.spec.code_shape), **beside)
        return x_hat.reshape(count, steps, *self.spec.input_shape)

    def attribute_vector(self, x, has, **inputs) -> np.ndarray:
        """Return the mean code of samples with an attribute less that of those without: (*code_shape,).

        Larsen et al. 2016, "Autoencoding beyond pixels using a learned similarity metric", section 4.2.

        Args:
            x: samples, (n, *input_shape).
            has: whether each has the attribute, (n,) booleans.
            **inputs: what the spec has as `inputs` beside x, by name. An attribute that they tell is not in the code:
                change the input instead.

        Raises:
            ValueError: `has` is not (n,) booleans, or is the same for all samples.
        """
        has, z = np.asarray(has), self.encode(x, **inputs)
        if has.shape != (len(z),) or has.dtype != bool:
            raise ValueError(f"has must be ({len(z)},) booleans, not {has.dtype} of shape {has.shape}.")
        if has.all() or not has.any():
            raise ValueError("has needs samples with the attribute and samples without it.")
        return z[has].mean(axis=0) - z[~has].mean(axis=0)

    def add_attribute(self, x, vector, *, strength: float = 1.0, **inputs) -> np.ndarray:
        """Return what decodes from the codes of x plus `strength` times a vector: (n, *input_shape) -> the same shape.

        Args:
            x: samples.
            vector: of `attribute_vector`, (*code_shape,), or any direction, or sum, of codes.
            strength: 1 adds the whole difference, -1 takes it away.
            **inputs: what the spec has as `inputs` beside x, by name; they stay as they are.

        Raises:
            ValueError: the vector has another shape.
        """
        vector = np.asarray(vector, dtype="float32")
        if vector.shape != self.spec.code_shape:
            raise ValueError(f"vector has shape {vector.shape}, but add_attribute takes {self.spec.code_shape}.")
        x, beside = self._with_beside(x, inputs)
        return self.decode(self.encode(x) + strength * vector, **beside)

    def _with_beside(self, x, inputs: dict) -> tuple:
        """x, in a dict with its inputs where the spec has some, and those that the decoder takes."""
        x = with_inputs(x, dict(inputs), self.spec, all_of_them=True)
        if not self.spec.inputs:
            return x, {}
        batch = checked_batch(x, self.spec)
        return batch, {row.name: batch[row.name] for row in self.spec.beside("decoder", "likelihood")}
