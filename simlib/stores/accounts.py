"""A real balance, so that lost and doubled payments are wrong money.

Everything is in SQLite. An account has a balance and a statement, with an entry for each payment
that was booked; both change in one transaction. What was booked before can be known in two ways:

- An **inbox** is a table of the same database. That a message is booked is noted in the same
  transaction as the booking, so that both happen or neither.
- A **dedup store** is a database of its own. Whoever crashes between the booking and the note has
  booked what the store doesn't know.

Either remembers a message for ``window`` seconds.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Self

__all__ = ["Accounts"]

_BOOKED = "CREATE TABLE booked (message INTEGER PRIMARY KEY, time REAL NOT NULL)"


class Accounts:
    """An account in SQLite, and what remembers the messages that were booked.

    Parameters
    ----------
    clock : callable
        Tells the time (s).
    window : float or None
        How long a message is remembered (s); None: for ever.
    """

    def __init__(self, clock: Callable[[], float], window: float | None) -> None:
        self.clock = clock
        self.window = window
        self._bank = sqlite3.connect(":memory:")
        self._bank.executescript(
            "CREATE TABLE account (balance INTEGER NOT NULL); INSERT INTO account VALUES (0);"
            "CREATE TABLE statement (message INTEGER NOT NULL, amount INTEGER NOT NULL);"
            f"{_BOOKED}; CREATE INDEX booked_by_time ON booked (time);"
        )
        self._store = sqlite3.connect(":memory:", isolation_level=None)
        self._store.execute(_BOOKED)

    def book(self, message: int, amount: int) -> None:
        """Book a payment, whether it was booked before or not."""
        with self._bank:
            self._change(message, amount)

    def book_once(self, message: int, amount: int) -> None:
        """Book a payment unless it is in the inbox, and note it there."""
        with self._bank:
            if self._note(self._bank, message):
                self._change(message, amount)

    def _change(self, message: int, amount: int) -> None:
        self._bank.execute("UPDATE account SET balance = balance + ?", (amount,))
        self._bank.execute("INSERT INTO statement VALUES (?, ?)", (message, amount))

    def store_knows(self, message: int) -> bool:
        """Whether the dedup store remembers a message."""
        self._forget(self._store)
        found = self._store.execute("SELECT 1 FROM booked WHERE message = ?", (message,))
        return found.fetchone() is not None

    def note_in_store(self, message: int) -> None:
        """Let the dedup store remember a message."""
        self._note(self._store, message)

    def _note(self, database: sqlite3.Connection, message: int) -> bool:
        """Remember a message; False if it is remembered already."""
        self._forget(database)
        noted = database.execute(
            "INSERT OR IGNORE INTO booked VALUES (?, ?)", (message, self.clock())
        )
        return noted.rowcount == 1

    def _forget(self, database: sqlite3.Connection) -> None:
        if self.window is not None:
            database.execute("DELETE FROM booked WHERE time < ?", (self.clock() - self.window,))

    @property
    def balance(self) -> int:
        """The money in the account."""
        (balance,) = self._bank.execute("SELECT balance FROM account").fetchone()
        return int(balance)

    @property
    def bookings(self) -> dict[int, int]:
        """How many times each message was booked, if it was."""
        counted = self._bank.execute("SELECT message, count(*) FROM statement GROUP BY message")
        return dict(counted.fetchall())

    def close(self) -> None:
        """Close the databases, which are gone with that."""
        self._bank.close()
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
