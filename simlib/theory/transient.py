"""Before the steady state: an empty start, a rate that changes, and how long a run must be."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from simlib.theory import checks
from simlib.theory.birth_death import Floats, poisson_mixture


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A system at one moment, averaged over many starts."""

    L: float
    """Mean number in the system."""
    p_empty: float
    """Probability of nobody in the system."""


def mm1_transient(arrival_rate: float, service_rate: float, time: float) -> Snapshot:
    """M/M/1, some time after it started empty.

    Parameters
    ----------
    arrival_rate
        Arrivals (per second), > 0. May exceed `service_rate`.
    service_rate
        Services the server completes when busy (per second), > 0.
    time
        Time since the start (seconds), >= 0; no more than 50,000 arrivals and services' worth.

    Notes
    -----
    Uniformisation: Jensen (1953); Gross and Miller (1984). Exact to rounding.
    """
    arrivals = checks.rate("arrival_rate", arrival_rate)
    service = checks.rate("service_rate", service_rate)
    events = (arrivals + service) * checks.time("time", time)
    if events > 50_000:
        raise ValueError(
            f"time must be <= {50_000 / (arrivals + service):g} seconds at these rates, "
            f"got {time!r}"
        )
    steps = math.ceil(events + 12 * math.sqrt(events)) + 41
    up = arrivals / (arrivals + service)
    numbers = np.arange(steps + 1)
    state = np.zeros(steps + 1)
    state[0] = 1.0
    mean, empty = np.empty(steps), np.empty(steps)
    for step in range(steps):
        reached = state[: step + 2]
        mean[step] = numbers[: step + 2] @ reached
        empty[step] = reached[0]
        after = np.zeros(step + 2)
        after[1:] = up * reached[:-1]
        after[:-1] += (1 - up) * reached[1:]
        after[0] += (1 - up) * reached[0]
        state[: step + 2] = after
    return Snapshot(L=poisson_mixture(mean, events), p_empty=poisson_mixture(empty, events))


def mm1_first_n(arrival_rate: float, service_rate: float, n: int) -> Floats:
    """Mean waits of the first customers of an M/M/1 queue that starts empty.

    Parameters
    ----------
    arrival_rate
        Arrivals (per second), > 0. May exceed `service_rate`.
    service_rate
        Services the server completes when busy (per second), > 0.
    n
        How many customers, >= 1.

    Returns
    -------
    numpy.ndarray
        Mean wait of customers 1, 2, …, n (seconds); the first doesn't wait. Its ``mean()`` is what
        a run of n customers without a warm-up estimates.

    Notes
    -----
    Spitzer (1956): the mean wait of customer n + 1 is the sum, over k up to n, of 1/k times the
    mean positive part of k service times less k interarrival times.

    Examples
    --------
    >>> waits = mm1_first_n(arrival_rate=1, service_rate=10 / 9, n=25)
    >>> print(f"{waits.mean():.3f}")
    2.124
    """
    from scipy.special import betainc

    arrivals = checks.rate("arrival_rate", arrival_rate)
    service = checks.rate("service_rate", service_rate)
    count = checks.whole("n", n)
    # Of k services, those not finished when the k-th interarrival time ends, count.
    first = arrivals / (arrivals + service)
    k = np.arange(1.0, count)
    unfinished = betainc(k, k, first)
    unfinished[1:] -= service / arrivals * betainc(k[1:] + 1, k[1:] - 1, first)
    return np.concatenate(([0.0], np.cumsum(unfinished / service)))


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLength:
    """How much an average over a long M/M/1 run still varies from run to run."""

    Wq: float
    """Mean wait in the steady state (seconds)."""
    wait_variance: float
    """Variance of one customer's wait (seconds²)."""
    wait_asymptotic_variance: float
    """n times the variance of the average wait of n successive customers, n large (seconds²)."""
    L: float
    """Mean number in the system in the steady state."""
    in_system_asymptotic_variance: float
    """t times the variance of the average number in the system during t, t long (seconds)."""

    @property
    def inflation(self) -> float:
        """How many times the variance of independent waits: neighbours wait alike."""
        return self.wait_asymptotic_variance / self.wait_variance

    def customers(self, relative_half_width: float, confidence: float = 0.95) -> int:
        """Customers to observe until the mean wait is known.

        Parameters
        ----------
        relative_half_width
            Half of the confidence interval's width, over the mean wait, > 0.
        confidence
            Probability that the interval covers the mean, > 0 and < 1.
        """
        spread = self.wait_asymptotic_variance / self.Wq**2
        return math.ceil(_observations(spread, relative_half_width, confidence))

    def duration(self, relative_half_width: float, confidence: float = 0.95) -> float:
        """Time (seconds) to observe until the mean number in the system is known.

        Parameters
        ----------
        relative_half_width
            Half of the confidence interval's width, over the mean number, > 0.
        confidence
            Probability that the interval covers the mean, > 0 and < 1.
        """
        spread = self.in_system_asymptotic_variance / self.L**2
        return _observations(spread, relative_half_width, confidence)


