"""Poisson arrivals and exponential service: M/M/1, M/M/c, and with bounded room."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from simlib.theory import checks
from simlib.theory.birth_death import PhaseQueue, phases, stationary
from simlib.theory.results import LatencyQueue, Queue, percentile


def erlang_b(offered_load: float, servers: int) -> float:
    """Fraction of calls lost when none can wait.

    Parameters
    ----------
    offered_load
        Arrival rate times mean service time (erlang), > 0. May exceed the servers.
    servers
        Number of servers, >= 1.

    Notes
    -----
    Erlang (1917), first formula, by the recursion in the number of servers, which neither
    overflows nor cancels (Gross et al. 2008, eq. 2.38). Exact for Poisson arrivals and *any*
    service distribution.

    Examples
    --------
    >>> round(erlang_b(8, 10), 6)
    0.121661
    """
    load = checks.positive("offered_load", offered_load, "erlang")
    blocked = 1.0
    for server in range(1, checks.whole("servers", servers) + 1):
        blocked = load * blocked / (server + load * blocked)
    return blocked


def erlang_c(offered_load: float, servers: int) -> float:
    """Fraction of calls that wait when all can.

    Parameters
    ----------
    offered_load
        Arrival rate times mean service time (erlang), > 0 and below `servers`.
    servers
        Number of servers, >= 1.

    Raises
    ------
    UnstableError
        If the offered load reaches the number of servers.

    Notes
    -----
    Erlang (1917), second formula, from the first (Gross et al. 2008, section 2.4). Exact for
    Poisson arrivals and exponential service.
    """
    load = checks.positive("offered_load", offered_load, "erlang")
    count = checks.whole("servers", servers)
    checks.stable(load, count)
    blocked = erlang_b(load, count)
    return count * blocked / (count - load + load * blocked)


@dataclass(frozen=True, slots=True, kw_only=True)
class MMc(LatencyQueue):
    """The M/M/c queue, first come first served."""

    service_rate: float
    """Services one server completes when busy (per second)."""
    servers: int
    p_empty: float
    """Fraction of time with nobody in the system."""

    def wait_tail(self, t: float) -> float:
        """Probability that a customer waits longer than `t` seconds (t >= 0)."""
        return self.p_wait * math.exp(-self._spare_rate() * checks.time("t", t))

    def latency_tail(self, t: float) -> float:
        """Probability that a customer's sojourn is longer than `t` seconds (t >= 0)."""
        t = checks.time("t", t)
        spare = self._spare_rate()
        # Who waits, does so for an exponential time at the spare rate, and is served afterwards.
        slow, fast = sorted((spare, self.service_rate))
        gap = (fast - slow) * t
        shrink = -math.expm1(-gap) / gap if gap > 0 else 1.0
        served_late = spare * t * math.exp(-slow * t) * shrink
        waiting = math.exp(-spare * t)
        return self.p_wait * (waiting + served_late) + (1 - self.p_wait) * math.exp(
            -self.service_rate * t
        )

    def _spare_rate(self) -> float:
        return self.service_rate * (self.servers - self.throughput / self.service_rate)


def mm1(arrival_rate: float, service_rate: float) -> MMc:
    """One server, Poisson arrivals, exponential service.

    Parameters
    ----------
    arrival_rate
        Arrivals (per second), > 0 and below `service_rate`.
    service_rate
        Services the server completes when busy (per second), > 0.

    Raises
    ------
    UnstableError
        If arrivals are as fast as service, or faster.

    Notes
    -----
    Gross et al. (2008), section 2.2. The sojourn is exponential with rate
    ``service_rate - arrival_rate``.

    Examples
    --------
    >>> queue = mm1(arrival_rate=0.8, service_rate=1.0)
    >>> round(queue.W, 6), round(queue.latency_percentile(99), 3)
    (5.0, 23.026)
    """
    return mmc(arrival_rate, service_rate, servers=1)


def mmc(arrival_rate: float, service_rate: float, servers: int) -> MMc:
    """Several equal servers, one queue, Poisson arrivals, exponential service.

    Parameters
    ----------
    arrival_rate
        Arrivals (per second), > 0 and below ``servers * service_rate``.
    service_rate
        Services *one* server completes when busy (per second), > 0.
    servers
        Number of servers, >= 1.

    Raises
    ------
    UnstableError
        If arrivals are as fast as all servers together, or faster.

    Notes
    -----
    Gross et al. (2008), sections 2.3 and 2.4.

    Examples
    --------
    >>> queue = mmc(arrival_rate=3, service_rate=2, servers=2)
    >>> round(queue.p_wait, 6), round(queue.Wq, 6)
    (0.642857, 0.642857)
    """
    arrivals = checks.rate("arrival_rate", arrival_rate)
    service = checks.rate("service_rate", service_rate)
    count = checks.whole("servers", servers)
    load = arrivals / service
    checks.stable(load, count)
    p_wait = erlang_c(load, count)
    spare = service * (count - load)
    wait = p_wait / spare
    wait_variance = p_wait * (2 - p_wait) / spare**2
    return MMc(
        throughput=arrivals,
        utilisation=load / count,
        L=arrivals * wait + load,
        Lq=arrivals * wait,
        W=wait + 1 / service,
        Wq=wait,
        p_wait=p_wait,
        W_sd=math.sqrt(wait_variance + 1 / service**2),
        Wq_sd=math.sqrt(wait_variance),
        service_rate=service,
        servers=count,
        p_empty=_p_empty(load, count, p_wait),
    )


