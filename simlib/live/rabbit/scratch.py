"""Queues for one experiment, on a server that others use, too."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from .connection import Link, close
from .topology import WorkQueue, delete

__all__ = ["BOUND", "EXPIRES", "ready", "scratch", "taken", "until"]

EXPIRES = 600.0
"""How long what an experiment declared may outlive it, if it is killed (s)."""

BOUND = 60.0
"""How long anything may take (s)."""


@contextmanager
def scratch(url: str, **options: Any) -> Iterator[tuple[Any, WorkQueue]]:
    """A channel, and a queue of a name that nobody else has, which is gone afterwards."""
    queue = WorkQueue(f"simlib-{uuid4().hex}", expires=EXPIRES, **options)
    connection = Link(url=url).connect()
    try:
        channel = connection.channel()
        queue.declare(channel)
        yield channel, queue
    finally:
        close(connection)
        with_another = Link(url=url).connect()
        delete(with_another.channel(), queue)
        close(with_another)


def ready(channel: Any, queue: str) -> int:
    """How many messages wait."""
    return int(channel.queue_declare(queue, passive=True).method.message_count)


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for something; TimeoutError if it doesn't come."""
    end = time.monotonic() + BOUND
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {BOUND:g} s: {what}")
        time.sleep(0.01)


def taken(channel: Any, queue: str) -> list[bytes]:
    """Take all out that waits."""
    found: list[bytes] = []
    while True:
        method, _, body = channel.basic_get(queue, auto_ack=True)
        if method is None:
            return found
        found.append(body)
