"""How long runs must be before their averages can be trusted."""

from __future__ import annotations

from functools import lru_cache
from math import factorial
from typing import NamedTuple

import numpy as np

from ..distributions import (
    Batches,
    Bursty,
    Distribution,
    Empirical,
    Exponential,
    Hyperexponential,
    LogNormal,
    Replay,
    Uniform,
    VaryingPoisson,
)
from ..theory import mm1_run_length
from ..theory.birth_death import Floats, time_average

__all__ = [
    "TOO_WIDE",
    "Needed",
    "dispersion",
    "moment",
    "needed_by_callers",
    "needed_by_queue",
    "size_of",
    "workload",
]

TOO_WIDE = 0.2
"""Runs are too short if their averages are not even known to ± 20 %."""

QUANTILE = 1.96
"""Of the normal distribution, for 95 % confidence."""

FADED = 1 / 20
"""The part of an average that an empty start may take from it."""


class Needed(NamedTuple):
    """How many messages it takes by a formula that describes the scenario, or one like it."""

    model: str
    """In the field's notation, such as M/M/1."""
    known: float
    """Messages, in all runs together, to know the averages to ± :data:`TOO_WIDE`."""
    settled: float
    """Messages, in each run, until its averages have lost all but :data:`FADED` of the start."""


def needed_by_queue(
    load: float,
    interarrival: Distribution,
    service: Distribution | None,
    servers: int,
    capacity: int | None = None,
) -> Needed | None:
    """What a queue needs; None if no length of a run makes it settle, or nothing happens at all.

    Parameters
    ----------
    load : float
        Work that arrives per second and server.
    interarrival : Distribution
        Gaps between messages (s).
    service : Distribution or None
        Work of a message (s); None where it is of several kinds, and taken for exponential.
    servers : int
        Messages that are worked on at once.
    capacity : int or None
        Waiting places; None for no bound.

    Notes
    -----
    Of M/M/1 the exact figure is taken (see :func:`simlib.theory.mm1_run_length`). Other work is
    compared by the workload of M/G/1, whose Poisson equation has the solution v² / 2 (1 - load):
    its moments (Takács 1962) bring in those of the work up to the fourth. Other arrivals count by
    how much their number varies in the long run, as in heavy traffic (Whitt 1989, "Planning
    queueing simulations").
    """
    if not 0 < load < np.inf:
        return None
    work = Exponential(mean=1.0) if service is None else service
    scv, burstiness = work.scv, dispersion(interarrival)
    if capacity is not None:
        model, known, settled = _bounded(load, servers, capacity)
        variability = (burstiness + scv) / 2
        return Needed(model, known * variability, settled * variability)
    if load >= 1:
        return None
    markovian = workload(load, Exponential(mean=1.0))
    with np.errstate(over="ignore", invalid="ignore"):
        spread, start = np.nan_to_num(workload(load, work), nan=np.inf)
        gaps = (burstiness + scv) / (1 + scv)
        factor = spread / markovian[0] * gaps
    known = mm1_run_length(load, 1.0).customers(TOO_WIDE) * float(factor)
    settled = float(start / markovian[1] * gaps) / (1 - load) ** 2
    # Many servers forget their start no sooner than the work that they begin with is over.
    filled = servers * load * (1 + scv) / 2 if burstiness + scv else 0.0
    kind = "M" if isinstance(interarrival, Exponential) else "G"
    kind += "/M/" if isinstance(work, Exponential) else "/G/"
    number = servers if filled > settled else 1
    return Needed(f"{kind}{number}", known, max(settled, filled) / FADED)


def needed_by_callers(
    callers: int, think: Distribution, service: Distribution, servers: int
) -> Needed | None:
    """What callers who wait for their reply need; None where they don't think, or don't work.

    Parameters
    ----------
    callers : int
        How many there are.
    think, service : Distribution
        Time from a reply to the next request, and work of a request (s).
    servers : int
        Requests that are worked on at once.
    """
    if not think.average or not service.average:
        return None
    known, settled = _machine_repair(callers, think.average / service.average, servers)
    variability = (think.scv + service.scv) / 2
    return Needed("machine repair", known * variability, settled * variability)


