"""Whoever calls: timeouts, retries, and what keeps them in bounds."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from math import inf, nan
from typing import Any, Protocol

from ...calls import Outcome
from ...distributions import Distribution
from ...resilience import AIMDLimit, CircuitBreaker, GradientLimit, Hedge, Retry, RetryBudget
from ..arrivals import first
from ..environment import Environment, Timer
from ..line import Line
from ..record import Record
from .attempt import GONE, Attempt, OpenCall
from .call import PLAIN
from .fates import Fates
from .later import AFTER_ALL_ELSE, Later

__all__ = ["Client", "Policies", "Way"]

_TIMED_OUT, _REFUSED = PLAIN[Outcome.TIMED_OUT], PLAIN[Outcome.REFUSED]


@dataclass(frozen=True, kw_only=True, slots=True)
class Policies:
    """What a client obeys; all its calls share them.

    Parameters
    ----------
    retry : Retry
        How many tries, and the pauses between them.
    timeout : float
        How long it waits for each try (s); may be infinite.
    within : float
        How long it waits for a call in all (s); may be infinite.
    budget, breaker, limit, hedge
        None: without.
    withdraws : bool
        Whether a try that timed out is called off at the service.
    cancels : bool
        Whether the other copies of a call that was answered are called off.
    new_work : bool
        Whether each attempt brings work of its own, and not that of its call.
    """

    retry: Retry
    timeout: float = inf
    within: float = inf
    budget: RetryBudget | None = None
    breaker: CircuitBreaker | None = None
    limit: AIMDLimit | GradientLimit | None = None
    hedge: Hedge | None = None
    withdraws: bool = False
    cancels: bool = True
    new_work: bool = False


class Way(Protocol):
    """How attempts come to a service."""

    def send(self, attempt: Attempt, copies: Sequence[Attempt]) -> None:
        """Take an attempt there; ``copies`` are those that are open for the same call."""

    def left(self, attempt: Attempt, cause: str, called_off: bool) -> None:
        """Its caller waits no more, and may want it to be called off."""


class Client:
    """Makes calls at given instants, and tries again what comes to nothing.

    Parameters
    ----------
    env : Environment
    record : Record
        A row per call: ``enqueued`` is when it was sent first, ``started`` and ``finished`` are
        about the attempt that was answered; ``answered``, if it has that, is when its caller knew.
    fates : Fates
        Where attempts are counted.
    interarrival : Distribution
        Time between one call and the next (s).
    policies : Policies
    way : Way
        Takes attempts to the service.
    draws : iterator of float
        Uniform in [0, 1), one for each pause.
    calls : int, optional
        How many calls are made; None: until time ends the run.
    """

    def __init__(
        self,
        env: Environment,
        record: Record,
        fates: Fates,
        interarrival: Distribution,
        policies: Policies,
        way: Way,
        draws: Iterator[float],
        calls: int | None = None,
    ) -> None:
        self.env = env
        self.made = 0
        """How many calls were made."""
        self.gave_up = 0
        """How many of them came to nothing."""
        self._record = record
        self._fates = fates
        self._policies = policies
        self._way = way
        self._answered = record.extra.get("answered")
        self._draws = draws
        # Equal timeouts pass in the order in which they began: a line, and one timer for all.
        self._timeouts = Line(env, self._time_out, AFTER_ALL_ELSE)
        self._hedges = None
        if policies.hedge is not None:
            self._hedges = Line(env, self._copy, AFTER_ALL_ELSE)
        env.process(self._make(interarrival, calls))

    def _make(self, interarrival: Distribution, calls: int | None) -> Generator[Timer, Any, None]:
        env, record, budget = self.env, self._record, self._policies.budget
        timer, within = Timer(env, 1), self._policies.within
        for block in first(calls, interarrival.instants(env.stream("producer"))):
            row = record.prepare(len(block))
            for number, time in enumerate(block, row):
                yield timer.at(time)
                record.created[number] = record.enqueued[number] = time
                self.made += 1
                if budget is not None:
                    budget.earn()
                self._try(OpenCall(number, time + within))

    def _try(self, call: OpenCall) -> None:
        """Try a call, for the first time or again."""
        policies, now = self._policies, self.env._now
        call.turn += 1
        if call.turn > 1:
            self._record.moves.requeued.append(now)
        attempt = self._attempt(call, min(call.due, now + policies.timeout))
        call.copies = [attempt]
        self._send(attempt)
        if attempt.answer is not None:
            return
        if attempt.deadline < now + policies.timeout:
            Later(self.env, attempt.deadline, lambda _: self._time_out(attempt), 0, AFTER_ALL_ELSE)
        elif policies.timeout < inf:
            self._timeouts.send(attempt, attempt.deadline)
        if self._hedges is not None and policies.hedge is not None:
            self._hedges.send(attempt, now + policies.hedge.after)

    def _attempt(self, call: OpenCall, deadline: float) -> Attempt:
        fates = self._fates
        item = fates.attempts if self._policies.new_work else call.number
        fates.attempts += 1
        return Attempt(call, item, self.env._now, deadline, self._over)

    def _send(self, attempt: Attempt) -> None:
        """Let an attempt go, unless the client's own policies stop it."""
        policies = self._policies
        if policies.breaker is not None:
            attempt.ticket = policies.breaker.allow(self.env._now)
            if attempt.ticket is None:
                self._stop(attempt, "breaker")
                return
        if policies.limit is not None:
            attempt.in_flight = policies.limit.enter()
            if attempt.in_flight is None:
                if policies.breaker is not None:
                    policies.breaker.release(attempt.ticket)
                    attempt.ticket = None
                self._stop(attempt, "limit")
                return
        self._way.send(attempt, attempt.call.copies)

    def _stop(self, attempt: Attempt, cause: str) -> None:
        attempt.place = GONE
        now = self.env._now
        self._fates.rejected += 1
        self._record.attempts.add(
            attempt.number, now, nan, nan, now, outcome=str(Outcome.REFUSED), cause=cause
        )
        attempt.end(_REFUSED)

    def _time_out(self, attempt: Attempt) -> None:
        call = attempt.call
        if call.over or call.turn != attempt.turn:
            return
        for each in list(call.copies):
            # It is known to be over before its place at the service is free for another.
            self._way.left(each, "timeout", self._policies.withdraws)
            each.end(_TIMED_OUT)

    def _copy(self, attempt: Attempt) -> None:
        """Send a second copy of what takes long."""
        call, hedge = attempt.call, self._policies.hedge
        if hedge is None or call.over or call.turn != attempt.turn or not call.copies:
            return  # It is answered, or tried again, or it pauses before that.
        if not hedge.take():
            return
        now = self.env._now
        self._record.moves.requeued.append(now)
        copy = self._attempt(call, attempt.deadline)
        call.copies.append(copy)
        self._send(copy)

    def _over(self, attempt: Attempt) -> None:
        """An attempt is over for its caller: answered, refused, failed, too late or called off."""
        self._learn(attempt)
        call = attempt.call
        if call.over:
            return
        call.copies.remove(attempt)
        if attempt.answer is not None and attempt.answer.outcome is Outcome.OK:
            call.over = True
            if self._answered is not None:
                self._answered[call.number] = self.env._now
            for other in call.copies:
                other.cancel()
                self._way.left(other, "hedge", self._policies.cancels)
        elif not call.copies:
            self._again(call)

    def _again(self, call: OpenCall) -> None:
        """Nothing came of a try: pause and try again, or give up."""
        policies, now = self._policies, self.env._now
        turn, pause = call.turn, None
        if turn < policies.retry.attempts:
            pause = policies.retry.pause(turn, next(self._draws), call.pause)
        if (
            pause is None
            or now + pause >= call.due
            or (policies.budget is not None and not policies.budget.take())
        ):
            call.over = True
            self.gave_up += 1
            self._record.lost.append(call.number)
            self._record.moves.departed.append(now)
            return
        call.pause = pause
        if pause:
            Later(self.env, now + pause, self._resume, call)
        else:
            self._try(call)

    def _resume(self, later: Later) -> None:
        self._try(later.thing)

    def _learn(self, attempt: Attempt) -> None:
        """Tell breaker and limit how an attempt ended."""
        policies, answer = self._policies, attempt.answer
        if answer is None or (attempt.ticket is None and attempt.in_flight is None):
            return
        ok = answer.outcome is Outcome.OK
        called_off = answer.outcome is Outcome.CANCELLED
        if policies.breaker is not None and attempt.ticket is not None:
            if called_off:
                policies.breaker.release(attempt.ticket)
            else:
                policies.breaker.record(attempt.ticket, self.env._now, ok)
        if attempt.in_flight is not None:
            if isinstance(policies.limit, AIMDLimit):
                policies.limit.leave(attempt.in_flight, None if called_off else ok)
            elif policies.limit is not None:
                refused = answer.outcome is Outcome.REFUSED
                latency = None if called_off or refused else self.env._now - attempt.sent
                policies.limit.leave(attempt.in_flight, latency or None)
