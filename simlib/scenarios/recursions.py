"""What becomes of messages, computed without events.

Where messages are served in the order in which they come, each one's instants follow from those of
the messages before it. The recursions do the same additions in the same order as a simulation does,
so their instants are equal to the last bit.

Sources: D. V. Lindley, "The theory of queues with a single server", Proc. Cambridge Phil. Soc. 48
(1952) 277-289; J. Kiefer and J. Wolfowitz, "On the theory of queues with many servers", Trans. AMS
78 (1955) 1-18; for lines with blocking, J. A. Buzacott and J. G. Shanthikumar, "Stochastic Models
of Manufacturing Systems" (Prentice Hall 1993), and, for the algebra in which every instant is the
latest of those it waits for, F. Baccelli, G. Cohen, G. J. Olsder and J.-P. Quadrat,
"Synchronization and Linearity" (Wiley 1992).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from heapq import heapify, heappop, heappush, heapreplace
from math import inf

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.blas import dtbsv

__all__ = [
    "before",
    "blocking_line",
    "bounded_queue",
    "calls",
    "closed_loop",
    "draw",
    "draw_before",
    "staged_queue",
    "unbounded_queue",
]

Floats = NDArray[np.float64]

CHUNK = 1 << 16
"""How many messages are computed at a time: their columns fit into a processor's cache."""


def draw(blocks: Iterable[Floats], count: int) -> Floats:
    """The first ``count`` numbers of a stream that comes in blocks."""
    parts = [np.empty(0)]
    for block in blocks if count else ():
        parts.append(block[:count])
        count -= len(parts[-1])
        if not count:
            break
    return np.concatenate(parts)


def draw_before(end: float, blocks: Iterable[Floats], most: float) -> Floats:
    """The instants of a stream before ``end`` (s), ``most`` at most."""
    parts = [np.empty(0)]
    for block in blocks:
        early = float(np.searchsorted(block, end))
        parts.append(block[: int(min(most, early))])
        most -= len(parts[-1])
        if not most or len(parts[-1]) < len(block):
            break
    return np.concatenate(parts)


def before(end: float | None, instants: Floats) -> Floats:
    """Instants before ``end`` (s; None: all), NaN for those that did not come to pass."""
    return instants if end is None else np.where(instants < end, instants, np.nan)


def unbounded_queue(arrived: Floats, works: Floats, servers: int) -> Floats:
    """When messages start that wait in one unbounded queue (s), shape (messages,).

    Parameters
    ----------
    arrived : ndarray of shape (messages,)
        When each comes (s), never decreasing.
    works : ndarray of shape (messages,)
        How long each is worked on (s).
    servers : int
        How many are worked on at once.
    """
    if servers == 1:
        return _lindley(arrived, works)
    started: list[float] = []
    free = [0.0] * servers
    start_at = started.append
    for instant, work in zip(arrived.tolist(), works.tolist(), strict=True):
        start = free[0]
        if start < instant:
            start = instant
        start_at(start)
        heapreplace(free, start + work)
    return np.array(started, float)


def staged_queue(arrived: Floats, stages: Sequence[Floats | float], servers: int) -> Floats:
    """When messages start that wait in one unbounded queue and pass through stages (s).

    Parameters
    ----------
    arrived : ndarray of shape (messages,)
        When each comes (s), never decreasing.
    stages : sequence of float or ndarray of shape (messages,)
        How long the server that has a message is busy with it (s), stage after stage.
    servers : int
        How many messages are worked on at once.
    """
    columns = [np.broadcast_to(stage, arrived.shape).tolist() for stage in stages]
    started: list[float] = []
    free = [0.0] * servers
    for instant, durations in zip(arrived.tolist(), zip(*columns, strict=True), strict=True):
        now = max(instant, free[0])
        started.append(now)
        for duration in durations:
            now += duration
        heapreplace(free, now)
    return np.array(started, float)


def calls(
    created: Floats, works: Floats, connections: int, workers: int, network: float
) -> tuple[Floats, Floats]:
    """When calls get a connection, and when the work on each starts at the service called (s).

    A call keeps its connection until the reply is back.

    Parameters
    ----------
    created, works : ndarray of shape (messages,)
        When each request is there to be sent, never decreasing, and the work that it brings (s).
    connections, workers : int
        How many calls are under way at once, and how many the service works on at once.
    network : float
        How long a request or a reply is under way (s).
    """
    connected: list[float] = []
    started: list[float] = []
    idle, free = [0.0] * connections, [0.0] * workers
    for instant, work in zip(created.tolist(), works.tolist(), strict=True):
        taken = max(instant, idle[0])
        connected.append(taken)
        start = max(taken + network, free[0])
        started.append(start)
        heapreplace(free, start + work)
        heapreplace(idle, start + work + network)
    return np.array(connected, float), np.array(started, float)


