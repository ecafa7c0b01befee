"""Where a pattern can crash: its steps, found by letting it run."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from ...queues import MemoryQueue
from ...stores import Dedup, Services, ordering_by_queues, settle
from ...stores.services import PLENTY
from ...stores.steps import CrashError

__all__ = ["ByChance", "services_that_refuse", "steps_of"]


def services_that_refuse(refuse: str | None) -> Services:
    """Services in memory with plenty of all, or without money ("card") or goods ("stock")."""
    return Services(
        money=0 if refuse == "card" else PLENTY, goods=0 if refuse == "stock" else PLENTY
    )


@cache
def steps_of(pattern: str, refuse: str | None, dedup: Dedup) -> tuple[str, ...]:
    """The names of the steps of one order, in the order in which they are done; each once."""
    passed: list[str] = []
    with services_that_refuse(refuse) as services:
        queues = {name: MemoryQueue() for name in services.inboxes}
        settle(ordering_by_queues(pattern, services, queues, dedup), queues, ["0"], passed.append)
    return tuple(dict.fromkeys(passed))


class ByChance:
    """Crashes after a step by chance, each time anew.

    Parameters
    ----------
    point : str
        The name of the step.
    crashes : iterator of bool
        Whether it crashes, from one time to the next.
    """

    def __init__(self, point: str, crashes: Iterator[bool]) -> None:
        self.point = point
        self.crashes = crashes

    def __call__(self, point: str) -> None:
        if point == self.point and next(self.crashes):
            raise CrashError(point)
