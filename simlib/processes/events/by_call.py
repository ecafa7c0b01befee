"""Events by calls: the publisher calls each subscriber, and tries again if no answer comes."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from math import isnan
from typing import Any

import simpy

from ...queues import Empty, MessageQueue
from ..draws import Draws
from ..environment import Environment, Timer
from ..faults import Faults
from ..point_to_point.queue import SimQueue
from ..record import Record
from .base import EventPublisher, EventWorker

__all__ = ["Receiver", "WebhookPublisher"]


class Receiver(EventWorker):
    """A subscriber that is called, and answers when it has done the work.

    Calls wait in its own memory. When it goes down, these are gone, and while it is down nobody
    answers. It knows an event by its number: one that is called again is not done again.

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
        super().__init__(env, record, work, faults)
        self.inbox = inbox
        self.done = 0
        """How many events it has done."""
        self._answers: dict[int, simpy.Event] = {}
        self._idle: Timer | None = None
        env.process(self._run())
        env.process(self._go_down())

    def call(self, number: int) -> simpy.Event:
        """Ask it to work on event ``number``; the event that happens when that is done."""
        known = self._answers.get(number)
        if known is not None:
            return known
        answer = self.env.event()
        if self.faults.down_at(self.env.now) == self.env.now:
            return answer
        self._answers[number] = answer
        self.inbox.put(b"%d" % number, False)
        if isnan(self.record.enqueued[number]):
            self.record.enqueued[number] = self.env.now
        if self._idle is not None:
            self._idle.fire()
            self._idle = None
        return answer

    def holds(self, number: int) -> bool:
        """Whether an event is here, done or not."""
        return number in self._answers

    def _run(self) -> Generator[Timer, Any, None]:
        timer = Timer(self.env, 0)
        while True:
            yield from self.wait_until_up(timer)
            try:
                message = self.inbox.get(False)
            except Empty:
                self._idle = timer
                yield timer
                continue
            number = int(message.body)
            done = yield from self.work_on(number, timer)
            if done:
                self.done += 1
                self._answers[number].succeed()
            else:
                del self._answers[number]
            self.inbox.ack(message)

    def _go_down(self) -> Generator[Timer, Any, None]:
        timer = Timer(self.env, 0)
        for outage in self.faults.outages:
            yield timer.at(outage.start)
            waiting = self.inbox.get_many(self.inbox.qsize() or 1)
            for message in waiting:
                del self._answers[int(message.body)]
                self.deliver_in_vain(int(message.body))
            self.inbox.ack_many(waiting)


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
        network: float,
        timeout: float,
        attempts: int,
        backoff: float,
    ) -> None:
        records = [receiver.record for receiver in receivers]
        super().__init__(env, door, records, threads=threads, network=network)
        self.given_up: list[tuple[int, int]] = []
        """Subscriber and number of each event that was given up."""
        self._receivers = receivers
        self._timeout = timeout
        self._attempts = attempts
        self._backoff = backoff

    def publish(self, number: int, timer: Timer) -> Generator[simpy.Event, Any, None]:
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

    def _call(
        self, receiver: Receiver, number: int, timer: Timer
    ) -> Generator[simpy.Event, Any, bool]:
        """Call once; whether an answer came in time."""
        self.calls += 1
        gives_up = self.env.now + self._timeout
        yield timer.at(self.env.now + self.network)
        answer = receiver.call(number)
        # What is answered later than this is on its way back when the time is up.
        patience = gives_up - self.network - self.env.now
        if not answer.processed:
            yield answer | self.env.timeout(patience)
        if answer.triggered:
            yield timer.at(self.env.now + self.network)
            return True
        yield timer.at(gives_up)
        return False
