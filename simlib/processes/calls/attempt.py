"""An open call, and the attempts at it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ...calls import Reply
from .call import Call

if TYPE_CHECKING:
    from .server import Server

__all__ = ["GONE", "SENT", "SERVED", "WAITING", "Attempt", "OpenCall"]

SENT, WAITING, SERVED, GONE = range(4)
"""Where an attempt is: on the way, in the queue, at a worker, or nowhere any more."""


class OpenCall:
    """A call whose caller still waits, whatever number of attempts it takes.

    Parameters
    ----------
    number : int
        Its row in the record.
    due : float
        The instant after which no answer is of use (s); may be infinite.
    """

    __slots__ = ("copies", "due", "number", "over", "pause", "turn")

    def __init__(self, number: int, due: float) -> None:
        self.number = number
        self.due = due
        self.turn = 0
        """How many times it was tried, hedges not counted."""
        self.pause: float | None = None
        """The pause before the latest try (s); None: there was none."""
        self.copies: list[Attempt] = []
        """The attempts of the latest try that are open."""
        self.over = False


class Attempt(Call):
    """One attempt at a call: a call of its own, which tells its client at once when it is over.

    Parameters
    ----------
    call : OpenCall
        What it is an attempt at.
    item : int
        Which work it brings.
    sent : float
        When it was made (s).
    deadline : float
        Until when its caller waits (s).
    over : callable
        Called with the attempt when it is over, for whatever reason.
    """

    __slots__ = (
        "_over",
        "call",
        "done",
        "in_flight",
        "item",
        "place",
        "sent",
        "server",
        "start",
        "ticket",
        "turn",
    )

    def __init__(
        self,
        call: OpenCall,
        item: int,
        sent: float,
        deadline: float,
        over: Callable[[Attempt], object],
    ) -> None:
        self.number = call.number
        self.request = None
        self.deadline: float = deadline
        self.answer = None
        self._waiting = None
        self._over = over
        self.call = call
        self.turn = call.turn
        self.item = item
        self.sent = sent
        self.start = sent
        """When the work began (s), once it is at a worker."""
        self.done = sent
        """When the work was done (s), once it is."""
        self.place = SENT
        self.server: Server | None = None
        self.ticket: Any = None
        """What a breaker gave."""
        self.in_flight: int | None = None
        """What a limit gave."""

    @property
    def by(self) -> int:
        """Which replica it is at; -1: none, or the only one."""
        return -1 if self.server is None else self.server.number

    def end(self, reply: Reply) -> bool:
        if self.answer is not None:
            return False
        self.answer = reply
        self._over(self)
        return True
