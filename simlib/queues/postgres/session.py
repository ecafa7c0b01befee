"""A session of a PostgreSQL server that is there again after it was lost, and what is done in it
is done once."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from ..blocking import Pauses
from ..errors import QueueError, is_closed
from .statements import END_OTHER, LINK, LOCKS, NEW_QUEUE, OWNERS, SCHEMA, SESSION

if TYPE_CHECKING:
    import psycopg

__all__ = ["Session", "first"]

_T = TypeVar("_T")

PATIENCE = 60.0
"""Seconds to wait for a server that does not answer."""
RETRIES = Pauses(0.005, 0.5)
"""Between two tries to reach it."""


class Session:
    """What one handle has with the server: a connection, and a lock that says that it lives.

    Parameters
    ----------
    dsn, name
        As for :class:`PostgresQueue`.
    """

    def __init__(self, dsn: str, name: str) -> None:
        try:
            import psycopg
        except ImportError as error:
            raise ImportError(
                "PostgresQueue needs psycopg 3: pip install 'simlib[live]'"
            ) from error
        if not isinstance(dsn, str):
            raise ValueError(f"dsn must be text such as 'host=127.0.0.1 dbname=test', got {dsn!r}")
        try:
            link = {**LINK, **psycopg.conninfo.conninfo_to_dict(dsn)}
        except psycopg.ProgrammingError as error:
            raise ValueError(f"dsn must be what libpq understands: {_words(error)}") from None
        self.link = psycopg.conninfo.make_conninfo("", **link)
        self.psycopg = psycopg
        self.closed = False
        self.owner: int | None = None
        """The number of this handle."""
        self.space = 0
        """In which this schema's owners have their locks."""
        self._name = name
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None
        try:
            self._connection = self._connect()
        except psycopg.Error as error:
            if error.sqlstate is None:
                raise QueueError(f"no connection to the server: {_words(error)}") from error
            raise self.refused(error) from error

    def _connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        """A session that owns what this handle holds."""
        connection = self.psycopg.connect(self.link, autocommit=True)
        try:
            connection.execute(SESSION)
            # Nothing is made in vain: even where all is there, that would lock out every writer.
            space = first(connection.execute(OWNERS))
            if space is None:
                with connection.transaction():
                    connection.execute("SELECT pg_advisory_xact_lock(%s, 0)", (LOCKS,))
                    connection.execute(SCHEMA)
                space = first(connection.execute(OWNERS))
            self.space = space ^ LOCKS
            connection.execute(NEW_QUEUE, (self._name,))
            while self.owner is None:
                number = first(connection.execute("SELECT nextval('simlib_owner_1')"))
                if self._take_lock(connection, number):
                    self.owner = number
                    return connection
            end = time.monotonic() + PATIENCE
            while not self._take_lock(connection, self.owner):
                # It may take the server long to notice that a connection was lost.
                connection.execute(END_OTHER, (self.space, self.owner))
                if time.monotonic() > end:
                    raise QueueError(
                        f"the server has not ended the lost session for {PATIENCE:g} s"
                    )
                time.sleep(RETRIES.shortest)
        except BaseException:
            connection.close()
            raise
        return connection

    def _take_lock(self, connection: psycopg.Connection[tuple[Any, ...]], owner: int) -> bool:
        space = self.space - (1 << 32 if self.space >= 1 << 31 else 0)
        return bool(
            first(connection.execute("SELECT pg_try_advisory_lock(%s, %s)", (space, owner)))
        )

    def cursor(self) -> psycopg.Cursor[tuple[Any, ...]]:
        """A cursor of a session that lives and is idle, as far as is known."""
        if self.closed:
            raise is_closed()
        end = time.monotonic() + PATIENCE
        pause = RETRIES.shortest
        while self._connection is None or not _is_idle(self._connection):
            try:
                if self._connection is not None:
                    self._connection.close()  # An interrupt may have left it in the middle of work.
                self._connection = self._connect()
            except self.psycopg.OperationalError as error:
                if time.monotonic() > end:
                    raise QueueError(
                        f"no connection to the server for {PATIENCE:g} s: {_words(error)}"
                    ) from error
                time.sleep(pause)
                pause = min(2 * pause, RETRIES.longest)
            except self.psycopg.Error as error:
                raise self.refused(error) from error
        return self._connection.cursor()

    def read(
        self, statement: str, values: tuple[Any, ...] | dict[str, Any] = ()
    ) -> list[tuple[Any, ...]]:
        """Run a statement that may as well be run twice."""
        while True:
            cursor = self.cursor()
            try:
                return cursor.execute(statement.encode(), values).fetchall()
            except self.psycopg.Error as error:
                if not cursor.connection.closed:
                    raise self.refused(error) from error

    def write(self, work: Callable[[psycopg.Cursor[tuple[Any, ...]]], tuple[str | None, _T]]) -> _T:
        """Do some work in one transaction, once, even if the connection is lost meanwhile. The work
        returns the transaction's id, if it has changed anything, and its result."""
        while True:
            cursor = self.cursor()
            transaction = None
            try:
                cursor.execute("BEGIN")
                transaction, result = work(cursor)
                cursor.execute("COMMIT")
                return result
            except BaseException as error:
                if not isinstance(error, self.psycopg.Error) or not cursor.connection.closed:
                    # Where this fails, the session is not idle, and is given up.
                    with suppress(self.psycopg.Error):
                        cursor.execute("ROLLBACK")
                    if isinstance(error, self.psycopg.errors.DeadlockDetected):
                        continue  # It has done nothing; the others go on now.
                    if isinstance(error, self.psycopg.Error):
                        raise self.refused(error) from error
                    raise
            if transaction is not None and self._was_committed(transaction):
                return result

    def refused(self, error: psycopg.Error) -> QueueError:
        """The error of ours that says what the server says."""
        return QueueError(
            f"the server refuses what queue {self._name!r} asks of it: {_words(error)}"
        )

    def _was_committed(self, transaction: str) -> bool:
        """What became of a transaction whose commit was not answered."""
        while True:
            try:
                status = self.read("SELECT pg_xact_status(%s::xid8)", (transaction,))[0][0]
            except QueueError as error:
                if isinstance(error.__cause__, self.psycopg.errors.InvalidParameterValue):
                    return False  # It lies "in the future": a crash took it before it was on disk.
                raise
            if status != "in progress":
                return bool(status == "committed")
            time.sleep(RETRIES.shortest)

    def server_time(self) -> float:
        return float(self.read("SELECT extract(epoch FROM clock_timestamp())")[0][0])

    def end(self, *farewell: tuple[str, tuple[Any, ...]]) -> None:
        """Close the connection, after statements with their values if it is there and idle."""
        self.closed = True
        if self._connection is None:
            return
        try:
            if _is_idle(self._connection):
                for statement, values in farewell:
                    self._connection.execute(statement.encode(), values)
        except self.psycopg.Error:
            pass  # The session ends, and with it the hold on the messages.
        finally:
            self._connection.close()


def first(cursor: psycopg.Cursor[tuple[Any, ...]]) -> Any:
    """The first value of the first row; None if there is no row."""
    row = cursor.fetchone()
    return row[0] if row else None


def _is_idle(connection: psycopg.Connection[tuple[Any, ...]]) -> bool:
    """Whether a session is open, and in no transaction."""
    return connection.pgconn.transaction_status == 0


def _words(error: psycopg.Error) -> str:
    """What an error says, on one line."""
    return " ".join((error.diag.message_primary or str(error)).split())
