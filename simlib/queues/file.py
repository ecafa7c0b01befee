"""A queue in files: an append-only log that survives its process, and at a price the machine.

``segments`` documents the files byte by byte.
"""

from __future__ import annotations

import errno
import json
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from math import isfinite
from os import PathLike
from pathlib import Path
from typing import Any, Literal, NamedTuple, NoReturn, get_args

from .base import (
    Clock,
    CorruptQueueError,
    Message,
    QueueError,
    QueueLockedError,
    check_body,
    check_options,
    check_timeout,
    encode_headers,
)
from .local import LocalQueue
from .locks import lock_file
from .log import read_log
from .segments import (
    CLAIM,
    HEADER_SIZE,
    LONGEST,
    PUT,
    SETTLED,
    SMALLEST,
    Header,
    Put,
    Segment,
    TornError,
    content_of,
    encode_closed,
    encode_note,
    encode_put,
    put_in,
    read_record,
    size_of,
    sync_directory,
)

__all__ = ["FileQueue", "Sync"]

Sync = Literal["always", "batch", "never"]
"""When a put is on disk: before it returns, soon, or whenever the system sees fit."""

_CHUNK = 1 << 20
"""Bytes that a segment grows by."""
_RESERVE = 1 << 16
"""Bytes that puts leave for claims and acks, which must go on when the disk is full."""
_CACHE = 4 << 20
"""Bytes of bodies that are also kept in memory, for consumers that keep up."""
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

_new_message = tuple.__new__


_Place = tuple[Segment, int, int]
"""Where a message's record is: segment, offset and size."""


