"""Chains that go up and down by one, and time that passes in exponential phases."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simlib.theory import checks
from simlib.theory.results import LatencyQueue

Floats = NDArray[np.floating[Any]]


def stationary(births: Floats, deaths: Floats) -> Floats:
    """Time fractions of a birth-death chain on 0, 1, …, n.

    Parameters
    ----------
    births
        Rates from 0, 1, …, n - 1 upwards (per second), all > 0.
    deaths
        Rates from 1, 2, …, n downwards (per second), all > 0.

    Notes
    -----
    Detailed balance, in logarithms, so that neither a thousand servers nor a hopeless overload
    can overflow. Gross, Shortle, Thompson and Harris, *Fundamentals of Queueing Theory* (2008),
    section 2.1.
    """
    logs = np.concatenate(([0.0], np.cumsum(np.log(births) - np.log(deaths))))
    weights: Floats = np.exp(logs - logs.max())
    weights /= weights.sum()
    return weights


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeAverage:
    """How an average over time of a figure of the chain comes by its value."""

    mean: float
    """In the steady state."""
    shortfall: float
    """The integral over all time of what the figure's mean lacks after a start in state 0 (s)."""
    asymptotic_variance: float
    """t times the variance of the average over t, t long (s)."""


def time_average(births: Floats, deaths: Floats, values: Floats) -> TimeAverage:
    """Averages over time of a figure that a birth-death chain has in each of its states.

    Parameters
    ----------
    births, deaths
        As for `stationary`.
    values
        The figure in states 0, 1, …, n.

    Notes
    -----
    Poisson's equation, solved from both ends: Whitt (1992), "Asymptotic formulas for Markov
    processes with applications to simulation".
    """
    share = stationary(births, deaths)
    mean = float(share @ values)
    lacks = mean - values
    # How much a step up adds to all that is still to come. Each recursion forgets its errors on
    # its way to the likeliest state, and doubles them beyond it.
    likeliest = int(np.argmax(share))
    gains = [0.0] * len(births)
    gain = 0.0
    for state in range(likeliest):
        gain = (deaths[state - 1] * gain if state else 0.0) + lacks[state]
        gain /= births[state]
        gains[state] = gain
    gain = 0.0
    for state in range(len(births), likeliest, -1):
        gain = (births[state] * gain if state < len(births) else 0.0) - lacks[state]
        gain /= deaths[state - 1]
        gains[state - 1] = gain
    step = np.array(gains)
    above = np.cumsum(share[:0:-1])[::-1]
    return TimeAverage(
        mean=mean,
        shortfall=float(step @ above),
        asymptotic_variance=2 * float((births * share[:-1]) @ step**2),
    )


def poisson_mixture(values: Floats, mean: float) -> float:
    """Mean of ``values[N]`` with N Poisson; values beyond the end count as zero."""
    spread = 40 + 12 * math.sqrt(mean)
    low = max(0, math.floor(mean - spread))
    counts = np.arange(low, math.ceil(mean + spread))
    logs = np.zeros(len(counts))
    if mean > 0:
        logs[1:] = np.cumsum(math.log(mean) - np.log(counts[1:]))
    else:
        logs[1:] = -math.inf
    weights = np.exp(logs - logs.max())
    reached = values[low : low + len(counts)]
    return float(weights[: len(reached)] @ reached / weights.sum())


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseQueue(LatencyQueue):
    """A queue with exponential service, where a customer waits for a known number of departures.

    Departures while all servers are busy form a Poisson stream, so the wait is a mixture of Erlang
    distributions. It is evaluated by counting that stream's events (uniformisation): every term
    is positive, nothing cancels.
    """

    service_rate: float
    """Services one server completes when busy (per second)."""
    servers: int
    wait_survival: Floats = field(repr=False, compare=False)
    """Entry m: probability that m departures are not enough for service to start."""
    latency_survival: Floats = field(repr=False, compare=False)
    """Entry m: probability that m departures are not enough for service to end."""

    def wait_tail(self, t: float) -> float:
        """Probability that a customer waits longer than `t` seconds (t >= 0)."""
        return poisson_mixture(self.wait_survival, self._departures(t))

    def latency_tail(self, t: float) -> float:
        """Probability that a customer's sojourn is longer than `t` seconds (t >= 0)."""
        return poisson_mixture(self.latency_survival, self._departures(t))

    def _departures(self, t: float) -> float:
        return self.servers * self.service_rate * checks.time("t", t)


@dataclass(frozen=True, slots=True, kw_only=True)
class Phases:
    """How many departures customers wait for, and what follows from it."""

    p_wait: float
    W_sd: float
    Wq_sd: float
    wait_survival: Floats
    latency_survival: Floats


def phases(seen: Floats, service_rate: float, servers: int) -> Phases:
    """What the customers who find `seen` go through.

    Parameters
    ----------
    seen
        Entry n: fraction of the admitted customers who find n others in the system.
    service_rate
        Services one server completes when busy (per second).
    servers
        Number of servers; who finds fewer others does not wait.
    """
    # Who finds n >= servers others waits for n - servers + 1 departures.
    waits = np.concatenate(([seen[:servers].sum()], seen[servers:]))
    counts = np.arange(len(waits))
    departures = servers * service_rate
    mean = float(counts @ waits) / departures
    second_moment = float((counts * (counts + 1)) @ waits) / departures**2
    variance = max(0.0, second_moment - mean**2)
    waiting = np.append(np.cumsum(waits[:0:-1])[::-1], 0.0)
    return Phases(
        p_wait=float(waiting[0]),
        W_sd=math.sqrt(variance + 1 / service_rate**2),
        Wq_sd=math.sqrt(variance),
        wait_survival=waiting,
        latency_survival=_until_end(waits, waiting, servers),
    )


def _until_end(waits: Floats, waiting: Floats, servers: int) -> Floats:
    """Probability of still waiting or being served after each number of departures.

    Once in service, each departure is the customer's own with probability ``1 / servers``.
    """
    others = 1 - 1 / servers
    serving = []
    in_service = 0.0
    for starting in waits.tolist():
        in_service = in_service * others + starting
        serving.append(in_service)
    afterwards = np.arange(1, 40 * servers)
    return np.concatenate((waiting + serving, in_service * others**afterwards))
