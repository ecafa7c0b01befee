"""Arithmetic of messaging: retries, redelivery, prefetch, partitions, an outage."""

from __future__ import annotations

import math
from dataclasses import dataclass

from simlib.theory import checks
from simlib.theory.markov import mm1


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """A server whose answers fail at times, and callers who try again."""

    utilisation: float
    """Busy fraction of the server's time."""
    attempts_per_request: float
    """Mean number of attempts."""
    attempt_rate: float
    """Attempts that arrive at the server (per second)."""
    success_probability: float
    """Fraction of requests that succeed in the end."""
    goodput: float
    """Requests that succeed (per second)."""
    L: float
    """Mean number of attempts at the server, waiting or in service."""
    W_per_attempt: float
    """Mean sojourn of an attempt (seconds)."""
    W_per_request: float
    """Mean time from the first attempt to the end of the last, back-off included (seconds)."""


def retries(
    arrival_rate: float,
    service_rate: float,
    failure_probability: float,
    max_attempts: int | None = None,
    backoff_mean: float = 0.0,
) -> Retries:
    """One exponential server, and retries that load it further.

    Parameters
    ----------
    arrival_rate
        New requests, a Poisson stream (per second), > 0.
    service_rate
        Attempts the server completes when busy, failed ones included (per second), > 0.
    failure_probability
        Probability that an attempt fails, after its service, independently; >= 0 and < 1.
    max_attempts
        Most attempts per request, >= 1; without it a request is tried until it succeeds.
    backoff_mean
        Mean time between a failure and the next attempt (seconds), >= 0; any distribution.

    Raises
    ------
    UnstableError
        If the attempts arrive as fast as service, or faster.

    Notes
    -----
    Jackson (1957) and, for limited attempts and the back-off, Baskett, Chandy, Muntz and Palacios
    (1975): product form, although attempts are no Poisson stream. It stops holding when failures
    come from load, as timeouts do: see :func:`retry_threshold`.
    """
    requests = checks.rate("arrival_rate", arrival_rate)
    failing = checks.uncertain("failure_probability", failure_probability)
    backoff = checks.time("backoff_mean", backoff_mean)
    give_up = 0.0 if max_attempts is None else failing ** checks.whole("max_attempts", max_attempts)
    attempts = (1 - give_up) / (1 - failing)
    server = mm1(requests * attempts, service_rate)
    return Retries(
        utilisation=server.utilisation,
        attempts_per_request=attempts,
        attempt_rate=server.throughput,
        success_probability=1 - give_up,
        goodput=requests * (1 - give_up),
        L=server.L,
        W_per_attempt=server.W,
        W_per_request=attempts * server.W + (attempts - 1) * backoff,
    )


def retry_amplification(layers: int, attempts: int) -> int:
    """Calls at the bottom for one at the top, when the bottom always fails.

    Parameters
    ----------
    layers
        Layers that retry, one above the other, >= 1.
    attempts
        Attempts per layer, the first included, >= 1.

    Notes
    -----
    Beyer, Jones, Petoff and Murphy (2016), *Site Reliability Engineering*, chapter 22.
    """
    per_layer, count = checks.whole("attempts", attempts), checks.whole("layers", layers)
    return math.prod([per_layer] * count)


