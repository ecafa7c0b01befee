"""Which of several replicas a call goes to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Protocol, runtime_checkable

from .checks import check_draw

__all__ = ["LeastConnections", "Random", "RoundRobin", "Routing", "TwoChoices"]


@runtime_checkable
class Routing(Protocol):
    """Chooses a replica."""

    def choose(self, loads: Sequence[float], draw: float) -> int:
        """Choose where a call goes.

        Parameters
        ----------
        loads : sequence of float
            How many calls each replica has under way (or any other load); one entry per replica
            that may be chosen.
        draw : float
            Uniform in [0, 1).

        Returns
        -------
        int
            The index of the chosen.

        Raises
        ------
        ValueError
            If there is none to choose from, or the draw is out of bounds.
        """
        ...


@dataclass(frozen=True, slots=True)
class Random:
    """Any, each as likely. A value that calls and threads may share.

    Examples
    --------
    >>> Random().choose([9, 0, 0, 0], draw=0.1)
    0
    """

    def choose(self, loads: Sequence[float], draw: float) -> int:
        return int(check_draw(draw) * _several(loads))


class RoundRobin:
    """One after the other. It needs no draw.

    Each client that begins with the first sends its first call there: many clients should begin
    elsewhere. Threads may share it: ``choose`` is atomic.

    Parameters
    ----------
    start : int
        The first to be chosen.

    Examples
    --------
    >>> routing = RoundRobin()
    >>> [routing.choose([0, 0, 0]) for _ in range(4)]
    [0, 1, 2, 0]
    """

    def __init__(self, start: int = 0) -> None:
        self._next = start
        self._lock = Lock()

    def __repr__(self) -> str:
        return f"RoundRobin(start={self._next})"

    def choose(self, loads: Sequence[float], draw: float = 0.0) -> int:
        replicas = _several(loads)
        with self._lock:
            chosen = self._next % replicas
            self._next = chosen + 1
        return chosen


@dataclass(frozen=True, slots=True)
class LeastConnections:
    """The one with the fewest calls under way, among several any of them: join the shortest queue.

    Right if the loads are those of now. Many clients with old numbers all run to the same replica;
    then :class:`TwoChoices` is better. A value that calls and threads may share.

    Examples
    --------
    >>> [LeastConnections().choose([2, 1, 3, 1], draw) for draw in (0.2, 0.7)]
    [1, 3]
    """

    def choose(self, loads: Sequence[float], draw: float) -> int:
        _several(loads)
        least = min(loads)
        shortest = [index for index, load in enumerate(loads) if load == least]
        return shortest[int(check_draw(draw) * len(shortest))]


@dataclass(frozen=True, slots=True)
class TwoChoices:
    """The less loaded of two different ones at random (Mitzenmacher, 2001).

    Envoy's ``LEAST_REQUEST`` and Finagle's ``p2c`` do so. Of two with the same load it is the first
    drawn. A value that calls and threads may share.

    Examples
    --------
    >>> TwoChoices().choose([5, 0, 7], draw=0.9)
    1
    """

    def choose(self, loads: Sequence[float], draw: float) -> int:
        replicas = _several(loads)
        if replicas == 1:
            return 0
        # One draw is enough for a pair in order, out of n·(n − 1).
        first, second = divmod(int(check_draw(draw) * replicas * (replicas - 1)), replicas - 1)
        second += second >= first
        return second if loads[second] < loads[first] else first


def _several(loads: Sequence[float]) -> int:
    if not len(loads):
        raise ValueError("loads must have an entry per replica, got none")
    return len(loads)
