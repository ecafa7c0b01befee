"""One server, and service or arrivals that are not exponential."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from simlib.theory import checks
from simlib.theory.checks import Transform
from simlib.theory.markov import mmc
from simlib.theory.results import LatencyQueue, Queue
from simlib.theory.transforms import tail_at


@dataclass(frozen=True, slots=True, kw_only=True)
class MG1(LatencyQueue):
    """The M/G/1 queue, first come first served.

    Tails and percentiles depend on the whole service distribution: they need `service_lst`.
    """

    service_lst: Transform | None = field(repr=False, compare=False)
    """Transform of the service time, if given."""

    def wait_tail(self, t: float) -> float:
        """Probability that a customer waits longer than `t` seconds (t >= 0)."""
        if checks.time("t", t) == 0:
            return self.p_wait
        return tail_at(self._wait_lst, t)

    def latency_tail(self, t: float) -> float:
        """Probability that a customer's sojourn is longer than `t` seconds (t >= 0)."""
        if checks.time("t", t) == 0:
            return 1.0
        return tail_at(lambda s: self._wait_lst(s) * self._service(s), t)

    def _wait_lst(self, s: complex) -> complex:
        arriving = self.throughput * (1 - self._service(s))
        return (1 - self.utilisation) * s / (s - arriving)

    def _service(self, s: complex) -> complex:
        if self.service_lst is None:
            raise ValueError(
                "two moments of the service time do not decide the distribution of the wait: "
                "give mg1 a service_lst, such as erlang_lst(k, mean)"
            )
        return self.service_lst(s)


def mg1(
    arrival_rate: float,
    service_mean: float,
    service_scv: float,
    *,
    service_skewness: float | None = None,
    service_lst: Transform | None = None,
) -> MG1:
    """One server, Poisson arrivals, any service distribution.

    Parameters
    ----------
    arrival_rate
        Arrivals (per second), > 0 and below ``1 / service_mean``.
    service_mean
        Mean service time (seconds), > 0.
    service_scv
        Squared coefficient of variation of the service time (variance / mean²), >= 0.
        0 is constant service, 1 exponential.
    service_skewness
        Third standardised moment of the service time; the standard deviations need it.
        Exponential 2, Erlang-k ``2 / sqrt(k)``, log-normal ``cv**3 + 3 * cv``.
    service_lst
        Transform of the service time; tails and percentiles need it. See :func:`erlang_lst`. For
        constant service :func:`md1` is exact where the inversion of a transform is not.

    Raises
    ------
    UnstableError
        If the load reaches 1.

    Notes
    -----
    Pollaczek (1930) and Khinchine (1932); the variance and the transform of the wait in Gross et
    al. (2008), section 5.1, and Takács (1962). Any order of service that ignores service times
    gives the same means, not the same variance.

    Examples
    --------
    >>> mg1(arrival_rate=0.6, service_mean=1, service_scv=4).Wq
    3.75
    """
    arrivals = checks.rate("arrival_rate", arrival_rate)
    service = checks.duration("service_mean", service_mean)
    scv = checks.scv("service_scv", service_scv)
    load = arrivals * service
    checks.stable(load)
    wait = load * service * (1 + scv) / (2 * (1 - load))
    wait_sd = math.nan
    if service_skewness is not None:
        third_moment = _third_moment(service, scv, service_skewness)
        wait_sd = math.sqrt(arrivals * third_moment / (3 * (1 - load)) + wait**2)
    if service_lst is not None:
        checks.transform("service_lst", service_lst, service)
    return MG1(
        throughput=arrivals,
        utilisation=load,
        L=arrivals * wait + load,
        Lq=arrivals * wait,
        W=wait + service,
        Wq=wait,
        p_wait=load,
        W_sd=math.sqrt(wait_sd**2 + scv * service**2),
        Wq_sd=wait_sd,
        service_lst=service_lst,
    )


def _third_moment(mean: float, scv: float, skewness: float) -> float:
    skew = checks.finite("service_skewness", skewness)
    cv = math.sqrt(scv)
    scaled = 1 + 3 * scv + skew * cv**3
    # Cauchy and Schwarz: E[S] E[S³] >= E[S²]².
    if scaled < (1 + scv) ** 2 * (1 - 1e-9):
        raise ValueError(
            f"service_skewness must be >= cv - 1/cv = {cv - 1 / cv:.6g} for a time with "
            f"service_scv = {scv:g}, got {skewness!r}"
        )
    return mean**3 * scaled


@dataclass(frozen=True, slots=True, kw_only=True)
class GM1(LatencyQueue):
    """The GI/M/1 queue, first come first served.

    `p_wait` is what *arrivals* see; it differs from `utilisation`, what time sees, unless arrivals
    are Poisson.
    """

    def wait_tail(self, t: float) -> float:
        """Probability that a customer waits longer than `t` seconds (t >= 0)."""
        return self.p_wait * self.latency_tail(t)

    def latency_tail(self, t: float) -> float:
        """Probability that a customer's sojourn is longer than `t` seconds (t >= 0)."""
        return math.exp(-checks.time("t", t) / self.W)


