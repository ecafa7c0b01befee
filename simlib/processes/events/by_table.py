"""Events in a database: publishers add rows to a table, subscribers look for new ones.

The table is a real one, see :class:`simlib.stores.EventTable`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from math import isnan, nan
from typing import Any

from ...stores import EventTable
from ..environment import Timer
from ..record import Ledger, Record
from .base import Copies, EventPublisher, Setting, Way

__all__ = ["ByTable", "TablePublisher", "TableReader"]


class TablePublisher(EventPublisher):
    """Publishes each event with one insert, and waits until it is committed.

    Parameters
    ----------
    setting : Setting
    copies : Copies
        Where it is noted when each copy is stored.
    table : EventTable
        Where events go.
    store : float
        Seconds that a commit takes the database.
    """

    def __init__(self, setting: Setting, copies: Copies, table: EventTable, store: float) -> None:
        super().__init__(setting, copies)
        self._enqueued = copies.record.enqueued
        self._rows = copies.rows
        self._table = table
        self._store = store

    def publish(self, number: int, timer: Timer) -> Generator[Timer, Any, None]:
        self.calls += 1
        yield timer.at(self.network.arrives(self.env.now) + self._store)
        for row in self._rows(number):
            self._enqueued[row] = self.env.now
        self._table.add(number)
        yield timer.at(self.network.arrives(self.env.now))


class TableReader:
    """A subscriber that looks into the table, works on what is new, and looks again.

    It works on events one at a time.

    Parameters
    ----------
    setting : Setting
    copies : Copies
        Where it is noted what becomes of each copy.
    table : EventTable
    subscriber : int
        Which one it is: from whose position it reads.
    read : float
        Seconds that the database takes to find what is new.
    polling : float or None
        How long it sleeps after it found nothing (s); None: until the database notifies it.
    first : float
        When it looks for the first time (s).
    more : callable
        Whether there may be events to come that are not in the table yet.
    """

    def __init__(
        self,
        setting: Setting,
        copies: Copies,
        table: EventTable,
        subscriber: int,
        *,
        read: float,
        polling: float | None,
        first: float,
        more: Callable[[], bool],
    ) -> None:
        self.env = setting.env
        self.faults = setting.faults[subscriber]
        self.in_hand = 0
        """How many events it works on: 1 or 0."""
        self.reads = 0
        """How many times it has looked."""
        self._work = setting.works[subscriber]
        self._network = setting.network
        self._copies = copies
        self._table = table
        self._subscriber = subscriber
        self._read = read
        self._polling = polling
        self._more = more
        self._notified = False
        self._asleep: Timer | None = None
        if polling is None:
            table.listeners.append(self._notify)
        self.env.process(self._run(first))

    @property
    def behind(self) -> int:
        """How many events it has yet to work on."""
        return len(self._table.after_position(self._subscriber))

    def _run(self, first: float) -> Generator[Timer, Any, None]:
        env = self.env
        timer = Timer(env, 0)
        yield timer.at(first)
        while True:
            up = self.faults.up_at(env.now)
            if up > env.now:
                yield timer.at(up)
            asked = env.now
            yield timer.at(self._network.arrives(asked) + self._read)
            self.reads += 1
            self._notified = False
            events = self._table.after_position(self._subscriber)
            yield timer.at(self._network.arrives(env.now))
            if self.faults.down_at(asked) <= env.now:
                continue
            for last, number in events:
                done = yield from self._work_on(number, timer)
                if not done:
                    break
                self._table.move(self._subscriber, last)
            if events:
                continue
            if self._polling is None:
                yield from self._sleep(timer)
            elif self._more() or self.behind:
                yield timer.at(env.now + self._polling)
            else:
                return

    def _work_on(self, number: int, timer: Timer) -> Generator[Timer, Any, bool]:
        """Do the work of event ``number``; False if an outage cut it short."""
        record, start = self._copies.record, self.env.now
        row = self._copies.rows(number)[self._subscriber]
        end, down = self.faults.end_of_work(start, self._work[number])
        record.started[row] = start
        self.in_hand = 1
        yield timer.at(end)
        self.in_hand = 0
        if down:
            record.started[row] = nan
            record.attempts.add(row, start, start, end, cause="outage")
            record.moves.requeued.append(end)
            return False
        record.finished[row] = end
        return True

    def _sleep(self, timer: Timer) -> Generator[Timer, Any, None]:
        """Wait for a notification, unless one has come since the last look."""
        if not self._notified:
            self._asleep = timer
            yield timer
        yield timer.at(self._network.arrives(self.env.now))

    def _notify(self) -> None:
        self._notified = True
        if self._asleep is not None:
            self._asleep.fire()
            self._asleep = None


class ByTable(Way):
    """A table of events, and subscribers that read it in turn, and not all at the same instant.

    Parameters
    ----------
    setting : Setting
    store, read : float
        Seconds that a commit takes the database, and that it takes to find what is new.
    polling : float or None
        How long a subscriber sleeps that found nothing (s); None: until it is notified.
    more : callable
        Whether there may be events to come that are not in the table yet.
    """

    def __init__(
        self,
        setting: Setting,
        *,
        store: float,
        read: float,
        polling: float | None,
        more: Callable[[], bool],
    ) -> None:
        super().__init__(setting)
        self._copies = copies = Copies(self.subscribers)
        self._table = table = EventTable(self.subscribers)
        self.publisher = TablePublisher(setting, copies, table, store)
        self._readers = [
            TableReader(
                setting,
                copies,
                table,
                number,
                read=read,
                polling=polling,
                first=(polling or 0.0) * number / self.subscribers,
                more=more,
            )
            for number in range(self.subscribers)
        ]

    def record(self) -> Record:
        return self._copies.complete(self.events)

    def ledger(self) -> Ledger:
        behind = sum(reader.behind for reader in self._readers)
        in_hand = sum(reader.in_hand for reader in self._readers)
        enqueued, rows = self._copies.record.enqueued, self._copies.rows
        sending = self.publisher.sending
        not_stored = sum(isnan(enqueued[row]) for number in sending for row in rows(number))
        return self.account(
            self._copies.record,
            ready=behind - in_hand,
            unacked=in_hand + not_stored,
            acked=self._table.count() * self.subscribers - behind,
        )

    def reads(self) -> int:
        return sum(reader.reads for reader in self._readers)

    def stored_max(self) -> int:
        return self._table.count()

    def close(self) -> None:
        self._table.close()
