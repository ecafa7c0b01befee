"""What is under way from one place to another, and arrives in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from typing import Any

from .environment import Environment, Timer

__all__ = ["Line", "do"]


class Line:
    """A connection on which everything arrives in the order in which it was sent.

    One process and one timer do for all that is under way.

    Parameters
    ----------
    env : Environment
    arrive : callable
        Called with each thing that arrives, at its instant.
    priority : int
        Which of the events at one instant come first: 0 before 1.
    """

    def __init__(self, env: Environment, arrive: Callable[[Any], object], priority: int) -> None:
        self.env = env
        self.under_way: deque[tuple[float, Any]] = deque()
        """Instants of arrival (s), which never decrease, and what arrives."""
        self._arrive = arrive
        self._timer: Timer | None = None
        self._idle = False
        env.process(self._run(priority))

    def send(self, thing: Any, arrival: float) -> None:
        """Let a thing arrive at an instant (s), not before what was sent earlier."""
        self.under_way.append((arrival, thing))
        if self._idle and self._timer is not None:
            self._idle = False
            self._timer.at(arrival)

    def _run(self, priority: int) -> Generator[Timer, Any, None]:
        env, under_way, arrive = self.env, self.under_way, self._arrive
        self._timer = timer = Timer(env, priority)
        while True:
            if under_way:
                yield timer.at(under_way[0][0])
            else:
                self._idle = True
                yield timer
            while under_way and under_way[0][0] <= env._now:
                arrive(under_way.popleft()[1])


def do(act: Callable[[], object]) -> None:
    """Let what arrives be done: for a line on which acts are sent."""
    act()
