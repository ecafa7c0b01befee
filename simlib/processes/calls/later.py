"""Something that happens at an instant, without a process that waits for it."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappush
from typing import Any, final

from simpy.events import Event

from ..environment import Environment

__all__ = ["AFTER_ALL_ELSE", "Later"]

AFTER_ALL_ELSE = 1_000
"""The priority of what comes after everything else of its instant, as deadlines do."""


@final
class Later(Event):
    """Let something be done at an instant: ``act(later)``, where ``later.thing`` says on what.

    Unlike a timeout of SimPy's it is set for an exact instant, without the rounding of
    now + (time - now). It can't be called off: what it finds may have become void meanwhile.

    Parameters
    ----------
    env : Environment
    time : float
        When (s, not in the past).
    act : callable
        What is done; it is given this object.
    thing : object
        What it is about.
    priority : int
        Which of the events at one instant come first: 0 before 1.
    """

    def __init__(
        self,
        env: Environment,
        time: float,
        act: Callable[[Later], object],
        thing: Any,
        priority: int = 1,
    ) -> None:
        self.env = env
        self.thing = thing
        self.callbacks = [act]  # type: ignore[list-item]
        self._ok = True
        heappush(env._queue, (time, priority, next(env._eid), self))  # type: ignore[misc]
