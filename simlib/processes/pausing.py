"""Consumers that sleep, warm up, break down, or take several messages at once."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from itertools import chain, count
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from ..distributions import Distribution, Durations, Exponential
from ..queues import Message
from .consumer import Consumer
from .environment import Draws, Environment, Timer
from .producer import Producer
from .simqueue import SimQueue

__all__ = ["Breakdowns", "PausingConsumer"]


class Breakdowns(BaseModel):
    """A consumer at work breaks down by chance, is repaired, and goes on where it was."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    rate: float = Field(gt=0, description="breakdowns per second of work (1/s)")
    repair: Durations = Field(description="time until a consumer works again (s)")


class PausingConsumer(Consumer):
    """A consumer whose workers are not always there, or take several messages at once.

    ``started`` to ``finished`` is the time that a worker is occupied with a message, repairs
    included. Each worker has random streams of its own.

    Parameters
    ----------
    env : Environment
    queue : SimQueue
        Around a real queue without leases.
    work : Distribution or Draws
        The work that each message brings (s); of several taken at once, the first one's.
    producer : Producer
        Who fills the queue. A worker that polls stops when there is nothing more to come.
    workers : int
        How many work at once.
    polling : Distribution, optional
        How long a worker that finds nothing sleeps before it looks again (s). Without it a worker
        is told the moment a message comes.
    cold_start : Distribution, optional
        How long a worker that was idle takes to be ready (s). The message that wakes it is in its
        hands meanwhile.
    breakdowns : Breakdowns, optional
        How often a worker breaks down, and for how long.
    batch_size : int
        The most messages that a worker takes at once. One get, one piece of work and one ack do
        for all of them.
    name : str
        Names the random streams.
    """

    def __init__(
        self,
        env: Environment,
        queue: SimQueue,
        work: Distribution | Draws,
        *,
        producer: Producer,
        workers: int = 1,
        polling: Distribution | None = None,
        cold_start: Distribution | None = None,
        breakdowns: Breakdowns | None = None,
        batch_size: int = 1,
        name: str = "consumer",
    ) -> None:
        if queue.real.lease is not None:
            raise ValueError("a pausing consumer would outstay a lease; give a queue without")
        self.producer = producer
        self.polling = polling
        self.cold_start = cold_start
        self.breakdowns = breakdowns
        self.batch_size = batch_size
        self._names = (f"{name} {number}" for number in range(workers))
        self._batches = count()
        # A message in the hands of a worker that warms up is delivered, and not started.
        if cold_start is not None and "delivered" not in queue.record.extra:
            queue.record.add("delivered")
        if batch_size > 1:
            queue.record.label("batch")
        super().__init__(env, queue, work, workers=workers, name=name)

    def _work(self, work: Draws) -> Generator[Timer, Any, None]:
        env, queue, record = self.env, self.queue, self.queue.record
        acked, batch = record.extra.get("acked"), record.labels.get("batch")
        name = next(self._names)
        polling, cold_start = self.polling, self.cold_start
        sleeps = _samples(polling, env, f"{name} polling") if polling else None
        starts = _samples(cold_start, env, f"{name} cold start") if cold_start else None
        repairs = _Repairs(self.breakdowns, env, name) if self.breakdowns else None
        timer = Timer(env, 0)
        while messages := (yield from self._take(timer, sleeps, starts)):
            if queue.get_cost:
                yield timer.at(env.now + queue.get_cost)
            numbers = [queue.numbers[message.id] for message in messages]
            start, duration = env.now, work[numbers[0]]
            end = start + duration + (repairs.during(duration) if repairs else 0.0)
            _note(record.started, numbers, start)
            if batch is not None:
                _note(batch, numbers, next(self._batches))
            yield timer.at(end)
            _note(record.finished, numbers, end)
            if acked is not None:
                yield timer.at(end + queue.ack_cost)
                _note(acked, numbers, env.now)
            queue.ack_many(messages)

    def _take(
        self, timer: Timer, sleeps: Iterator[float] | None, starts: Iterator[float] | None
    ) -> Generator[Timer, Any, list[Message]]:
        """The messages to work on next; none when a worker that polls may stop."""
        env, queue = self.env, self.queue
        while not (messages := queue.real.get_many(self.batch_size)) and sleeps:
            if not self.producer.process.is_alive:
                return []
            yield timer.at(env.now + next(sleeps))
        self._note_delivery(messages)
        if messages:
            return messages
        message = yield queue.wait(timer)
        self._note_delivery([message])
        if starts:
            yield timer.at(env.now + next(starts))
        # Others may have come at the same instant, or during the cold start.
        more = queue.real.get_many(self.batch_size - 1) if self.batch_size > 1 else []
        self._note_delivery(more)
        return [message, *more]

    def _note_delivery(self, messages: list[Message]) -> None:
        delivered = self.queue.record.extra.get("delivered")
        if delivered is not None:
            _note(delivered, [self.queue.numbers[message.id] for message in messages], self.env.now)


class _Repairs:
    """When the work of one worker is interrupted, and how long each repair takes."""

    def __init__(self, breakdowns: Breakdowns, env: Environment, name: str) -> None:
        work = Exponential(mean=1 / breakdowns.rate)
        self._times_up = _samples(work, env, f"{name} breakdowns")
        self._times_down = _samples(breakdowns.repair, env, f"{name} repairs")
        self._left = next(self._times_up)

    def during(self, work: float) -> float:
        """How long the worker is down (s) before it has done so much work (s)."""
        down = 0.0
        while self._left < work:
            work -= self._left
            self._left = next(self._times_up)
            down += next(self._times_down)
        self._left -= work
        return down


def _samples(durations: Distribution, env: Environment, name: str) -> Iterator[float]:
    """Durations (s) one by one, from the stream of that name."""
    blocks = durations.blocks(env.stream(name))
    return chain.from_iterable(block.tolist() for block in blocks)


def _note(column: Any, numbers: list[int], value: float) -> None:
    for number in numbers:
        column[number] = value
