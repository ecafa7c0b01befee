"""Writing a log of segments: appending, going on in a new file, and bringing it all to disk.

What the records mean is for :class:`Journal` to say, which is this class gone on with: one in two
files.
"""

from __future__ import annotations

import errno
import os
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path

from ..errors import QueueError, QueueLockedError, is_closed
from ..locks import lock_directory
from .mark import Mark, MarkFile
from .records import HEADER_SIZE, Header
from .segments import Segment, make_directory

__all__ = ["NO_ROOM", "LogWriter"]

NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""Errors that say that the disk is full."""

_CHUNK = 1 << 20
"""Bytes that a segment grows by."""
_PATIENCE = 1.0
"""Seconds after which a thread looks for itself, should the one before it have been interrupted."""


class LogWriter:
    """The segments of a log, owned by one process.

    Everything is called under the owner's lock except ``sync_through``, which takes it, and gives
    it up while the disk is at work.

    Parameters
    ----------
    directory : Path
        Where the files are; made if it isn't there.
    segment_size : int
        Bytes after which a new segment begins.
    promises : bool
        Whether somebody relies on what is on disk.
    lock : Lock
        The owner's.
    announce : callable
        Called when ``synced`` may have risen, or ``broken`` has been set.

    Raises
    ------
    QueueLockedError
        The files are in use, here or in another process.
    """

    def __init__(
        self,
        directory: Path,
        segment_size: int,
        promises: bool,
        lock: threading.Lock,
        announce: Callable[[], None],
    ) -> None:
        self.directory = directory
        self.sequence = 0
        """Sequence number of the last record."""
        self.synced = 0
        """Sequence number of the last record that is known to be on disk."""
        self.synced_id = 0
        """The highest id known to be there."""
        self.broken: BaseException | None = None
        """What happened that nobody knows any more what is on disk."""
        self._segment_size = segment_size
        self._promises = promises
        self._chunk = min(_CHUNK, segment_size)
        self._lock = lock
        self._announce = announce
        self._next_id = 1  # of the next message
        self._segments: deque[Segment] = deque()
        self._used = 0  # bytes of all segments
        # What a thread is bringing to disk without the lock, for all who wait: the segment, and
        # the sequence number and the id that are there then.
        self._syncing: tuple[Segment, int, int] | None = None
        self._on_disk = threading.Condition(lock)
        # Who waits for it, with the record that has to be on disk.
        self._waiting: list[tuple[int, threading.Lock]] = []
        # Of two syncs at a time only one would hear of an error.
        self._disk = threading.Lock()
        self._lock_handle = -1
        self._mark: MarkFile | None = None
        make_directory(directory)
        try:
            self._lock_handle = lock_directory(directory)
        except BlockingIOError:
            raise QueueLockedError(
                f"{directory} is open already, in this process or another; a file queue belongs to "
                "one process at a time. Close it where it is open: a notebook cell that is run "
                "again leaves the queue open that it made the first time"
            ) from None

    @property
    def is_closed(self) -> bool:
        """Whether the files are given up."""
        return self._lock_handle < 0

    @property
    def is_idle(self) -> bool:
        """Whether nobody is at work on the disk without the lock."""
        return self._syncing is None

    def check_usable(self) -> None:
        """Raise QueueError unless all is well."""
        if self.broken is not None:
            raise QueueError(
                f"{self.directory} can't be used after an I/O error ({self.broken}): what is on "
                "disk is not known. Close the queue, see to the disk, and open it again"
            )
        if self.is_closed:
            raise is_closed()

    # Appending

    def _append(self, data: bytes, records: int, reserve: int) -> tuple[Segment, int]:
        """Write records; where they begin. So many bytes must stay free behind them."""
        segment = self._segments[-1]
        size = len(data)
        if segment.spoiled or segment.used + size + reserve > segment.allocated:
            segment = self._room_for(size, reserve)
        offset = segment.used
        try:
            segment.append(data)
        except BaseException as error:
            if segment.spoiled and isinstance(error, OSError):
                self._break(error)
            raise
        self.sequence += records
        self._used += size
        return segment, offset

    def _room_for(self, size: int, reserve: int) -> Segment:
        """A segment with room, a new one if the last is full.

        What needs no reserve takes what there is when the disk is full.
        """
        segment = self._segments[-1]
        if segment.spoiled:
            segment.wipe()
        try:
            if segment.used + size + reserve > self._segment_size and segment.used > HEADER_SIZE:
                segment = self._roll()
            missing = segment.used + size + reserve - segment.allocated
            if missing > 0:
                self._allocate(segment, missing)
        except OSError as error:
            if reserve or error.errno not in NO_ROOM or not segment.has_room(size):
                raise
        return segment

    def _allocate(self, segment: Segment, needed: int) -> None:
        """Allocate a chunk more; on a disk that has no room for it, what is needed."""
        if needed < self._chunk:
            try:
                segment.allocate(self._chunk)
            except OSError as error:
                if error.errno not in NO_ROOM:
                    raise
            else:
                return
        segment.allocate(needed)

    def _roll(self) -> Segment:
        """Go on in a new segment. What is before it is on disk, if anything is promised."""
        old = self._segments[-1]
        if self._promises:
            self.sync_all()
        new = self._new_segment(old.number + 1)
        self._write_mark(self._segments[0].number)
        old.trim()
        return new

    def _write_mark(self, oldest: int) -> None:
        """Mark what the log must at least hold."""
        assert self._mark is not None
        try:
            known = Mark(oldest, self._segments[-1].number, self.synced, self.synced_id + 1)
            self._mark.write(known)
        except OSError as error:
            self._break(error)
            raise

    def _new_segment(self, number: int) -> Segment:
        header = Header(number, self.sequence + 1, self._next_id, self.synced)
        segment = Segment.create(self.directory, header, self._chunk)
        self._used += segment.used
        self._segments.append(segment)
        return segment

    # Bringing to disk

    def sync_all(self) -> None:
        """Bring everything that is written to disk, under the lock."""
        try:
            for segment in self._segments:
                if segment.synced < segment.used:
                    self._sync(segment)
            self.synced, self.synced_id = self.sequence, self._next_id - 1
        finally:
            self._announce()

    def sync_through(self, sequence: int) -> None:
        """Bring a record and all before it to disk.

        One thread at a time syncs, for all who have written so far; the others wait for it.
        """
        while self.synced < sequence:
            job = None
            done = False
            try:
                try:
                    with self._lock:
                        if self.synced >= sequence:
                            return
                        self.check_usable()
                        if self._syncing is None:
                            # In one go: after an interrupt in between the others would wait.
                            self._syncing = job = (
                                self._segments[-1],
                                self.sequence,
                                self._next_id - 1,
                            )
                        else:
                            gate = threading.Lock()
                            gate.acquire()
                            self._waiting.append((sequence, gate))
                    if job is None:
                        gate.acquire(timeout=_PATIENCE)
                    else:
                        self._sync(job[0])
                        done = True
                finally:
                    if job is not None:
                        self._hand_over(job, done)
            except BaseException:
                if job is not None:
                    self._hand_over(job, done)  # An interrupt may have come on the way there.
                raise

    def _hand_over(self, job: tuple[Segment, int, int], done: bool) -> None:
        """After a sync: wake whose records are on disk, and one thread more to do the next."""
        with self._lock:
            if self._syncing is not job:
                return
            if done and job[1] > self.synced:
                _, self.synced, self.synced_id = job
            self._announce()
            self._on_disk.notify_all()
            ready = [gate for sequence, gate in self._waiting if sequence <= self.synced]
            late = [each for each in self._waiting if each[0] > self.synced]
            woken = len(late) if self.broken is not None else 1
            ready += [gate for _, gate in late[:woken]]
            self._waiting = late[woken:]
            self._syncing = None
        for gate in ready:
            gate.release()

    def _sync(self, segment: Segment) -> None:
        """Bring a segment to disk; after a failure nothing can be promised any more.

        A second try would report success for pages that the first one has dropped (Rebello et al.
        2020, "Can applications recover from fsync failures?").
        """
        with self._disk:
            self.check_usable()
            try:
                segment.sync()
            except OSError as error:
                self.broken = error  # whoever holds the lock announces it
                raise

    def _break(self, error: BaseException) -> None:
        """Let the owner know that nothing can be promised any more."""
        self.broken = error
        self._announce()

    # The end

    def abandon(self) -> None:
        """Close the files as they are, and give up the lock."""
        for segment in self._segments:
            segment.close()
        if self._mark is not None:
            self._mark.close()
        if self._lock_handle >= 0:
            os.close(self._lock_handle)
            self._lock_handle = -1

    def kill(self) -> None:
        """Leave everything as it is when the process is killed."""
        self._wait_for_sync()
        self.abandon()

    def lose_power(self) -> None:
        """Leave everything as it is after a power cut that took all that was not on disk."""
        self.kill()
        for segment in self._segments:
            os.truncate(segment.file, segment.synced)

    def _wait_for_sync(self) -> None:
        while self._syncing is not None:
            self._on_disk.wait(_PATIENCE)
