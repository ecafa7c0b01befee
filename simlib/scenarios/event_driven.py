"""Events through a queue, a database or an API?"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from math import isnan, nan
from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import model_validator

from ..analysis.metrics import Metric
from ..analysis.result import Result
from ..analysis.states import OUTCOMES, time_in
from ..broker import Broker
from ..distributions import Arrivals, Durations, Exponential
from ..processes import Draws, Environment, Ledger, Producer, Record, SimQueue
from ..processes.events.base import EventPublisher
from ..processes.events.by_call import Receiver, WebhookPublisher
from ..processes.events.by_queue import FanoutPublisher, QueueReader
from ..processes.events.by_table import TablePublisher, TableReader
from ..processes.faults import faults_of_each
from ..queues import MemoryQueue
from ..stores import EventTable
from ..tracing import Parties
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
    a queue is connected at once, where one of :class:`PublishSubscribe` waits for the network.

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
    faults: ClassVar = {"consumers": ("crash", "hang", "slow")}
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
        10, "queue: messages that a subscriber holds without an ack", step=1, ge=1, le=65535
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
    def parties(self) -> Parties:
        if self.way == "api":
            return Parties(sender="publisher", worker="subscriber", calls=True)
        keeper = "broker" if self.way == "queue" else "table"
        return Parties(sender="publisher", keeper=keeper, worker="subscriber")

    @property
    def slowest(self) -> float:
        """Work that an event brings to a subscriber (s)."""
        return self.service.average

    def _simulate(self, env: Environment, progress: Progress | None) -> Result:
        events = Record("answered")
        with ExitStack() as stack:
            doorway = stack.enter_context(MemoryQueue(clock=env.clock))
            door = SimQueue(env, doorway, record=events, stored=events.created)
            producer = Producer(env, door, self.interarrival, messages=self.messages)
            way = WAYS[self.way](self, env, door, producer, stack)
            self.execute(env, progress)
            ledger = way.ledger()
            stored, reads = way.stored_max(), way.reads()
        record = _together(events, way.records)
        for place, number in way.lost():
            _lose(record, place * len(events.created) + number)
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


class _Way(ABC):
    """What carries events to the subscribers, who each have a record with a row per event."""

    publisher: EventPublisher

    def __init__(self, scenario: EventDriven, env: Environment, door: SimQueue) -> None:
        self._door = door
        self.records = [Record() for _ in range(scenario.subscribers)]
        self.works = [
            Draws(scenario.service, env.stream(f"subscriber {number + 1}"))
            for number in range(scenario.subscribers)
        ]
        self.faults = faults_of_each(scenario.subscribers, scenario.outages, env)

    @abstractmethod
    def known(self) -> tuple[int, int, int]:
        """Copies that are ready, unacked and acked, of those that got where they are kept."""

    @abstractmethod
    def under_way(self) -> int:
        """Copies that only the publisher has, of the events in its hands."""

    def lost(self) -> list[tuple[int, int]]:
        """Subscriber and number of each copy that is gone."""
        return []

    def reads(self) -> int:
        """How many times subscribers have looked for events."""
        return 0

    def stored_max(self) -> int:
        """The most that was kept at once, outside of publisher and subscribers."""
        return 0

    def ledger(self) -> Ledger:
        """Where every copy is."""
        ready, unacked, acked = self.known()
        copies = len(self.records)
        return Ledger(
            published=self._door.published * copies,
            acked=acked,
            ready=ready + self._door.real.qsize() * copies,
            unacked=unacked + self.under_way(),
            lost=len(self.lost()),
            duplicates=sum(len(record.attempts) for record in self.records),
            redelivered=sum(record.redelivered() for record in self.records),
            redone=sum(record.redone() for record in self.records),
        )

    def _not_stored(self) -> int:
        """Copies of events in the publisher's hands that are not stored yet."""
        return sum(
            isnan(record.enqueued[number])
            for number in self.publisher.sending
            for record in self.records
        )


class _Queue(_Way):
    def __init__(
        self,
        scenario: EventDriven,
        env: Environment,
        door: SimQueue,
        producer: Producer,
        stack: ExitStack,
    ) -> None:
        super().__init__(scenario, env, door)
        self._broker = stack.enter_context(Broker(clock=env.clock))
        self._broker.declare_exchange("events", "fanout", durable=True)
        self.workers: list[QueueReader] = []
        for number, record in enumerate(self.records):
            queue = self._broker.declare_queue(f"subscriber {number + 1}", durable=True)
            self._broker.bind(queue, "events")
            self.workers.append(
                QueueReader(
                    env,
                    self._broker,
                    queue,
                    record,
                    self.works[number],
                    faults=self.faults[number],
                    network=scenario.network,
                    prefetch=scenario.prefetch,
                )
            )
        self.publisher: FanoutPublisher = FanoutPublisher(
            env,
            door,
            self.records,
            self._broker,
            "events",
            threads=scenario.publishers,
            network=scenario.network,
            store=scenario.put_cost,
        )

    def known(self) -> tuple[int, int, int]:
        states = self._broker.queues.values()
        acking = sum(worker.acking for worker in self.workers)
        return (
            sum(state.ready for state in states),
            sum(state.unacked for state in states) - acking,
            sum(state.acked for state in states) + acking,
        )

    def under_way(self) -> int:
        return self._not_stored()

    def stored_max(self) -> int:
        return self.publisher.stored_max