@lru_cache
def _bounded(load: float, servers: int, capacity: int) -> tuple[str, float, float]:
    """M/M/c/K, where each server does one message a second; its needs in messages."""
    places = servers + capacity
    births = np.full(places, load * servers)
    deaths = np.minimum(np.arange(1.0, places + 1), servers)
    return f"M/M/{servers}/{places}", *_chain(births, deaths, load * servers)


@lru_cache
def _machine_repair(callers: int, think: float, servers: int) -> tuple[float, float]:
    """M/M/c//N, where each server does one message a second; its needs in messages."""
    births = np.arange(callers, 0.0, -1) / think
    deaths = np.minimum(np.arange(1.0, callers + 1), servers)
    return _chain(births, deaths, 1 / (think / callers + 1 / min(servers, callers)))


def _chain(births: Floats, deaths: Floats, per_second: float) -> tuple[float, float]:
    """What the number in the system needs, in messages of which so many come per second."""
    found = time_average(births, deaths, np.arange(len(births) + 1.0))
    spread = found.asymptotic_variance / found.mean**2
    start = found.shortfall / found.mean
    return per_second * spread * (QUANTILE / TOO_WIDE) ** 2, per_second * start / FADED


def workload(load: float, work: Distribution) -> tuple[float, float]:
    """How much the average workload of M/G/1 varies from run to run, and lacks at first.

    Relative to the workload and in units of the mean work: the asymptotic variance over the mean
    squared, and the shortfall after an empty start over the mean.
    """
    second, third, fourth = (moment(work, order) for order in (2, 3, 4))
    ratio = load / (1 - load)
    mean = ratio * second / 2
    square = ratio * (second * mean + third / 3)
    cube = ratio * (1.5 * second * square + third * mean + fourth / 4)
    return (cube - mean * square) / (1 - load) / mean**2, square / mean / (2 * (1 - load))


def dispersion(interarrival: Distribution) -> float:
    """The variance of the number of arrivals over its mean, in the long run; no unit."""
    match interarrival:
        case Bursty(rates=(one, other), mean_sojourns=(first, second)):
            switching = first * second / (first + second)
            share = first * second / (first + second) ** 2
            return 1 + 2 * (one - other) ** 2 * share * switching * interarrival.average
        case Batches(interarrival=between):
            mean, scv = size_of(interarrival)
            return mean * (scv + between.scv)
        case VaryingPoisson():
            return 1.0
    return interarrival.scv


def size_of(batches: Batches) -> tuple[float, float]:
    """Mean number of messages in a batch, and its squared coefficient of variation."""
    size = batches.size
    fewest, most = size if isinstance(size, tuple) else (size, size)
    mean = (fewest + most) / 2
    return mean, ((most - fewest + 1) ** 2 - 1) / 12 / mean**2


def moment(work: Distribution, order: int) -> float:
    """Mean of a power of the duration, over the same power of its mean; no unit."""
    match work:
        case LogNormal():
            return float(np.float64(1 + work.scv) ** (order * (order - 1) / 2))
        case Hyperexponential():
            # Each of the two has half of the mean: p / (2p)^k, and the same for the other.
            first = (1 + np.sqrt((work.scv - 1) / (work.scv + 1))) / 2
            shares = np.array([first, 1 - first])
            return float(factorial(order) * np.sum(shares / (2 * shares) ** order))
        case Uniform(low=low, high=high):
            powers = np.arange(order + 1)
            return float(np.mean((low / high) ** powers) * (high / work.average) ** order)
        case Empirical(values=values) | Replay(values=values):
            return float(np.mean((np.array(values) / work.average) ** order))
    # Exact for exponential, constant and Erlang durations, all of which are gamma distributed.
    return float(np.prod(1 + np.arange(order) * work.scv))
