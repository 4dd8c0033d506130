"""Tied weights: each row of the decoder uses the kernel of the encoder's row that it mirrors (Vincent et al. 2010, 2).

A mirror is the adjoint of its row, with a bias of its own: of `x @ W` it is `z @ W.T`, of a convolution the transposed
convolution with the same kernel.
"""

from collections.abc import Callable
from functools import cache

import keras
from keras import ops


@keras.saving.register_keras_serializable("keras_ae")
class Kernel(keras.layers.Layer):
    """Holds the kernel of a row and its mirror, which files have once."""

    def build(self, shape, **options):
        """Make the kernel, with the options of `add_weight`."""
        self.kernel = self.add_weight(shape=shape, name="kernel", **options)


class _Tied:
    """A layer whose kernel lies in a `Kernel`: one given to it, or its own where it is made anew from a file."""

    def __init__(self, *args, shared: Kernel | None = None, **kwargs):
        super().__init__(*args, **kwargs)
        self.shared = shared or Kernel(name="kernel", dtype=self.dtype_policy)

    def add_weight(self, shape=None, *args, name=None, **options):
        """Return the shared kernel for the kernel, whose shape is that of the row which is mirrored."""
        if name != "kernel":
            return super().add_weight(shape, *args, name=name, **options)
        if not self.shared.built:
            self.shared.build(self.of_row(shape), **options)
        return self.shared.kernel

    def of_row(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape that the kernel has where it is held."""
        return shape

    def save_own_variables(self, store):
        """Write all but the kernel, which the `Kernel` writes."""
        store["bias"] = ops.convert_to_numpy(self.bias)

    def load_own_variables(self, store):
        """Read all but the kernel."""
        if set(store.keys()) != {"bias"}:
            raise ValueError(f"Layer {self.name!r} has tied weights, and those given are not tied.")
        self.bias.assign(store["bias"])


class _Transposed:
    """A dense layer whose kernel is held as the row has it that it mirrors: (units, features)."""

    def of_row(self, shape):
        """Return (units, features)."""
        return shape[::-1]

    @property
    def kernel(self):
        """The kernel as the layer uses it, (features, units)."""
        return ops.transpose(self.shared.kernel)


@cache
def _tied(kind: type, *more: type) -> type:
    name = "".join(base.__name__.strip("_") for base in (*more, _Tied, kind))
    return keras.saving.register_keras_serializable("keras_ae")(type(name, (*more, _Tied, kind), {}))


class Ties:
    """Makes the layers of an encoder, then those of its mirror with the same kernels, from last to first."""

    def __init__(self):
        self._kernels: list[Kernel] = []

    def lend(self, kind: type) -> Callable:
        """Return what makes a layer of the encoder."""

        def make(*args, **kwargs):
            layer = _tied(kind)(*args, **kwargs)
            self._kernels.append(layer.shared)
            return layer

        return make

    def borrow(self, kind: type) -> Callable:
        """Return what makes a layer of the decoder."""
        tied = _tied(kind, _Transposed) if issubclass(kind, keras.layers.Dense) else _tied(kind)
        return lambda *args, **kwargs: tied(*args, shared=self._kernels.pop(), **kwargs)
