"""Smooth bounds for log-variances."""

import math

from keras import ops

LOG_VAR_LIMIT = 10.0


def bounded(log_var, limit: float = LOG_VAR_LIMIT):
    """Squash log-variances into (-limit, limit): near the identity around 0, and never without a gradient."""
    return limit * ops.tanh(log_var / limit)


def unbounded(log_var: float, limit: float = LOG_VAR_LIMIT) -> float:
    """Return the number that `bounded` squashes to `log_var`, which lies in (-limit, limit)."""
    return limit * math.atanh(log_var / limit)
