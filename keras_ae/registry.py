"""Names to specs, specs to models, rows to layers: `register`, `register_type`, `register_layer`, `build`, ..."""

import difflib
import inspect
import os
import warnings
from collections.abc import Callable
from fnmatch import fnmatch
from importlib import import_module
from pkgutil import walk_packages

import keras

from keras_ae.planned import SEVERAL_INPUTS, way_today
from keras_ae.rows import ROWS, Objective, Row, check_class

_SPECS: dict[str, Callable] = {}
_TYPES: dict[str, type] = {}
_LAYERS: dict[type[Row], Callable] = {}
_OPENERS: dict[str, Callable] = {}


def register(name: str) -> Callable:
    """Decorate the function that returns the spec of the model called `name`; its arguments are the overrides."""

    def decorate(function):
        _SPECS[name] = function
        return function

    return decorate


def register_type(objective: type[Objective]) -> Callable:
    """Decorate the `Autoencoder` subclass that trains specs with such an objective.

    Args:
        objective: the class of the objective's row, whose `model` names the type.

    Raises:
        TypeError: what is no class of objectives.
    """
    example = "Declare a frozen dataclass with model: ClassVar[str] = ..., and give it."
    check_class("register_type", objective, Objective, example)

    def decorate(cls):
        _TYPES[objective.model] = cls
        return cls

    return decorate


def register_layer(row: type[Row]) -> Callable:
    """Decorate what rows of a class, and of its subclasses that have none of their own, become in Keras.

    | row | what it becomes |
    |---|---|
    | of a layer | a function `(row, x, make) -> x` that applies layers, which `make` makes: `keras_ae.builder.Maker` |
    | `Code` | a subclass of `keras_ae.latents.CodeLayer` |
    | `Likelihood` | a subclass of `keras_ae.likelihoods.LikelihoodLayer` |
    | `Prior` | `(row, latent_dim, seed, *, draw, **options)` -> a layer p(z), as in `keras_ae.learned_priors` |
    | `Corruption` | a function `(row, x, draws) -> x` of tensors, with the `normal` and `uniform` of `draws` |
    | `Schedule` | a function `(row, step)` -> the value at a step of the optimiser |

    A class that is registered again becomes what was registered last. A file of a model names its rows: import the
    module that declares them before the file is loaded.

    Args:
        row: the class.

    Raises:
        TypeError: what is no class of rows.

    Example:

        @dataclass(frozen=True)
        class GatedLinear(keras_ae.Row):
            units: int

            def output_shape(self, shape):
                return (*shape[:-1], self.units)

            def mirror(self, shape, activation):
                return GatedLinear(shape[-1])

            def parameters(self, shape):
                return 2 * (shape[-1] + 1) * self.units


        @keras_ae.register_layer(GatedLinear)
        def gated_linear(row, x, make):
            values = make.weighted(keras.layers.Dense, row.units, name="values")(x)
            gates = make.weighted(keras.layers.Dense, row.units, activation="sigmoid", name="gates")(x)
            return make.layer(keras.layers.Multiply, name="gated")([values, gates])
    """
    check_class("register_layer", row, Row, "Declare a frozen dataclass, and give it.")

    def decorate(becomes):
        _LAYERS[row] = becomes
        return becomes

    return decorate


def layer_of(row: Row) -> Callable:
    """What `register_layer` was given for the class of a row, or else for the nearest class that it is derived from.

    Raises:
        TypeError: there is none.
    """
    for kind in type(row).__mro__:
        if kind in _LAYERS:
            return _LAYERS[kind]
    name = type(row).__name__
    raise TypeError(f"Nothing says what {row} becomes. Decorate its layer: @keras_ae.register_layer({name}).")


def discover(package: str) -> dict[str, type[Row]]:
    """The rows that the modules of a package declare, by name. All are imported, those in folders too.

    Args:
        package: its full name, such as "keras_ae.models".
    """
    for module in walk_packages(import_module(package).__path__, f"{package}."):
        import_module(module.name)
    return {name: row for name, row in ROWS.items() if row.__module__.startswith(f"{package}.")}


def register_opener(function: Callable) -> Callable:
    """Decorate what `build` asks for weights: `(model, weights, overrides) -> (spec, load)`; `load` fills the model."""
    _OPENERS["weights"] = function
    return function


def list_models(pattern: str = "*") -> list[str]:
    """Return the names that `build` knows and that match the shell-style `pattern`, sorted."""
    return sorted(name for name in _SPECS if fnmatch(name, pattern))


def describe(name: str) -> str:
    """Return the docstring of the model called `name`: what it is, its arguments, its paper."""
    return inspect.getdoc(_found(name, _SPECS, "model"))


def options(name: str) -> str:
    """Return the options of the model called `name` with what they are unless told otherwise."""
    found = inspect.signature(_found(name, _SPECS, "model")).parameters.values()
    return ", ".join(f"{each.name}={each.default!r}" for each in found)


