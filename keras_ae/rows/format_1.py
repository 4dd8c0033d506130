"""Specs as version 0.1.0 wrote them: a code's row had the weights of the objective, and the spec the model type."""

from dataclasses import fields

from keras_ae.rows.base import ROWS, Row, SpecError, plain, row_from_dict
from keras_ae.rows.codes import sparse_code
from keras_ae.rows.objectives import objective_of

FORMAT = 1
# Of each row of codes then: the model type that it stood for, and its fields.
_LATENTS = {
    "Vector": ("ae", ("latent_dim", "activation")),
    "Identity": ("ae", ("latent_dim",)),
    "Gaussian": ("vae", ("latent_dim", "beta", "prior")),
    "Sparse": ("sparse_ae", ("latent_dim", "penalty", "strength", "rho")),
    "Neighbours": ("neighbour_ae", ("latent_dim", "strength", "count")),
}


def upgraded(config: dict) -> dict:
    """Return the fields of a spec of format 1, without its "format", as those of today.

    Raises:
        SpecError: a row or field that version 0.1.0 did not have.
    """
    latent, model = dict(config.pop("latent")), config.pop("model", "")
    name = latent.pop("row", None)
    if name not in _LATENTS:
        raise SpecError(f"Unknown row {name!r} in the spec. Known latent rows of format 1: {', '.join(_LATENTS)}.")
    default, known = _LATENTS[name]
    if unknown := set(latent) - set(known):
        raise SpecError(f"Row {name}: unknown fields {sorted(unknown)}. Its fields are {list(known)}.")
    objective = _row(objective_of(model or default), latent)
    if name == "Sparse":
        code = sparse_code(*(latent[field] for field in ("latent_dim", "penalty", "rho")))
    else:
        code = _row(ROWS["Vector" if name == "Neighbours" else name], latent)
    return config | {"code": plain(code), "objective": plain(objective)}


def _row(kind: type[Row], values: dict) -> Row:
    """Return a row of the values that are its fields."""
    names = [field.name for field in fields(kind)]
    return row_from_dict({"row": kind.__name__} | {name: value for name, value in values.items() if name in names})
