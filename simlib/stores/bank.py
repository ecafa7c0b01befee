"""A bank by double entry: what one account loses another one gets, in one transaction.

::

    accounts(name, balance)
    entries(id, payer, payee, amount, reference)   every payment, in the order of the commits
    held(account, saga)                 whose payment is not final yet

A payment of a saga may be undone later. Who reads the balance meanwhile reads what may never have
been (a dirty read). ``held`` is the remedy, a semantic lock: another saga that the money doesn't
suffice for is told to wait, and not refused.
"""

from __future__ import annotations

from typing import ClassVar

from .database import DONE, REFUSED, Database, StoreError

__all__ = ["WAIT", "Bank"]

WAIT = "wait"
"""What the bank answers while it isn't final how much there is."""


class Bank(Database):
    """Accounts and payments, in a database of their own."""

    schema: ClassVar[str] = (
        "CREATE TABLE IF NOT EXISTS accounts (name TEXT PRIMARY KEY,"
        " balance INTEGER NOT NULL CHECK (balance >= 0));"
        "CREATE TABLE IF NOT EXISTS entries (id INTEGER PRIMARY KEY, payer TEXT NOT NULL,"
        " payee TEXT NOT NULL, amount INTEGER NOT NULL, reference TEXT NOT NULL);"
        "CREATE TABLE IF NOT EXISTS held (account TEXT NOT NULL, saga TEXT NOT NULL,"
        " PRIMARY KEY (account, saga));"
    )

    def open(self, name: str, balance: int = 0) -> None:
        """Open an account; one that is open keeps its balance."""
        if balance < 0:
            raise StoreError(f"balance must be >= 0, got {balance}")
        self.execute("INSERT OR IGNORE INTO accounts VALUES (?, ?)", (name, balance))

    def pay(
        self, payer: str, payee: str, amount: int, reference: str = "", *, saga: str | None = None
    ) -> str:
        """Pay: "done", or "refused" if the payer hasn't so much; ``reference`` says what for.

        A payment of a ``saga`` holds the payer's account until it is ``settle``\\ d. If the money
        doesn't suffice while another saga holds the account, the answer is "wait".
        """
        if amount < 0:
            raise StoreError(f"amount must be >= 0, got {amount}")
        with self.transaction():
            paid = self.execute(
                "UPDATE accounts SET balance = balance - ?1 WHERE name = ?2 AND balance >= ?1",
                (amount, payer),
            )
            if not paid.rowcount:
                return WAIT if saga is not None and self._held(payer, saga) else REFUSED
            got = self.execute(
                "UPDATE accounts SET balance = balance + ? WHERE name = ?", (amount, payee)
            )
            if not got.rowcount:
                raise StoreError(f"{self.path} has no account {payee!r}")
            self.execute(
                "INSERT INTO entries (payer, payee, amount, reference) VALUES (?, ?, ?, ?)",
                (payer, payee, amount, reference),
            )
            if saga is not None:
                self.execute("INSERT OR IGNORE INTO held VALUES (?, ?)", (payer, saga))
        return DONE

    def settle(self, saga: str) -> None:
        """What a saga has paid, or got back, is final from now on."""
        self.execute("DELETE FROM held WHERE saga = ?", (saga,))

    def _held(self, account: str, saga: str) -> bool:
        others = self.value(
            "SELECT count(*) FROM held WHERE account = ? AND saga <> ?", (account, saga)
        )
        return bool(others)

    def balance(self, name: str) -> int:
        """The money in an account."""
        found = self.value("SELECT balance FROM accounts WHERE name = ?", (name,))
        if found is None:
            raise StoreError(f"{self.path} has no account {name!r}")
        return int(found)

    def paid_for(self) -> dict[str, int]:
        """How many payments there are with each reference."""
        rows = self.execute("SELECT reference, count(*) FROM entries GROUP BY reference")
        return dict(rows.fetchall())

    def payments(self) -> list[tuple[str, str, int]]:
        """Payer, payee and amount of each payment, in order."""
        return self.execute("SELECT payer, payee, amount FROM entries ORDER BY id").fetchall()
