"""One queue between producers and consumers."""

from __future__ import annotations

from typing import Literal

from ..analysis.result import Result
from ..processes import Consumer, Draws, Environment, Producer, SimQueue
from ..queues import MemoryQueue
from .base import OpenScenario, Progress, parameter

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

    @property
    def servers(self) -> int:
        """How many messages can be worked on at once: one per consumer."""
        return self.consumers

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
            Producer(env, queue, self.interarrival, messages=self.messages)
            work = Draws(self.service, env.stream("service"))
            Consumer(env, queue, work, workers=self.consumers)
            self.execute(env, progress)
            ledger = queue.ledger()
        return Result.from_record(
            queue.record,
            scenario=self,
            seed=env.seed,
            engine="simpy",
            duration=self.cut_off(ledger),
            warmup=self.warmup,
            servers=self.servers,
            ledger=ledger,
        )
