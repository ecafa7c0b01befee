"""Events in a database: publishers add rows to a table, subscribers read on from where they were.

The table is a real one, in SQLite, with one row per event and one per subscriber::

    events(id, number)            in the order of the commits; nothing deletes them
    positions(subscriber, last)   up to which event a subscriber has worked

A subscriber moves its position in the transaction of its work, so that both happen or neither.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Self

__all__ = ["EventTable"]


class EventTable:
    """A table of events that several subscribers read, each at its own pace.

    Parameters
    ----------
    subscribers : int
        How many there are; each has a position, which starts before the first event.
    """

    def __init__(self, subscribers: int) -> None:
        self.listeners: list[Callable[[], object]] = []
        """Called after each commit of an event."""
        self._database = sqlite3.connect(":memory:", isolation_level=None)
        self._database.executescript(
            "CREATE TABLE events (id INTEGER PRIMARY KEY, number INTEGER NOT NULL);"
            "CREATE TABLE positions (subscriber INTEGER PRIMARY KEY, last INTEGER NOT NULL);"
        )
        self._database.executemany(
            "INSERT INTO positions VALUES (?, 0)", [(number,) for number in range(subscribers)]
        )

    def add(self, number: int) -> None:
        """Store event ``number``."""
        self._database.execute("INSERT INTO events (number) VALUES (?)", (number,))
        for tell in self.listeners:
            tell()

    def after_position(self, subscriber: int) -> list[tuple[int, int]]:
        """Id and number of each event that a subscriber has not worked on, in order."""
        return self._database.execute(
            "SELECT id, number FROM events WHERE id > (SELECT last FROM positions"
            " WHERE subscriber = ?) ORDER BY id",
            (subscriber,),
        ).fetchall()

    def move(self, subscriber: int, last: int) -> None:
        """Note that a subscriber has worked on everything up to event id ``last``."""
        self._database.execute(
            "UPDATE positions SET last = ? WHERE subscriber = ?", (last, subscriber)
        )

    def count(self) -> int:
        """How many events the table has."""
        (count,) = self._database.execute("SELECT count(*) FROM events").fetchone()
        return int(count)

    def close(self) -> None:
        """Close the database, which is gone with that."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
