"""Producers send messages."""

from __future__ import annotations

from collections.abc import Generator
from math import inf
from typing import Any

from ..distributions import Distribution
from .environment import Environment, Timer
from .simqueue import SimQueue

__all__ = ["Producer"]


class Producer:
    """Publishes a message at each arrival instant, whatever becomes of the ones before.

    A put that costs time occupies the producer. Messages that become due meanwhile are published
    late, and their ``created`` still says when they were due: the delay counts as latency.

    Parameters
    ----------
    env : Environment
    queue : SimQueue
    interarrival : Distribution
        Gaps between messages (s), or a Trace of instants.
    messages : int or None
        How many to publish; None: until the run ends or the distribution does.
    name : str
        Names the random stream.
    """

    def __init__(
        self,
        env: Environment,
        queue: SimQueue,
        interarrival: Distribution,
        *,
        messages: int | None = None,
        name: str = "producer",
    ) -> None:
        self.env = env
        self.queue = queue
        self.process = env.process(
            self._produce(interarrival, messages, env.stream(name)),
        )

    def _produce(
        self, interarrival: Distribution, messages: int | None, rng: Any
    ) -> Generator[Timer, Any, None]:
        env, queue = self.env, self.queue
        record, publish, put_cost = queue.record, queue.publish, queue.put_cost
        timer = Timer(env, 1)
        left = inf if messages is None else messages
        # At instant 0, too, the consumers are there before the first message.
        yield timer.at(env._now)
        for block in interarrival.instants(rng):
            due = block[: int(min(left, len(block)))]
            left -= len(due)
            for number, created in enumerate(due.tolist(), record.prepare(len(due))):
                if created > env._now:
                    yield timer.at(created)
                if put_cost:
                    yield timer.at(env._now + put_cost)
                record.created[number] = created
                publish(number)
            if not left:
                return
