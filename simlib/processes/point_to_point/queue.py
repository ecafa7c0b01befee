"""A real queue on simulated time."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable, Generator, Sequence
from math import inf, nan
from typing import Any

from ...queues import Empty, Full, LeaseLostError, Message, MessageQueue
from ..attempts import DONE
from ..environment import Environment, Timer
from ..record import Ledger, Record

__all__ = ["Cost", "SimQueue"]

Cost = float | Callable[[int], float]
"""Seconds that a call takes, or what tells them from the number of messages it deals with."""


class SimQueue:
    """A real queue whose operations cost simulated time.

    Whatever happens to a message happens to it in the real queue; this class adds when. Consumers
    that find nothing wait in line and are handed the next message as it comes, so a message only
    takes up room in the queue when all of them are busy.

    Parameters
    ----------
    env : Environment
        Where time comes from.
    queue : MessageQueue
        The real queue, with ``clock=env.clock`` if it is to delay messages or to end leases.
    capacity : int or None
        The most messages that may wait: None for no bound, 0 when a message is taken only if a
        consumer is idle. It should agree with the real queue's ``maxsize``, which does the
        refusing from 1 on.
    put_cost, get_cost, ack_cost : float or callable
        Seconds that each operation takes whoever calls it; or what tells them from the number of
        messages that one call deals with.
    body : bytes
        What every message carries.
    record : Record, optional
        Where to write down what happens; a new one if there is none.
    stored : array, optional
        The record's column for the instants of the puts; ``record.enqueued`` if not given.
    """

    breaks = False
    """Whether the queue may be down when somebody wants to put."""

    def __init__(
        self,
        env: Environment,
        queue: MessageQueue,
        *,
        capacity: int | None = None,
        put_cost: Cost = 0.0,
        get_cost: Cost = 0.0,
        ack_cost: Cost = 0.0,
        body: bytes = b"",
        record: Record | None = None,
        stored: array[float] | None = None,
    ) -> None:
        self.put_time = _timing("put_cost", put_cost)
        """Seconds that the put of so many messages takes."""
        self.get_time = _timing("get_cost", get_cost)
        """Seconds that the get of so many messages takes."""
        self.ack_time = _timing("ack_cost", ack_cost)
        """Seconds that the ack of so many messages takes."""
        self.env = env
        self.real = queue
        self.take: Callable[[bool], Message] = queue.get
        """The real queue's ``get``, as consumers call it: ``take(False)`` or Empty."""
        self.take_many: Callable[[int], list[Message]] = queue.get_many
        """The real queue's ``get_many``."""
        self.capacity = capacity
        self.put_cost = self.put_time(1)
        self.get_cost = self.get_time(1)
        self.ack_cost = self.ack_time(1)
        self.body = body
        self.record = Record() if record is None else record
        if self.get_cost:
            self.record.add("delivered")
        if self.ack_cost:
            self.record.add("acked")
        self._stored = self.record.enqueued if stored is None else stored
        self.published = 0
        """Messages that were to be stored, refused ones included."""
        self.acked = 0
        """Messages that consumers have finished."""
        self.dropped = 0
        """Messages that found no room."""
        self.lost = 0
        """Messages that are gone without having been done."""
        self.returned = 0
        """Deliveries that have to be repeated."""
        self.numbers: dict[int, int] = {}
        """Number of each message in the record, by its id in the real queue."""
        self._idle: deque[Timer] = deque()
        self._alarm = float("inf")

    def publish(self, number: int) -> bool:
        """Store message ``number``, now; False if there was no room for it."""
        self.published += 1
        try:
            if self.capacity == 0 and not self._idle:
                raise Full
            self.numbers[self.real.put(self.body, False)] = number
        except Full:
            self.dropped += 1
            self.record.dropped.append(number)
            return False
        self._stored[number] = self.env._now
        if self._idle:
            # While somebody waits nothing else is ready.
            self._deliver(1)
        return True

    def publish_many(self, numbers: Sequence[int], priority: int = 0) -> bool:
        """Store several messages in one put, now; False if there was no room for them all.

        The larger ``priority`` goes first.
        """
        self.published += len(numbers)
        try:
            if self.capacity == 0 and len(self._idle) < len(numbers):
                raise Full
            ids = self.real.put_many(self.bodies(numbers), False, priority=priority)
        except Full:
            self.dropped += len(numbers)
            self.record.dropped.extend(numbers)
            return False
        self.numbers.update(zip(ids, numbers, strict=True))
        for number in numbers:
            self._stored[number] = self.env._now
        if self._idle:
            self._deliver()
        return True

    def bodies(self, numbers: Sequence[int]) -> list[bytes]:
        """What the messages with these numbers carry."""
        return [self.body] * len(numbers)

    def putting(self, timer: Timer, messages: int = 1) -> Generator[Timer, Any, None]:
        """The time that the put of so many messages takes, which are then to be published."""
        yield timer.at(self.env.now + self.put_time(messages))

    def wait(self, timer: Timer) -> Timer:
        """Stand in line for a message; to be yielded at once, gives the message.

        The value is None when whoever waits is told to look after itself (``dismiss``).
        """
        self._idle.append(timer)
        # Where there is no message, none can fall due, and nobody has to look at the clock.
        if self.numbers:
            self._watch()
        return timer

    def ack(self, message: Message) -> bool:
        """The message is done; False if its lease ran out before, and somebody else has it."""
        try:
            self.real.ack(message)
        except LeaseLostError:
            self.returned += 1
            return False
        del self.numbers[message[0]]
        self.acked += 1
        return True

    def ack_many(self, messages: Sequence[Message]) -> None:
        """The messages are done; all of them must be held."""
        self.real.ack_many(messages)
        for message in messages:
            del self.numbers[message.id]
        self.acked += len(messages)

    def held(self, messages: list[Message], worked: bool = False) -> list[Message]:
        """Those of the messages whose deliveries still count.

        Whoever has them asks when a get is over, when the work is (``worked``), and after an ack.
        """
        return messages

    def refused(self, number: int, delivered: float, started: float) -> None:
        """An ack of finished work was refused; when it was delivered and started (s)."""
        record, now = self.record, self.env._now
        record.attempts.add(number, delivered, started, now, outcome=DONE, cause="lease lost")
        record.moves.requeued.append(now)
        if record.started[number] == started:  # nobody else has begun
            record.started[number] = nan
            record.column("delivered")[number] = nan

    def give_back(self, message: Message) -> None:
        """The message was not done; somebody else shall have it."""
        self.returned += 1
        self.record.moves.requeued.append(self.env._now)
        self.real.nack(message)
        self._deliver()

    def lose(self, message: Message) -> int:
        """The message is gone for good; its number."""
        self.real.nack(message, requeue=False)
        number = self.numbers.pop(message.id)
        self.lost += 1
        self.record.lost.append(number)
        self.record.moves.departed.append(self.env._now)
        return number

    def leave(self, timer: Timer) -> None:
        """Whoever waits with this timer waits no more."""
        if timer in self._idle:
            self._idle.remove(timer)

    def dismiss(self) -> None:
        """Send those who wait away with nothing."""
        while self._idle:
            self._idle.popleft().fire(None)

    def ledger(self) -> Ledger:
        """Where the messages are, asked from the real queue."""
        return Ledger(
            published=self.published,
            acked=self.acked,
            ready=self.real.qsize() + self.real.delayed,
            unacked=self.real.unacked,
            dropped=self.dropped,
            lost=self.lost,
            duplicates=self.returned,
            redelivered=self.record.redelivered(),
            redone=self.record.redone(),
        )

    def _deliver(self, most: float = inf) -> None:
        """Hand ready messages to those who wait, first come first served, so many at most."""
        idle = self._idle
        while idle and most:
            try:
                message = self.take(False)
            except Empty:
                self._watch()
                return
            idle.popleft().fire(message)
            most -= 1
        if idle and self.real.lease is not None:
            # Those who still wait get the message when its lease runs out.
            self._watch()

    def _watch(self) -> None:
        """Look again when a delay or a lease runs out, for those who wait."""
        due = self.env._now + self.real.due_in()
        if due < self._alarm:
            self._alarm = due
            self.env.process(self._look_again(due))

    def _look_again(self, due: float) -> Generator[Timer, Any, None]:
        yield Timer(self.env, 0).at(due)
        if due == self._alarm:
            self._alarm = float("inf")
        self._deliver()


def _timing(name: str, cost: Cost) -> Callable[[int], float]:
    """How long a call takes (s), by the number of messages it deals with."""
    if callable(cost):
        return cost
    if not 0 <= cost < inf:
        raise ValueError(f"{name} must be >= 0 s, got {cost!r}")
    return lambda messages: cost
