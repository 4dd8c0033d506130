"""Corruptions of single values: noise, counts, values that are hidden; and their chain."""

import math

from keras import ops

from keras_ae.registry import layer_of, register_layer
from keras_ae.rows import (
    Chain,
    Corruption,
    GaussianNoise,
    Masking,
    MissingValues,
    OneOf,
    Poisson,
    SaltAndPepper,
    Speckle,
)

LARGEST_MEAN = 64.0  # Whose exp(-mean) float32 still has.
TAIL = 2e-6  # What sums of probabilities in float32 may lack of 1.


def applied(row: Corruption, x, draws):
    """Return x corrupted as `row` says, by random numbers of `draws`: (batch, *shape) -> (batch, *shape)."""
    return layer_of(row)(row, x, draws)


@register_layer(Chain)
def _(row, x, draws):
    for link in row.rows:
        x = applied(link, x, draws)
    return x


@register_layer(OneOf)
def _(row, x, draws):
    each = (ops.shape(x)[0], *[1] * (len(x.shape) - 1))
    chosen = ops.floor(draws.uniform(each, high=len(row.rows)))
    first, *others = (applied(one, x, draws) for one in row.rows)  # All are computed, and one is kept.
    for index, other in enumerate(others, start=1):
        first = ops.where(chosen == index, other, first)
    return first


@register_layer(GaussianNoise)
def _(row, x, draws):
    noise = draws.normal(ops.shape(x), x.dtype)
    if row.low is None:
        return x + row.sigma * noise
    each = (ops.shape(x)[0], *[1] * (len(x.shape) - 1))
    return x + draws.uniform(each, row.low, row.sigma, x.dtype) * noise


@register_layer(Poisson)
def _(row, x, draws):
    # A count of a large mean is the sum of counts of smaller ones.
    parts = math.ceil(row.peak / LARGEST_MEAN)
    most = row.peak / parts
    mean = most * ops.clip(ops.cast(x, "float32"), 0.0, 1.0)
    counts = sum(_counts(mean, most, draws) for _ in range(parts))
    return ops.cast(counts / row.peak, x.dtype)


def _counts(mean, most: float, draws):
    """Draw from Poisson(mean), where no mean exceeds `most`, by inversion: the number of k with u > P(count <= k)."""
    u = draws.uniform(ops.shape(mean), high=1 - TAIL)

    def step(k, state):
        chance, below, counts = state
        counts = counts + ops.cast(u > below, "float32")
        chance = chance * mean / (ops.cast(k, "float32") + 1)
        return chance, below + chance, counts

    none = ops.exp(-mean)
    return ops.fori_loop(0, math.ceil(most + 8 * math.sqrt(most)) + 10, step, (none, none, ops.zeros_like(mean)))[2]


@register_layer(Speckle)
def _(row, x, draws):
    return x * (1 + row.sigma * draws.normal(ops.shape(x), x.dtype))


@register_layer(SaltAndPepper)
def _(row, x, draws):
    chance = draws.uniform(ops.shape(x))
    salted = ops.where(chance < 0.5 * row.rate, ops.ones_like(x), x)
    return ops.where(chance > 1 - 0.5 * row.rate, ops.zeros_like(x), salted)


@register_layer(Masking)
def _(row, x, draws):
    return ops.where(draws.uniform(ops.shape(x)) < row.rate, ops.zeros_like(x), x)


@register_layer(MissingValues)
def _(row, x, draws):
    hidden = ops.logical_or(ops.isnan(x), draws.uniform(ops.shape(x)) < row.rate)
    if row.fill == "nan":
        return ops.where(hidden, ops.full_like(x, math.nan), x)
    left = ops.where(hidden, ops.zeros_like(x), x)
    if row.fill == "zero":
        return left
    count = ops.sum(ops.cast(ops.logical_not(hidden), x.dtype), axis=0, keepdims=True)
    return ops.where(hidden, ops.divide_no_nan(ops.sum(left, axis=0, keepdims=True), count), x)
