"""What queues share that live in one process: who waits for what, and until when.

:class:`LocalQueue` knows which messages wait, which are delayed and which are held, and lets
threads wait for a message or for room. Where a message's content is kept, and what has to be
written down when something happens to it, is for subclasses to say.
"""

from __future__ import annotations

import heapq
import threading
import time
from abc import abstractmethod
from collections import deque
from collections.abc import Collection, Iterable, Sequence
from math import inf
from typing import NoReturn

from .base import (
    Clock,
    Empty,
    Full,
    LeaseLostError,
    Message,
    MessageQueue,
    QueueClosedError,
    check_most,
    check_timeout,
)

__all__ = ["LocalQueue"]


class LocalQueue(MessageQueue):
    """A queue shared by the threads of one process.

    Parameters
    ----------
    maxsize, lease, clock
        As for :class:`MessageQueue`.
    """

    def __init__(self, maxsize: int, lease: float | None, clock: Clock) -> None:
        super().__init__(maxsize, lease, clock)
        self._lock = threading.Lock()
        self._arrived = threading.Condition(self._lock)
        self._room = threading.Condition(self._lock)
        # How many threads wait on each condition, so that nobody pays for a notify in vain.
        self._getters = 0
        self._putters = 0
        # Whether every call is to be refused, be it that the queue is closed.
        self._unusable = False
        self._last_id = 0
        # Messages of priority 0 that were never delivered wait as (id, body): that is what makes
        # a put cheap.
        self._plain: deque[tuple[int, bytes]] = deque()
        # All others as (-priority, id, body, attempts): prioritised, with headers, returned, or no
        # longer delayed. Heads of the heap and of the deque are compared by (-priority, id).
        self._heap: list[tuple[int, int, bytes, int]] = []
        self._delayed: list[tuple[float, int, int, bytes, int]] = []
        self._unacked: dict[int, Message] = {}
        # When each lease ends, oldest first, since all leases of a queue are equally long. Those of
        # messages that are not held any more go when their turn comes.
        self._leases: deque[tuple[float, Message]] = deque()
        # Nothing delayed or leased falls due before this instant.
        self._due = inf

    # What subclasses say; each is called under the lock

    @abstractmethod
    def _message(self, number: int, body: bytes, priority: int, attempts: int) -> Message:
        """The message to be delivered, from what waited in its place."""

    def _refuse(self) -> NoReturn:
        """Say why the queue is unusable."""
        raise QueueClosedError("the queue is closed")

    def _claimed(self, messages: Sequence[Message]) -> None:
        """Messages are about to be delivered."""

    def _settled(self, ids: Collection[int]) -> None:
        """Messages are done, or dropped."""

    # Producers

    def _insert(
        self,
        ids: Iterable[int],
        bodies: Iterable[bytes],
        priority: int,
        due: float,
        now: float,
        attempts: int = 1,
    ) -> None:
        """Let messages wait, until ``due`` (s) if that is later than ``now``."""
        for number, body in zip(ids, bodies, strict=True):
            if due > now:
                heapq.heappush(self._delayed, (due, number, priority, body, attempts))
                self._due = min(self._due, due)
            else:
                heapq.heappush(self._heap, (-priority, number, body, attempts))

    @property
    def _waiting(self) -> int:
        return len(self._plain) + len(self._heap) + len(self._delayed)

    def _wait_for_room(self, needed: int, block: bool, timeout: float | None) -> None:
        if 0 < self.maxsize < needed:
            raise ValueError(f"{needed} messages can never fit into maxsize={self.maxsize}")
        end = inf if timeout is None else time.monotonic() + timeout
        while True:
            if self._unusable:
                self._refuse()
            if self.maxsize <= 0 or self._waiting + needed <= self.maxsize:
                return
            remaining = end - time.monotonic() if block else 0.0
            if remaining <= 0:
                raise Full
            self._putters += 1
            try:
                self._room.wait(None if remaining == inf else remaining)
            finally:
                self._putters -= 1

    # Consumers

    def get(self, block: bool = True, timeout: float | None = None) -> Message:
        with self._lock:
            return self._wait_for_messages(1, block, timeout)[0]

    def get_many(
        self, most: int, block: bool = False, timeout: float | None = None
    ) -> list[Message]:
        check_most(most)
        with self._lock:
            try:
                return self._wait_for_messages(most, block, timeout)
            except Empty:
                return []

    def _wait_for_messages(self, most: int, block: bool, timeout: float | None) -> list[Message]:
        if block:
            check_timeout(timeout)
        end = inf if timeout is None else time.monotonic() + timeout
        while True:
            if self._unusable:
                self._refuse()
            if self._due != inf:
                self._release()
            messages = self._take(most)
            if messages:
                if self._putters:
                    self._room.notify_all()
                return messages
            remaining = end - time.monotonic() if block else 0.0
            if remaining <= 0:
                if self._getters:
                    self._arrived.notify()  # Somebody else has to look out for what falls due.
                raise Empty
            remaining = min(remaining, self._due_in())
            self._getters += 1
            try:
                self._arrived.wait(None if remaining == inf else remaining)
            finally:
                self._getters -= 1

    def _take(self, most: int) -> list[Message]:
        """The messages that go first, from now on unacked."""
        messages: list[Message] = []
        try:
            while len(messages) < most and (message := self._take_one()) is not None:
                messages.append(message)
            if messages:
                self._claimed(messages)
        except BaseException:
            for message in messages:  # as if they had not been touched
                self._requeue(message, message.attempts)
            raise
        for message in messages:
            self._unacked[message.id] = message
        if messages and self.lease is not None:
            end = self.clock() + self.lease
            for message in messages:
                self._begin_lease(message, end)
        return messages

    def _take_one(self) -> Message | None:
        """The message that goes first; None if there is none."""
        heap, plain = self._heap, self._plain
        try:
            if heap and (not plain or heap[0][:2] < (0, plain[0][0])):
                priority, number, body, attempts = heapq.heappop(heap)
                return self._message(number, body, -priority, attempts)
            number, body = plain.popleft()
        except IndexError:  # A get without the lock was faster.
            return self._take_one() if heap else None
        return self._message(number, body, 0, 1)

    def _begin_lease(self, message: Message, end: float) -> None:
        self._leases.append((end, message))
        if end < self._due:
            self._due = end
        if len(self._leases) > 2 * len(self._unacked) + 100:
            self._leases = deque(each for each in self._leases if self._is_held(each[1]))
        if self._getters:
            self._arrived.notify()  # Whoever waits has a new instant to wake up at.

    def _is_held(self, message: Message) -> bool:
        return self._unacked.get(message.id) is message

    def ack(self, message: Message) -> None:
        number = message[0]
        with self._lock:
            if self._unacked.get(number) is not message or self._due != inf or self._unusable:
                self._check_held(message)
            self._forget((number,))

    def ack_many(self, messages: Iterable[Message]) -> None:
        messages = list(messages)
        with self._lock:
            known: set[int] = set()
            for message in messages:
                self._check_held(message, among=known)
                known.add(message.id)
            self._forget(known)

    def nack(self, message: Message, requeue: bool = True) -> None:
        with self._lock:
            self._check_held(message)
            if requeue:
                self._requeue(self._unacked.pop(message.id), message.attempts + 1)
            else:
                self._forget((message.id,))

    def _forget(self, ids: Collection[int]) -> None:
        self._settled(ids)
        for number in ids:
            del self._unacked[number]

    def _check_held(self, message: Message, among: Collection[int] = ()) -> None:
        """Raise unless this very delivery is held, under a lease that runs, and no repetition."""
        if self._unusable:
            self._refuse()
        self._release()
        held = self._unacked.get(message.id)
        if held is None or message.id in among:
            raise LeaseLostError(
                f"message {message.id} in attempt {message.attempts} is not held: it was acked or "
                "nacked before, its lease ran out, or it came from another queue"
            )
        if held.attempts != message.attempts:
            raise LeaseLostError(
                f"message {message.id} in attempt {message.attempts} has passed on: its lease ran "
                f"out, and another consumer holds it in attempt {held.attempts}"
            )

    # Time

    def _release(self) -> None:
        """Make ready what has fallen due: delayed messages, and those whose lease ran out."""
        now = self.clock()
        if now < self._due:
            return
        while self._delayed and self._delayed[0][0] <= now:
            _, number, priority, body, attempts = heapq.heappop(self._delayed)
            heapq.heappush(self._heap, (-priority, number, body, attempts))
        while self._leases and self._leases[0][0] <= now:
            _, message = self._leases.popleft()
            if self._is_held(message):
                self._requeue(self._unacked.pop(message.id), message.attempts + 1)
        self._due = self._next_due()

    def _next_due(self) -> float:
        while self._leases and not self._is_held(self._leases[0][1]):
            self._leases.popleft()
        due = self._delayed[0][0] if self._delayed else inf
        return min(due, self._leases[0][0]) if self._leases else due

    def _due_in(self) -> float:
        return max(0.0, self._next_due() - self.clock())

    def due_in(self) -> float:
        with self._lock:
            return self._due_in()

    def _requeue(self, message: Message, attempts: int) -> None:
        """Put a message back to its old place: ahead of everything that was put after it."""
        heapq.heappush(self._heap, (-message.priority, message.id, message.body, attempts))
        if self._getters:
            self._arrived.notify()

    # The rest

    def qsize(self) -> int:
        with self._lock:
            self._release()
            return len(self._plain) + len(self._heap)

    @property
    def delayed(self) -> int:
        with self._lock:
            self._release()
            return len(self._delayed)

    @property
    def unacked(self) -> int:
        with self._lock:
            self._release()
            return len(self._unacked)

    def ids(self) -> set[int]:
        with self._lock:
            return {
                *(number for number, _ in self._plain),
                *(number for _, number, *_ in self._heap),
                *(number for _, number, *_ in self._delayed),
                *self._unacked,
            }

    def _end(self) -> None:
        """Let nobody wait any longer; to be called under the lock when the queue is closed."""
        self._unusable = True
        self._arrived.notify_all()
        self._room.notify_all()