def spec(name: str, **overrides):
    """Return the `Spec` of the model called `name`.

    Args:
        name: one of `list_models()`.
        **overrides: arguments of that model, such as `input_shape` and `latent_dim`; `describe(name)` lists them.

    Raises:
        ValueError: an unknown name (the nearest is suggested) or an override that this model does not have.
    """
    check_options(name, overrides)
    shape = overrides.get("input_shape")
    if isinstance(shape, dict) or (isinstance(shape, list | tuple) and any(isinstance(s, list | tuple) for s in shape)):
        raise ValueError(f"input_shape={shape!r} has more than one shape. {SEVERAL_INPUTS}")
    return _SPECS[name](**overrides)


def takes(name: str, option: str) -> bool:
    """Whether the model called `name` has an option.

    Raises:
        ValueError: an unknown name.
    """
    return option in inspect.signature(_found(name, _SPECS, "model")).parameters


def check_options(name: str, overrides: dict) -> None:
    """Raise a `ValueError` where the model called `name` is unknown or does not take one of `overrides`."""
    known = list(inspect.signature(_found(name, _SPECS, "model")).parameters)
    for key in overrides:
        if key not in known:
            raise ValueError(f"Model {name!r} has no option {key!r}.{way_today(key)} It takes {', '.join(known)}.")


def build(
    model,
    *,
    weights: str | os.PathLike | None = None,
    optimizer=None,
    seed: int | None = None,
    dtype: str | None = None,
    jit_compile: bool | None = None,
    **overrides,
):
    """Return a compiled autoencoder, ready for `fit(x)`.

    Args:
        model: a name of `list_models()`, or a `Spec` of your own.
        weights: pretrained weights to start from: a data set's name, of which `keras_ae.list_weights()` has those that
            ship with the package, a folder of the same shape, or "hf://user/repo". The spec is then the one stored with
            them; None draws initial weights.
        optimizer: a Keras optimiser or its name; Adam with learning rate 1e-3 unless told otherwise, and with what else
            the model type's `adam` says.
        seed: fixes the initial weights and every draw of the model on one backend; None takes them from Keras' global
            random state (`keras.utils.set_random_seed`).
        dtype: Keras dtype policy of the hidden layers, such as "mixed_bfloat16"; None means Keras' global policy.
        jit_compile: compile the step with XLA; None takes the faster choice measured for the backend.
        **overrides: arguments of the named model, such as `input_shape=(64, 64, 3)`, `latent_dim=64`. Beside weights
            they must be those of the weights, but for `beta` and the `strength` of sparsity, which may be others.

    Returns:
        A compiled `keras_ae.Autoencoder`.

    Raises:
        ValueError: an unknown name or option, or (as `SpecError`) a spec that cannot be built; weights that are
            unknown or damaged, or do not fit the model or an option.
        FileNotFoundError: the folder of the weights, or a file in it, is missing.

    Example:

        model = keras_ae.build("conv_vae", latent_dim=2, seed=0)
        model.fit(images, epochs=10)
    """
    load = None
    if isinstance(model, str):
        if weights is None:
            model = spec(model, **overrides)
    elif overrides:
        raise ValueError(
            f"build(spec) takes no further options, got {', '.join(overrides)}. "
            "Change the spec itself: dataclasses.replace(spec, ...)."
        )
    if weights is not None:
        model, load = _OPENERS["weights"](model, weights, overrides)
    options = {} if load is None else {"draw": False}
    kind = type_of(model)
    autoencoder = kind(model, seed=seed, dtype=dtype, **options)
    autoencoder.compile(optimizer=optimizer or keras.optimizers.Adam(1e-3, **kind.adam), jit_compile=jit_compile)
    if load is not None:
        load(autoencoder)
    else:
        _warn_of_huge(model)
    return autoencoder


def type_of(spec) -> type:
    """Return the model type that trains a spec.

    Raises:
        ValueError: there is none of that name.
    """
    return _found(spec.model, _TYPES, "model type")


def _warn_of_huge(model) -> None:
    """Warn of dense rows whose weights are too many, in one sentence that names the largest."""
    if huge := model.huge_rows():
        part, row, count = max(huge, key=lambda line: line[-1])
        warnings.warn(
            f"The {part}'s row {row} has {count:,} weights at input_shape={model.input_shape}, "
            f"{count * 16 / 2**30:.1f} GiB with gradient and Adam's state. Resize or crop the input, or write a Spec "
            "with more strided Conv or Pool rows before Flatten().",
            stacklevel=3,
        )


def _found(name: str, table: dict, what: str):
    if name in table:
        return table[name]
    near = difflib.get_close_matches(str(name), table, n=1, cutoff=0.4)
    hint = way_today(name) or (f" Did you mean {near[0]!r}?" if near else "")
    listing = "See keras_ae.list_models()." if what == "model" else f"Known: {', '.join(sorted(table))}."
    raise ValueError(f"Unknown {what} {name!r}.{hint} {listing}")
