"""What does the whole do, whose parts were measured one by one?"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Mapping
from typing import Any, ClassVar

import numpy as np

from ..analysis.result import Result
from ..distributions import Deterministic, Distribution, Durations
from ..processes import Draws, Environment, Record, SimQueue, Timer
from ..processes.arrivals import first
from ..queues import MemoryQueue, Message
from .base import OpenScenario, Progress, parameter
from .recursions import before, draw, staged_queue

__all__ = ["FromParts"]

NOTHING = Deterministic(0.0)

Steps = Generator[Timer, Any, None]


class FromParts(OpenScenario):
    """A producer, a queue and its consumers, put together from what each part was measured to take.

    It is a model to be held against the real thing. Its parts are durations, such as ``Empirical``
    measurements, and not constants; what it assumes of how they get in each other's way are
    parameters: whether whoever puts, gets or acks takes turns with the others (``one_lock``), and
    how many consumers can be at work at once, however many have a message (``processors``).

    Examples
    --------
    >>> from simlib.scenarios import FromParts
    >>> parts = FromParts(interarrival=0.0, service=0.002, put_cost=0.001, messages=3)
    >>> [round(each, 6) for each in parts.run().messages["finished"]]
    [0.003, 0.005, 0.007]
    >>> locked = parts.replace(get_cost=0.001, one_lock=True).run()
    >>> [round(each, 6) for each in locked.messages["finished"]]
    [0.005, 0.008, 0.011]
    """

    figures: ClassVar[Mapping[str, Any]] = {}

    consumers: int = parameter(1, "how many consumers compete", step=1, ge=1, le=1000)
    batch_size: int = parameter(
        1,
        "the most messages that a consumer takes at once, in the time that the first one needs",
        unit="messages",
        step=1,
        ge=1,
        le=1_000_000,
    )
    put_cost: Durations = parameter(NOTHING, "time that a put takes the producer", unit="s")
    get_cost: Durations = parameter(NOTHING, "time that a get takes the consumer", unit="s")
    ack_cost: Durations = parameter(NOTHING, "time that an ack takes the consumer", unit="s")
    cold_start: Durations = parameter(
        NOTHING,
        "time that a consumer that waited takes to have the next message; 0: a get",
        unit="s",
    )
    one_lock: bool = parameter(False, "whether puts, gets and acks take turns, one at a time")
    processors: int | None = parameter(
        None,
        "how many consumers can be at work at once; none: all of them",
        step=1,
        ge=1,
        le=1000,
    )

    @property
    def servers(self) -> int:
        """How many messages can be worked on at once: ``batch_size`` per consumer."""
        return self.consumers * self.batch_size

    @property
    def offered_load(self) -> float:
        """The load of whatever has most to do: producer, consumers, processors or lock."""
        put = self.put_cost.average
        turns = (self.get_cost.average + self.ack_cost.average) / self.batch_size
        work = self.service.average / self.batch_size
        at_work = min(self.consumers, self.processors or self.consumers)
        loads = [put, (turns + work) / self.consumers, work / at_work]
        if self.one_lock:
            loads.append(put + turns)
        return self.arrival_rate * max(loads)

    def obstacle(self) -> str | None:
        if self.one_lock:
            return "no recursion has one_lock"
        if self.cold_start.average:
            return f"no recursion has cold_start, and it is {self.cold_start}"
        if self.processors is not None and self.processors < self.consumers:
            return f"no recursion has processors, and it is {self.processors}"
        if self.batch_size > 1:
            return f"no recursion has batches, and batch_size is {self.batch_size}"
        return None

    def _calculate(self, env: Environment) -> Result:
        created = self.arrivals(env)

        def each(durations: Distribution, name: str) -> np.ndarray[Any, np.dtype[np.float64]]:
            return draw(durations.blocks(env.stream(name)), len(created))

        puts, works = each(self.put_cost, "put"), each(self.service, "service")
        gets, acks = each(self.get_cost, "get"), each(self.ack_cost, "ack")
        enqueued = staged_queue(created, [puts], 1) + puts
        if self.duration is not None:  # What is still being put is in no queue yet.
            there = np.count_nonzero(enqueued < self.duration)
            created, enqueued = created[:there], enqueued[:there]
            works, gets, acks = works[:there], gets[:there], acks[:there]
        taken = staged_queue(enqueued, [gets, works, acks], self.consumers)
        started = taken + gets
        finished = started + works
        columns = {"enqueued": enqueued, "started": started, "finished": finished}
        columns["acked"] = finished + acks
        columns = {name: before(self.duration, column) for name, column in columns.items()}
        return self.calculated(env, {"created": created, **columns})

    def _simulate(self, env: Environment, progress: Progress | None) -> Result:
        record = Record("acked")
        if self.batch_size > 1:
            record.label("batch")
        with MemoryQueue(clock=env.clock) as real:
            queue = SimQueue(env, real, record=record)
            lock = _Turns(1 if self.one_lock else None)
            env.process(self._produce(env, queue, lock))
            self._consume(env, queue, lock)
            self.execute(env, progress)
            ledger = queue.ledger()
        return self.result(env, record, ledger, servers=self.consumers)

    def _produce(self, env: Environment, queue: SimQueue, lock: _Turns) -> Steps:
        record, puts = queue.record, Draws(self.put_cost, env.stream("put"))
        timer = Timer(env, 1)
        yield timer.at(env.now)  # Consumers are there before the first message.
        for block in first(self.messages, self.interarrival.instants(env.stream("producer"))):
            for number, due in enumerate(block, record.prepare(len(block))):
                if due > env.now:
                    yield timer.at(due)
                yield from lock.hold(timer, puts[number])
                record.created[number] = due
                queue.publish(number)

    def _consume(self, env: Environment, queue: SimQueue, lock: _Turns) -> None:
        works = Draws(self.service, env.stream("service"))
        gets, acks = (
            Draws(self.get_cost, env.stream("get")),
            Draws(self.ack_cost, env.stream("ack")),
        )
        wakes = Draws(self.cold_start, env.stream("wake")) if self.cold_start.average else None
        processors = _Turns(self.processors)
        record = queue.record
        pieces = iter(range(1 << 62))

        def take() -> Steps:
            timer = Timer(env, 0)
            while True:
                messages: list[Message] = queue.take_many(self.batch_size)
                waited = not messages
                if waited:
                    messages = [(yield queue.wait(timer))]
                numbers = [queue.numbers[each.id] for each in messages]
                if waited and wakes is not None:
                    yield timer.at(env.now + wakes[numbers[0]])
                else:
                    yield from lock.hold(timer, gets[numbers[0]])
                _note(record, "started", numbers, env.now)
                if self.batch_size > 1:
                    piece = next(pieces)
                    for number in numbers:
                        record.labels["batch"][number] = piece
                # A batch takes the time that its first message needs.
                yield from processors.hold(timer, works[numbers[0]])
                _note(record, "finished", numbers, env.now)
                yield from lock.hold(timer, acks[numbers[0]])
                queue.ack_many(messages)
                _note(record, "acked", numbers, env.now)

        for _ in range(self.consumers):
            env.process(take())


def _note(record: Record, what: str, numbers: list[int], now: float) -> None:
    column = record.column(what)
    for number in numbers:
        column[number] = now


class _Turns:
    """What only so many can have at once, first come first served; None: any number."""

    def __init__(self, most: int | None) -> None:
        self.free = most
        self.waiting: deque[Timer] = deque()

    def hold(self, timer: Timer, seconds: float) -> Steps:
        """Have it for so long (s), as soon as it is one's turn."""
        env: Any = timer.env
        if self.free is None:
            yield timer.at(env.now + seconds)
            return
        if self.free:
            self.free -= 1
        else:
            self.waiting.append(timer)
            yield timer
        yield timer.at(env.now + seconds)
        if self.waiting:
            self.waiting.popleft().fire()
        else:
            self.free += 1
