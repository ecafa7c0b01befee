"""Consumers take messages and do the work."""

from __future__ import annotations

from collections.abc import Generator
from math import nan
from typing import Any

from ...distributions import Distribution
from ...queues import Empty, Message
from ..draws import Draws
from ..environment import Environment, Timer
from ..faults import NO_FAULTS, Faults, Window
from .queue import SimQueue

__all__ = ["Consumer"]


class Consumer:
    """Takes messages from a queue, does their work, and acks them.

    It has one or more workers, each with one message at a time. When it goes down, the messages in
    its workers' hands are given back to the queue, and their work starts again from the beginning,
    here or at another consumer.

    Parameters
    ----------
    env : Environment
    queue : SimQueue
    work : Distribution or Draws
        The work that each message brings (s). Consumers that share ``Draws`` do the same work for
        the same message, whoever takes it.
    workers : int
        How many messages are worked on at once.
    faults : Faults
        When this consumer is down or slow.
    name : str
        Names the random stream of a distribution.
    """

    def __init__(
        self,
        env: Environment,
        queue: SimQueue,
        work: Distribution | Draws,
        *,
        workers: int = 1,
        faults: Faults = NO_FAULTS,
        name: str = "consumer",
    ) -> None:
        if isinstance(work, Distribution):
            work = Draws(work, env.stream(name))
        self.env = env
        self.queue = queue
        self.faults = faults
        for _ in range(workers):
            env.process(self._work(work))
        faults.tell(env, self._go_down)

    def done(self, number: int) -> None:
        """Called when the work on message ``number`` is done and acked."""

    def abandon(self, message: Message) -> None:
        """Called for each message in a worker's hands when the consumer goes down."""
        self.queue.give_back(message)

    def went_down(self) -> None:
        """Called when the consumer goes down, for what it holds beside its workers' messages."""

    def _work(self, work: Draws) -> Generator[Timer, Any, None]:
        env, queue, faults = self.env, self.queue, self.faults
        record, numbers = queue.record, queue.numbers
        started, finished, works = record.started, record.finished, work.values
        get_cost, ack_cost = queue.get_cost, queue.ack_cost
        delivered, acked = record.column("delivered"), record.column("acked")
        faulty = faults is not NO_FAULTS
        reports = type(self).done is not Consumer.done
        timer = Timer(env, 0)
        while True:
            if faulty and faults.up_at(env._now) > env._now:
                yield timer.at(faults.up_at(env._now))
            try:
                # Where there is no message at all, there is no need to ask for one.
                message = queue.take(False) if numbers else (yield queue.wait(timer))
            except Empty:
                message = yield queue.wait(timer)
            if message is None:
                continue
            number = numbers[message[0]]
            if get_cost:
                delivered[number] = taken = env._now
                yield timer.at(taken + get_cost)
            try:
                duration = works[number]
            except IndexError:
                duration = work[number]
            start = env._now
            end = start + duration
            if faulty:
                end, down = faults.end_of_work(start, duration)
                if down:
                    yield timer.at(end)
                    record.attempts.add(
                        number, taken if get_cost else start, start, end, cause="outage"
                    )
                    if get_cost:
                        delivered[number] = nan
                    self.abandon(message)
                    continue
            started[number] = start
            yield timer.at(end)
            if ack_cost:
                earlier, finished[number] = finished[number], end
                yield timer.at(end + ack_cost)
            if not queue.ack(message):
                if ack_cost and finished[number] == end:
                    finished[number] = earlier
                queue.refused(number, taken if get_cost else start, start)
                continue
            finished[number] = end
            if ack_cost:
                acked[number] = env._now
            if reports:
                self.done(number)

    def _go_down(self, _: Window) -> None:
        self.queue.dismiss()
        self.went_down()
