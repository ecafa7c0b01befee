"""What the tests of the stores share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, NamedTuple

import pytest

from simlib.queues import MemoryQueue
from simlib.stores import Ordering, Services, ordering_by_queues


class World(NamedTuple):
    """Services, the queues between them, and the pattern that they are used by."""

    services: Services
    queues: dict[str, MemoryQueue]
    ordering: Ordering


@pytest.fixture
def world() -> Iterator[Callable[..., World]]:
    """Makes a world in memory; ``refuse`` takes the customer's money, or the goods, away."""
    with ExitStack() as opened:

        def make(pattern: str, refuse: str | None = None, dedup: Any = "inbox") -> World:
            services = opened.enter_context(
                Services(
                    money=0 if refuse == "card" else 10**6, goods=0 if refuse == "stock" else 10**6
                )
            )
            queues = {
                name: opened.enter_context(MemoryQueue()) for name in ("orders", "stock", "bank")
            }
            return World(services, queues, ordering_by_queues(pattern, services, queues, dedup))

        yield make
