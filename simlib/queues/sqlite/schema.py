"""How a queue lies in an SQLite database: schema, version 1, and the statements that keep it.

``application_id`` is 0x73514d71 and ``user_version`` is 1. The one table, ``message``, has a row
for every message that is kept:

=========  ========================================================================================
id         from 1, without gaps, in the order of the puts
seal       crc32(body, crc32(priority as decimal ASCII, NUL, headers)) + id + attempts; where there
           are no headers, "NUL, headers" is left out
attempts   deliveries so far
owner      number of the handle that holds it; -1: it waits
due        instant at which its delay or its lease ends (infinity: a lease without end); -0.5: it
           is ready. Always eight bytes, so that a row which is taken fits where it was
mirror     -due of a delayed message, so that a change of either shows; else NULL
place      -priority of a message that is ready but not simply next in the order of ids: one with a
           priority, returned, or once delayed. 2**63 - 1 while such a message is held. Else NULL
priority   the larger goes first
headers    JSON text, or NULL
body       the bytes
=========  ========================================================================================

Row 0 has the counts, because it shares its page with the messages whose turn it is, and a page less
to write is a fifth of the cost. ``head``: no message below it is simply next. ``taken``: how many
do not wait any more. ``last``: the highest id ever taken, for the newest row may be gone.
``delayed``: how many are. Their sum is its ``seal``, and its ``due`` is an instant before which no
lease ends; its ``attempts`` turn between 0 and 1 where there is nothing else to write in order to
sync. The newest id less ``taken`` is what waits. Table ``aside`` keeps damaged rows.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any
from zlib import crc32

__all__ = [
    "ACK",
    "APPLICATION",
    "ATTEMPT",
    "COUNTS",
    "COUNT_DELAYED",
    "COUNT_RETURNED",
    "COUNT_TAKEN",
    "DUE",
    "END_DELAYS",
    "END_LEASES",
    "FIND_FIRST_LEASE",
    "HELD",
    "IDS",
    "NACK",
    "NEWEST",
    "NEWEST_AND_WAITING",
    "NEXT",
    "NEXT_SEVERAL",
    "NOT_DUE_BEFORE",
    "PAGE",
    "PLAIN",
    "PUT_ANY",
    "PUT_BODY",
    "PUT_NEXT",
    "PUT_PLAIN",
    "REMOVE",
    "RETURN",
    "RETURN_ALL",
    "SCHEMA",
    "SET_ASIDE",
    "TAKE",
    "TAKE_PLAIN",
    "TOUCH",
    "UNACKED",
    "VERSION",
    "WAITING",
    "Row",
    "intact",
    "seal",
    "start",
    "statements",
]

APPLICATION, VERSION = 0x73514D71, 1
PAGE = 4096
PLAIN = crc32(b"0")  # Where the checksum of a message with nothing but a body begins.
HELD = 2**63 - 1
Row = tuple[Any, ...]

SCHEMA = """
CREATE TABLE message (
  id INTEGER PRIMARY KEY, seal INTEGER NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,
  owner INTEGER NOT NULL DEFAULT -1, due REAL NOT NULL DEFAULT -0.5, mirror REAL, place INTEGER,
  priority INTEGER NOT NULL DEFAULT 0, headers TEXT, body BLOB NOT NULL,
  head INTEGER, taken INTEGER, last INTEGER, delayed INTEGER);
CREATE INDEX message_place ON message (place, id) WHERE place IS NOT NULL;
CREATE INDEX message_due ON message (due) WHERE mirror IS NOT NULL;
CREATE TABLE aside (
  id INTEGER, seal INTEGER, attempts INTEGER, priority INTEGER, headers TEXT, body BLOB);
INSERT INTO message (id, seal, due, body, head, taken, last, delayed)
  VALUES (0, 1, 9e999, x'', 1, 0, 0, 0);
