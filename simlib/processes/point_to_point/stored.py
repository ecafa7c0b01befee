"""A real queue on simulated time that crashes, and comes back with what it has kept."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator, Sequence
from math import isnan, nan
from typing import Any

from ...queues import Empty, Message, MessageQueue, RecoveryWarning
from ...queues.crash import kill, lose_power
from ..attempts import DONE, INTERRUPTED
from ..environment import Environment, Timer
from ..record import LedgerError
from .queue import SimQueue

__all__ = ["StoredQueue"]


class StoredQueue(SimQueue):
    """A real queue in a place where it can be opened again.

    A crash really happens to the real queue, and what is in it afterwards is asked from it. What is
    gone is lost; deliveries are void, and their messages wait again; what was acked and is back,
    because its ack was not on the disk, waits again, too. While the queue is down nothing is
    delivered, acks are refused, and whoever puts waits.

    Every message carries its row in the record, and each delivery is held against it. The real
    queue knows it by an id; what a crash leaves is asked by ids, and written down by rows.

    Parameters
    ----------
    env : Environment
    open_queue : callable
        Opens the real queue, again and again: without a lease, and with ``batch_time=None`` if it
        syncs in batches.
    sync_time : float or None
        Seconds after a put at which the real queue is flushed at the latest; None: it is not.
    breaks : bool
        Whether it may crash. One that doesn't is not prepared for it, and saves time; one that
        does needs consumers that notice, PausingConsumers.
    **options
        As for :class:`SimQueue`.
    """

    def __init__(
        self,
        env: Environment,
        open_queue: Callable[[], MessageQueue],
        *,
        sync_time: float | None = None,
        breaks: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(env, open_queue(), **options)
        self.breaks = breaks
        self.take = self._take
        self.take_many = self._take_many
        self.up = True
        """Whether it is there for producers and consumers."""
        self._open = open_queue
        self._sync_time = sync_time
        self._crashes = 0
        self._flushing = False
        self._putting: list[Timer] = []
        self._held: dict[int, Message] = {}
        # Rows of messages that are done, by id: their acks may get lost.
        self._acked: dict[int, int] = {}
        # Which attempt of the record is void, by the address of its message, while somebody still
        # has that in hands; and whether it works on it.
        self._vain: dict[int, tuple[int, bool]] = {}

    def close(self) -> None:
        """Release the real queue."""
        self.real.close()

    # Producers

    def publish(self, number: int) -> bool:
        return self.publish_many([number])

    def publish_many(self, numbers: Sequence[int], priority: int = 0) -> bool:
        stored = super().publish_many(numbers, priority)
        if stored and self._sync_time is not None and not self._flushing:
            self._flushing = True
            self.env.process(self._flush(self._sync_time))
        return stored

    def bodies(self, numbers: Sequence[int]) -> list[bytes]:
        return [_body(number) for number in numbers]

    def putting(self, timer: Timer, messages: int = 1) -> Generator[Timer, Any, None]:
        """The time that a put takes, from the start again when the queue crashes meanwhile."""
        while True:
            while not self.up:
                self._putting.append(timer)
                yield timer
            crashes = self._crashes
            if self.put_cost:
                yield timer.at(self.env.now + self.put_time(messages))
            if crashes == self._crashes:
                return

    def _flush(self, seconds: float) -> Generator[Timer, Any, None]:
        crashes = self._crashes
        yield Timer(self.env, 0).at(self.env.now + seconds)
        if crashes == self._crashes:
            self._flushing = False
            self.real.flush()

    # Consumers

    def _take(self, block: bool) -> Message:
        if not self.up:
            raise Empty
        return self._checked(self.real.get(block))

    def _take_many(self, most: int) -> list[Message]:
        return [self._checked(message) for message in self.real.get_many(most)] if self.up else []

    def _checked(self, message: Message) -> Message:
        row = self.numbers.get(message.id)
        if row is None or message.body != _body(row):
            raise LedgerError(f"{message} was delivered, and message {row} had been put")
        self._held[message.id] = message
        return message

    def ack(self, message: Message) -> bool:
        if self.breaks:
            raise TypeError("this consumer doesn't notice crashes; take a PausingConsumer")
        self.ack_many([message])
        return True

    def ack_many(self, messages: Sequence[Message]) -> None:
        if self.breaks:
            self._acked.update((message.id, self.numbers[message.id]) for message in messages)
        for message in messages:
            del self._held[message.id]
        super().ack_many(messages)

    def held(self, messages: list[Message], worked: bool = False) -> list[Message]:
        kept = [message for message in messages if self._held.get(message.id) is message]
        if len(kept) < len(messages):
            self._end_work(messages, worked)
        return kept

    def abandon(self, messages: Sequence[Message]) -> None:
        """Whoever had the messages is gone, in the midst of its work; others shall have them."""
        self._end_work(messages, worked=False)
        held = [message for message in messages if self._held.get(message.id) is message]
        self._withdraw([self.numbers[message.id] for message in held], self.env.now, "crash")
        for message in held:
            del self._held[message.id]
            self.give_back(message)

    def _end_work(self, messages: Sequence[Message], worked: bool) -> None:
        """Nobody works any more on those of the messages whose deliveries were void."""
        attempts = self.record.attempts
        for message in messages:
            if id(message) not in self._vain:
                continue
            attempt, at_work = self._vain.pop(id(message))
            if at_work:
                attempts.end[attempt] = self.env.now
            if worked:
                attempts.outcome[attempt] = DONE

    # Crashes

    def crash(self, power: bool) -> None:
        """The queue's process ends, or with ``power`` the whole machine loses its power, now.

        The queue is down until it is told to ``restart``.
        """
        self.up = False
        self._crashes += 1
        self._flushing = False
        held, self._held = self._held, {}
        self._void(held)
        (lose_power if power else kill)(self.real)
        with warnings.catch_warnings():
            # Writes that the crash has torn are what is looked at here.
            warnings.simplefilter("ignore", RecoveryWarning)
            self.real = self._open()
        kept = self.real.ids()
        self._lose([message_id for message_id in self.numbers if message_id not in kept], held)
        again = len(held.keys() & kept)
        self.returned += again
        self.record.moves.requeued.extend([self.env.now] * again)
        self._revive(sorted(kept - self.numbers.keys()))

    def restart(self) -> None:
        """The queue is up again, with what it has kept."""
        self.up = True
        self._deliver()
        waiting, self._putting = self._putting, []
        for timer in waiting:
            timer.fire()

    def _void(self, held: dict[int, Message]) -> None:
        """None of these deliveries counts any more; whoever works on them has not noticed yet."""
        attempts = self.record.attempts
        first = len(attempts)
        self._withdraw([self.numbers[message_id] for message_id in held], nan, "queue crash")
        for attempt, message in enumerate(held.values(), first):
            at_work = not isnan(attempts.start[attempt]) and isnan(attempts.end[attempt])
            self._vain[id(message)] = attempt, at_work

    def _lose(self, gone: list[int], held: dict[int, Message]) -> None:
        """Messages with these ids are gone; consumers held those of them that are in ``held``."""
        now, record = self.env.now, self.record
        for message_id in gone:
            record.lost.append(self.numbers.pop(message_id))
            record.moves.departed.append(now)
            if message_id not in held:
                record.moves.vanished.append(now)
        self.lost += len(gone)

    def _revive(self, back: list[int]) -> None:
        """Messages that were done are in the queue again, by their ids: their acks are lost."""
        now, record = self.env.now, self.record
        if unknown := [message_id for message_id in back if message_id not in self._acked]:
            raise LedgerError(f"the queue came back with {unknown}, which nobody had put")
        again = {message_id: self._acked.pop(message_id) for message_id in back}
        self.numbers.update(again)
        self.acked -= len(back)
        self.returned += len(back)
        moves = record.moves
        moves.departed.extend(record.finished[row] for row in again.values())
        for column in (moves.requeued, moves.revived):
            column.extend([now] * len(back))
        self._withdraw(list(again.values()), now, "ack lost")

    def _withdraw(self, rows: Sequence[int], ended: float, cause: str) -> None:
        """Note that the latest attempts at the messages of these rows came to nothing, and why.

        Work that is not finished ended at ``ended`` (s); NaN: it goes on. Of messages that were
        worked on together, one has the work, as everywhere.
        """
        record = self.record
        started, finished = record.started, record.finished
        delivered, acked = record.column("delivered"), record.column("acked")
        batches = record.labels.get("batch")
        batch = [-1] * len(rows)
        if batches is not None:
            for place, row in enumerate(rows):
                batch[place], batches[row] = batches[row], -1
        counted = set()
        for row, together in zip(rows, batch, strict=True):
            released = self.env.now if isnan(acked[row]) else acked[row]
            begun, done = started[row], not isnan(finished[row])
            until = finished[row] if done else ended
            if together >= 0 and batches is not None:
                if together in counted or together in batches:
                    begun = until = nan
                counted.add(together)
            if isnan(begun):
                until = nan
            record.attempts.add(
                row,
                delivered[row],
                begun,
                until,
                released,
                outcome=DONE if done else INTERRUPTED,
                cause=cause,
            )
            for column in (started, finished, delivered, acked):
                column[row] = nan


def _body(row: int) -> bytes:
    return row.to_bytes(8, "big")