def closed_loop(
    thinks: Floats, works: Floats, callers: int, workers: int
) -> tuple[Floats, Floats, float]:
    """When calls are made that wait for the reply to the one before, and when work starts (s).

    Also when the first caller stops: it has its reply, and all calls are made or about to be.

    Parameters
    ----------
    thinks, works : ndarray of shape (messages,)
        How long a caller thinks before each call, and the work that the call brings (s).
    callers, workers : int
        How many call, and how many calls the service works on at once.
    """
    count = len(thinks)
    think, work = thinks.tolist(), works.tolist()
    created, started = [0.0] * count, [0.0] * count
    free = [0.0] * workers
    # What comes next, a call or a reply: instant, rank, turn, and the number of the call; -1 is a
    # reply. At one instant calls that were about to be made come before replies, and last what
    # follows at once from either (a thought or work of no length); each in turn.
    coming = [(think[number], 0, number, number) for number in range(min(callers, count))]
    heapify(coming)
    following = turn = len(coming)
    stopped = 0.0 if callers > count else inf
    while coming:
        now, _, _, number = heappop(coming)
        turn += 1
        if number >= 0:
            created[number] = now
            started[number] = start = max(now, free[0])
            end = start + work[number]
            heapreplace(free, end)
            heappush(coming, (end, 1 if end > now else 2, turn, -1))
        elif following < count:
            due = now + think[following]
            heappush(coming, (due, 0 if due > now else 2, turn, following))
            following += 1
        else:
            stopped = min(stopped, now)
    return np.array(created, float), np.array(started, float), stopped


def bounded_queue(
    arrived: Floats, works: Floats, servers: int, capacity: int, *, together: bool
) -> Floats:
    """When messages start that are refused if ``capacity`` are waiting (s), NaN for the refused.

    Parameters
    ----------
    arrived, works, servers
        As for :func:`unbounded_queue`.
    capacity : int
        The most messages that may wait, those that are worked on not counted.
    together : bool
        Whether messages that come at the same instant come as one, so that nobody can leave
        between them, even after work of no length.
    """
    started: list[float] = []
    free = [0.0] * servers
    leaving: list[float] = []
    places = servers + capacity
    last = -inf
    for instant, work in zip(arrived.tolist(), works.tolist(), strict=True):
        if instant > last or not together:
            last = instant
            while leaving and leaving[0] <= instant:
                heappop(leaving)
        if len(leaving) == places:
            started.append(np.nan)
            continue
        start = max(instant, free[0])
        started.append(start)
        heapreplace(free, start + work)
        heappush(leaving, start + work)
    return np.array(started, float)


def blocking_line(
    created: Floats, works: Sequence[Floats], capacities: Sequence[int | None]
) -> list[tuple[Floats, Floats, Floats]]:
    """When messages are enqueued, start and leave at each station of a line with blocking (s).

    Every station works on one message at a time, and keeps a finished one until there is room at
    the next: it leaves when the message ``capacity + 1`` places before it has left the next.

    Parameters
    ----------
    created : ndarray of shape (messages,)
        When each message is there to enter (s), never decreasing.
    works : sequence of ndarray of shape (messages,)
        How long each is worked on (s), station by station.
    capacities : sequence of int or None
        The most messages that may wait before each station; None for no bound.
    """
    count, last = len(created), len(works) - 1
    durations = [work.tolist() for work in works]
    enqueued, started, left = ([[0.0] * count for _ in works] for _ in range(3))
    for number, instant in enumerate(created.tolist()):
        now = instant
        for station, capacity in enumerate(capacities):
            # Whoever was held up entering held up all behind it, so `now` never decreases.
            if capacity is not None and number > capacity:
                now = max(now, left[station][number - capacity - 1])
            if station:
                left[station - 1][number] = now
            enqueued[station][number] = now
            if number:
                now = max(now, left[station][number - 1])
            started[station][number] = now
            now += durations[station][number]
        left[last][number] = now
    return [
        (np.array(enqueued[station]), np.array(started[station]), np.array(left[station]))
        for station in range(len(works))
    ]


def _lindley(arrived: Floats, works: Floats) -> Floats:
    """When messages start that wait for a single server (s), shape (messages,)."""
    started = np.empty(len(arrived))
    free = 0.0
    for first in range(0, len(arrived), CHUNK):
        part = slice(first, first + CHUNK)
        left = _departures(arrived[part], works[part], free)
        np.maximum(arrived[first], free, out=started[first : first + 1])
        np.maximum(arrived[part][1:], left[:-1], out=started[part][1:])
        free = float(left[-1])
    return started


def _departures(arrived: Floats, works: Floats, free: float) -> Floats:
    """When a single server that is free from ``free`` on is done with each message (s)."""
    # The last time that nobody waited decides: a maximum over all messages before. Its sums are in
    # another order than a simulation's, so it only tells where the server is idle.
    total = np.cumsum(works)
    left = arrived - total
    left += works
    left[0] = max(left[0], free)
    np.maximum.accumulate(left, out=left)
    left += total
    begins = arrived > np.append(free, left[:-1])
    for _ in range(4):
        left = _running_sums(arrived, works, free, begins)
        agreed, begins = begins, arrived > np.append(free, left[:-1])
        if np.array_equal(agreed, begins):
            return left
    # So many messages come just as another leaves that rounding decides.
    for place, (instant, work) in enumerate(zip(arrived.tolist(), works.tolist(), strict=True)):
        free = max(instant, free) + work
        left[place] = free
    return left


def _running_sums(arrived: Floats, works: Floats, free: float, begins: NDArray[np.bool_]) -> Floats:
    """Departures when messages begin busy periods where ``begins`` says so (s).

    Each is the work of a message, plus its arrival or the departure before. Those are equations
    with two unknowns each at most, which BLAS solves from the top down: with the factors -1 and 0
    the same additions as a simulation's.
    """
    sums = works + np.where(begins, arrived, 0.0)
    if not begins[0]:
        sums[0] += free
    factors = np.zeros((2, len(works)), order="F")
    np.subtract(begins[1:], 1.0, out=factors[1, :-1])
    left: Floats = dtbsv(1, factors, sums, lower=1, diag=1, overwrite_x=1)
    return left
