"""What a queue's formula returns."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from simlib.theory import checks


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """A queue in its steady state.

    Averages are over customers for `W`, `Wq` and `p_wait`, over time for the others. Little's law
    ties them: ``L == throughput * W`` and ``Lq == throughput * Wq``.
    """

    throughput: float
    """Customers served (per second)."""
    utilisation: float
    """Busy fraction of the servers' time."""
    L: float
    """Mean number in the system, waiting or in service."""
    Lq: float
    """Mean number waiting."""
    W: float
    """Mean sojourn, from arrival to the end of service (seconds): the latency."""
    Wq: float
    """Mean wait before service (seconds)."""
    p_wait: float
    """Fraction of customers who wait; nan where the arguments don't decide it."""
    W_sd: float = math.nan
    """Standard deviation of the sojourn (seconds); nan where the arguments don't decide it."""
    Wq_sd: float = math.nan
    """Standard deviation of the wait (seconds); nan where the arguments don't decide it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyQueue(Queue, ABC):
    """A queue whose wait and sojourn are known as distributions, not only as means.

    Percentiles are given in percent, as for :func:`numpy.percentile`, and are those of the
    customers: half of them wait no longer than ``wait_percentile(50)``.
    """

    @abstractmethod
    def wait_tail(self, t: float) -> float:
        """Probability that a customer waits longer than `t` seconds (t >= 0)."""

    @abstractmethod
    def latency_tail(self, t: float) -> float:
        """Probability that a customer's sojourn is longer than `t` seconds (t >= 0)."""

    def wait_percentile(self, q: float) -> float:
        """The wait (seconds) that `q` percent of the customers do not exceed.

        It is 0 up to ``100 * (1 - p_wait)``, for those who do not wait at all.
        """
        return percentile(self.wait_tail, q, self.W)

    def latency_percentile(self, q: float) -> float:
        """The sojourn (seconds) that `q` percent of the customers do not exceed."""
        return percentile(self.latency_tail, q, self.W)

    def goodput(self, deadline: float) -> float:
        """Customers served within `deadline` seconds of their arrival (per second).

        The late ones are served all the same: work for a caller who has given up.
        """
        return self.throughput * (1 - self.latency_tail(checks.time("deadline", deadline)))


def percentile(tail: Callable[[float], float], q: float, scale: float) -> float:
    """The least t >= 0 (seconds) that is exceeded with probability ``1 - q/100`` at most.

    Parameters
    ----------
    tail
        From t (seconds) to the probability of more than t; falls towards zero.
    q
        Percent, 0 to 100. All of an unbounded distribution lies below infinity.
    scale
        A typical value (seconds), where the search begins.
    """
    beyond = (100 - checks.percent("q", q)) / 100
    if tail(0.0) <= beyond:
        return 0.0
    if beyond == 0:
        return math.inf
    low, high = 0.0, scale
    while tail(high) > beyond:
        low, high = high, 2 * high
    while low < (middle := (low + high) / 2) < high:
        if tail(middle) > beyond:
            low = middle
        else:
            high = middle
    return high
