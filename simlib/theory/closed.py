"""A fixed number of callers who wait for an answer, think, and call again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simlib.theory import checks
from simlib.theory.birth_death import Floats, PhaseQueue, phases, stationary


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed(PhaseQueue):
    """Synchronous callers at a common server.

    The interactive response-time law holds: ``R == callers / throughput - think_mean``.
    """

    callers: int
    think_mean: float
    """Mean time between an answer and the next call (seconds)."""
    max_throughput: float
    """What no number of callers can exceed (per second)."""
    saturation_callers: float
    """N*, where the bounds for few and for many callers cross."""

    @property
    def R(self) -> float:
        """Mean response time (seconds): `W` by the name it has in closed systems."""
        return self.W


def closed(callers: int, think_mean: float, service_rate: float, servers: int = 1) -> Closed:
    """Callers that wait for their answer before they call again (machine repair).

    Parameters
    ----------
    callers
        N, how many there are, >= 1.
    think_mean
        Z, the mean time between an answer and the next call (seconds), >= 0. Its distribution
        does not matter.
    service_rate
        Services one server completes when busy (per second), > 0; exponential service.
    servers
        Number of servers, >= 1.

    Returns
    -------
    Closed
        `p_wait` and the percentiles are what callers see on arrival: the steady state of a system
        with one caller fewer (arrival theorem).

    Notes
    -----
    M/M/c//N: Gross et al. (2008), section 2.8. The arrival theorem: Sevcik and Mitrani (1981),
    Lavenberg and Reiser (1980). The bounds: Denning and Buzen (1978). Never unstable: the callers
    slow down with the server.

    Examples
    --------
    >>> system = closed(callers=10, think_mean=5, service_rate=1)
    >>> round(system.throughput, 6), round(system.R, 6)
    (0.981615, 5.187289)
    """
    count = checks.whole("callers", callers)
    think = checks.time("think_mean", think_mean)
    service = checks.rate("service_rate", service_rate)
    helpers = checks.whole("servers", servers)
    time_in = _in_system(count, think, service, helpers)
    numbers = np.arange(count + 1)
    busy = np.minimum(numbers, helpers)
    throughput = service * float(busy @ time_in)
    waiting = float((numbers - busy) @ time_in)
    seen = phases(_in_system(count - 1, think, service, helpers), service, helpers)
    return Closed(
        throughput=throughput,
        utilisation=throughput / (helpers * service),
        L=waiting + throughput / service,
        Lq=waiting,
        W=waiting / throughput + 1 / service,
        Wq=waiting / throughput,
        p_wait=seen.p_wait,
        W_sd=seen.W_sd,
        Wq_sd=seen.Wq_sd,
        service_rate=service,
        servers=helpers,
        wait_survival=seen.wait_survival,
        latency_survival=seen.latency_survival,
        callers=count,
        think_mean=think,
        max_throughput=helpers * service,
        saturation_callers=helpers * (1 + think * service),
    )


def _in_system(callers: int, think: float, service_rate: float, servers: int) -> Floats:
    """Time fractions with 0, 1, …, callers at the servers."""
    thinking = think * service_rate
    if thinking == 0:
        return np.append(np.zeros(callers), 1.0)
    numbers = np.arange(float(callers))
    # Both rates are per mean think time, which may be next to nothing.
    return stationary(callers - numbers, thinking * np.minimum(numbers + 1, servers))


@dataclass(frozen=True, slots=True, kw_only=True)
class Engset:
    """Callers who go away when all servers are busy, think, and try again."""

    call_congestion: float
    """Fraction of calls lost: what callers see."""
    time_congestion: float
    """Fraction of time when all servers are busy: what a clock sees."""
    throughput: float
    """Calls served (per second)."""
    utilisation: float
    """Busy fraction of the servers' time."""


def engset(callers: int, think_mean: float, service_rate: float, servers: int) -> Engset:
    """Loss among few callers: a caller who is being served does not call.

    Parameters
    ----------
    callers
        N, how many there are, >= 1.
    think_mean
        Mean time until a caller's next try, after service and after a loss alike (seconds), > 0.
    service_rate
        Services one server completes when busy (per second), > 0.
    servers
        Number of servers, >= 1; nobody waits.

    Notes
    -----
    Engset (1918); Gross et al. (2008), section 2.8. Insensitive to both distributions. The two
    congestions differ because a caller never meets itself: callers see the system with one caller
    fewer. For many callers both tend to :func:`erlang_b`.
    """
    count = checks.whole("callers", callers)
    think = checks.duration("think_mean", think_mean)
    service = checks.rate("service_rate", service_rate)
    helpers = checks.whole("servers", servers)

    def all_busy(population: int) -> tuple[float, float]:
        """Fraction of time with all servers busy; mean number busy."""
        places = min(population, helpers)
        numbers = np.arange(places)
        time_in = stationary((population - numbers) / think, service * (numbers + 1))
        full = float(time_in[-1]) if places == helpers else 0.0
        return full, float(np.arange(places + 1) @ time_in)

    time_congestion, busy = all_busy(count)
    call_congestion, _ = all_busy(count - 1)
    return Engset(
        call_congestion=call_congestion,
        time_congestion=time_congestion,
        throughput=busy * service,
        utilisation=busy / helpers,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class MVA:
    """A closed network of single-server stations; per station, in the order of the demands."""

    throughput: float
    """Round trips completed (per second)."""
    R: float
    """Mean time at the stations per round trip (seconds)."""
    residence: tuple[float, ...]
    """Mean time at each station per round trip (seconds)."""
    in_system: tuple[float, ...]
    """Mean number at each station."""
    utilisation: tuple[float, ...]
    """Busy fraction of each station's time."""
    max_throughput: float
    """What no number of callers can exceed (per second): the bottleneck's bound."""
    saturation_callers: float
    """N*, where the bounds for few and for many callers cross."""


def mva(demands: Sequence[float], think_mean: float, callers: int) -> MVA:
    """Callers whose every round trip visits several services: exact mean value analysis.

    Parameters
    ----------
    demands
        Work a round trip brings to each station (seconds), all > 0: visits times service time.
    think_mean
        Mean time between round trips (seconds), >= 0.
    callers
        How many there are, >= 1.

    Notes
    -----
    Reiser and Lavenberg (1980), "Mean-value analysis of closed multichain queuing networks". Exact
    for single-server stations, first come first served with exponential service, or processor
    sharing with any.
    """
    work = np.array(checks.each("demands", demands, checks.duration))
    think = checks.time("think_mean", think_mean)
    count = checks.whole("callers", callers)
    queues = np.zeros(len(work))
    residence, throughput = work, 0.0
    for population in range(1, count + 1):
        residence = work * (1 + queues)
        throughput = population / (think + float(residence.sum()))
        queues = throughput * residence
    return MVA(
        throughput=throughput,
        R=float(residence.sum()),
        residence=tuple(residence.tolist()),
        in_system=tuple(queues.tolist()),
        utilisation=tuple((throughput * work).tolist()),
        max_throughput=float(1 / work.max()),
        saturation_callers=float((think + work.sum()) / work.max()),
    )
