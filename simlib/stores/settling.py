"""Carry orders through until nothing is left to do, without simulated time.

The broker is anything with queues that keep a message until it is acked, such as those of
``simlib.queues``, one for each service.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Protocol

from .ordering import PATTERNS, Dedup, Ordering
from .services import Services
from .steps import CrashError, Steps, follow, go_on

__all__ = ["QueueLike", "ordering_by_queues", "settle"]


class QueueLike(Protocol):
    """What is asked of a queue."""

    def put(self, body: bytes) -> object:
        """Keep a message."""

    def get_many(self, most: int) -> list[Any]:
        """Deliver up to so many messages, without waiting."""

    def ack(self, message: Any) -> object:
        """Forget a message: it is done."""

    def nack(self, message: Any) -> object:
        """Take a message back, to be delivered again."""


def ordering_by_queues(
    pattern: str, services: Services, queues: Mapping[str, QueueLike], dedup: Dedup = "inbox"
) -> Ordering:
    """One of :data:`PATTERNS` whose events go to these queues, one for each service."""
    kind = PATTERNS[pattern]

    def publish(event: str, key: str) -> None:
        for service in kind.routes[event]:
            queues[service].put(json.dumps([event, key]).encode())

    return kind(services, publish, dedup)


def settle(
    ordering: Ordering,
    queues: Mapping[str, QueueLike],
    keys: Iterable[str] = (),
    passed: Callable[[str], None] = go_on,
    *,
    recovery: bool = True,
) -> None:
    """Ask for orders, and work until no outbox and no queue holds anything more.

    Parameters
    ----------
    ordering : Ordering
        The pattern.
    queues : mapping
        The queue of each service, by its name.
    keys : iterable of str
        The orders that a customer asks for, and asks for again as long as nobody replies.
    passed : callable
        Told of each step that is done; it may raise :class:`CrashError`.
    recovery : bool
        Whether what has crashed is started again; if not, it stays down.
    """
    crew = _Crew(passed, recovery)
    for key in keys:
        crew.work(f"request {key}", partial(ordering.request, key))
    moved = True
    while moved:
        moved = False
        for service in ordering.relays:
            if ordering.services.outboxes[service].unsent(1):
                moved |= crew.work(f"{service} relay", partial(ordering.relay, service))
        for service, queue in queues.items():
            receive = partial(_receive, ordering, service, queue, passed)
            while crew.work(f"{service} reader", receive):
                moved = True


class _Crew:
    """Whoever does the steps, and is started again after a crash, or is down for good."""

    def __init__(self, passed: Callable[[str], None], recovery: bool) -> None:
        self.passed = passed
        self.recovery = recovery
        self.down: set[str] = set()

    def work(self, who: str, make: Callable[[], Steps | None]) -> bool:
        """Whether there was something to do, and all of it was done, if need be once more."""
        while who not in self.down:
            try:
                steps = make()
                if steps is None:
                    return False
                follow(steps, self.passed)
            except CrashError:
                if not self.recovery:
                    self.down.add(who)
            else:
                return True
        return False


def _receive(
    ordering: Ordering, service: str, queue: QueueLike, passed: Callable[[str], None]
) -> Steps | None:
    """Work on the next message of a service, if there is one."""
    held = queue.get_many(1)
    if not held:
        return None
    event, key = json.loads(held[0].body)
    try:
        follow(ordering.receive(service, event, key, lambda: queue.ack(held.pop())), passed)
    except CrashError:
        # The broker notices that the connection is gone, and takes back what was not acked.
        for message in held:
            queue.nack(message)
        raise
    return iter(())
