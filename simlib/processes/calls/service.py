"""A service that answers calls."""

from __future__ import annotations

from ...calls import Outcome, Request
from ...calls import Service as Handler
from ...queues import Message
from ..draws import Draws
from ..environment import Environment
from ..faults import NO_FAULTS, Faults
from ..point_to_point.consumer import Consumer
from ..point_to_point.queue import SimQueue
from .call import PLAIN, Call

__all__ = ["Service"]

_OK = PLAIN[Outcome.OK]


class Service(Consumer):
    """Answers calls: its workers take requests from an inbox and reply to whoever called.

    The inbox is in the service's own memory. When the service goes down, the requests in it and
    those in the workers' hands are gone, and their calls fail; while it is down, calls are refused,
    and so are those for which the inbox has no room. Work whose caller has stopped waiting is done
    all the same.

    Parameters
    ----------
    env : Environment
    inbox : SimQueue
        Where requests wait for a worker.
    work : Draws
        The work that each request brings (s).
    workers : int
        How many requests are worked on at once.
    faults : Faults
        When the service is down or slow.
    handler : simlib.calls.Service, optional
        What really answers a request, at the instant at which the work is done. Without it the
        reply is that all is well.
    """

    def __init__(
        self,
        env: Environment,
        inbox: SimQueue,
        work: Draws,
        *,
        workers: int = 1,
        faults: Faults = NO_FAULTS,
        handler: Handler | None = None,
    ) -> None:
        super().__init__(env, inbox, work, workers=workers, faults=faults)
        self.handler = handler
        self.late = 0
        """Replies that came when nobody waited for them any more."""
        self._calls: dict[int, Call] = {}

    def call(
        self, number: int, request: Request | None = None, deadline: float | None = None
    ) -> Call:
        """Hand in request ``number``, now; the call may be over at once.

        Parameters
        ----------
        number : int
            Its row in the record; while the service has a call of that number, there can't be
            another one.
        request : Request, optional
            What is asked for; a service with a handler needs it.
        deadline : float, optional
            The instant until which an answer is waited for (s); ``request.deadline`` if not given.
        """
        call = Call(number, request, deadline)
        if call.deadline is not None and call.deadline < self.env._now:
            raise ValueError(f"deadline must be >= now={self.env._now:g} s, got {call.deadline!r}")
        if request is None and self.handler is not None:
            raise ValueError("a service with a handler needs a request, got None")
        if number in self._calls:
            raise ValueError(f"number must be new to the service, and it has a call {number!r}")
        if self.faults is not NO_FAULTS and self.is_down():
            self.queue.record.lost.append(number)
            call.reply(Outcome.REFUSED)
            return call
        self._calls[number] = call
        if not self.queue.publish(number):
            del self._calls[number]
            call.reply(Outcome.REFUSED)
        return call

    def is_down(self) -> bool:
        """Whether it is down now."""
        return self.faults.up_at(self.env._now) > self.env._now

    def done(self, number: int) -> None:
        call = self._calls.pop(number)
        if self.handler is None or call.request is None:
            reply = _OK
        else:
            reply = self.handler.handle(call.request)
        if not call.end(reply):
            self.late += 1

    def abandon(self, message: Message) -> None:
        self._calls.pop(self.queue.lose(message)).reply(Outcome.FAILED)

    def went_down(self) -> None:
        for message in self.queue.real.get_many(self.queue.real.qsize() or 1):
            self.queue.record.moves.vanished.append(self.env.now)
            self.abandon(message)
