"""What these tests share: a server that others use, too, queues of their own, and patience."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, NoReturn
from uuid import uuid4

import pytest

from simlib.live.address import HOW_TO_GET, address
from simlib.live.rabbit import Consumer, Line, Link, Received, WorkQueue, delete
from simlib.live.rabbit.connection import close
from simlib.resilience import Fixed, Retry

PATIENCE = 60.0
"""How long anything may take (s)."""

AT_ONCE = Retry(attempts=3, wait=Fixed(0.01))
STUBBORN = Retry(attempts=1000, wait=Fixed(0.05))


def until(condition: Callable[[], Any], what: str) -> None:
    """Wait for something that has to come."""
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            pytest.fail(f"not within {PATIENCE:g} s: {what}", pytrace=False)
        time.sleep(0.01)


def run_until(
    consumer: Consumer, work: Callable[[Received], object], condition: Callable[[], Any]
) -> None:
    """Let a consumer work until something is so."""
    end = time.monotonic() + PATIENCE
    while not condition():
        consumer.run(work, idle=0.02)
        if time.monotonic() > end:
            pytest.fail(f"not within {PATIENCE:g} s: {consumer.outcomes}", pytrace=False)


class Place(NamedTuple):
    """A queue on a server, a channel to look at it, and a line that can be cut."""

    queue: WorkQueue
    channel: Any
    line: Line

    def link(self, retry: Retry = STUBBORN, **options: Any) -> Link:
        """Through the line."""
        return Link(url=self.line.url, retry=retry, **options)

    def ready(self) -> int:
        """How many messages wait."""
        return int(self.channel.queue_declare(self.queue.name, passive=True).method.message_count)

    def taken(self, queue: str = "") -> list[tuple[Any, bytes]]:
        """Properties and body of all that waits, taken out."""
        found = []
        while True:
            method, properties, body = self.channel.basic_get(queue or self.queue.name, True)
            if method is None:
                return found
            found.append((properties, body))


@pytest.fixture(scope="session")
def url(missing: Callable[[str, str], NoReturn]) -> str:
    found = address()
    try:
        close(Link(url=found).connect())
    except ConnectionError:
        missing("RabbitMQ", HOW_TO_GET)
    return found


@pytest.fixture
def place(url: str, request: pytest.FixtureRequest) -> Iterator[Place]:
    options = getattr(request, "param", {})
    queue = WorkQueue(f"simlib-{uuid4().hex}", expires=600, **options)
    connection = Link(url=url).connect()
    channel = connection.channel()
    with Line(url) as line:
        queue.declare(channel)
        yield Place(queue, channel, line)
    if not channel.is_open:
        channel = connection.channel()
    delete(channel, queue)
    close(connection)
