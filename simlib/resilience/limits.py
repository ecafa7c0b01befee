"""How many calls may be under way at once, learnt from how they end."""

from __future__ import annotations

from math import floor, inf
from threading import Lock

from .checks import check_number, check_whole

__all__ = ["AIMDLimit", "GradientLimit"]


class _Limit:
    """A limit that moves between two bounds, and a count of the calls under way."""

    def __init__(self, initial: float, least: float, most: float) -> None:
        check_number("least", least, 1, unit="calls")
        check_number("most", most, least, unit="calls", endless=True)
        check_number("initial", initial, least, most, unit="calls")
        self.least, self.most, self._limit = least, most, initial
        self._in_flight = 0
        self._lock = Lock()

    @property
    def limit(self) -> float:
        """How many calls may be under way."""
        return self._limit

    @property
    def in_flight(self) -> int:
        """How many are, of those that entered."""
        return self._in_flight

    def enter(self) -> int | None:
        """Ask for a call.

        Returns
        -------
        int or None
            How many are in flight, itself included, to be handed back at the end; None: refused.
        """
        with self._lock:
            if self._in_flight + 1 > self._limit:
                return None
            self._in_flight += 1
            return self._in_flight

    def _leave(self) -> None:
        if self._in_flight == 0:
            raise ValueError("no call is in flight: each may leave once, if enter() let it through")
        self._in_flight -= 1


class AIMDLimit(_Limit):
    """Additive increase, multiplicative decrease, as TCP: Chiu and Jain (1989).

    A failure makes the limit floor(limit·backoff). A success adds 1, but only if the limit was
    used: 2·in flight >= limit. A limit that grows when idle is none when it's needed.

    Netflix's concurrency-limits does so between 20 and 200 from 20 with 0.9, and counts what takes
    longer than 5 s as failed.

    Threads may share it: each method is atomic, and no lock is held while a call is under way.

    Parameters
    ----------
    initial : int
        The limit at the start (calls).
    backoff : float
        What a failure leaves of it (> 0, < 1).
    least, most : int
        Its bounds (calls, >= 1).

    Raises
    ------
    TypeError, ValueError
        If a number is out of bounds.

    Examples
    --------
    >>> limit = AIMDLimit(initial=10, backoff=0.9)
    >>> [limit.update(in_flight, ok) for in_flight, ok in ((6, True), (4, True), (12, False))]
    [11, 11, 9]
    """

    def __init__(
        self, initial: int = 20, backoff: float = 0.9, *, least: int = 1, most: int = 200
    ) -> None:
        least, most = check_whole("least", least, 1, "calls"), check_whole("most", most, 1, "calls")
        super().__init__(check_whole("initial", initial, 1, "calls"), least, most)
        self.backoff = check_number("backoff", backoff, 0, 1, above=True)
        if self.backoff == 1:
            raise ValueError(f"backoff must be < 1, got {backoff!r}: the limit would never fall")

    def __repr__(self) -> str:
        return (
            f"AIMDLimit(backoff={self.backoff}, least={self.least:g}, most={self.most:g}, "
            f"limit={self._limit:g}, in_flight={self._in_flight})"
        )

    def update(self, in_flight: int, ok: bool) -> float:
        """Learn from an answer.

        Parameters
        ----------
        in_flight : int
            How many were in flight when the call was sent, itself included.
        ok : bool
            Whether it was answered in time and well.

        Returns
        -------
        float
            The limit from now on.
        """
        with self._lock:
            return self._learn(in_flight, ok)

    def leave(self, in_flight: int, ok: bool | None) -> float:
        """End a call that :meth:`enter` let through, and learn from it.

        Parameters
        ----------
        in_flight : int
            What ``enter`` gave.
        ok : bool or None
            As for :meth:`update`; None: it says nothing, such as one that was cancelled.

        Raises
        ------
        ValueError
            If no call is in flight.
        """
        with self._lock:
            self._leave()
            return self._limit if ok is None else self._learn(in_flight, ok)

    def _learn(self, in_flight: int, ok: bool) -> float:
        if not ok:
            self._limit = max(self.least, floor(self._limit * self.backoff))
        elif 2 * in_flight >= self._limit:
            self._limit = min(self.most, self._limit + 1)
        return self._limit


