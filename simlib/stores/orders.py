"""A service's orders, each with a status.

::

    orders(id, key, price, status)   status: pending, approved, rejected or cancelled

``key`` is what the customer calls the order, and a request that is repeated brings the same key. It
has an index and no UNIQUE: whether a repeated request makes a second order is what is studied.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from .database import Database

__all__ = ["Orders", "Status"]

Status = Literal["pending", "approved", "rejected", "cancelled"]


class Orders(Database):
    """The orders, in a database of their own."""

    schema: ClassVar[str] = (
        "CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, key TEXT NOT NULL,"
        " price INTEGER NOT NULL, status TEXT NOT NULL"
        " CHECK (status IN ('pending', 'approved', 'rejected', 'cancelled')));"
        "CREATE INDEX IF NOT EXISTS by_key ON orders (key);"
    )

    def place(self, key: str, price: int, status: Status = "pending", *, once: bool = True) -> bool:
        """Insert an order; False if there is one with this key already, and it is placed ``once``.

        Without ``once`` a repeated request makes a second order.
        """
        with self.transaction():
            if once and self.status(key) is not None:
                return False
            self.execute(
                "INSERT INTO orders (key, price, status) VALUES (?, ?, ?)", (key, price, status)
            )
        return True

    def change(self, key: str, status: Status, *, was: Status | None = "pending") -> bool:
        """Give an order another status; False if it hasn't the one that it ``was`` to have.

        With ``was=None`` whatever stands there is overwritten: an update that may be lost.
        """
        changed = self.execute(
            "UPDATE orders SET status = ?1 WHERE key = ?2 AND status = coalesce(?3, status)",
            (status, key, was),
        )
        return changed.rowcount > 0

    def status(self, key: str) -> Status | None:
        """The status of the first order with this key; None if there is none."""
        found: Status | None = self.value(
            "SELECT status FROM orders WHERE key = ? ORDER BY id", (key,)
        )
        return found

    def count(self, status: Status | None = None) -> int:
        """How many orders there are, of all or of one status."""
        return int(
            self.value("SELECT count(*) FROM orders WHERE status = coalesce(?, status)", (status,))
        )

    def worth(self, status: Status) -> int:
        """What the orders of a status cost together."""
        found = self.value("SELECT sum(price) FROM orders WHERE status = ?", (status,))
        return int(found or 0)

    def repeated(self) -> list[str]:
        """The keys of which there is more than one order."""
        rows = self.execute("SELECT key FROM orders GROUP BY key HAVING count(*) > 1 ORDER BY key")
        return [key for (key,) in rows]

    def keys(self) -> list[str]:
        """The key of each order, in the order in which they were placed."""
        return [key for (key,) in self.execute("SELECT key FROM orders ORDER BY id")]