class _Written(NamedTuple):
    """Messages that are written, and visible to consumers once they are on disk."""

    sequence: int
    ids: range
    priority: int
    due: float


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

    Messages that were delivered and not acked are ready again when the queue is opened again.

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
        self.directory = Path(directory)
        self.sync = sync
        self.sync_acks = sync_acks
        self.batch_size = batch_size
        self.batch_time = batch_time
        self.segment_size = segment_size
        self._broken: OSError | None = None
        self._careful = maxsize > 0 or lease is not None
        self._chunk = min(_CHUNK, segment_size)
        self._reserve = min(_RESERVE, segment_size // 8)
        self._segments: deque[Segment] = deque()
        self._used = self._live = 0  # bytes of the segments, and of the messages kept in them
        self._places: dict[int, _Place] = {}
        self._cached = 0  # bytes of bodies in memory
        # How often each of the messages was delivered that were returned.
        self._returned: dict[int, int] = {}
        # Claims and acks that a full disk has no room for; written before anything else is.
        self._owed: deque[tuple[int, Collection[int]]] = deque()
        # Puts in the order of their records, until they are on disk.
        self._unsynced: deque[_Written] = deque()
        self._unsynced_messages = 0
        # Messages whose bytes are damaged: neither ready nor delivered.
        self._spoiled: set[int] = set()
        self._on_disk = threading.Condition(self._lock)
        self._is_syncing = False
        # Up to where the oldest segment was searched for messages to move.
        self._cursor = HEADER_SIZE
        self._pending = threading.Event()
        self._stop = threading.Event()
        self._timer: threading.Thread | None = None
        self._lock_handle = -1
        self._open()
        _open_queues.add(self)
        if sync == "batch" and batch_time is not None:
            self._timer = threading.Thread(
                target=self._sync_in_time, args=(batch_time,), name="FileQueue", daemon=True
            )
            self._timer.start()

    def _open(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        try:
            self._lock_handle = lock_file(self.directory / "lock")
        except BlockingIOError:
            raise QueueLockedError(
                f"{self.directory} is open already; a file queue belongs to one process at a time"
            ) from None
        try:
            log = read_log(self.directory)
            self._sequence, self._last_id = log.sequence, log.next_id - 1
            for file, used in log.ends.items():
                segment = Segment(file, int(file.stem), used)
                self._segments.append(segment)
                segment.sync()  # what a process left with the system when it was killed
            self._synced = log.sequence
            if not self._segments:
                self._new_segment(1)
            self._used = sum(segment.used for segment in self._segments)
            by_number = {segment.number: segment for segment in self._segments}
            now = self.clock()
            for number, found in sorted(log.messages.items()):
                segment = by_number[found.segment]
                self._keep(number, segment, found.offset, found.size)
                if found.attempts:
                    self._returned[number] = found.attempts
                if found.due > now or found.priority or found.attempts:
                    attempts = found.attempts + 1
                    self._insert([number], [b""], found.priority, found.due, now, attempts)
                else:
                    self._plain.append((number, b""))
        except BaseException:
            self._let_go()
            raise

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
            or len(body) > LONGEST
        ):
            return self.put_many(
                (body,), block, timeout, headers=headers, priority=priority, delay=delay
            )[0]
        with self._lock:
            if self._unusable:
                self._refuse()
            if self._owed:
                self._write_owed()
            number = self._last_id + 1
            sequence = self._sequence + 1
            record = encode_put(sequence, self._synced, (number, 0, 0.0, 0, b"", body))
            segment, offset = self._append(record, 1, self._reserve)
            self._last_id = number
            size = len(record)
            self._places[number] = (segment, offset, size)
            segment.live += size
            self._live += size
            if self.sync != "never":
                self._unsynced.append(_Written(sequence, range(number, number + 1), 0, 0.0))
                self._unsynced_messages += 1
            if self.sync != "always":
                if self._cached < _CACHE:
                    self._cached += len(body)
                    self._plain.append((number, body))
                else:
                    self._plain.append((number, b""))
                if self._getters:
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
        if not -(1 << 63) <= priority < 1 << 63:
            raise ValueError(f"priority must fit into 64 bits, got {priority}")
        if block and self.maxsize > 0:
            check_timeout(timeout)
        text = b"" if headers is None else encode_headers(headers).encode()
        for body in bodies:
            if len(text) + len(body) > LONGEST:
                raise ValueError(
                    f"headers and body must be at most {LONGEST:,} bytes together, "
                    f"got {len(text) + len(body):,}"
                )
        with self._lock:
            self._wait_for_room(len(bodies), block, timeout)
            put = self._write_puts(bodies, text, priority, delay)
            if self.sync != "always":
                self._show(put)
        self._make_safe(put.sequence)
        return list(put.ids)

    def _write_puts(
        self, bodies: Sequence[bytes], text: bytes, priority: int, delay: float, attempts: int = 0
    ) -> _Written:
        self._write_owed()
        due = self.clock() + delay if delay else 0.0
        sequence, synced, first = self._sequence + 1, self._synced, self._last_id + 1
        records = [
            encode_put(
                sequence + place, synced, Put(first + place, priority, due, attempts, text, body)
            )
            for place, body in enumerate(bodies)
        ]
        data = records[0] if len(records) == 1 else b"".join(records)
        segment, offset = self._append(data, len(records), self._reserve)
        for number, record in enumerate(records, first):
            self._keep(number, segment, offset, len(record))
            offset += len(record)
        self._last_id += len(bodies)
        put = _Written(self._sequence, range(first, first + len(bodies)), priority, due)
        if self.sync != "never":
            self._unsynced.append(put)
            self._unsynced_messages += len(bodies)
        return put

    def _restore(self, put: Put, attempts: int) -> None:
        """Put a message of another queue, as often delivered as it was there."""
        with self._lock:
            delay = max(0.0, put.due - self.clock()) if put.due else 0.0
            self._write_puts([put.body], put.headers, put.priority, delay, attempts)

    def _keep(self, number: int, segment: Segment, offset: int, size: int) -> None:
        """Note where a message is."""
        self._places[number] = (segment, offset, size)
        segment.live += size
        self._live += size

    def _show(self, put: _Written) -> None:
        """Let consumers see messages."""
        if put.due or put.priority:
            nothing = [b""] * len(put.ids)
            self._insert(put.ids, nothing, put.priority, put.due, self.clock())
        else:
            for number in put.ids:
                self._plain.append((number, b""))
        if self._getters:
            self._arrived.notify(len(put.ids))

    @property
    def _waiting(self) -> int:
        unseen = self._unsynced_messages if self.sync == "always" else 0
        return super()._waiting + unseen

    # Consumers

    def _message(self, number: int, body: bytes, priority: int, attempts: int) -> Message:
        if body:
            self._cached -= len(body)
            return _new_message(Message, (number, body, {}, priority, attempts))
        segment, offset, size = self._places[number]
        content = content_of(segment.read(offset, size), number)
        if content is None:
            self._spoiled.add(number)
            raise CorruptQueueError(
                f"message {number} is damaged in {segment.file} at byte {offset}. It is set aside, "
                f"the others are delivered; simlib.queues.recover({str(self.directory)!r}) makes a "
                "new queue without it",
                segment.file,
                offset,
            )
        text, body = content
        headers = json.loads(text) if text else {}
        return _new_message(Message, (number, body, headers, priority, attempts))

    def get(self, block: bool = True, timeout: float | None = None) -> Message:
        with self._lock:
            # Looking at more than the next message takes time.
            if self._careful or self._heap or self._delayed or not self._plain or self._unusable:
                return self._wait_for_messages(1, block, timeout)[0]
            number, body = self._plain.popleft()
            self._unacked[number] = message = self._message(number, body, 0, 1)
            self._note(CLAIM, (number,))
            return message

    def _requeue(self, message: Message, attempts: int) -> None:
        self._returned[message.id] = attempts - 1
        super()._requeue(message._replace(body=b""), attempts)

    def _claimed(self, messages: Sequence[Message]) -> None:
        self._note(CLAIM, [message[0] for message in messages])

    def _settled(self, ids: Collection[int]) -> None:
        if not ids:
            return
        self._note(SETTLED, ids)
        for number in ids:
            segment, _, size = self._places.pop(number)
            segment.live -= size
            self._live -= size
            if self._returned:
                self._returned.pop(number, None)
        if self._owed and not self._live:
            self._start_over()
        elif len(self._segments) > 1 and (not self._segments[0].live or self._is_wasteful()):
            self._clear_away(1 << 16)

    def ack(self, message: Message) -> None:
        super().ack(message)
        if self.sync_acks:
            self._sync_through(self._sequence)

    def ack_many(self, messages: Iterable[Message]) -> None:
        super().ack_many(messages)
        if self.sync_acks:
            self._sync_through(self._sequence)

    def nack(self, message: Message, requeue: bool = True) -> None:
        super().nack(message, requeue)
        if self.sync_acks and not requeue:
            self._sync_through(self._sequence)

    # Writing; all of it under the lock

    def _note(self, kind: int, ids: Collection[int]) -> None:
        """Write down what happened to messages, or, on a full disk, that it has to be written."""
        try:
            if self._owed:
                self._write_owed()
            self._append(encode_note(kind, self._sequence + 1, self._synced, ids), 1, 0)
        except OSError as error:
            if error.errno not in _NO_ROOM or self.sync_acks:
                raise
            self._owed.append((kind, ids))

    def _write_owed(self) -> None:
        while self._owed:
            kind, ids = self._owed[0]
            self._append(encode_note(kind, self._sequence + 1, self._synced, ids), 1, 0)
            self._owed.popleft()

    def _append(self, data: bytes, records: int, reserve: int) -> tuple[Segment, int]:
        """Write records, in a new segment if this one is full; where they begin.

        With a ``reserve`` so many bytes must stay free behind them; without one they take what
        there is when the disk is full.
        """
        segment = self._segments[-1]
        size = len(data)
        needed = segment.used + size + reserve
        if needed > segment.allocated:
            try:
                if needed > self.segment_size and segment.used > HEADER_SIZE:
                    segment = self._roll()
                    needed = segment.used + size + reserve
                if needed > segment.allocated:
                    self._allocate(segment, needed - segment.allocated)
            except OSError as error:
                if reserve or error.errno not in _NO_ROOM or not segment.has_room(size):
                    raise
        offset = segment.used
        try:
            segment.append(data)
        except OSError as error:
            if segment.spoiled:
                self._break(error)
            raise
        self._sequence += records
        self._used += size
        return segment, offset

    def _allocate(self, segment: Segment, needed: int) -> None:
        """Allocate a chunk more; on a disk that has no room for it, what is needed."""
        if needed < self._chunk:
            try:
                segment.allocate(self._chunk)
            except OSError as error:
                if error.errno not in _NO_ROOM:
                    raise
            else:
                return
        segment.allocate(needed)

    def _roll(self) -> Segment:
        """Go on in a new segment."""
        old = self._segments[-1]
        if self.sync != "never":
            self._sync_all()
        new = self._new_segment(old.number + 1)
        old.trim()
        return new

    def _new_segment(self, number: int) -> Segment:
        header = Header(number, self._sequence + 1, self._last_id + 1, self._synced)
        segment = Segment.create(self.directory, header, self._chunk)
        self._segments.append(segment)
        self._used += segment.used
        return segment

    # Bringing to disk

    def _sync_all(self) -> None:
        """Bring everything to disk, under the lock."""
        for segment in self._segments:
            if segment.synced < segment.used:
                self._sync(segment)
        self._now_synced(self._sequence)

    def _sync_through(self, sequence: int) -> None:
        """Bring a record and all before it to disk.

        One thread at a time syncs, for all who have written so far; the others wait for it.
        """
        with self._lock:
            while self._is_syncing and self._synced < sequence:
                self._on_disk.wait()
            if self._synced >= sequence:
                return
            self._check_usable()
            segment, sequence = self._segments[-1], self._sequence
            self._is_syncing = True
            segment.users += 1
        synced = 0
        try:
            self._sync(segment)
            synced = sequence
        finally:
            with self._lock:
                self._is_syncing = False
                self._on_disk.notify_all()
                segment.users -= 1
                if segment.doomed:
                    segment.remove()
                self._now_synced(synced)

    def _sync(self, segment: Segment) -> None:
        """Bring a segment to disk; after a failure nothing can be promised any more.

        A second try would report success for pages that the first one has dropped (Rebello et al.
        2020, "Can applications recover from fsync failures?").
        """
        try:
            segment.sync()
        except OSError as error:
            self._break(error)
            raise

    def _break(self, error: OSError) -> None:
        """Refuse all that comes, since nobody knows what is on disk."""
        self._broken = error
        self._unusable = True

    def _now_synced(self, sequence: int) -> None:
        self._synced = max(self._synced, sequence)
        while self._unsynced and self._unsynced[0].sequence <= sequence:
            put = self._unsynced.popleft()
            self._unsynced_messages -= len(put.ids)
            if self.sync == "always":
                self._show(put)

    def _make_safe(self, sequence: int) -> None:
        """Do for a put what ``sync`` promises."""
        if self.sync == "always" or (
            self.sync == "batch" and self._unsynced_messages >= self.batch_size
        ):
            self._sync_through(sequence)
        elif not self._pending.is_set():
            self._pending.set()

    def _sync_in_time(self, delay: float) -> None:
        while not self._stop.is_set():
            self._pending.wait()
            self._stop.wait(delay)
            self._pending.clear()
            try:
                self._sync_through(self._sequence)
            except (QueueError, OSError):
                return  # whoever uses the queue next is told

    def _refuse(self) -> NoReturn:
        if self._broken is None:
            super()._refuse()
        raise QueueError(
            f"{self.directory} can't be used after an I/O error ({self._broken}): what is on disk "
            "is not known. Close the queue, see to the disk, and open it again"
        )

    def _check_usable(self) -> None:
        if self._unusable:
            self._refuse()

    # Giving space back

    def _is_wasteful(self) -> bool:
        """Whether so much of the log is of no use that it is worth doing something."""
        return self._used > 2 * self._live + 2 * self.segment_size

    def _clear_away(self, budget: int) -> None:
        """Remove segments nobody needs, and move what still waits out of the oldest one.

        Only so many bytes are looked at, so that nobody waits long for it.
        """
        try:
            while len(self._segments) > 1:
                oldest = self._segments[0]
                if oldest.live and budget > 0 and self._is_wasteful():
                    budget -= self._move_some(oldest, budget)
                if oldest.live:
                    return
                self._remove_oldest()
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise

    def _remove_oldest(self) -> None:
        if self._cursor > HEADER_SIZE:
            self._sync_all()  # what was moved must be safe before its old copy goes
        oldest = self._segments[0]
        oldest.remove()
        self._segments.popleft()
        self._used -= oldest.used
        self._cursor = HEADER_SIZE
        # The next one has acks of messages in this one, so it must not go before it.
        sync_directory(self.directory)

    def _move_some(self, oldest: Segment, budget: int) -> int:
        """Put messages of the oldest segment again, at the end; how many bytes were looked at."""
        begin = self._cursor
        while self._cursor < oldest.used and self._cursor - begin < budget:
            data = oldest.read(self._cursor, SMALLEST)
            size = size_of(data)
            data = oldest.read(self._cursor, size)
            self._move(oldest, self._cursor, data)
            self._cursor += size
        return max(self._cursor - begin, 1)

    def _move(self, oldest: Segment, offset: int, data: bytes) -> None:
        try:
            record = read_record(data, 0)
        except TornError:
            return  # Damaged; so it stays where it is, and its segment with it.
        if record.kind != PUT:
            return
        put = put_in(record)
        if self._places.get(put.id) != (oldest, offset, len(data)):
            return
        held = self._unacked.get(put.id)
        attempts = held.attempts if held else self._returned.get(put.id, 0)
        copy = encode_put(self._sequence + 1, self._synced, put._replace(attempts=attempts))
        place = self._append(copy, 1, self._reserve)
        oldest.live -= len(data)
        self._live -= len(data)
        self._keep(put.id, *place, len(copy))

    def _start_over(self) -> None:
        """Empty the log of a queue that has become empty on a full disk."""
        while len(self._segments) > 1:
            self._remove_oldest()
        (segment,) = self._segments
        header = Header(segment.number, self._sequence + 1, self._last_id + 1, self._sequence)
        segment.restart(header)
        self._used = segment.used
        self._synced = self._sequence
        self._owed.clear()

    def compact(self) -> None:
        """Give space back now: what is in use is at most twice what the messages kept take."""
        with self._lock:
            self._check_usable()
            self._compact()
            self._segments[-1].trim()

    def _compact(self) -> None:
        self._write_owed()
        if self._used <= 2 * self._live + HEADER_SIZE:
            return
        last = self._segments[-1].number
        self._roll()
        while self._used > 2 * self._live and self._segments[0].number <= last:
            oldest = self._segments[0]
            if oldest.live:
                self._move_some(oldest, oldest.used)
            if oldest.live:
                return
            self._remove_oldest()

    # The end

    def flush(self) -> None:
        with self._lock:
            self._check_usable()
            self._write_owed()
            self._sync_all()

    def close(self) -> None:
        with self._lock:
            while self._is_syncing:
                self._on_disk.wait()
            if self._lock_handle < 0:
                return
            try:
                if self._broken is None:
                    self._finish()
            finally:
                self._end()
                self._let_go()

    def _finish(self) -> None:
        """Leave the log tidy."""
        try:
            self._compact()
            self._sync_all()
            self._append(encode_closed(self._sequence + 1, self._synced), 1, 0)
            self._segments[-1].trim()
        except OSError as error:
            # The log is in order as it is, unless something has not been written down.
            if error.errno not in _NO_ROOM or self._owed:
                raise
        self._sync_all()

    def _let_go(self) -> None:
        """Close the files as they are, and give up the lock."""
        self._stop.set()
        self._pending.set()
        for segment in self._segments:
            segment.close()
        if self._lock_handle >= 0:
            os.close(self._lock_handle)
            self._lock_handle = -1
        _open_queues.discard(self)

    def _kill(self) -> None:
        """Leave everything as it is when the process is killed."""
        with self._lock:
            self._end()
            self._let_go()

    def _lose_power(self) -> None:
        """Leave everything as it is after a power cut that took all that was not on disk."""
        with self._lock:
            while self._is_syncing:
                self._on_disk.wait()
        self._kill()
        for segment in self._segments:
            os.truncate(segment.file, segment.synced)


_open_queues: weakref.WeakSet[FileQueue] = weakref.WeakSet()


def _forget_in_child() -> None:
    """A fork has the files and not the lock: what is open belongs to the parent."""
    for queue in list(_open_queues):
        queue._lock = threading.Lock()
        queue._unusable = True
        queue._let_go()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)


def check_sync(sync: str, batch_size: int, batch_time: float | None) -> None:
    """Raise ValueError unless these say when a put is on disk."""
    if sync not in get_args(Sync):
        raise ValueError(f"sync must be one of {get_args(Sync)}, got {sync!r}")
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise ValueError(f"batch_size must be a whole number of messages >= 1, got {batch_size!r}")
    if batch_time is not None and not (isfinite(batch_time) and batch_time > 0):
        raise ValueError(f"batch_time must be > 0 seconds or None, got {batch_time!r}")
