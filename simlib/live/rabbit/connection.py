"""A connection that is kept open: how often it is tried, how it is watched, and what loses it."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ...resilience import FullJitter, Retry
from ..address import address, shown
from ..pika_words import connect, pika_exceptions, pika_itself, pika_parameters

__all__ = ["GaveUpError", "Link", "OwnThread", "close", "lost_connection"]

PATIENT = Retry(attempts=10, wait=FullJitter(base=0.1, most=5.0))
"""At most ten attempts, with up to 0.1, 0.2, 0.4, … 5 s between them: half a minute at most."""


class GaveUpError(ConnectionError):
    """The server did not come back within so many attempts."""


def lost_connection() -> tuple[type[Exception], ...]:
    """The errors after which only another connection helps.

    ``ChannelWrongStateError`` is among them: what was lost before shows itself at the next call.
    """
    exceptions = pika_exceptions()
    wrong_state = (exceptions.ChannelWrongStateError, exceptions.ConnectionWrongStateError)
    return (exceptions.AMQPConnectionError, *wrong_state, ConnectionError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Where the server is, and how patient one is with it.

    Parameters
    ----------
    url : str, optional
        As for :func:`simlib.live.address.address`.
    anywhere : bool
        Whether it may lead to another machine.
    heartbeat : int
        After how long without a word either side asks whether the other is there (s); after twice
        as long it takes the connection for lost.
    blocked_timeout : float
        How long a server that has no memory or disk left may hold up a publisher before the
        connection is given up (s).
    retry : Retry
        How often one connects or publishes in a row, and the pauses between.
    """

    url: str | None = None
    anywhere: bool = False
    heartbeat: int = 60
    blocked_timeout: float = 30.0
    retry: Retry = field(default=PATIENT)

    def __post_init__(self) -> None:
        if not isinstance(self.heartbeat, int) or not 1 <= self.heartbeat <= 65535:
            raise ValueError(f"heartbeat must be from 1 to 65535 s, got {self.heartbeat!r}")
        if not self.blocked_timeout > 0:
            raise ValueError(f"blocked_timeout must be > 0 s, got {self.blocked_timeout!r}")
        # Read once: what the variable says later changes nothing.
        object.__setattr__(self, "url", address(self.url, anywhere=self.anywhere))

    @property
    def parameters(self) -> Any:
        """What pika connects by."""
        found = pika_parameters(str(self.url))
        found.heartbeat = self.heartbeat
        found.blocked_connection_timeout = self.blocked_timeout
        found.socket_timeout = found.stack_timeout = 15.0
        return found

    def connect(self) -> Any:
        """A connection for the thread that calls, and for no other; ConnectionError if none."""
        return connect(str(self.url), self.parameters)

    def pauses(self) -> Iterator[float]:
        """How long to wait before each further attempt (s), with a draw for each."""
        return self.retry.pauses(random.random() for _ in range(self.retry.attempts))

    def gave_up(self, doing: str, error: BaseException | None) -> GaveUpError:
        """The error at the end of all attempts."""
        return GaveUpError(
            f"gave up {doing} at {shown(str(self.url))} after {self.retry.attempts} attempts; "
            f"last: {type(error).__name__}: {error}"
        )

    def background(self) -> Any:
        """The class of connections that run in a thread of their own."""
        return pika_itself().SelectConnection


def close(connection: Any) -> None:
    """Close what may be lost already."""
    with suppress(pika_exceptions().AMQPError, ConnectionError):
        if connection is not None and connection.is_open:
            connection.close()


class OwnThread:
    """The thread that something belongs to: the one that uses it first."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._owner: int | None = None

    def check(self) -> None:
        """RuntimeError in any other thread."""
        here = threading.get_ident()
        self._owner = self._owner or here
        if here != self._owner:
            raise RuntimeError(
                f"a {self._what} and its connection belong to one thread, the first that used it; "
                f"make another {self._what} in this one"
            )
