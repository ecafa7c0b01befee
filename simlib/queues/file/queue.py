"""A queue in files: an append-only log that survives its process, and at a price the machine.

``records`` documents the files byte by byte.
"""

from __future__ import annotations

import json
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from math import inf
from os import PathLike
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from ..checks import (
    check_body,
    check_message,
    check_options,
    check_sync,
    check_timeout,
    encode_headers,
)
from ..errors import CorruptQueueError, QueueError, too_large
from ..forks import belongs_to_parent
from ..local import Entry, LocalQueue
from ..message import Clock, Message, Sync
from ..timer import Timer
from .journal import Journal
from .reader import Log
from .records import LARGEST, Put

__all__ = ["FileQueue"]

_T = TypeVar("_T")

_CACHE = 4 << 20
"""Bytes of bodies that are also kept in memory, for consumers that keep up."""

_new_message = tuple.__new__


class FileQueue(LocalQueue):
    """Messages in the files of a directory, owned by one process and shared by its threads.

    What a crash may take depends on ``sync``:

    - ``"always"``: a put returns once its message is on disk; threads that put at the same time
      share a sync (group commit). Nothing that was put is lost.
    - ``"batch"``: a put returns once the system has the message, and the disk has it after
      ``batch_size`` puts or ``batch_time`` seconds, whichever comes first. A crash of the process
      loses nothing. A power cut loses at most the last ``batch_size`` messages, put in the last
      ``batch_time`` seconds and the time that a sync takes.
    - ``"never"``: the disk has it when the system sees fit. A crash of the process loses nothing,
      a power cut may lose everything since the last ``flush``.

    Claims and acks are with the system at once, so a crash of the process forgets none of them;
    they reach the disk with the next sync. One that a power cut takes means that a message is
    delivered again, which at-least-once delivery allows. With ``sync_acks`` an ack, too, returns
    only once it is on disk.

    Messages that were delivered and not acked are ready again when the queue is opened again. A
    queue that is dropped without ``close`` gives its files up as a killed process does.

    Parameters
    ----------
    directory : path
        Where the files are; made if it isn't there.
    maxsize, lease, clock
        As for :class:`MessageQueue`. The clock must go on while the process doesn't run, since
        delays are kept.
    sync : "always", "batch" or "never"
        When a put is on disk.
    sync_acks : bool
        Whether an ack waits for the disk.
    batch_size : int
        With ``sync="batch"``, the most messages that are not on disk.
    batch_time : float or None
        With ``sync="batch"``, the seconds after which they are brought there; None: nobody looks
        at the time, for an owner that calls ``flush`` itself.
    segment_size : int
        Bytes after which the log goes on in a new file.

    Raises
    ------
    QueueLockedError
        The queue is open already, here or in another process.
    CorruptQueueError
        The files are damaged elsewhere than at the end; ``recover`` saves what can be saved.

    Warns
    -----
    RecoveryWarning
        The end of the log was torn by a crash, and has been cut back to the last whole record.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder, FileQueue(folder) as queue:
    ...     number = queue.put(b"order 17", headers={"type": "order"})
    ...     message = queue.get()
    ...     queue.ack(message)
    >>> message.body, message.headers, message.attempts
    (b'order 17', {'type': 'order'}, 1)
    """

    def __init__(
        self,
        directory: str | PathLike[str],
        maxsize: int = 0,
        *,
        sync: Sync = "always",
        sync_acks: bool = False,
        batch_size: int = 1000,
        batch_time: float | None = 0.01,
        segment_size: int = 8 << 20,
        lease: float | None = None,
        clock: Clock = time.time,
    ) -> None:
        super().__init__(maxsize, lease, clock)
        check_sync(sync, batch_size, batch_time)
        if isinstance(segment_size, bool) or not isinstance(segment_size, int) or segment_size < 1:
            raise ValueError(f"segment_size must be a whole number of bytes, got {segment_size!r}")
        self.directory = Path(directory).absolute()
        self._given = str(directory)
        self.sync = sync
        self.sync_acks = sync_acks
        self.batch_size = batch_size
        self.batch_time = batch_time
        self.segment_size = segment_size
        self._cached = 0  # bytes of bodies in memory
        # How often each of the messages was delivered that were returned.
        self._returned: dict[int, int] = {}
        # What is put with sync="always", until it is on disk and seen: sequence number of the last
        # record, first and last id, priority, due.
        self._unsynced: deque[tuple[int, int, int, int, float]] = deque()
        self._seen = 0  # the last id of what was
        self._timer: Timer | None = None
        self._journal = Journal(
            self.directory,
            segment_size,
            sync,
            sync_acks,
            self._lock,
            _weakly(self._notice_sync),
            _weakly(self._deliveries),
        )
        # A queue that is dropped unclosed leaves its files as a killed process does.
        weakref.finalize(self, self._journal.abandon).atexit = False
        try:
            with self._lock:
                self._load(self._journal.read())
        except BaseException:
            self._journal.abandon()
            raise
        belongs_to_parent(self)
        if sync == "batch" and batch_time is not None:
            self._timer = Timer(self._sync_in_time, batch_time)

    def _load(self, log: Log) -> None:
        """Let wait what waits according to the log."""
        self._last_id = self._seen = log.next_id - 1
        now = self.clock()
        for number, found in sorted(log.messages.items()):
            if found.attempts:
                self._returned[number] = found.attempts
            if found.due > now or found.priority or found.attempts:
                attempts = found.attempts + 1
                any(self._insertion([number], [b""], found.priority, found.due, now, attempts))
            else:
                self._plain.append((number, b""))

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
            or len(body) > LARGEST
        ):
            return self.put_many(
                (body,), block, timeout, headers=headers, priority=priority, delay=delay
            )[0]
        with self._lock:
            if self._unusable:
                self._refuse()
            number = self._last_id + 1
            size = len(body)
            sequence = self._journal.put((number, 0, 0.0, 0, b"", body))
            self._last_id = number
            if self.sync == "always":
                self._unsynced.append((sequence, number, number, 0, 0.0))
            else:
                if self._cached < _CACHE:
                    self._cached += size
                    self._plain.append((number, body))
                else:
                    self._plain.append((number, b""))
                if self._sleepers:
                    self._arrived.notify()
        if self.sync != "never":
            self._make_safe(sequence)
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
        text = b"" if headers is None else encode_headers(headers).encode()
        for body in bodies:
            if len(text) + len(body) > LARGEST:
                raise too_large(len(text) + len(body), LARGEST)
        with self._lock:
            self._wait_until_fit(len(bodies), block, timeout)
            ids = range(self._last_id + 1, self._last_id + 1 + len(bodies))
            sequence = self._write_puts(ids, bodies, text, priority, delay)
        self._make_safe(sequence)
        return list(ids)

    def _write_puts(
        self,
        ids: range,
        bodies: Sequence[bytes],
        text: bytes,
        priority: int,
        delay: float,
        attempts: int = 0,
    ) -> int:
        """Store messages; the sequence number of the last record."""
        if not ids:
            return self._journal.sequence
        due = self.clock() + delay if delay else 0.0
        puts = [
            Put(number, priority, due, attempts, text, body)
            for number, body in zip(ids, bodies, strict=True)
        ]
        seen = None if self.sync == "always" else self._show(ids, priority, due)
        sequence = self._journal.put_many(puts)
        self._last_id = ids[-1]
        if seen is None:
            self._unsynced.append((sequence, ids[0], ids[-1], priority, due))
        else:
            any(seen)
            if self._sleepers:
                self._arrived.notify(len(ids))
        return sequence

    def _restore(self, put: Put, attempts: int) -> None:
        """Put a message of another queue, with its id and as often delivered as it was there."""
        with self._lock:
            delay = max(0.0, put.due - self.clock()) if put.due else 0.0
            ids = range(put.id, put.id + 1)
            self._write_puts(ids, [put.body], put.headers, put.priority, delay, attempts)

    def _show(self, ids: range, priority: int, due: float) -> Iterator[None]:
        """What lets consumers see messages, to be run through in one go, by ``any``."""
        nothing = [b""] * len(ids)
        if due or priority:
            return self._insertion(ids, nothing, priority, due, self.clock())
        return map(self._plain.append, list(zip(ids, nothing, strict=True)))

    @property
    def _waiting(self) -> int:
        unseen = self._last_id - self._seen if self.sync == "always" else 0
        return super()._waiting + unseen

    # Consumers

    _keeps_bodies = False

    def _message(self, number: int, body: bytes, priority: int, attempts: int) -> Message:
        if body:
            return _new_message(Message, (number, body, {}, priority, attempts))
        text, body = self._journal.read_message(number)
        headers = json.loads(text) if text else {}
        return _new_message(Message, (number, body, headers, priority, attempts))

    def get(self, block: bool = True, timeout: float | None = None) -> Message:
        with self._lock:
            # Looking at more than the next message takes time.
            if (
                timeout is not None
                or self.lease is not None
                or self.maxsize > 0
                or self._heap
                or self._delayed
                or not self._plain
                or self._unusable
            ):
                return self._wait_for_messages(1, block, timeout)[0]
            number, body = self._plain[0]
            size = len(body)
            if body:
                message = _new_message(Message, (number, body, {}, 0, 1))
            else:
                try:
                    message = self._message(number, body, 0, 1)
                except CorruptQueueError:
                    self._plain.popleft()  # It is set aside.
                    raise
            self._journal.claim((number,))
            self._unacked[number] = message
            self._cached -= size
            self._plain.popleft()
            return message

    def _requeue(self, number: int) -> bool:
        self._returned[number] = self._unacked[number].attempts
        return super()._requeue(number)

    def _deliveries(self, number: int) -> int:
        held = self._unacked.get(number)
        return self._returned.get(number, 0) if held is None else held.attempts

    def _claimed(self, taken: Sequence[Entry]) -> None:
        size = sum(len(body) for _, _, body, _ in taken)
        self._journal.claim([number for _, number, _, _ in taken])
        self._cached -= size

    def _settled(self, ids: Collection[int]) -> None:
        self._journal.settle(ids)

    def _drop(self, ids: Collection[int]) -> None:
        super()._drop(ids)
        self._journal.drop(ids)
        if self._returned:
            for number in ids:
                self._returned.pop(number, None)

    def _forget(self, ids: Collection[int]) -> bool:
        done = super()._forget(ids)
        self._journal.clear_away()
        return done

    def ack(self, message: Message) -> None:
        try:
            number = message[0]
        except (TypeError, LookupError):
            check_message(message)
            raise
        with self._lock:
            if self._unacked.get(number) is not message or self._due != inf or self._unusable:
                self._check_held(message)
            self._journal.finish(number)
            del self._unacked[number]
            if self._returned:
                self._returned.pop(number, None)
            self._journal.clear_away()
        if self.sync_acks:
            self._journal.sync_through(self._journal.sequence)

    def ack_many(self, messages: Iterable[Message]) -> None:
        super().ack_many(messages)
        if self.sync_acks:
            self._journal.sync_through(self._journal.sequence)

    def nack(self, message: Message, requeue: bool = True) -> None:
        super().nack(message, requeue)
        if self.sync_acks and not requeue:
            self._journal.sync_through(self._journal.sequence)

    # The disk

    def _make_safe(self, sequence: int) -> None:
        """Do for a put what ``sync`` promises."""
        if self.sync == "always" or (
            self.sync == "batch" and self._last_id - self._journal.synced_id >= self.batch_size
        ):
            self._journal.sync_through(sequence)
        elif self._timer is not None:
            self._timer.ask()

    def _notice_sync(self) -> None:
        """See what is on disk now, or that nobody knows."""
        if self._journal.broken is not None:
            self._end()
        while self._unsynced and self._unsynced[0][0] <= self._journal.synced:
            _, first, last, priority, due = self._unsynced[0]
            if last <= self._seen:
                pass  # An interrupt came here the last time.
            elif first == last and not priority and not due:
                self._seen = last
                self._plain.append((last, b""))
            else:
                seen = self._show(range(first, last + 1), priority, due)
                self._seen = last
                any(seen)
            self._unsynced.popleft()
            if self._sleepers:
                self._arrived.notify(last + 1 - first)

    def _look(self) -> None:
        """Bring to disk, and to sight, what an interrupted put has left."""
        if self._unsynced and self._journal.is_idle:
            self._journal.sync_all()

    def _sync_in_time(self) -> bool:
        try:
            self._journal.sync_through(self._journal.sequence)
        except (QueueError, OSError):
            return False  # Whoever uses the queue next is told.
        return True

    def _refuse(self) -> NoReturn:
        self._journal.check_usable()
        super()._refuse()

    def compact(self) -> None:
        """Give space back now: of what stays in use, at most a third is of no use."""
        with self._lock:
            if self._unusable:
                self._refuse()
            self._journal.compact()

    def flush(self) -> None:
        with self._lock:
            if self._unusable:
                self._refuse()
            self._journal.flush()

    # The rest

    def _origin(self) -> Iterable[str]:
        return repr(self._given), f"sync={self.sync!r}"

    def ids(self) -> set[int]:
        with self._lock:
            self._look_up()
            return set(self._journal.ids)

    def close(self) -> None:
        with self._lock:
            if self._journal.is_closed:
                return
            try:
                self._journal.close()
            finally:
                self._let_go()

    def _let_go(self) -> None:
        """Let nobody wait any longer, be it a caller or the timer."""
        self._end()
        if self._timer is not None:
            self._timer.stop()

    def _leave_to_parent(self) -> None:
        self._share(threading.Lock())
        self._unusable = True
        self._journal.abandon()

    def _kill(self) -> None:
        with self._lock:
            self._journal.kill()
            self._let_go()

    def _lose_power(self) -> None:
        with self._lock:
            self._journal.lose_power()
            self._let_go()


def _weakly(method: Callable[..., _T]) -> Callable[..., _T]:
    """A method that doesn't keep its object alive; whoever calls it, the object does."""
    reference = weakref.WeakMethod(method)

    def call(*values: Any) -> _T:
        alive = reference()
        assert alive is not None
        result: _T = alive(*values)
        return result

    return call
