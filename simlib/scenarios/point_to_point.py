"""One queue between producers and consumers."""

from __future__ import annotations

from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from ..analysis.explanation import Forecast
from ..analysis.result import Result
from ..distributions import Durations
from ..processes import (
    Breakdowns,
    Consumer,
    Draws,
    Environment,
    Linger,
    PausingConsumer,
    Producer,
    Record,
    SimQueue,
)
from ..processes.recursions import before, bounded_queue, draw, unbounded_queue
from ..queues import MemoryQueue
from .base import OpenScenario, Progress, parameter
from .forecasts import queue_forecast

__all__ = ["PointToPoint"]


class PointToPoint(OpenScenario):
    """A producer puts messages into a queue, and consumers compete for them.

    Every message goes to one consumer; the queue is a real one. The run ends when all ``messages``
    have left the system, or after ``duration`` seconds if that is sooner.
    """

    consumers: int = parameter(1, "how many consumers compete", step=1, ge=1, le=1000)
    capacity: int | None = parameter(
        None, "the most messages that may wait; none: no bound", unit="messages", step=1, ge=0
    )
    queue: Literal["memory"] = parameter("memory", "the real queue in the middle")
    put_cost: float = parameter(0.0, "time that a put takes the producer", unit="s", ge=0)
    get_cost: float = parameter(0.0, "time that a get takes the consumer", unit="s", ge=0)
    ack_cost: float = parameter(0.0, "time that an ack takes the consumer", unit="s", ge=0)
    priorities: tuple[Annotated[float, Field(gt=0)], ...] | None = parameter(
        None,
        "share of each priority class in the messages, the most urgent first; none: all are equal",
        min_length=2,
        max_length=10,
    )
    linger: Linger | None = parameter(
        None, "how the producer collects messages into batches; none: a put for each"
    )
    polling: Durations | None = parameter(
        None,
        "time that a consumer that finds nothing sleeps before it looks again; "
        "none: it is told when a message comes",
        unit="s",
    )
    cold_start: Durations | None = parameter(
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
            if self.capacity is not None and self.capacity < self.linger.batch_size:
                raise ValueError(
                    f"a batch of {self.linger.batch_size} messages never fits into "
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

    @property
    def servers(self) -> int:
        """How many messages can be worked on at once: ``batch_size`` per consumer."""
        return self.consumers * self.batch_size

    def obstacle(self) -> str | None:
        costs = ("put_cost", "get_cost", "ack_cost")
        for name in (*costs, "priorities", "linger", "polling", "cold_start", "breakdowns"):
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
        return Result.from_columns(
            columns,
            refused,
            cut_off=self.cut_off,
            scenario=self,
            seed=env.seed,
            engine="vector",
            warmup=self.warmup,
            servers=self.servers,
        )

    def forecast(self) -> Forecast:
        plain = {*OpenScenario.model_fields, "consumers", "capacity", "queue"}
        for name, info in type(self).model_fields.items():
            if name not in plain and getattr(self, name) != info.default:
                return Forecast(model="none", why=f"{name} is set, and no formula here knows it")
        return queue_forecast(self.interarrival, self.service, self.consumers, self.capacity)

    def _simulate(self, env: Environment, progress: Progress | None) -> Result:
        with MemoryQueue(self.capacity or 0, clock=env.clock) as real:
            queue = SimQueue(
                env,
                real,
                capacity=self.capacity,
                put_cost=self.put_cost,
                get_cost=self.get_cost,
                ack_cost=self.ack_cost,
            )
            producer = Producer(
                env,
                queue,
                self.interarrival,
                messages=self.messages,
                priorities=self.priorities,
                linger=self.linger,
            )
            self._consume(env, queue, producer)
            self.execute(env, progress)
            ledger = queue.ledger()
        return Result.from_record(
            queue.record,
            scenario=self,
            seed=env.seed,
            engine="simpy",
            duration=self.cut_off(ledger),
            warmup=self.warmup,
            servers=self.consumers,
            ledger=ledger,
            extras=self._by_priority(queue.record),
        )

    def _consume(self, env: Environment, queue: SimQueue, producer: Producer) -> None:
        work = Draws(self.service, env.stream("service"))
        pauses = self.polling or self.cold_start or self.breakdowns
        if not pauses and self.batch_size == 1:
            Consumer(env, queue, work, workers=self.consumers)
            return
        PausingConsumer(
            env,
            queue,
            work,
            producer=producer,
            workers=self.consumers,
            polling=self.polling,
            cold_start=self.cold_start,
            breakdowns=self.breakdowns,
            batch_size=self.batch_size,
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
