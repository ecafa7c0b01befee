"""A queue in one SQLite file, shared by threads and processes, that survives their crashes.

For a queue at ``q.db`` there is the database ``q.db``; while it is open, SQLite's write-ahead log
``q.db-wal`` and its index ``q.db-shm``, a locked file for each open handle, of which ``owners``
tells, and for moments ``q.db-lock``. After the last close only ``q.db`` is left; what is in it says
``schema``.
"""

from __future__ import annotations

import errno
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from ..blocking import BlockingQueue, Pauses
from ..checks import (
    check_body,
    check_message,
    check_messages,
    check_options,
    check_sync,
    check_timeout,
    encode_headers,
)
from ..errors import QueueError
from ..forks import belongs_to_parent
from ..message import Clock, Message, Sync
from ..timer import Timer
from .handle import Handle
from .store import Store

__all__ = ["SQLiteQueue"]


class SQLiteQueue(BlockingQueue):
    """Messages in an SQLite file, for threads and processes at once.

    ``lease=None`` means: until ack or nack, until the handle that took the message is closed, or
    until its process has died. Two open handles never receive what the other holds.

    A message that another process puts wakes a waiting ``get`` after 50 ms at the latest, and so
    does a message that a dead process held; one of the same process wakes it at once. While
    another process writes, a call waits its turn; after 60 s of that it raises QueueError.

    Whoever opens a queue that nobody else has open reads all of it, about 7 µs per message: damage
    in the structure is an error at once, a damaged message one when its turn comes. It is set
    aside then, and all others are delivered.

    When the disk is full, ``put`` raises OSError (ENOSPC) and stores nothing. Each open handle
    keeps 6 MB in reserve (12 MB where puts do not sync), so that messages can still be taken and
    acknowledged. When writing or syncing fails, every later call raises QueueError: only a reopened
    queue knows what is on disk.

    Parameters
    ----------
    path : path
        The database. It is made if it does not exist; its folder must exist. It must be on a local
        disk, for SQLite shares memory between processes.
    maxsize, lease, clock
        As for :class:`MessageQueue`; the clock must be the same for all who share the queue.
    sync : {"always", "batch", "never"}
        When a put is safe from a power cut (from a crash of the process it is at once).
        "always": when ``put`` returns. "batch": ``batch_size`` puts or ``batch_time`` seconds
        later, whichever is first, so that a power cut loses at most the last ``batch_size``
        messages or what was put in the last ``batch_time`` seconds (by default 1000 messages,
        10 ms) and the time that one sync takes. "never": after ``flush``, or when the log is
        copied into the database, about every 2000 puts.
    sync_acks : bool
        Whether an ack, too, returns only once it is on disk. By default it is lazy: it rides on
        the next sync, and a power cut before that leads to a redelivery, which "at least once"
        allows. That a message was taken is always lazy.
    batch_size : int
        Puts after which "batch" syncs.
    batch_time : float or None
        Seconds after which "batch" syncs; None: not by time, the owner calls ``flush``.

    Raises
    ------
    CorruptQueueError
        The file is damaged; ``recover`` saves what is intact.
    QueueError
        The file is something else than a queue, or of a version that this one does not know.

    Warns
    -----
    RecoveryWarning
        The last owner died, and the end of the log was torn or is missing.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder, SQLiteQueue(f"{folder}/orders.db") as queue:
    ...     number = queue.put(b"order 17")
    ...     queue.nack(queue.get())  # It goes back to its place ...
    ...     message = queue.get()
    >>> message.body, message.attempts, message.redelivered  # ... and is delivered again.
    (b'order 17', 2, True)
    """

    # Nobody tells of what other processes do.
    _pauses_of_getters = _pauses_of_putters = Pauses(0.001, 0.05)

    def __init__(
        self,
        path: str | PathLike[str],
        maxsize: int = 0,
        *,
        sync: Sync = "always",
        sync_acks: bool = False,
        batch_size: int = 1000,
        batch_time: float | None = 0.01,
        lease: float | None = None,
        clock: Clock = time.time,
    ) -> None:
        super().__init__(maxsize, lease, clock)
        check_sync(sync, batch_size, batch_time)
        self.path = Path(os.path.realpath(path))  # As SQLite does: its log lies beside the file.
        self._given = str(path)
        _check_place(self.path)
        self.sync = sync
        self.sync_acks = sync_acks
        self.batch_size = batch_size
        self.batch_time = batch_time
        self._handle = Handle(self.path, sync, sync_acks, batch_size)
        self._store = Store(self._handle, sync, sync_acks, lease, clock)
        self._timer: Timer | None = None
        if sync == "batch" and batch_time is not None:
            self._timer = Timer(self._sync_in_time, batch_time)
        belongs_to_parent(self)

    # Producers

    def put(
        self,
        body: bytes,
        block: bool = True,
        timeout: float | None = None,
        *,
        headers: Mapping[str, Any] | None = None,
        priority: int = 0,
        delay: float = 0.0,
    ) -> int:
        if (
            type(body) is not bytes
            or headers is not None
            or priority != 0
            or delay != 0
            or self.maxsize > 0
        ):
            return self.put_many(
                [body], block, timeout, headers=headers, priority=priority, delay=delay
            )[0]
        with self._lock:
            number = self._store.put_plain(body)
            self._were_put(1)
            return number

    def put_many(
        self,
        bodies: Iterable[bytes],
        block: bool = True,
        timeout: float | None = None,
        *,
        headers: Mapping[str, Any] | None = None,
        priority: int = 0,
        delay: float = 0.0,
    ) -> list[int]:
        bodies = [check_body(body) for body in bodies]
        check_options(priority, delay)
        if block and self.maxsize > 0:
            check_timeout(timeout)
        text = None if headers is None else encode_headers(headers).encode()

        def store() -> range | None:  # The bound may change meanwhile.
            return self._store.put(bodies, self.maxsize, text, priority, delay)

        with self._lock:
            ids = self._wait_for_room(store, len(bodies), block, timeout)
            self._were_put(len(ids))
            return list(ids)

    def _were_put(self, messages: int) -> None:
        if self._timer is not None:
            self._timer.ask()
        if self._sleepers:
            self._arrived.notify(messages)

    # Consumers

    def get(self, block: bool = True, timeout: float | None = None) -> Message:
        with self._lock:
            if timeout is None:
                message = self._store.take_next()
                if message is not None:
                    if self._sleepers:
                        self._tell_of_taking()
                    return message
            return self._wait_for_messages(1, block, timeout)[0]

    def _take(self, most: int) -> list[Message]:
        return self._store.take(min(most, sys.maxsize))

    def _take_left(self, most: int) -> list[Message]:
        return self._take(most) if self._handle.bury() else []

    def ack(self, message: Message) -> None:
        check_message(message)
        with self._lock:
            self._store.ack(message)

    def ack_many(self, messages: Iterable[Message]) -> None:
        messages = check_messages(messages)
        with self._lock:
            self._store.ack_many(messages)

    def nack(self, message: Message, requeue: bool = True) -> None:
        check_message(message)
        with self._lock:
            self._store.nack(message, requeue)
            if requeue and self._sleepers:
                self._arrived.notify()

    # The rest

    def qsize(self) -> int:
        with self._lock:
            return self._store.sizes()[0]

    @property
    def delayed(self) -> int:
        with self._lock:
            return self._store.sizes()[1]

    @property
    def unacked(self) -> int:
        with self._lock:
            return self._store.unacked()

    def full(self) -> bool:
        with self._lock:
            waiting = sum(self._store.sizes())
            return 0 < self.maxsize <= waiting

    def _origin(self) -> Iterable[str]:
        return repr(self._given), f"sync={self.sync!r}"

    def ids(self) -> set[int]:
        with self._lock:
            return self._store.ids()

    def _due_in(self) -> float:
        return self._store.due_in(exactly=False)

    def due_in(self) -> float:
        with self._lock:
            return self._store.due_in(exactly=True)

    def flush(self) -> None:
        """Sync everything this handle did, acks included."""
        with self._lock:
            self._handle.flush()

    def _sync_in_time(self) -> bool:
        with self._lock:
            try:
                self._handle.flush()
            except QueueError:
                return False  # Whoever uses the queue next is told.
            except OSError:  # The disk is full, for the time being.
                if self._timer is not None:
                    self._timer.ask()
            return not self._handle.closed

    def close(self) -> None:
        """Give back what this handle holds, sync, and leave one tidy file if it was the last."""
        self._end(self._handle.close)

    def _leave_to_parent(self) -> None:
        self._share(threading.Lock())
        self._handle.leave_to_parent()

    def _kill(self) -> None:
        self._end(self._handle.kill)

    def _confine(self, size: int) -> None:
        with self._lock:
            self._handle.database.confine(size)

    def _lose_power(self) -> None:
        self._end(self._handle.lose_power)

    def _end(self, close: Callable[[], None]) -> None:
        """Close the handle in one way or another, and let nobody wait any longer."""
        with self._lock:
            if self._handle.closed:
                return
            try:
                close()
            finally:
                self._tell_all()
                if self._timer is not None:
                    self._timer.stop()


def _check_place(path: Path) -> None:
    if path.is_dir():
        raise QueueError(f"{path} is a folder; an SQLite queue is one file")
    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "there is no such folder", str(path.parent))
    if path.exists() and path.stat().st_nlink > 1:
        raise QueueError(
            f"{path} has {path.stat().st_nlink} names (hard links), and each would have a "
            "log of its own; copy the file, and open the copy"
        )
