"""An outbox: what a service is to publish, written in the transaction of what it tells about.

::

    outbox(id, number, event, key, sent)   a row per event; sent: 0, or 1 when it is published

A relay reads the rows that are not sent, publishes each, and marks it. Whoever crashes between the
two publishes it again: *at least once*, never *not at all*.

Some relays remember the last number that they have read, and ask for what is above. That loses rows
that commit late: a number is often drawn at the start of a transaction (a sequence, a time), and
whoever drew the smaller one may commit after the larger one was read. So ``unsent`` asks for the
mark, which can't be passed by; ``after`` is there to show the difference.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from .database import Database

__all__ = ["Outbox", "Row"]


class Row(NamedTuple):
    """An event that is to be published."""

    id: int
    number: int
    event: str
    key: str


class Outbox:
    """The outbox of a service, in the service's own database.

    Parameters
    ----------
    database : Database
        Whose transactions the rows are written in.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self.listeners: list[Callable[[], object]] = []
        """Called after each commit of rows, by the process that wrote them."""
        database.execute(
            "CREATE TABLE IF NOT EXISTS outbox (id INTEGER PRIMARY KEY, number INTEGER NOT NULL,"
            " event TEXT NOT NULL, key TEXT NOT NULL, sent INTEGER NOT NULL DEFAULT 0)"
        )
        database.execute("CREATE INDEX IF NOT EXISTS unsent ON outbox (id) WHERE sent = 0")

    def add(self, event: str, key: str, number: int | None = None) -> None:
        """Write a row, in the transaction that is open, or in one of its own.

        ``number`` is one that was drawn before; by default it is the next one.
        """
        with self.database.transaction():
            self.database.execute(
                "INSERT INTO outbox (number, event, key) VALUES"
                " (coalesce(?, (SELECT coalesce(max(id), 0) + 1 FROM outbox)), ?, ?)",
                (number, event, key),
            )
            self.database.afterwards(self._tell)

    def _tell(self) -> None:
        for tell in self.listeners:
            tell()

    def unsent(self, most: int = -1) -> list[Row]:
        """The rows that are not marked, oldest first; at most so many, -1: all."""
        rows = self.database.execute(
            "SELECT id, number, event, key FROM outbox WHERE sent = 0 ORDER BY id LIMIT ?", (most,)
        )
        return [Row(*row) for row in rows]

    def after(self, last: int) -> list[Row]:
        """The rows with a number above the last one: those that commit late are missed by it."""
        rows = self.database.execute(
            "SELECT id, number, event, key FROM outbox WHERE number > ? ORDER BY number", (last,)
        )
        return [Row(*row) for row in rows]

    def mark(self, row: int) -> None:
        """Note that the row with this id is published."""
        self.database.execute("UPDATE outbox SET sent = 1 WHERE id = ?", (row,))
