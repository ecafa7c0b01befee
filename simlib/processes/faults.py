"""When a process is down, and when it is slow."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from pydantic import Field

from ..values import Value

__all__ = ["NO_FAULTS", "Faults", "Outage", "Slowdown"]


class _Window(Value):
    start: float = Field(ge=0, description="when it begins", json_schema_extra={"unit": "s"})
    duration: float = Field(gt=0, description="how long it lasts", json_schema_extra={"unit": "s"})

    @property
    def end(self) -> float:
        """When it is over (s)."""
        return self.start + self.duration


class Outage(_Window):
    """A time during which a process is down, from ``start`` up to but not including the end."""


class Slowdown(_Window):
    """A time during which work that is begun takes ``factor`` times as long."""

    factor: float = Field(gt=0, description="how many times as long the work takes")


class Faults:
    """The outages and slowdowns of one process.

    Parameters
    ----------
    outages : sequence of Outage
        They must not overlap.
    slowdowns : sequence of Slowdown
        Where several hold at once, their factors multiply.
    """

    def __init__(self, outages: Sequence[Outage] = (), slowdowns: Sequence[Slowdown] = ()) -> None:
        self.outages = sorted(outages, key=lambda outage: outage.start)
        self.slowdowns = tuple(slowdowns)
        for before, after in zip(self.outages, self.outages[1:], strict=False):
            if after.start < before.end:
                raise ValueError(f"outages must not overlap, got {before} and {after}")

    def down_at(self, time: float) -> float:
        """The first instant from ``time`` on at which the process is down (s); may be infinite."""
        for outage in self.outages:
            if time < outage.end:
                return max(time, outage.start)
        return inf

    def up_at(self, time: float) -> float:
        """The first instant from ``time`` on at which the process is up (s)."""
        for outage in self.outages:
            if outage.start <= time < outage.end:
                time = outage.end
        return time

    def end_of_work(self, start: float, duration: float) -> tuple[float, bool]:
        """When work that begins at ``start`` ends (s), and whether an outage ends it."""
        end, down = start + duration * self.factor(start), self.down_at(start)
        return (down, True) if down < end else (end, False)

    def factor(self, time: float) -> float:
        """How many times as long work takes that is begun at ``time``."""
        product = 1.0
        for slowdown in self.slowdowns:
            if slowdown.start <= time < slowdown.end:
                product *= slowdown.factor
        return product


NO_FAULTS = Faults()
