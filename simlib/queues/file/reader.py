"""Reading the log of a :class:`FileQueue`: what still waits, and whether the files are whole."""

from __future__ import annotations

import os
import warnings
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from ..errors import CorruptQueueError, QueueError, RecoveryWarning, recovery
from .mark import Mark, read_mark
from .records import (
    CLAIM,
    HEADER_SIZE,
    MAGIC,
    PUT,
    SETTLED,
    SMALLEST,
    Header,
    Put,
    Record,
    TornError,
    put_in,
    read_header,
    read_record,
    records_after,
)
from .segments import segment_files, sync_directory

__all__ = ["Log", "Waiting", "read_log", "salvage"]


class Waiting(NamedTuple):
    """A message that the queue still keeps."""

    segment: int
    """Number of the segment that its record is in."""
    offset: int
    size: int
    priority: int
    due: float
    """When it is due (s); 0: at once."""
    attempts: int
    """How often it was delivered."""


@dataclass
class Log:
    """What a log says."""

    ends: dict[Path, int] = field(default_factory=dict)
    """The bytes that are in use, of each segment."""
    sequence: int = 0
    """The sequence number of the last record."""
    next_id: int = 1
    """The id that the next new message has."""
    messages: dict[int, Waiting] = field(default_factory=dict)
    """What waits, by id."""

    def read(self, segment: int, offset: int, record: Record) -> None:
        """Take one more record into account."""
        self.sequence = record.sequence
        messages = self.messages
        if record.kind == PUT:
            put = put_in(record)
            self.next_id = max(self.next_id, put.id + 1)
            messages[put.id] = Waiting(
                segment, offset, record.size, put.priority, put.due, put.attempts
            )
        elif record.kind == CLAIM:
            for number in record.ids:
                if number in messages:
                    waiting = messages[number]
                    messages[number] = waiting._replace(attempts=waiting.attempts + 1)
        elif record.kind == SETTLED:
            for number in record.ids:
                messages.pop(number, None)


class _Damage(NamedTuple):
    """A place where no whole record is."""

    place: int
    """Which of the files."""
    offset: int
    sequence: int
    """The number that the record should have."""


def read_log(directory: Path) -> Log:
    """Read a log; a torn end is cut off, with a RecoveryWarning.

    Raises
    ------
    CorruptQueueError
        A file is damaged elsewhere, or missing.
    QueueError
        The files have a format that is not known.
    """
    log = Log()
    files = segment_files(directory)
    mark = read_mark(directory)
    if mark is None:
        _check_unmarked(directory, files)
        mark = Mark()
    elif files and int(files[0].stem) > mark.oldest:
        raise _corrupt(directory / f"{mark.oldest:08d}.log", 0, "the file is missing")
    if mark.newest > max((int(file.stem) for file in files), default=0):
        raise _corrupt(directory / f"{mark.newest:08d}.log", 0, "the file is missing")
    damage = _read_files(files, log)
    if damage is not None:
        _cut(directory, files, damage, mark)
        log = Log()
        _read_files(segment_files(directory), log)
    elif log.sequence < mark.sequence:
        raise _corrupt(files[-1], log.ends[files[-1]], _CUT)
    log.next_id = max(log.next_id, mark.next_id)
    return log


_CUT = "what was on disk can't be read"


def _check_unmarked(directory: Path, files: list[Path]) -> None:
    """See to a log without a mark: is it one, and is it one of before there were marks?"""
    if not files:
        return
    data = files[0].read_bytes()
    try:
        _known_header(files[0], data)
    except TornError:
        if any(data) and not data.startswith(MAGIC):
            raise QueueError(
                f"{files[0]} is no part of a queue; a file queue needs a directory of its own"
            ) from None
        return
    if int.from_bytes(data[12:16], "little") > 1:
        text = (
            f"{directory / 'mark'} is missing or damaged, which is no loss by itself; but whether "
            "anything is missing at the beginning or the end of the log can't be told"
        )
        warnings.warn(RecoveryWarning(text, directory / "mark", 0, 0, 0), stacklevel=6)


def _read_files(files: list[Path], log: Log) -> _Damage | None:
    """Read files until the end, or until something is wrong."""
    for place, file in enumerate(files):
        number = int(file.stem)
        if place and number != int(files[place - 1].stem) + 1:
            missing = file.with_name(f"{number - 1:08d}.log")
            raise _corrupt(missing, 0, "the file is missing")
        data = file.read_bytes()
        try:
            header = _known_header(file, data)
        except TornError:
            return _Damage(place, 0, log.sequence + 1)
        if header.segment != number or (place and header.first_sequence != log.sequence + 1):
            # What is missing was to stand at the end of the file before.
            end = log.ends[files[place - 1]] if place else 0
            return _Damage(max(0, place - 1), end, log.sequence + 1)
        log.sequence = header.first_sequence - 1
        log.next_id = max(log.next_id, header.next_id)
        offset = HEADER_SIZE
        try:
            while offset < len(data):
                record = read_record(data, offset)
                if record.sequence != log.sequence + 1:
                    raise TornError
                log.read(number, offset, record)
                offset += record.size
        except TornError:
            if any(data[offset:]):
                return _Damage(place, offset, log.sequence + 1)
        log.ends[file] = offset
    return None


def _known_header(file: Path, data: bytes) -> Header:
    try:
        return read_header(data)
    except ValueError as error:
        raise QueueError(
            f"{file} has {error} of the format, which is not known here; open it with the version "
            "of simlib that wrote it, or with a newer one"
        ) from None


