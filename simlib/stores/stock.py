"""A warehouse: how many of each product are free, and how many are reserved.

::

    stock(product, free, reserved)

Nothing changes ``free + reserved`` once a product is there. ``reserved`` may fall below 0, when
something is released that was not reserved: such a defect is to be seen, and not to be hidden by an
error.
"""

from __future__ import annotations

from typing import ClassVar

from .database import DONE, REFUSED, Database, StoreError

__all__ = ["Stock"]


class Stock(Database):
    """What a warehouse has, in a database of its own."""

    schema: ClassVar[str] = (
        "CREATE TABLE IF NOT EXISTS stock (product TEXT PRIMARY KEY,"
        " free INTEGER NOT NULL CHECK (free >= 0), reserved INTEGER NOT NULL);"
    )

    def open(self, product: str, free: int) -> None:
        """Have so many of a product, >= 0; one that is there already stays as it is."""
        if free < 0:
            raise StoreError(f"free must be >= 0, got {free}")
        self.execute("INSERT OR IGNORE INTO stock VALUES (?, ?, 0)", (product, free))

    def reserve(self, product: str) -> str:
        """Reserve one: "done", or "refused" if none is free."""
        changed = self.execute(
            "UPDATE stock SET free = free - 1, reserved = reserved + 1"
            " WHERE product = ? AND free > 0",
            (product,),
        )
        return DONE if changed.rowcount else REFUSED

    def release(self, product: str) -> str:
        """Undo a reservation."""
        self.execute(
            "UPDATE stock SET free = free + 1, reserved = reserved - 1 WHERE product = ?",
            (product,),
        )
        return DONE

    def free(self, product: str) -> int:
        """How many can be reserved."""
        return int(self.value("SELECT free FROM stock WHERE product = ?", (product,)) or 0)

    def reserved(self, product: str) -> int:
        """How many are reserved."""
        return int(self.value("SELECT reserved FROM stock WHERE product = ?", (product,)) or 0)
