"""Who has a shared queue open: a locked file for each open handle, beside the queue's own.

The operating system drops a lock when its process ends, however it ends. So an owner's file that
can be locked belongs to nobody alive, and what that owner held may go back to the queue.

The file of owner 3 of ``q.db`` is ``q.db-owner-3``. Its first 4096 bytes are a page of 64-bit
integers in the machine's byte order, *marks* of how far this owner has come, each followed by its
complement. They survive the process, not a power cut. The rest is a *reserve*: disk space that is
given up when the disk is full, so that a full queue can still be drained.

What has such a name and is a link, or no file at all, is nobody's, and is left alone: following it
would cut off what somebody else has elsewhere. The files can be read and written by whoever may
read and write the queue.

========  =======================================================
integer   mark
========  =======================================================
0, 1      id of the newest message that it put
2, 3      id of the newest message that it put and knows on disk
4, 5      id of the message that it took last
6, 7      id of the message that it acknowledged last
========  =======================================================
"""

from __future__ import annotations

import errno
import mmap
import os
import re
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import BinaryIO, NamedTuple

from ..locks import lock

__all__ = [
    "ACKED",
    "MARKS_SIZE",
    "PRIVATE",
    "PUT",
    "SYNCED",
    "TAKEN",
    "DeadOwner",
    "Marks",
    "Owner",
    "anybody_else",
    "opening",
    "others",
]

MARKS_SIZE = 4096
"""Bytes before the reserve."""
PUT, SYNCED, TAKEN, ACKED = 0, 2, 4, 6

PRIVATE = 0o600
_NO_LINK = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)  # Windows has neither.
_BINARY = getattr(os, "O_BINARY", 0)
_NUMBER = re.compile("[1-9][0-9]{0,8}")


class Marks(NamedTuple):
    """How far an owner had come; 0 for what it never did or what can't be read."""

    put: int
    synced: int
    taken: int
    acked: int


class Owner:
    """This handle's own file, locked until ``leave``.

    Parameters
    ----------
    path : Path
        The queue's file.
    reserve : int
        Bytes to keep for a full disk.
    """

    def __init__(self, path: Path, reserve: int) -> None:
        self._reserve = reserve
        # From 2: SQLite stores it in as many bytes as the -1 of a message that waits, so that one
        # that is taken is changed in place.
        for self.number in count(2):
            self._path = path.with_name(f"{path.name}-owner-{self.number}")
            with suppress(FileExistsError):
                self._file = _open(self._path, os.O_CREAT | os.O_EXCL, path)
                break
        lock(self._file.fileno(), wait=True)
        self._file.write(bytes(MARKS_SIZE))
        self._file.flush()
        self._map = mmap.mmap(self._file.fileno(), MARKS_SIZE)
        self.marks = memoryview(self._map).cast("q")
        for mark in (PUT, SYNCED, TAKEN, ACKED):
            self.marks[mark + 1] = ~0
        self.has_reserve = False
        self.take_reserve()

    def take_reserve(self) -> bool:
        """Have the reserve; False when the disk has no room for it."""
        if not self.has_reserve:
            try:
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(self._file.fileno(), MARKS_SIZE, self._reserve)
                else:
                    self._file.seek(MARKS_SIZE)
                    self._file.write(bytes(self._reserve))
                    self._file.flush()
            except OSError:
                self.give_reserve()
            else:
                self.has_reserve = True
        return self.has_reserve

    def give_reserve(self) -> None:
        """Let the queue have the reserved space."""
        self.has_reserve = False  # Before, so that an interrupt between the two does no harm.
        self._file.truncate(MARKS_SIZE)

    def leave(self, keep: bool = False) -> None:
        """Unlock the file and remove it, or keep it as a killed process does."""
        self.marks.release()
        self._map.close()
        if not keep:
            with suppress(OSError):  # Windows removes no open file.
                self._path.unlink()
        self._file.close()
        if not keep:
            self._path.unlink(missing_ok=True)

    def forget(self) -> None:
        """Leave the file as a power cut may: empty, for nothing in it was synced."""
        self._file.truncate(0) if sys.platform != "win32" else None
        self.leave(keep=True)