def gm1(arrival_rate: float, service_rate: float, interarrival_lst: Transform) -> GM1:
    """One server, independent interarrival times of any distribution, exponential service.

    Parameters
    ----------
    arrival_rate
        Arrivals (per second), > 0 and below `service_rate`.
    service_rate
        Services the server completes when busy (per second), > 0.
    interarrival_lst
        Transform of the interarrival time, whose mean is ``1 / arrival_rate``. See
        :func:`deterministic_lst`, :func:`erlang_lst`, :func:`hyperexponential_lst`.

    Raises
    ------
    UnstableError
        If arrivals are as fast as service, or faster.

    Notes
    -----
    Kendall (1953); Gross et al. (2008), section 5.3. The fraction of arrivals that wait is the
    root of ``x = lst(service_rate * (1 - x))`` below 1; the sojourn is exponential.
    """
    arrivals = checks.rate("arrival_rate", arrival_rate)
    service = checks.rate("service_rate", service_rate)
    load = arrivals / service
    checks.stable(load)
    checks.transform("interarrival_lst", interarrival_lst, 1 / arrivals)
    p_idle = _idle_root(interarrival_lst, service)
    sojourn = 1 / (service * p_idle)
    p_wait = 1 - p_idle
    return GM1(
        throughput=arrivals,
        utilisation=load,
        L=arrivals * sojourn,
        Lq=arrivals * p_wait * sojourn,
        W=sojourn,
        Wq=p_wait * sojourn,
        p_wait=p_wait,
        W_sd=sojourn,
        Wq_sd=sojourn * math.sqrt(p_wait * (2 - p_wait)),
    )


def _idle_root(lst: Transform, service_rate: float) -> float:
    """The x in (0, 1) with ``1 - x == lst(service_rate * x)``: arrivals who find the server idle.

    The difference of the two sides is concave and zero at 0, so it is positive up to the root.
    """

    def before_root(x: float) -> bool:
        return 1 - x > complex(lst(service_rate * x)).real

    low, high = 0.5, 1.0
    while not before_root(low):
        low, high = low / 2, low
    while low < (middle := (low + high) / 2) < high:
        if before_root(middle):
            low = middle
        else:
            high = middle
    return high


@dataclass(frozen=True, slots=True, kw_only=True)
class Approximation(Queue):
    """A queue of which only an approximation is known."""

    method: str
    """What is approximated, and after whom."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GG1(Approximation):
    """The GI/G/1 queue: approximate means, and a bound that holds."""

    Wq_upper_bound: float
    """The mean wait (seconds) is below this, exactly: Kingman's bound."""


def gg1(
    arrival_rate: float, service_mean: float, interarrival_scv: float, service_scv: float
) -> GG1:
    """One server, any arrivals and any service: Kingman's approximation and bound.

    Parameters
    ----------
    arrival_rate
        Arrivals (per second), > 0 and below ``1 / service_mean``.
    service_mean
        Mean service time (seconds), > 0.
    interarrival_scv
        Squared coefficient of variation of the interarrival time, >= 0. 1 for Poisson arrivals.
    service_scv
        Squared coefficient of variation of the service time, >= 0.

    Returns
    -------
    GG1
        `Wq`, `W`, `Lq` and `L` by the approximation (variability × utilisation × time);
        `Wq_upper_bound` by the theorem. `p_wait` is nan.

    Raises
    ------
    UnstableError
        If the load reaches 1.

    Notes
    -----
    Kingman (1961), "The single server queue in heavy traffic": the approximation, exact for
    Poisson arrivals and in the limit of a load of 1. Kingman (1962), "Some inequalities for the
    queue GI/G/1": the bound, for every load. Both need independent interarrival times; bursts
    (:func:`mmpp_m1`) break them.
    """
    queue = ggc(arrival_rate, service_mean, 1, interarrival_scv, service_scv)
    load = queue.utilisation
    variability = interarrival_scv / load + load * service_scv
    return GG1(
        throughput=queue.throughput,
        utilisation=load,
        L=queue.L,
        Lq=queue.Lq,
        W=queue.W,
        Wq=queue.Wq,
        p_wait=queue.p_wait,
        method="Kingman (1961), heavy traffic",
        Wq_upper_bound=service_mean * variability / (2 * (1 - load)),
    )


def ggc(
    arrival_rate: float,
    service_mean: float,
    servers: int,
    interarrival_scv: float,
    service_scv: float,
) -> Approximation:
    """Several servers, any arrivals and any service: Allen and Cunneen's approximation.

    Parameters
    ----------
    arrival_rate
        Arrivals (per second), > 0 and below ``servers / service_mean``.
    service_mean
        Mean service time (seconds), > 0.
    servers
        Number of servers, >= 1.
    interarrival_scv
        Squared coefficient of variation of the interarrival time, >= 0. 1 for Poisson arrivals.
    service_scv
        Squared coefficient of variation of the service time, >= 0.

    Raises
    ------
    UnstableError
        If the offered load reaches the number of servers.

    Notes
    -----
    Allen (1990), *Probability, Statistics and Queueing Theory*, section 5.3: the wait of M/M/c
    times the mean of the two variabilities. Exact for M/M/c and M/G/1; usually within 10 percent
    when the wait is long, worse for light loads and for bursts.
    """
    arrivals = checks.rate("arrival_rate", arrival_rate)
    service = checks.duration("service_mean", service_mean)
    arrival_scv = checks.scv("interarrival_scv", interarrival_scv)
    scv = checks.scv("service_scv", service_scv)
    markovian = mmc(arrivals, 1 / service, servers)
    wait = markovian.Wq * (arrival_scv + scv) / 2
    return Approximation(
        throughput=arrivals,
        utilisation=markovian.utilisation,
        L=arrivals * (wait + service),
        Lq=arrivals * wait,
        W=wait + service,
        Wq=wait,
        p_wait=math.nan,
        method="Allen and Cunneen (1978)",
    )
