"""Service that always takes the same time: M/D/1 and M/D/c, exactly.

Looked at every `service_time` seconds, everyone who was in service has left and all others have
moved up: the number in the system is a Markov chain. Its generating function has one pole outside
the unit circle that matters and ``servers - 1`` zeros inside, and all that is wanted follows from
those. No sum alternates in sign, so the numbers hold from the lightest load to the heaviest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from simlib.theory import checks
from simlib.theory.birth_death import Floats, poisson_mixture
from simlib.theory.results import LatencyQueue

Complexes = NDArray[np.complex128]


@dataclass(frozen=True, slots=True, kw_only=True)
class MDc(LatencyQueue):
    """The M/D/c queue, first come first served."""

    service_time: float
    """Time every service takes (seconds)."""
    servers: int

    def wait_tail(self, t: float) -> float:
        """Probability that a customer waits longer than `t` seconds (t >= 0).

        Notes
        -----
        Franx (2001), "A simple solution for the M/D/c waiting time distribution", Operations
        Research Letters 29: all terms positive, unlike Crommelin's (1932).
        """
        elapsed = checks.time("t", t) / self.service_time
        rounds = math.floor(elapsed) + 1
        load = self.servers * self.utilisation
        arrivals = load * (rounds - elapsed)
        # Who finds at most `room` waiting, fewer than `rounds` full batches, starts within t.
        room = self.servers * rounds - 1
        newcomers = np.arange(math.ceil(arrivals + 12 * math.sqrt(arrivals)) + 41)
        too_many = np.ones(len(newcomers))
        fits = newcomers <= room
        too_many[fits] = waiting_tail(load, self.servers, room - newcomers[fits])
        return poisson_mixture(too_many, arrivals)

    def latency_tail(self, t: float) -> float:
        """Probability that a customer's sojourn is longer than `t` seconds (t >= 0)."""
        if checks.time("t", t) < self.service_time:
            return 1.0
        return self.wait_tail(t - self.service_time)


def md1(arrival_rate: float, service_time: float) -> MDc:
    """One server, Poisson arrivals, service that always takes the same time.

    Parameters
    ----------
    arrival_rate
        Arrivals (per second), > 0 and below ``1 / service_time``.
    service_time
        Time every service takes (seconds), > 0.

    Raises
    ------
    UnstableError
        If the load reaches 1.

    Notes
    -----
    Erlang (1909). The means are those of :func:`mg1` with ``service_scv=0``; the distribution is
    exact.

    Examples
    --------
    >>> queue = md1(arrival_rate=0.8, service_time=1)
    >>> round(queue.Wq, 6), round(queue.wait_percentile(99), 6)
    (2.0, 10.355887)
    """
    return mdc(arrival_rate, service_time, servers=1)


def mdc(arrival_rate: float, service_time: float, servers: int) -> MDc:
    """Several servers, Poisson arrivals, service that always takes the same time.

    Parameters
    ----------
    arrival_rate
        Arrivals (per second), > 0 and below ``servers / service_time``.
    service_time
        Time every service takes (seconds), > 0.
    servers
        Number of servers, >= 1. Percentiles take a time that grows with its square.

    Raises
    ------
    UnstableError
        If the offered load reaches the number of servers.

    Notes
    -----
    Crommelin (1932, 1934), by the zeros of the generating function: Tijms (2003), *A First Course
    in Stochastic Models*, section 9.6.2. Accurate to about 1e-12 of the service time: waits that
    are shorter still, as many servers under a light load give, come out as zero or nearly so.

    Examples
    --------
    >>> round(mdc(arrival_rate=1.6, service_time=1, servers=2).Wq, 6)
    0.903284
    """
    arrivals = checks.rate("arrival_rate", arrival_rate)
    service = checks.duration("service_time", service_time)
    count = checks.whole("servers", servers)
    load = arrivals * service
    checks.stable(load, count)
    waiting, waiting_variance = _waiting_moments(load, count)
    wait, wait_sd = waiting / arrivals, math.sqrt(waiting_variance) / arrivals
    return MDc(
        throughput=arrivals,
        utilisation=load / count,
        L=waiting + load,
        Lq=waiting,
        W=wait + service,
        Wq=wait,
        p_wait=max(0.0, 1 - p_some_idle(load, count)),
        W_sd=wait_sd,
        Wq_sd=wait_sd,
        service_time=service,
        servers=count,
    )


