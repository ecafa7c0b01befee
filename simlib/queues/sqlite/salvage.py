"""Saving what is intact in a damaged SQLite queue, without SQLite.

A damaged page may hide thousands of sound ones from SQLite. So the pages of the database and of its
log are read one by one (https://sqlite.org/fileformat2.html, section 1), whatever refers to them,
and every row is taken whose seal fits.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import Salvage, is_open
from . import schema as sql
from .database import beside
from .owners import opening, others
from .queue import SQLiteQueue
from .schema import PAGE, intact
from .wal import FRAME_HEADER, read_wal

__all__ = ["has_log", "recover_sqlite"]

_LEAF, _TREE = 0x0D, (0x02, 0x05, 0x0A, 0x0D)
_COLUMNS, _COLUMNS_ASIDE = 14, 6  # Of a message, and of one that was set aside.
_FREE, _ROOT, _NODE = 2, 1, 5  # What the pointer map says of a page.
_MAPPED = PAGE // 5  # Pages in a page of the pointer map.

_Lost = list[tuple[Path, int | None, str]]


class _Page(NamedTuple):
    data: bytes
    file: Path
    offset: int


class _Row(NamedTuple):
    id: int
    body: bytes
    headers: bytes | None
    priority: int
    attempts: int
    due: float
    mirror: float | None
    owner: int


def recover_sqlite(path: str | PathLike[str], into: str | PathLike[str]) -> Salvage:
    """Save all intact messages of a queue that is damaged into a new one; the old one is not
    touched.

    Messages keep their ids, priorities, headers, delays and attempts; those that were unacked are
    ready. Where a page of the log is damaged, the newest sound one before it counts, so a message
    that was acknowledged may come back, as after a power cut. A wrong payload never does.

    Parameters
    ----------
    path : path
        The damaged queue, of which the database itself may be gone. Nobody may have it open.
    into : path
        The new queue; nothing may be there.

    Returns
    -------
    Salvage
        How many messages were saved, and what was not.
    """
    source, target = Path(os.path.realpath(path)), Path(into).absolute()
    if target.exists():
        raise FileExistsError(f"{target} exists; recover into a path where nothing is")
    if not source.is_file() and not has_log(source):
        raise FileNotFoundError(f"{source} is no file; name the damaged queue's database")
    lost: _Lost = []
    with opening(source):
        alive, dead = others(source)
        for owner in dead:
            owner.close()
        if alive:
            raise is_open(source)
        pages = _pages(source, lost)
    rows: dict[int, _Row] = {}
    counts: list[Any] = []
    for number, page in pages.items():
        for row in _rows(number, page, pages, lost):
            if isinstance(row, list):
                counts = row
            elif row.id not in rows or rows[row.id].attempts <= row.attempts:
                rows[row.id] = row
    _compare_with_counts(
        source, rows, counts, max((owner.marks.put for owner in dead), default=0), lost
    )
    with SQLiteQueue(target) as queue:
        database = queue._handle.database
        database.work(database.strict, _store, [rows[n] for n in sorted(rows)])
    return Salvage(target, len(rows), tuple(lost))


def has_log(path: str | PathLike[str]) -> bool:
    """Whether there is a log of this database, be the database gone."""
    log = beside(Path(os.path.realpath(path)), "-wal")
    return log.is_file() and log.stat().st_size > 0


def _pages(path: Path, lost: _Lost) -> dict[int, _Page]:
    """The newest sound state of every page."""
    data = path.read_bytes() if path.exists() else b""
    pages = {
        1 + offset // PAGE: _Page(data[offset : offset + PAGE], path, offset)
        for offset in range(0, len(data) - PAGE + 1, PAGE)
    }
    if len(data) % PAGE:
        lost.append((path, len(data) // PAGE * PAGE, "the end of a page is missing"))
    # https://sqlite.org/fileformat2.html, section 1.3.8
    size = int.from_bytes(data[28:32], "big") if data[24:28] == data[92:96] else len(pages)
    size = _add_log(path, pages, size, lost)
    missing = [number for number in range(1, size + 1) if number not in pages]
    if missing:
        at = (missing[0] - 1) * PAGE
        lost.append((path, at, f"of {size} pages, {len(missing)} are missing"))
    return {number: page for number, page in pages.items() if number <= size}


def _add_log(path: Path, pages: dict[int, _Page], size: int, lost: _Lost) -> int:
    """Put the pages in the log in the place of older ones; how many pages there should be."""
    file = beside(path, "-wal")
    log = read_wal(file)
    if log is None or log.page_size != PAGE:
        if log is not None:
            lost.append((file, 0, "the log is unreadable"))
        return size
    data = file.read_bytes()
    begun: dict[int, _Page] = {}
    damaged: _Lost = []
    for frame in log.frames:
        if frame.sound:
            start = frame.offset + FRAME_HEADER
            begun[frame.page] = _Page(data[start : start + PAGE], file, start)
        else:
            damaged.append((file, frame.offset, "a page of the log is damaged"))
        if frame.pages:  # The end of a transaction; one that never ended doesn't count.
            pages.update(begun)
            lost += damaged
            begun, damaged = {}, []
            if frame.sound:
                size = frame.pages
    lost += damaged  # It may have been the end of a transaction.
    if log.dropped and not lost:
        lost.append((file, log.end, "the end of the log is incomplete"))
    return size


def _rows(
    number: int, page: _Page, pages: dict[int, _Page], lost: _Lost
) -> Iterator[_Row | list[Any]]:
    """The messages in a leaf of their table, and the list of counts if that is there."""
    kind = _kind(number, pages)
    start = 100 if number == 1 else 0
    data = page.data
    if kind == _FREE or number == 1:
        return
    if data[start] != _LEAF:
        if kind in (_ROOT, _NODE) and data[start] not in _TREE:
            lost.append((page.file, page.offset, "a page is damaged"))
        return
    sizes = 0
    for index in range(int.from_bytes(data[3:5], "big")):
        at = 8 + 2 * index
        place = int.from_bytes(data[at : at + 2], "big")
        offset = page.offset + place
        try:
            row_id, values, length = _cell(data, place, pages)
            sizes += length
            if len(values) == _COLUMNS_ASIDE:
                continue
            if len(values) != _COLUMNS:
                raise ValueError(values)
        except (IndexError, ValueError, KeyError):
            lost.append((page.file, offset, "a row is unreadable"))
            continue
        _, seal, attempts, owner, due, mirror, _, priority, headers, body, *counts = values
        if row_id == 0:
            yield [*counts, seal]
        elif not intact((row_id, body, headers, priority, attempts, seal)):
            lost.append((page.file, offset, f"message {row_id} is damaged"))
        else:
            yield _Row(row_id, body, headers, priority, attempts, due, mirror, owner)
    if sizes + _free(data) != PAGE - int.from_bytes(data[5:7], "big"):
        lost.append((page.file, page.offset, "a page does not name all of its rows"))


def _free(data: bytes) -> int:
    """How much of the content of a page is free (bytes), if its list of free blocks is sound."""
    free = data[7]
    block, before = int.from_bytes(data[1:3], "big"), 0
    while before < block <= PAGE - 4:
        free += int.from_bytes(data[block + 2 : block + 4], "big")
        block, before = int.from_bytes(data[block : block + 2], "big"), block
    return free


def _kind(number: int, pages: dict[int, _Page]) -> int | None:
    """What the pointer map says of a page; None if it says nothing."""
    if number < 3:
        return None
    map_page = 2 + (number - 2) // (_MAPPED + 1) * (_MAPPED + 1)
    if number == map_page or map_page not in pages:
        return None
    return pages[map_page].data[5 * (number - map_page - 1)]


def _cell(data: bytes, place: int, pages: dict[int, _Page]) -> tuple[int, list[Any], int]:
    """The row id and the values of a cell, and how long it is (bytes)."""
    begin = place
    size, place = _varint(data, place)
    row_id, place = _varint(data, place)
    if size > 1 << 31:
        raise ValueError(size)
    most, least = PAGE - 35, (PAGE - 12) * 32 // 255 - 23
    local = size
    if size > most:
        local = least + (size - least) % (PAGE - 4)
        local = local if local <= most else least
    payload = data[place : place + local]
    following = data[place + local : place + local + 4] if size > local else b""
    parts = [payload]
    missing = size - len(payload)
    while missing > 0:
        page = pages[int.from_bytes(following, "big")].data
        parts.append(page[4 : 4 + missing])
        following = page[:4]
        missing -= len(parts[-1])
    length = place - begin + local + (4 if size > local else 0)
    return row_id, _record(b"".join(parts)), max(4, length)


def _record(payload: bytes) -> list[Any]:
    """The values of a record; text is left as bytes."""
    end, place = _varint(payload, 0)
    kinds = []
    while place < end:
        kind, place = _varint(payload, place)
        kinds.append(kind)
    values: list[Any] = []
    for kind in kinds:
        if kind in (10, 11):
            raise ValueError(kind)
        size = (kind - 12) // 2 if kind >= 12 else (0, 1, 2, 3, 4, 6, 8, 8, 0, 0)[kind]
        field = payload[place : place + size]
        if len(field) != size:
            raise ValueError(size)
        place += size
        if kind == 0:
            values.append(None)
        elif kind == 7:
            values.append(_real(field))
        elif kind < 7:
            values.append(int.from_bytes(field, "big", signed=True))
        else:
            values.append(kind - 8 if kind < 10 else field)
    return values


def _real(field: bytes) -> float:
    return float(memoryview(field[::-1] if _LITTLE else field).cast("d")[0])


_LITTLE = memoryview(b"\1\0").cast("H")[0] == 1


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = 0
    for count in range(9):
        byte = data[place]
        place += 1
        if count == 8:
            value = value << 8 | byte
            break
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            break
    return (value - (1 << 64) if value >= 1 << 63 else value), place


def _compare_with_counts(
    path: Path, rows: dict[int, _Row], counts: list[Any], put: int, lost: _Lost
) -> None:
    """Find out what is missing without a trace, given the newest message that an owner put."""
    newest = max(rows, default=0)
    sound = len(counts) == 5 and all(type(value) is int for value in counts)
    head, taken, last, delayed, seal = counts if sound else [0] * 5
    if not sound or head + taken + last + delayed != seal:
        lost.append((path, None, "the counts; whether messages are missing is not known"))
    else:
        newest = max(newest, last)
        missing = newest - taken - sum(row.owner == -1 for row in rows.values())
        if missing > 0:
            lost.append((path, None, f"of the messages that waited, {missing} are missing"))
    if put > newest:
        lost.append(
            (path, None, f"messages {newest + 1} to {put}, which were put, unless they were taken")
        )


def _store(cursor: sqlite3.Cursor, rows: list[_Row]) -> None:
    last = rows[-1].id if rows else 0
    delayed = 0
    values = []
    for row in rows:
        waits = row.owner == -1 and row.mirror is not None and row.due == -row.mirror
        delayed += waits
        seal = sql.seal(row.id, row.body, row.headers, row.priority, row.attempts)
        values.append(
            (
                *(row.id, seal, row.attempts, row.due if waits else -0.5),
                row.mirror if waits else None,
                -row.priority if row.priority and not waits else None,
                *(row.priority, row.headers, row.body),
            )
        )
    cursor.executemany(
        "INSERT INTO message (id, seal, attempts, due, mirror, place, priority, headers, body) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        values,
    )
    taken = last - len(rows)
    cursor.execute(
        "UPDATE message SET taken = ?, last = ?, delayed = ?, seal = ? WHERE id = 0",
        (taken, last, delayed, 1 + taken + last + delayed),
    )
