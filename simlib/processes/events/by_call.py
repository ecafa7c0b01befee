"""Events by calls: the publisher calls each subscriber, and tries again if no answer comes."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from math import inf, isnan, nan
from typing import Any

from ...calls import Request
from ...queues import Message, MessageQueue
from ..calls.call import Call
from ..calls.service import Service
from ..draws import Draws
from ..environment import Environment, Timer
from ..faults import Faults
from ..network import Link
from ..point_to_point.queue import SimQueue
from ..record import Record
from .base import EventPublisher

__all__ = ["Receiver", "WebhookPublisher"]


class Receiver(Service):
    """A subscriber that is called, and answers when it has done the work, one event at a time.

    Calls wait in its own memory. When it goes down, these are gone without a word, and while it is
    down nobody answers. It knows an event by its number: one that is called again is not done
    again.

    Parameters
    ----------
    env : Environment
    inbox : MessageQueue
        Where calls wait.
    record : Record
        A row for each event.
    work : Draws
        The work that each event brings (s).
    faults : Faults
        When it is down.
    """

    def __init__(
        self, env: Environment, inbox: MessageQueue, record: Record, work: Draws, faults: Faults
    ) -> None:
        super().__init__(env, SimQueue(env, inbox, record=record), work, faults=faults)
        self._done: set[int] = set()
        # All calls of an event that it has and has not done.
        self._open: dict[int, list[Call]] = {}

    def call(
        self, number: int, request: Request | None = None, deadline: float | None = None
    ) -> Call:
        """Ask it to work on event ``number``; the call is over when that is done."""
        call = Call(number, request, deadline)
        if number in self._done:
            call.reply()
        elif number in self._open:
            self._open[number].append(call)
        elif not self.is_down():
            self._open[number] = [call]
            enqueued = self.queue.record.enqueued
            first = enqueued[number]
            self.queue.publish(number)
            if not isnan(first):
                enqueued[number] = first
        return call

    def holds(self, number: int) -> bool:
        """Whether an event is here, done or not."""
        return number in self._done or number in self._open

    def done(self, number: int) -> None:
        self._done.add(number)
        for call in self._open.pop(number):
            self.late += not call.reply()

    def abandon(self, message: Message) -> None:
        queue = self.queue
        queue.real.nack(message, requeue=False)
        del self._open[queue.numbers.pop(message.id)]
        queue.record.moves.requeued.append(self.env.now)

    def went_down(self) -> None:
        queue, now = self.queue, self.env.now
        for message in queue.real.get_many(queue.real.qsize() or 1):
            queue.record.attempts.add(queue.numbers[message.id], now, nan, nan, now, cause="crash")
            self.abandon(message)


class WebhookPublisher(EventPublisher):
    """Publishes each event by calling every subscriber, one after the other.

    A call without an answer in time is made again after a pause, which doubles each time, and
    given up after so many attempts. All that occupies the thread that does it.

    Parameters
    ----------
    env, door, threads, network
        As for :class:`EventPublisher`.
    receivers : sequence of Receiver
        Who is called.
    timeout : float
        How long an answer is waited for (s).
    attempts : int
        The most calls for one event and subscriber.
    backoff : float
        The pause before the first repetition (s).
    """

    def __init__(
        self,
        env: Environment,
        door: SimQueue,
        receivers: Sequence[Receiver],
        *,
        threads: int,
        network: float | Link,
        timeout: float,
        attempts: int,
        backoff: float,
    ) -> None:
        records = [receiver.queue.record for receiver in receivers]
        super().__init__(env, door, records, threads=threads, network=network)
        self.given_up: list[tuple[int, int]] = []
        """Subscriber and number of each event that was given up."""
        self._receivers = receivers
        # For calls that get across only after the time for their answer is up.
        self._behind = self.network.connect(self._arrive_late, 0)
        self._timeout = timeout
        self._attempts = attempts
        self._backoff = backoff

    def publish(self, number: int, timer: Timer) -> Generator[Timer, Any, None]:
        for place, receiver in enumerate(self._receivers):
            pause = self._backoff
            for attempt in range(self._attempts):
                if attempt:
                    yield timer.at(self.env.now + pause)
                    pause *= 2
                answered = yield from self._call(receiver, number, timer)
                if answered:
                    break
            else:
                self.given_up.append((place, number))

    def _call(self, receiver: Receiver, number: int, timer: Timer) -> Generator[Timer, Any, bool]:
        """Call once; whether an answer came in time."""
        self.calls += 1
        network, gives_up = self.network, self.env.now + self._timeout
        there = network.arrives(self.env.now)
        # What is answered later than this is still on its way back when the time is up.
        deadline = gives_up - network.latency
        if there > deadline:
            if self._behind is not None and there < inf:
                self._behind.send((receiver, number), there)
            yield timer.at(gives_up)
            return False
        yield timer.at(there)
        reply = yield from receiver.call(number, deadline=deadline).wait(timer)
        back = network.arrives(self.env.now) if reply.ok else inf
        # Without a delay it is in time, whatever the rounding says.
        in_time = back <= max(gives_up, self.env.now + network.latency)
        yield timer.at(back if in_time else gives_up)
        return in_time

    def under_way(self) -> Iterable[tuple[Receiver, int]]:
        """Calls that are still to arrive, and nobody waits for an answer."""
        return [] if self._behind is None else [call for _, call in self._behind.under_way]

    @staticmethod
    def _arrive_late(call: tuple[Receiver, int]) -> None:
        receiver, number = call
        receiver.call(number).cancel()
