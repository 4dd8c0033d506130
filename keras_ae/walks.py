"""Walks through the codes of a trained autoencoder: paths between samples, and steps along an attribute."""

import numpy as np

from keras_ae.paths import spherical


class Walks:
    """The methods of a trained `Autoencoder` that decode codes of its own making."""

    def interpolate(self, a, b, *, steps: int = 8, method: str = "linear") -> np.ndarray:
        """Return decoded paths from the codes of `a` to those of `b`: twice (n, *input_shape) -> (n, steps, ...).

        Args:
            a: samples at which the paths begin.
            b: samples at which they end.
            steps: points on a path, both ends included, at least 2.
            method: "linear", or "spherical" (along the great circle; White 2016), which keeps the length of codes.

        Raises:
            ValueError: other shapes, fewer than 2 steps, an unknown method.
        """
        if method not in ("linear", "spherical"):
            raise ValueError(f'method must be "linear" or "spherical", got {method!r}.')
        start, stop = self.encode(a)[:, None], self.encode(b)[:, None]
        count = len(start)
        if steps < 2 or count != len(stop):
            raise ValueError(
                f"interpolate needs steps >= 2 and as many a as b, got steps={steps}, {count}, {len(stop)}."
            )
        share = np.linspace(0, 1, steps, dtype="float32")[None, :, None]
        path = spherical(start, stop, share) if method == "spherical" else (1 - share) * start + share * stop
        return self.decode(path.reshape(-1, self.spec.latent_dim)).reshape(count, steps, *self.spec.input_shape)

    def attribute_vector(self, x, has) -> np.ndarray:
        """Return the mean code of samples with an attribute less that of those without: (latent_dim,).

        Larsen et al. 2016, "Autoencoding beyond pixels using a learned similarity metric", section 4.2.

        Args:
            x: samples, (n, *input_shape).
            has: whether each has the attribute, (n,) booleans.

        Raises:
            ValueError: `has` is not (n,) booleans, or is the same for all samples.
        """
        has, z = np.asarray(has), self.encode(x)
        if has.shape != (len(z),) or has.dtype != bool:
            raise ValueError(f"has must be ({len(z)},) booleans, not {has.dtype} of shape {has.shape}.")
        if has.all() or not has.any():
            raise ValueError("has needs samples with the attribute and samples without it.")
        return z[has].mean(axis=0) - z[~has].mean(axis=0)

    def add_attribute(self, x, vector, *, strength: float = 1.0) -> np.ndarray:
        """Return what decodes from the codes of x plus `strength` times a vector: (n, *input_shape) -> the same shape.

        Args:
            x: samples.
            vector: of `attribute_vector`, (latent_dim,), or any direction, or sum, of codes.
            strength: 1 adds the whole difference, -1 takes it away.

        Raises:
            ValueError: the vector has another shape.
        """
        vector = np.asarray(vector, dtype="float32")
        if vector.shape != (self.spec.latent_dim,):
            raise ValueError(f"vector has shape {vector.shape}, but add_attribute takes ({self.spec.latent_dim},).")
        return self.decode(self.encode(x) + strength * vector)