def _behind(files: list[Path], damage: _Damage) -> Iterator[tuple[int, Record]]:
    """Whole records behind a damaged place, each with a watermark that counts: its own or that of
    a header before it."""
    total = sum(file.stat().st_size for file in files[damage.place :])
    sequences = range(damage.sequence + 1, damage.sequence + total // SMALLEST + 2)
    for place, file in enumerate(files[damage.place :], damage.place):
        data = file.read_bytes()
        offset = damage.offset
        if place > damage.place:
            offset = HEADER_SIZE
            with suppress(TornError):
                yield _known_header(file, data).watermark, Record(0, 0, 0, b"", 0, 0)
        if offset == 0 and damage.place == 0:
            # Nothing is known of the numbers in the first file without its header.
            sequences = range(1, 1 << 63)
        for _, record in records_after(data, offset, sequences):
            yield record.watermark, record


def _cut(directory: Path, files: list[Path], damage: _Damage, mark: Mark) -> None:
    """Cut a torn end off, or raise CorruptQueueError if it can't be one."""
    header_was_there = not damage.offset and int(files[damage.place].stem) <= mark.newest
    if header_was_there or damage.sequence <= mark.sequence:
        raise _corrupt(files[damage.place], damage.offset, _CUT)
    messages = 0
    for watermark, record in _behind(files, damage):
        # A segment's header is on disk before a record is written, so it can't be torn.
        if watermark >= damage.sequence or (record.sequence and not damage.offset):
            raise _corrupt(files[damage.place], damage.offset, _CUT)
        messages += record.kind == PUT
    file, *others = files[damage.place :]
    data = file.read_bytes()[damage.offset :]
    dropped = len(data.rstrip(b"\0")) + sum(each.stat().st_size for each in others)
    for each in reversed(others):
        each.unlink()
    if damage.offset:
        handle = os.open(file, os.O_RDWR)
        try:
            os.ftruncate(handle, damage.offset)
            os.fsync(handle)
        finally:
            os.close(handle)
    else:
        file.unlink()
    sync_directory(directory)
    if dropped:
        text = (
            f"{file} ended in a torn write: {dropped:,} bytes from byte {damage.offset} on were "
            f"dropped, with at least {messages:,} whole messages among them, none of which was "
            "known to be on disk"
        )
        warnings.warn(RecoveryWarning(text, file, damage.offset, dropped, messages), stacklevel=5)


def _corrupt(file: Path, offset: int, what: str) -> CorruptQueueError:
    return CorruptQueueError(
        f"{file} is damaged at byte {offset}: {what}. Copy {file.parent} to a safe place; then "
        f"{recovery(file.parent)} makes a new queue of what can be read",
        file,
        offset,
    )


def salvage(directory: Path) -> tuple[list[tuple[Put, int]], list[tuple[Path, int | None, str]]]:
    """Every message that can be read and was not settled, with the times it was delivered, and
    what can't be read or is missing."""
    log = Log()
    mark = read_mark(directory) or Mark()
    puts: dict[int, Put] = {}
    lost: list[tuple[Path, int | None, str]] = []
    files = segment_files(directory)
    numbers = [int(file.stem) for file in files]
    if not numbers or numbers[0] > mark.oldest:
        end = numbers[0] - 1 if numbers else mark.newest
        lost.append((directory, None, _numbered("segment", mark.oldest, end)))
    first_id = 1
    for place, file in enumerate(files):
        if place and numbers[place] != numbers[place - 1] + 1:
            lost.append((file.parent, None, f"the segment before {file.name}"))
        data = file.read_bytes()
        end = HEADER_SIZE
        try:
            header = _known_header(file, data)
        except TornError:
            lost.append((file, 0, "the header"))
        else:
            log.next_id = max(log.next_id, header.next_id)
            if not place and numbers[0] <= mark.oldest:
                first_id = header.next_id  # What was before is done.
                log.sequence = max(log.sequence, header.first_sequence - 1)
        for offset, record in records_after(data, HEADER_SIZE, range(1, 1 << 63)):
            if offset > end:
                lost.append((file, end, f"{offset - end:,} bytes"))
            if log.sequence and record.sequence != log.sequence + 1:
                lost.append((file, offset, _gap(log.sequence + 1, record.sequence)))
            end = offset + record.size
            log.read(int(file.stem), offset, record)
            if record.kind == PUT:
                put = put_in(record)
                puts[put.id] = put
        if any(data[end:]):
            lost.append((file, end, f"{len(data) - end:,} bytes"))
    if numbers and numbers[-1] < mark.newest:
        lost.append((directory, None, _numbered("segment", numbers[-1] + 1, mark.newest)))
    if log.sequence < mark.sequence:
        lost.append((directory, None, _gap(log.sequence + 1, mark.sequence + 1)))
    if lost:
        ids = range(first_id, max(log.next_id, mark.next_id))
        lost += [(directory, None, which) for which in _unknown(ids, puts)]
    return [
        (puts[number], waiting.attempts) for number, waiting in sorted(log.messages.items())
    ], lost


def _gap(expected: int, found: int) -> str:
    """What is missing where a record has another number than it should have."""
    if found > expected:
        return _numbered("record", expected, found - 1)
    return f"records from {expected} on, in whose place are those from {found} on"


def _unknown(ids: range, puts: Collection[int]) -> Iterator[str]:
    """The messages of which nothing can be read, those that follow one another together."""
    missing = (number for number in ids if number not in puts)
    for _, run in groupby(enumerate(missing), lambda each: each[1] - each[0]):
        numbers = [number for _, number in run]
        yield f"{_numbered('message', numbers[0], numbers[-1])}, unless done before"


def _numbered(what: str, first: int, last: int) -> str:
    """One of a kind by its number, or several that follow one another."""
    return f"{what} {first}" if first == last else f"{what}s {first} to {last}"