def _p_empty(load: float, servers: int, p_wait: float) -> float:
    idle = np.arange(1, servers)
    below = stationary(np.full(len(idle), load), idle.astype(float))
    return (1 - p_wait) * float(below[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class MMcK(PhaseQueue):
    """The M/M/c/K queue, first come first served.

    `W`, `Wq`, `p_wait` and the percentiles are those of the customers who were admitted.
    """

    capacity: int
    """Places in the system, those in service included."""
    p_loss: float
    """Fraction of arrivals refused because every place is taken."""
    p_empty: float
    """Fraction of time with nobody in the system."""


def mm1k(arrival_rate: float, service_rate: float, capacity: int) -> MMcK:
    """One server and bounded room: an arrival that finds no place is refused.

    Parameters
    ----------
    arrival_rate
        Arrivals, refused ones included (per second), > 0. May exceed `service_rate`.
    service_rate
        Services the server completes when busy (per second), > 0.
    capacity
        K, the places in the *system*, the one in service included, >= 1. A scenario's `capacity`
        counts only those that may wait: ``PointToPoint(capacity=K - 1)`` is this queue.

    Notes
    -----
    Gross et al. (2008), section 2.5.

    Examples
    --------
    >>> round(mm1k(arrival_rate=0.9, service_rate=1.0, capacity=5).p_loss, 6)
    0.126023
    """
    return mmck(arrival_rate, service_rate, servers=1, capacity=capacity)


def mmck(arrival_rate: float, service_rate: float, servers: int, capacity: int) -> MMcK:
    """Several servers and bounded room: an arrival that finds no place is refused.

    Parameters
    ----------
    arrival_rate
        Arrivals, refused ones included (per second), > 0. May exceed what the servers can do.
    service_rate
        Services *one* server completes when busy (per second), > 0.
    servers
        Number of servers, >= 1.
    capacity
        K, the places in the *system*, those in service included, >= `servers`. A scenario's
        `capacity` counts only those that may wait: ``PointToPoint(capacity=K - servers)`` is this
        queue, and ``capacity == servers`` is the loss system of :func:`erlang_b`.

    Notes
    -----
    Gross et al. (2008), section 2.5.
    """
    arrivals = checks.rate("arrival_rate", arrival_rate)
    service = checks.rate("service_rate", service_rate)
    count = checks.whole("servers", servers)
    places = checks.whole("capacity", capacity)
    if places < count:
        raise ValueError(
            "capacity counts the places in service too: it must be >= servers "
            f"({count}), got {capacity!r}"
        )
    states = np.arange(places + 1)
    busy = np.minimum(states, count)
    time_in = stationary(np.full(places, arrivals), service * busy[1:])
    p_loss = float(time_in[-1])
    # Poisson arrivals see the states as time does; those who find the last one are refused.
    admitted = time_in[:-1] / time_in[:-1].sum()
    throughput = service * float(busy @ time_in)
    waiting = float((states - busy) @ time_in)
    seen = phases(admitted, service, count)
    return MMcK(
        throughput=throughput,
        utilisation=throughput / (count * service),
        L=waiting + throughput / service,
        Lq=waiting,
        W=waiting / throughput + 1 / service,
        Wq=waiting / throughput,
        p_wait=seen.p_wait,
        W_sd=seen.W_sd,
        Wq_sd=seen.Wq_sd,
        service_rate=service,
        servers=count,
        wait_survival=seen.wait_survival,
        latency_survival=seen.latency_survival,
        capacity=places,
        p_loss=p_loss,
        p_empty=float(time_in[0]),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class MGInfinity(Queue):
    """A system in which nobody waits."""

    in_system_variance: float
    """Variance of the number in the system over time: equal to its mean."""
    p_empty: float
    """Fraction of time with nobody in the system."""

    def in_system_percentile(self, q: float) -> int:
        """The number in the system that is not exceeded for `q` percent of the time (q < 100)."""
        from scipy.special import pdtrc

        def more_than(n: float) -> float:
            return float(pdtrc(math.floor(n), self.L))

        if checks.percent("q", q) == 100:
            raise ValueError("q must be < 100: the number in the system has no upper bound")
        return math.floor(percentile(more_than, q, self.L + 1))


def mg_infinity(arrival_rate: float, service_mean: float) -> MGInfinity:
    """Every arrival is served at once: fire and forget with unlimited concurrency.

    Parameters
    ----------
    arrival_rate
        Arrivals (per second), > 0.
    service_mean
        Mean service time (seconds), > 0. Its distribution does not matter.

    Notes
    -----
    The number in the system is Poisson: Gross et al. (2008), section 2.6 and problem 5.13.
    `utilisation` is 0: of infinitely many servers, finitely many are busy.
    """
    arrivals = checks.rate("arrival_rate", arrival_rate)
    service = checks.duration("service_mean", service_mean)
    load = arrivals * service
    return MGInfinity(
        throughput=arrivals,
        utilisation=0.0,
        L=load,
        Lq=0.0,
        W=service,
        Wq=0.0,
        p_wait=0.0,
        Wq_sd=0.0,
        in_system_variance=load,
        p_empty=math.exp(-load),
    )
