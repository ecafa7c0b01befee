"""Services for tests on sockets: one of a single sentence, one that follows a script."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

import pytest

from simlib.calls import Reply, Request

__all__ = ["Scripted"]


class Scripted:
    """Answers by what a script says next, and keeps what it heard; the last line holds for ever."""

    def __init__(self, *replies: Reply | Callable[[Request], Reply]) -> None:
        self._replies = list(replies)
        self._turn = Lock()
        self.heard: list[Request] = []

    def handle(self, request: Request) -> Reply:
        with self._turn:
            self.heard.append(request)
            said = self._replies[min(len(self.heard), len(self._replies)) - 1]
        return said if isinstance(said, Reply) else said(request)


@pytest.fixture
def scripted() -> Callable[..., Scripted]:
    """Make a service of statuses."""

    def make(*statuses: int) -> Scripted:
        return Scripted(*(Reply(status=status) for status in statuses))

    return make
