"""The log of a :class:`FileQueue`, byte by byte.

A log is a directory of *segments*, files called ``00000001.log``, ``00000002.log`` and so on, of
which the last one is written to, and the file ``mark``, which ``mark`` documents. All numbers are
little-endian; everything begins at a multiple of 8 bytes.

A segment begins with a header of 48 bytes, on disk before the first record is written:

====== ==== =====================================================================
offset size what
====== ==== =====================================================================
0      8    magic number, ``b"simlibQ\\n"``
8      4    CRC-32 of all that follows
12     4    version of the format, 2; logs of version 1 are read, too: they have no mark
16     8    number of the segment, as in its name
24     8    sequence number of its first record
32     8    the id that the next new message has
40     8    watermark, as in a record
====== ==== =====================================================================

Records follow one another without a gap. Each begins with 32 bytes:

====== ==== =====================================================================
offset size what
====== ==== =====================================================================
0      4    CRC-32 of all that follows, padding included
4      4    length of the payload in bytes, without padding
8      8    sequence number: one more than that of the record before
16     8    watermark: the highest sequence number known to be on disk
24     4    kind: 1 put, 2 claim, 3 settled, 4 closed
28     4    put: length of the headers in bytes; otherwise 0
====== ==== =====================================================================

The payload is padded with NUL to a multiple of 8 bytes. It is

- for *put*: id (8, unsigned), priority (8, signed), instant at which it is due (8, floating point,
  s; 0: at once), attempts so far (8, unsigned), headers (JSON, UTF-8), body;
- for *claim* (messages were delivered) and *settled* (acked or dropped): their ids, 8 bytes each;
- for *closed* (the queue was closed in good order): nothing.

A message that still waits when its segment is cleared away is put again, with its id and its
attempts; the latest put counts. What is returned to the queue needs no record: a message that was
claimed and not settled is ready again when the log is read.

The rest of a segment is zero, allocated ahead so that a sync need not write the file's size. After
a crash the end of the log may be torn: the first record that isn't whole is where it ends, *if*
nothing after it says that it was on disk already. The watermarks of the records after it do say
that; then the damage is no torn write, and somebody has to look at it.
"""

from __future__ import annotations

import os
import struct
import sys
from array import array
from bisect import bisect_left
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

__all__ = [
    "CLAIM",
    "CLOSED",
    "HEADER_SIZE",
    "LARGEST",
    "MAGIC",
    "PUT",
    "SETTLED",
    "SMALLEST",
    "VERSION",
    "Header",
    "Put",
    "Record",
    "Segment",
    "TornError",
    "content_of",
    "encode_closed",
    "encode_header",
    "encode_note",
    "encode_put",
    "make_directory",
    "open_file",
    "put_in",
    "read_at",
    "read_header",
    "read_record",
    "records_after",
    "segment_files",
    "size_of",
    "sync_directory",
    "write_all",
]

MAGIC = b"simlibQ\n"
VERSION = 2
PUT, CLAIM, SETTLED, CLOSED = 1, 2, 3, 4

PIECE = 1 << 16
"""Bytes that are allocated in one write: Linux's ext4 caches what is written in one piece together,
and a small write into a large piece of its cache takes it several times as long."""

_HEADER = struct.Struct("<8sIIQQQQ")
_SUMMED_OF_HEADER = struct.Struct("<IQQQQ")
_RECORD = struct.Struct("<IIQQII")
_SUMMED = struct.Struct("<IQQII")
_PUT = struct.Struct("<QqdQ")
_RECORD_OF_PUT = struct.Struct("<IQQIIQqdQ")
_RECORD_AND_ID = struct.Struct("<IIQQIIQ")
_SUMMED_NOTE = struct.Struct("<IQQIIQ")
_SUM = struct.Struct("<I")
_BODY = _RECORD.size + _PUT.size
_PADDING = [b"\0" * (-length % 8) for length in range(8)]
_ZEROS = bytes(PIECE)
_BINARY = getattr(os, "O_BINARY", 0)

