"""Training on data that hold anomalies: a trimmed loss."""

from collections.abc import Callable
from functools import partial

import numpy as np

from keras_ae.anomaly.thresholds import checked_contamination
from keras_ae.checks import checked_whole
from keras_ae.feeding import rows_of
from keras_ae.intake import with_inputs


def fit_trimmed(model, x, *, share: float = 0.1, rounds: int = 2, fit: Callable | None = None, **options) -> np.ndarray:
    """Train as `Autoencoder.fit`, then train on without the samples that are rebuilt worst, as often as `rounds` says.

    Iterative trimmed loss minimisation (Shen & Sanghavi 2019), the concentration steps of least trimmed squares
    (Rousseeuw & Van Driessen 2006): a model learns first what most samples have in common, so that anomalies among
    them have the greatest loss. We differ: the loss is trimmed over all samples and not over a batch, which needs
    nothing of the training step, and no batch is too small for it.

    Args:
        model: a compiled `Autoencoder`.
        x: samples, most of them normal, (n, *input_shape), or a dict of them and of what the model takes beside them.
        share: share of the samples to leave out, in (0, 0.5].
        rounds: how often to trim and train on, at least 1; every round and the first training take all `epochs`.
        fit: what trains the model, called with the samples to train on; None means `model.fit` with the options.
        **options: all that `Autoencoder.fit` takes but y and sample_weight; inputs beside x by name.

    Returns:
        Which samples were kept in the last round, booleans (n,): what scores should be fitted on.

    Raises:
        ValueError: a share or rounds outside their range, data that the model cannot take.
    """
    checked_contamination(share, name="share")
    checked_whole("rounds", rounds)
    x = with_inputs(x, options, model.spec)
    x = {name: np.asarray(value) for name, value in x.items()} if isinstance(x, dict) else np.asarray(x)
    fit = fit or partial(model.fit, **options)
    fit(x)
    for _ in range(rounds):
        errors = model.reconstruction_error(x, kind="nll")
        kept = errors <= np.quantile(errors, 1 - share)
        fit(rows_of(x, kept))
    return kept
