"""What is predicted and measured: each target with its work, and the models it is held against."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

from .target import Target
from .targets import Broker, Http, Postgres, Queue

__all__ = ["CASES", "Case", "Model"]


@dataclass(frozen=True)
class Model:
    """What is assumed of how the parts get in each other's way."""

    name: str
    """What tables call it."""
    facts: dict[str, Any] = field(default_factory=dict)
    """Parameters of ``FromParts``."""
    in_company: tuple[str, ...] = ()
    """Which parts are those of a run at half load, and not measured alone."""


SIDE_BY_SIDE = Model("side by side")
"""Nobody gets in anybody's way: what one thinks of first."""
ONE_LOCK = Model("one lock", {"one_lock": True})
"""Whoever puts, gets or acks takes turns: a database has one writer at a time."""
ONE_PROCESSOR = Model("one processor", {"processors": 1})
"""Threads that compute take turns, for there is one interpreter (the GIL)."""
ONE_PROCESSOR_WOKEN = Model("one processor, woken", {"processors": 1}, ("wake",))
"""The same, where a consumer in another process than the producer looks for messages now and then;
how long one waits for that is taken from a run."""
ALL_PROCESSORS = Model("all processors, woken", {"processors": os.cpu_count() or 1}, ("wake",))
"""Processes that compute have the processors of the machine, and look for messages likewise."""
IN_COMPANY = Model("parts in company", in_company=("put", "service", "ack", "wake"))
"""Each part takes as long as it does while the others are at work on the same processors."""


@dataclass(frozen=True)
class Case:
    """A target, its work, and its models, the first one first."""

    target: Target
    work: float
    """The work that each message brings (s)."""
    consumers: int
    """How many consumers or workers there are."""
    models: tuple[Model, ...]
    batch_size: int = 1
    """The most messages that a consumer takes at once."""

    @property
    def how(self) -> str:
        """In words."""
        kind = "computed" if self.target.computes else "slept"
        if self.consumers == 1:
            return kind
        who = "processes" if self.target.processes else "threads"
        return f"{kind} by {self.consumers} {who}"


CASES = {
    "memory": Case(Queue(), 0.002, 1, (SIDE_BY_SIDE,)),
    "file": Case(Queue(kind="file"), 0.002, 1, (SIDE_BY_SIDE,)),
    "sqlite": Case(Queue(kind="sqlite"), 0.002, 1, (SIDE_BY_SIDE, ONE_LOCK)),
    "sqlite_batches": Case(Queue(kind="sqlite"), 0.01, 1, (SIDE_BY_SIDE, ONE_LOCK), batch_size=10),
    "sqlite_processes": Case(
        Queue(kind="sqlite", apart=True), 0.005, 2, (SIDE_BY_SIDE, IN_COMPANY)
    ),
    "postgres": Case(Postgres(), 0.002, 1, (SIDE_BY_SIDE, IN_COMPANY)),
    "postgres_processes": Case(Postgres(apart=True), 0.005, 2, (SIDE_BY_SIDE, IN_COMPANY)),
    "rabbitmq": Case(Broker(prefetch=20), 0.004, 1, (SIDE_BY_SIDE, IN_COMPANY)),
    "rabbitmq_prefetch_1": Case(Broker(prefetch=1), 0.004, 1, (SIDE_BY_SIDE, IN_COMPANY)),
    "computing_threads": Case(
        Queue(kind="sqlite", computes=True), 0.005, 4, (SIDE_BY_SIDE, ONE_PROCESSOR_WOKEN)
    ),
    "computing_processes": Case(
        Queue(kind="sqlite", computes=True, apart=True), 0.005, 4, (SIDE_BY_SIDE, ALL_PROCESSORS)
    ),
    "rest": Case(Http(), 0.02, 4, (SIDE_BY_SIDE,)),
    "graphql": Case(Http(style="graphql"), 0.02, 4, (SIDE_BY_SIDE,)),
    "rest_computing": Case(Http(computes=True), 0.005, 4, (SIDE_BY_SIDE, ONE_PROCESSOR)),
}
"""What there is, by name."""
