"""The value of a schedule row at an optimiser step."""

from keras import ops

from keras_ae.registry import layer_of, register_layer
from keras_ae.rows import Cycle, Ramp, Scheduled


def value_at(schedule: Scheduled, step):
    """Return the value of `schedule` at `step` (0 at the first update); a plain number stays as it is."""
    return schedule if isinstance(schedule, int | float) else layer_of(schedule)(schedule, step)


@register_layer(Ramp)
def _(schedule, step):
    share = ops.clip((ops.cast(step, "float32") - schedule.delay) / schedule.steps, 0.0, 1.0)
    return schedule.start + (schedule.stop - schedule.start) * share


@register_layer(Cycle)
def _(schedule, step):
    phase = ops.cast(ops.mod(step, schedule.period), "float32") / schedule.period
    return schedule.start + (schedule.stop - schedule.start) * ops.minimum(phase / schedule.rise, 1.0)


def end_of(schedule: Scheduled) -> float:
    """Return the value that a schedule ends with, a cycle's being that at its top."""
    return schedule if isinstance(schedule, int | float) else schedule.stop


def moves(schedule: Scheduled, step: int) -> bool:
    """Whether a schedule has another value than its end at `step` or later."""
    return not isinstance(schedule, int | float) and schedule.moves(step)
