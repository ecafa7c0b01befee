"""The file ``mark`` beside the log of a :class:`FileQueue`: what the log must at least hold.

Files that are gone leave no gap at either end of a log, and a log that was cut between two records
looks like one that a crash ended there. So what is on disk for certain is also written here: when
the queue is opened and closed, when a segment is begun, and before one is removed; on disk each
time before anything goes on. A loss among what came later, in the last segment of a queue that was
not closed, can't be told from a crash that came earlier.

The file has two places of 64 bytes, at 0 and at 512, in different sectors, written in turn. All
numbers are little-endian, 8 bytes where nothing else is said:

====== ==== =====================================================================
offset size what
====== ==== =====================================================================
0      8    magic number, ``b"simlibM\\n"``
8      4    CRC-32 of all that follows
12     4    version of the format, 2
16     8    how often the mark was written; the place with the larger number counts
24     8    number of the oldest segment that is needed
32     8    number of the newest segment
40     8    sequence number up to which the records are on disk
48     8    the id that the next new message has
56     8    0
====== ==== =====================================================================
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from .records import VERSION
from .segments import open_file, read_at, sync_directory, write_all

__all__ = ["Mark", "MarkFile", "read_mark"]

_MAGIC = b"simlibM\n"
_PLACE = struct.Struct("<8sIIQQQQQQ")
_SUMMED = struct.Struct("<IQQQQQQ")
_SECTOR = 512


class Mark(NamedTuple):
    """What a log must at least hold."""

    oldest: int = 1
    newest: int = 0
    sequence: int = 0
    next_id: int = 1


def read_mark(directory: Path) -> Mark | None:
    """The mark of a log; None if there is none, or none that is whole."""
    file = directory / "mark"
    return _latest(file.read_bytes())[1] if file.exists() else None


def _latest(data: bytes) -> tuple[int, Mark | None]:
    """How often the mark was written, and the mark."""
    latest: tuple[int, Mark | None] = (0, None)
    for offset in (0, _SECTOR):
        place = data[offset : offset + _PLACE.size]
        if len(place) == _PLACE.size:
            magic, checksum, _, turn, *fields, _ = _PLACE.unpack(place)
            if magic == _MAGIC and crc32(place[12:]) == checksum and turn > latest[0]:
                latest = turn, Mark(*fields)
    return latest


class MarkFile:
    """The mark of a log that is open for writing; made if it isn't there.

    Parameters
    ----------
    directory : Path
        Where the log is.
    first : Mark
        What is written if there is no mark.
    """

    def __init__(self, directory: Path, first: Mark) -> None:
        file = directory / "mark"
        new = not file.exists()
        self._handle = open_file(file)
        self._turn = 0
        self.mark: Mark | None = None
        try:
            if new:
                sync_directory(directory)
            self._turn, self.mark = _latest(read_at(self._handle, _SECTOR + _PLACE.size, 0))
            if self.mark is None:
                self.write(first)
        except BaseException:
            self.close()
            raise

    def write(self, mark: Mark) -> None:
        """Write the mark, and bring it to disk."""
        if mark == self.mark:
            return
        turn = self._turn + 1
        rest = _SUMMED.pack(VERSION, turn, *mark, 0)
        place = _MAGIC + struct.pack("<I", crc32(rest)) + rest
        write_all(self._handle, place, turn % 2 * _SECTOR)
        os.fsync(self._handle)
        self._turn, self.mark = turn, mark

    def close(self) -> None:
        """Close the file."""
        handle, self._handle = self._handle, -1
        if handle >= 0:
            os.close(handle)
