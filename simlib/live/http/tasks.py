"""The tasks of :mod:`simlib.calls.tasks`, timed: how long a page really takes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor

from simlib.calls import Reply, Request, Service
from simlib.calls.sample import LISTED
from simlib.calls.tasks import TASKS, Conversation

__all__ = ["measure_task"]


class _Threads(Conversation):
    """A caller whose requests are under way at once, each from a thread and its connection."""

    def __init__(self, service: Service, connections: int, listed: int, pool: Executor) -> None:
        super().__init__(service, connections, listed)
        self._pool = pool

    def send(self, requests: Sequence[Request]) -> list[Reply]:
        """The replies, when all are there."""
        if len(requests) == 1:
            return super().send(requests)
        return list(self._pool.map(self.service.handle, requests))


def measure_task(
    service: Service,
    task: str,
    style: str,
    connections: int = 1,
    runs: int = 3,
    listed: int = LISTED,
) -> list[float]:
    """How long a task took (s), from its first request to its last reply, in each run.

    A run before the first opens the connections, and is not timed.

    Parameters
    ----------
    service : Service
        Who is asked, such as an ``HttpService``; threads share it.
    task, style : str
        As in ``TASKS``: ``"list"`` and ``"GraphQL batched"``, say.
    connections : int
        How many requests may be under way at once.
    runs : int
        How often the task is done (>= 1).
    listed : int
        How many orders a list shows.
    """
    if (task, style) not in TASKS:
        known = ", ".join(f"{a}/{b}" for a, b in TASKS)
        raise ValueError(f"there is no task {task}/{style}; there are {known}")
    if isinstance(runs, bool) or not isinstance(runs, int) or runs < 1:
        raise ValueError(f"runs must be a whole number from 1 on, got {runs!r}")
    took = []
    with ThreadPoolExecutor(connections) as pool:
        for _ in range(runs + 1):
            caller = _Threads(service, connections, listed, pool)
            start = time.perf_counter()
            TASKS[task, style].does(caller)
            took.append(time.perf_counter() - start)
    return took[1:]
