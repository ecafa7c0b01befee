"""Whether what keeps failing is called at all."""

from __future__ import annotations

from collections import deque
from math import inf
from threading import Lock
from typing import Literal

from .checks import check_number, check_whole

__all__ = ["BreakerState", "CircuitBreaker", "Ticket"]

BreakerState = Literal["closed", "open", "half_open"]
"""Lets all calls through, none, or a few probes."""


class Ticket:
    """What a breaker gives a call that it lets through, to be handed back with the outcome."""

    __slots__ = ("_round", "_spent")

    def __init__(self, round_: int) -> None:
        self._round = round_
        self._spent = False

    def __repr__(self) -> str:
        return f"<Ticket of round {self._round}{', spent' if self._spent else ''}>"


class CircuitBreaker:
    """Stops calling what keeps failing, and tries again after a while.

    *Closed*, it lets all calls through and watches the outcomes in its window. At an outcome after
    which there are at least ``minimum`` and the failed share is at least ``rate``, it *opens* and
    refuses all calls. The first call at or after ``open_for`` seconds makes it *half-open*:
    ``probes`` calls pass, others are refused, and when the outcomes of as many are known, their
    failed share decides by the same ``rate`` whether it opens again or closes with an empty window.

    Each call that is let through has a ticket, and an outcome counts only in the state that gave
    the ticket. A call that was sent before the breaker opened and fails after it has closed again
    says nothing of now, and does not count. The first outcome recorded for a ticket holds.

    A probe whose outcome never comes keeps nothing half-open: ``open_for`` seconds after it was let
    through its place is free for another probe. Should its outcome come after all, while the
    breaker is still half-open, it counts as any other. A probe that isn't made after all, or is
    cancelled, gives its place back at once by :meth:`release`.

    Threads may share it: each method is atomic, and no lock is held while a call is under way. A
    time told that is earlier than one told before does no harm.

    Well-kept libraries differ. resilience4j has these rules (50 % of 100, 60 s, 10 probes), but
    counts outcomes late, and waits for lost probes for ever unless
    ``maxWaitDurationInHalfOpenState`` is set. Polly (10 % of at least 100 in 30 s, open for 5 s)
    and Hystrix (50 % of at least 20 in 10 s, 5 s) look at a time, not a count, and send one probe.
    pybreaker opens after 5 failures in a row (here ``window=5, minimum=5, rate=1``), for 60 s, and
    holds its lock while a call is under way.

    Parameters
    ----------
    rate : float
        The failed share at which it opens (> 0, <= 1).
    window : int or None
        How many of the last outcomes it looks at (>= 1); None: all within ``within``.
    minimum : int
        How many outcomes there must be before it may open (>= 1, <= ``window``).
    open_for : float
        How long it refuses all calls (s, > 0).
    probes : int
        How many calls decide when it is half-open (>= 1).
    within : float, optional
        Outcomes so old (s, > 0) count no longer; the default is that their number alone decides.
    failed_probes : int, optional
        So many failed probes open it again at once (>= 1, <= ``probes``), and no share is asked
        for: 1 as in Polly, Hystrix and pybreaker. The default is the share, as in resilience4j.

    Raises
    ------
    TypeError, ValueError
        If a number is out of bounds, or it could never open.

    Examples
    --------
    >>> breaker = CircuitBreaker(rate=0.5, window=4, minimum=2, open_for=5.0, probes=1)
    >>> for now in (0.0, 1.0):
    ...     breaker.record(breaker.allow(now), now + 0.1, ok=False)
    >>> breaker.state, breaker.allow(6.0) is None, breaker.allow(6.1) is None, breaker.state
    ('open', True, False, 'half_open')
    """

    def __init__(
        self,
        rate: float = 0.5,
        window: int | None = 100,
        minimum: int = 10,
        open_for: float = 5.0,
        probes: int = 10,
        *,
        within: float | None = None,
        failed_probes: int | None = None,
    ) -> None:
        self.rate = check_number("rate", rate, 0, 1, above=True)
        self.window = None if window is None else check_whole("window", window, 1, "outcomes")
        self.minimum = check_whole("minimum", minimum, 1, "outcomes")
        self.open_for = check_number("open_for", open_for, above=True, unit="seconds")
        self.probes = check_whole("probes", probes, 1, "calls")
        self.within = None
        if within is not None:
            self.within = check_number("within", within, above=True, unit="seconds")
        self.failed_probes = None
        if failed_probes is not None:
            self.failed_probes = check_whole("failed_probes", failed_probes, 1, "calls")
            if self.failed_probes > self.probes:
                raise ValueError(f"failed_probes must be <= probes, {probes}, got {failed_probes}")
        if self.window is None and self.within is None:
            raise ValueError(
                "window must be a whole number of outcomes >= 1, or within be given, got neither"
            )
        if self.window is not None and self.minimum > self.window:
            raise ValueError(f"minimum must be <= window, {window}, got {minimum}: it never opens")
        self._most = self.window or inf
        self._oldest = self.within or inf
        self._lock = Lock()
        self._state: BreakerState = "closed"
        # Counts the changes of state. A ticket of an earlier round says nothing of this one.
        self._round = 0
        self._closed: int | None = 0  # the round, while it is closed
        self._outcomes: deque[tuple[float, bool]] = deque()
        self._failed = 0
        self._opened = -inf
        # When each probe whose outcome isn't known was let through, the earliest first.
        self._probing: dict[Ticket, float] = {}

    def __repr__(self) -> str:
        asked = {"within": self.within, "failed_probes": self.failed_probes}
        rest = "".join(f", {name}={value}" for name, value in asked.items() if value is not None)
        return (
            f"CircuitBreaker(rate={self.rate}, window={self.window}, minimum={self.minimum}, "
            f"open_for={self.open_for}, probes={self.probes}{rest}, state={self._state!r})"
        )

    @property
    def state(self) -> BreakerState:
        """What it was when it was told something last: it stays open until a call is asked for."""
        return self._state

    def allow(self, now: float) -> Ticket | None:
        """Ask for a call.

        Parameters
        ----------
        now : float
            Seconds.

        Returns
        -------
        Ticket or None
            To be handed back with the outcome, or None: refused.
        """
        # One look, without the lock: it was closed, and this was its round. That is most calls.
        closed = self._closed
        if closed is not None:
            return Ticket(closed)
        with self._lock:
            if self._state == "closed":
                return Ticket(self._round)
            if self._state == "open":
                if not now >= self._opened + self.open_for:
                    return None
                self._enter("half_open")
            if not self._has_place(now):
                return None
            ticket = Ticket(self._round)
            self._probing[ticket] = now
            return ticket

    def record(self, ticket: Ticket, now: float, ok: bool) -> None:
        """Tell how a call ended; a late, rejected or timed-out one has failed.

        Parameters
        ----------
        ticket : Ticket
            What :meth:`allow` gave.
        now : float
            When it ended (s).
        ok : bool
            Whether it succeeded.

        Raises
        ------
        TypeError
            If it is no ticket: a call that was refused has no outcome.
        """
        if not isinstance(ticket, Ticket):
            raise TypeError(f"ticket must be what allow() gave a call, got {ticket!r}")
        with self._lock:
            if ticket._spent or ticket._round != self._round:
                return
            ticket._spent = True
            self._outcomes.append((now, ok))
            if not ok:
                self._failed += 1
            if self._state == "closed":
                self._forget_the_old(now)
                if self._failed and len(self._outcomes) >= self.minimum and self._too_many():
                    self._open(now)
            else:
                self._probing.pop(ticket, None)
                self._decide(now)

    def release(self, ticket: Ticket) -> None:
        """Give back the ticket of a call that was not made, or was cancelled: it has no outcome."""
        with self._lock:
            ticket._spent = True
            self._probing.pop(ticket, None)

    def _has_place(self, now: float) -> bool:
        """Whether another probe may pass, those given up for lost not counted."""
        free = self.probes - len(self._outcomes)
        if len(self._probing) < free:
            return True
        while self._probing:
            earliest = next(iter(self._probing))
            if not now >= self._probing[earliest] + self.open_for:
                break
            del self._probing[earliest]
        return len(self._probing) < free

    def _decide(self, now: float) -> None:
        all_known = len(self._outcomes) >= self.probes
        if self.failed_probes is None:
            bad = all_known and self._too_many()
        else:
            bad = self._failed >= self.failed_probes
        if bad:
            self._open(now)
        elif all_known:
            self._enter("closed")

    def _forget_the_old(self, now: float) -> None:
        outcomes = self._outcomes
        while outcomes and (len(outcomes) > self._most or outcomes[0][0] <= now - self._oldest):
            _, ok = outcomes.popleft()
            if not ok:
                self._failed -= 1

    def _too_many(self) -> bool:
        return self._failed / len(self._outcomes) >= self.rate

    def _open(self, now: float) -> None:
        self._enter("open")
        self._opened = now

    def _enter(self, state: BreakerState) -> None:
        self._closed = None
        self._state = state
        self._round += 1
        if state == "closed":
            self._closed = self._round
        self._outcomes.clear()
        self._failed = 0
        self._probing.clear()
