"""Schedules by optimiser step, which the weights of an objective may follow."""

from abc import abstractmethod
from dataclasses import dataclass
from math import isfinite

from keras_ae.rows.base import Row, SpecError, checked_count


class Schedule(Row, abstract=True):
    """Base of the schedules by optimiser step. Each leads from `start` to `stop`, the value by which losses compare."""

    start: float
    stop: float

    @abstractmethod
    def moves(self, step: int) -> bool:
        """Whether it has another value than `stop` at that step or later."""


@dataclass(frozen=True)
class Ramp(Schedule):
    """A schedule by optimiser step: `start` until `delay`, then a straight line that reaches `stop` in `steps` steps.

    The warm-up of Bowman et al. 2016 and Sønderby et al. 2016.
    """

    start: float
    stop: float
    steps: int
    delay: int = 0

    def __post_init__(self):
        checked_count("Ramp", "steps", self.steps)
        if self.delay < 0:
            raise SpecError(f"Ramp: delay must be at least 0, got {self.delay!r}.")

    def moves(self, step: int) -> bool:
        """Whether it has not yet arrived."""
        return self.start != self.stop and step < self.delay + self.steps


@dataclass(frozen=True)
class Cycle(Schedule):
    """A schedule by optimiser step that climbs from `start` to `stop` again and again (Fu et al. 2019).

    Args:
        start: value at the beginning of each cycle.
        stop: value reached after the share `rise` of a cycle, and held to its end.
        period: steps in one cycle.
        rise: share of the cycle spent climbing, in (0, 1].
    """

    start: float
    stop: float
    period: int
    rise: float = 0.5

    def __post_init__(self):
        checked_count("Cycle", "period", self.period)
        if not 0 < self.rise <= 1:
            raise SpecError(f"Cycle: rise must lie in (0, 1], got {self.rise!r}.")

    def moves(self, step: int) -> bool:
        """Whether it moves at all: it begins again and again."""
        return self.start != self.stop


Scheduled = float | Schedule


def check_weight(row: str, field: str, value: Scheduled) -> None:
    """Raise a `SpecError` where a weight of the objective is no number of at least 0 and no schedule of such."""
    ends = (value.start, value.stop) if isinstance(value, Schedule) else (value,)
    if any(isinstance(end, bool) or not isinstance(end, int | float) or not isfinite(end) or end < 0 for end in ends):
        raise SpecError(f"{row}: {field} must be a number of at least 0, or a Ramp or Cycle of such, got {value}.")