def retry_threshold(service_rate: float, max_retries: int) -> float:
    """The load above which timed-out calls and their retries can keep a server overloaded.

    Parameters
    ----------
    service_rate
        Calls the server can answer (per second), > 0; also those whose caller has given up.
    max_retries
        Retries per call, the first attempt not counted, >= 0.

    Returns
    -------
    float
        New calls (per second). Below, a server recovers by itself from any overload; above, it
        may stay in a metastable failure after the trigger has gone.

    Notes
    -----
    Bronson, Aghayev, Charapko and Zhu (2021), "Metastable failures in distributed systems".
    """
    return checks.rate("service_rate", service_rate) / (
        1 + checks.whole("max_retries", max_retries, least=0)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Redelivery:
    """Delivery that is repeated until its acknowledgement arrives: at least once."""

    mean_deliveries: float
    """Mean number of deliveries per message."""
    duplicate_fraction: float
    """Fraction of deliveries that are not a message's first."""
    p_duplicated: float
    """Fraction of messages delivered more than once."""


def redelivery(p_ack_lost: float) -> Redelivery:
    """Duplicates under at-least-once delivery.

    Parameters
    ----------
    p_ack_lost
        Probability that a message is processed and its acknowledgement lost, per delivery and
        independently; >= 0 and < 1. For an outbox: that the relay publishes and crashes before
        it has noted that.

    Notes
    -----
    Geometric. The extra deliveries per message are ``mean_deliveries - 1``. Delivery at most once
    would lose messages where this duplicates them.
    """
    lost = checks.uncertain("p_ack_lost", p_ack_lost)
    return Redelivery(
        mean_deliveries=1 / (1 - lost),
        duplicate_fraction=lost,
        p_duplicated=lost,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Prefetch:
    """A consumer that may hold so many unacknowledged messages."""

    throughput: float
    """Messages consumed (per second)."""
    utilisation: float
    """Busy fraction of the consumer's time."""
    saturating_prefetch: int
    """The least prefetch that keeps the consumer busy all the time."""


def prefetch(round_trip: float, service_time: float, limit: int) -> Prefetch:
    """A consumer far from a broker whose queue never runs dry.

    Parameters
    ----------
    round_trip
        From an acknowledgement to the arrival of the message it makes room for (seconds), >= 0.
    service_time
        Time the consumer takes for a message, always the same (seconds), > 0.
    limit
        Prefetch: most messages delivered and not acknowledged, >= 1.

    Notes
    -----
    A window: ``min(limit / (round_trip + service_time), 1 / service_time)``. RabbitMQ (2012),
    "Some queuing theory: throughput, latency and bandwidth". Holds after the first round trip.

    Examples
    --------
    >>> prefetch(round_trip=0.1, service_time=0.004, limit=1).saturating_prefetch
    26
    """
    away = checks.time("round_trip", round_trip)
    work = checks.duration("service_time", service_time)
    window = checks.whole("limit", limit)
    saturating = (away + work) / work
    # 0.104 / 0.004 is 26, whatever binary fractions make of it.
    whole = round(saturating)
    least = whole if math.isclose(saturating, whole, rel_tol=1e-12) else math.ceil(saturating)
    busy = 1.0 if window >= least else window / saturating
    return Prefetch(throughput=busy / work, utilisation=busy, saturating_prefetch=least)


def partition_throughput(partitions: int, consumers: int, consumer_rate: float) -> float:
    """The most a consumer group can sustain when the load is spread evenly (messages per second).

    Parameters
    ----------
    partitions
        Partitions of the topic, >= 1; each is read by one consumer of the group.
    consumers
        Consumers in the group, >= 1; those beyond the partitions are idle.
    consumer_rate
        Messages one consumer can process (per second), > 0.

    Notes
    -----
    The consumer with most partitions is the first to fall behind.
    """
    count = checks.whole("partitions", partitions)
    busiest = math.ceil(count / checks.whole("consumers", consumers))
    return count / busiest * checks.rate("consumer_rate", consumer_rate)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """A consumer that was down, and a queue that kept its messages."""

    backlog: float
    """Messages waiting when the consumer comes back: with synchronous calls, the failed ones."""
    drain_time: float
    """Time until the backlog is gone (seconds)."""
    max_delay: float
    """Longest wait: the first message of the outage (seconds)."""


def outage(arrival_rate: float, service_rate: float, outage_time: float) -> Outage:
    """How long a backlog outlives the outage that made it.

    Parameters
    ----------
    arrival_rate
        Arrivals (per second), > 0 and below `service_rate`.
    service_rate
        Messages the consumers together can process (per second), > 0.
    outage_time
        Time without consumers (seconds), > 0.

    Raises
    ------
    UnstableError
        If arrivals are as fast as service, or faster: the backlog stays.

    Notes
    -----
    Fluid: messages flow like a liquid, exactly so for constant times. Newell (1971),
    *Applications of Queueing Theory*, chapter 2.
    """
    arrivals = checks.rate("arrival_rate", arrival_rate)
    service = checks.rate("service_rate", service_rate)
    down = checks.duration("outage_time", outage_time)
    checks.stable(arrivals / service)
    backlog = arrivals * down
    return Outage(backlog=backlog, drain_time=backlog / (service - arrivals), max_delay=down)


@dataclass(frozen=True, slots=True, kw_only=True)
class PolledOutbox:
    """A relay that sleeps, looks into an outbox, and publishes what it finds."""

    cycle: float
    """From one look to the next, on average (seconds)."""
    utilisation: float
    """Fraction of its time that the relay publishes."""
    staleness: float
    """From a commit until others know of it, on average (seconds)."""
    polling: float
    """How long the relay sleeps (seconds)."""
    delivery: float
    """How long an event is under way (seconds)."""

    def stale(self, after: float) -> float:
        """Probability that a read ``after`` so many seconds (>= 0) does not see the write.

        It is 1 as long as the event is under way, and falls evenly to 0 over one sleep: the time
        that publishing takes is left out.
        """
        wait = checks.time("after", after) - self.delivery
        if self.polling == 0:
            return float(wait < 0)
        return min(1.0, max(0.0, 1 - wait / self.polling))


def polled_outbox(
    arrival_rate: float, polling: float, publish_time: float, delivery: float = 0.0
) -> PolledOutbox:
    """How stale a reader is behind an outbox whose relay polls.

    Parameters
    ----------
    arrival_rate
        Events written, a Poisson stream (per second), > 0.
    polling
        How long the relay sleeps after each look (seconds), >= 0.
    publish_time
        Time to publish and mark one event (seconds), >= 0.
    delivery
        How long an event is under way to its reader (seconds), >= 0.

    Raises
    ------
    UnstableError
        If events come as fast as they can be published, or faster.

    Notes
    -----
    A cycle is a sleep and the events that came within the cycle before: C = P / (1 - rate * s). A
    write waits for half a cycle, and for the rest of its batch, of which half is before it: mean
    C / 2 + s (1 + rate * C / 2) + delivery. Vacation models with gated service, as in Takagi
    (1991), *Queueing Analysis*, volume 1; the spread of the cycle is left out, so the mean is a
    little low where a cycle has few events that take long.

    Examples
    --------
    >>> round(polled_outbox(10, polling=1, publish_time=0.005, delivery=0.02).staleness, 3)
    0.578
    """
    arrivals = checks.rate("arrival_rate", arrival_rate)
    sleep = checks.time("polling", polling)
    each = checks.time("publish_time", publish_time)
    away = checks.time("delivery", delivery)
    busy = arrivals * each
    checks.stable(busy)
    cycle = sleep / (1 - busy)
    return PolledOutbox(
        cycle=cycle,
        utilisation=busy,
        staleness=cycle / 2 + each * (1 + arrivals * cycle / 2) + away,
        polling=sleep,
        delivery=away,
    )
