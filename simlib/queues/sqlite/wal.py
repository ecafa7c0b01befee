"""SQLite's write-ahead log, read without SQLite.

SQLite reads its log up to the first frame that does not check, and drops what follows without a
word. That is right after a torn write and wrong after damage, so a queue looks for itself.

The log is a header of 32 bytes and frames, all integers big-endian (https://sqlite.org/fileformat2
.html, section 4). Header: magic, version, page size, checkpoint number, two salts, two checksums.
Frame: page number, size of the database in pages if the frame ends a transaction (else 0), the two
salts, two checksums over all frames so far; then the page. Frames with other salts are left over
from before the log was last started again.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

__all__ = ["FRAME_HEADER", "HEADER", "Frame", "WriteAheadLog", "read_wal"]

HEADER, FRAME_HEADER = 32, 24


@dataclass(frozen=True)
class Frame:
    """One page in the log."""

    offset: int
    """Where the frame begins in the file, in bytes."""
    page: int
    """Number of the page, from 1."""
    pages: int
    """Pages of the database, if the frame ends a transaction; else 0."""
    sound: bool
    """Whether the page is what its checksum says, given the checksum before it."""


@dataclass(frozen=True)
class WriteAheadLog:
    """What a log holds of the present run."""

    frames: tuple[Frame, ...]
    """All frames with the present salts, also those that SQLite does not see."""
    page_size: int
    """Bytes in a page; 0 if the header does not say."""
    commits: tuple[int, ...]
    """Offsets of the ends of the transactions that SQLite sees, in bytes."""
    end: int
    """Where SQLite stops, in bytes: the end of the last transaction it sees."""
    size: int
    """Where the bytes of this run end: what lies between it and ``end`` is dropped."""

    @property
    def transactions(self) -> int:
        """How many transactions have their end in the log, damaged or not."""
        return sum(frame.pages > 0 for frame in self.frames)

    @property
    def dropped(self) -> int:
        """Bytes that were written in this run and that SQLite does not see."""
        return max(0, self.size - self.end)


def read_wal(path: Path) -> WriteAheadLog | None:
    """The log of a database, None where there is none.

    Parameters
    ----------
    path : Path
        The log's file.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    if len(data) < HEADER:
        return WriteAheadLog((), 0, (), 0, len(data)) if data else None
    magic, _, page_size, _, salt_1, salt_2, sum_1, sum_2 = struct.unpack_from(">8I", data)
    order = ">" if magic & 1 else "<"
    checksum = _checksum(data[:24], order, (0, 0))
    intact = magic >> 1 == 0x377F0682 >> 1 and checksum == (sum_1, sum_2)
    if page_size < 512 or page_size > 65536 or page_size & (page_size - 1):
        return WriteAheadLog((), 0, (), 0, len(data))
    frames, commits = [], []
    end = HEADER if intact else 0
    size = end if intact else len(data)
    seen = intact
    before = (sum_1, sum_2)
    step = FRAME_HEADER + page_size
    for offset in range(HEADER, len(data) - step + 1, step):
        page, pages, *rest = struct.unpack_from(">6I", data, offset)
        # One salt alone that fits is a frame of this run, damaged.
        if rest[0] != salt_1 and rest[1] != salt_2:
            seen = False
            before = (rest[2], rest[3])
            continue
        size = offset + step
        checksum = _checksum(data[offset : offset + 8], order, before)
        checksum = _checksum(data[offset + 24 : offset + step], order, checksum)
        before = (rest[2], rest[3])
        sound = checksum == before and rest[:2] == [salt_1, salt_2] and page > 0
        frames.append(Frame(offset, page, pages, sound))
        seen = seen and sound
        if seen and pages:
            commits.append(offset + step)
            end = offset + step
    tail = HEADER + (len(data) - HEADER) // step * step
    if tail < len(data) and _salts(data, tail) in ((salt_1, salt_2), None) and size == tail:
        size = len(data)  # A frame that was cut off.
    return WriteAheadLog(tuple(frames), page_size, tuple(commits), end, size)


def _salts(data: bytes, offset: int) -> tuple[int, int] | None:
    if len(data) < offset + 16:
        return None
    salt_1, salt_2 = struct.unpack_from(">2I", data, offset + 8)
    return salt_1, salt_2


def _checksum(data: bytes, order: str, start: tuple[int, int]) -> tuple[int, int]:
    first, second = start
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for even, odd in zip(words[::2], words[1::2], strict=True):
        first = (first + even + second) & 0xFFFFFFFF
        second = (second + odd + first) & 0xFFFFFFFF
    return first, second
