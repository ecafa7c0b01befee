"""Where attempts wait for a worker, and whose turn it is."""

from __future__ import annotations

from collections import deque
from typing import Literal

from ...resilience import AdaptiveLIFO, RequestCoDel, Taken
from .attempt import Attempt

__all__ = ["Order", "WaitingRoom", "waiting_room"]

Order = Literal["fifo", "lifo", "adaptive", "codel"]
"""First come first served; newest first; newest first while 100 or more wait; first come first
served without those that have waited too long (5 ms in a standing queue, else 100 ms)."""

MANY = 100
"""How many wait when "adaptive" turns to the newest (Maurer, 2015)."""


class WaitingRoom:
    """First come, first served."""

    def __init__(self) -> None:
        self._waiting: deque[Attempt] = deque()

    def put(self, attempt: Attempt, now: float) -> None:
        """Let an attempt wait, from an instant on (s)."""
        self._waiting.append(attempt)

    def get(self, now: float) -> Taken[Attempt]:
        """Whose turn it is, and who has waited too long."""
        return Taken(self._waiting.popleft() if self._waiting else None, ())


class _NewestFirst(WaitingRoom):
    def __init__(self, threshold: int) -> None:
        self._newest = AdaptiveLIFO[Attempt](threshold)

    def put(self, attempt: Attempt, now: float) -> None:
        self._newest.put(attempt)

    def get(self, now: float) -> Taken[Attempt]:
        return Taken(self._newest.get(), ())


class _Controlled(WaitingRoom):
    def __init__(self) -> None:
        self._codel = RequestCoDel[Attempt]()

    def put(self, attempt: Attempt, now: float) -> None:
        self._codel.put(attempt, now)

    def get(self, now: float) -> Taken[Attempt]:
        return self._codel.get(now)


def waiting_room(order: Order) -> WaitingRoom:
    """An empty one, with this order of service."""
    if order == "fifo":
        return WaitingRoom()
    return _Controlled() if order == "codel" else _NewestFirst(1 if order == "lifo" else MANY)
