"""What is wrong with a queue's database, found out when nobody else has it open.

SQLite's integrity check looks at the structure, the seals at the messages, and the counts at what
both can't see. A log that lost its end is noticed by the marks that owners leave.
"""

from __future__ import annotations

import sqlite3
import warnings
from pathlib import Path

from ..errors import CorruptQueueError, RecoveryWarning, recovery
from .owners import DeadOwner
from .schema import COUNTS, HELD, NEWEST, intact
from .wal import WriteAheadLog

__all__ = ["compare_with_marks", "corrupt", "look_through"]


def corrupt(
    database: Path, what: str, file: Path | None = None, offset: int | None = None
) -> CorruptQueueError:
    """The error that says what is wrong with a database, or another file of it, and what to do."""
    path = database if file is None else file
    return CorruptQueueError(
        f"{path} is damaged: {what}. {recovery(database)} saves the intact messages into a new "
        "queue",
        path,
        offset,
    )


def look_through(cursor: sqlite3.Cursor, path: Path) -> None:
    """Check the structure, the counts and every message. Damaged messages are made ready, so that
    each is found when its turn comes."""
    found = cursor.execute("PRAGMA integrity_check(3)").fetchall()
    if found != [(b"ok",)]:
        lines = (line.decode(errors="replace").replace("\n", " ") for (line,) in found)
        raise corrupt(path, "; ".join(lines))
    counts = cursor.execute(COUNTS).fetchall()
    if len(counts) != 1 or not all(type(value) is int for value in counts[0]):
        raise corrupt(path, "its counts are no whole numbers")
    *parts, seal = counts[0]
    head, taken, _, delayed = parts
    expected = cursor.execute(f"SELECT {NEWEST}").fetchone()[0] - taken
    bad: list[int] = []
    waiting = later = lost = 0
    for number, owner, due, mirror, place, *row in cursor.execute(
        "SELECT id, owner, due, mirror, place, body, headers, priority, attempts, seal "
        "FROM message WHERE id > 0"
    ):
        sound = intact((number, *row))
        if owner == -1:
            waiting += 1
            later += mirror is not None
            lost += (number < head and place is None and mirror is None) or place == HELD
            sound = sound and (mirror is None or due == -mirror)
            sound = sound and (place is None or place == -row[2])
        if not sound:
            bad.append(number)
    if sum(parts) != seal or lost or (waiting, later) != (expected, delayed):
        raise corrupt(
            path,
            f"its counts do not fit: {waiting} messages wait where {expected} should, "
            f"{later} are delayed where {delayed} should be, {lost} are out of reach",
        )
    for number in bad:
        cursor.execute(
            "UPDATE message SET (delayed, seal) = (SELECT message.delayed - count(*), "
            "message.seal - count(*) FROM message AS m WHERE m.id = ? AND m.owner = -1 "
            "AND m.mirror IS NOT NULL) WHERE id = 0",
            (number,),
        )
        cursor.execute(
            "UPDATE message SET mirror = NULL, place = iif(owner = -1, 0, place), seal = -1 "
            "WHERE id = ?",
            (number,),
        )


def compare_with_marks(
    cursor: sqlite3.Cursor, path: Path, log: WriteAheadLog | None, dead: list[DeadOwner]
) -> None:
    """Notice when the end of the log is missing: what owners did and SQLite does not know."""
    newest = cursor.execute(f"SELECT {NEWEST}").fetchone()[0]
    synced = max((owner.marks.synced for owner in dead), default=0)
    put = max((owner.marks.put for owner in dead), default=0)
    file = path.with_name(f"{path.name}-wal")
    offset, dropped = (0, 0) if log is None else (log.end, log.dropped)
    if synced > newest:
        raise CorruptQueueError(
            f"{file} is damaged at byte {offset}: SQLite reads it up to there, to message "
            f"{newest}, and message {synced} was on disk. {recovery(path)} saves the intact "
            "messages into a new queue",
            file,
            offset,
        )
    undone = 0
    for owner in dead:
        for number, state in (
            (owner.marks.acked, ""),
            (owner.marks.taken, "AND attempts = 0 AND owner = -1"),
        ):
            row = cursor.execute(
                f"SELECT count(*) FROM message WHERE id = ? AND id > 0 {state}", (number,)
            )
            undone += row.fetchone()[0]
    messages = max(0, put - newest)
    if not (messages or undone or dropped):
        return
    what = [f"{dropped} bytes after byte {offset} were dropped"]
    if messages:
        what.append(f"{messages} messages are missing that were put and not yet synced")
    if undone:
        what.append("messages that were taken or acknowledged, but not yet synced, are back")
    warnings.warn(
        RecoveryWarning(
            f"the end of {file} was torn: {'; '.join(what)}. After a power cut that is what sync "
            f"and sync_acks allow; without one, {file.name} was damaged",
            file,
            offset,
            dropped,
            messages,
        ),
        stacklevel=7,
    )
