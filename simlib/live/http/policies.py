"""The policies of :mod:`simlib.resilience` around the calls of a ``requests.Session``.

They decide as they do in a simulation; here they are told the time of this machine, and a pause is
slept. The deadline goes around all, then the retry with its budget, then for each attempt the
breaker.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from math import inf
from typing import Any, Final

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError, NewConnectionError, ReadTimeoutError

from simlib.resilience import CircuitBreaker, Deadline, Retry, RetryBudget
from simlib.tracing import Kind, Recorder, TraceContext
from simlib.tracing.context import HEADER

__all__ = ["BreakerOpenError", "Policies", "PolicyAdapter", "Tried", "never_sent"]

_REPEATABLE: Final = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
"""Asked twice, these do no more than asked once (RFC 9110, 9.2.2)."""
_NOTHING_DONE: Final = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
"""What is refused so was refused before any work."""


class BreakerOpenError(requests.ConnectionError):
    """The breaker lets nothing through; no request was sent."""


@dataclass(frozen=True)
class Policies:
    """How calls are made. Whoever shares a breaker or a budget is bounded together.

    Parameters
    ----------
    timeout : float
        How long one attempt may take (s, > 0).
    retry : Retry
        Whether a failed attempt is repeated, and when; by default it isn't.
    budget : RetryBudget, optional
        How many retries there are for all calls; none: any number.
    breaker : CircuitBreaker, optional
        It sees attempts, and counts those that get no answer, 429 or 5xx as failed.
    blindly : bool
        Whether also a POST or PATCH without ``Idempotency-Key`` is repeated, of which nobody knows
        whether it was done. An order that is asked for so may be booked twice.
    clock, sleep, draw : callable
        The time (s), how to let it pass, and chance in [0, 1).
    """

    timeout: float = 5.0
    retry: Retry = field(default_factory=lambda: Retry(attempts=1))
    budget: RetryBudget | None = None
    breaker: CircuitBreaker | None = None
    blindly: bool = False
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], object] = time.sleep
    draw: Callable[[], float] = random.random

    def __post_init__(self) -> None:
        number = isinstance(self.timeout, int | float) and not isinstance(self.timeout, bool)
        if not (number and 0 < self.timeout < inf):
            raise ValueError(f"timeout must be a number of seconds > 0, got {self.timeout!r}")

    def may_repeat(self, request: requests.PreparedRequest, tried: Tried) -> bool:
        """Whether a failed attempt can be made again without doing anything twice."""
        if self.blindly or request.method in _REPEATABLE or tried.did_nothing:
            return True
        return "idempotency-key" in request.headers


@dataclass(frozen=True)
class Tried:
    """What came of an attempt: a reply, or none and why not."""

    response: requests.Response | None = None
    problem: requests.RequestException | None = None

    @property
    def ok(self) -> bool:
        """Whether the service did its part; a caller's own mistake is none of the service's."""
        status = self.response.status_code if self.response is not None else 500
        return status < 500 and status != HTTPStatus.TOO_MANY_REQUESTS

    @property
    def did_nothing(self) -> bool:
        """Whether it is known to have done nothing at the service."""
        if self.response is not None:
            return self.response.status_code in _NOTHING_DONE
        return self.problem is not None and never_sent(self.problem)

    def result(self) -> requests.Response:
        """The reply, or the problem is raised."""
        if self.response is not None:
            return self.response
        assert self.problem is not None
        raise self.problem


def never_sent(problem: requests.RequestException) -> bool:
    """Whether no connection could be made, or none was tried for."""
    reason = getattr(problem.args[0] if problem.args else None, "reason", None)
    return isinstance(problem, BreakerOpenError) or isinstance(reason, NewConnectionError)


class PolicyAdapter(HTTPAdapter):
    """Makes the attempts of each call that a session sends, as policies have it.

    The session's own ``timeout``, in seconds, is how long the whole call may take.

    Parameters
    ----------
    policies : Policies
    recorder : Recorder, optional
        Keeps a span of each attempt, whose context goes along as ``traceparent``.
    name : str
        Who calls, in these spans.
    largest : int
        The most bytes of a reply's body.

    Examples
    --------
    >>> session = requests.Session()
    >>> session.mount("http://", PolicyAdapter(Policies(timeout=1.0, retry=Retry(attempts=3))))
    """

    def __init__(
        self,
        policies: Policies,
        recorder: Recorder | None = None,
        name: str = "caller",
        largest: int = 1 << 24,
    ) -> None:
        super().__init__()
        self.policies = policies
        self.recorder = recorder
        self.name = name
        self.largest = largest

    def send(  # type: ignore[override]
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: float | None = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Send a request, and again if the policies say so; the body is read in any case.

        Raises
        ------
        BreakerOpenError
            Nothing was sent.
        requests.RequestException
            The last attempt had no reply.
        """
        policies, breaker = self.policies, self.policies.breaker
        deadline = Deadline().callee(policies.clock(), inf if timeout is None else timeout)
        if not deadline.left(policies.clock()):
            raise requests.Timeout("no time is left to send it", request=request)
        if policies.budget is not None:
            policies.budget.earn()
        options = {"stream": True, "verify": verify, "cert": cert, "proxies": proxies}
        caller = TraceContext.taken_from(request.headers)
        attempt, pause, tried = 0, None, Tried()
        while True:
            ticket = None if breaker is None else breaker.allow(policies.clock())
            if breaker is not None and ticket is None:
                if attempt:  # What is known of the attempts before says more.
                    return tried.result()
                raise BreakerOpenError(f"the breaker is {breaker.state}: nothing was sent")
            attempt += 1
            tried = self._seen(request, caller, attempt, deadline, options)
            if breaker is not None and ticket is not None:
                breaker.record(ticket, policies.clock(), tried.ok)
            if tried.ok or not policies.may_repeat(request, tried):
                return tried.result()
            pause = policies.retry.pause(attempt, policies.draw(), pause)
            if pause is None or not self._paused(pause, tried, deadline):
                return tried.result()

    def _paused(self, pause: float, tried: Tried, deadline: Deadline) -> bool:
        """Sleep until the next attempt, if time and budget are left for one."""
        policies = self.policies
        asked = "" if tried.response is None else tried.response.headers.get("retry-after", "")
        pause = max(pause, float(asked) if asked.isdecimal() else 0.0)
        if not deadline.allows(policies.clock() + pause):
            return False
        if policies.budget is not None and not policies.budget.take():
            return False
        policies.sleep(pause)
        return True

    def _seen(
        self,
        request: requests.PreparedRequest,
        caller: TraceContext | None,
        attempt: int,
        deadline: Deadline,
        options: dict[str, Any],
    ) -> Tried:
        """One attempt, as a span where they are kept."""
        if self.recorder is None:
            return self._tried(request, deadline, options)
        name = f"{request.method} {request.path_url.partition('?')[0]}"
        with self.recorder.span(name, self.name, Kind.CLIENT, caller) as span:
            request.headers[HEADER] = str(span.context)
            tried = self._tried(request, deadline, options)
            span.error = not tried.ok
            if tried.response is not None:
                span.attributes["http.response.status_code"] = tried.response.status_code
            else:
                span.cause = type(tried.problem).__name__
            if attempt > 1:
                span.attributes["http.request.resend_count"] = attempt - 1
        return tried

    def _tried(
        self, request: requests.PreparedRequest, deadline: Deadline, options: dict[str, Any]
    ) -> Tried:
        """One attempt: a reply with its body, within the bounds of time and size, or no reply."""
        clock = self.policies.clock
        until = deadline.callee(clock(), self.policies.timeout)
        try:
            response = super().send(request, timeout=until.left(clock()), **options)
        except requests.RequestException as problem:
            return Tried(problem=problem)
        body = bytearray()
        try:
            while piece := response.raw.read1(65_536, decode_content=True):
                body += piece
                if len(body) > self.largest:
                    raise requests.ConnectionError(f"a reply of more than {self.largest} bytes")
                if until.expired(clock()):
                    raise requests.ReadTimeout("the reply came too slowly", request=request)
        except requests.RequestException as problem:
            response.close()
            return Tried(problem=problem)
        except ReadTimeoutError as error:
            return Tried(problem=requests.ReadTimeout(error, request=request))
        except HTTPError as error:
            return Tried(problem=requests.ConnectionError(error, request=request))
        response._content = bytes(body)
        return Tried(response)
