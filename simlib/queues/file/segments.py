"""The files of a log: allocated ahead, appended to, read, and brought to disk.

What is in them says ``records``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from .records import HEADER_SIZE, Header, encode_header

__all__ = [
    "Segment",
    "make_directory",
    "open_file",
    "read_at",
    "segment_files",
    "sync_directory",
    "write_all",
]

PIECE = 1 << 16
"""Bytes that are allocated in one write: Linux's ext4 caches what is written in one piece together,
and a small write into a large piece of its cache takes it several times as long."""

_ZEROS = bytes(PIECE)
_BINARY = getattr(os, "O_BINARY", 0)


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
