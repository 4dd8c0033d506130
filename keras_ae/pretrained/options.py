"""Options of a named model beside pretrained weights: those of the objective may change, the others must fit."""

from dataclasses import fields

from keras_ae import registry
from keras_ae.rows import LIKELIHOODS
from keras_ae.spec import Spec


def fitted(stored: Spec, model: str, overrides: dict, weights: str) -> Spec:
    """Return the stored spec with the weights of the objective (`beta`, `strength` of sparsity) that were asked for.

    None stands for whatever the weights have.

    Args:
        stored: the spec of the weights.
        model: the name of the model, whose options are checked.
        overrides: options by name.
        weights: what the user called the weights, for messages.

    Raises:
        ValueError: an unknown option, or one that differs from what the weights were trained with.
    """
    if model in registry.list_models():
        registry.check_options(model, overrides)
    spec = stored
    for key, value in overrides.items():
        if key in stored.scheduled:
            spec = spec if value is None else spec.rescheduled(**{key: value})
            continue
        own = _stored(stored, key)
        if value is not None and value != own and not _means(stored, key, value):
            resize = "resize the images, " if key == "input_shape" else ""
            raise ValueError(
                f"The weights {weights} are for {key} {_shown(own)}, got {_shown(value)}. "
                f"Leave it out, {resize}or build without weights."
            )
    return spec


def _stored(spec: Spec, key: str):
    """Return what the stored spec has for an option of a named model; None where it has no such thing."""
    if key == "strength" and spec.corruption is not None:
        return getattr(spec.corruption, fields(spec.corruption)[0].name)
    if key in spec.input_names:
        return next(row.width for row in spec.inputs if row.name == key)
    if key == "likelihood":
        return next((name for name, row in LIKELIHOODS.items() if row == spec.likelihood), spec.likelihood)
    return next((getattr(each, key) for each in (spec, spec.code, spec.objective) if hasattr(each, key)), None)


def _means(spec: Spec, key: str, value) -> bool:
    """Return whether `value` is another way to write what the spec has: a list of sides, the name of a row."""
    if key == "input_shape":
        return isinstance(value, list) and tuple(value) == spec.input_shape
    if key == "likelihood":
        return value == spec.likelihood
    if key == "prior":
        return value == "conditional" and bool(spec.beside("prior"))
    is_name = key == "corruption" and spec.corruption is not None and isinstance(value, str)
    return is_name and value in spec.corruption.names


def _shown(value) -> str:
    return repr(value) if isinstance(value, str) else str(value)
