"""What an SQLite queue has on disk, and when: syncs, checkpoints, and a reserve for a full disk."""

from __future__ import annotations

import errno
import os
import sqlite3
import sys
from collections.abc import Callable
from math import inf
from typing import TypeVar

from ..message import Sync
from . import schema as sql
from .database import Database, code
from .owners import ACKED, PUT, SYNCED, TAKEN, Owner
from .schema import PAGE

__all__ = ["CHECKPOINT", "CHECKPOINT_UNSYNCED", "LARGE", "Durability", "reserve"]

_T = TypeVar("_T")

CHECKPOINT = 1000  # Pages in the log after which it is copied into the database.
CHECKPOINT_UNSYNCED = 2000  # The same where only the checkpoint syncs, so that it pays off.
LARGE = CHECKPOINT * PAGE  # Bytes put at once for which the reserve might not do.
_RESERVE = 6 * 1024  # Bytes to keep free per page in the log: it may belong at the database's end.
_SLICE = 500  # Pages that a checkpoint gives back to the disk at most.


def reserve(sync: Sync) -> int:
    """How much space a handle keeps for a full disk (bytes)."""
    return _RESERVE * _pages(sync)


def _pages(sync: Sync) -> int:
    return CHECKPOINT_UNSYNCED if sync == "never" else CHECKPOINT


class Durability:
    """Keeps an account of what a handle did and what of it is on disk.

    The queue tells it what was put, taken and acknowledged, once that is committed.

    Parameters
    ----------
    database : Database
        The queue's, connected.
    owner : Owner
        The handle's marks and reserve.
    sync, sync_acks, batch_size
        As for :class:`SQLiteQueue`.
    """

    def __init__(
        self, database: Database, owner: Owner, sync: Sync, sync_acks: bool, batch_size: int
    ) -> None:
        self._database = database
        self._owner = owner
        self._sync = sync
        self._sync_acks = sync_acks
        self._batch_size = batch_size
        self.full = False
        """Whether the disk was full, and may still be."""
        self.puts_to_sync = 0
        self.commits_to_sync = 0
        self._last_put = 0
        self._pages = 0  # Written to the log since the last checkpoint, about.
        self._most_pages = _pages(sync)

    # What was done

    def was_put(self, last: int, messages: int, pages: int) -> None:
        """So many messages were put, up to ``last``, in about so many pages."""
        self._last_put = last
        marks = self._owner.marks
        marks[PUT] = last
        marks[PUT + 1] = ~last
        if self._sync == "always":
            self._synced()
        else:
            self.puts_to_sync += messages
            self.commits_to_sync += 1
            if self._sync == "batch" and self.puts_to_sync >= self._batch_size:
                self.flush()
        self._was_logged(pages)

    def was_taken(self, last: int, pages: int) -> None:
        """Messages were taken, this one as the last."""
        marks = self._owner.marks
        marks[TAKEN] = last
        marks[TAKEN + 1] = ~last
        self.was_written(pages)

    def was_acked(self, last: int, pages: int) -> None:
        """Messages were acknowledged, this one as the last."""
        marks = self._owner.marks
        marks[ACKED] = last
        marks[ACKED + 1] = ~last
        if self._sync_acks:
            self._synced()
            self._was_logged(pages)
        else:
            self.was_written(pages)

    def was_written(self, pages: int) -> None:
        """Something else was committed, and not synced."""
        self.commits_to_sync += 1
        self._was_logged(pages)

    def _was_logged(self, pages: int) -> None:
        self._pages += pages
        if self._pages >= self._most_pages:
            self.checkpoint()

    def _synced(self) -> None:
        """A commit that syncs takes all commits before it along."""
        self.commits_to_sync = self.puts_to_sync = 0
        marks = self._owner.marks
        marks[SYNCED] = self._last_put
        marks[SYNCED + 1] = ~self._last_put

    # Getting it on disk

    def flush(self) -> None:
        """Sync everything this handle did."""
        if self.commits_to_sync:
            self._database.do(self._database.strict, sql.TOUCH)
            self._pages += 1
            self._synced()

    def checkpoint(self) -> bool:
        """Copy the log into the database, both synced, so that the log can start again; False when
        the disk is full."""
        database = self._database
        self._pages = 0
        try:
            if not database.do(database.strict, "PRAGMA wal_checkpoint(PASSIVE)")[0][0]:
                self._synced()
            self._shrink_a_little()
        except OSError:
            self.full = True
            return False
        return True

    def shrink(self) -> None:
        """Give all pages that are free back to the disk, unless they are few."""
        free, pages = self._space()
        if 8 * free > pages:
            self._vacuum(free)

    def _shrink_a_little(self) -> None:
        """Give some pages back once they are more than half of the database: a queue that grows
        and shrinks needs them again."""
        free, pages = self._space()
        if free > 64 and 2 * free > pages:
            self._vacuum(min(free, _SLICE))

    def _space(self) -> tuple[int, int]:
        do, strict = self._database.do, self._database.strict
        return do(strict, "PRAGMA freelist_count")[0][0], do(strict, "PRAGMA page_count")[0][0]

    def _vacuum(self, pages: int) -> None:
        try:  # Only executescript goes on after the first page.
            self._database.lazy.executescript(f"PRAGMA incremental_vacuum({pages})")
        except sqlite3.Error as error:
            if code(error) != sqlite3.SQLITE_BUSY:  # There will be a better moment.
                self._database.fail(error)
        self.commits_to_sync += 1

    # A full disk

    def check_room(self, size: int) -> None:
        """Refuse to put so many bytes when the room to take them out again is missing."""
        if self._database.in_doubt:
            self._database.check()
        if self.full:
            self.full = not (self._owner.take_reserve() and self.checkpoint())
        if self.full or (size > LARGE and self._free() < 3 * size):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._database.path))

    def _free(self) -> float:
        if sys.platform == "win32":
            return inf
        volume = os.statvfs(self._database.path)
        return volume.f_bavail * volume.f_frsize

    def with_room(self, work: Callable[..., _T], *values: object) -> _T:
        """Do what takes messages out; when the disk is full, with the space in reserve."""
        try:
            return work(*values)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
        self._owner.give_reserve()
        self.full = True
        self.checkpoint()
        return work(*values)
