"""The shop's database: orders, customers and products in SQLite."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from .documents import COLLECTIONS
from .errors import UnavailableError
from .session import Session

__all__ = ["PATIENCE", "Shop"]

PATIENCE: Final = 5.0
"""Seconds to wait for another process that is writing to the same file."""

_TABLES = """
CREATE TABLE IF NOT EXISTS revisions (collection TEXT PRIMARY KEY, last INTEGER NOT NULL);
INSERT OR IGNORE INTO revisions VALUES ('customers', 0), ('products', 0), ('orders', 0);
CREATE TABLE IF NOT EXISTS customers (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, email TEXT NOT NULL UNIQUE,
    address TEXT NOT NULL, revision INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS products (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, price INTEGER NOT NULL,
    description TEXT NOT NULL, revision INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS orders (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    customer INTEGER NOT NULL REFERENCES customers, product INTEGER NOT NULL REFERENCES products,
    quantity INTEGER NOT NULL, status TEXT NOT NULL, note TEXT NOT NULL,
    revision INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS orders_by_customer ON orders (customer);
CREATE INDEX IF NOT EXISTS orders_by_product ON orders (product);
CREATE TABLE IF NOT EXISTS keys (
    key TEXT PRIMARY KEY, fingerprint BLOB NOT NULL, made TEXT NOT NULL,
    status INTEGER NOT NULL, headers TEXT NOT NULL, body BLOB NOT NULL) WITHOUT ROWID;
""" + "".join(
    f"CREATE TRIGGER IF NOT EXISTS {name}_{event} AFTER {event} ON {name} BEGIN"
    f" UPDATE revisions SET last = last + 1 WHERE collection = '{name}'; END;\n"
    for name in COLLECTIONS
    for event in ("insert", "update", "delete")
)


class Shop:
    """The shop's database; threads may share it, and one at a time is in it.

    Parameters
    ----------
    path : str or Path
        A file, which is made if it isn't there, or ``":memory:"``.
    """

    def __init__(self, path: str | Path = ":memory:") -> None:
        self.path = str(path)
        self._turn = threading.Lock()
        self._connection = sqlite3.connect(
            self.path, timeout=PATIENCE, isolation_level=None, check_same_thread=False
        )
        try:
            self._connection.execute("PRAGMA foreign_keys = ON")
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.executescript(f"BEGIN IMMEDIATE; {_TABLES} COMMIT;")
        except BaseException:
            self._connection.close()
            raise

    def close(self) -> None:
        """Close the database; what was in memory is gone."""
        with self._turn:
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @contextmanager
    def session(self, writes: bool = False) -> Iterator[Session]:
        """One transaction: kept if the block ends, undone if it raises.

        Parameters
        ----------
        writes : bool
            Whether it may change anything.

        Raises
        ------
        UnavailableError
            Another process has been writing for longer than ``PATIENCE``, or it is closed.
        """
        with self._turn:
            try:
                self._connection.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
            except sqlite3.Error as error:
                raise UnavailableError(str(error), {"retry-after": "1"}) from error
            try:
                yield Session(self._connection)
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
