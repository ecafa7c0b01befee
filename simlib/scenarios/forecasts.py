"""Which formula applies to a queue between producers and consumers."""

from __future__ import annotations

from collections.abc import Callable

from ..analysis.forecast import Forecast
from ..analysis.run_lengths import size_of
from ..distributions import (
    Batches,
    Bursty,
    Deterministic,
    Distribution,
    Erlang,
    Exponential,
    Hyperexponential,
    Replay,
    Trace,
    VaryingPoisson,
)
from ..theory import (
    LatencyQueue,
    Queue,
    deterministic_lst,
    erlang_b,
    erlang_lst,
    ggc,
    gm1,
    hyperexponential_lst,
    md1,
    mdc,
    mg1,
    mg1_batch,
    mm1,
    mmc,
    mmck,
    mmpp_m1,
)

__all__ = ["queue_forecast"]


def queue_forecast(
    interarrival: Distribution, service: Distribution, servers: int, capacity: int | None
) -> Forecast:
    """The forecast for one queue with so many servers and waiting places.

    Parameters
    ----------
    interarrival, service : Distribution
        Gaps between messages and their work (s).
    servers : int
        How many messages are worked on at once.
    capacity : int or None
        Waiting places; None for no bound.
    """
    for name, given in (("arrivals", interarrival), ("work", service)):
        if isinstance(given, Replay | Trace):
            return Forecast(
                model="none", why=f"recorded {name} follow no distribution that a formula takes"
            )
    if isinstance(interarrival, VaryingPoisson):
        return Forecast(
            model="none",
            why="the rate of arrivals varies with the time of the day, so there is no steady state",
        )
    if not interarrival.average:
        return Forecast(model="none", why="all messages come at once, and never again")
    if not service.average:
        return Forecast(model="none", why="work that takes no time waits for nothing")
    rate, mean = 1 / interarrival.average, service.average
    load = rate * mean / servers
    if capacity is not None:
        return _bounded(interarrival, service, servers, capacity)
    if load >= 1:
        return Forecast(
            model="none",
            why=f"at a load of {load:.3g} the queue grows for as long as the run lasts",
        )
    poisson, exponential = (isinstance(each, Exponential) for each in (interarrival, service))
    if isinstance(interarrival, Bursty | Batches):
        return _in_bursts(interarrival, service, servers)
    if poisson and exponential:
        found = mm1(rate, 1 / mean) if servers == 1 else mmc(rate, 1 / mean, servers)
        return _forecast(f"M/M/{servers}", "Poisson arrivals and exponential work", found)
    if poisson and isinstance(service, Deterministic):
        constant = md1(rate, mean) if servers == 1 else mdc(rate, mean, servers)
        return _forecast(f"M/D/{servers}", "Poisson arrivals and constant work", constant)
    if poisson and servers == 1:
        why = "Poisson arrivals and any work (Pollaczek and Khinchine)"
        return _forecast("M/G/1", why, mg1(rate, mean, service.scv))
    if exponential and servers == 1 and (lst := _transform(interarrival)) is not None:
        why = "independent gaps and exponential work"
        return _forecast("GI/M/1", why, gm1(rate, 1 / mean, lst))
    found_by = ggc(rate, mean, servers, interarrival.scv, service.scv)
    why = "no exact formula: an approximation from the means and the variabilities"
    return _forecast(f"G/G/{servers}", why, found_by, exact=False)


def _in_bursts(interarrival: Bursty | Batches, service: Distribution, servers: int) -> Forecast:
    """Gaps are short together and long together, of which their variability knows nothing."""
    match interarrival:
        case Bursty(rates=rates, mean_sojourns=sojourns):
            if servers == 1 and isinstance(service, Exponential):
                leaving = [1 / each for each in sojourns]
                why = "arrivals that switch between two rates, and exponential work"
                return _forecast("MMPP/M/1", why, mmpp_m1(rates, leaving, 1 / service.mean))
        case Batches(interarrival=Exponential(mean=gap)):
            if servers == 1:
                found = mg1_batch(1 / gap, *size_of(interarrival), service.average, service.scv)
                return _forecast("M[X]/G/1", "Poisson batches and any work", found)
    return Forecast(
        model="none",
        why="gaps that depend on each other have a formula for one consumer only: for bursts with "
        "exponential work, and for Poisson batches",
    )


def _bounded(
    interarrival: Distribution, service: Distribution, servers: int, capacity: int
) -> Forecast:
    """Waiting places are limited, and what doesn't fit is refused."""
    rate, mean = 1 / interarrival.average, service.average
    if not isinstance(interarrival, Exponential):
        return Forecast(model="none", why="a bounded queue has a formula for Poisson arrivals only")
    if capacity == 0:
        accepted = rate * (1 - erlang_b(rate * mean, servers))
        return Forecast(
            model=f"M/G/{servers}/{servers}",
            why="no waiting places: Erlang's loss formula holds for any work",
            predicted={"throughput": accepted, "utilisation": accepted * mean / servers},
        )
    if not isinstance(service, Exponential):
        return Forecast(model="none", why="a bounded queue has a formula for exponential work only")
    places = servers + capacity
    found = mmck(rate, 1 / mean, servers, places)
    why = f"Poisson arrivals, exponential work, and {places} places in all"
    return _forecast(f"M/M/{servers}/{places}", why, found)


def _forecast(model: str, why: str, found: Queue, *, exact: bool = True) -> Forecast:
    predicted = {
        "throughput": found.throughput,
        "utilisation": found.utilisation,
        "latency_mean": found.W,
        "wait_mean": found.Wq,
        "queue_mean": found.Lq,
        "in_system_mean": found.L,
        "p_wait": found.p_wait,
    }
    # Two moments of the work decide the means of M/G/1, and not the percentiles.
    if isinstance(found, LatencyQueue) and "/G/" not in model:
        predicted |= {
            f"latency_p{percent}": found.latency_percentile(percent) for percent in (50, 95, 99)
        }
    known = {name: value for name, value in predicted.items() if value == value}
    return Forecast(model=model, why=why, predicted=known, exact=exact)


def _transform(interarrival: Distribution) -> Callable[[complex], complex] | None:
    """The Laplace–Stieltjes transform of the gaps, where it is known."""
    match interarrival:
        case Deterministic(value=value):
            return deterministic_lst(value)
        case Erlang(k=k, mean=mean):
            return erlang_lst(k, mean)
        case Hyperexponential(mean=mean, cv=cv):
            return hyperexponential_lst(mean, cv)
    return None
