"""Callers who give up while they wait: work that is cancelled, not done for nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from simlib.theory import checks
from simlib.theory.birth_death import stationary
from simlib.theory.markov import erlang_b
from simlib.theory.results import Queue


@dataclass(frozen=True, slots=True, kw_only=True)
class Abandonment(Queue):
    """A queue whose customers give up.

    `W`, `Wq` and `p_wait` are averages over *all* arrivals, whether served or not: who gives up
    has waited until then. Little's law holds with the arrival rate, `throughput` and losses.
    """

    p_abandon: float
    """Fraction of arrivals who give up."""


def erlang_a(
    arrival_rate: float, service_rate: float, servers: int, patience_mean: float
) -> Abandonment:
    """Several servers, exponential service, exponential patience.

    Parameters
    ----------
    arrival_rate
        Arrivals (per second), > 0. May exceed what the servers can do.
    service_rate
        Services one server completes when busy (per second), > 0.
    servers
        Number of servers, >= 1.
    patience_mean
        Mean wait after which a customer leaves the queue (seconds), > 0. Who is in service stays.

    Notes
    -----
    M/M/c+M: Palm (1946); Garnett, Mandelbaum and Reiman (2002). Never unstable.
    """
    arrivals = checks.rate("arrival_rate", arrival_rate)
    service = checks.rate("service_rate", service_rate)
    count = checks.whole("servers", servers)
    leaving = 1 / checks.duration("patience_mean", patience_mean)
    # Beyond this many waiting, more leave than arrive, and twice as far nobody gets.
    turning = arrivals / leaving
    places = count + math.ceil(2 * turning + 40 * math.sqrt(turning) + 200)
    states = np.arange(places + 1)
    busy = np.minimum(states, count)
    queue = states - busy
    departures = service * busy + leaving * queue
    time_in = stationary(np.full(places, arrivals), departures[1:])
    waiting = float(queue @ time_in)
    return _abandonment(
        arrivals,
        service,
        count,
        p_wait=float(time_in[count:].sum()),
        wait=waiting / arrivals,
        p_abandon=leaving * waiting / arrivals,
    )


def mmc_deadline(
    arrival_rate: float, service_rate: float, servers: int, patience: float
) -> Abandonment:
    """Several servers, exponential service, and a timeout on the wait.

    Parameters
    ----------
    arrival_rate
        Arrivals (per second), > 0. May exceed what the servers can do.
    service_rate
        Services one server completes when busy (per second), > 0.
    servers
        Number of servers, >= 1.
    patience
        Wait after which a request is taken out of the queue (seconds), > 0. A service that has
        begun is completed.

    Notes
    -----
    M/M/c+D: Barrer (1957); Baccelli and Hebuterne (1981), "On queues with impatient customers".
    Where requests that timed out are served all the same, use ``mmc(...).goodput(deadline)``.
    """
    arrivals = checks.rate("arrival_rate", arrival_rate)
    service = checks.rate("service_rate", service_rate)
    count = checks.whole("servers", servers)
    limit = checks.duration("patience", patience)
    # The wait on offer has density exp(drift * x) up to the limit, and falls at the full service
    # rate beyond it. All three weights are relative to exp(max(growth, 0)), against overflow.
    drift = arrivals - count * service
    growth = drift * limit
    scale = math.exp(-max(growth, 0.0))
    all_but_one = erlang_b(arrivals / service, count - 1) if count > 1 else 1.0
    idle = scale
    short = all_but_one * arrivals * limit * _average_of_exp(growth)
    long = all_but_one * arrivals * math.exp(min(growth, 0.0)) / (count * service)
    total = idle + short + long
    before_limit = all_but_one * arrivals * limit**2 * _average_of_ramp(growth) / total
    p_abandon = long / total
    return _abandonment(
        arrivals,
        service,
        count,
        p_wait=(short + long) / total,
        wait=before_limit + limit * p_abandon,
        p_abandon=p_abandon,
    )


def _average_of_exp(growth: float) -> float:
    """Integral of exp(growth * u) over u from 0 to 1, over exp(max(growth, 0))."""
    size = abs(growth)
    return -math.expm1(-size) / size if size > 0 else 1.0


def _average_of_ramp(growth: float) -> float:
    """Integral of u exp(growth * u) over u from 0 to 1, over exp(max(growth, 0))."""
    if abs(growth) < 1e-3:
        series = 1 / 2 + growth / 3 + growth**2 / 8
        return series * math.exp(-max(growth, 0.0))
    return (math.exp(min(growth, 0.0)) - _average_of_exp(growth)) / growth


def _abandonment(
    arrivals: float, service: float, servers: int, p_wait: float, wait: float, p_abandon: float
) -> Abandonment:
    served = arrivals * (1 - p_abandon)
    in_system = arrivals * wait + served / service
    return Abandonment(
        throughput=served,
        utilisation=served / (servers * service),
        L=in_system,
        Lq=arrivals * wait,
        W=in_system / arrivals,
        Wq=wait,
        p_wait=p_wait,
        p_abandon=p_abandon,
    )
