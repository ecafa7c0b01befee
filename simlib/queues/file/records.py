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

import struct
import sys
from array import array
from bisect import bisect_left
from collections.abc import Collection, Iterator
from typing import NamedTuple
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
    "TornError",
    "content_of",
    "encode_closed",
    "encode_header",
    "encode_note",
    "encode_put",
    "put_in",
    "read_header",
    "read_record",
    "records_after",
    "size_of",
]

MAGIC = b"simlibQ\n"
VERSION = 2
PUT, CLAIM, SETTLED, CLOSED = 1, 2, 3, 4

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
# Looking a method up takes a while, and these are called for every message.
_pack_sum, _pack_note, _pack_put = _SUM.pack, _SUMMED_NOTE.pack, _RECORD_OF_PUT.pack
_unpack_put = _RECORD_AND_ID.unpack_from


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
