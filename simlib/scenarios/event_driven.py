"""Events through a queue, a database or an API?"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from math import nan
from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import model_validator

from ..analysis.metrics import Metric
from ..analysis.result import Result
from ..analysis.states import OUTCOMES, time_in
from ..distributions import Arrivals, Durations, Exponential
from ..processes import Draws, Environment, Producer, Record, SimQueue
from ..processes.events.base import Setting, Way
from ..processes.events.by_call import ByCall
from ..processes.events.by_queue import ByQueue
from ..processes.events.by_table import ByTable
from ..processes.faults import faults_of_each
from ..processes.network import across
from ..queues import MemoryQueue
from .base import OpenScenario, Progress, parameter
from .callers import CALLER, seen_by_callers

__all__ = ["EventDriven"]


class EventDriven(OpenScenario):
    """A service publishes events, and every subscriber works on each of them.

    The way is a message queue (a fanout exchange of a broker, and a queue for each subscriber), a
    database (a table that subscribers read, by polling or when they are notified), or an API (the
    publisher calls every subscriber, one after the other, and repeats calls that are not answered
    in time). With the same seed, events are created at the same instants in all three, and bring
    the same work to the same subscriber.

    Subscribers may be down for a while. A queue and a table keep its events meanwhile;
    calls go unanswered, and what has been tried too often is lost. When it is up again, a reader of
    a queue has to connect first, which takes one way across the network. That may hang, too.

    The result counts copies: a row for each event and subscriber, with the labels ``event`` and
    ``subscriber``, and ``answered``: when the publisher was done with the event (s). ``enqueued``
    is when the event was stored, or when the call arrived. The summary adds ``caller_mean``,
    ``caller_p99`` (created to answered, s), ``publisher_busy`` (of a publisher's thread, as a
    fraction), ``calls_per_event`` (by the publisher), ``reads_per_event`` (by all subscribers, of
    the table), ``stored_max`` (the most copies in the broker's queues, or rows in the table), and
    for each subscriber n, from 1, ``latency_mean_n`` (s) and ``lost_n`` (copies).
    """

    figures: ClassVar[Mapping[str, Metric]] = {
        **{name: CALLER[name] for name in ("caller_mean", "caller_p99")},
        "publisher_busy": Metric("publisher busy", "%"),
        "calls_per_event": Metric("calls per event"),
        "reads_per_event": Metric("reads per event"),
        "stored_max": Metric("stored, maximum", "messages"),
        "latency_mean_#": Metric("latency of subscriber #, mean", "s"),
        "lost_#": Metric("lost to subscriber #", "messages"),
    }

    interarrival: Arrivals = parameter(
        Exponential(mean=0.1), "time between one event and the next", unit="s"
    )
    service: Durations = parameter(
        Exponential(mean=0.05), "work that an event brings to a subscriber", unit="s"
    )
    faults: ClassVar = {"consumers": ("crash", "hang", "slow"), "network": ("hang",)}
    hints: ClassVar = {
        "outage": "write outages=(Outage(of='consumers', share=1 / 3, start=5.0, duration=1.0),)",
        "store": "it is put_cost",
        "read": "it is get_cost",
        "backoff": "it is retry_delay",
    }

    way: Literal["queue", "database", "api"] = parameter("queue", "what carries the events")
    subscribers: int = parameter(3, "how many subscribers there are", step=1, ge=1, le=100)
    publishers: int = parameter(
        4, "threads that the publisher has, each with one event", step=1, ge=1, le=1000
    )
    network: float = parameter(
        0.005, "time that anything is under way between two services", unit="s", ge=0
    )
    put_cost: float = parameter(
        0.002, "time until the broker or the database has stored an event", unit="s", ge=0
    )
    prefetch: int = parameter(
        10,
        "queue: messages that a subscriber holds without an ack",
        unit="messages",
        step=1,
        ge=1,
        le=65535,
    )
    get_cost: float = parameter(
        0.001, "database: time that it takes to find what is new", unit="s", ge=0
    )
    polling: float | None = parameter(
        1.0,
        "database: time that a subscriber that found nothing sleeps before it looks again; "
        "none: it is notified",
        unit="s",
        gt=0,
    )
    timeout: float = parameter(
        1.0, "api: how long the publisher waits for an answer", unit="s", gt=0
    )
    attempts: int = parameter(
        5, "api: the most calls for an event and subscriber", step=1, ge=1, le=100
    )
    retry_delay: float = parameter(
        0.5, "api: pause before the first repetition; doubles each time", unit="s", gt=0
    )

    @model_validator(mode="after")
    def _answers_can_come(self) -> Self:
        if self.timeout <= 2 * self.network:
            raise ValueError(
                f"timeout must be longer than a call and its answer are under way, "
                f"{2 * self.network:g} s, got {self.timeout:g}"
            )
        return self

    @property
    def servers(self) -> int:
        """How many events can be worked on at once: one per subscriber."""
        return self.subscribers

    @property
    def slowest(self) -> float:
        """Work that an event brings to a subscriber (s)."""
        return self.service.average

    def _simulate(self, env: Environment, progress: Progress | None) -> Result:
        events = Record("answered")
        with MemoryQueue(clock=env.clock) as doorway:
            door = SimQueue(env, doorway, record=events, stored=events.created)
            producer = Producer(env, door, self.interarrival, messages=self.messages)
            with closing(self._way(env, door, producer)) as way:
                self.execute(env, progress)
                record = way.record()
                ledger, stored, reads = way.ledger(), way.stored_max(), way.reads()
        everything = self.messages or self.interarrival.length
        over = door.published == everything and not ledger.unfinished
        warmup = self.warmup * self.subscribers
        result = self.result(env, record, ledger, over=over, warmup=warmup)
        figures = {
            **self._seen_by_publisher(events, result.observed_from, result.duration),
            "calls_per_event": way.publisher.calls / max(1, door.published),
            "reads_per_event": reads / max(1, door.published),
            "stored_max": stored,
            **self._by_subscriber(result),
        }
        return replace(result, extras=figures)

    def _way(self, env: Environment, door: SimQueue, producer: Producer) -> Way:
        """What carries the events, with everyone who takes part."""
        names = [f"subscriber {number}" for number in range(1, self.subscribers + 1)]
        setting = Setting(
            env,
            door,
            self.publishers,
            across(env, self.network, self.outages_of("network")),
            [Draws(self.service, env.stream(name)) for name in names],
            faults_of_each(self.subscribers, self.outages_of("consumers"), env),
        )
        if self.way == "queue":
            return ByQueue(setting, store=self.put_cost, prefetch=self.prefetch)
        if self.way == "database":
            return ByTable(
                setting,
                store=self.put_cost,
                read=self.get_cost,
                polling=self.polling,
                more=lambda: producer.process.is_alive or door.acked < door.published,
            )
        return ByCall(
            setting, timeout=self.timeout, attempts=self.attempts, backoff=self.retry_delay
        )

    def _seen_by_publisher(self, events: Record, start: float, end: float) -> dict[str, float]:
        """How long an event occupies whoever has it published, and how busy the threads are."""
        started, answered = np.array(events.started), np.array(events.extra["answered"])
        callers = seen_by_callers((answered - np.array(events.created))[self.warmup :])
        began, ended = (column[~np.isnan(column)] for column in (started, answered))
        time = end - start
        busy = time_in(began, ended, start, end) / time / self.publishers if time > 0 else nan
        return {
            **{name: callers[name] for name in ("caller_mean", "caller_p99")},
            "publisher_busy": busy,
        }

    def _by_subscriber(self, result: Result) -> dict[str, float]:
        """The mean latency (s) and the lost copies of each."""
        whose = result.labels["subscriber"][result.warmup :]
        latency = result.latency[result.warmup :]
        lost = result.outcomes == OUTCOMES.index("lost")
        figures = {}
        for subscriber in range(self.subscribers):
            own = latency[whose == subscriber]
            own = own[~np.isnan(own)]
            figures[f"latency_mean_{subscriber + 1}"] = float(np.mean(own)) if len(own) else nan
        for subscriber in range(self.subscribers):
            own_lost = lost & (result.labels["subscriber"] == subscriber)
            figures[f"lost_{subscriber + 1}"] = float(np.count_nonzero(own_lost))
        return figures
