"""A queue in memory: fast, and gone with its process."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from heapq import heappush
from itertools import repeat
from math import inf
from typing import Any

from .checks import check_body, check_message, check_options, check_timeout, encode_headers
from .errors import Empty
from .local import LocalQueue
from .message import Clock, Message

__all__ = ["MemoryQueue"]

# Message(...) calls a Python function that calls this one; gets are too frequent for the detour.
_new_message = tuple.__new__

_MANY = 100
"""Leases that may begin before somebody takes the lock to sort them in."""


class MemoryQueue(LocalQueue):
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
        # Whether a put, a get or an ack must look at more than its message and its lease.
        self._careful_put = self._careful_get = self._careful_ack = False
        super().__init__(maxsize, lease, clock)
        # The headers as they were put, for each delivery to have its own.
        self._headers: dict[int, str] = {}
        # Leases that began without the lock, and are not among the others yet.
        self._begun: deque[tuple[float, int, Message]] = deque()
        self._from_begun = iter(self._begun.popleft, None)

    @property
    def maxsize(self) -> int:
        """The most messages that may wait; 0 or less: no bound. It may be changed at any time."""
        return self._maxsize

    @maxsize.setter
    def maxsize(self, maxsize: int) -> None:
        if maxsize > 0:
            self._careful_put = self._careful_get = True
        self._maxsize = maxsize

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
            if self._sleepers:
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
            self._wait_until_fit(len(bodies), block, timeout)
            first = self._last_id + 1
            self._last_id += len(bodies)
            ids = range(first, first + len(bodies))
            if text is None and not priority and not delay:
                self._plain.extend(zip(ids, bodies, strict=True))
            else:
                now = self.clock()
                if delay:
                    self._careful_get = True
                if text is not None:
                    self._headers.update(dict.fromkeys(ids, text))
                    self._careful_ack = True
                any(self._insertion(ids, bodies, priority, now + delay, now))
            if self._sleepers:
                self._arrived.notify(len(bodies))
            return list(ids)

    def get(self, block: bool = True, timeout: float | None = None) -> Message:
        if self._careful_get or timeout is not None:
            return super().get(block, timeout)
        lease = self.lease
        end = now = 0.0
        if lease is not None:
            now = self.clock()
            end = now + lease
        if len(self._begun) > _MANY or self._heap or now >= self._due:
            return super().get(block, timeout)
        try:
            # Atomic, so this needs no lock; those who hold it expect a message to vanish.
            for number, body in self._from_plain:
                try:
                    message = _new_message(Message, (number, body, {}, 0, 1))
                    key = id(message)
                except BaseException:
                    self._plain.appendleft((number, body))
                    raise
                self._unacked[number] = message
                if lease is not None:
                    # In this order, for who sorts it in to know of the lease or of the message.
                    self._begun.append((end, key, message))
                    if end < self._due:
                        self._due = end
                    if self._sleepers:
                        with self._lock:
                            self._tell_of_taking()
                return message
        except IndexError:
            if not block and lease is None:
                raise Empty from None
        return super().get(block, timeout)

    def ack(self, message: Message) -> None:
        try:
            number = message[0]
        except (TypeError, LookupError):
            check_message(message)
            raise
        if not self._careful_ack and (self._due == inf or self.clock() < self._due):
            try:
                # Nothing comes between the two, so this needs no lock either.
                if self._unacked[number] is message:
                    del self._unacked[number]
                    return
            except (KeyError, TypeError):
                pass
        super().ack(message)

    # What was done without the lock is seen to by whoever holds it

    def _release(self) -> None:
        self._enter_leases()
        super()._release()
        while self._begun:  # The new instant may have been set over that of a lease begun since.
            self._due = self._next_due()

    def _next_due(self) -> float:
        self._enter_leases()
        return super()._next_due()

    def _enter_leases(self) -> None:
        """Sort the leases in that began without the lock, but for those of messages that are done.

        No call stands between taking one and keeping it."""
        with suppress(IndexError):
            for lease in self._from_begun:
                if lease[0] < self._due:
                    self._due = lease[0]
                if lease[2][0] in self._unacked:
                    heappush(self._leases, lease)

    def _forget(self, ids: Collection[int]) -> bool:
        # In one go, so that it shows whether an ack without the lock was faster.
        held = [*map(self._unacked.pop, ids, repeat(None))]
        if None in held:
            self._unacked.update({each.id: each for each in held if each is not None})
            return False
        if self._headers:
            for number in ids:
                self._headers.pop(number, None)
        return True

    def _message(self, number: int, body: bytes, priority: int, attempts: int) -> Message:
        text = self._headers.get(number)
        headers = {} if text is None else json.loads(text)
        return _new_message(Message, (number, body, headers, priority, attempts))

    def flush(self) -> None:
        """Nothing to do: memory is as safe as it gets."""
        if self._unusable:
            self._refuse()

    def close(self) -> None:
        with self._lock:
            self._careful_put = self._careful_get = self._careful_ack = True
            self._end()
