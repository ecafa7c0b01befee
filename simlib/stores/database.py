"""What the databases of all services share: one file in SQLite, transactions, clear errors.

A transaction takes the right to write at its start, so that what it reads is still true when it
writes. Within a transaction another one joins it: an effect, its note in the inbox and its row in
the outbox are then one commit, whoever wrote which.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Self

__all__ = ["DONE", "REFUSED", "Database", "StoreError"]

DONE = "done"
"""What a service answers that has done what it was asked."""

REFUSED = "refused"
"""What a service answers that will not do it; nothing has changed."""

WAIT = 30.0
"""How long a transaction waits for that of another process (s)."""


class StoreError(Exception):
    """A database could not do what it was asked; the text says which, and why."""


class Database:
    """A service's own database.

    Parameters
    ----------
    path : str or Path
        Its file, which is made if it isn't there; ":memory:" is gone when it is closed.

    Raises
    ------
    StoreError
        The file can't be opened, or is no database.
    """

    schema: ClassVar[str] = ""
    """Makes the tables that are not there yet."""

    def __init__(self, path: str | Path = ":memory:") -> None:
        self.path = str(path)
        self._depth = 0
        self._afterwards: list[Callable[[], object]] = []
        try:
            self._connection = sqlite3.connect(self.path, timeout=WAIT, isolation_level=None)
        except sqlite3.Error as error:
            raise StoreError(f"{self.path} can't be opened: {error}") from error
        try:
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.executescript(self.schema)
        except sqlite3.Error as error:
            self._connection.close()
            raise StoreError(f"{self.path} can't be opened: {error}") from error

    def execute(self, statement: str, values: Sequence[object] = ()) -> sqlite3.Cursor:
        """Execute one statement, in the transaction if there is one.

        Raises
        ------
        StoreError
            The database is closed, damaged, busy for too long, or refuses the values.
        """
        try:
            return self._connection.execute(statement, values)
        except (sqlite3.Error, OverflowError) as error:
            raise StoreError(f"{self.path}: {error}") from error

    def value(self, statement: str, values: Sequence[object] = ()) -> Any:
        """The first value of the first row; None if there is no row."""
        row = self.execute(statement, values).fetchone()
        return None if row is None else row[0]

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing: commits at the end of the block, and undoes all of it if it raises."""
        if self._depth:
            yield
            return
        self.execute("BEGIN IMMEDIATE")
        self._depth = 1
        try:
            yield
            self.execute("COMMIT")
        except BaseException:
            self._afterwards.clear()
            if self._connection.in_transaction:
                self.execute("ROLLBACK")
            raise
        finally:
            self._depth = 0
        tell, self._afterwards = self._afterwards, []
        for each in tell:
            each()

    def afterwards(self, tell: Callable[[], object]) -> None:
        """Call this after the commit of the transaction that is open; never if it is undone."""
        self._afterwards.append(tell)

    def close(self) -> None:
        """Close it; a transaction that is open is undone."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
