"""A queue in a PostgreSQL server, shared by processes on many machines.

All queues of a database lie in two tables, version 1, which the first handle makes. In
``simlib_queue_1`` each queue has a row with its ``name`` and the ``last`` id it gave out; the row's
lock puts the puts in order, so that ids have no gaps. ``simlib_message_1`` has a row per message:
``attempts``, the ``owner`` that holds it (null: it waits), ``due``, the instant at which its delay
or its lease ends (null: neither is pending), ``priority``, ``headers`` as JSON text, and ``body``.

An owner is one open handle. As long as its session lives, it holds an advisory lock; the server
drops that with the session, however it ends. What is held without a lock goes back to the queue.
Owners are numbered in each schema, and locks count in the whole database: so a lock is named by the
schema's sequence of owners, too.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from math import inf
from typing import TYPE_CHECKING, Any, TypeVar

from .base import (
    Clock,
    Empty,
    Full,
    LeaseLostError,
    Message,
    MessageQueue,
    QueueClosedError,
    QueueError,
    check_body,
    check_message,
    check_messages,
    check_most,
    check_options,
    check_timeout,
    encode_headers,
)

if TYPE_CHECKING:
    import psycopg

_T = TypeVar("_T")

LOCKS = 0x73514D71  # Lock 0 of it is for making the tables.
CHANNEL = "simlib_queue_1"
PATIENCE = 60.0  # Seconds to wait for a server that does not answer.
SHORTEST, LONGEST = 0.005, 0.5  # Seconds between two looks, where no notification comes.

# A peer that has fallen silent is given up after 30 s, on either side.
LINK = {
    "connect_timeout": "10",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "4",
    "tcp_user_timeout": "30000",
}
SESSION = """
SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 4;
SET tcp_user_timeout = 30000; SET default_transaction_isolation = 'read committed';
SET client_min_messages = warning;
"""

SCHEMA = """
CREATE TABLE IF NOT EXISTS simlib_queue_1 (name text PRIMARY KEY, last bigint NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS simlib_message_1 (
  queue text NOT NULL REFERENCES simlib_queue_1 (name), id bigint NOT NULL,
  attempts bigint NOT NULL DEFAULT 0, owner integer, due double precision,
  priority bigint NOT NULL, headers text, body bytea NOT NULL, PRIMARY KEY (queue, id));
CREATE INDEX IF NOT EXISTS simlib_message_1_ready ON simlib_message_1 (queue, priority DESC, id)
  WHERE owner IS NULL AND due IS NULL;
CREATE INDEX IF NOT EXISTS simlib_message_1_due ON simlib_message_1 (queue, due)
  WHERE due IS NOT NULL;
CREATE INDEX IF NOT EXISTS simlib_message_1_held ON simlib_message_1 (queue, owner)
  WHERE owner IS NOT NULL;
CREATE SEQUENCE IF NOT EXISTS simlib_owner_1 AS integer CYCLE;
"""

OWNERS = "SELECT to_regclass('simlib_owner_1')::oid::bigint"
# Of this handle's own sessions, the one that the server still takes for alive.
END_OTHER = (
    "SELECT pg_terminate_backend(l.pid) FROM pg_locks AS l JOIN pg_database AS d "
    "ON d.oid = l.database AND d.datname = current_database() WHERE l.locktype = 'advisory' "
    "AND l.objsubid = 2 AND l.granted AND l.classid = %s::bigint::oid AND l.objid = %s "
    "AND l.pid <> pg_backend_pid()"
)
LOCK_QUEUE = "SELECT 1 FROM simlib_queue_1 WHERE name = %s FOR UPDATE"
WAITING = (
    "SELECT count(*) FROM (SELECT 1 FROM simlib_message_1 WHERE queue = %s AND owner IS NULL "
    "LIMIT %s) AS waiting"
)
XID = "pg_current_xact_id_if_assigned()::text"
PUT = (
    "WITH numbered AS (UPDATE simlib_queue_1 SET last = last + %(count)s WHERE name = %(queue)s "
    "RETURNING last - %(count)s AS first), stored AS (INSERT INTO simlib_message_1 "
    "(queue, id, due, priority, headers, body) SELECT %(queue)s, first + place, %(due)s, "
    "%(priority)s, %(headers)s, body FROM numbered, unnest(%(bodies)s::bytea[]) WITH ORDINALITY "
    "AS given (body, place)) "
    f"SELECT {XID}, first, pg_notify('{CHANNEL}', %(queue)s) FROM numbered"
)
TAKE = (
    "WITH next AS MATERIALIZED (SELECT id FROM simlib_message_1 WHERE queue = %(queue)s "
    "AND owner IS NULL AND due IS NULL ORDER BY priority DESC, id LIMIT %(most)s "
    "FOR UPDATE SKIP LOCKED) UPDATE simlib_message_1 AS m SET owner = %(owner)s, "
    "due = %(until)s, attempts = attempts + 1 FROM next WHERE m.queue = %(queue)s "
    "AND m.id = next.id "
    f"RETURNING {XID}, m.id, m.body, m.headers, m.priority, m.attempts"
)
_THIS = (
    "WHERE queue = %s AND id = %s AND attempts = %s AND owner IS NOT NULL "
    "AND (due IS NULL OR due > %s)"
)
ACK = f"DELETE FROM simlib_message_1 {_THIS} RETURNING {XID}"
NACK = f"UPDATE simlib_message_1 SET owner = NULL, due = NULL {_THIS} RETURNING {XID}"
ATTEMPT = "SELECT attempts FROM simlib_message_1 WHERE queue = %s AND id = %s AND owner IS NOT NULL"
# What somebody else is dealing with at the moment is skipped: two that wait for each other's rows
# would be a deadlock.
_LEFT = (
    "UPDATE simlib_message_1 AS m SET owner = NULL, due = NULL FROM (SELECT id FROM "
    "simlib_message_1 AS m WHERE queue = %(queue)s AND {} FOR UPDATE OF m SKIP LOCKED) AS these "
    "WHERE m.queue = %(queue)s AND m.id = these.id"
)
RELEASE = _LEFT.format("due <= %(now)s")
RETURN = "UPDATE simlib_message_1 SET owner = NULL, due = NULL WHERE queue = %s AND owner = %s"
RETURN_DEAD = _LEFT.format(
    "owner IS NOT NULL AND owner <> %(owner)s AND NOT EXISTS (SELECT 1 FROM pg_locks AS l "
    "JOIN pg_database AS d ON d.oid = l.database AND d.datname = current_database() "
    "WHERE l.locktype = 'advisory' AND l.objsubid = 2 AND l.granted "
    "AND l.classid = %(space)s::bigint::oid AND l.objid = m.owner::oid)"
)
READY_AND_DUE = (
    "SELECT EXISTS (SELECT 1 FROM simlib_message_1 WHERE queue = %(queue)s AND owner IS NULL "
    "AND due IS NULL), (SELECT min(due) FROM simlib_message_1 WHERE queue = %(queue)s "
    "AND due IS NOT NULL)"
)
DUE = "SELECT min(due) FROM simlib_message_1 WHERE queue = %s AND due IS NOT NULL"
READY = "SELECT count(*) FROM simlib_message_1 WHERE queue = %s AND owner IS NULL AND due IS NULL"
DELAYED = (
    "SELECT count(*) FROM simlib_message_1 WHERE queue = %s AND due IS NOT NULL AND owner IS NULL"
)
UNACKED = "SELECT count(*) FROM simlib_message_1 WHERE queue = %s AND owner IS NOT NULL"
IDS = "SELECT id FROM simlib_message_1 WHERE queue = %s"


class PostgresQueue(MessageQueue):
    """Messages in a PostgreSQL server (13 or newer), for threads, processes and machines at once.

    A put or an ack returns once the server has committed it; what that means on the server's disk
    says its setting ``synchronous_commit``. When the connection is lost, calls connect again for
    60 s and go on; a commit that was under way then is looked up, so that nothing is put twice. A
    connection that has fallen silent counts as lost after 30 s.

    ``lease=None`` means: until ack or nack, until the handle that took the message is closed, or
    until its session has ended. A waiting ``get`` is woken by the server when somebody puts, and
    looks for what dead owners held every half second.

    A put with ``maxsize`` counts what waits, up to ``maxsize``; ``qsize`` counts all of it.

    Parameters
    ----------
    dsn : str
        Where the server is, as in libpq: "host=127.0.0.1 dbname=test user=me".
    name : str
        Of the queue; made if it does not exist.
    maxsize, lease
        As for :class:`MessageQueue`.
    clock : callable, optional
        As for :class:`MessageQueue`, the same for all who share the queue; by default the server's.

    Raises
    ------
    ImportError
        psycopg is not installed.
    QueueError
        The server can't be reached, or refuses what a queue asks of it.
    """

    def __init__(
        self,
        dsn: str,
        name: str,
        maxsize: int = 0,
        *,
        lease: float | None = None,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(maxsize, lease, self._server_time if clock is None else clock)
        if not (isinstance(name, str) and 0 < len(name.encode()) <= 500 and "\0" not in name):
            raise ValueError(
                f"name must be text of 1 to 500 bytes without NUL, got {repr(name)[:80]}"
            )
        try:
            import psycopg
        except ImportError as error:
            raise ImportError("PostgresQueue needs psycopg 3: pip install simlib[live]") from error
        if not isinstance(dsn, str):
            raise ValueError(f"dsn must be text such as 'host=127.0.0.1 dbname=test', got {dsn!r}")
        try:
            link = {**LINK, **psycopg.conninfo.conninfo_to_dict(dsn)}
        except psycopg.ProgrammingError as error:
            raise ValueError(f"dsn must be what libpq understands: {_words(error)}") from None
        self._link = psycopg.conninfo.make_conninfo("", **link)
        self._psycopg = psycopg
        self.dsn = dsn
        self.name = name
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._closed = False
        self._owner: int | None = None
        self._space = 0
        """In which this schema's owners have their locks."""
        self._listener: threading.Thread | None = None
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None
        try:
            self._connection = self._connect()
        except psycopg.Error as error:
            if error.sqlstate is None:
                raise QueueError(f"no connection to the server: {_words(error)}") from error
            raise self._refused(error) from error

    # Connections

    def _connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        """A session that owns what this handle holds."""
        connection = self._psycopg.connect(self._link, autocommit=True)
        try:
            connection.execute(SESSION)
            # Nothing is made in vain: even where all is there, that would lock out every writer.
            space = _first(connection.execute(OWNERS))
            if space is None:
                with connection.transaction():
                    connection.execute("SELECT pg_advisory_xact_lock(%s, 0)", (LOCKS,))
                    connection.execute(SCHEMA)
                space = _first(connection.execute(OWNERS))
            self._space = space ^ LOCKS
            connection.execute(
                "INSERT INTO simlib_queue_1 (name) VALUES (%s) ON CONFLICT DO NOTHING", (self.name,)
            )
            while self._owner is None:
                number = _first(connection.execute("SELECT nextval('simlib_owner_1')"))
                if self._take_lock(connection, number):
                    self._owner = number
                    return connection
            end = time.monotonic() + PATIENCE
            while not self._take_lock(connection, self._owner):
                # It may take the server long to notice that a connection was lost.
                connection.execute(END_OTHER, (self._space, self._owner))
                if time.monotonic() > end:
                    raise QueueError(
                        f"the server has not ended the lost session for {PATIENCE:g} s"
                    )
                time.sleep(SHORTEST)
        except BaseException:
            connection.close()
            raise
        return connection

    def _take_lock(self, connection: psycopg.Connection[tuple[Any, ...]], owner: int) -> bool:
        space = self._space - (1 << 32 if self._space >= 1 << 31 else 0)
        return bool(
            _first(connection.execute("SELECT pg_try_advisory_lock(%s, %s)", (space, owner)))
        )

    def _cursor(self) -> psycopg.Cursor[tuple[Any, ...]]:
        """A cursor of a session that lives and is idle, as far as is known."""
        if self._closed:
            raise QueueClosedError("the queue is closed")
        end = time.monotonic() + PATIENCE
        pause = SHORTEST
        while self._connection is None or not _is_idle(self._connection):
            try:
                if self._connection is not None:
                    self._connection.close()  # An interrupt may have left it in the middle of work.
                self._connection = self._connect()
            except self._psycopg.OperationalError as error:
                if time.monotonic() > end:
                    raise QueueError(
                        f"no connection to the server for {PATIENCE:g} s: {_words(error)}"
                    ) from error
                time.sleep(pause)
                pause = min(2 * pause, LONGEST)
            except self._psycopg.Error as error:
                raise self._refused(error) from error
        return self._connection.cursor()

    def _read(
        self, statement: str, values: tuple[Any, ...] | dict[str, Any] = ()
    ) -> list[tuple[Any, ...]]:
        """Run a statement that may as well be run twice."""
        while True:
            cursor = self._cursor()
            try:
                return cursor.execute(statement.encode(), values).fetchall()
            except self._psycopg.Error as error:
                if not cursor.connection.closed:
                    raise self._refused(error) from error

    def _write(
        self, work: Callable[[psycopg.Cursor[tuple[Any, ...]]], tuple[str | None, _T]]
    ) -> _T:
        """Do some work in one transaction, once, even if the connection is lost meanwhile. The work
        returns the transaction's id, if it has changed anything, and its result."""
        while True:
            cursor = self._cursor()
            transaction = None
            try:
                cursor.execute("BEGIN")
                transaction, result = work(cursor)
                cursor.execute("COMMIT")
                return result
            except BaseException as error:
                if not isinstance(error, self._psycopg.Error) or not cursor.connection.closed:
                    # Where this fails, the session is not idle, and is given up.
                    with suppress(self._psycopg.Error):
                        cursor.execute("ROLLBACK")
                    if isinstance(error, self._psycopg.errors.DeadlockDetected):
                        continue  # It has done nothing; the others go on now.
                    if isinstance(error, self._psycopg.Error):
                        raise self._refused(error) from error
                    raise
            if transaction is not None and self._was_committed(transaction):
                return result

    def _refused(self, error: psycopg.Error) -> QueueError:
        """The error of ours that says what the server says."""
        return QueueError(
            f"the server refuses what queue {self.name!r} asks of it: {_words(error)}"
        )

    def _was_committed(self, transaction: str) -> bool:
        """What became of a transaction whose commit was not answered."""
        while True:
            try:
                status = self._read("SELECT pg_xact_status(%s::xid8)", (transaction,))[0][0]
            except QueueError as error:
                if isinstance(error.__cause__, self._psycopg.errors.InvalidParameterValue):
                    return False  # It lies "in the future": a crash took it before it was on disk.
                raise
            if status != "in progress":
                return bool(status == "committed")
            time.sleep(SHORTEST)

    def _server_time(self) -> float:
        return float(self._read("SELECT extract(epoch FROM clock_timestamp())")[0][0])

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
        return self.put_many(
            [body], block, timeout, headers=headers, priority=priority, delay=delay
        )[0]

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
        if block and self.maxsize > 0:
            check_timeout(timeout)
        text = None if headers is None else encode_headers(headers)
        count = len(bodies)
        if 0 < self.maxsize < count:
            raise ValueError(f"{count} messages can never fit into maxsize={self.maxsize}")
        end = inf if timeout is None else time.monotonic() + timeout

        def store(cursor: psycopg.Cursor[tuple[Any, ...]]) -> tuple[str | None, int]:
            if self.maxsize > 0:
                cursor.execute(LOCK_QUEUE, (self.name,))
                most = min(self.maxsize, sys.maxsize)
                if _first(cursor.execute(WAITING, (self.name, most))) + count > self.maxsize:
                    raise Full
            values = {
                "queue": self.name,
                "count": count,
                "due": due,
                "priority": priority,
                "headers": text,
                "bodies": bodies,
            }
            row = cursor.execute(PUT, values).fetchone()
            if row is None:
                raise QueueError(f"queue {self.name!r} is not in the server any more")
            return row[0], row[1]

        with self._lock:
            if not bodies:
                self._cursor()
                return []
            pause = SHORTEST
            while True:
                due = self.clock() + delay if delay else None
                try:
                    first = self._write(store)
                except Full:
                    remaining = end - time.monotonic() if block else 0.0
                    if remaining <= 0:
                        raise
                    self._changed.wait(min(remaining, pause))
                    pause = min(2 * pause, LONGEST / 10)
                else:
                    self._changed.notify_all()
                    return list(range(first + 1, first + 1 + count))

    # Consumers

    def get(self, block: bool = True, timeout: float | None = None) -> Message:
        with self._lock:
            return self._wait_for_messages(1, block, timeout)[0]

    def get_many(
        self, most: int, block: bool = False, timeout: float | None = None
    ) -> list[Message]:
        check_most(most)
        with self._lock:
            try:
                return self._wait_for_messages(min(most, sys.maxsize), block, timeout)
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
                if self.maxsize > 0 or self.lease is not None:
                    self._changed.notify_all()
                return messages
            remaining = end - time.monotonic() if block else 0.0
            if remaining <= 0:
                raise Empty
            self._listen()
            self._changed.wait(min(remaining, pause, self._due_in()))
            pause = min(2 * pause, LONGEST)

    def _take(self, most: int) -> list[Message]:
        """Up to so many messages in their order, from now on unacked."""

        def take(cursor: psycopg.Cursor[tuple[Any, ...]]) -> tuple[str | None, list[Message]]:
            values = {"queue": self.name, "most": most, "owner": self._owner, "until": until}
            rows = cursor.execute(TAKE, values).fetchall()
            messages = [
                Message(number, body, {} if text is None else json.loads(text), priority, attempts)
                for _, number, body, text, priority, attempts in rows
            ]
            messages.sort(key=lambda message: (-message.priority, message.id))
            return rows[0][0] if rows else None, messages

        ready, due = self._read(READY_AND_DUE, {"queue": self.name})[0]
        if not self._release(due) and not ready:
            return []
        until = None if self.lease is None else self.clock() + self.lease
        return self._write(take)

    def ack(self, message: Message) -> None:
        check_message(message)
        self._settle(ACK, [message])

    def ack_many(self, messages: Iterable[Message]) -> None:
        self._settle(ACK, check_messages(messages))

    def nack(self, message: Message, requeue: bool = True) -> None:
        check_message(message)
        self._settle(NACK if requeue else ACK, [message])

    def _settle(self, statement: str, messages: list[Message]) -> None:
        def settle(cursor: psycopg.Cursor[tuple[Any, ...]]) -> tuple[str | None, None]:
            transaction = None
            for message in messages:
                values = (self.name, message.id, message.attempts, now)
                row = cursor.execute(statement.encode(), values).fetchone()
                if row is None:
                    raise _NotHeld(message)
                transaction = row[0]
            if statement == NACK:
                cursor.execute("SELECT pg_notify(%s, %s)", (CHANNEL, self.name))
            return transaction, None

        with self._lock:
            self._cursor()
            now = self.clock()
            try:
                self._write(settle)
            except _NotHeld as error:
                self._refuse_to_settle(error.message)
            if statement == NACK:
                self._changed.notify_all()

    def _refuse_to_settle(self, message: Message) -> None:
        self._release(self._due())
        held = self._read(ATTEMPT, (self.name, message.id))
        if held and held[0][0] != message.attempts:
            raise LeaseLostError(
                f"message {message.id} in attempt {message.attempts} has passed on: its lease ran "
                f"out, and another consumer holds it in attempt {held[0][0]}"
            )
        raise LeaseLostError(
            f"message {message.id} in attempt {message.attempts} is not held: it was acked or "
            "nacked before, its lease ran out, or it came from another queue"
        )

    def _bury(self) -> bool:
        """Give back what dead owners held; whether there was any of it."""
        values = {"queue": self.name, "owner": self._owner, "space": self._space}
        return bool(
            self._write(lambda cursor: (None, cursor.execute(RETURN_DEAD, values).rowcount))
        )

    # Notifications

    def _listen(self) -> None:
        """Have a thread that wakes those who wait when the server says so."""
        if self._listener is None:
            self._listener = threading.Thread(target=self._wake_up, daemon=True)
            self._listener.start()

    def _wake_up(self) -> None:
        while not self._closed:
            try:
                with self._psycopg.connect(self._link, autocommit=True) as link:
                    link.execute(f"LISTEN {CHANNEL}")
                    self._wake_all()  # For what was put before this session listened.
                    while not self._closed:
                        for notification in link.notifies(timeout=0.1, stop_after=1):
                            if notification.payload == self.name:
                                self._wake_all()
            except self._psycopg.OperationalError:
                time.sleep(0.1)

    def _wake_all(self) -> None:
        with self._lock:
            self._changed.notify_all()

    # Time

    def _release(self, due: float | None) -> bool:
        """Make ready what has fallen due, where this is the first instant at which anything does:
        delayed messages, and those whose lease ran out. Whether there was any."""
        if due is None:
            return False
        now = self.clock()
        if due > now:
            return False
        values = {"queue": self.name, "now": now}
        self._write(lambda cursor: (None, cursor.execute(RELEASE, values).rowcount))
        return True

    def _due(self) -> float | None:
        due: float | None = self._read(DUE, (self.name,))[0][0]
        return due

    def _due_in(self) -> float:
        due = self._due()
        return inf if due is None else max(0.0, due - self.clock())

    def due_in(self) -> float:
        with self._lock:
            return self._due_in()

    # The rest

    def _count(self, statement: str) -> int:
        with self._lock:
            self._release(self._due())
            return int(self._read(statement, (self.name,))[0][0])

    def qsize(self) -> int:
        return self._count(READY)

    @property
    def delayed(self) -> int:
        return self._count(DELAYED)

    @property
    def unacked(self) -> int:
        return self._count(UNACKED)

    def _origin(self) -> Iterable[str]:
        return (repr(self.name),)  # Not the dsn: it may hold a password.

    def ids(self) -> set[int]:
        """Ids of all messages that the queue keeps: ready, delayed and unacked."""
        with self._lock:
            return {row[0] for row in self._read(IDS, (self.name,))}

    def flush(self) -> None:
        """Nothing to do: whatever has returned was committed."""
        if self._closed:
            raise QueueClosedError("the queue is closed")

    def close(self) -> None:
        with self._lock:
            if self._closed:
                return
            try:
                if self._connection is not None and _is_idle(self._connection):
                    self._connection.execute(RETURN, (self.name, self._owner))
                    self._connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, self.name))
            except self._psycopg.Error:
                pass  # The session ends, and with it the hold on the messages.
            finally:
                self._end()
        if self._listener is not None:
            self._listener.join()

    def _kill(self) -> None:
        """End the session as the death of the process does; for experiments."""
        with self._lock:
            self._end()
        if self._listener is not None:
            self._listener.join()

    def _lose_power(self) -> None:
        self._kill()  # The messages are with the server, which keeps what it has committed.

    def _end(self) -> None:
        self._closed = True
        self._changed.notify_all()
        if self._connection is not None:
            self._connection.close()


class _NotHeld(Exception):  # noqa: N818 - it never leaves this module
    def __init__(self, message: Message) -> None:
        super().__init__()
        self.message = message


def _first(cursor: psycopg.Cursor[tuple[Any, ...]]) -> Any:
    """The first value of the first row; None if there is no row."""
    row = cursor.fetchone()
    return row[0] if row else None


def _is_idle(connection: psycopg.Connection[tuple[Any, ...]]) -> bool:
    """Whether a session is open, and in no transaction."""
    return connection.pgconn.transaction_status == 0


def _words(error: psycopg.Error) -> str:
    """What an error says, on one line."""
    return " ".join((error.diag.message_primary or str(error)).split())
