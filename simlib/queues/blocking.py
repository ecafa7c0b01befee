"""Waiting for a message or for room, once for all kinds of queue.

Whoever waits sleeps on a condition until somebody in this process wakes him, until something falls
due, or until it is time to look for himself, at pauses that double: others may do something that
nobody here is told of, be it another process, or a thread whose word an interrupt has swallowed.
"""

from __future__ import annotations

import threading
import time
from abc import abstractmethod
from collections.abc import Callable
from math import inf
from typing import NamedTuple, TypeVar

from .base import MessageQueue
from .checks import check_most, check_timeout
from .errors import Empty, Full, never_fits
from .message import Clock, Message

__all__ = ["BlockingQueue", "Pauses"]

_T = TypeVar("_T")


class Pauses(NamedTuple):
    """The pauses between two looks for oneself (s): each is twice the one before."""

    shortest: float
    longest: float


class BlockingQueue(MessageQueue):
    """A queue whose threads share a lock, and wait for each other.

    Parameters
    ----------
    maxsize, lease, clock
        As for :class:`MessageQueue`.
    """

    _pauses_of_getters = _pauses_of_putters = Pauses(1.0, 1.0)

    def __init__(self, maxsize: int, lease: float | None, clock: Clock) -> None:
        super().__init__(maxsize, lease, clock)
        self._share(threading.Lock())
        # How many threads wait, so that nobody pays for a notify in vain.
        self._sleepers = 0

    def _share(self, lock: threading.Lock) -> None:
        """Have all threads take this lock, and wait under it."""
        self._lock = lock
        self._arrived = threading.Condition(lock)
        self._room = threading.Condition(lock)

    # What subclasses say; each is called under the lock

    @abstractmethod
    def _take(self, most: int) -> list[Message]:
        """The messages that go first, from now on unacked; none if nothing is ready."""

    @abstractmethod
    def _due_in(self) -> float:
        """Seconds in which nothing becomes ready by itself."""

    def _take_left(self, most: int) -> list[Message]:
        """The same where only a thorough look finds something, which not everybody takes."""
        return []

    def _look(self) -> None:
        """Somebody has slept in vain."""

    # Waiting

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
        """Take what is ready; wait for the first of it, or raise Empty."""
        if block:
            check_timeout(timeout)
        pauses = self._pauses_of_getters
        end = inf if timeout is None else time.monotonic() + timeout
        pause = pauses.shortest
        while True:
            messages = self._take(most)
            if not messages and (not block or pause == pauses.longest):
                messages = self._take_left(most)
            if messages:
                if self._sleepers:
                    self._tell_of_taking()
                return messages
            remaining = end - time.monotonic() if block else 0.0
            if remaining <= 0:
                if self._sleepers:
                    self._arrived.notify()  # Somebody else has to look out for what falls due.
                raise Empty
            self._sleep(self._arrived, min(remaining, pause), self._due_in)
            pause = min(2 * pause, pauses.longest)

    def _wait_for_room(
        self, store: Callable[[], _T | None], messages: int, block: bool, timeout: float | None
    ) -> _T:
        """Store so many messages; wait until ``store`` returns something, or raise Full."""
        if 0 < self.maxsize < messages:
            raise never_fits(messages, self.maxsize)
        pauses = self._pauses_of_putters
        end = inf if timeout is None else time.monotonic() + timeout
        pause = pauses.shortest
        while True:
            stored = store()
            if stored is not None:
                return stored
            remaining = end - time.monotonic() if block else 0.0
            if remaining <= 0:
                raise Full
            self._sleep(self._room, min(remaining, pause))
            pause = min(2 * pause, pauses.longest)

    def _sleep(
        self,
        condition: threading.Condition,
        seconds: float,
        due_in: Callable[[], float] = lambda: inf,
    ) -> None:
        # Whoever changes what is due without the lock looks for sleepers afterwards.
        self._sleepers += 1
        try:
            if not condition.wait(min(seconds, due_in())):
                self._look()
        finally:
            self._sleepers -= 1

    def _tell_of_taking(self) -> None:
        """Wake those who wait for room, and one who has a new instant to wake up at."""
        self._room.notify_all()
        if self.lease is not None:
            self._arrived.notify()

    def _tell_all(self) -> None:
        """Wake whoever waits, for what, he will see."""
        self._arrived.notify_all()
        self._room.notify_all()
