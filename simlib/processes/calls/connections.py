"""A pool of connections, and the way to a service and back."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from math import nan
from typing import Literal

from ...calls import Outcome, Reply
from ..environment import Environment
from ..line import Line
from ..record import Record
from .attempt import GONE, Attempt
from .call import PLAIN
from .fates import Fates
from .later import AFTER_ALL_ELSE, Later
from .server import Server

__all__ = ["Cold", "Connections"]

Cold = Literal["never", "first", "each"]
"""Whether a connection is set up for no call, for its first, or for each."""


class Connections:
    """Each call holds one of a limited number of connections until its answer is there.

    Who finds none waits in order, but not for ever. A connection on which somebody gave up, or was
    refused, is closed; another one takes its place, and has to be set up again.

    Parameters
    ----------
    env : Environment
    record : Record
        With columns ``connected`` and ``arrived``.
    fates : Fates
    connections : int
        How many there are.
    checkout_timeout : float, optional
        How long a call waits for one (s); None: as long as it takes.
    setup : float
        How long it takes to set one up (s).
    cold : str
        When that is needed.
    there, back : float
        How long a request and a reply are under way (s).
    """

    def __init__(
        self,
        env: Environment,
        record: Record,
        fates: Fates,
        *,
        connections: int,
        checkout_timeout: float | None,
        setup: float,
        cold: Cold,
        there: float,
        back: float,
    ) -> None:
        self.env = env
        self.server: Server | None = None
        """Where the connections lead."""
        self.set_up = 0
        """How many connections were set up."""
        self._record = record
        self._connected, self._arrived = record.extra["connected"], record.extra["arrived"]
        self._fates = fates
        self._free = connections
        self._warm = connections if cold == "never" else 0
        self._cold = cold
        self._setup = setup
        self._there, self._back = there, back
        self._checkout_timeout = checkout_timeout
        self._waiting: deque[Attempt] = deque()
        self._holding: dict[Attempt, None] = {}
        self._under_way: dict[Attempt, None] = {}
        self._called_off: set[Attempt] = set()
        self._impatient = Line(env, self._give_up, AFTER_ALL_ELSE)

    def send(self, attempt: Attempt, copies: Sequence[Attempt]) -> None:
        """Take an attempt to the service, as soon as there is a connection for it."""
        self._under_way[attempt] = None
        if self._free:
            self._free -= 1
            self._go(attempt)
            return
        self._waiting.append(attempt)
        if self._checkout_timeout is not None:
            self._impatient.send(attempt, self.env._now + self._checkout_timeout)

    def left(self, attempt: Attempt, cause: str, called_off: bool) -> None:
        """Its caller waits no more: the connection is closed, if it has one."""
        if attempt in self._holding:
            if called_off:
                self._called_off.add(attempt)
                Later(self.env, self.env._now + self._there, self._call_off, attempt)
            self._release(attempt, reusable=False)
        elif attempt in self._under_way:
            # It never had a connection, and is not sent any more.
            self._waiting.remove(attempt)
            self._end(attempt, Outcome.CANCELLED, cause)
            self._fates.cancelled += 1

    def answer(self, attempt: Attempt, reply: Reply) -> None:
        """Take an answer back."""
        self._under_way[attempt] = None
        Later(self.env, self.env._now + self._back, self._deliver, (attempt, reply), 0)

    def refuse(self, attempt: Attempt, reply: Reply) -> None:
        """Take back that it was refused, or that the connection is broken."""
        Later(self.env, self.env._now + self._back, self._break, (attempt, reply), 0)

    def under_way(self) -> list[Attempt]:
        """All attempts that wait for a connection or are on the way, there or back."""
        return list(self._under_way)

    def _go(self, attempt: Attempt) -> None:
        now, setup = self.env._now, 0.0
        self._holding[attempt] = None
        self._connected[attempt.number] = now
        if self._warm:
            self._warm -= 1
        else:
            setup = self._setup
            self.set_up += 1
        Later(self.env, now + setup + self._there, self._arrive, attempt)

    def _arrive(self, later: Later) -> None:
        attempt: Attempt = later.thing
        if attempt in self._called_off:
            self._end(attempt, Outcome.CANCELLED, "timeout")
            self._fates.cancelled += 1
        elif self.server is not None:
            del self._under_way[attempt]
            self._arrived[attempt.number] = self.env._now
            self.server.take(attempt)

    def _call_off(self, later: Later) -> None:
        attempt: Attempt = later.thing
        if attempt.server is not None:
            attempt.server.withdraw(attempt, "timeout")

    def _deliver(self, later: Later) -> None:
        attempt, reply = later.thing
        del self._under_way[attempt]
        self._release(attempt, reusable=True)
        if attempt.server is not None:
            attempt.server.told(attempt, reply)

    def _break(self, later: Later) -> None:
        attempt, reply = later.thing
        self._release(attempt, reusable=False)
        attempt.end(reply)

    def _release(self, attempt: Attempt, reusable: bool) -> None:
        """Its connection is free for who waits."""
        if attempt not in self._holding:
            return
        del self._holding[attempt]
        if self._cold == "never" or (reusable and self._cold == "first"):
            self._warm += 1
        if self._waiting:
            self._go(self._waiting.popleft())
        else:
            self._free += 1

    def _give_up(self, attempt: Attempt) -> None:
        """It has waited long enough for a connection."""
        if attempt in self._under_way and attempt not in self._holding and attempt.answer is None:
            self._waiting.remove(attempt)
            self._end(attempt, Outcome.REFUSED, "checkout")
            self._fates.rejected += 1
            attempt.end(PLAIN[Outcome.REFUSED])

    def _end(self, attempt: Attempt, outcome: Outcome, cause: str) -> None:
        """It is over before it came to the service."""
        attempt.place = GONE
        del self._under_way[attempt]
        now = self.env._now
        self._record.attempts.add(
            attempt.number, now, nan, nan, now, outcome=str(outcome), cause=cause
        )
