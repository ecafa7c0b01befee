"""A call on simulated time, as the one who made it and the service both hold it."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

from ...calls import Outcome, Reply, Request
from ..environment import Timer

__all__ = ["PLAIN", "Call"]

PLAIN = {outcome: Reply(outcome) for outcome in Outcome}
"""Replies that carry nothing: most of a simulation's, and making one takes as long as a call."""
_NO_HEADERS: Mapping[str, str] = {}


class Call:
    """A call that was made, and what becomes of it: the first answer counts, and no later one.

    Who made it waits (``reply = yield from call.wait(timer)``) until it is answered, or until its
    deadline; an answer at the very instant of the deadline is in time. What then becomes of the
    work the caller does not know: a service may do it although nobody waits any more.

    Parameters
    ----------
    number : int
        Its row in the record.
    request : Request, optional
        What is asked for, if the service that is called really does it.
    deadline : float, optional
        The instant until which an answer is waited for (s); ``request.deadline`` if not given.
    """

    __slots__ = ("_waiting", "answer", "deadline", "number", "request")

    def __init__(
        self, number: int, request: Request | None = None, deadline: float | None = None
    ) -> None:
        self.number = number
        self.request = request
        if deadline is None and request is not None:
            deadline = request.deadline
        self.deadline = deadline
        self.answer: Reply | None = None
        """What the caller got to know; None as long as the call is open."""
        self._waiting: Timer | None = None

    def reply(
        self,
        outcome: Outcome = Outcome.OK,
        *,
        status: int | None = None,
        body: bytes = b"",
        headers: Mapping[str, str] = _NO_HEADERS,
    ) -> bool:
        """Answer the call, now; False if it was over before."""
        if status is None and not body and not headers:
            return self.end(PLAIN[outcome])
        return self.end(Reply(outcome, status, body, headers))

    def end(self, reply: Reply) -> bool:
        """Answer the call with a reply that is there already; False if it was over before."""
        if self.answer is not None:
            return False
        self.answer = reply
        if self._waiting is not None:
            self._waiting.fire()
            self._waiting = None
        return True

    def cancel(self) -> bool:
        """The caller wants no answer any more; False if it was over before.

        Whoever waits for the call goes on, now.
        """
        return self.end(PLAIN[Outcome.CANCELLED])

    def wait(self, timer: Timer) -> Generator[Timer, Any, Reply]:
        """Wait with the caller's own timer until the call is over; gives the reply."""
        if self.answer is None:
            self._waiting = timer
            yield timer if self.deadline is None else timer.until(self.deadline)
            if self.answer is None:
                self._waiting = None
                self.answer = PLAIN[Outcome.TIMED_OUT]
        return self.answer