class _Database(_Way):
    def __init__(
        self,
        scenario: EventDriven,
        env: Environment,
        door: SimQueue,
        producer: Producer,
        stack: ExitStack,
    ) -> None:
        super().__init__(scenario, env, door)
        self._table = stack.enter_context(EventTable(scenario.subscribers))
        self.publisher = TablePublisher(
            env,
            door,
            self.records,
            self._table,
            threads=scenario.publishers,
            network=scenario.network,
            store=scenario.put_cost,
        )

        def more() -> bool:
            return producer.process.is_alive or door.acked < door.published

        self.workers: list[TableReader] = [
            TableReader(
                env,
                self._table,
                number,
                record,
                self.works[number],
                faults=self.faults[number],
                network=scenario.network,
                read=scenario.get_cost,
                polling=scenario.polling,
                # They look in turn, and not all at the same instant.
                first=(scenario.polling or 0.0) * number / scenario.subscribers,
                more=more,
            )
            for number, record in enumerate(self.records)
        ]

    def known(self) -> tuple[int, int, int]:
        behind = sum(worker.behind for worker in self.workers)
        in_hand = sum(worker.in_hand for worker in self.workers)
        return behind - in_hand, in_hand, self._table.count() * len(self.workers) - behind

    def under_way(self) -> int:
        return self._not_stored()

    def reads(self) -> int:
        return sum(worker.reads for worker in self.workers)

    def stored_max(self) -> int:
        return self._table.count()


class _Api(_Way):
    def __init__(
        self,
        scenario: EventDriven,
        env: Environment,
        door: SimQueue,
        producer: Producer,
        stack: ExitStack,
    ) -> None:
        super().__init__(scenario, env, door)
        self.workers: list[Receiver] = [
            Receiver(env, stack.enter_context(MemoryQueue()), *each)
            for each in zip(self.records, self.works, self.faults, strict=True)
        ]
        self.publisher: WebhookPublisher = WebhookPublisher(
            env,
            door,
            self.workers,
            threads=scenario.publishers,
            network=scenario.network,
            timeout=scenario.timeout,
            attempts=scenario.attempts,
            backoff=scenario.retry_delay,
        )

    def known(self) -> tuple[int, int, int]:
        return (
            sum(worker.queue.real.qsize() for worker in self.workers),
            sum(worker.queue.real.unacked for worker in self.workers),
            sum(worker.queue.acked for worker in self.workers),
        )

    def under_way(self) -> int:
        lost = set(self.lost())
        return sum(
            not worker.holds(number) and (place, number) not in lost
            for number in self.publisher.sending
            for place, worker in enumerate(self.workers)
        )

    def lost(self) -> list[tuple[int, int]]:
        return [
            (place, number)
            for place, number in self.publisher.given_up
            if not self.workers[place].holds(number)
        ]


WAYS: dict[str, type[_Queue | _Database | _Api]] = {
    "queue": _Queue,
    "database": _Database,
    "api": _Api,
}


def _lose(record: Record, row: int) -> None:
    """Note that a copy is lost; if somebody had it, from when that came to nothing."""
    record.lost.append(row)
    since = record.attempts.released_last(row)
    if not isnan(since):
        record.moves.vanished.append(since)
        record.moves.departed.append(since)


def _together(events: Record, records: Sequence[Record]) -> Record:
    """One record with a row for each event and subscriber, one subscriber after the other."""
    rows = len(events.created)
    together = Record("answered")
    together.label("event")
    together.label("subscriber")
    for place, record in enumerate(records):
        record.prepare(rows - len(record.created))
        together.created.extend(events.created)
        together.extra["answered"].extend(events.extra["answered"])
        for name in ("enqueued", "started", "finished"):
            getattr(together, name).extend(getattr(record, name))
        together.labels["event"].extend(range(rows))
        together.labels["subscriber"].extend(place for _ in range(rows))
        together.attempts.extend(record.attempts, place * rows, place)
        together.moves.requeued.extend(record.moves.requeued)
    return together
