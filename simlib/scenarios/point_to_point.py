"""One queue between producers and consumers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import partial
from math import nan
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from ..analysis.forecast import Forecast
from ..analysis.metrics import Metric
from ..analysis.result import Result
from ..costs import CostProfile, Sync
from ..distributions import DurationsOrNone
from ..processes import (
    Breakdowns,
    Consumer,
    Draws,
    Environment,
    Faults,
    Linger,
    PausingConsumer,
    Producer,
    Record,
    SimQueue,
    StoredQueue,
)
from ..processes.directory import own_directory
from ..processes.faults import faults_of_each
from ..processes.point_to_point.crashes import crash
from ..processes.point_to_point.queue import Cost
from ..queues import MemoryQueue, MessageQueue
from ..queues.kinds import open_queue
from .base import OpenScenario, Progress, parameter
from .forecasts import queue_forecast
from .recursions import before, bounded_queue, draw, unbounded_queue

__all__ = ["PointToPoint"]


class PointToPoint(OpenScenario):
    """A producer puts messages into a queue, and consumers compete for them.

    Every message goes to one consumer; the queue is a real one. The run ends when all ``messages``
    have left the system, or after ``duration`` seconds if that is sooner.

    A queue on the disk is a real one, too, in a temporary place that is removed after the run. It
    crashes in earnest, and only its time is simulated: what a put, a get and an ack take is read
    from a cost profile, so that a run repeats to the bit whatever the disk does. Where nothing else
    is said, operations in memory take no time.

    Examples
    --------
    >>> result = PointToPoint(interarrival=1.0, service=0.8, messages=3).run()
    >>> result.messages["finished"].tolist(), result.ledger.acked
    ([1.8, 2.8, 3.8], 3)
    """

    faults: ClassVar = {
        "consumers": ("crash", "hang", "slow"),
        "broker": ("crash", "power"),
        "publisher": ("hang",),
    }
    recurring: ClassVar = ("consumers", "broker")
    hints: ClassVar = {
        "crashes": "write outages=(Outage(of='broker', start=5.0, duration=1.0, kind='power'), …)"
    }
    figures: ClassVar[Mapping[str, Metric]] = {
        "wait_mean_#": Metric("wait in priority class #, mean", "s"),
        "latency_mean_#": Metric("latency in priority class #, mean", "s"),
    }

    consumers: int = parameter(1, "how many consumers compete", step=1, ge=1, le=1000)
    capacity: int | None = parameter(
        None, "the most messages that may wait; none: no bound", unit="messages", step=1, ge=0
    )
    queue: Literal["memory", "file", "sqlite"] = parameter(
        "memory", "the real queue in the middle: in memory, in files, or in a database"
    )
    sync: Sync = parameter(
        "always",
        "when a put is safe on the disk: before it returns, soon after, or when the system likes; "
        "in memory it never is",
    )
    sync_acks: bool = parameter(
        False, "whether an ack is on the disk before it returns, and not with the next sync"
    )
    sync_size: int = parameter(
        1000, "puts after which sync=batch syncs at the latest", unit="messages", step=1, ge=1
    )
    sync_time: float = parameter(
        0.01, "time after a put at which sync=batch syncs at the latest", unit="s", gt=0
    )
    put_cost: float | None = parameter(
        None,
        "time that a put takes the producer; none: as the profile says",
        unit="s",
        ge=0,
        le=1e6,
    )
    get_cost: float | None = parameter(
        None,
        "time that a get takes the consumer; none: as the profile says",
        unit="s",
        ge=0,
        le=1e6,
    )
    ack_cost: float | None = parameter(
        None,
        "time that an ack takes the consumer; none: as the profile says",
        unit="s",
        ge=0,
        le=1e6,
    )
    costs: CostProfile | None = parameter(
        None, "what operations on the disk cost; none: as measured for the workbook"
    )
    priorities: tuple[Annotated[float, Field(gt=0)], ...] | None = parameter(
        None,
        "share of each priority class in the messages, the most urgent first; none: all are equal",
        min_length=2,
        max_length=10,
    )
    linger: Linger | None = parameter(
        None, "how the producer collects messages into batches; none: a put for each"
    )
    polling: DurationsOrNone = parameter(
        None,
        "time that a consumer that finds nothing sleeps before it looks again; "
        "none: it is told when a message comes",
        unit="s",
    )
    cold_start: DurationsOrNone = parameter(
        None,
        "time that a consumer that was idle takes to be ready for a message; none: none",
        unit="s",
    )
    breakdowns: Breakdowns | None = parameter(
        None, "how often a consumer at work breaks down, and how long a repair takes; none: never"
    )
    batch_size: int = parameter(
        1,
        "the most messages that a consumer takes at once, in the time that the first one needs",
        unit="messages",
        step=1,
        ge=1,
        le=1_000_000,
    )

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if self.priorities and abs(sum(self.priorities) - 1) > 1e-9:
            raise ValueError(f"priorities must add up to 1, got {sum(self.priorities):g}")
        if self.linger:
            if self.priorities:
                raise ValueError("a put of several messages has one priority: no linger with them")
            if self.capacity is not None and self.capacity < self.linger.size:
                raise ValueError(
                    f"a batch of {self.linger.size} messages never fits into "
                    f"capacity={self.capacity}"
                )
        if self.polling and self.cold_start:
            raise ValueError("a consumer that polls is never woken: no cold_start with polling")
        if self.polling and self.capacity == 0:
            raise ValueError("consumers that poll find nothing in a queue of capacity=0")
        if self.polling and not self.polling.average:
            raise ValueError("polling must take longer than 0 s")
        endless = {"polling": self.polling, "cold_start": self.cold_start}
        if self.breakdowns:
            endless["breakdowns.repair"] = self.breakdowns.repair
        for name, durations in endless.items():
            if durations and durations.length is not None:
                raise ValueError(f"{name}={durations} ends; give a distribution without an end")
        return self

    @model_validator(mode="after")
    def _gets_on(self) -> Self:
        timings = self._timings()
        put, *others = (_single(timings[name]) for name in ("put_cost", "get_cost", "ack_cost"))
        undisturbed = max(put, self.service.average + sum(others))
        for place, each in enumerate(self.outages):
            if each.every and each.every.average <= undisturbed and self.duration is None:
                raise ValueError(
                    f"outages[{place}].every={each.every} leaves hardly a message the "
                    f"{undisturbed:g} s that it needs; give a longer one, or a duration"
                )
        return self

    def _timings(self) -> Mapping[str, Cost]:
        """What each operation costs (s), given or as the profile says."""
        names = {"put_cost": "put", "get_cost": "get", "ack_cost": "ack"}
        if self.sync_acks:
            names["ack_cost"] = "synced ack"
        found: dict[str, Cost] = {}
        for name, operation in names.items():
            given = getattr(self, name)
            if given is not None or self.queue == "memory":
                found[name] = given or 0.0
            else:
                profile = self.costs or CostProfile.shipped()
                found[name] = profile.timing(self.queue, self.sync, operation)
        return found

    @property
    def servers(self) -> int:
        """How many messages can be worked on at once: ``batch_size`` per consumer."""
        return self.consumers * self.batch_size

    @property
    def places(self) -> int | None:
        return self.capacity

    @property
    def offered_load(self) -> float:
        """``load`` with gets, acks and repairs, or that of the producer's puts, if that is more;
        NaN with outages that come again and again."""
        if any(each.every for each in self.outages):
            return nan
        timings = self._timings()
        get, ack = (_each(timings[name], self.batch_size) for name in ("get_cost", "ack_cost"))
        work = self.service.average
        if self.breakdowns:
            work *= 1 + self.breakdowns.rate * self.breakdowns.repair.average
        at_once = self.linger.size if self.linger else 1
        put = _each(timings["put_cost"], at_once)
        return self.arrival_rate * max(work / self.servers + (get + ack) / self.consumers, put)

    def obstacle(self) -> str | None:
        if self.queue != "memory":
            return f"a recursion puts nothing into a queue, and queue is {self.queue!r}"
        costs = ("put_cost", "get_cost", "ack_cost")
        pauses = ("polling", "cold_start", "breakdowns")
        for name in (*costs, "priorities", "linger", *pauses, "outages"):
            if getattr(self, name):
                return f"no recursion has {name}, and it is {getattr(self, name)}"
        if self.batch_size > 1:
            return f"no recursion has batches, and batch_size is {self.batch_size}"
        return None

    def _calculate(self, env: Environment) -> Result:
        created = self.arrivals(env)
        works = draw(self.service.blocks(env.stream("service")), len(created))
        if self.capacity is None:
            started = unbounded_queue(created, works, self.consumers)
            refused = np.zeros(len(created), bool)
        else:
            started = bounded_queue(created, works, self.consumers, self.capacity, together=True)
            refused = np.isnan(started)
        columns = {
            "created": created,
            "enqueued": np.where(refused, np.nan, created) if refused.any() else created,
            "started": before(self.duration, started),
            "finished": before(self.duration, started + works),
        }
        return self.calculated(env, columns, refused)

    def forecast(self) -> Forecast:
        special = ("priorities", "linger", "polling", "cold_start", "breakdowns", "outages")
        taken = [name for name, cost in self._timings().items() if _single(cost)]
        named = [*taken, *(name for name in special if getattr(self, name))]
        if self.batch_size > 1:
            named.append("batch_size")
        if named:
            return Forecast(model="none", why=f"{named[0]} is set, and no formula here knows it")
        return queue_forecast(self.interarrival, self.service, self.consumers, self.capacity)

    def _simulate(self, env: Environment, progress: Progress | None) -> Result:
        with self._queue(env) as queue:
            producer = Producer(
                env,
                queue,
                self.interarrival,
                messages=self.messages,
                priorities=self.priorities,
                linger=self.linger,
                faults=Faults(self.outages_of("publisher"), env, "outage of the publisher"),
            )
            self._consume(env, queue, producer)
            self.execute(env, progress)
            ledger = queue.ledger()
        figures = self._by_priority(queue.record)
        return self.result(env, queue.record, ledger, servers=self.consumers, figures=figures)

    @contextmanager
    def _queue(self, env: Environment) -> Iterator[SimQueue]:
        """The queue, in a place that is there as long as it is."""
        common: dict[str, Any] = {"capacity": self.capacity, **self._timings()}
        breaks = any(each.kind in ("crash", "power") for each in self.outages)
        if self.queue == "memory" and not breaks:
            with MemoryQueue(self.capacity or 0, clock=env.clock) as real:
                yield SimQueue(env, real, **common)
            return
        with own_directory() as directory:
            opened = self._opener(env, directory)
            batched = self.queue != "memory" and self.sync == "batch"
            sync_time = self.sync_time if batched else None
            with closing(
                StoredQueue(env, opened, sync_time=sync_time, breaks=breaks, **common)
            ) as queue:
                yield queue

    def _opener(self, env: Environment, directory: Path) -> Callable[[], MessageQueue]:
        """What opens the real queue in that directory."""
        # A batch is brought to disk by StoredQueue when its time is up, on the simulated clock.
        return partial(
            open_queue,
            self.queue,
            directory,
            maxsize=self.capacity or 0,
            sync=self.sync,
            sync_acks=self.sync_acks,
            batch_size=self.sync_size,
            batch_time=None,
            clock=env.clock,
        )

    def _consume(self, env: Environment, queue: SimQueue, producer: Producer) -> None:
        work = Draws(self.service, env.stream("service"))
        special = self.polling or self.cold_start or self.breakdowns or self.outages
        if not special and self.batch_size == 1:
            Consumer(env, queue, work, workers=self.consumers)
            return
        consumer = PausingConsumer(
            env,
            queue,
            work,
            producer=producer,
            workers=self.consumers,
            polling=self.polling,
            cold_start=self.cold_start,
            breakdowns=self.breakdowns,
            batch_size=self.batch_size,
            faults_of_each=faults_of_each(
                self.consumers, self.outages_of("consumers", "hang", "slow"), env
            ),
        )
        if isinstance(queue, StoredQueue):
            crash(
                env,
                [each for each in self.outages if each.kind in ("crash", "power")],
                queue,
                consumer,
                lambda: not (producer.process.is_alive or queue.numbers),
            )

    def _by_priority(self, record: Record) -> dict[str, float]:
        """Mean wait and latency (s) of each priority class, the most urgent is 0."""
        if self.priorities is None:
            return {}
        created, enqueued = np.array(record.created), np.array(record.enqueued)
        wait, latency = np.array(record.started) - enqueued, np.array(record.finished) - created
        classes = np.array(record.labels["priority"])
        figures = {}
        for place in range(len(self.priorities)):
            for name, column in (("wait", wait), ("latency", latency)):
                values = column[self.warmup :][classes[self.warmup :] == place]
                values = values[~np.isnan(values)]
                figures[f"{name}_mean_{place}"] = float(values.mean()) if len(values) else np.nan
        return figures


def _each(cost: Cost, messages: int) -> float:
    """What a call that deals with so many messages takes for each of them (s)."""
    return (cost(messages) if callable(cost) else cost) / messages


def _single(cost: Cost) -> float:
    """What a call that deals with one message takes (s)."""
    return _each(cost, 1)