# Looking a method up takes a while, and these are called for every message.
_pack_sum, _pack_note, _pack_put = _SUM.pack, _SUMMED_NOTE.pack, _RECORD_OF_PUT.pack
_unpack_put = _RECORD_AND_ID.unpack_from


class _Windows:
    """What Windows lacks. The queue's lock keeps threads from moving each other's place."""

    @staticmethod
    def pwrite(handle: int, data: bytes | memoryview, offset: int) -> int:
        os.lseek(handle, offset, os.SEEK_SET)
        return os.write(handle, data)

    @staticmethod
    def pread(handle: int, size: int, offset: int) -> bytes:
        os.lseek(handle, offset, os.SEEK_SET)
        return os.read(handle, size)


_files: Any = os if hasattr(os, "pwrite") else _Windows

# Systems without one of these have the other.
_sync_data = "fdatasync" if hasattr(os, "fdatasync") else "fsync"

HEADER_SIZE = _HEADER.size

SMALLEST = _RECORD.size
"""Bytes that every record has."""
LARGEST = (1 << 32) - 1 - _PUT.size
"""The most bytes that a message's headers and body may have together."""


class TornError(Exception):
    """There is no whole record where one was to be read."""


class Header(NamedTuple):
    """The beginning of a segment."""

    segment: int
    first_sequence: int
    next_id: int
    watermark: int


class Record(NamedTuple):
    """One record, as read."""

    sequence: int
    watermark: int
    kind: int
    payload: bytes
    headers: int
    """Bytes of headers in the payload of a put."""
    size: int
    """Bytes it takes up in its file."""

    @property
    def ids(self) -> array[int]:
        """The messages that a claim or a settled is about."""
        ids = array("Q", self.payload)
        if sys.byteorder == "big":
            ids.byteswap()
        return ids


class Put(NamedTuple):
    """The payload of a put."""

    id: int
    priority: int
    due: float
    attempts: int
    headers: bytes
    body: bytes


def encode_closed(sequence: int, watermark: int) -> bytes:
    """A record of kind closed."""
    rest = _SUMMED.pack(0, sequence, watermark, CLOSED, 0)
    return _pack_sum(crc32(rest)) + rest


def encode_note(kind: int, sequence: int, watermark: int, ids: Collection[int]) -> bytes:
    """A record of kind claim or settled."""
    if len(ids) == 1:
        rest = _pack_note(8, sequence, watermark, kind, 0, *ids)
    else:
        words = array("Q", ids)
        if sys.byteorder == "big":
            words.byteswap()
        rest = _SUMMED.pack(8 * len(ids), sequence, watermark, kind, 0) + words.tobytes()
    return _pack_sum(crc32(rest)) + rest


def encode_put(
    sequence: int, watermark: int, put: tuple[int, int, float, int, bytes, bytes]
) -> bytes:
    """A record of kind put, with the fields of a ``Put``."""
    number, priority, due, attempts, headers, body = put
    length = _PUT.size + len(headers) + len(body)
    start = _pack_put(
        length, sequence, watermark, PUT, len(headers), number, priority, due, attempts
    )
    rest = start + headers + body if headers else start + body
    if length % 8:
        rest += _PADDING[length % 8]
    return _pack_sum(crc32(rest)) + rest


def size_of(data: bytes) -> int:
    """Bytes that the record takes up that begins so; as it says itself, which may be wrong."""
    length: int = _RECORD.unpack_from(data)[1]
    return _RECORD.size + length + (-length % 8)


def put_in(record: Record) -> Put:
    """What a record of kind put says."""
    begin = _PUT.size
    middle = begin + record.headers
    number, priority, due, attempts = _PUT.unpack_from(record.payload)
    headers, body = record.payload[begin:middle], record.payload[middle:]
    return Put(number, priority, due, attempts, headers, body)