"""

COUNTS = "SELECT head, taken, last, delayed, seal FROM message WHERE id = 0"
NEWEST = "max((SELECT max(id) FROM message), (SELECT last FROM message WHERE id = 0))"
PUT_PLAIN = f"INSERT INTO message (id, seal, body) VALUES (1 + {NEWEST}, ?1 + 1 + {NEWEST}, ?2)"
# The same with an id that follows the last one that this handle gave: it fails unless it is still
# the next. A message that had it is there, or was taken, and then so is the highest id ever taken.
PUT_NEXT = (
    "INSERT INTO message (id, seal, body) "
    "VALUES (?1, iif((SELECT last FROM message WHERE id = 0) < ?1, ?2, NULL), ?3)"
)
PUT_BODY = "INSERT INTO message (id, seal, body) VALUES (?, ?, ?)"
PUT_ANY = (
    "INSERT INTO message (id, seal, due, mirror, place, priority, headers, body) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
NEWEST_AND_WAITING = f"SELECT {NEWEST}, {NEWEST} - taken FROM message WHERE id = 0"

_COLUMNS = "m.id, m.body, m.headers, m.priority, m.attempts + 1, m.seal + 1"
_NEXT = "m.id >= c.head AND m.place IS NULL AND m.mirror IS NULL ORDER BY m.id"
# The next in the order of ids, unless a message out of turn or one that fell due may go first.
NEXT = (
    f"SELECT {_COLUMNS} FROM message AS c, message AS m WHERE c.id = 0 AND c.due > ?1 "
    f"AND NOT EXISTS (SELECT 1 FROM message WHERE place < {HELD}) "
    "AND NOT EXISTS (SELECT 1 FROM message WHERE mirror IS NOT NULL AND due <= ?1) "
    f"AND {_NEXT} LIMIT 1"
)
NEXT_SEVERAL = (
    f"SELECT {_COLUMNS}, m.place IS NULL FROM (SELECT * FROM (SELECT place, id FROM message "
    f"WHERE place < {HELD} ORDER BY place, id LIMIT ?1) UNION ALL SELECT * FROM (SELECT 0, m.id "
    f"FROM message AS c, message AS m WHERE c.id = 0 AND {_NEXT} LIMIT ?1) "
    "ORDER BY 1, 2 LIMIT ?1) AS o JOIN message AS m ON m.id = o.id ORDER BY o.place, o.id"
)
TAKE = (
    "UPDATE message SET owner = ?, due = ?, attempts = attempts + 1, seal = seal + 1, "
    f"place = iif(place IS NULL, NULL, {HELD}) WHERE id = ?"
)
TAKE_PLAIN = (
    "UPDATE message SET owner = ?, due = ?, attempts = attempts + 1, seal = seal + 1 WHERE id = ?"
)
COUNT_TAKEN = (
    "UPDATE message SET head = max(head, ?1), taken = taken + ?2, last = max(last, ?3), "
    "due = min(due, ?4), seal = max(head, ?1) + taken + ?2 + max(last, ?3) + delayed WHERE id = 0"
)
COUNT_RETURNED = "UPDATE message SET taken = taken - ?1, seal = seal - ?1 WHERE id = 0"
COUNT_DELAYED = "UPDATE message SET delayed = delayed + ?1, seal = seal + ?1 WHERE id = 0"

_THIS = "WHERE id = ? AND attempts = ? AND owner >= 0 AND due > ?"
_ALL_HELD = (
    "SELECT m.id FROM message AS c, message AS m WHERE c.id = 0 AND m.id > 0 AND m.id < c.head "
    "AND m.owner >= 0 UNION ALL SELECT m.id FROM message AS c, message AS m "
    f"WHERE c.id = 0 AND m.place = {HELD} AND m.id >= c.head"
)
_READY = "owner = -1, due = -0.5, place = -priority"
ACK = f"DELETE FROM message {_THIS}"
NACK = f"UPDATE message SET {_READY} {_THIS}"
ATTEMPT = "SELECT attempts FROM message WHERE id = ? AND owner >= 0"
RETURN = f"UPDATE message SET {_READY} WHERE id IN ({_ALL_HELD}) AND owner = ?"
RETURN_ALL = f"UPDATE message SET {_READY} WHERE id > 0 AND owner >= 0"
END_LEASES = f"UPDATE message SET {_READY} WHERE id IN ({_ALL_HELD}) AND due <= ?"
END_DELAYS = f"UPDATE message SET {_READY}, mirror = NULL WHERE mirror IS NOT NULL AND due <= ?"
_FIRST_LEASE = f"SELECT ifnull(min(due), 9e999) FROM message WHERE id IN ({_ALL_HELD})"
_FIRST_DELAY = "SELECT ifnull(min(due), 9e999) FROM message WHERE mirror IS NOT NULL"
FIND_FIRST_LEASE = f"UPDATE message SET due = ({_FIRST_LEASE}) WHERE id = 0"
DUE = f"SELECT min(({_FIRST_LEASE}), ({_FIRST_DELAY}))"
NOT_DUE_BEFORE = f"SELECT min(due, ({_FIRST_DELAY})) FROM message WHERE id = 0"
WAITING = f"SELECT {NEWEST} - taken - delayed, delayed FROM message WHERE id = 0"
UNACKED = f"SELECT count(*) FROM ({_ALL_HELD})"
IDS = "SELECT id FROM message WHERE id > 0"
SET_ASIDE = (
    "INSERT INTO aside SELECT id, seal, attempts, priority, headers, body FROM message WHERE id = ?"
)
REMOVE = "DELETE FROM message WHERE id = ?"
# A transaction as small as any. One that leaves a row as it is would write, and sync, nothing.
TOUCH = "UPDATE message SET attempts = 1 - attempts WHERE id = 0"


def statements() -> Iterable[str]:
    """The statements of the schema, one by one."""
    statement = ""
    for line in SCHEMA.strip().splitlines():
        statement += f"{line}\n"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def start(priority: int, headers: bytes | None) -> int:
    """The checksum of what comes before the body."""
    if headers is None:
        return crc32(b"%d" % priority) if priority else PLAIN
    return crc32(b"%d\0%b" % (priority, headers))


def seal(number: int, body: bytes, headers: bytes | None, priority: int, attempts: int) -> int:
    """What guards a row against damage."""
    return crc32(body, start(priority, headers)) + number + attempts


def intact(row: Row) -> bool:
    """Whether (id, body, headers, priority, attempts, seal) is what was stored, whatever types the
    damage made of these."""
    number, body, headers, priority, attempts, found = row
    return (
        type(body) is bytes
        and type(priority) is type(attempts) is type(found) is int
        and (headers is None or type(headers) is bytes)
        and seal(number, body, headers, priority, attempts) == found
    )
