"""Several servers that do the same, and who of them gets which attempt."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...resilience import Routing
from .attempt import Attempt
from .server import Server

__all__ = ["Replicas"]


class Replicas:
    """Sends attempts to one of several servers, and a copy to another one than those before.

    Parameters
    ----------
    servers : sequence of Server
    routing : Routing
        Who chooses.
    draws : iterator of float
        Uniform in [0, 1), one for each choice.
    """

    def __init__(self, servers: Sequence[Server], routing: Routing, draws: Iterator[float]) -> None:
        self._servers = servers
        self._routing = routing
        self._draws = draws

    def send(self, attempt: Attempt, copies: Sequence[Attempt]) -> None:
        """Take an attempt to a server; ``copies`` are those that are open for the same call."""
        servers = self._servers
        if len(copies) > 1:
            taken = {copy.server for copy in copies}
            servers = [each for each in servers if each not in taken] or servers
        if len(servers) > 1:
            loads = [each.load for each in servers]
            servers[self._routing.choose(loads, next(self._draws))].take(attempt)
        else:
            servers[0].take(attempt)

    def left(self, attempt: Attempt, cause: str, called_off: bool) -> None:
        """Its caller waits no more: call it off, if that is wanted.

        A copy that has lost is stopped in the middle of its work, too.
        """
        if called_off and attempt.server is not None:
            attempt.server.withdraw(attempt, cause, begun=cause == "hedge")
