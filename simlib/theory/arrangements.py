"""One server with Poisson arrivals that serves by class, in batches, or not all the time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from simlib.theory import checks
from simlib.theory.general import mg1
from simlib.theory.results import Queue


@dataclass(frozen=True, slots=True, kw_only=True)
class Priority:
    """A queue with priority classes; per class, the most urgent first."""

    utilisation: float
    """Busy fraction of the server's time."""
    L: float
    """Mean number in the system, all classes."""
    W: tuple[float, ...]
    """Mean sojourn of each class (seconds)."""
    Wq: tuple[float, ...]
    """Mean wait of each class (seconds)."""
    W_mean: float
    """Mean sojourn of all customers (seconds)."""
    Wq_mean: float
    """Mean wait of all customers (seconds)."""


def mg1_priority(
    arrival_rates: Sequence[float],
    service_means: Sequence[float],
    service_scvs: Sequence[float],
) -> Priority:
    """One server, priority classes, a service that has begun is completed.

    Parameters
    ----------
    arrival_rates
        Arrivals of each class (per second), the most urgent class first, all > 0.
    service_means
        Mean service time of each class (seconds), > 0.
    service_scvs
        Squared coefficient of variation of each class's service time, >= 0.

    Raises
    ------
    UnstableError
        If the load of all classes together reaches 1.

    Notes
    -----
    Cobham (1954), "Priority assignment in waiting line problems", for Poisson arrivals. Priority
    moves waiting from one class to another: the load-weighted sum of the waits stays what it is
    without (Kleinrock's conservation law, 1965).

    Examples
    --------
    >>> [round(wait, 6) for wait in mg1_priority([0.2, 0.6], [1, 1], [1, 1]).Wq]
    [1.0, 5.0]
    """
    rates = checks.each("arrival_rates", arrival_rates, checks.rate)
    means = checks.each("service_means", service_means, checks.duration)
    scvs = checks.each("service_scvs", service_scvs, checks.scv)
    checks.same_length(arrival_rates=rates, service_means=means, service_scvs=scvs)
    loads = [rate * mean for rate, mean in zip(rates, means, strict=True)]
    load = math.fsum(loads)
    checks.stable(load)
    residual = sum(
        rho * mean * (1 + scv) / 2 for rho, mean, scv in zip(loads, means, scvs, strict=True)
    )
    left_over = [1 - urgent for urgent in accumulate(loads, initial=0.0)]
    waits = tuple(residual / (more * less) for more, less in pairwise(left_over))
    sojourns = tuple(wait + mean for wait, mean in zip(waits, means, strict=True))
    in_system = sum(rate * sojourn for rate, sojourn in zip(rates, sojourns, strict=True))
    waiting = sum(rate * wait for rate, wait in zip(rates, waits, strict=True))
    return Priority(
        utilisation=load,
        L=in_system,
        W=sojourns,
        Wq=waits,
        W_mean=in_system / sum(rates),
        Wq_mean=waiting / sum(rates),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchArrivals(Queue):
    """A queue that customers join in batches; averages are over customers, not batches."""

    Wq_first: float
    """Mean wait of the first customer of a batch (seconds)."""


def mg1_batch(
    batch_rate: float,
    batch_mean: float,
    batch_scv: float,
    service_mean: float,
    service_scv: float,
) -> BatchArrivals:
    """One server, batches that arrive as a Poisson stream, service one by one.

    Parameters
    ----------
    batch_rate
        Arrivals of batches (per second), > 0.
    batch_mean
        Mean number of customers in a batch, >= 1.
    batch_scv
        Squared coefficient of variation of that number, >= 0. 0 for batches of one size.
    service_mean
        Mean service time of a customer (seconds), > 0.
    service_scv
        Squared coefficient of variation of the service time, >= 0.

    Raises
    ------
    UnstableError
        If the load, ``batch_rate * batch_mean * service_mean``, reaches 1.

    Notes
    -----
    M^[X]/G/1: Gaver (1959); Gross et al. (2008), section 3.1 and problem 5.11. A batch waits as
    one big customer does; inside it, a customer waits for those before.
    """
    batches = checks.rate("batch_rate", batch_rate)
    size = checks.finite("batch_mean", batch_mean, ">= 1")
    if size < 1:
        raise ValueError(f"batch_mean must be >= 1, got {batch_mean!r}")
    size_scv = checks.scv("batch_scv", batch_scv)
    service = checks.duration("service_mean", service_mean)
    scv = checks.scv("service_scv", service_scv)
    whole = mg1(batches, size * service, scv / size + size_scv)
    # A customer is found in a batch of size n in proportion to n, at any place in it.
    ahead = (size * (1 + size_scv) - 1) / 2
    wait = whole.Wq + ahead * service
    arrivals = batches * size
    load = whole.utilisation
    return BatchArrivals(
        throughput=arrivals,
        utilisation=load,
        L=arrivals * wait + load,
        Lq=arrivals * wait,
        W=wait + service,
        Wq=wait,
        p_wait=1 - (1 - load) / size,
        Wq_first=whole.Wq,
    )


def mg1_vacation(
    arrival_rate: float,
    service_mean: float,
    service_scv: float,
    vacation_mean: float,
    vacation_scv: float,
) -> Queue:
    """A consumer that polls: finding nothing, it sleeps and looks again.

    Parameters
    ----------
    arrival_rate
        Arrivals (per second), > 0 and below ``1 / service_mean``.
    service_mean
        Mean service time (seconds), > 0.
    service_scv
        Squared coefficient of variation of the service time, >= 0.
    vacation_mean
        Mean time asleep, the poll interval (seconds), > 0.
    vacation_scv
        Squared coefficient of variation of the time asleep, >= 0. 0 for a fixed interval.

    Raises
    ------
    UnstableError
        If the load reaches 1.

    Notes
    -----
    Multiple vacations, exhaustive service: Levy and Yechiali (1975); the decomposition is Fuhrmann
    and Cooper (1985). The mean wait grows by the mean rest of a vacation, at any load.
    """
    sleep = checks.duration("vacation_mean", vacation_mean)
    rest = sleep * (1 + checks.scv("vacation_scv", vacation_scv)) / 2
    return _delayed(arrival_rate, service_mean, service_scv, rest)


def mg1_setup(
    arrival_rate: float,
    service_mean: float,
    service_scv: float,
    setup_mean: float,
    setup_scv: float,
) -> Queue:
    """A server that switches off when idle, and needs a cold start for the next arrival.

    Parameters
    ----------
    arrival_rate
        Arrivals (per second), > 0 and below ``1 / service_mean``.
    service_mean
        Mean service time (seconds), > 0.
    service_scv
        Squared coefficient of variation of the service time, >= 0.
    setup_mean
        Mean duration of the cold start (seconds), > 0. Who arrives during it waits for the rest.
    setup_scv
        Squared coefficient of variation of that duration, >= 0.

    Raises
    ------
    UnstableError
        If the load reaches 1.

    Notes
    -----
    Welch (1964), "On a generalized M/G/1 queuing process in which the first customer of each busy
    period receives exceptional service". The share of cold starts falls as the load rises.
    """
    arrivals = checks.rate("arrival_rate", arrival_rate)
    start = checks.duration("setup_mean", setup_mean)
    start_square = start**2 * (1 + checks.scv("setup_scv", setup_scv))
    delay = (2 * start + arrivals * start_square) / (2 * (1 + arrivals * start))
    return _delayed(arrivals, service_mean, service_scv, delay)


def _delayed(arrival_rate: float, service_mean: float, service_scv: float, delay: float) -> Queue:
    """An M/G/1 queue whose idle server is never ready: everybody waits, `delay` seconds more."""
    ready = mg1(arrival_rate, service_mean, service_scv)
    arrivals, wait = ready.throughput, ready.Wq + delay
    return Queue(
        throughput=arrivals,
        utilisation=ready.utilisation,
        L=arrivals * wait + ready.utilisation,
        Lq=arrivals * wait,
        W=ready.W + delay,
        Wq=wait,
        p_wait=1.0,
    )


def mg1_breakdown(
    arrival_rate: float,
    service_mean: float,
    service_scv: float,
    failure_rate: float,
    repair_mean: float,
    repair_scv: float,
) -> Queue:
    """A server that fails while it works, is repaired, and goes on where it stopped.

    Parameters
    ----------
    arrival_rate
        Arrivals (per second), > 0.
    service_mean
        Mean working time a customer needs (seconds), > 0.
    service_scv
        Squared coefficient of variation of that time, >= 0.
    failure_rate
        Failures per second of work, > 0. An idle server does not fail.
    repair_mean
        Mean time to repair (seconds), > 0.
    repair_scv
        Squared coefficient of variation of the time to repair, >= 0.

    Returns
    -------
    Queue
        A customer is in service from its first attention to its end, repairs included; so
        `utilisation` is the fraction of time when the server works or is under repair.

    Raises
    ------
    UnstableError
        If the load, repairs included, reaches 1.

    Notes
    -----
    Gaver (1962), "A waiting line with interrupted service, including priorities": an M/G/1 queue
    of completion times. Exact for failures that come as a Poisson stream in working time.
    """
    arrivals = checks.rate("arrival_rate", arrival_rate)
    service = checks.duration("service_mean", service_mean)
    scv = checks.scv("service_scv", service_scv)
    failures = checks.rate("failure_rate", failure_rate)
    repair = checks.duration("repair_mean", repair_mean)
    repair_square = repair**2 * (1 + checks.scv("repair_scv", repair_scv))
    stretch = 1 + failures * repair
    variance = (stretch * service) ** 2 * scv + failures * service * repair_square
    completion = stretch * service
    queue = mg1(arrivals, completion, variance / completion**2)
    return Queue(
        throughput=arrivals,
        utilisation=queue.utilisation,
        L=queue.L,
        Lq=queue.Lq,
        W=queue.W,
        Wq=queue.Wq,
        p_wait=queue.p_wait,
    )
