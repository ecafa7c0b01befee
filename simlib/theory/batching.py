"""Several messages for the price of one: group commit, and a producer that lingers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from simlib.theory import checks
from simlib.theory.constant_service import (
    idle_distribution,
    mdc,
    p_all_idle,
    p_some_idle,
)
from simlib.theory.results import Queue


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupCommit(Queue):
    """A log writer that puts everything waiting on disk with one sync.

    A message is in service from the start of its sync to its end; `utilisation` and `p_wait` are
    the writer's.
    """

    mean_batch: float
    """Mean number of messages per sync."""
    mean_batch_seen_by_message: float
    """Mean number of messages in the sync that a message is part of: larger."""
    max_throughput: float
    """What no arrival rate can exceed (per second); inf for batches of any size."""


def group_commit(
    arrival_rate: float, sync_time: float, max_batch: int | None = None
) -> GroupCommit:
    """A writer that takes what is waiting, up to a limit, and syncs; who arrives meanwhile waits.

    Parameters
    ----------
    arrival_rate
        Poisson arrivals of messages (per second), > 0 and below ``max_batch / sync_time``.
    sync_time
        Time of a sync, whatever the size of the batch (seconds), > 0. An idle writer starts at
        once.
    max_batch
        Most messages per sync, >= 1; without it there is no limit.

    Raises
    ------
    UnstableError
        If messages arrive as fast as full batches can be synced, or faster.

    Notes
    -----
    M/D^[1,b]/1, a bulk-service queue: Bailey (1954), "On queueing processes with bulk service";
    the averages by renewal reward over a cycle of one sync. The numbers left after each sync are
    those of M/D/b after each service time (:func:`mdc`); ``max_batch=1`` is :func:`md1`.

    Examples
    --------
    >>> round(group_commit(arrival_rate=5, sync_time=1).W, 6)
    1.499327
    """
    arrivals = checks.rate("arrival_rate", arrival_rate)
    sync = checks.duration("sync_time", sync_time)
    limit = math.inf if max_batch is None else checks.whole("max_batch", max_batch)
    load = arrivals * sync
    if load + 12 * math.sqrt(load) + 40 < limit:
        # No batch ever fills: each sync leaves what arrived during it.
        p_none, left_over, square = math.exp(-load), 0.0, load + load**2
    elif load < limit:
        p_none, left_over, square = _bounded(load, int(limit))
    else:
        raise checks.UnstableError(
            f"unstable: {load:.6g} messages arrive per sync and a sync takes {limit} at most, a "
            f"utilisation of {load / limit:.6g}; it must be below 1"
        )
    # A sync that leaves nothing is followed by a pause, and then by a batch of one.
    cycle = sync + p_none / arrivals
    batch = arrivals * cycle
    waiting = (sync * left_over + arrivals * sync**2 / 2) / cycle
    wait = waiting / arrivals
    return GroupCommit(
        throughput=arrivals,
        utilisation=sync / cycle,
        L=waiting + load,
        Lq=waiting,
        W=wait + sync,
        Wq=wait,
        p_wait=sync / cycle,
        mean_batch=batch,
        mean_batch_seen_by_message=(square + p_none) / batch,
        max_throughput=limit / sync,
    )


def _bounded(load: float, limit: int) -> tuple[float, float, float]:
    """After a sync: probability of nothing left; mean left by the next batch; its mean square."""
    part = idle_distribution(load, limit)
    full = 1 - p_some_idle(load, limit)
    square = float(np.arange(limit) ** 2 @ part) + limit**2 * full
    return p_all_idle(load, limit), mdc(load, 1.0, limit).Lq, square


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupCommitClosed:
    """Clients that commit again as soon as they are acknowledged; commits per second."""

    one_by_one: float
    """Each commit has its own sync."""
    taken_first: float
    """The writer takes its next batch before the clients it has acknowledged come back: two
    halves of the clients take turns."""
    joined_first: float
    """The clients come back before the writer takes its next batch: each sync carries all."""


def group_commit_closed(clients: int, sync_time: float) -> GroupCommitClosed:
    """Group commit with clients that wait for one another's syncs and never think.

    Parameters
    ----------
    clients
        How many there are, >= 1.
    sync_time
        Time of a sync (seconds), > 0.

    Notes
    -----
    Deterministic: the answer hangs on who comes first at the end of a sync. A single client has
    every sync to itself in all cases.
    """
    count = checks.whole("clients", clients)
    sync = checks.duration("sync_time", sync_time)
    return GroupCommitClosed(
        one_by_one=1 / sync,
        taken_first=max(1.0, count / 2) / sync,
        joined_first=count / sync,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Linger:
    """A producer that collects messages into batches before it sends them."""

    mean_batch: float
    """Mean number of messages per batch."""
    mean_batch_seen_by_message: float
    """Mean number of messages in the batch that a message is part of: larger."""
    mean_delay: float
    """Mean time a message waits for its batch to close (seconds)."""
    mean_open_time: float
    """Mean time a batch stays open (seconds)."""
    flush_rate: float
    """Batches sent (per second)."""
    p_closed_by_size: float
    """Fraction of batches that close because they are full, not because time is up."""


def linger(arrival_rate: float, batch_size: int, linger_time: float) -> Linger:
    """A batch opens with its first message, closes when full or when its time is up.

    Parameters
    ----------
    arrival_rate
        Poisson arrivals of messages (per second), > 0.
    batch_size
        Messages that fill a batch, >= 1.
    linger_time
        Longest time a batch stays open (seconds), >= 0.

    Notes
    -----
    What Kafka's ``batch.size`` and ``linger.ms`` do. Renewal reward: batches are independent, and
    each begins afresh. While a batch is open, its further messages are a Poisson stream.

    Examples
    --------
    >>> round(linger(arrival_rate=10, batch_size=5, linger_time=0.2).mean_batch, 6)
    2.924859
    """
    from scipy.special import pdtr, pdtrc

    arrivals = checks.rate("arrival_rate", arrival_rate)
    size = checks.whole("batch_size", batch_size)
    time = checks.time("linger_time", linger_time)
    expected = arrivals * time
    # With n messages after the first (n = 0, …, size - 2), a batch is still open.
    after_first = np.arange(size - 1)
    time_with = pdtrc(after_first, expected) / arrivals
    p_open = float(pdtr(size - 2, expected)) if size > 1 else 0.0
    open_time = float(time_with.sum())
    batch = 1 + arrivals * open_time
    delays = float((after_first + 1) @ time_with)
    # A batch of n has the mean square 1 + 3 + 5 + … + (2n - 1).
    square = 1 + float((2 * after_first + 3) @ pdtrc(after_first, expected))
    return Linger(
        mean_batch=batch,
        mean_batch_seen_by_message=square / batch,
        mean_delay=delays / batch,
        mean_open_time=open_time,
        flush_rate=arrivals / batch,
        p_closed_by_size=1 - p_open,
    )
