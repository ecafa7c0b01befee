"""What happens to messages in the database: each function is called within a transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from json import loads
from math import inf
from sqlite3 import Cursor
from zlib import crc32

from ..message import Clock, Message
from . import schema as sql
from .schema import Row, intact

__all__ = ["NotHeldError", "ack", "give_back", "put", "release", "set_aside", "take", "take_next"]

_new_message = tuple.__new__


class NotHeldError(Exception):
    """A delivery that is to be acknowledged is not held any more."""

    def __init__(self, message: Message) -> None:
        super().__init__()
        self.message = message


def put(
    cursor: Cursor,
    bodies: Sequence[bytes],
    maxsize: int,
    headers: bytes | None,
    priority: int,
    due: float | None,
) -> range | None:
    """Store messages; their ids, or None if there is no room. ``due``: when a delay ends."""
    last, waiting = cursor.execute(sql.NEWEST_AND_WAITING).fetchone()
    if 0 < maxsize < waiting + len(bodies):
        return None
    begun = sql.start(priority, headers)
    sealed = [(n, crc32(body, begun) + n, body) for n, body in enumerate(bodies, last + 1)]
    ids = range(last + 1, last + 1 + len(bodies))
    if headers is None and not priority and due is None:
        cursor.executemany(sql.PUT_BODY, sealed)
        return ids
    state: Row = (-0.5, None, -priority if priority else None)
    if due is not None:
        state = (due, -due, None)
        cursor.execute(sql.COUNT_DELAYED, (len(bodies),))
    cursor.executemany(
        sql.PUT_ANY, [(n, seal, *state, priority, headers, body) for n, seal, body in sealed]
    )
    return ids


def take_next(cursor: Cursor, owner: int, lease: float | None, clock: Clock) -> Message | None:
    """Take the message that is next in the order of ids, if nothing else may go first."""
    now = clock()  # Not before the transaction has begun, for that may take a while.
    rows = cursor.execute(sql.NEXT, (now,)).fetchall()
    if not rows or not intact(rows[0]):
        return None
    message = _message(rows[0])
    number = message[0]
    until = inf if lease is None else now + lease
    cursor.execute(sql.TAKE_PLAIN, (owner, until, number))
    cursor.execute(sql.COUNT_TAKEN, (number + 1, 1, number, until))
    return message


def take(
    cursor: Cursor, most: int, owner: int, lease: float | None, clock: Clock
) -> tuple[int | None, list[Message]]:
    """Take so many messages in their order: the id of a damaged one that is first and stays where
    it is, or those before one."""
    found = cursor.execute(sql.NEXT_SEVERAL, (most,)).fetchall()
    good = next((n for n, row in enumerate(found) if not intact(row[:6])), len(found))
    if found and not good:
        return found[0][0], []
    found = found[:good]
    messages = [_message(row[:6]) for row in found]
    until = inf if lease is None else clock() + lease
    cursor.executemany(sql.TAKE, [(owner, until, row[0]) for row in found])
    head = max((row[0] + 1 for row in found if row[6]), default=0)
    last = max((row[0] for row in found), default=0)
    cursor.execute(sql.COUNT_TAKEN, (head, len(found), last, until))
    return None, messages


def _message(row: Row) -> Message:
    """The message in a row. Headers that can't be decoded, be the stack too deep for them, stop the
    transaction, and the message stays where it is."""
    number, body, headers, priority, attempts, _ = row
    return _new_message(
        Message, (number, body, {} if headers is None else loads(headers), priority, attempts)
    )


def set_aside(cursor: Cursor, number: int) -> None:
    """Keep a damaged message where it is in nobody's way."""
    cursor.execute(sql.SET_ASIDE, (number,))
    cursor.execute(sql.REMOVE, (number,))
    cursor.execute(sql.COUNT_TAKEN, (0, 1, number, inf))


def ack(cursor: Cursor, messages: Iterable[Message], now: float) -> None:
    """Remove messages, or raise NotHeldError for one of them."""
    for message in messages:
        cursor.execute(sql.ACK, (message.id, message.attempts, now))
        if cursor.rowcount != 1:
            raise NotHeldError(message)


def give_back(cursor: Cursor, statement: str, values: Row = ()) -> int:
    """Run a statement that makes held messages ready; how many they are."""
    cursor.execute(statement, values)
    returned = cursor.rowcount
    cursor.execute(sql.COUNT_RETURNED, (returned,))
    return returned


def release(cursor: Cursor, now: float) -> None:
    """Make ready what has fallen due: delayed messages, and those whose lease ran out."""
    give_back(cursor, sql.END_LEASES, (now,))
    cursor.execute(sql.FIND_FIRST_LEASE)
    cursor.execute(sql.END_DELAYS, (now,))
    cursor.execute(sql.COUNT_DELAYED, (-cursor.rowcount,))
