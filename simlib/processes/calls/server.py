"""A service under load: a bound, an order, and what becomes of those whose caller has left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import inf, nan
from typing import Literal

from ...calls import Outcome, Reply
from ...resilience import Deadline, TokenBucket
from ..attempts import DONE, FAILED
from ..draws import NEVER, Draws
from ..environment import Environment
from ..faults import NO_FAULTS, Faults
from ..record import Record
from .attempt import GONE, SERVED, WAITING, Attempt
from .call import PLAIN
from .fates import Fates
from .later import Later
from .waiting import Order, waiting_room

__all__ = ["Late", "Server"]

Late = Literal["done", "cancelled", "skipped"]
"""What becomes of work whose caller has left: it is done all the same; it is called off if it has
not begun; or it is skipped when its turn comes."""

_OK, _FAILED, _REFUSED = (PLAIN[each] for each in (Outcome.OK, Outcome.FAILED, Outcome.REFUSED))


class Server:
    """Answers attempts: those that find no worker free wait, if there is room.

    Parameters
    ----------
    env : Environment
    record : Record
        Where attempts that come to nothing are noted.
    fates : Fates
        Where they are counted.
    work : Draws
        The work that each item brings (s).
    workers : int
        How many are worked on at once.
    bound : int, optional
        The most that may wait for a worker; None: any number.
    order : str
        Who is served next.
    skip_below : float, optional
        Who has less than that left (s) when its turn comes is skipped; None: nobody is.
    patience : Draws, optional
        How long each item waits for a worker before its caller leaves (s).
    bucket : TokenBucket, optional
        Turns away what comes too fast.
    failing : iterator of bool
        Whether the answer is an error, one by one.
    faults : Faults
        When it is down, hangs or is slow.
    answer : callable, optional
        Takes each attempt that is done and its reply to its caller, who may have left; what it
        finds then it passes to :meth:`told`. The default does so at once.
    refuse : callable
        Takes the bad news to the caller of each attempt that is not done. The default does so at
        once.
    number : int
        Which of several replicas it is.
    """

    def __init__(
        self,
        env: Environment,
        record: Record,
        fates: Fates,
        work: Draws,
        *,
        workers: int = 1,
        bound: int | None = None,
        order: Order = "fifo",
        skip_below: float | None = None,
        patience: Draws | None = None,
        bucket: TokenBucket | None = None,
        failing: Iterator[bool] = NEVER,
        faults: Faults = NO_FAULTS,
        answer: Callable[[Attempt, Reply], object] | None = None,
        refuse: Callable[[Attempt, Reply], object] = Attempt.end,
        number: int = -1,
    ) -> None:
        self.env = env
        self.load = 0
        """How many are here, waiting or worked on."""
        self._record = record
        self._fates = fates
        self._work = work
        self._workers = self._idle = workers
        self._bound = inf if bound is None else bound
        self._order = order
        self._room = waiting_room(order)
        self._waiting = 0
        self._serving: dict[Attempt, None] = {}
        self._skip_below = skip_below
        self._patience = patience
        self._bucket = bucket
        self._failing = failing
        self._fails = failing is not NEVER
        self._faults = faults
        self._faulty = faults is not NO_FAULTS
        self._down_until = -inf
        self._answer = self.told if answer is None else answer
        self._refuse = refuse
        self.number = number
        for outage in faults.outages:
            Later(env, outage.start, self._crash, outage.end, 0)

    def take(self, attempt: Attempt) -> None:
        """An attempt has come, now: it may be over at once."""
        attempt.server = self
        now = self.env._now
        if now < self._down_until:
            self.reject(attempt, "down")
        elif self._bucket is not None and not self._bucket.take(now):
            self.reject(attempt, "rate")
        elif self._idle:
            self._idle -= 1
            self.load += 1
            self._begin(attempt)
        elif self._waiting >= self._bound:
            self.reject(attempt, "full")
        else:
            attempt.place = WAITING
            self._waiting += 1
            self.load += 1
            self._room.put(attempt, now)
            if self._patience is not None:
                Later(self.env, now + self._patience[attempt.item], self._lose_patience, attempt)

    def withdraw(self, attempt: Attempt, cause: str, begun: bool = False) -> None:
        """Its caller has left: take it out of the queue, and stop its work if that is wanted."""
        if attempt.place == WAITING:
            self._waiting -= 1
            self._gone(attempt)
            self._fates.cancelled += 1
            self._note(attempt, Outcome.CANCELLED, nan, nan, cause)
        elif begun and attempt.place == SERVED:
            del self._serving[attempt]
            self._gone(attempt)
            self._fates.cancelled += 1
            self._note(attempt, Outcome.CANCELLED, attempt.start, self.env._now, cause)
            self._next()

    def reject(self, attempt: Attempt, cause: str) -> None:
        """Turn an attempt away before any work."""
        attempt.place = GONE
        self._fates.rejected += 1
        self._note(attempt, Outcome.REFUSED, nan, nan, cause)
        self._refuse(attempt, _REFUSED)

    def told(self, attempt: Attempt, reply: Reply) -> None:
        """Its caller gets an answer, now, if there still is one."""
        attempt.place = GONE
        waited_for = attempt.answer is None
        if waited_for and reply is _OK:
            self._fates.answered += 1
            self._record.started[attempt.number] = attempt.start
            self._record.finished[attempt.number] = attempt.done
        elif waited_for:
            self._fates.failed += 1
            self._note(attempt, FAILED, attempt.start, attempt.done, "error")
        else:
            self._fates.late += 1
            hedged = attempt.answer is PLAIN[Outcome.CANCELLED]
            cause = "hedge" if hedged else "timeout"
            self._note(attempt, DONE, attempt.start, attempt.done, cause)
        attempt.end(reply)

    def under_way(self) -> list[Attempt]:
        """Take out all that are here, at the end of a run: those that wait, and those at work."""
        here = [*self._drained(), *self._serving]
        self._serving.clear()
        return here

    def _begin(self, attempt: Attempt) -> None:
        attempt.place = SERVED
        attempt.start = now = self.env._now
        self._serving[attempt] = None
        duration = self._work[attempt.item]
        end = self._faults.done_at(now, duration) if self._faulty else now + duration
        Later(self.env, end, self._finish, attempt, 0)

    def _finish(self, later: Later) -> None:
        attempt: Attempt = later.thing
        if attempt.place != SERVED or attempt.server is not self:
            return  # It was cancelled, or lost in a crash.
        del self._serving[attempt]
        self._gone(attempt)
        attempt.done = self.env._now
        # Whoever waits comes before whoever comes back because of this answer.
        self._next()
        self._answer(attempt, _FAILED if self._fails and next(self._failing) else _OK)

    def _next(self) -> None:
        """A worker is free: give it who is served next."""
        now = self.env._now
        while self._waiting:
            attempt, dropped = self._room.get(now)
            for each in dropped:
                if each.place == WAITING:
                    self._skip(each, "waited too long")
            if attempt is None:
                break
            if attempt.place != WAITING:
                continue
            skip_below = self._skip_below
            if skip_below is not None and (
                attempt.answer is not None or not Deadline(attempt.deadline).allows(now, skip_below)
            ):
                self._skip(attempt, "deadline")
                continue
            self._waiting -= 1
            self._begin(attempt)
            return
        self._idle += 1

    def _skip(self, attempt: Attempt, cause: str) -> None:
        self._waiting -= 1
        self._gone(attempt)
        self._fates.skipped += 1
        self._note(attempt, "skipped", nan, nan, cause)
        self._refuse(attempt, _REFUSED)

    def _lose_patience(self, later: Later) -> None:
        attempt: Attempt = later.thing
        if attempt.place == WAITING:
            self.withdraw(attempt, "patience")
            self._refuse(attempt, PLAIN[Outcome.CANCELLED])

    def _crash(self, later: Later) -> None:
        self._down_until = later.thing
        begun = self._serving
        hit = [*begun, *self._drained()]
        hit.sort(key=lambda attempt: attempt.sent)
        self._serving = {}
        self._room = waiting_room(self._order)
        self._idle, self._waiting = self._workers, 0
        for attempt in hit:
            start = attempt.start if attempt in begun else nan
            self._gone(attempt)
            self._fates.failed += 1
            self._note(attempt, FAILED, start, self.env._now, "crash")
        # Only then: who tries again at once finds a service that is down, or new.
        for attempt in hit:
            self._refuse(attempt, _FAILED)

    def _drained(self) -> list[Attempt]:
        """All that wait, taken out."""
        waiting: list[Attempt] = []
        while True:
            attempt, dropped = self._room.get(self.env._now)
            waiting += [each for each in dropped if each.place == WAITING]
            if attempt is None:
                return waiting
            if attempt.place == WAITING:
                waiting.append(attempt)

    def _gone(self, attempt: Attempt) -> None:
        attempt.place = GONE
        self.load -= 1

    def _note(self, attempt: Attempt, outcome: str, start: float, end: float, cause: str) -> None:
        """Write down an attempt in vain, which has left the queue at ``start``, or now."""
        now = self.env._now
        begun = start == start  # not NaN
        self._record.attempts.add(
            attempt.number,
            start if begun else now,
            start,
            end if begun else nan,
            now,
            outcome=str(outcome),
            by=self.number,
            cause=cause,
        )
