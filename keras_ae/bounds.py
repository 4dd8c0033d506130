"""Smooth bounds for log-variances."""

from keras import ops

LOG_VAR_LIMIT = 10.0


def bounded(log_var, limit: float = LOG_VAR_LIMIT):
    """Squash log-variances into (-limit, limit): near the identity around 0, and never without a gradient."""
    return limit * ops.tanh(log_var / limit)