class DeadOwner:
    """The file of an owner that is gone, locked by us.

    Parameters
    ----------
    number : int
        Of the owner.
    path : Path
        Its file.
    file : binary file
        The same, open and locked.
    """

    def __init__(self, number: int, path: Path, file: BinaryIO) -> None:
        self.number = number
        self._path = path
        self._file = file
        file.seek(0)
        page = file.read(MARKS_SIZE)
        integers = memoryview(page[: len(page) // 8 * 8]).cast("q")
        values = []
        for mark in (PUT, SYNCED, TAKEN, ACKED):
            # Torn between the two, the older one counts.
            pair = (integers[mark], ~integers[mark + 1]) if len(integers) > mark + 1 else (0, 0)
            values.append(max(0, min(pair)))
        self.marks = Marks(*values)

    def give_reserve(self) -> None:
        """Let the queue have the space that was reserved."""
        with suppress(OSError):
            self._file.truncate(min(MARKS_SIZE, os.fstat(self._file.fileno()).st_size))

    def close(self) -> None:
        """Unlock the file and leave it."""
        self._file.close()

    def remove(self) -> None:
        """Remove the file: nothing is left of this owner."""
        with suppress(OSError):
            self._path.unlink()
        self._file.close()
        self._path.unlink(missing_ok=True)


@contextmanager
def opening(path: Path) -> Iterator[None]:
    """Be the only one who opens, closes or cleans up this queue."""
    name = path.with_name(f"{path.name}-lock")
    while True:
        with _open(name, os.O_CREAT, path) as file:
            lock(file.fileno(), wait=True)
            try:
                if not os.path.samestat(os.fstat(file.fileno()), name.stat()):
                    continue  # Its last user removed it while we waited.
            except FileNotFoundError:
                continue
            try:
                yield
            finally:
                with suppress(OSError):
                    name.unlink()
            return


def others(path: Path, mine: int | None = None) -> tuple[int, list[DeadOwner]]:
    """How many other owners live, and those that are dead. Call it within ``opening`` only."""
    alive, dead = 0, []
    for number, name in _files(path):
        if number == mine:
            continue
        try:
            file = _open(name, 0, path)
        except OSError as error:
            if error.errno == errno.ELOOP:  # It has become a link since it was found.
                continue
            raise
        about = os.fstat(file.fileno())
        if not stat.S_ISREG(about.st_mode) or about.st_nlink != 1:
            file.close()
        elif lock(file.fileno(), wait=False):
            dead.append(DeadOwner(number, name, file))
        else:
            alive += 1
            file.close()
    return alive, dead


def anybody_else(path: Path, mine: int) -> bool:
    """Whether there is any file of another owner."""
    return any(number != mine for number, _ in _files(path))


def _files(path: Path) -> list[tuple[int, Path]]:
    found = []
    prefix = f"{path.name}-owner-"
    with os.scandir(path.parent) as entries:
        for entry in entries:
            number = entry.name[len(prefix) :]
            if (
                entry.name.startswith(prefix)
                and _NUMBER.fullmatch(number)
                and entry.is_file(follow_symlinks=False)
            ):
                found.append((int(number), Path(entry.path)))
    return sorted(found)


def _open(name: Path, flags: int, like: Path) -> BinaryIO:
    """Open a file beside the queue, which gets the queue's permissions if that makes it."""
    mode = PRIVATE
    with suppress(FileNotFoundError):
        mode = stat.S_IMODE(like.stat().st_mode) & 0o666
    file = os.fdopen(os.open(name, os.O_RDWR | _NO_LINK | _BINARY | flags, mode), "r+b")
    if flags and sys.platform != "win32" and stat.S_IMODE(os.fstat(file.fileno()).st_mode) != mode:
        with suppress(PermissionError):  # It is another user's.
            os.fchmod(file.fileno(), mode)  # Whatever the umask says.
    return file
