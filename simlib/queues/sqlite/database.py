"""SQLite for a queue: two connections to one file, and what becomes of statements that fail."""

from __future__ import annotations

import errno
import os
import random
import sqlite3
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from ..blocking import Pauses
from ..errors import QueueError, is_closed
from . import schema as sql
from .check import corrupt
from .owners import PRIVATE
from .schema import APPLICATION, PAGE, VERSION, Row

__all__ = ["LARGEST", "LARGEST_LOG", "PATIENCE", "RETRIES", "Database", "beside", "code"]

_T = TypeVar("_T")

PATIENCE = 60.0  # Seconds to wait for another process that holds the write lock.
RETRIES = Pauses(0.0001, 0.01)  # Between two tries to get it, at most; how long, luck says.
LARGEST = 999_999_000  # Bytes of a body and its headers, for a row may have a thousand millions.
_NO_FILE = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR_SHMSIZE)
LARGEST_LOG = 32 << 20  # Bytes that the log's file keeps when it starts again.


class Database:
    """Connections to a queue's file: ``strict`` syncs whenever it commits, ``lazy`` only the start
    of a log that starts again, which would else be mixed up with what it replaces.

    Parameters
    ----------
    path : Path
        The file.
    """

    strict: sqlite3.Cursor
    lazy: sqlite3.Cursor

    def __init__(self, path: Path) -> None:
        self.path = path
        self.closed = False
        self.broken: str | None = None
        """Why nothing can be done any more, if so."""
        self.in_doubt = False
        """Whether to ``check`` before use: it is closed or broken, or an interrupt left it in the
        middle of a transaction."""
        self._connections: list[sqlite3.Connection] = []

    def connect(self, new: bool) -> None:
        """Open the file; make it a queue if nothing is in it, and nothing should be (``new``).

        Raises
        ------
        CorruptQueueError
            SQLite finds nothing in a file that is not new: it can't read the start of its log.
        QueueError
            The file is something else, or of a version that this one does not know.
        """
        with suppress(FileExistsError):  # One that exists must not be opened: closing it would
            # drop the locks that another connection of this process has on it.
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, PRIVATE))
        self.strict = self._connection("FULL")
        self.lazy = self._connection("NORMAL")
        self._check_version(new)
        self.do(self.strict, "PRAGMA journal_mode = WAL")

    def _connection(self, level: str) -> sqlite3.Cursor:
        connection = sqlite3.connect(
            self.path, timeout=0, isolation_level=None, check_same_thread=False
        )
        self._connections.append(connection)
        connection.text_factory = bytes
        cursor = connection.cursor()
        for setting in (
            f"synchronous = {level}",
            "wal_autocheckpoint = 0",  # We choose the moment, to know what is synced.
            "cache_spill = OFF",  # The log has whole transactions only.
            "trusted_schema = OFF",
            "cell_size_check = ON",
            f"journal_size_limit = {LARGEST_LOG}",
        ):
            self.do(cursor, f"PRAGMA {setting}")
        return cursor

    def _check_version(self, new: bool) -> None:
        application = self.do(self.strict, "PRAGMA application_id")[0][0]
        if not application and not self.do(self.strict, "SELECT 1 FROM sqlite_schema"):
            if not new:
                raise corrupt(self.path, "its start can't be read", beside(self.path, "-wal"), 0)
            self._create()
            return
        version = self.do(self.strict, "PRAGMA user_version")[0][0]
        if application != APPLICATION:
            raise QueueError(
                f"{self.path} is an SQLite database, but no queue (its application_id is "
                f"{application:#x}, a queue's is {APPLICATION:#x}); choose another path"
            )
        if version != VERSION:
            raise QueueError(
                f"{self.path} is a queue of version {version}, and this program knows version "
                f"{VERSION} only; open it with the program that made it"
            )

    def _create(self) -> None:
        # Only here: in a database that exists, either would write.
        self.do(self.strict, f"PRAGMA page_size = {PAGE}")
        self.do(self.strict, "PRAGMA auto_vacuum = INCREMENTAL")
        self.do(self.strict, "PRAGMA journal_mode = WAL")

        def create(cursor: sqlite3.Cursor) -> None:
            for statement in sql.statements():
                cursor.execute(statement)
            cursor.execute(f"PRAGMA application_id = {APPLICATION}")
            cursor.execute(f"PRAGMA user_version = {VERSION}")

        self.work(self.strict, create)

    def do(self, cursor: sqlite3.Cursor, statement: str, values: Row = ()) -> list[Any]:
        """Run a statement, by itself a transaction unless one has begun."""
        if self.in_doubt:
            self.check()
        try:
            return cursor.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            return self.again(error, cursor, statement, values)

    def again(
        self, failure: sqlite3.Error, cursor: sqlite3.Cursor, statement: str, values: Row = ()
    ) -> list[Any]:
        """Run a statement that failed, again and again while others write."""
        end = time.monotonic() + PATIENCE
        longest = RETRIES.shortest
        while code(failure) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            if time.monotonic() > end:
                raise QueueError(
                    f"another process has kept {self.path} locked for {PATIENCE:g} s; "
                    "end it, or let it go on if it was stopped"
                )
            time.sleep(random.uniform(0, longest))
            longest = min(2 * longest, RETRIES.longest)
            try:
                return cursor.execute(statement, values).fetchall()
            except sqlite3.Error as error:
                failure = error
        return self.fail(failure)

    def work(self, cursor: sqlite3.Cursor, work: Callable[..., _T], *values: Any) -> _T:
        """Call ``work`` with a cursor and values, in one transaction."""
        if self.in_doubt:
            self.check()
        self.in_doubt = True
        try:
            try:
                cursor.execute("BEGIN IMMEDIATE")
            except sqlite3.Error as error:
                self.again(error, cursor, "BEGIN IMMEDIATE")
            result = work(cursor, *values)
            cursor.execute("COMMIT")
        except BaseException as error:
            self._roll_back()
            if isinstance(error, sqlite3.Error):
                self.fail(error)
            raise
        self.in_doubt = False
        return result

    def check(self) -> None:
        """Raise if nothing can be done any more; roll back what an interrupt left undone."""
        if self.closed:
            raise is_closed()
        if self.broken:
            raise QueueError(self.broken)
        self._roll_back()

    def _roll_back(self) -> None:
        for connection in self._connections:
            with suppress(sqlite3.Error):
                connection.rollback()
        self.in_doubt = self.broken is not None or any(
            connection.in_transaction for connection in self._connections
        )

    def fail(self, error: sqlite3.Error) -> NoReturn:
        """Say in our own terms what SQLite says; after failed input or output, do nothing more."""
        kind = code(error)
        if kind == sqlite3.SQLITE_FULL or (
            # A file beside the database, of which nothing that counts is lost.
            getattr(error, "sqlite_errorcode", 0)
            in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR_SHMSIZE)
            and _is_full(self.path.parent)
        ):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path)) from error
        if kind in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT):
            raise corrupt(self.path, str(error)) from error
        if kind in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN):
            self.broken = (
                f"reading, writing or syncing {self.path} failed ({error}); what is on disk is not "
                "known. Close the queue, look after the disk, and open the queue again"
            )
            self.in_doubt = True
            raise QueueError(self.broken) from error
        writable = os.access(self.path, os.W_OK) and os.access(self.path.parent, os.W_OK)
        if kind in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM) and not writable:
            raise PermissionError(
                errno.EACCES, f"{os.strerror(errno.EACCES)} ({error})", str(self.path)
            ) from error
        raise corrupt(self.path, str(error)) from error

    def confine(self, size: int) -> None:
        """Let the file have no more than so many bytes; what is more fails as on a full disk."""
        for connection in self._connections:
            connection.execute(f"PRAGMA max_page_count = {size // PAGE}")

    def disconnect(self, checkpoint: bool = False) -> None:
        """Close the connections. SQLite would copy the log into the database and remove it; a
        database whose name is gone for the moment it leaves alone."""
        aside = beside(self.path, "-moved")
        moved = not checkpoint and sys.platform != "win32" and self.path.exists()
        if moved:
            self.path.rename(aside)
        try:
            for connection in reversed(self._connections):
                with suppress(sqlite3.Error):
                    connection.close()
        finally:
            if moved:
                aside.rename(self.path)


def beside(path: Path, ending: str) -> Path:
    """A file next to the database."""
    return path.with_name(path.name + ending)


def _is_full(folder: Path) -> bool:
    """Whether a disk has no room for one more file as SQLite needs it (32 KB)."""
    if sys.platform == "win32":
        return False
    volume = os.statvfs(folder)
    no_files = volume.f_files > 0 and not volume.f_favail  # Some have no limit, and say 0 of 0.
    return no_files or volume.f_bavail * volume.f_frsize < 1 << 15


def code(error: sqlite3.Error) -> int:
    """Which of SQLite's primary errors it is."""
    number: int = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    return number & 0xFF
