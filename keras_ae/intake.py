"""What `fit`, `evaluate`, `predict` and the methods of a trained model are given, checked: arrays, rows or a stream."""

from collections.abc import Callable
from functools import wraps
from typing import NamedTuple

import numpy as np

from keras_ae.checks import check_rows, checked_inputs
from keras_ae.forms import as_array, as_rows
from keras_ae.forms.frames import column_names
from keras_ae.forms.lazy_rows import LazyRows
from keras_ae.sample_weights import checked_weights
from keras_ae.spec import Spec
from keras_ae.streams import (
    Watch,
    apart,
    batches_of,
    check_target,
    first_missing,
    first_part,
    is_labels,
    is_stream,
    read,
    say_left_out,
    watched,
)


class Given(NamedTuple):
    """Data as Keras and `feeding` take them; `watch` looks at the batches of a stream, else None."""

    x: object
    y: object = None
    sample_weight: object = None
    watch: Watch | None = None

    @property
    def weights_rank(self) -> int | None:
        """Axes of the weights; None where there are none, or nobody knows."""
        return getattr(self.sample_weight, "ndim", None) if self.watch is None else self.watch.weights_rank

    @property
    def arrays(self) -> tuple:
        """(x,), (x, y) or (x, y, sample_weight)."""
        return tuple(part for part in self[:3] if part is not None)


def checked_rows(data, spec: Spec, name: str = "x", **options) -> np.ndarray | LazyRows:
    """Samples in any form but a stream, as rows that the model can take.

    Args:
        data: see `forms.as_rows`.
        spec: the model's.
        name: the argument's name in messages.
        **options: of `checks.check_rows`.

    Raises:
        ValueError, TypeError: as `forms.as_rows` and `checks.check_rows`.
    """
    rows = as_rows(data, name)
    check_rows(rows, spec, name, columns=column_names(data), **options)
    return rows


def checked_batch(x, spec: Spec, name: str = "x", **options) -> dict:
    """Samples, and what stands beside them in a dict, as rows that the model can take: `{"x": ..., input: ...}`.

    Args:
        x: see `forms.as_rows`; or a dict of that under "x" and of the spec's inputs by name.
        spec: the model's.
        name: the argument's name in messages.
        **options: of `checks.check_rows`.

    Raises:
        ValueError, TypeError: as `checked_rows` and `checked_inputs`.
    """
    x, beside = apart(x, spec, name) if spec.inputs else (x, {})
    rows = checked_rows(x, spec, name, **options)
    return {"x": rows} | checked_inputs(beside, spec.inputs, len(rows), name, x=rows)


def given(
    x, y, sample_weight, spec: Spec, *, name: str = "x", training: bool = False, shuffle_seed: list | None = None
) -> Given:
    """Check data of any form, and return them as Keras takes them.

    A target that is x itself counts as none; labels are left out, with a notice, or taken by a model that takes some.

    Args:
        x: samples in any form of `forms.as_rows`, beside which a dict may hold inputs, or a stream.
        y: the clean target, or None.
        sample_weight: see `checked_weights`, or None.
        spec: the model's.
        name: the name of x in messages.
        training: see `check_rows`, `masks_refused`.
        shuffle_seed: see `streams.watched`.

    Raises:
        ValueError, TypeError: data that the model cannot take; a target or weights beside a stream.
    """
    if is_stream(x):
        for part, value in (("y", y), ("sample_weight", sample_weight)):
            if value is not None:
                raise ValueError(f"{part} cannot stand beside a stream. Let {name} give (x, target, sample_weight).")
        watch = Watch(spec, name, training=training)
        return Given(watched(x, watch, shuffle_seed=shuffle_seed), watch=watch)
    if spec.inputs:
        x, beside = apart(x, spec, name)
        row = first_missing(beside, spec)
        if y is not None and row and is_labels(np.shape(y), spec.input_shape):
            beside, y = beside | {row.name: y}, None
    rows = checked_rows(x, spec, name, masks_refused=training)
    target = None
    if y is not None and y is not x:
        target = as_rows(y, f"{name} (target)")
        if is_labels(target.shape, spec.input_shape):
            say_left_out(f"labels {target.shape} beside x", name)
            target = None
        else:
            check_target(target, rows, spec, name, columns=column_names(y), masks_refused=training)
    if sample_weight is not None:
        sample_weight = checked_weights(sample_weight, rows.shape)
        if target is None:  # Keras would drop weights beside no target; of no columns, it stands for none.
            target = np.empty((len(rows), 0), dtype="float32")
    if spec.inputs:
        rows = {"x": rows} | checked_inputs(beside, spec.inputs, len(rows), name, x=rows)
    return Given(rows, target, sample_weight)


def gathered(data, name: str = "x"):
    """Samples in any form, in memory: frames as they are, for their columns' names, and all else as an array.

    Of a stream of pairs the first part is taken. Values are not checked, but the columns of frames are.

    Raises:
        ValueError, TypeError: as `forms.as_rows`; an endless stream, or one without a batch.
    """
    if not is_stream(data):
        rows = as_rows(data, name)
        return data if column_names(data) else rows[:] if isinstance(rows, LazyRows) else rows
    firsts = [first_part(batch, name) for batch in read(data, name)]
    if not firsts:
        raise ValueError(f"{name} is a stream without a batch. Give it at least one sample.")
    return np.concatenate([as_array(first, f"a batch of {name}") for first in firsts])


def with_inputs(x, options: dict, spec: Spec, *, all_of_them: bool = False):
    """x, in a dict with the spec's inputs where some are given by name, which are taken out of the options.

    Raises:
        ValueError: inputs beside a stream; labels or a condition that the spec has not, and any other option that it
            has not where `all_of_them` are to be inputs.
    """
    beside = {row.name: options.pop(row.name) for row in spec.inputs if row.name in options}
    if strange := [name for name in options if all_of_them or name in ("labels", "condition")]:
        checked_inputs(dict.fromkeys(strange), spec.inputs, 1)  # It refuses them.
    if beside and is_stream(x):
        raise ValueError(f"{', '.join(beside)} cannot stand beside a stream. Let it give dicts of x and of these.")
    return {"x": x} | beside if beside else x


def over_batches(method: Callable) -> Callable:
    """Let a method of samples take streams too, batch by batch, the results joined, and the spec's inputs by name."""

    @wraps(method)
    def taking_streams(self, x, *args, **options):
        x = with_inputs(x, options, self.spec)
        if not is_stream(x):
            return method(self, x, *args, **options)
        found = [method(self, batch, *args, **options) for batch in batches_of(x, Watch(self.spec, "x"))]
        if not found:
            raise ValueError("x is a stream without a batch. Give it at least one sample.")
        return joined(found)

    return taking_streams


def joined(pieces: list):
    """Arrays, or dicts of arrays, of batches one after the other as one."""
    if isinstance(pieces[0], dict):
        return {key: np.concatenate([piece[key] for piece in pieces]) for key in pieces[0]}
    return np.concatenate(pieces)