class GradientLimit(_Limit):
    """Follows the latency: as long as it is near its long-term mean, the limit grows.

    limit·(1 − s) + s·(limit·clamp(tolerance·long/now, 1/2, 1) + queue), if at least half of the
    limit was used. That is Gradient2 of Netflix's concurrency-limits, between 20 and 200 there.
    An overload that lasts becomes the long-term mean: the limit learns it and grows again.

    :meth:`update` is told the long-term latency. :meth:`leave` keeps it: an exponential mean over
    ``long`` calls, which forgets by 5 % a call while it is more than twice the last latency, so as
    to come down soon after an overload.

    Threads may share it: each method is atomic, and no lock is held while a call is under way.

    Parameters
    ----------
    initial : float
        The limit at the start (calls).
    tolerance : float
        How many times the long-term latency is still fine (>= 1).
    smoothing : float
        The weight s of what an answer asks for (> 0, <= 1).
    queue : float
        How many calls may wait for the callee, which lets the limit grow (>= 0).
    long : int
        The calls in the long-term mean (>= 1).
    least, most : float
        The bounds of the limit (calls, >= 1).

    Raises
    ------
    TypeError, ValueError
        If a number is out of bounds.

    Examples
    --------
    >>> limit = GradientLimit(initial=20)
    >>> round(limit.update(long=0.1, now=0.1, in_flight=20), 6)
    20.8
    """

    def __init__(
        self,
        initial: float = 20,
        tolerance: float = 1.5,
        smoothing: float = 0.2,
        queue: float = 4,
        *,
        long: int = 600,
        least: float = 1,
        most: float = inf,
    ) -> None:
        super().__init__(initial, least, most)
        self.tolerance = check_number("tolerance", tolerance, 1)
        self.smoothing = check_number("smoothing", smoothing, 0, 1, above=True)
        self.queue = check_number("queue", queue, unit="calls")
        self.long = check_whole("long", long, 1, "calls")
        self._long_latency = 0.0
        self._samples = 0

    def __repr__(self) -> str:
        return (
            f"GradientLimit(tolerance={self.tolerance}, smoothing={self.smoothing}, "
            f"queue={self.queue:g}, long={self.long}, least={self.least:g}, most={self.most:g}, "
            f"limit={self._limit:g}, in_flight={self._in_flight})"
        )

    def update(self, long: float, now: float, in_flight: int) -> float:
        """Learn from an answer.

        Parameters
        ----------
        long, now : float
            The long-term latency and that of this answer (both s or both in any other unit, > 0).
        in_flight : int
            How many were in flight when the call was sent, itself included.

        Returns
        -------
        float
            The limit from now on.
        """
        check_number("long", long, above=True)
        check_number("now", now, above=True)
        with self._lock:
            return self._learn(long, now, in_flight)

    def leave(self, in_flight: int, latency: float | None) -> float:
        """End a call that :meth:`enter` let through, and learn from it.

        Parameters
        ----------
        in_flight : int
            What ``enter`` gave.
        latency : float or None
            How long the answer took (s, > 0); None: there was none to learn from.

        Raises
        ------
        ValueError
            If no call is in flight, or it took no time.
        """
        if latency is not None:
            check_number("latency", latency, above=True, unit="seconds")
        with self._lock:
            self._leave()
            if latency is None:
                return self._limit
            # A plain mean of the first, then exponential.
            self._samples = min(self._samples + 1, self.long)
            self._long_latency += (latency - self._long_latency) / self._samples
            long = self._long_latency
            if long > 2 * latency:
                self._long_latency *= 0.95
            return self._learn(long, latency, in_flight)

    def _learn(self, long: float, now: float, in_flight: int) -> float:
        if in_flight >= self._limit / 2:
            gradient = min(1.0, max(0.5, self.tolerance * long / now))
            asked = self._limit * gradient + self.queue
            limit = self._limit * (1 - self.smoothing) + self.smoothing * asked
            self._limit = min(self.most, max(self.least, limit))
        return self._limit
