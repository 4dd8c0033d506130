"""The value of a schedule row at an optimiser step."""

from functools import singledispatch

from keras import ops

from keras_ae.rows import Cycle, Ramp


@singledispatch
def value_at(schedule: float, step):
    """Return the value of `schedule` at `step` (0 at the first update); a plain number stays as it is."""
    return schedule


@value_at.register
def _(schedule: Ramp, step):
    share = ops.clip((ops.cast(step, "float32") - schedule.delay) / schedule.steps, 0.0, 1.0)
    return schedule.start + (schedule.stop - schedule.start) * share


@value_at.register
def _(schedule: Cycle, step):
    phase = ops.cast(ops.mod(step, schedule.period), "float32") / schedule.period
    return schedule.start + (schedule.stop - schedule.start) * ops.minimum(phase / schedule.rise, 1.0)


def end_of(schedule: float | Ramp | Cycle) -> float:
    """Return the value that a schedule ends with, a cycle's being that at its top."""
    return schedule.stop if isinstance(schedule, Ramp | Cycle) else schedule


def moves(schedule: float | Ramp | Cycle, step: int) -> bool:
    """Whether a schedule has another value than its end at `step` or later."""
    if not isinstance(schedule, Ramp | Cycle) or schedule.start == schedule.stop:
        return False
    return isinstance(schedule, Cycle) or step < schedule.delay + schedule.steps
