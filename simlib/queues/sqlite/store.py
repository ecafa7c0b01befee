"""What a handle does with the messages in the database. Each call is a transaction, repeated where
the disk was full and there is space in reserve, and accounted for."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from math import inf
from typing import NoReturn, TypeVar
from zlib import crc32

from ..errors import CorruptQueueError, not_held, too_large
from ..message import Clock, Message, Sync
from . import schema as sql
from . import transactions
from .database import LARGEST, code
from .durability import LARGE
from .handle import Handle
from .schema import PAGE, PLAIN

__all__ = ["Store"]

_T = TypeVar("_T")

_OTHERS_WRITE = (sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
"""What SQLite says when another handle writes, or has put meanwhile."""


class Store:
    """The messages, for one thread at a time.

    Parameters
    ----------
    handle : Handle
        The open database.
    sync, sync_acks, lease, clock
        As for :class:`SQLiteQueue`.
    """

    def __init__(
        self,
        handle: Handle,
        sync: Sync,
        sync_acks: bool,
        lease: float | None,
        clock: Clock,
    ) -> None:
        self._database = handle.database
        self._durability = handle.durability
        self._owner = handle.owner.number
        self._lazy = handle.database.lazy
        self._putter = handle.database.strict if sync == "always" else self._lazy
        self._put = self._putter.execute
        self._next = 0
        """The id that is next if nobody else puts; 0: not known."""
        self._last_put = 0
        """The id of the last message of a put that had to ask."""
        self._settler = handle.database.strict if sync_acks else self._lazy
        self._path = handle.database.path
        self._lease = lease
        self._clock = clock

    def _do(self, work: Callable[..., _T], *values: object, by: sqlite3.Cursor | None = None) -> _T:
        """Call ``work`` with a cursor and values in one transaction, with the space in reserve
        where the disk is full."""
        cursor = self._lazy if by is None else by
        result: _T = self._durability.with_room(self._database.work, cursor, work, *values)
        return result

    def put_plain(self, body: bytes) -> int:
        """Store a message that has nothing but a body, and has room; its id."""
        if self._database.in_doubt or self._durability.full or len(body) > LARGE:
            _check_size((body,), None)
            self._durability.check_room(len(body))
        seal = crc32(body, PLAIN)
        number = self._next
        if number:
            try:
                self._put(sql.PUT_NEXT, (number, seal + number, body))
            except sqlite3.Error as error:
                self._next = number = 0
                if code(error) not in _OTHERS_WRITE:
                    self._database.fail(error)
        if not number:
            number = self._put_after_others(seal, body)
        else:
            self._next = number + 1
        self._durability.was_put(number, 1, 1 + len(body) // PAGE)
        return number

    def _put_after_others(self, seal: int, body: bytes) -> int:
        """Store a message with the id that is next, whoever gave the last one."""
        values = (seal, body)
        try:
            self._put(sql.PUT_PLAIN, values)
        except sqlite3.Error as error:
            self._database.again(error, self._putter, sql.PUT_PLAIN, values)
        number = self._putter.lastrowid
        assert number is not None
        # While handles take turns, it is better not to guess.
        self._next = number + 1 if number == self._last_put + 1 else 0
        self._last_put = number
        return number

    def put(
        self,
        bodies: Sequence[bytes],
        maxsize: int,
        headers: bytes | None,
        priority: int,
        delay: float,
    ) -> range | None:
        """Store messages; their ids, or None if there is no room for all."""
        if not bodies:
            if self._database.in_doubt:
                self._database.check()
            return range(0)
        _check_size(bodies, headers)
        size = sum(map(len, bodies))
        self._durability.check_room(size)
        due = self._clock() + delay if delay else None
        ids = self._database.work(
            self._putter, transactions.put, bodies, maxsize, headers, priority, due
        )
        if ids is not None:
            self._durability.was_put(ids[-1], len(ids), 2 + len(ids) // 8 + size // PAGE)
        return ids

    def take_next(self) -> Message | None:
        """Take the message that is next in the order of ids, if nothing else may go first; the
        short way."""
        message = self._do(transactions.take_next, self._owner, self._lease, self._clock)
        if message is not None:
            self._durability.was_taken(message[0], 1)
        return message

    def take(self, most: int) -> list[Message]:
        """Take up to so many messages in their order."""
        if not self.sizes()[0]:
            return []
        bad, messages = self._do(transactions.take, most, self._owner, self._lease, self._clock)
        if bad is not None:
            self._set_aside(bad)
        if messages:
            self._durability.was_taken(messages[-1].id, 1 + len(messages) // 8)
        return messages

    def _set_aside(self, number: int) -> NoReturn:
        """Have a damaged message in nobody's way, and report it."""
        self._do(transactions.set_aside, number)
        self._durability.was_written(3)
        raise CorruptQueueError(
            f"message {number} in {self._path} is damaged: its checksum does not fit its content. "
            "It was set aside (in the table aside) and is not delivered; go on with the next one",
            self._path,
        )

    def ack(self, message: Message) -> None:
        """Remove a message that is held."""
        if self._database.in_doubt:
            self._database.check()
        values = (message[0], message[4], self._clock())
        try:
            self._settler.execute(sql.ACK, values)
        except sqlite3.Error:
            self._durability.with_room(self._database.do, self._settler, sql.ACK, values)
        if self._settler.rowcount != 1:
            self._refuse_to_settle(message)
        self._durability.was_acked(message[0], 1)

    def ack_many(self, messages: Sequence[Message]) -> None:
        """Remove messages that are held, all or none."""
        try:
            self._do(transactions.ack, messages, self._clock(), by=self._settler)
        except transactions.NotHeldError as error:
            self._refuse_to_settle(error.message)
        if messages:
            self._durability.was_acked(messages[-1].id, 1 + len(messages) // 8)

    def nack(self, message: Message, requeue: bool) -> None:
        """Make a message that is held ready, or remove it."""
        values = (message.id, message.attempts, self._clock())
        if requeue:
            done = self._do(transactions.give_back, sql.NACK, values)
        else:
            self._durability.with_room(self._database.do, self._lazy, sql.ACK, values)
            done = self._lazy.rowcount
        if not done:
            self._refuse_to_settle(message)
        self._durability.was_written(3)

    def _refuse_to_settle(self, message: Message) -> NoReturn:
        self.release()
        row = self._database.do(self._lazy, sql.ATTEMPT, (message.id,))
        raise not_held(message, row[0][0] if row else None)

    def release(self) -> None:
        """Make ready what has fallen due."""
        if self.due_in(exactly=False) == 0:
            self._do(transactions.release, self._clock())
            self._durability.was_written(3)

    def due_in(self, exactly: bool) -> float:
        """Seconds until something falls due; or not before."""
        due = self._database.do(self._lazy, sql.DUE if exactly else sql.NOT_DUE_BEFORE)[0][0]
        return inf if due == inf else max(0.0, float(due) - self._clock())

    def sizes(self) -> tuple[int, int]:
        """How many messages are ready and how many delayed, after what has fallen due."""
        self.release()
        ready, delayed = self._database.do(self._lazy, sql.WAITING)[0]
        return ready, delayed

    def unacked(self) -> int:
        """How many messages are held."""
        self.release()
        unacked: int = self._database.do(self._lazy, sql.UNACKED)[0][0]
        return unacked

    def ids(self) -> set[int]:
        """The ids of all messages."""
        return {number for (number,) in self._database.do(self._lazy, sql.IDS)}


def _check_size(bodies: Sequence[bytes], headers: bytes | None) -> None:
    """Refuse a message for which a row has no room."""
    size = max(map(len, bodies)) + len(headers or b"")
    if size > LARGEST:
        raise too_large(size, LARGEST)