@lru_cache(maxsize=64)
def _zeros(load: float, servers: int) -> Complexes:
    """The ``servers - 1`` roots of ``z**servers == exp(-load * (1 - z))`` inside the unit circle.

    Each is a fixed point of ``z = w * exp(-load / servers * (1 - z))``, w a root of unity, which
    is what Lambert's W function solves.
    """
    from scipy.special import lambertw

    use = load / servers
    unity = np.exp(2j * np.pi * np.arange(1, servers) / servers)
    roots: Complexes = -lambertw(-use * math.exp(-use) * unity) / use
    return roots


def p_some_idle(load: float, servers: int) -> float:
    """Fraction of time with fewer customers than servers (`load` in erlang)."""
    return float((servers - load) * np.exp(-np.log(1 - _zeros(load, servers)).sum()).real)


def p_all_idle(load: float, servers: int) -> float:
    """Fraction of time with nobody in the system (`load` in erlang)."""
    zeros = _zeros(load, servers)
    return float(p_some_idle(load, servers) * np.exp(np.log(-zeros).sum()).real)


def _waiting_moments(load: float, servers: int) -> tuple[float, float]:
    """Mean number waiting; variance of the number of arrivals during a wait, less its mean.

    From the first two derivatives, at 1, of the logarithm of the generating function of the
    number waiting, which is the transform of the wait in disguise (distributional Little's law).
    """
    spare = servers - load
    first = (spare**2 - servers) / (2 * spare)
    second = (servers / 3 - servers * spare / 2 + spare**3 / 6) / spare
    inverses = 1 / (1 - _zeros(load, servers))
    mean = -first - load + inverses.sum().real
    variance = first**2 - 2 * second - (inverses**2).sum().real
    return max(0.0, float(mean)), max(0.0, float(variance))


def waiting_tail(load: float, servers: int, numbers: NDArray[np.int64]) -> Floats:
    """Probability that more than each of `numbers` are waiting (`load` in erlang)."""
    remainder, constant, decay = _distribution(load, servers)
    above = servers + 1 + numbers
    tail: Floats = constant * np.exp(-decay * above) / -math.expm1(-decay)
    listed = above < len(remainder)
    tail[listed] += remainder[above[listed]]
    return tail.clip(min=0.0)


def idle_distribution(load: float, servers: int) -> Floats:
    """Probabilities of 0, 1, …, servers - 1 in the system (`load` in erlang)."""
    return -_numerator(load, servers)[:-1]


def _numerator(load: float, servers: int) -> Floats:
    """Coefficients of the generating function's numerator.

    The polynomial with zeros at 1 and at the zeros inside the circle: its coefficients are minus
    the probabilities of 0, 1, …, servers - 1, and then their sum. They are found by evaluating it
    at roots of unity, which costs no accuracy.
    """
    zeros = _zeros(load, servers)
    circle = np.exp(2j * np.pi * np.arange(servers + 1) / (servers + 1))
    products = np.array([np.exp(np.log(point - zeros).sum()) for point in circle])
    values = p_some_idle(load, servers) * (circle - 1) * products
    coefficients: Floats = np.fft.fft(values).real / len(circle)
    return coefficients


@lru_cache(maxsize=16)
def _distribution(load: float, servers: int) -> tuple[Floats, float, float]:
    """The number n in the system: ``P(n) == r(n) + constant * exp(-decay * n)``.

    Returns the sums of r from each n on, the constant, and the decay. The second term is the pole
    outside the circle; without it what is left dies out within a few multiples of `servers`, at
    any load.
    """
    size = 1 << math.ceil(math.log2(16 * (servers + 4)))
    circle = np.exp(2j * np.pi * np.arange(size) / size)
    empty_round = np.exp(-load * (1 - circle))
    above = np.fft.ifft(_numerator(load, servers), size) * size * empty_round
    below = circle**servers - empty_round
    values = np.ones(size, dtype=complex)
    values[1:] = above[1:] / below[1:]
    excess = _pole(load / servers)
    decay = math.log1p(excess)
    constant = 0.0
    # A light load needs no help, and its pole lies too far out to be subtracted accurately.
    if servers * decay < 5:
        pole = 1 + excess
        zeros = np.exp(np.log(pole - _zeros(load, servers)).sum()).real
        constant = p_some_idle(load, servers) * excess * zeros / (load * pole - servers)
        values -= constant / (1 - circle / pole)
    probabilities = np.fft.fft(values).real / size
    return np.cumsum(probabilities[::-1])[::-1], float(constant), decay


def _pole(use: float) -> float:
    """The x > 0 with ``log(1 + x) == use * x``, for 0 < use < 1.

    Newton's method from above, where the concave difference of the two sides leads straight down.
    """
    x = 1 / use**2 - 1
    while (closer := x - (math.log1p(x) - use * x) / (1 / (1 + x) - use)) < x:
        x = closer
    return x
