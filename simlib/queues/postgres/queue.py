"""A queue in a PostgreSQL server, shared by processes on many machines.

What is in the server says :mod:`simlib.queues.postgres.statements`.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from math import inf
from typing import TYPE_CHECKING, Any, NoReturn

from ..blocking import BlockingQueue, Pauses
from ..checks import (
    check_body,
    check_message,
    check_messages,
    check_options,
    check_timeout,
    encode_headers,
)
from ..errors import QueueError, is_closed, not_held
from ..message import Clock, Message
from . import statements as sql
from .session import Session, first

if TYPE_CHECKING:
    import psycopg

__all__ = ["PostgresQueue"]


class PostgresQueue(BlockingQueue):
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

    # Where no notification comes; of room none does.
    _pauses_of_getters, _pauses_of_putters = Pauses(0.005, 0.5), Pauses(0.005, 0.05)

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
        self.dsn = dsn
        self.name = name
        self._listener: threading.Thread | None = None
        self._session = Session(dsn, name)

    def _server_time(self) -> float:
        return self._session.server_time()

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
        values = {
            "queue": self.name,
            "count": len(bodies),
            "priority": priority,
            "headers": text,
            "bodies": bodies,
        }

        def put() -> int | None:
            due = self.clock() + delay if delay else None
            return self._session.write(lambda cursor: self._insert(cursor, {**values, "due": due}))

        with self._lock:
            if not bodies:
                self._session.cursor()
                return []
            before = self._wait_for_room(put, len(bodies), block, timeout)
            self._arrived.notify_all()
            return list(range(before + 1, before + 1 + len(bodies)))

    def _insert(
        self, cursor: psycopg.Cursor[tuple[Any, ...]], values: dict[str, Any]
    ) -> tuple[str | None, int | None]:
        """The transaction's id, and the id before the first message's: None if there is no room."""
        if self.maxsize > 0:
            cursor.execute(sql.LOCK_QUEUE, (self.name,))
            most = min(self.maxsize, sys.maxsize)
            waiting = first(cursor.execute(sql.WAITING, (self.name, most)))
            if waiting + values["count"] > self.maxsize:
                return None, None
        row = cursor.execute(sql.PUT, values).fetchone()
        if row is None:
            raise QueueError(f"queue {self.name!r} is not in the server any more")
        return row[0], row[1]

    # Consumers

    def _take(self, most: int) -> list[Message]:
        most = min(most, sys.maxsize)

        def take(cursor: psycopg.Cursor[tuple[Any, ...]]) -> tuple[str | None, list[Message]]:
            owner = self._session.owner
            values = {"queue": self.name, "most": most, "owner": owner, "until": until}
            rows = cursor.execute(sql.TAKE, values).fetchall()
            messages = [
                Message(number, body, {} if text is None else json.loads(text), priority, attempts)
                for _, number, body, text, priority, attempts in rows
            ]
            messages.sort(key=lambda message: (-message.priority, message.id))
            return rows[0][0] if rows else None, messages

        ready, due = self._session.read(sql.READY_AND_DUE, {"queue": self.name})[0]
        if not self._release(due) and not ready:
            return []
        until = None if self.lease is None else self.clock() + self.lease
        return self._session.write(take)

    def ack(self, message: Message) -> None:
        check_message(message)
        self._settle(sql.ACK, [message])

    def ack_many(self, messages: Iterable[Message]) -> None:
        self._settle(sql.ACK, check_messages(messages))

    def nack(self, message: Message, requeue: bool = True) -> None:
        check_message(message)
        self._settle(sql.NACK if requeue else sql.ACK, [message])

    def _settle(self, statement: str, messages: list[Message]) -> None:
        def settle(cursor: psycopg.Cursor[tuple[Any, ...]]) -> tuple[str | None, None]:
            transaction = None
            for message in messages:
                values = (self.name, message.id, message.attempts, now)
                row = cursor.execute(statement.encode(), values).fetchone()
                if row is None:
                    raise _NotHeld(message)
                transaction = row[0]
            if statement == sql.NACK:
                cursor.execute("SELECT pg_notify(%s, %s)", (sql.CHANNEL, self.name))
            return transaction, None

        with self._lock:
            self._session.cursor()
            now = self.clock()
            try:
                self._session.write(settle)
            except _NotHeld as error:
                self._refuse_to_settle(error.message)
            if statement == sql.NACK:
                self._arrived.notify_all()

    def _refuse_to_settle(self, message: Message) -> NoReturn:
        self._release(self._due())
        held = self._session.read(sql.ATTEMPT, (self.name, message.id))
        raise not_held(message, held[0][0] if held else None)

    def _take_left(self, most: int) -> list[Message]:
        """Take what dead owners held."""
        values = {"queue": self.name, "owner": self._session.owner, "space": self._session.space}

        def bury(cursor: psycopg.Cursor[tuple[Any, ...]]) -> tuple[str | None, int]:
            return None, cursor.execute(sql.RETURN_DEAD, values).rowcount

        return self._take(most) if self._session.write(bury) else []

    # Notifications

    def _sleep(
        self,
        condition: threading.Condition,
        seconds: float,
        due_in: Callable[[], float] = lambda: inf,
    ) -> None:
        if condition is self._arrived:
            self._listen()
        super()._sleep(condition, seconds, due_in)

    def _listen(self) -> None:
        """Have a thread that wakes those who wait when the server says so."""
        if self._listener is None:
            self._listener = threading.Thread(target=self._wake_up, daemon=True)
            self._listener.start()

    def _wake_up(self) -> None:
        while not self._session.closed:
            try:
                with self._session.psycopg.connect(self._session.link, autocommit=True) as link:
                    link.execute(f"LISTEN {sql.CHANNEL}")
                    self._wake_all()  # For what was put before this session listened.
                    while not self._session.closed:
                        for notification in link.notifies(timeout=0.1, stop_after=1):
                            if notification.payload == self.name:
                                self._wake_all()
            except self._session.psycopg.OperationalError:
                time.sleep(0.1)

    def _wake_all(self) -> None:
        with self._lock:
            self._tell_all()

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
        self._session.write(lambda cursor: (None, cursor.execute(sql.RELEASE, values).rowcount))
        return True

    def _due(self) -> float | None:
        due: float | None = self._session.read(sql.DUE, (self.name,))[0][0]
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
            return int(self._session.read(statement, (self.name,))[0][0])

    def qsize(self) -> int:
        return self._count(sql.READY)

    @property
    def delayed(self) -> int:
        return self._count(sql.DELAYED)

    @property
    def unacked(self) -> int:
        return self._count(sql.UNACKED)

    def _origin(self) -> Iterable[str]:
        return (repr(self.name),)  # Not the dsn: it may hold a password.

    def ids(self) -> set[int]:
        """Ids of all messages that the queue keeps: ready, delayed and unacked."""
        with self._lock:
            return {row[0] for row in self._session.read(sql.IDS, (self.name,))}

    def flush(self) -> None:
        """Nothing to do: whatever has returned was committed."""
        if self._session.closed:
            raise is_closed()

    def close(self) -> None:
        self._end(
            (sql.RETURN, (self.name, self._session.owner)),
            ("SELECT pg_notify(%s, %s)", (sql.CHANNEL, self.name)),
        )

    def _kill(self) -> None:
        """End the session as the death of the process does; for experiments."""
        self._end()

    def _lose_power(self) -> None:
        self._kill()  # The messages are with the server, which keeps what it has committed.

    def _end(self, *farewell: tuple[str, tuple[Any, ...]]) -> None:
        with self._lock:
            if self._session.closed:
                return
            try:
                self._session.end(*farewell)
            finally:
                self._tell_all()
        if self._listener is not None:
            self._listener.join()


class _NotHeld(Exception):  # noqa: N818 - it never leaves this module
    def __init__(self, message: Message) -> None:
        super().__init__()
        self.message = message
