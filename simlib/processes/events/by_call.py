"""Events by calls: the publisher calls each subscriber, and tries again if no answer comes."""

from __future__ import annotations

from array import array
from collections.abc import Generator, Sequence
from math import inf, isnan, nan
from typing import Any

from ...calls import Request
from ...queues import MemoryQueue, Message, MessageQueue
from ..calls.call import Call
from ..calls.service import Service
from ..draws import Draws
from ..environment import Environment, Timer
from ..faults import Faults
from ..point_to_point.queue import SimQueue
from ..record import Ledger, Record
from .base import Copies, EventPublisher, Setting, Way

__all__ = ["ByCall", "Receiver", "WebhookPublisher"]


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
    setting : Setting
    copies : Copies
        The rows by which receivers know the copies of each event.
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
        setting: Setting,
        copies: Copies,
        receivers: Sequence[Receiver],
        *,
        timeout: float,
        attempts: int,
        backoff: float,
    ) -> None:
        super().__init__(setting, copies)
        self.given_up: list[int] = []
        """Rows of the copies that were given up."""
        self._rows = copies.rows
        self._receivers = receivers
        # For calls that get across only after the time for their answer is up.
        self._behind = self.network.connect(self._arrive_late, 0)
        self._timeout = timeout
        self._attempts = attempts
        self._backoff = backoff

    def publish(self, number: int, timer: Timer) -> Generator[Timer, Any, None]:
        for row, receiver in zip(self._rows(number), self._receivers, strict=True):
            pause = self._backoff
            for attempt in range(self._attempts):
                if attempt:
                    yield timer.at(self.env.now + pause)
                    pause *= 2
                answered = yield from self._call(receiver, row, timer)
                if answered:
                    break
            else:
                self.given_up.append(row)

    def _call(self, receiver: Receiver, row: int, timer: Timer) -> Generator[Timer, Any, bool]:
        """Call once; whether an answer came in time."""
        self.calls += 1
        network, gives_up = self.network, self.env.now + self._timeout
        there = network.arrives(self.env.now)
        # What is answered later than this is still on its way back when the time is up.
        deadline = gives_up - network.latency
        if there > deadline:
            if self._behind is not None and there < inf:
                self._behind.send((receiver, row), there)
            yield timer.at(gives_up)
            return False
        yield timer.at(there)
        reply = yield from receiver.call(row, deadline=deadline).wait(timer)
        back = network.arrives(self.env.now) if reply.ok else inf
        # Without a delay it is in time, whatever the rounding says.
        in_time = back <= max(gives_up, self.env.now + network.latency)
        yield timer.at(back if in_time else gives_up)
        return in_time

    def under_way(self) -> set[int]:
        """Rows of the copies whose calls are still to arrive, and nobody waits for an answer."""
        return set() if self._behind is None else {row for _, (_, row) in self._behind.under_way}

    @staticmethod
    def _arrive_late(call: tuple[Receiver, int]) -> None:
        receiver, row = call
        receiver.call(row).cancel()


class ByCall(Way):
    """Subscribers that the publisher calls.

    Parameters
    ----------
    setting : Setting
    timeout, attempts, backoff
        As for :class:`WebhookPublisher`.
    """

    def __init__(self, setting: Setting, *, timeout: float, attempts: int, backoff: float) -> None:
        super().__init__(setting)
        self._copies = copies = Copies(self.subscribers)
        self._receivers = [
            Receiver(
                setting.env, MemoryQueue(), copies.record, _OfCopies(work, self.subscribers), faults
            )
            for work, faults in zip(setting.works, setting.faults, strict=True)
        ]
        self.publisher: WebhookPublisher = WebhookPublisher(
            setting, copies, self._receivers, timeout=timeout, attempts=attempts, backoff=backoff
        )

    def record(self) -> Record:
        record = self._copies.complete(self.events)
        for row in self._lost():
            record.lost.append(row)
            # If somebody had it, it is gone from when that came to nothing.
            since = record.attempts.released_last(row)
            if not isnan(since):
                record.moves.vanished.append(since)
                record.moves.departed.append(since)
        return record

    def ledger(self) -> Ledger:
        queues = [receiver.queue for receiver in self._receivers]
        lost = self._lost()
        sent = {row for number in self.publisher.sending for row in self._copies.rows(number)}
        outside = [
            row
            for row in sent | self.publisher.under_way()
            if not self._is_held(row) and row not in lost
        ]
        return self.account(
            self._copies.record,
            ready=sum(queue.real.qsize() for queue in queues),
            unacked=sum(queue.real.unacked for queue in queues) + len(outside),
            acked=sum(queue.acked for queue in queues),
            lost=lost,
        )

    def _is_held(self, row: int) -> bool:
        """Whether a copy is with its receiver, done or not."""
        return self._receivers[row % self.subscribers].holds(row)

    def _lost(self) -> list[int]:
        """Rows of the copies that were given up, and nobody has."""
        under_way = self.publisher.under_way()
        return [
            row
            for row in self.publisher.given_up
            if row not in under_way and not self._is_held(row)
        ]

    def close(self) -> None:
        for receiver in self._receivers:
            receiver.queue.real.close()


class _OfCopies(Draws):
    """The work of copies by their rows, given that of the events by their numbers (s)."""

    def __init__(self, events: Draws, subscribers: int) -> None:
        self.values = array("d")
        self._events = events
        self._subscribers = subscribers

    def __getitem__(self, row: int) -> float:
        return self._events[row // self._subscribers]
