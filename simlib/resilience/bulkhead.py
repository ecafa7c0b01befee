"""How many calls may be under way at once, and how many may wait for a place."""

from __future__ import annotations

from collections import deque
from math import inf
from threading import Lock

from .checks import check_number, check_whole

__all__ = ["Bulkhead", "Visit"]


class Visit:
    """A call that has a place in a bulkhead, or waits for one.

    Attributes
    ----------
    started : float or None
        When it got its place (s); None: it waits, or waited in vain.
    until : float
        When it will have waited long enough (s).
    waiter : object
        What its caller left to be woken by.
    """

    __slots__ = ("_over", "started", "until", "waiter")

    def __init__(self, started: float | None, until: float, waiter: object) -> None:
        self.started = started
        self.until = until
        self.waiter = waiter
        self._over = False

    def __repr__(self) -> str:
        if self.started is None:
            return f"<Visit {'in vain' if self._over else 'waiting'} until {self.until}>"
        return f"<Visit started at {self.started}{', over' if self._over else ''}>"


class Bulkhead:
    """So many places, a short queue before them, and a longest wait in it.

    One slow callee can't take all of a caller's threads or connections. A call that finds no place
    waits in order of arrival, if there is room; the bulkhead hands a place that becomes free to
    the first of those. Whoever waits, does so by its own means: it leaves an event, a future or
    anything else as ``waiter``, and gets it back from the call that leaves.

    At one instant a place becomes free first, then waits end, then calls arrive. So who has waited
    exactly ``max_wait`` still gets a place that becomes free then, and an arrival finds the room
    of who gave up.

    resilience4j has 25 places, and a call waits for one in a queue without bound, by default for
    0 s; Hystrix has 10 and no queue, Polly a queue of 0 unless told otherwise. An unbounded queue
    before a bulkhead undoes it.

    Threads may share it: each method is atomic, and no lock is held while a call is under way.

    Parameters
    ----------
    places : int
        How many calls may be under way (>= 1).
    waiting : int
        How many may wait (>= 0).
    max_wait : float
        How long each may wait (s, >= 0); infinity: as long as it takes.

    Raises
    ------
    TypeError, ValueError
        If a number is out of bounds.

    Examples
    --------
    >>> bulkhead = Bulkhead(places=1, waiting=1, max_wait=0.5)
    >>> first, second, third = (bulkhead.enter(now) for now in (0.0, 0.1, 0.2))
    >>> first, second, third
    (<Visit started at 0.0>, <Visit waiting until 0.6>, None)
    >>> bulkhead.leave(first, now=0.25)
    <Visit started at 0.25>
    """

    def __init__(self, places: int, waiting: int = 0, max_wait: float = inf) -> None:
        self.places = check_whole("places", places, 1, "calls")
        self.waiting = check_whole("waiting", waiting, 0, "calls")
        self.max_wait = check_number("max_wait", max_wait, unit="seconds", endless=True)
        self._lock = Lock()
        self._busy = 0
        self._queue: deque[Visit] = deque()

    def __repr__(self) -> str:
        return (
            f"Bulkhead(places={self.places}, waiting={self.waiting}, max_wait={self.max_wait}, "
            f"busy={self._busy}, queued={len(self._queue)})"
        )

    @property
    def busy(self) -> int:
        """How many places are taken."""
        return self._busy

    @property
    def queued(self) -> int:
        """How many wait, those included whose wait has ended since anything was told."""
        return len(self._queue)

    def enter(self, now: float, waiter: object = None) -> Visit | None:
        """Ask for a place.

        Parameters
        ----------
        now : float
            Seconds.
        waiter : object
            For whoever leaves, to wake this call by.

        Returns
        -------
        Visit or None
            With a place if it is ``started``; else it waits, and must :meth:`give_up` at
            ``until``. None: rejected.
        """
        with self._lock:
            if self._busy < self.places:
                self._busy += 1
                return Visit(now, now, waiter)
            self._expire(now, at_once=True)
            if len(self._queue) >= self.waiting:
                return None
            visit = Visit(None, now + self.max_wait, waiter)
            self._queue.append(visit)
            return visit

    def leave(self, visit: Visit, now: float) -> Visit | None:
        """Give back the place of a call that has ended.

        Returns
        -------
        Visit or None
            Who has the place now and is to be woken, or None: the place is free.

        Raises
        ------
        ValueError
            If it has no place: it left before, or never got one.
        """
        with self._lock:
            if visit.started is None or visit._over:
                raise ValueError(f"visit must have a place, got {visit!r}")
            visit._over = True
            self._expire(now)
            if not self._queue:
                self._busy -= 1
                return None
            following = self._queue.popleft()
            following.started = now
            return following

    def give_up(self, visit: Visit) -> bool:
        """Wait no longer.

        Returns
        -------
        bool
            True: it got no place, and never will. False: it has got one meanwhile, to be used or
            left.
        """
        with self._lock:
            if visit.started is not None:
                return False
            if not visit._over:
                visit._over = True
                self._queue.remove(visit)
            return True

    def _expire(self, now: float, at_once: bool = False) -> None:
        """Let those go whose wait has ended; those for whom it ends now, only ``at_once``."""
        queue = self._queue
        while queue and (queue[0].until < now or (at_once and queue[0].until == now)):
            queue.popleft()._over = True