def content_of(data: bytes, number: int) -> tuple[bytes, bytes] | None:
    """Headers and body of message ``number`` from the bytes of its record; None if damaged.

    This is what a delivery costs, so it takes the direct way.
    """
    if len(data) < _BODY:
        return None
    checksum, length, _, _, kind, headers, found = _unpack_put(data)
    if crc32(data[4:]) != checksum or kind != PUT or found != number:
        return None
    middle = _BODY + headers
    return data[_BODY:middle], data[middle : _RECORD.size + length]


def read_record(data: bytes, offset: int) -> Record:
    """The record at an offset of a segment's bytes; raises TornError if none is whole."""
    if offset + _RECORD.size > len(data):
        raise TornError
    checksum, length, sequence, watermark, kind, headers = _RECORD.unpack_from(data, offset)
    begin = offset + _RECORD.size
    end = begin + length
    whole = end + (-length % 8)
    if whole > len(data) or crc32(memoryview(data)[offset + 4 : whole]) != checksum:
        raise TornError
    return Record(sequence, watermark, kind, data[begin:end], headers, whole - offset)


def read_header(data: bytes) -> Header:
    """The header of a segment; TornError if it isn't whole, ValueError for another version."""
    if len(data) < HEADER_SIZE:
        raise TornError
    magic, checksum, version, *fields = _HEADER.unpack_from(data)
    if magic != MAGIC or crc32(data[12:HEADER_SIZE]) != checksum:
        raise TornError
    if version not in (1, VERSION):
        raise ValueError(f"version {version}")
    return Header(*fields)


def encode_header(header: Header) -> bytes:
    """The bytes of a segment's header."""
    rest = _SUMMED_OF_HEADER.pack(VERSION, *header)
    return MAGIC + _SUM.pack(crc32(rest)) + rest


