"""Consumers that sleep, warm up, break down, crash, or take several messages at once."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from pydantic import Field

from ...distributions import Distribution, Durations, Exponential
from ...queues import Message
from ...values import Value
from ..draws import Draws, samples
from ..environment import Environment, Timer
from ..faults import NO_FAULTS, Faults
from .consumer import Consumer
from .producer import Producer
from .queue import SimQueue

__all__ = ["Breakdowns", "PausingConsumer"]


class Breakdowns(Value):
    """A consumer at work breaks down by chance, is repaired, and goes on where it was."""

    rate: float = Field(
        gt=0, description="breakdowns per second of work", json_schema_extra={"unit": "1/s"}
    )
    repair: Durations = Field(
        description="time until a consumer works again", json_schema_extra={"unit": "s"}
    )


class PausingConsumer(Consumer):
    """A consumer whose workers are not always there, or take several messages at once.

    ``started`` to ``finished`` is the time that a worker is occupied with a message, repairs
    included. Each worker has random streams of its own. When the queue crashes, a worker finishes
    what it is at, and its ack is refused.

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
    faults_of_each : sequence of Faults, optional
        When each worker hangs or is slow.
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
        faults_of_each: Sequence[Faults] | None = None,
        name: str = "consumer",
    ) -> None:
        if queue.real.lease is not None:
            raise ValueError("a pausing consumer would outstay a lease; give a queue without")
        self.producer = producer
        self.polling = polling
        self.cold_start = cold_start
        self.breakdowns = breakdowns
        self.batch_size = batch_size
        self.crew: list[_Worker] = []
        """The workers, in the order of their numbers."""
        self._names = (f"{name} {number}" for number in range(workers))
        self._batches = count()
        self._faults_of_each = iter(faults_of_each or [NO_FAULTS] * workers)
        # A message in the hands of a worker that warms up is delivered, and not started.
        if cold_start is not None and "delivered" not in queue.record.extra:
            queue.record.add("delivered")
        if batch_size > 1:
            queue.record.label("batch")
        super().__init__(env, queue, work, workers=workers, name=name)

    def crash(self, place: int, restart: float) -> list[Message]:
        """Let the worker of that place crash, and take messages again ``restart`` seconds later.

        The messages that were in its hands are returned. One that is down stays down.
        """
        worker = self.crew[place]
        if worker.down:
            return []
        worker.down = True
        worker.timer.end_process()
        self.queue.leave(worker.timer)
        messages, worker.hands = worker.hands, []
        self.env.process(self._start_again(worker, self.env.now + restart))
        return messages

    def _start_again(self, worker: _Worker, time: float) -> Generator[Timer, Any, None]:
        worker.timer = Timer(self.env, 0)
        yield worker.timer.at(time)
        worker.down = False
        yield from self._serve(worker)

    def _work(self, work: Draws) -> Generator[Timer, Any, None]:
        env, name = self.env, next(self._names)
        polling, cold_start = self.polling, self.cold_start
        worker = _Worker(
            work,
            Timer(env, 0),
            sleeps=samples(polling, env, f"{name} polling") if polling else None,
            starts=samples(cold_start, env, f"{name} cold start") if cold_start else None,
            repairs=_Repairs(self.breakdowns, env, name) if self.breakdowns else None,
            faults=next(self._faults_of_each),
        )
        self.crew.append(worker)
        yield from self._serve(worker)

    def _serve(self, worker: _Worker) -> Generator[Timer, Any, None]:
        env, queue, record, timer = self.env, self.queue, self.queue.record, worker.timer
        acked, batch = record.extra.get("acked"), record.labels.get("batch")
        while messages := (yield from self._take(worker)):
            if queue.get_cost:
                yield timer.at(env.now + queue.get_time(len(messages)))
            messages = worker.hands = queue.held(messages)
            if not messages:
                continue
            numbers = [queue.numbers[message.id] for message in messages]
            start, duration = env.now, worker.work[numbers[0]]
            repairs = worker.repairs.during(duration) if worker.repairs else 0.0
            end = start + duration + repairs
            if worker.faults is not NO_FAULTS:
                end = worker.faults.done_at(start, duration + repairs)
            _note(record.started, numbers, start)
            if batch is not None:
                _note(batch, numbers, next(self._batches))
            yield timer.at(end)
            messages = worker.hands = queue.held(messages, worked=True)
            if not messages:
                continue
            numbers = [queue.numbers[message.id] for message in messages]
            _note(record.finished, numbers, end)
            if acked is not None:
                yield timer.at(end + queue.ack_time(len(messages)))
                messages = queue.held(messages)
                _note(acked, [queue.numbers[message.id] for message in messages], env.now)
            queue.ack_many(messages)
            worker.hands = []

    def _take(self, worker: _Worker) -> Generator[Timer, Any, list[Message]]:
        """The messages to work on next; none when a worker that polls may stop."""
        env, queue, timer = self.env, self.queue, worker.timer
        while not (messages := queue.take_many(self.batch_size)) and worker.sleeps:
            # What others have in their hands may come back.
            if not (self.producer.process.is_alive or queue.numbers):
                return []
            yield timer.at(env.now + next(worker.sleeps))
        self._note_delivery(messages)
        worker.hands = messages
        if messages:
            return messages
        message = yield queue.wait(timer)
        self._note_delivery([message])
        worker.hands = [message]
        if worker.starts:
            yield timer.at(env.now + next(worker.starts))
        # Others may have come at the same instant, or during the cold start.
        more = queue.take_many(self.batch_size - 1) if self.batch_size > 1 else []
        self._note_delivery(more)
        worker.hands = [message, *more]
        return worker.hands

    def _note_delivery(self, messages: list[Message]) -> None:
        delivered = self.queue.record.extra.get("delivered")
        if delivered is not None:
            _note(delivered, [self.queue.numbers[message.id] for message in messages], self.env.now)


@dataclass
class _Worker:
    """One of those who work side by side."""

    work: Draws
    """The work that each message brings (s)."""
    timer: Timer
    """What it waits with."""
    sleeps: Iterator[float] | None
    """How long it sleeps when it finds nothing (s)."""
    starts: Iterator[float] | None
    """How long it takes to be ready after it was idle (s)."""
    repairs: _Repairs | None
    """What interrupts its work."""
    faults: Faults
    """When it hangs or is slow."""
    hands: list[Message] = field(default_factory=list)
    """Messages that were delivered to it and not acked."""
    down: bool = False
    """Whether it has crashed and not started again."""


class _Repairs:
    """When the work of one worker is interrupted, and how long each repair takes."""

    def __init__(self, breakdowns: Breakdowns, env: Environment, name: str) -> None:
        work = Exponential(mean=1 / breakdowns.rate)
        self._times_up = samples(work, env, f"{name} breakdowns")
        self._times_down = samples(breakdowns.repair, env, f"{name} repairs")
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


def _note(column: Any, numbers: list[int], value: float) -> None:
    for number in numbers:
        column[number] = value
