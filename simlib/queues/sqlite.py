"""A queue in one SQLite file, shared by threads and processes, that survives their crashes.

For a queue at ``q.db`` there is the database ``q.db``; while it is open, SQLite's write-ahead log
``q.db-wal`` and its index ``q.db-shm``, a locked file for each open handle
(:mod:`simlib.queues.owners`), and for moments ``q.db-lock``. After the last close only ``q.db`` is
left. What is in it says :mod:`simlib.queues.sqlite_schema`.
"""

from __future__ import annotations

import errno
import json
import os
import random
import sqlite3
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from math import inf
from os import PathLike
from pathlib import Path
from typing import Any, Literal, NoReturn, TypeVar
from zlib import crc32

from . import sqlite_schema as sql
from .base import (
    Clock,
    CorruptQueueError,
    Empty,
    Full,
    LeaseLostError,
    Message,
    MessageQueue,
    QueueClosedError,
    QueueError,
    check_body,
    check_most,
    check_options,
    check_timeout,
    encode_headers,
)
from .owners import ACKED, PUT, SYNCED, TAKEN, DeadOwner, Owner, anybody_else, opening, others
from .sqlite_check import compare_with_marks, corrupt, look_through
from .sqlite_schema import APPLICATION, PAGE, PLAIN, VERSION, Row, intact
from .wal import Log, read_log

_new_message = tuple.__new__
_T = TypeVar("_T")

CHECKPOINT = 1000  # Pages in the log after which it is copied into the database.
CHECKPOINT_UNSYNCED = 2000  # The same where only the checkpoint syncs, so that it pays off.
RESERVE = 6 * 1024  # Bytes to keep free per page in the log: it may belong at the database's end.
LARGE = CHECKPOINT * PAGE  # Bytes put at once for which the reserve might not do.
PATIENCE = 60.0  # Seconds to wait for another process that holds the write lock.
SHORTEST, LONGEST = 0.001, 0.05  # Seconds between two looks for what other processes did.


