"""Producers send messages."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np
from pydantic import Field

from ...distributions import BLOCK, Distribution
from ...values import Value
from ..arrivals import first
from ..environment import Environment, Timer
from ..faults import NO_FAULTS, Faults
from .queue import SimQueue

__all__ = ["Linger", "Producer"]


class Linger(Value):
    """A producer collects messages into batches, and sends each batch with one put.

    A batch opens with its first message. It is sent when it is full or when its time is up, as
    Kafka's ``batch.size`` and ``linger.ms`` say.
    """

    size: int = Field(
        ge=1,
        le=10_000,
        description="messages that fill a batch",
        json_schema_extra={"unit": "messages"},
    )
    time: float = Field(
        ge=0,
        description="the longest that a batch waits to be filled",
        json_schema_extra={"unit": "s"},
    )


class Producer:
    """Publishes a message at each arrival instant, whatever becomes of the ones before.

    A put that costs time occupies the producer. Messages that become due meanwhile are published
    late, and their ``created`` still says when they were due: the delay counts as latency. While
    the queue is down the producer keeps its messages, and a put that was under way is repeated.

    Parameters
    ----------
    env : Environment
    queue : SimQueue
    interarrival : Distribution
        Gaps between messages (s), or a Trace of instants.
    messages : int or None
        How many to publish; None: until the run ends or the distribution does.
    priorities : sequence of float, optional
        The share of each priority class in the messages, the most urgent class first. Which class
        a message is of is noted under the label "priority", counted from 0.
    linger : Linger, optional
        How messages are collected into batches; without it each has a put of its own. A put of
        several messages has one priority.
    faults : Faults
        When it hangs. What is due meanwhile is published late.
    name : str
        Names the random streams.
    """

    def __init__(
        self,
        env: Environment,
        queue: SimQueue,
        interarrival: Distribution,
        *,
        messages: int | None = None,
        priorities: Sequence[float] | None = None,
        linger: Linger | None = None,
        faults: Faults = NO_FAULTS,
        name: str = "producer",
    ) -> None:
        if priorities and linger:
            raise ValueError("messages of several priorities can't be put together; no linger")
        self.env = env
        self.queue = queue
        self.faults = faults
        blocks = first(messages, interarrival.instants(env.stream(name)))
        if linger:
            produce = self._produce_batches(blocks, linger)
        else:
            publish: Callable[[int], bool] = queue.publish
            if priorities:
                publish = self._prioritise(priorities, env.stream(f"{name} priorities"))
            produce = self._produce(blocks, publish)
        self.process = env.process(produce)

    def _prioritise(
        self, shares: Sequence[float], rng: np.random.Generator
    ) -> Callable[[int], bool]:
        """``publish`` for messages whose class is drawn, one after the other."""
        queue, lowest = self.queue, len(shares) - 1
        queue.record.label("priority")
        classes = queue.record.labels["priority"]
        draws = chain.from_iterable(
            rng.choice(len(shares), BLOCK, p=shares).tolist() for _ in iter(int, 1)
        )

        def publish(number: int) -> bool:
            classes[number] = drawn = next(draws)
            return queue.publish_many([number], priority=lowest - drawn)

        return publish

    def _produce(
        self, blocks: Iterator[list[float]], publish: Callable[[int], bool]
    ) -> Generator[Timer, Any, None]:
        env, queue = self.env, self.queue
        record = queue.record
        putting = bool(queue.put_cost) or queue.breaks
        hangs = bool(self.faults.hangs)
        timer = Timer(env, 1)
        # At instant 0, too, the consumers are there before the first message.
        yield timer.at(env._now)
        for due in blocks:
            for number, created in enumerate(due, record.prepare(len(due))):
                if created > env._now:
                    yield timer.at(created)
                if hangs:
                    yield timer.at(self.faults.goes_on_at(env._now))
                if putting:
                    yield from queue.putting(timer)
                record.created[number] = created
                publish(number)

    def _produce_batches(
        self, blocks: Iterator[list[float]], linger: Linger
    ) -> Generator[Timer, Any, None]:
        env, queue, created = self.env, self.queue, self.queue.record.created
        timer = Timer(env, 1)
        yield timer.at(env._now)
        messages = self._numbered(blocks)
        following = next(messages, None)
        while following:
            # While the producer still puts the batch before, this one stays open.
            closes = max(env._now, following[1] + linger.time)
            batch: dict[int, float] = {}
            while following and following[1] <= closes and len(batch) < linger.size:
                number, due = following
                batch[number] = due
                following = next(messages, None)
            if len(batch) == linger.size:
                closes = max(env._now, due)
            yield timer.at(self.faults.goes_on_at(closes))
            yield from queue.putting(timer, len(batch))
            for number, due in batch.items():
                created[number] = due
            queue.publish_many(list(batch))

    def _numbered(self, blocks: Iterator[list[float]]) -> Iterator[tuple[int, float]]:
        """The messages' numbers and instants (s)."""
        for due in blocks:
            yield from enumerate(due, self.queue.record.prepare(len(due)))
