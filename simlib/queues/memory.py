"""A queue in memory: fast, and gone with its process."""

from __future__ import annotations

import heapq
import json
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Collection, Iterable, Mapping
from itertools import islice
from math import inf
from typing import Any

from .base import (
    Clock,
    Empty,
    Full,
    LeaseLostError,
    Message,
    MessageQueue,
    QueueClosedError,
    check_body,
    check_most,
    check_options,
    check_timeout,
    encode_headers,
)

# Message(...) calls a Python function that calls this one; gets are too frequent for the detour.
_new_message = tuple.__new__


class MemoryQueue(MessageQueue):
    """Messages in this process's memory, shared by its threads.

    A put, a get and an ack each cost the same however many messages wait. Everything is lost when
    the process ends: that is the price of the speed.

    Parameters
    ----------
    maxsize, lease, clock
        As for :class:`MessageQueue`.
    """

    def __init__(
        self, maxsize: int = 0, *, lease: float | None = None, clock: Clock = time.monotonic
    ) -> None:
        super().__init__(maxsize, lease, clock)
        self._lock = threading.Lock()
        self._arrived = threading.Condition(self._lock)
        self._room = threading.Condition(self._lock)
        # How many threads wait on each condition, so that nobody pays for a notify in vain.
        self._getters = 0
        self._putters = 0
        self._closed = False
        # Whether a put, a get or an ack must look at more than its message.
        self._careful_put = maxsize > 0
        self._careful_get = maxsize > 0 or lease is not None
        self._careful_ack = lease is not None
        self._last_id = 0
        # Messages with nothing but a body wait as (id, body): that is what makes a put cheap.
        self._plain: deque[tuple[int, bytes]] = deque()
        # All others: prioritised, with headers, returned, or no longer delayed. Heads of the heap
        # and of the deque are compared by (-priority, id).
        self._heap: list[tuple[int, int, Message]] = []
        self._delayed: list[tuple[float, int, Message]] = []
        self._unacked: dict[int, Message] = {}
        # The headers as they were put, for each delivery to have its own.
        self._headers: dict[int, str] = {}
        # When each lease ends, oldest first, since all leases of a queue are equally long.
        self._deadlines: OrderedDict[int, float] = OrderedDict()
        # Nothing delayed or leased falls due before this instant.
        self._due = inf

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
            or self._careful_put
        ):
            return self.put_many(
                [body], block, timeout, headers=headers, priority=priority, delay=delay
            )[0]
        with self._lock:
            self._last_id = number = self._last_id + 1
            self._plain.append((number, body))
            if self._getters:
                self._arrived.notify()
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
        text = None if headers is None else encode_headers(headers)
        with self._lock:
            self._wait_for_room(len(bodies), block, timeout)
            first = self._last_id + 1
            self._last_id += len(bodies)
            ids = range(first, first + len(bodies))
            if text is None and not priority and not delay:
                self._plain.extend(zip(ids, bodies, strict=True))
            else:
                due = self.clock() + delay
                for number, body in zip(ids, bodies, strict=True):
                    if text is not None:
                        self._headers[number] = text
                        self._careful_ack = True
                    message = Message(number, body, {}, priority)
                    if delay:
                        heapq.heappush(self._delayed, (due, number, message))
                        self._due = min(self._due, due)
                        self._careful_get = True
                    else:
                        heapq.heappush(self._heap, (-priority, number, message))
            if self._getters:
                self._arrived.notify(len(bodies))
            return list(ids)

    def _wait_for_room(self, needed: int, block: bool, timeout: float | None) -> None:
        if 0 < self.maxsize < needed:
            raise ValueError(f"{needed} messages can never fit into maxsize={self.maxsize}")
        end = inf if timeout is None else time.monotonic() + timeout
        while True:
            if self._closed:
                raise QueueClosedError("the queue is closed")
            waiting = len(self._plain) + len(self._heap) + len(self._delayed)
            if self.maxsize <= 0 or waiting + needed <= self.maxsize:
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
        if not (self._careful_get or self._heap or timeout is not None):
            try:
                # Atomic, so this needs no lock; those who hold it expect a message to vanish.
                number, body = self._plain.popleft()
            except IndexError:
                if not block:
                    raise Empty from None
            else:
                self._unacked[number] = message = _new_message(Message, (number, body, {}, 0, 1))
                return message
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
            if self._closed:
                raise QueueClosedError("the queue is closed")
            self._release()
            messages = list(islice(iter(self._take, None), most))
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

    def _take(self) -> Message | None:
        """The message that goes first, from now on unacked; None if there is none."""
        heap, plain = self._heap, self._plain
        try:
            if heap and (not plain or heap[0][:2] < (0, plain[0][0])):
                message = heapq.heappop(heap)[2]
                if message.id in self._headers:
                    message = message._replace(headers=json.loads(self._headers[message.id]))
            else:
                number, body = plain.popleft()
                message = _new_message(Message, (number, body, {}, 0, 1))
        except IndexError:  # A get without the lock was faster.
            return self._take() if heap else None
        self._unacked[message.id] = message
        if self.lease is not None:
            self._deadlines[message.id] = deadline = self.clock() + self.lease
            self._due = min(self._due, deadline)
            if self._getters:
                self._arrived.notify()  # Whoever waits has a new instant to wake up at.
        return message

    def ack(self, message: Message) -> None:
        number = message[0]
        with self._lock:
            if self._careful_ack or self._unacked.get(number) is not message:
                self._check_held(message)
                self._forget(number)
            else:
                del self._unacked[number]

    def ack_many(self, messages: Iterable[Message]) -> None:
        messages = list(messages)
        with self._lock:
            known: set[int] = set()
            for message in messages:
                self._check_held(message, among=known)
                known.add(message.id)
            for number in known:
                self._forget(number)

    def nack(self, message: Message, requeue: bool = True) -> None:
        with self._lock:
            self._check_held(message)
            if requeue:
                self._deadlines.pop(message.id, None)
                self._requeue(self._unacked.pop(message.id))
            else:
                self._forget(message.id)

    def _forget(self, number: int) -> None:
        del self._unacked[number]
        if self._careful_ack:
            self._deadlines.pop(number, None)
            self._headers.pop(number, None)

    def _check_held(self, message: Message, among: Collection[int] = ()) -> None:
        """Raise unless this very delivery is held, under a lease that runs, and no repetition."""
        if self._closed:
            raise QueueClosedError("the queue is closed")
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
        if self._due == inf:
            return
        now = self.clock()
        if now < self._due:
            return
        while self._delayed and self._delayed[0][0] <= now:
            _, number, message = heapq.heappop(self._delayed)
            heapq.heappush(self._heap, (-message.priority, number, message))
        self._due = self._delayed[0][0] if self._delayed else inf
        while self._deadlines:
            number, deadline = next(iter(self._deadlines.items()))
            if deadline > now:
                self._due = min(self._due, deadline)
                break
            del self._deadlines[number]
            self._requeue(self._unacked.pop(number))

    def _due_in(self) -> float:
        due = self._delayed[0][0] if self._delayed else inf
        if self._deadlines:
            due = min(due, next(iter(self._deadlines.values())))
        return max(0.0, due - self.clock())

    def due_in(self) -> float:
        with self._lock:
            return self._due_in()

    def _requeue(self, message: Message) -> None:
        """Put a message back to its old place: ahead of everything that was put after it."""
        again = message._replace(headers={}, attempts=message.attempts + 1)
        heapq.heappush(self._heap, (-message.priority, message.id, again))
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

    def flush(self) -> None:
        """Nothing to do: memory is as safe as it gets."""

    def close(self) -> None:
        with self._lock:
            self._closed = self._careful_put = self._careful_get = self._careful_ack = True
            self._arrived.notify_all()
            self._room.notify_all()