class SQLiteQueue(MessageQueue):
    """Messages in an SQLite file, for threads and processes at once.

    ``lease=None`` means: until ack or nack, until the handle that took the message is closed, or
    until its process has died. Two open handles never receive what the other holds.

    A message that another process puts wakes a waiting ``get`` after 50 ms at the latest, and so
    does a message that a dead process held; one of the same process wakes it at once. While
    another process writes, a call waits its turn; after 60 s of that it raises QueueError.

    Whoever opens a queue that nobody else has open reads all of it, about 7 µs per message: damage
    in the structure is an error at once, a damaged message one when its turn comes. It is set
    aside then, and all others are delivered.

    When the disk is full, ``put`` raises OSError (ENOSPC) and stores nothing. Each open handle
    keeps 6 MB in reserve (12 MB where puts do not sync), so that messages can still be taken and
    acknowledged. When writing or syncing fails, every later call raises QueueError: only a reopened
    queue knows what is on disk.

    Parameters
    ----------
    path : path
        The database. It is made if it does not exist; its folder must exist. It must be on a local
        disk, for SQLite shares memory between processes.
    maxsize, lease, clock
        As for :class:`MessageQueue`; the clock must be the same for all who share the queue.
    sync : {"always", "batch", "never"}
        When a put is safe from a power cut (from a crash of the process it is at once).
        "always": when ``put`` returns. "batch": ``batch_size`` puts or ``batch_time`` seconds
        later, whichever is first, so that a power cut loses at most the last ``batch_size``
        messages or what was put in the last ``batch_time`` seconds (by default 1000 messages,
        10 ms) and the time that one sync takes. "never": after ``flush``, or when the log is
        copied into the database, about every 2000 puts.
    sync_acks : bool
        Whether an ack, too, returns only once it is on disk. By default it is lazy: it rides on
        the next sync, and a power cut before that leads to a redelivery, which "at least once"
        allows. That a message was taken is always lazy.
    batch_size : int
        Puts after which "batch" syncs.
    batch_time : float or None
        Seconds after which "batch" syncs; None: not by time, the owner calls ``flush``.

    Raises
    ------
    CorruptQueueError
        The file is damaged; ``recover`` saves what is intact.
    QueueError
        The file is something else than a queue, or of a version that this one does not know.

    Warns
    -----
    RecoveryWarning
        The last owner died, and the end of the log was torn or is missing.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        maxsize: int = 0,
        *,
        sync: Literal["always", "batch", "never"] = "always",
        sync_acks: bool = False,
        batch_size: int = 1000,
        batch_time: float | None = 0.01,
        lease: float | None = None,
        clock: Clock = time.time,
    ) -> None:
        super().__init__(maxsize, lease, clock)
        _check_sync(sync, batch_size, batch_time)
        self.path = Path(path).absolute()
        self.sync = sync
        self.sync_acks = sync_acks
        self.batch_size = batch_size
        self.batch_time = batch_time
        self._lock = threading.Lock()
        self._arrived = threading.Condition(self._lock)
        self._room = threading.Condition(self._lock)
        self._unsafe = threading.Condition(self._lock)
        self._getters = 0
        self._putters = 0
        self._closed = False
        self._broken: str | None = None
        self._stopped = False  # Either of the two.
        self._full = False  # The disk was, and may still be.
        self._last_put = 0
        self._puts_to_sync = 0
        self._commits_to_sync = 0
        self._pages = 0  # Written to the log since the last checkpoint, about.
        self._most_pages = CHECKPOINT_UNSYNCED if sync == "never" else CHECKPOINT
        _check_place(self.path)
        with opening(self.path):
            self._open()
        _OPEN.add(self)
        self._syncer: threading.Thread | None = None
        if sync == "batch" and batch_time is not None:
            self._syncer = threading.Thread(target=self._sync_in_time, daemon=True)
            self._syncer.start()

    def _open(self) -> None:
        alive, dead = others(self.path)
        try:
            for owner in dead:
                owner.give_reserve()
            log = None if alive else read_log(_beside(self.path, "-wal"))
            self._connections: list[sqlite3.Connection] = []
            try:
                self._connect()
                self._check_version()
                self._do(self._strict, "PRAGMA journal_mode = WAL")
                if not alive:
                    self._work(self._strict, lambda: self._take_over(log, dead))
                self._owner = Owner(self.path, RESERVE * self._most_pages)
                for owner in dead:
                    self._give_back(owner.number)
            except sqlite3.Error as error:
                self._disconnect()
                self._fail(error)
            except UnicodeDecodeError as error:  # SQLite quotes what it can't understand.
                self._disconnect()
                raise corrupt(self.path, "its schema is unreadable") from error
            except BaseException:
                self._disconnect()
                raise
        except BaseException:
            for owner in dead:
                owner.close()
            raise
        for owner in dead:
            owner.remove()

    def _take_over(self, log: Log | None, dead: list[DeadOwner]) -> None:
        """Become the owner of what nobody else has open."""
        look_through(self._strict, self.path)
        compare_with_marks(self._strict, self.path, log, dead)
        self._return(self._strict, sql.RETURN_ALL)
        self._strict.execute(sql.FIND_FIRST_LEASE)

    def _connect(self) -> None:
        """One connection syncs whenever it commits, the other one leaves that to it."""
        levels = {"_strict": "FULL", "_lazy": "OFF" if self.sync == "never" else "NORMAL"}
        for name, level in levels.items():
            connection = sqlite3.connect(
                self.path, timeout=0, isolation_level=None, check_same_thread=False
            )
            connection.text_factory = bytes
            self._connections.append(connection)
            cursor = connection.cursor()
            setattr(self, name, cursor)
            for setting in (
                f"synchronous = {level}",
                "wal_autocheckpoint = 0",  # We choose the moment, to know what is synced.
                "cache_spill = OFF",  # The log has whole transactions only.
                "trusted_schema = OFF",
                "cell_size_check = ON",
                f"journal_size_limit = {4 * CHECKPOINT_UNSYNCED * PAGE}",
            ):
                self._do(cursor, f"PRAGMA {setting}")
        self._putter = self._strict if self.sync == "always" else self._lazy
        self._settler = self._strict if self.sync_acks else self._lazy

    _strict: sqlite3.Cursor
    _lazy: sqlite3.Cursor

    def _create(self) -> None:
        # Only here: in a database that exists, either would write.
        self._do(self._strict, f"PRAGMA page_size = {PAGE}")
        self._do(self._strict, "PRAGMA auto_vacuum = INCREMENTAL")
        self._do(self._strict, "PRAGMA journal_mode = WAL")

        def create() -> None:
            for statement in sql.statements():
                self._strict.execute(statement)
            self._strict.execute(f"PRAGMA application_id = {APPLICATION}")
            self._strict.execute(f"PRAGMA user_version = {VERSION}")

        self._work(self._strict, create)

    def _check_version(self) -> None:
        application = self._do(self._strict, "PRAGMA application_id")[0][0]
        if not application and not self._do(self._strict, "SELECT 1 FROM sqlite_schema"):
            self._create()
            return
        version = self._do(self._strict, "PRAGMA user_version")[0][0]
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

    # Statements and transactions

    def _do(self, cursor: sqlite3.Cursor, statement: str, values: Row = ()) -> list[Any]:
        """Run a statement, by itself a transaction unless one has begun."""
        if self._stopped:
            self._refuse()
        try:
            return cursor.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            return self._again(error, cursor, statement, values)

    def _again(
        self, failure: sqlite3.Error, cursor: sqlite3.Cursor, statement: str, values: Row
    ) -> list[Any]:
        """Run a statement that failed, again and again while others write."""
        end = time.monotonic() + PATIENCE
        longest = SHORTEST / 10
        while _code(failure) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            if time.monotonic() > end:
                raise QueueError(
                    f"another process has kept {self.path} locked for {PATIENCE:g} s; "
                    "end it, or let it go on if it was stopped"
                )
            time.sleep(random.uniform(0, longest))
            longest = min(2 * longest, LONGEST / 5)
            try:
                return cursor.execute(statement, values).fetchall()
            except sqlite3.Error as error:
                failure = error
        return self._fail(failure)

    def _work(self, cursor: sqlite3.Cursor, work: Callable[[], _T]) -> _T:
        """Do some work in one transaction."""
        if self._stopped:
            self._refuse()
        try:
            cursor.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            self._again(error, cursor, "BEGIN IMMEDIATE", ())
        try:
            result = work()
            cursor.execute("COMMIT")
        except BaseException as error:
            with suppress(sqlite3.Error):
                cursor.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error):
                self._fail(error)
            raise
        return result

    def _with_room(self, work: Callable[[], _T]) -> _T:
        """Do what takes messages out; when the disk is full, with the space in reserve."""
        try:
            return work()
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
        self._owner.give_reserve()
        self._full = True
        self._checkpoint()
        return work()

    def _refuse(self) -> NoReturn:
        if self._broken and not self._closed:
            raise QueueError(self._broken)
        raise QueueClosedError("the queue is closed")

    def _fail(self, error: sqlite3.Error) -> NoReturn:
        """Say in our own terms what SQLite says."""
        code = _code(error)
        if code == sqlite3.SQLITE_FULL:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path)) from error
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT):
            raise corrupt(self.path, str(error)) from error
        if code in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN):
            self._broken = (
                f"reading, writing or syncing {self.path} failed ({error}); what is on disk is not "
                "known. Close the queue, look after the disk, and open the queue again"
            )
            self._stopped = True
            raise QueueError(self._broken) from error
        writable = os.access(self.path, os.W_OK) and os.access(self.path.parent, os.W_OK)
        if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM) and not writable:
            raise PermissionError(
                errno.EACCES, f"{os.strerror(errno.EACCES)} ({error})", str(self.path)
            ) from error
        raise corrupt(self.path, str(error)) from error

    # Producers

    def put(
        self,
        body: bytes,
        block: bool = True,
        timeout: float | None = None,
        *,
        headers: Mapping[str, Any] | None = None,
        priority: int = 0,
        delay: float = 0.0,
    ) -> int:
        if (
            type(body) is not bytes
            or headers is not None
            or priority != 0
            or delay != 0
            or self.maxsize > 0
        ):
            return self.put_many(
                [body], block, timeout, headers=headers, priority=priority, delay=delay
            )[0]
        with self._lock:
            if self._stopped or self._full or len(body) > LARGE:
                self._check_disk(len(body))
            values = (crc32(body, PLAIN), body)
            try:
                self._putter.execute(sql.PUT_PLAIN, values)
            except sqlite3.Error as error:
                self._again(error, self._putter, sql.PUT_PLAIN, values)
            number = self._putter.lastrowid
            assert number is not None
            self._was_put(number, 1, 1 + len(body) // PAGE)
            return number

    def put_many(
        self,
        bodies: Iterable[bytes],
        block: bool = True,
        timeout: float | None = None,
        *,
        headers: Mapping[str, Any] | None = None,
        priority: int = 0,
        delay: float = 0.0,
    ) -> list[int]:
        bodies = [check_body(body) for body in bodies]
        check_options(priority, delay)
        if not abs(priority) < 2**63 - 1:
            raise ValueError(f"priority must be within ±(2**63 - 2), got {priority!r}")
        if block and self.maxsize > 0:
            check_timeout(timeout)
        text = None if headers is None else encode_headers(headers).encode()
        if not bodies:
            with self._lock:
                if self._stopped:
                    self._refuse()
            return []
        if 0 < self.maxsize < len(bodies):
            raise ValueError(f"{len(bodies)} messages can never fit into maxsize={self.maxsize}")
        end = inf if timeout is None else time.monotonic() + timeout
        begun = sql.start(priority, text)
        place = -priority if priority and not delay else None
        size = sum(map(len, bodies))

        def store() -> range | None:
            last, waiting = self._putter.execute(sql.NEWEST_AND_WAITING).fetchone()
            if 0 < self.maxsize < waiting + len(bodies):
                return None
            sealed = [(n, crc32(body, begun) + n, body) for n, body in enumerate(bodies, last + 1)]
            if text is None and not priority and not delay:
                self._putter.executemany(sql.PUT_BODY, sealed)
                return range(last + 1, last + 1 + len(bodies))
            due = self.clock() + delay if delay else -0.5
            mirror = -due if delay else None
            self._putter.executemany(
                sql.PUT_ANY,
                [(n, seal, due, mirror, place, priority, text, body) for n, seal, body in sealed],
            )
            if delay:
                self._putter.execute(sql.COUNT_DELAYED, (len(bodies),))
            return range(last + 1, last + 1 + len(bodies))

        with self._lock:
            pause = SHORTEST
            while True:
                self._check_disk(size)
                ids = self._work(self._putter, store)
                if ids is not None:
                    self._was_put(ids[-1], len(ids), 2 + len(ids) // 8 + size // PAGE)
                    return list(ids)
                remaining = end - time.monotonic() if block else 0.0
                if remaining <= 0:
                    raise Full
                self._putters += 1
                try:
                    self._room.wait(min(remaining, pause))
                finally:
                    self._putters -= 1
                pause = min(2 * pause, LONGEST)

    def _check_disk(self, size: int) -> None:
        """Refuse to put when the room to take it out again is missing."""
        if self._stopped:
            self._refuse()
        if self._full:
            self._full = not (self._owner.take_reserve() and self._checkpoint())
        if self._full or (size > LARGE and self._free() < 3 * size):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))

    def _free(self) -> float:
        if sys.platform == "win32":
            return inf
        volume = os.statvfs(self.path)
        return volume.f_bavail * volume.f_frsize

    def _was_put(self, last: int, messages: int, pages: int) -> None:
        self._last_put = last
        marks = self._owner.marks
        marks[PUT] = last
        marks[PUT + 1] = ~last
        self._puts_to_sync += messages
        if self.sync == "always":
            self._synced()
        else:
            self._commits_to_sync += 1
            if self.sync == "batch":
                if self._puts_to_sync >= self.batch_size:
                    self._flush()
                elif self._puts_to_sync == messages:
                    self._unsafe.notify()
        self._pages += pages
        if self._pages >= self._most_pages:
            self._checkpoint()
        if self._getters:
            self._arrived.notify(messages)

    # Consumers

    def get(self, block: bool = True, timeout: float | None = None) -> Message:
        with self._lock:
            if timeout is None:
                message = self._with_room(self._take_next)
                if message is not None:
                    return message
            return self._wait_for_messages(1, block, timeout)[0]

    def get_many(
        self, most: int, block: bool = False, timeout: float | None = None
    ) -> list[Message]:
        check_most(most)
        with self._lock:
            try:
                return self._wait_for_messages(most, block, timeout)
            except Empty:
                return []

    def _wait_for_messages(self, most: int, block: bool, timeout: float | None) -> list[Message]:
        if block:
            check_timeout(timeout)
        end = inf if timeout is None else time.monotonic() + timeout
        pause = SHORTEST
        while True:
            messages = self._take(most)
            if not messages and (not block or pause == LONGEST) and self._bury():
                messages = self._take(most)
            if messages:
                return messages
            remaining = end - time.monotonic() if block else 0.0
            if remaining <= 0:
                raise Empty
            self._getters += 1
            try:
                self._arrived.wait(min(remaining, pause, self._due_in(exactly=False)))
            finally:
                self._getters -= 1
            pause = min(2 * pause, LONGEST)

    def _take_next(self) -> Message | None:
        """The message that is next in the order of ids, if nothing else may be; the short way."""
        row = self._work(self._lazy, self._take_plain)
        return None if row is None else self._were_taken([row])[0]

    def _take_plain(self) -> Row | None:
        now = self.clock()
        rows = self._lazy.execute(sql.NEXT, (now,)).fetchall()
        if not rows or not intact(rows[0]):
            return None
        row: Row = rows[0]
        number = row[0]
        until = inf if self.lease is None else now + self.lease
        self._lazy.execute(sql.TAKE_PLAIN, (self._owner.number, until, number))
        self._lazy.execute(sql.COUNT_TAKEN, (number + 1, 1, number, until))
        return row

    def _take(self, most: int) -> list[Message]:
        """Up to so many messages in their order, from now on unacked."""
        if not self._sizes()[0]:
            return []
        bad, rows = self._with_room(lambda: self._work(self._lazy, lambda: self._take_any(most)))
        if bad is not None:
            self._set_aside(bad)
        return self._were_taken(rows)

    def _take_any(self, most: int) -> tuple[Row | None, list[Row]]:
        """A damaged row that is first, or the rows before one, from now on unacked."""
        found = self._lazy.execute(sql.NEXT_SEVERAL, (most,)).fetchall()
        good = next((n for n, row in enumerate(found) if not intact(row[:6])), len(found))
        if found and not good:
            return found[0], []
        found = found[:good]
        until = inf if self.lease is None else self.clock() + self.lease
        owner = self._owner.number
        self._lazy.executemany(sql.TAKE, [(owner, until, row[0]) for row in found])
        head = max((row[0] + 1 for row in found if row[6]), default=0)
        last = max((row[0] for row in found), default=0)
        self._lazy.execute(sql.COUNT_TAKEN, (head, len(found), last, until))
        return None, [row[:6] for row in found]

    def _set_aside(self, row: Row) -> NoReturn:
        """Keep a damaged message where it is in nobody's way, and report it."""

        def move() -> None:
            self._lazy.execute(sql.SET_ASIDE, (row[0],))
            self._lazy.execute(sql.REMOVE, (row[0],))
            self._lazy.execute(sql.COUNT_TAKEN, (0, 1, row[0], inf))

        self._with_room(lambda: self._work(self._lazy, move))
        self._was_written(3)
        raise CorruptQueueError(
            f"message {row[0]} in {self.path} is damaged: its checksum does not fit its content. "
            "It was set aside (in the table aside) and is not delivered; go on with the next one",
            self.path,
        )

    def _were_taken(self, rows: list[Row]) -> list[Message]:
        if not rows:
            return []
        marks = self._owner.marks
        marks[TAKEN] = number = rows[-1][0]
        marks[TAKEN + 1] = ~number
        self._was_written(2 + len(rows) // 8)
        if self._putters:
            self._room.notify_all()
        if self.lease is not None and self._getters:
            self._arrived.notify()  # Whoever waits has a new instant to wake up at.
        return [
            _new_message(
                Message,
                (number, body, {} if headers is None else json.loads(headers), priority, attempts),
            )
            for number, body, headers, priority, attempts, _ in rows
        ]

    def ack(self, message: Message) -> None:
        with self._lock:
            if self._stopped:
                self._refuse()
            values = (message[0], message[4], self.clock())
            try:
                self._settler.execute(sql.ACK, values)
            except sqlite3.Error:
                self._with_room(lambda: self._do(self._settler, sql.ACK, values))
            if self._settler.rowcount != 1:
                self._refuse_to_settle(message)
            self._was_acked(message[0], 2)

    def ack_many(self, messages: Iterable[Message]) -> None:
        messages = list(messages)

        def ack() -> None:
            for message in messages:
                self._settler.execute(sql.ACK, (message.id, message.attempts, now))
                if self._settler.rowcount != 1:
                    raise _NotHeld(message)

        with self._lock:
            now = self.clock()
            try:
                self._with_room(lambda: self._work(self._settler, ack))
            except _NotHeld as error:
                self._refuse_to_settle(error.message)
            if messages:
                self._was_acked(messages[-1].id, 2 + len(messages) // 8)

    def nack(self, message: Message, requeue: bool = True) -> None:
        with self._lock:
            values = (message.id, message.attempts, self.clock())
            if requeue:
                done = self._with_room(
                    lambda: self._work(
                        self._lazy, lambda: self._return(self._lazy, sql.NACK, values)
                    )
                )
            else:
                self._with_room(lambda: self._do(self._lazy, sql.ACK, values))
                done = self._lazy.rowcount
            if not done:
                self._refuse_to_settle(message)
            self._was_written(3)
            if requeue and self._getters:
                self._arrived.notify()

    def _was_acked(self, number: int, pages: int) -> None:
        marks = self._owner.marks
        marks[ACKED] = number
        marks[ACKED + 1] = ~number
        if self.sync_acks:
            self._synced()
        else:
            self._commits_to_sync += 1
        self._pages += pages
        if self._pages >= self._most_pages:
            self._checkpoint()

    def _was_written(self, pages: int) -> None:
        self._commits_to_sync += 1
        self._pages += pages
        if self._pages >= self._most_pages:
            self._checkpoint()

    def _refuse_to_settle(self, message: Message) -> NoReturn:
        self._release()
        row = self._do(self._lazy, sql.ATTEMPT, (message.id,))
        if row and row[0][0] != message.attempts:
            raise LeaseLostError(
                f"message {message.id} in attempt {message.attempts} has passed on: its lease ran "
                f"out, and another consumer holds it in attempt {row[0][0]}"
            )
        raise LeaseLostError(
            f"message {message.id} in attempt {message.attempts} is not held: it was acked or "
            "nacked before, its lease ran out, or it came from another queue"
        )

    # Owners

    def _bury(self) -> bool:
        """Give back what dead owners held; whether there was any such owner."""
        if not anybody_else(self.path, self._owner.number):
            return False
        with opening(self.path):
            _, dead = others(self.path, self._owner.number)
            for owner in dead:
                self._give_back(owner.number)
                owner.remove()
        return bool(dead)

    def _give_back(self, number: int) -> None:
        if self._do(self._lazy, sql.UNACKED)[0][0]:
            self._with_room(
                lambda: self._work(
                    self._lazy, lambda: self._return(self._lazy, sql.RETURN, (number,))
                )
            )
            self._was_written(2)

    def _return(self, cursor: sqlite3.Cursor, statement: str, values: Row = ()) -> int:
        """Run a statement that makes held messages ready; how many they are."""
        cursor.execute(statement, values)
        returned = cursor.rowcount
        cursor.execute(sql.COUNT_RETURNED, (returned,))
        return returned

    # Time

    def _sizes(self) -> tuple[int, int]:
        """How many messages are ready and how many delayed, after what has fallen due."""
        self._release()
        ready, delayed = self._do(self._lazy, sql.WAITING)[0]
        return ready, delayed

    def _release(self) -> None:
        """Make ready what has fallen due: delayed messages, and those whose lease ran out."""
        due = self._do(self._lazy, sql.NOT_DUE_BEFORE)[0][0]
        if due == inf:
            return
        now = self.clock()

        def release() -> None:
            self._return(self._lazy, sql.END_LEASES, (now,))
            self._lazy.execute(sql.FIND_FIRST_LEASE)
            self._lazy.execute(sql.END_DELAYS, (now,))
            self._lazy.execute(sql.COUNT_DELAYED, (-self._lazy.rowcount,))

        if due <= now:
            self._with_room(lambda: self._work(self._lazy, release))
            self._was_written(3)

    def _due_in(self, exactly: bool = True) -> float:
        due = self._do(self._lazy, sql.DUE if exactly else sql.NOT_DUE_BEFORE)[0][0]
        return max(0.0, float(due) - self.clock())

    def due_in(self) -> float:
        with self._lock:
            return self._due_in()

    # Safety

    def _synced(self) -> None:
        self._commits_to_sync = self._puts_to_sync = 0
        marks = self._owner.marks
        marks[SYNCED] = self._last_put
        marks[SYNCED + 1] = ~self._last_put

    def _flush(self) -> None:
        """A commit that syncs takes all commits before it along."""
        if self._commits_to_sync:
            self._do(self._strict, sql.TOUCH)
            self._pages += 1
            self._synced()

    def _checkpoint(self) -> bool:
        """Copy the log into the database, both synced, so that the log can start again; False when
        the disk is full."""
        self._pages = 0
        try:
            if not self._do(self._strict, "PRAGMA wal_checkpoint(PASSIVE)")[0][0]:
                self._synced()
            if self.sync == "never":
                self._do(self._strict, sql.TOUCH)  # The new start of the log is synced, too.
            self._shrink(500)
        except OSError:
            self._full = True
            return False
        return True

    def _shrink(self, most: int) -> None:
        """Give pages back to the disk once they are more than half of the database."""
        free = self._do(self._strict, "PRAGMA freelist_count")[0][0]
        pages = self._do(self._strict, "PRAGMA page_count")[0][0]
        if free > 64 and 2 * free > pages:
            try:  # Only executescript goes on after the first page.
                self._lazy.executescript(f"PRAGMA incremental_vacuum({min(free, most)})")
            except sqlite3.Error as error:
                if _code(error) != sqlite3.SQLITE_BUSY:  # There will be a better moment.
                    self._fail(error)
            self._commits_to_sync += 1

    def _sync_in_time(self) -> None:
        assert self.batch_time is not None
        with self._lock:
            while not self._stopped:
                if not self._puts_to_sync:
                    self._unsafe.wait()
                    continue
                end = time.monotonic() + self.batch_time
                while not self._stopped and (remaining := end - time.monotonic()) > 0:
                    self._unsafe.wait(remaining)
                with suppress(QueueError, OSError):  # The next call says so again.
                    self._flush()

    # The rest

    def qsize(self) -> int:
        with self._lock:
            return self._sizes()[0]

    @property
    def delayed(self) -> int:
        with self._lock:
            return self._sizes()[1]

    @property
    def unacked(self) -> int:
        with self._lock:
            self._release()
            unacked: int = self._do(self._lazy, sql.UNACKED)[0][0]
            return unacked

    def full(self) -> bool:
        with self._lock:
            return 0 < self.maxsize <= sum(self._sizes())

    def ids(self) -> set[int]:
        """Ids of all messages that the queue keeps: ready, delayed and unacked."""
        with self._lock:
            return {number for (number,) in self._do(self._lazy, sql.IDS)}

    def flush(self) -> None:
        """Sync everything this handle did, acks included."""
        with self._lock:
            if self._broken:
                self._refuse()
            if not self._closed:
                self._flush()

    def close(self) -> None:
        """Give back what this handle holds, sync, and leave one tidy file if it was the last."""
        with self._lock:
            if self._closed:
                return
            try:
                if not self._broken:
                    self._give_back(self._owner.number)
                    self._flush()
            finally:
                self._end(keep=self._broken is not None)
        self._join()

    def _end(self, keep: bool, forget: bool = False) -> None:
        """Close everything; ``keep`` leaves the files as they are."""
        with opening(self.path):
            try:
                if not keep:
                    self._shrink(1 << 30)
            finally:
                self._closed = self._stopped = True
                for condition in (self._arrived, self._room, self._unsafe):
                    condition.notify_all()
                _OPEN.discard(self)
                if forget:
                    self._owner.forget()
                elif keep:
                    self._owner.leave(keep=True)
                else:
                    self._owner.give_reserve()
                self._disconnect(checkpoint=not keep)
                if not keep:
                    self._owner.leave()

    def _join(self) -> None:
        if self._syncer is not None and self._syncer is not threading.current_thread():
            self._syncer.join()

    def _disconnect(self, checkpoint: bool = False) -> None:
        """Close the connections. SQLite would copy the log into the database and remove it; a
        database whose name is gone for the moment it leaves alone."""
        aside = _beside(self.path, "-moved")
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

    def _kill(self) -> None:
        """Leave the files as the end of the process by force does; for experiments."""
        with self._lock:
            if not self._closed:
                self._end(keep=True)
        self._join()

    def _lose_power(self) -> None:
        """Leave the files as a power cut does, what was not synced being gone; for experiments
        with a queue that nobody else has open."""
        with self._lock:
            if not self._closed:
                lost = self._commits_to_sync
                self._end(keep=True, forget=True)
                name = _beside(self.path, "-wal")
                log = read_log(name)
                if lost and log is not None:
                    kept = log.commits[: max(0, len(log.commits) - lost)]
                    os.truncate(name, kept[-1] if kept else 0)
        self._join()


class _NotHeld(Exception):  # noqa: N818 - it never leaves this module
    def __init__(self, message: Message) -> None:
        super().__init__()
        self.message = message


_OPEN: weakref.WeakSet[SQLiteQueue] = weakref.WeakSet()
_INHERITED: list[Any] = []


def _leave_to_parent() -> None:
    """In a forked child: a connection must not be used, nor closed, in two processes."""
    for queue in list(_OPEN):
        _INHERITED.append(queue._connections)
        queue._closed = queue._stopped = True
        queue._lock = threading.Lock()
        queue._owner.leave(keep=True)
    _OPEN.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)


def _code(error: sqlite3.Error) -> int:
    code: int = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    return code & 0xFF


def _check_sync(sync: object, batch_size: object, batch_time: object) -> None:
    if sync not in ("always", "batch", "never"):
        raise ValueError(f"sync must be 'always', 'batch' or 'never', got {sync!r}")
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise ValueError(f"batch_size must be a whole number >= 1, got {batch_size!r}")
    if batch_time is not None and not (
        isinstance(batch_time, int | float) and 0 < batch_time < inf
    ):
        raise ValueError(f"batch_time must be > 0 seconds or None, got {batch_time!r}")


def _check_place(path: Path) -> None:
    if path.is_dir():
        raise QueueError(f"{path} is a folder; an SQLite queue is one file")
    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "there is no such folder", str(path.parent))
