"""Services in a row, or linked any other way."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simlib.theory import checks
from simlib.theory.birth_death import Floats
from simlib.theory.markov import MMc, mm1, mmc
from simlib.theory.results import percentile


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """A path through stages that take independent exponential times."""

    W: float
    """Mean time for the whole path (seconds)."""
    W_sd: float
    """Standard deviation of that time (seconds)."""
    stage_rates: tuple[float, ...]
    """One over each stage's mean time (per second)."""

    def latency_tail(self, t: float) -> float:
        """Probability that the path takes longer than `t` seconds (t >= 0)."""
        return _sum_of_exponentials_tail(self.stage_rates, checks.time("t", t))

    def latency_percentile(self, q: float) -> float:
        """The time (seconds) that `q` percent of the paths do not exceed."""
        return percentile(self.latency_tail, q, self.W)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tandem(Chain):
    """Queues in a row, each feeding the next."""

    throughput: float
    """Customers that leave the last queue (per second)."""
    L: float
    """Mean number in all queues and servers."""
    stations: tuple[MMc, ...]
    """Each queue by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncChain(Chain):
    """Services that call one another and wait for the answer."""

    availability: float
    """Probability that every one of them is up."""


def tandem(arrival_rate: float, service_rates: Sequence[float]) -> Tandem:
    """An asynchronous pipeline: one exponential server per stage, unbounded queues between.

    Parameters
    ----------
    arrival_rate
        Arrivals at the first stage (per second), > 0 and below every service rate.
    service_rates
        Services each stage completes when busy (per second), > 0.

    Raises
    ------
    UnstableError
        If a stage is no faster than the arrivals.

    Notes
    -----
    Burke (1956): what leaves an M/M/1 queue is a Poisson stream. Reich (1957): a customer's
    sojourns are independent, so percentiles of the whole are those of a sum, not sums of
    percentiles. Service times must be independent from stage to stage.
    """
    rates = checks.each("service_rates", service_rates, checks.rate)
    stations = tuple(mm1(arrival_rate, rate) for rate in rates)
    sojourns = [station.W for station in stations]
    return Tandem(
        W=math.fsum(sojourns),
        W_sd=math.hypot(*sojourns),
        stage_rates=tuple(1 / sojourn for sojourn in sojourns),
        throughput=stations[0].throughput,
        L=math.fsum(station.L for station in stations),
        stations=stations,
    )


def sync_chain(latency_means: Sequence[float], availabilities: Sequence[float]) -> SyncChain:
    """A chain of synchronous calls without contention: latencies add, availabilities multiply.

    Parameters
    ----------
    latency_means
        Mean time each service takes, exponential and independent (seconds), > 0.
    availabilities
        Probability that each service is up, independently, 0 to 1.
    """
    means = checks.each("latency_means", latency_means, checks.duration)
    up = checks.each("availabilities", availabilities, checks.probability)
    checks.same_length(latency_means=means, availabilities=up)
    return SyncChain(
        W=math.fsum(means),
        W_sd=math.hypot(*means),
        stage_rates=tuple(1 / mean for mean in means),
        availability=math.prod(up),
    )


def _sum_of_exponentials_tail(rates: Sequence[float], t: float) -> float:
    """Probability that independent exponential times together exceed `t` seconds.

    The matrix exponential of the chain through the stages. The time is halved until one Taylor
    series will do, and the result squared back: all entries are positive, so equal or nearly equal
    rates do no harm, as they would to partial fractions.
    """
    fastest = max(rates)
    halvings = max(0, math.ceil(math.log2(max(fastest * t, 1.0))))
    events = fastest * t / 2**halvings
    onwards = np.array(rates) / fastest
    step = np.diag(1 - onwards) + np.diag(onwards[:-1], 1)
    term: Floats = np.eye(len(rates)) * math.exp(-events)
    moved = term.copy()
    for k in range(1, 25):
        term = term @ step * (events / k)
        moved += term
    for _ in range(halvings):
        moved = moved @ moved
    return min(1.0, float(moved[0].sum()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Jackson:
    """An open network of M/M/c queues."""

    W: float
    """Mean time in the network per arrival from outside, all visits (seconds)."""
    L: float
    """Mean number in the network."""
    throughput: float
    """Customers that pass through the network (per second)."""
    stations: tuple[MMc, ...]
    """Each queue, per visit; its `throughput` counts visits."""


def jackson(
    external_rates: Sequence[float],
    routing: Sequence[Sequence[float]],
    service_rates: Sequence[float],
    servers: Sequence[int],
) -> Jackson:
    """An open network in which customers go from station to station by chance.

    Parameters
    ----------
    external_rates
        Poisson arrivals at each station from outside (per second), >= 0, not all 0.
    routing
        ``routing[i][j]`` is the probability of going from station i to j; what a row lacks to 1
        leaves. Everybody must be able to leave, and every station be reached.
    service_rates
        Services one server of each station completes when busy (per second), > 0.
    servers
        Servers of each station, >= 1.

    Raises
    ------
    UnstableError
        If a station's offered load reaches its number of servers.

    Notes
    -----
    Jackson (1957), "Networks of waiting lines": the stations behave as independent M/M/c queues,
    although arrivals within a loop are no Poisson stream.
    """
    outside = checks.each("external_rates", external_rates, _external_rate)
    rows = checks.each("routing", routing, _routing_row)
    rates = checks.each("service_rates", service_rates, checks.rate)
    counts = checks.each("servers", servers, checks.whole)
    checks.same_length(external_rates=outside, routing=rows, service_rates=rates, servers=counts)
    for place, row in enumerate(rows):
        checks.same_length(**{f"routing[{place}]": row, "service_rates": rates})
    visits = _visits(np.array(outside), np.array(rows))
    stations = tuple(map(mmc, visits.tolist(), rates, counts))
    in_network = math.fsum(station.L for station in stations)
    arrivals = math.fsum(outside)
    return Jackson(
        W=in_network / arrivals,
        L=in_network,
        throughput=arrivals,
        stations=stations,
    )


def _external_rate(name: str, value: object) -> float:
    return checks.non_negative(name, value, "per second")


def _routing_row(name: str, value: object) -> tuple[float, ...]:
    row = checks.each(name, value, checks.probability)
    if math.fsum(row) > 1 + 1e-12:
        raise ValueError(f"{name} must add up to 1 at most, got {math.fsum(row):g}")
    return row


def _visits(outside: Floats, routing: Floats) -> Floats:
    """Arrivals at each station, from outside and from others (per second)."""
    size = len(outside)
    if np.abs(np.linalg.eigvals(routing)).max() > 1 - 1e-12:
        raise ValueError("routing must let every customer leave in the end, but some never can")
    visits: Floats = np.linalg.solve(np.eye(size) - routing.T, outside)
    if visits.min() <= 0:
        raise ValueError(
            f"every station must be reached, but station {int(visits.argmin())} is not: "
            "give it external_rates or routing, or leave it out"
        )
    return visits


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """What a pipeline carries in the long run; per stage, in order."""

    throughput: float
    """What leaves the last stage (per second)."""
    bottleneck: int
    """The stage that can do least, counted from 0."""
    backlog_growth: tuple[float, ...]
    """By how much the queue in front of each stage grows (messages per second)."""


def pipeline(
    arrival_rate: float, service_rates: Sequence[float], servers: Sequence[int]
) -> Pipeline:
    """Unbounded queues between stages, perhaps overloaded: the bottleneck law.

    Parameters
    ----------
    arrival_rate
        Arrivals at the first stage (per second), > 0.
    service_rates
        Services one server of each stage completes when busy (per second), > 0.
    servers
        Servers of each stage, >= 1.

    Notes
    -----
    Denning and Buzen (1978), "The operational analysis of queueing network models". Long-run
    averages, for any distributions.
    """
    carried = checks.rate("arrival_rate", arrival_rate)
    rates = checks.each("service_rates", service_rates, checks.rate)
    counts = checks.each("servers", servers, checks.whole)
    checks.same_length(service_rates=rates, servers=counts)
    limits = [rate * count for rate, count in zip(rates, counts, strict=True)]
    growth = []
    for limit in limits:
        growth.append(max(0.0, carried - limit))
        carried = min(carried, limit)
    return Pipeline(
        throughput=carried,
        bottleneck=limits.index(min(limits)),
        backlog_growth=tuple(growth),
    )


def blocking_line(service_rates: Sequence[float], buffers: Sequence[int]) -> float:
    """Throughput of a pipeline with bounded buffers that always has input: backpressure.

    Parameters
    ----------
    service_rates
        Services each stage completes when it works (per second), > 0; one exponential server each.
        At least two stages.
    buffers
        Places between each stage and the next, >= 0, those in service not counted.

    Returns
    -------
    float
        What leaves the last stage (per second).

    Notes
    -----
    Hunt (1956), "Sequential arrays of waiting lines": a stage that finds the next buffer full
    keeps its finished item and stops (blocking after service). Solved as a Markov chain; for two
    equal stages of rate m with b places it gives ``m * (b + 2) / (b + 3)``. Lines of more than
    3000 states are refused.

    Examples
    --------
    >>> round(blocking_line([1, 1, 1], [0, 0]), 6)
    0.564103
    """
    rates = checks.each("service_rates", service_rates, checks.rate)
    places = checks.each("buffers", buffers, _buffer)
    if len(places) != len(rates) - 1:
        raise ValueError(
            "buffers must have one item for each pair of neighbours in service_rates "
            f"({len(rates) - 1}), got {len(places)}"
        )
    states: dict[tuple[int, ...], int] = {(0,) * len(places): 0}
    moves: list[tuple[int, int, float]] = []
    unexplored = list(states)
    while unexplored:
        state = unexplored.pop()
        for stage in _working(state, places):
            after = _completed(state, stage)
            if after not in states:
                states[after] = len(states)
                unexplored.append(after)
            moves.append((states[state], states[after], rates[stage]))
        if len(states) > 3000:
            raise ValueError("the line has more than 3000 states: take fewer or smaller buffers")
    time_in = _steady_state(moves, len(states))
    return rates[-1] * sum(
        float(time_in[number]) for state, number in states.items() if state[-1] > 0
    )


def _buffer(name: str, value: object) -> int:
    return checks.whole(name, value, least=0)


def _working(state: tuple[int, ...], buffers: tuple[int, ...]) -> list[int]:
    """The stages that work, where ``state[i]`` items are done by stage i and not by the next.

    A stage is blocked when they fill the buffer, the next stage's server, and its own. A next
    stage that is blocked itself has its server full of an item it has done.
    """
    stages = []
    blocked = False
    for stage in reversed(range(len(state) + 1)):
        if stage < len(state):
            blocked = state[stage] == buffers[stage] + 2 - blocked
        has_input = stage == 0 or state[stage - 1] > 0
        if has_input and not blocked:
            stages.append(stage)
    return stages


def _completed(state: tuple[int, ...], stage: int) -> tuple[int, ...]:
    after = list(state)
    if stage > 0:
        after[stage - 1] -= 1
    if stage < len(state):
        after[stage] += 1
    return tuple(after)


def _steady_state(moves: list[tuple[int, int, float]], size: int) -> Floats:
    generator = np.zeros((size, size))
    for before, after, rate in moves:
        generator[after, before] += rate
        generator[before, before] -= rate
    generator[-1] = 1.0
    total = np.zeros(size)
    total[-1] = 1.0
    solution: Floats = np.linalg.solve(generator, total)
    return solution
