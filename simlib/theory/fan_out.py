"""One request, many servers: the slowest of all, the first of some, the better of two."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from simlib.theory import checks
from simlib.theory.markov import mm1
from simlib.theory.results import percentile


def fan_out_slow(p_slow: float, calls: int) -> float:
    """Probability that at least one of several calls is slow.

    Parameters
    ----------
    p_slow
        Probability that one call is slow, independently of the others, 0 to 1.
    calls
        Calls that a request makes at once, >= 1; it waits for all.

    Notes
    -----
    Dean and Barroso (2013), "The tail at scale".

    Examples
    --------
    >>> round(fan_out_slow(p_slow=0.01, calls=100), 3)
    0.634
    """
    slow = checks.probability("p_slow", p_slow)
    count = checks.whole("calls", calls)
    return 1.0 if slow == 1 else -math.expm1(count * math.log1p(-slow))


def fan_out_percentile(q: float, calls: int) -> float:
    """The percentile of one call that decides a percentile of all.

    Parameters
    ----------
    q
        Percent of the requests, 0 to 100.
    calls
        Calls that a request makes at once, >= 1, independent; it waits for all.

    Returns
    -------
    float
        Percent: a request is fast `q` percent of the time if each call is this often.
    """
    return float(100 * (checks.percent("q", q) / 100) ** (1 / checks.whole("calls", calls)))


def fan_out_mean(latency_mean: float, calls: int) -> float:
    """Mean of the slowest of several independent exponential latencies (seconds).

    Parameters
    ----------
    latency_mean
        Mean latency of one call (seconds), > 0.
    calls
        Calls that a request makes at once, >= 1.

    Notes
    -----
    Rényi (1953): the harmonic number of the calls times the mean. Calls that queue behind the same
    requests are not independent: see :func:`fork_join`.
    """
    mean = checks.duration("latency_mean", latency_mean)
    return mean * math.fsum(1 / k for k in range(1, checks.whole("calls", calls) + 1))


def fork_join(arrival_rate: float, service_rate: float) -> float:
    """Mean time until both halves of a request are done, in two M/M/1 queues (seconds).

    Parameters
    ----------
    arrival_rate
        Requests (per second), > 0 and below `service_rate`; each puts a task in both queues.
    service_rate
        Tasks each of the two servers completes when busy (per second), > 0.

    Raises
    ------
    UnstableError
        If requests are as fast as service, or faster.

    Notes
    -----
    Flatto and Hahn (1984); Nelson and Tantawi (1988), eq. 6. Less than the slower of two
    *independent* queues would take, for the two grow together.
    """
    branch = mm1(arrival_rate, service_rate)
    return (12 - branch.utilisation) / 8 * branch.W


def power_of_choices(load: float, service_mean: float, choices: int) -> float:
    """Mean sojourn when each request picks the shortest of a few queues (seconds).

    Parameters
    ----------
    load
        Load of each server, > 0 and < 1.
    service_mean
        Mean service time, exponential (seconds), > 0.
    choices
        Queues each request looks at, chosen at random, >= 1; 1 is M/M/1.

    Raises
    ------
    UnstableError
        If the load reaches 1.

    Notes
    -----
    Mitzenmacher (2001), "The power of two choices in randomized load balancing"; Vvedenskaya,
    Dobrushin and Karpelevich (1996). Exact for infinitely many servers; a hundred are about one
    percent slower at a load of 0.9 and ten percent at 0.99.
    """
    use = checks.positive("load", load, "(arrival rate x service mean)")
    mean = checks.duration("service_mean", service_mean)
    count = checks.whole("choices", choices)
    checks.stable(use)
    if count == 1:
        return mean / (1 - use)
    total, term, exponent = 0.0, 1.0, 0.0
    while term > 1e-17 * total:
        total += term
        exponent = exponent * count + count
        term = use**exponent
    return mean * total


def redundancy(arrival_rate: float, service_rate: float, servers: int, copies: int) -> float:
    """Mean sojourn when each request queues at several servers and the first to finish wins.

    Parameters
    ----------
    arrival_rate
        Requests (per second), > 0 and below ``servers * service_rate``.
    service_rate
        Services one server completes when busy (per second), > 0.
    servers
        Number of servers, each with its own queue, >= 1.
    copies
        Servers each request is sent to, chosen at random, 1 to `servers`.

    Returns
    -------
    float
        Mean time until the first copy is done (seconds).

    Raises
    ------
    UnstableError
        If the offered load reaches the number of servers.

    Notes
    -----
    Gardner et al. (2017), "Redundancy-d: the power of d choices for redundancy", theorem 1.
    Exponential service, drawn anew for each copy; the others are cancelled at once, also in
    service. Both matter: with equal copies redundancy can make a system unstable.
    """
    arrivals = checks.rate("arrival_rate", arrival_rate)
    service = checks.rate("service_rate", service_rate)
    count = checks.whole("servers", servers)
    sent = checks.whole("copies", copies)
    if sent > count:
        raise ValueError(f"copies must be <= servers ({count}), got {copies!r}")
    checks.stable(arrivals / service, count)
    all_sets = math.comb(count - 1, sent - 1)
    return math.fsum(
        1 / (count * service * (all_sets / math.comb(i - 1, sent - 1)) - arrivals)
        for i in range(sent, count + 1)
    )


def lognormal_survival(mean: float, cv: float) -> Callable[[float], float]:
    """Survival function of a log-normal time: the probability that it exceeds t seconds.

    Parameters
    ----------
    mean
        Mean of the time itself (seconds), > 0.
    cv
        Coefficient of variation of the time itself, > 0.
    """
    average = checks.duration("mean", mean)
    variance = math.log1p(checks.positive("cv", cv, "(standard deviation / mean)") ** 2)
    middle = math.log(average) - variance / 2
    width = math.sqrt(2 * variance)
    return lambda t: 0.5 * math.erfc((math.log(t) - middle) / width) if t > 0 else 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Hedge:
    """A request that is sent a second time when the first takes long; the better answer counts."""

    mean: float
    """Mean latency (seconds)."""
    extra_requests: float
    """Second requests, as a fraction of the first ones."""
    after: float
    """Time after which the second request is sent (seconds)."""
    survival: Callable[[float], float] = field(repr=False, compare=False)
    """Probability that one request takes longer than t seconds."""

    def latency_tail(self, t: float) -> float:
        """Probability that the first answer takes longer than `t` seconds (t >= 0)."""
        first = self.survival(checks.time("t", t))
        return first if t < self.after else first * self.survival(t - self.after)

    def latency_percentile(self, q: float) -> float:
        """The latency (seconds) that `q` percent of the requests do not exceed."""
        return percentile(self.latency_tail, q, self.mean)

    def unhedged_percentile(self, q: float) -> float:
        """The latency (seconds) that `q` percent would not exceed without the second request."""
        return percentile(self.survival, q, self.mean)


def hedge(survival: Callable[[float], float], after: float) -> Hedge:
    """A second request after a while, to another server.

    Parameters
    ----------
    survival
        Probability that one request takes longer than t seconds, such as
        :func:`lognormal_survival`.
    after
        Time after which the second request is sent (seconds), > 0.

    Notes
    -----
    Dean and Barroso (2013), "The tail at scale". Exact when the two latencies are independent and
    the second request slows nobody down; near saturation it does.
    """
    delay = checks.duration("after", after)
    nodes, weights = np.polynomial.legendre.leggauss(200)
    positions, weights = (nodes + 1) / 2, weights / 2
    early = sum(w * survival(delay * x) for x, w in zip(positions, weights, strict=True))
    # The rest, to infinity, with t = after * (1 + x / (1 - x)).
    late = sum(
        w / (1 - x) ** 2 * survival(delay / (1 - x)) * survival(delay * x / (1 - x))
        for x, w in zip(positions, weights, strict=True)
    )
    return Hedge(
        mean=float(delay * (early + late)),
        extra_requests=survival(delay),
        after=delay,
        survival=survival,
    )
