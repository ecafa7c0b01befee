"""A queue in memory: fast, and gone with its process."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Iterable, Mapping
from math import inf
from typing import Any

from .base import (
    Clock,
    Empty,
    Message,
    check_body,
    check_message,
    check_options,
    check_timeout,
    encode_headers,
)
from .local import LocalQueue

__all__ = ["MemoryQueue"]

# Message(...) calls a Python function that calls this one; gets are too frequent for the detour.
_new_message = tuple.__new__


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
                now = self.clock()
                if delay:
                    self._careful_get = True
                if text is not None:
                    self._headers.update(dict.fromkeys(ids, text))
                    self._careful_ack = True
                any(self._insertion(ids, bodies, priority, now + delay, now))
            if self._getters:
                self._arrived.notify(len(bodies))
            return list(ids)

    def get(self, block: bool = True, timeout: float | None = None) -> Message:
        if self._careful_get or self._heap or timeout is not None:
            return super().get(block, timeout)
        if self.lease is None:
            try:
                # Atomic, so this needs no lock; those who hold it expect a message to vanish.
                for number, body in self._from_plain:
                    try:
                        message = _new_message(Message, (number, body, {}, 0, 1))
                        self._unacked[number] = message
                        return message
                    except BaseException:
                        self._plain.appendleft((number, body))
                        raise
            except IndexError:
                if not block:
                    raise Empty from None
        else:
            with self._lock:
                now = self.clock()
                if self._plain and not self._heap and now < self._due:
                    number, body = self._plain[0]
                    message = _new_message(Message, (number, body, {}, 0, 1))
                    self._begin_lease(message, now + self.lease)
                    self._unacked[number] = message
                    self._plain.popleft()
                    return message
        return super().get(block, timeout)

    def ack(self, message: Message) -> None:
        try:
            number = message[0]
        except (TypeError, LookupError):
            check_message(message)
            raise
        with self._lock:
            if (
                self._careful_ack
                or self._unacked.get(number) is not message
                or (self._due != inf and self.clock() >= self._due)
            ):
                self._check_held(message)
                self._forget((number,))
            else:
                del self._unacked[number]

    def _message(self, number: int, body: bytes, priority: int, attempts: int) -> Message:
        text = self._headers.get(number)
        headers = {} if text is None else json.loads(text)
        return _new_message(Message, (number, body, headers, priority, attempts))

    def _drop(self, ids: Collection[int]) -> None:
        super()._drop(ids)
        if self._headers:
            for number in ids:
                self._headers.pop(number, None)

    def flush(self) -> None:
        """Nothing to do: memory is as safe as it gets."""
        if self._unusable:
            self._refuse()

    def close(self) -> None:
        with self._lock:
            self._careful_put = self._careful_get = self._careful_ack = True
            self._end()
