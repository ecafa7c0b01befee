"""Events in a database: publishers add rows to a table, subscribers look for new ones.

The table is a real one, see :class:`simlib.stores.EventTable`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any

from ...stores import EventTable
from ..draws import Draws
from ..environment import Environment, Timer
from ..faults import Faults
from ..network import Link, across
from ..point_to_point.queue import SimQueue
from ..record import Record
from .base import EventPublisher, EventWorker

__all__ = ["TablePublisher", "TableReader"]


class TablePublisher(EventPublisher):
    """Publishes each event with one insert, and waits until it is committed.

    Parameters
    ----------
    env, door, records, threads, network
        As for :class:`EventPublisher`.
    table : EventTable
        Where events go.
    store : float
        Seconds that a commit takes the database.
    """

    def __init__(
        self,
        env: Environment,
        door: SimQueue,
        records: Sequence[Record],
        table: EventTable,
        *,
        threads: int,
        network: float | Link,
        store: float,
    ) -> None:
        super().__init__(env, door, records, threads=threads, network=network)
        self._table = table
        self._store = store

    def publish(self, number: int, timer: Timer) -> Generator[Timer, Any, None]:
        self.calls += 1
        yield timer.at(self.network.arrives(self.env.now) + self._store)
        self.note_stored(number)
        self._table.add(number)
        yield timer.at(self.network.arrives(self.env.now))


class TableReader(EventWorker):
    """A subscriber that looks into the table, works on what is new, and looks again.

    Parameters
    ----------
    env : Environment
    table : EventTable
    subscriber : int
        Whose position it reads from.
    record : Record
        A row for each event.
    work : Draws
        The work that each event brings (s).
    faults : Faults
        When it is down.
    network : float or Link
        The way to the database or back; a number is its latency (s).
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
        env: Environment,
        table: EventTable,
        subscriber: int,
        record: Record,
        work: Draws,
        *,
        faults: Faults,
        network: float | Link,
        read: float,
        polling: float | None,
        first: float,
        more: Callable[[], bool],
    ) -> None:
        super().__init__(env, record, work, faults)
        self.reads = 0
        """How many times it has looked."""
        self._table = table
        self._subscriber = subscriber
        self._network = across(env, network)
        self._read = read
        self._polling = polling
        self._more = more
        self._notified = False
        self._asleep: Timer | None = None
        if polling is None:
            table.listeners.append(self._notify)
        env.process(self._run(first))

    @property
    def behind(self) -> int:
        """How many events it has yet to work on."""
        return len(self._table.after_position(self._subscriber))

    def _run(self, first: float) -> Generator[Timer, Any, None]:
        env = self.env
        timer = Timer(env, 0)
        yield timer.at(first)
        while True:
            yield from self.wait_until_up(timer)
            asked = env.now
            yield timer.at(self._network.arrives(asked) + self._read)
            self.reads += 1
            self._notified = False
            events = self._table.after_position(self._subscriber)
            yield timer.at(self._network.arrives(env.now))
            if self.faults.down_at(asked) <= env.now:
                continue
            for last, number in events:
                done = yield from self.work_on(number, timer)
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