def _observations(spread: float, relative_half_width: float, confidence: float) -> float:
    width = checks.positive("relative_half_width", relative_half_width, "(half-width / mean)")
    level = checks.uncertain("confidence", confidence)
    return spread * (NormalDist().inv_cdf((1 + level) / 2) / width) ** 2


def mm1_run_length(arrival_rate: float, service_rate: float) -> RunLength:
    """Variance of the averages of one long M/M/1 run, for planning how long it must be.

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
    Daley (1968), "The serial correlation coefficients of waiting times in a stationary single
    server queue"; Whitt (1989), "Planning queueing simulations". Valid for runs much longer than
    ``1 / (1 - load)**2`` services, after a warm-up.
    """
    arrivals = checks.rate("arrival_rate", arrival_rate)
    service = checks.rate("service_rate", service_rate)
    load = arrivals / service
    checks.stable(load)
    spare = 1 - load
    polynomial = load * (2 + 5 * load - 4 * load**2 + load**3)
    return RunLength(
        Wq=load / (service * spare),
        wait_variance=load * (2 - load) / (service * spare) ** 2,
        wait_asymptotic_variance=polynomial / (service**2 * spare**4),
        L=load / spare,
        in_system_asymptotic_variance=2 * load * (1 + load) / (service * spare**4),
    )


def mtm_infinity(
    mean_rate: float, amplitude: float, angular_frequency: float, service_rate: float, time: float
) -> Snapshot:
    """Arrivals whose rate rises and falls, unlimited concurrency, some time after an empty start.

    Parameters
    ----------
    mean_rate
        Mean of the arrival rate (per second), > 0.
    amplitude
        The rate at time t is ``mean_rate + amplitude * sin(angular_frequency * t)`` (per second);
        0 to `mean_rate`.
    angular_frequency
        2 pi over the period (radians per second), > 0.
    service_rate
        One over the mean service time (per second), > 0; exponential service.
    time
        Time since the start (seconds), >= 0.

    Notes
    -----
    M_t/M/inf: Eick, Massey and Whitt (1993). The number in the system is Poisson: its variance is
    its mean. The peak of the number lags behind the peak of the rate.
    """
    mean = checks.rate("mean_rate", mean_rate)
    swing = checks.non_negative("amplitude", amplitude, "per second")
    if swing > mean:
        raise ValueError(f"amplitude must be <= mean_rate ({mean:g} per second), got {amplitude!r}")
    frequency = checks.positive("angular_frequency", angular_frequency, "radians per second")
    service = checks.rate("service_rate", service_rate)
    t = checks.time("time", time)
    gone = math.exp(-service * t)
    phase = frequency * t
    wave = service * math.sin(phase) - frequency * (math.cos(phase) - gone)
    in_system = -mean / service * math.expm1(-service * t)
    in_system += swing * wave / (service**2 + frequency**2)
    return Snapshot(L=in_system, p_empty=math.exp(-in_system))
