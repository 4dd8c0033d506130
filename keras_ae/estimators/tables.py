"""A network for tables, and which spec an estimator's arguments stand for."""

from dataclasses import replace
from math import prod

from keras_ae import registry
from keras_ae.rows import Dense, GaussianNoise, Normal, Vector
from keras_ae.spec import Spec


def table_spec(features: int, *, latent_dim: int, noise: float = 0.0, width: int | None = None) -> Spec:
    """Return an autoencoder of standardised rows of numbers: one hidden layer on either side of the code.

    Args:
        features: columns of the table.
        latent_dim: dimensions of the code.
        noise: standard deviation of the Gaussian noise that training adds to standardised rows; 0 adds none. With
            noise, a code of as many dimensions as columns does not learn to copy (Vincent et al. 2010).
        width: units of the hidden layers; None means 4 for each column, at least 128 and at most 512.
    """
    width = width or min(max(4 * features, 128), 512)
    corruption = GaussianNoise(noise) if noise else None
    return Spec((features,), (Dense(width, "silu"),), Vector(latent_dim), Normal(), corruption=corruption)


def spec_for(model: str | Spec | None, features: int, *, latent_dim: int | None, options: dict) -> Spec:
    """Return the spec that `model` stands for on rows of so many features.

    Args:
        model: a name of `list_models()`, a spec, or None for `table_spec`.
        features: columns of the table.
        latent_dim: dimensions of the code; None means the named model's own.
        options: arguments of the named model or of `table_spec`. `input_shape` says which shape a row has when it is
            unfolded; without it a row is a row, and p(x|z) a Gaussian.

    Raises:
        ValueError: an unknown name or option, options beside a spec, or rows of another size.
    """
    if isinstance(model, Spec):
        if options or latent_dim is not None:
            raise ValueError("A Spec takes no latent_dim and no model_params: change the spec, dataclasses.replace().")
        found = model
    elif model is None:
        found = table_spec(features, latent_dim=latent_dim, **options)
    else:
        given = options if latent_dim is None else {"latent_dim": latent_dim} | options
        is_table = "input_shape" not in given
        has_choice = registry.takes(model, "likelihood")  # A model of counts has none.
        table = {"input_shape": (features,)} | ({"likelihood": "gaussian"} if has_choice else {})
        found = registry.spec(model, **(table | given))
        if is_table and has_choice and found.code.has_density and "likelihood" not in given:
            # Under a variance of 1 the code of a standardised table would say nothing (Rybkin et al. 2021).
            found = replace(found, likelihood="gaussian_global")
    values = prod(found.input_shape)
    if values != features:
        raise ValueError(f"X has {features} features, but the model takes {found.input_shape}, which are {values}.")
    return found
