"""Who of those that wait is served next, and who is not served at all."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from math import inf, sqrt
from threading import Lock
from typing import Any, Generic, Literal, NamedTuple, TypeVar, get_args

from .checks import check_number, check_whole

__all__ = ["AdaptiveLIFO", "BoundedQueue", "CoDel", "Overflow", "Put", "RequestCoDel", "Taken"]

Item = TypeVar("Item")

Overflow = Literal["reject", "drop oldest", "block"]
"""What a full queue does: turns the new one away, drops the oldest, or lets the new one wait."""

ROUNDING = 1e-9
"""Instants closer than a nanosecond are the same: 0.111 + 0.1 is 0.21100000000000002."""


class Put(NamedTuple):
    """What became of an item that was put; ``str()`` says it in a word or two.

    Attributes
    ----------
    outcome : str
        ``stored``, ``rejected``, ``dropped`` (it is stored, and the oldest is gone) or ``blocked``.
    dropped : object
        The item that is gone, if one is.
    """

    outcome: Literal["stored", "rejected", "dropped", "blocked"]
    dropped: Any = None

    def __str__(self) -> str:
        return f"dropped {self.dropped}" if self.outcome == "dropped" else self.outcome


class BoundedQueue(Generic[Item]):
    """First come, first served, and never more than ``capacity`` that wait.

    A bound keeps answers in time if capacity/μ + service < timeout: all that is let in is served
    before its caller leaves. What doesn't fit is rejected, or takes the place of the oldest, or is
    *blocked*: it stays with its putter until a get makes room, first come, first served.

    Hystrix has no queue by default (``maxQueueSize = -1``); Finagle's and Envoy's pending requests
    are bounded and rejected beyond that (Envoy: 1,024).

    Threads may share it: each method is atomic. ``let_in`` is called after that, without a lock.

    Parameters
    ----------
    capacity : int
        How many may wait (>= 1).
    policy : str
        ``reject``, ``drop oldest`` or ``block``.

    Raises
    ------
    TypeError, ValueError
        If the bound or the policy is none.

    Examples
    --------
    >>> queue = BoundedQueue(capacity=1, policy="drop oldest")
    >>> str(queue.put("a")), str(queue.put("b")), queue.get(), queue.get()
    ('stored', 'dropped a', 'b', None)
    """

    def __init__(self, capacity: int, policy: Overflow = "reject") -> None:
        self.capacity = check_whole("capacity", capacity, 1, "items")
        if policy not in get_args(Overflow):
            raise ValueError(f"policy must be one of {get_args(Overflow)}, got {policy!r}")
        self.policy = policy
        self._lock = Lock()
        self._items: deque[Item] = deque()
        # Those that are blocked, each with what to call when it is let in.
        self._outside: deque[tuple[Item, Callable[[], object] | None]] = deque()

    def __repr__(self) -> str:
        return (
            f"BoundedQueue(capacity={self.capacity}, policy={self.policy!r}, "
            f"waiting={len(self._items)}, blocked={len(self._outside)})"
        )

    def __len__(self) -> int:
        """How many wait in it, the blocked not counted."""
        return len(self._items)

    @property
    def blocked(self) -> int:
        """How many wait to be let in."""
        return len(self._outside)

    def put(self, item: Item, let_in: Callable[[], object] | None = None) -> Put:
        """Put an item at the end.

        Parameters
        ----------
        item : object
            Anything but None.
        let_in : callable, optional
            Called once if it was blocked and is stored after all: an event's ``set``, a future's
            ``set_result``. It must not raise.

        Returns
        -------
        Put
            What became of it.
        """
        _check_item(item)
        with self._lock:
            if len(self._items) < self.capacity:
                self._items.append(item)
                return Put("stored")
            if self.policy == "reject":
                return Put("rejected")
            if self.policy == "drop oldest":
                oldest = self._items.popleft()
                self._items.append(item)
                return Put("dropped", oldest)
            self._outside.append((item, let_in))
            return Put("blocked")

    def get(self) -> Item | None:
        """Take the oldest, and let in who has been blocked longest; None if none waits."""
        let_in = None
        with self._lock:
            if not self._items:
                return None
            item = self._items.popleft()
            if self._outside:
                following, let_in = self._outside.popleft()
                self._items.append(following)
        if let_in is not None:
            let_in()
        return item

    def withdraw(self, item: Item) -> bool:
        """Take back an item that is blocked, found by identity.

        Returns
        -------
        bool
            False: it isn't blocked, but was let in meanwhile or never put.
        """
        with self._lock:
            for number, (other, _) in enumerate(self._outside):
                if other is item:
                    del self._outside[number]
                    return True
            return False


class AdaptiveLIFO(Generic[Item]):
    """Last come, first served as long as many wait; else first come, first served.

    In an overload the oldest are those whose callers are about to leave: who serves them serves in
    vain. The newest is taken if at least ``threshold`` wait, itself included (Maurer, "Fail at
    Scale", 2015). It has no bound, and who was passed over is served late or never: each request
    should have a :class:`Deadline`.

    Threads may share it: each method is atomic.

    Parameters
    ----------
    threshold : int
        From how many on the newest is served (>= 1); 1: always.

    Examples
    --------
    >>> queue = AdaptiveLIFO(threshold=2)
    >>> queue.put("old"), queue.put("new"), queue.get(), queue.get()
    (None, None, 'new', 'old')
    """

    def __init__(self, threshold: int) -> None:
        self.threshold = check_whole("threshold", threshold, 1, "items")
        self._lock = Lock()
        self._items: deque[Item] = deque()

    def __repr__(self) -> str:
        return f"AdaptiveLIFO(threshold={self.threshold}, waiting={len(self._items)})"

    def __len__(self) -> int:
        """How many wait."""
        return len(self._items)

    def put(self, item: Item) -> None:
        """Put an item, anything but None."""
        _check_item(item)
        with self._lock:
            self._items.append(item)

    def get(self) -> Item | None:
        """Take the newest if enough wait, else the oldest; None if none waits."""
        with self._lock:
            if not self._items:
                return None
            newest = len(self._items) >= self.threshold
            return self._items.pop() if newest else self._items.popleft()


class Taken(NamedTuple, Generic[Item]):
    """What a get found.

    Attributes
    ----------
    item : object
        To be served; None if none is left.
    dropped : tuple
        Those that had waited too long, the oldest first: nobody serves them.
    """

    item: Item | None
    dropped: tuple[Item, ...]


class CoDel(Generic[Item]):
    """Controlled delay, as routers have it: RFC 8289 (Nichols and Jacobson, 2018).

    When the waits of those that are taken have not once been below ``target`` for ``interval``,
    the queue stands: it drops the one it would serve, serves the next, and drops again after
    interval/√1, interval/√2, interval/√3, … until a wait is below ``target``. The last one that
    waits is never dropped. RFC 8289 counts bytes, and lets the last packet be.

    Meant for packets whose senders slow down when one is lost. For requests, whose callers don't,
    see :class:`RequestCoDel`. A ``target`` far below the time of service drops in a healthy queue.

    Threads may share it: each method is atomic.

    Parameters
    ----------
    target : float
        The wait that is fine (s, > 0).
    interval : float
        For how long waits may be longer (s, > 0).

    Examples
    --------
    >>> queue = CoDel(target=0.005, interval=0.1)
    >>> for number in range(4):
    ...     queue.put(number, now=0.0)
    >>> queue.get(now=0.01), queue.get(now=0.12)
    (Taken(item=0, dropped=()), Taken(item=2, dropped=(1,)))
    """

    def __init__(self, target: float = 0.005, interval: float = 0.1) -> None:
        self.target = check_number("target", target, above=True, unit="seconds")
        self.interval = check_number("interval", interval, above=True, unit="seconds")
        self._lock = Lock()
        self._items: deque[tuple[float, Item]] = deque()
        # When waits will have been long for an interval; None: the last one was fine.
        self._too_long_at: float | None = None
        self._dropping = False
        self._drop_next = -inf
        # How many were dropped since dropping began, and what the count began with.
        self._count = self._last_count = 0

    def __repr__(self) -> str:
        return (
            f"CoDel(target={self.target}, interval={self.interval}, waiting={len(self._items)}, "
            f"dropping={self._dropping})"
        )

    def __len__(self) -> int:
        """How many wait."""
        return len(self._items)

    def put(self, item: Item, now: float) -> None:
        """Put an item, anything but None, at a time (s)."""
        _check_item(item)
        with self._lock:
            self._items.append((now, item))

    def get(self, now: float) -> Taken[Item]:
        """Take the next to be served, and those that are dropped before it.

        Parameters
        ----------
        now : float
            Seconds.
        """
        dropped: list[Item] = []
        with self._lock:
            item, too_long = self._next(now)
            if not self._dropping:
                if item is not None and too_long:
                    dropped.append(item)
                    item, too_long = self._next(now)
                    self._begin(now)
                return Taken(item, tuple(dropped))
            self._dropping = too_long
            while item is not None and self._dropping and now >= self._drop_next - ROUNDING:
                dropped.append(item)
                item, self._dropping = self._next(now)
                if self._dropping:
                    self._count += 1
                    self._drop_next += self.interval / sqrt(self._count)
        return Taken(item, tuple(dropped))

    def _next(self, now: float) -> tuple[Item | None, bool]:
        """The oldest, and whether waits have been too long for an interval."""
        if not self._items:
            self._too_long_at = None
            return None, False
        since, item = self._items.popleft()
        if now - since < self.target - ROUNDING or not self._items:
            self._too_long_at = None
        elif self._too_long_at is None:
            self._too_long_at = now + self.interval
        elif now >= self._too_long_at - ROUNDING:
            return item, True
        return item, False

    def _begin(self, now: float) -> None:
        """Begin to drop, at the rate of the last time if that was not long ago."""
        self._dropping = True
        more = self._count - self._last_count
        recently = now - self._drop_next < 16 * self.interval
        self._count = self._last_count = more if more > 1 and recently else 1
        self._drop_next = now + self.interval / sqrt(self._count)


class RequestCoDel(Generic[Item]):
    """Controlled delay for requests (Maurer, "Fail at Scale", 2015).

    A request may wait for ``interval`` if the queue was empty within the last ``interval``, else
    only for ``target``. That is settled when it comes; what has waited longer when its turn comes
    is dropped, and the next is served. A short burst may fill the queue, a standing queue may not.
    Near capacity it sheds a little even when all is well.

    Threads may share it: each method is atomic.

    Parameters
    ----------
    target : float
        The longest wait in a standing queue (s, > 0).
    interval : float
        The longest wait otherwise, and how long a queue that stands was not empty (s, >= target).

    Examples
    --------
    >>> queue = RequestCoDel(target=0.005, interval=0.1)
    >>> queue.put("a", now=0.0), queue.put("b", now=0.15), queue.put("c", now=0.158)
    (None, None, None)
    >>> queue.get(now=0.16)
    Taken(item='c', dropped=('a', 'b'))
    """

    def __init__(self, target: float = 0.005, interval: float = 0.1) -> None:
        self.target = check_number("target", target, above=True, unit="seconds")
        self.interval = check_number("interval", interval, self.target, unit="seconds")
        self._lock = Lock()
        # Each with when it came and how long it may wait.
        self._items: deque[tuple[float, float, Item]] = deque()
        self._empty_until = -inf

    def __repr__(self) -> str:
        return (
            f"RequestCoDel(target={self.target}, interval={self.interval}, "
            f"waiting={len(self._items)})"
        )

    def __len__(self) -> int:
        """How many wait."""
        return len(self._items)

    def put(self, item: Item, now: float) -> None:
        """Put an item, anything but None, at a time (s)."""
        _check_item(item)
        with self._lock:
            if not self._items:
                self._empty_until = now
            stands = now - self._empty_until > self.interval + ROUNDING
            self._items.append((now, self.target if stands else self.interval, item))

    def get(self, now: float) -> Taken[Item]:
        """Take the next to be served, and those that are dropped before it.

        Parameters
        ----------
        now : float
            Seconds.
        """
        dropped: list[Item] = []
        with self._lock:
            while self._items:
                since, longest, item = self._items.popleft()
                if now - since <= longest + ROUNDING:
                    return Taken(item, tuple(dropped))
                dropped.append(item)
        return Taken(None, tuple(dropped))


def _check_item(item: object) -> None:
    if item is None:
        raise TypeError("item must not be None, which is what get() returns when none waits")