def records_after(data: bytes, offset: int, sequences: range) -> Iterator[tuple[int, Record]]:
    """Whole records from a damaged place on, with their offsets, wherever they begin.

    Parameters
    ----------
    data : bytes
        A segment's bytes.
    offset : int
        Where to begin, a multiple of 8.
    sequences : range
        The sequence numbers that they may have.
    """
    words = array("Q", data[: len(data) // 8 * 8])
    if sys.byteorder == "big":
        words.byteswap()
    place = offset // 8 + 1
    # A sequence number stands in the second word of its record.
    low, high = sequences.start, sequences.stop
    candidates = [i - 1 for i, word in enumerate(words[place:], place) if low <= word < high]
    while candidates:
        start = candidates[0] * 8
        try:
            record = read_record(data, start)
        except TornError:
            del candidates[0]
            continue
        yield start, record
        del candidates[: bisect_left(candidates, (start + record.size) // 8)]


class Segment:
    """One file of the log, open for reading and writing.

    Parameters
    ----------
    file : Path
        The file; it exists.
    number : int
        Its number.
    used : int
        Bytes of it that hold records, the header included.
    """

    def __init__(self, file: Path, number: int, used: int) -> None:
        self.file = file
        self.number = number
        self.handle = os.open(file, os.O_RDWR | _BINARY)
        self.used = used
        self.synced = used
        """Bytes known to be on disk."""
        self.allocated = os.fstat(self.handle).st_size
        self.live = 0
        """Bytes of messages in it that the queue still keeps."""
        self.spoiled = 0
        """Bytes behind ``used`` that are half-written and could not be wiped out."""

    @classmethod
    def create(cls, directory: Path, header: Header, size: int) -> Segment:
        """A new segment of so many bytes, safe in the directory; nothing is left of a failure."""
        file = directory / f"{header.segment:08d}.log"
        handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_TRUNC | _BINARY, 0o600)
        try:
            try:
                write_all(handle, encode_header(header), 0)
                _write_zeros(handle, HEADER_SIZE, max(size, HEADER_SIZE))
                os.fsync(handle)
            finally:
                os.close(handle)
            sync_directory(directory)
            return cls(file, header.segment, HEADER_SIZE)
        except BaseException:
            file.unlink(missing_ok=True)
            raise

    def has_room(self, size: int) -> bool:
        """Whether so many bytes fit into what is allocated."""
        return self.used + size <= self.allocated

    def allocate(self, size: int) -> None:
        """Allocate so many bytes more; OSError, and nothing changed, if the disk is full."""
        end = self.allocated + size
        try:
            _write_zeros(self.handle, self.allocated, end)
        except BaseException:
            os.ftruncate(self.handle, self.allocated)
            raise
        self.allocated = end

    def append(self, data: bytes) -> None:
        """Write what fits into what is allocated; nothing is left of a failure."""
        offset, size = self.used, len(data)
        try:
            if _files.pwrite(self.handle, data, offset) != size:
                write_all(self.handle, data, offset)
        except BaseException:
            self.spoiled = size
            self.wipe()
            raise
        self.used = offset + size

    def wipe(self) -> None:
        """Wipe out what is half-written."""
        write_all(self.handle, bytes(self.spoiled), self.used)
        self.spoiled = 0

    def read(self, offset: int, size: int) -> bytes:
        """So many bytes, fewer if the file ends before."""
        return read_at(self.handle, size, offset)

    def sync(self) -> None:
        """Bring everything written to disk."""
        used = self.used
        getattr(os, _sync_data)(self.handle)
        self.synced = max(self.synced, used)

    def trim(self) -> None:
        """Give what is allocated and not used back."""
        os.ftruncate(self.handle, self.used)
        self.allocated = self.used
        self.spoiled = 0

    def restart(self, header: Header) -> None:
        """Empty the file, and begin with another header; this needs no room on the disk."""
        os.ftruncate(self.handle, HEADER_SIZE)
        write_all(self.handle, encode_header(header), 0)
        self.used = self.allocated = HEADER_SIZE
        os.fsync(self.handle)
        self.synced = HEADER_SIZE

    def remove(self) -> None:
        """Delete the file; after a failure this may be called again."""
        self.synced = self.used  # nothing of it is needed on disk
        self.close()
        self.file.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the handle, and nothing else."""
        handle, self.handle = self.handle, -1
        if handle >= 0:
            os.close(handle)


def open_file(file: Path) -> int:
    """A handle of a file to read and write, made if it isn't there, for its owner alone."""
    return os.open(file, os.O_RDWR | os.O_CREAT | _BINARY, 0o600)


def read_at(handle: int, size: int, offset: int) -> bytes:
    """So many bytes at an offset, fewer if the file ends before."""
    data: bytes = _files.pread(handle, size, offset)
    return data


def write_all(handle: int, data: bytes, offset: int) -> None:
    """Write all bytes at an offset, in as many pieces as the system wants."""
    view = memoryview(data)
    while view:
        written = _files.pwrite(handle, view, offset)
        offset += written
        view = view[written:]


def _write_zeros(handle: int, begin: int, end: int) -> None:
    for offset in range(begin, end, PIECE):
        write_all(handle, _ZEROS[: end - offset], offset)


def segment_files(directory: Path) -> list[Path]:
    """The segments of a log in their order."""
    files = directory.glob("[0-9]" * 8 + "*.log")
    return sorted(
        filter(lambda file: file.stem.isdecimal(), files), key=lambda file: int(file.stem)
    )


def make_directory(directory: Path) -> None:
    """Make a directory, with those above it, that is still there after a power cut."""
    missing = [each for each in (directory, *directory.parents) if not each.exists()]
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for each in missing:
        sync_directory(each.parent)


def sync_directory(directory: Path) -> None:
    """Make the directory's entries safe, where the system knows such a thing."""
    if os.name == "nt":
        return
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
