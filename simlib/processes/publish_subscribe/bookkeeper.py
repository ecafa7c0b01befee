"""Payments by message: a real balance, so that lost and doubled messages are wrong money.

Everything is in SQLite. An account has a balance and a statement, with an entry for each payment
that was booked; both change in one transaction. What was booked before can be known in two ways:

- An **inbox** is a table of the same database. That a message is booked is noted in the same
  transaction as the booking, so that both happen or neither.
- A **dedup store** is a database of its own. Whoever crashes between the booking and the note has
  booked what the store doesn't know.

Either remembers a message for ``window`` seconds.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from math import nan
from typing import Any, Literal, Self

from ...broker import Delivery
from ..environment import Environment
from .node import BrokerNode
from .subscriber import Held, Subscriber, happens

__all__ = ["Accounts", "Bookkeeper", "Dedup"]

Dedup = Literal["none", "store", "inbox"]
"""How a bookkeeper knows what was booked before: not at all, or by one of the two ways."""

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


class Bookkeeper(Subscriber):
    """A subscriber that books a payment when the work on its message is done.

    The body is a JSON object with ``order`` and ``amount``.

    Parameters
    ----------
    env, node, queue, work
        As for :class:`Subscriber`.
    accounts : Accounts
        Where to book.
    dedup : "none", "store" or "inbox"
        How it knows what was booked before.
    delivery_lost : float
        Probability that the connection breaks when a message is on its way to it.
    booked_and_crashed : float
        Probability that it crashes right after a booking, before anything else is done.
    **options
        As for :class:`Subscriber`.
    """

    def __init__(
        self,
        env: Environment,
        node: BrokerNode,
        queue: str,
        work: Any,
        accounts: Accounts,
        *,
        dedup: Dedup = "none",
        delivery_lost: float = 0.0,
        booked_and_crashed: float = 0.0,
        name: str = "subscriber",
        **options: Any,
    ) -> None:
        super().__init__(env, node, queue, work, name=name, **options)
        self._accounts = accounts
        self._dedup = dedup
        self._deliveries_lost = happens(env, f"{name} deliveries", delivery_lost)
        self._crashes_after = happens(env, f"{name} crashes after booking", booked_and_crashed)

    def effect(self, delivery: Delivery) -> bool:
        payment = json.loads(delivery.body)
        message, amount = payment["order"], payment["amount"]
        accounts = self._accounts
        if self._dedup == "store" and accounts.store_knows(message):
            return True
        if self._dedup == "inbox":
            accounts.book_once(message, amount)
        else:
            accounts.book(message, amount)
        if next(self._crashes_after):
            return False
        if self._dedup == "store":
            accounts.note_in_store(message)
        return True

    def _receive(self, held: Held) -> None:
        session = held[1]
        if session.open and next(self._deliveries_lost):
            self._in_vain(held, nan, self.env.now, "delivery lost")
            self.reconnect()
        else:
            super()._receive(held)
