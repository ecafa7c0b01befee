"""The log of a :class:`FileQueue`: where each message is, what has become of it, and the space.

``records`` documents the files byte by byte, and ``reader`` reads them.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from ..errors import CorruptQueueError, recovery
from ..message import Sync
from .mark import Mark, MarkFile
from .reader import Log, read_log
from .records import (
    CLAIM,
    HEADER_SIZE,
    PUT,
    SETTLED,
    SMALLEST,
    Header,
    Put,
    Record,
    TornError,
    content_of,
    encode_closed,
    encode_note,
    encode_put,
    put_in,
    read_record,
    size_of,
)
from .segments import Segment, sync_directory
from .writer import NO_ROOM, LogWriter

__all__ = ["Journal"]

_RESERVE = 1 << 16
"""Bytes that puts leave for claims and acks, which must go on when the disk is full."""
_BUDGET = 1 << 16
"""Bytes that are looked at in one go to give space back, so that nobody waits long for it."""


class Journal(LogWriter):
    """What happens to the messages of one queue, written down.

    Parameters
    ----------
    directory, segment_size, lock, announce
        As for :class:`LogWriter`.
    sync, sync_acks
        As for :class:`FileQueue`: what the queue promises.
    deliveries : callable
        How often the message with an id has been delivered.
    """

    def __init__(
        self,
        directory: Path,
        segment_size: int,
        sync: Sync,
        sync_acks: bool,
        lock: threading.Lock,
        announce: Callable[[], None],
        deliveries: Callable[[int], int],
    ) -> None:
        super().__init__(directory, segment_size, sync != "never" or sync_acks, lock, announce)
        self._may_owe = not sync_acks
        self._deliveries = deliveries
        self._reserve = min(_RESERVE, segment_size // 8)
        # Where each message is: segment, offset and size.
        self._places: dict[int, tuple[Segment, int, int]] = {}
        self._live = 0  # bytes of the messages that are kept
        # Claims and acks that a full disk has no room for; written before anything else is.
        self._owed: deque[tuple[int, Collection[int]]] = deque()
        # Up to where the oldest segment was searched for messages to move.
        self._cursor = HEADER_SIZE

    def read(self) -> Log:
        """Read what is there, and be ready to write on."""
        log = read_log(self.directory)
        oldest = min((int(file.stem) for file in log.ends), default=1)
        self._mark = MarkFile(self.directory, Mark(oldest))
        self.sequence, self._next_id = log.sequence, log.next_id
        for file, used in log.ends.items():
            segment = Segment(file, int(file.stem), used)
            self._segments.append(segment)
            self._used += used
            segment.sync()  # what a process left with the system when it was killed
        self.synced, self.synced_id = log.sequence, log.next_id - 1
        if not self._segments:
            self._new_segment(1)
        self._write_mark(self._segments[0].number)
        by_number = {segment.number: segment for segment in self._segments}
        for number, found in log.messages.items():
            self._keep(number, by_number[found.segment], found.offset, found.size)
        return log

    @property
    def ids(self) -> Iterable[int]:
        """The messages that were put and not settled."""
        return self._places

    def put(self, put: tuple[int, int, float, int, bytes, bytes]) -> int:
        """Write a message, with the fields of a ``Put``; the sequence number of its record."""
        if self._owed:
            self._write_owed()
        record = encode_put(self.sequence + 1, self.synced, put)
        size = len(record)
        segment, offset = self._append(record, 1, self._reserve)
        self._next_id = put[0] + 1
        self._places[put[0]] = (segment, offset, size)
        segment.live += size
        self._live += size
        return self.sequence

    def put_many(self, puts: Sequence[Put]) -> int:
        """Write messages, all or none, with ids that rise; the last sequence number."""
        self._write_owed()
        records = [
            encode_put(sequence, self.synced, put)
            for sequence, put in enumerate(puts, self.sequence + 1)
        ]
        data = b"".join(records)
        size = len(data)
        segment = self._room_for(size, self._reserve)
        places = {}
        offset = segment.used
        for put, record in zip(puts, records, strict=True):
            places[put.id] = (segment, offset, len(record))
            offset += len(record)
        self._append(data, len(records), self._reserve)
        self._next_id = puts[-1].id + 1
        self._places |= places
        segment.live += size
        self._live += size
        return self.sequence

    def read_message(self, number: int) -> tuple[bytes, bytes]:
        """Headers and body of a message; CorruptQueueError if they are damaged."""
        segment, offset, size = self._places[number]
        content = content_of(segment.read(offset, size), number)
        if content is None:
            raise CorruptQueueError(
                f"message {number} is damaged in {segment.file} at byte {offset}. It is set aside, "
                f"the others are delivered; {recovery(self.directory)} makes a "
                "new queue without it",
                segment.file,
                offset,
            )
        return content

    def claim(self, ids: Collection[int]) -> None:
        """Write down that messages are delivered."""
        self._note(CLAIM, ids)

    def settle(self, ids: Collection[int]) -> None:
        """Write down that messages are done; ``drop`` them next."""
        self._note(SETTLED, ids)

    def finish(self, number: int) -> None:
        """Write down that a message is done, and keep it no longer, in one go."""
        self._note(SETTLED, (number,))
        segment, _, size = self._places[number]
        segment.live -= size
        self._live -= size
        del self._places[number]

    def drop(self, ids: Collection[int]) -> None:
        """Keep messages no longer, if they still are."""
        for number in ids:
            if number in self._places:
                segment, _, size = self._places[number]
                segment.live -= size
                self._live -= size
                del self._places[number]

    def _keep(self, number: int, segment: Segment, offset: int, size: int) -> None:
        """Remember where a message is."""
        self._places[number] = (segment, offset, size)
        segment.live += size
        self._live += size

    # What is owed

    def _note(self, kind: int, ids: Collection[int]) -> None:
        """Write down what happened to messages, or, on a full disk, that it has to be written."""
        try:
            if self._owed:
                self._write_owed()
            self._append(encode_note(kind, self.sequence + 1, self.synced, ids), 1, 0)
        except OSError as error:
            if error.errno not in NO_ROOM or not self._may_owe:
                raise
            self._owed += ((kind, ids),)

    def _write_owed(self) -> None:
        if self._owed and not self._live and self._syncing is None:
            self._start_over()
        while self._owed:
            kind, ids = self._owed[0]
            self._append(encode_note(kind, self.sequence + 1, self.synced, ids), 1, 0)
            self._owed.popleft()

    def flush(self) -> None:
        """Write what is owed, and bring everything to disk."""
        self._write_owed()
        self.sync_all()

    def _start_over(self) -> None:
        """Empty the log of a queue that has become empty on a full disk."""
        while len(self._segments) > 1:
            self._remove_oldest()
        segment = self._segments[0]
        header = Header(segment.number, self.sequence + 1, self._next_id, self.sequence)
        try:
            segment.restart(header)
        except BaseException as error:
            self._break(error)
            raise
        self._used = segment.used
        self.synced, self.synced_id = self.sequence, self._next_id - 1
        self._owed.clear()
        self._announce()

    # Giving space back

    def clear_away(self) -> None:
        """Give space back if much of it is of no use, or if the disk is full."""
        try:
            if self._owed and not self._live:
                self._write_owed()
            elif len(self._segments) > 1 and (not self._segments[0].live or self._is_wasteful()):
                self._clear_some(_BUDGET)
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise

    def _is_wasteful(self) -> bool:
        """Whether so much of the log is of no use that it is worth doing something."""
        return self._used > 2 * self._live + 2 * self._segment_size

    def _clear_some(self, budget: int) -> None:
        """Remove segments nobody needs, and move what still waits out of the oldest one."""
        while len(self._segments) > 1:
            oldest = self._segments[0]
            # A copy would count claims that are owed, and they would count once more.
            if oldest.live and budget > 0 and not self._owed and self._is_wasteful():
                budget -= self._move_some(oldest, budget)
            if oldest.live or (self._syncing is not None and oldest is self._syncing[0]):
                return
            self._remove_oldest()

    def _remove_oldest(self) -> None:
        if self._cursor > HEADER_SIZE:
            self.sync_all()  # what was moved must be safe before its old copy goes
        oldest = self._segments[0]
        self._write_mark(oldest.number + 1)
        oldest.remove()
        # The next one has acks of messages in this one, so it must not go before it.
        try:
            sync_directory(self.directory)
        except OSError as error:
            self._break(error)
            raise
        self._used -= oldest.used
        self._cursor = HEADER_SIZE
        self._segments.popleft()

    def _move_some(self, oldest: Segment, budget: int) -> int:
        """Put messages of the oldest segment again, at the end; how many bytes were looked at."""
        begin = self._cursor
        while self._cursor < oldest.used and self._cursor - begin < budget:
            head = oldest.read(self._cursor, SMALLEST)
            try:
                record = read_record(oldest.read(self._cursor, size_of(head)), 0)
            except TornError:
                # Damaged; so it stays where it is, with all behind it, and its segment, too.
                self._cursor = oldest.used
                break
            if record.kind == PUT:
                number = put_in(record).id
                if self._places.get(number) == (oldest, self._cursor, record.size):
                    self._move(number, record)
            self._cursor += record.size
        return max(self._cursor - begin, 1)

    def _move_message(self, number: int) -> None:
        """Put a message again, at the end, unless it is damaged."""
        segment, offset, size = self._places[number]
        with suppress(TornError):
            self._move(number, read_record(segment.read(offset, size), 0))

    def _move(self, number: int, record: Record) -> None:
        put = put_in(record)._replace(attempts=self._deliveries(number))
        copy = encode_put(self.sequence + 1, self.synced, put)
        new = len(copy)
        segment, offset = self._append(copy, 1, self._reserve)
        old, _, size = self._places[number]
        self._places[number] = (segment, offset, new)
        old.live -= size
        segment.live += new
        self._live += new - size

    def compact(self) -> None:
        """Give space back now: of what stays in use, at most a third is of no use."""
        self._wait_for_sync()
        self._write_owed()
        if self._used > 1.5 * self._live + HEADER_SIZE:
            last = self._roll().number
            for number in sorted(self._places):
                self._move_message(number)
            self._cursor = self._segments[0].used
            while self._segments[0].number < last and not self._segments[0].live:
                self._remove_oldest()
        self._segments[-1].trim()

    # The end

    def close(self) -> None:
        """Leave the log tidy, and give it up."""
        self._wait_for_sync()
        try:
            if self.broken is None and not self.is_closed:
                self._finish()
        finally:
            self.abandon()

    def _finish(self) -> None:
        try:
            self.compact()
            self.sync_all()
            self._append(encode_closed(self.sequence + 1, self.synced), 1, 0)
            self._segments[-1].trim()
        except OSError as error:
            # The log is in order as it is, unless something has not been written down.
            if error.errno not in NO_ROOM or self._owed or self.broken is not None:
                raise
        self.sync_all()
        self._write_mark(self._segments[0].number)
