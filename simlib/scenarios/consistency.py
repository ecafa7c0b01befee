"""Where is my order? Several services, a database each, and a crash in between."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from math import inf
from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import model_validator

from ..analysis.forecast import Forecast
from ..analysis.metrics import Metric
from ..analysis.result import Result
from ..analysis.run_lengths import Needed
from ..distributions import Arrivals, Exponential
from ..processes import Environment
from ..processes.consistency.carriage import Carriage
from ..processes.consistency.points import ByChance, services_that_refuse, steps_of
from ..processes.draws import happens
from ..stores import INVARIANTS, PATTERNS, Dedup, Once, Services
from ..theory import polled_outbox
from ..tracing import Parties
from .base import Progress, PublishingScenario, parameter

__all__ = ["Consistency", "InvariantError"]

MONEY, GOODS, *BETWEEN = INVARIANTS

Pattern = Literal[
    "commit, publish", "publish, commit", "outbox", "orchestrated saga", "choreographed saga"
]


class InvariantError(RuntimeError):
    """Money or goods appeared or vanished where they must not: a defect, never of the input."""


class Consistency(PublishingScenario):
    """Orders that need three services, each with a database of its own: orders, stock and bank.

    *Commit, publish* and *publish, commit* write to the database and to the broker, in either
    order. With an *outbox* the event is written in the transaction of the order, and a relay
    publishes it; stock and bank then work on it. An *orchestrated saga* has a conductor with a log,
    who asks one service after the other; in a *choreographed saga* each works on the events of the
    others. If the card or the stock refuses, a saga undoes what was done.

    A crash comes after any of the ``steps``. What crashed is started again after ``restart`` and
    runs the same code again: the customer repeats the request, the relay looks again, the broker
    delivers again. The run goes on until nothing is under way. Then the databases are read, and
    each invariant of :data:`simlib.stores.INVARIANTS` is looked at; if one is broken that the
    pattern promises, ``run`` raises :class:`InvariantError` with its name.

    A row of the result is an order: ``created`` when it is asked for, ``enqueued`` when its first
    event is with the broker, ``finished`` when stock and bank both know of it, or the saga ended.
    """

    figures: ClassVar[Mapping[str, Metric]] = {
        "orders": Metric("orders in the database", "orders"),
        "events": Metric("events published", "messages"),
        "missing": Metric("never booked", "messages"),
        "phantom": Metric("paid for, and no such order", "orders"),
        "doubled": Metric("booked more than once", "messages"),
        "broken": Metric("invariants broken at rest"),
        "pending": Metric("pending for ever", "orders"),
        "staleness_mean": Metric("until all know of it, mean", "s"),
    }
    hints: ClassVar = {
        "crash": "it is crash_after",
        "outage": "it is crash_after",
        "idempotent": "write dedup='inbox', or 'none'",
        "delivery": "it is network",
    }

    interarrival: Arrivals = parameter(
        Exponential(mean=0.1), "time between one order and the next", unit="s"
    )
    messages: int | None = parameter(1, "how many orders are asked for", unit="messages", ge=1)
    duration: float | None = parameter(
        None, "when nobody asks for orders any more; the run goes on until rest", unit="s", gt=0
    )
    pattern: Pattern = parameter("outbox", "how an order gets through the services")
    refuse: Literal["card", "stock"] | None = parameter(
        None, "saga: who has nothing, and refuses every order"
    )
    dedup: Dedup = parameter(
        "inbox",
        "how services know what they have done: a note in the transaction of the effect, in a "
        "store of its own after or before the effect, or none",
    )
    crash_after: str | None = parameter(None, "the step after which there is a crash; see steps")
    crashing: float | None = parameter(
        None,
        "probability of the crash each time the step is done; none: the first time, and never more",
        gt=0,
        lt=1,
    )
    recovery: bool = parameter(True, "whether what crashed is started again")
    restart: float = parameter(1.0, "how long that takes", unit="s", ge=0)
    polling: float | None = parameter(
        1.0,
        "time that a relay sleeps after each look into its outbox; none: it is told of each commit",
        unit="s",
        gt=0,
    )
    put_cost: float = parameter(0.005, "time to publish an event and mark it", unit="s", ge=0)
    network: float = parameter(
        0.02, "time that anything is under way between two services", unit="s", ge=0
    )

    @model_validator(mode="after")
    def _can_happen(self) -> Self:
        if self.refuse is not None and "saga" not in self.pattern:
            raise ValueError(
                f"refuse={self.refuse!r} needs a saga, which can undo: pattern is {self.pattern!r}"
            )
        choices = PATTERNS[self.pattern].choices
        if self.dedup not in choices:
            raise ValueError(
                f"dedup must be one of {choices} with pattern={self.pattern!r}, got {self.dedup!r}"
            )
        if self.crash_after is not None and self.crash_after not in self.steps:
            raise ValueError(
                f"crash_after must be one of the steps {self.steps}, got {self.crash_after!r}"
            )
        if self.crashing is not None and self.crash_after is None:
            raise ValueError(f"crashing={self.crashing:g} needs a step: give crash_after")
        return self

    @property
    def steps(self) -> tuple[str, ...]:
        """The steps of an order in this pattern, after each of which there may be a crash."""
        return steps_of(self.pattern, self.refuse, self.dedup)

    @property
    def promised(self) -> tuple[str, ...]:
        """The invariants that must hold at rest, whatever crashes: all, if the pattern is sound.

        That of an event which is published after the commit is not, and what is started again must
        know in the transaction of its effect what it has done before.
        """
        sound = self.recovery and self.dedup == "inbox" and self.pattern != "commit, publish"
        return tuple(INVARIANTS) if sound or self.crash_after is None else (MONEY, GOODS)

    @property
    def servers(self) -> int:
        """One relay publishes one event at a time."""
        return 1

    @property
    def parties(self) -> Parties:
        return Parties(sender="customer", exchange="broker")

    @property
    def slowest(self) -> float:
        """How long an event takes its relay (s)."""
        return self.put_cost

    def needed(self) -> Needed | None:
        """None: a relay that has emptied its outbox has forgotten how it began."""
        return None

    def forecast(self) -> Forecast:
        poisson = isinstance(self.interarrival, Exponential)
        if self.pattern != "outbox" or self.polling is None or self.crash_after or not poisson:
            return Forecast(model="none", why="the formula is for an outbox that is polled")
        if self.load >= 1:
            return Forecast(model="none", why="events come faster than the relay publishes them")
        relay = polled_outbox(self.arrival_rate, self.polling, self.put_cost, self.network)
        return Forecast(
            model="polled outbox",
            why="a relay that sleeps after each look; the spread of the cycle is left out",
            predicted={"staleness_mean": relay.staleness},
            exact=False,
        )

    def _simulate(self, env: Environment, progress: Progress | None) -> Result:
        with services_that_refuse(self.refuse) as services:
            carriage = Carriage(
                env,
                services,
                self.pattern,
                dedup=self.dedup,
                put_cost=self.put_cost,
                network=self.network,
                polling=self.polling,
                restart=self.restart if self.recovery else None,
                passed=self._crash(env),
            )
            with closing(carriage):
                carriage.place(self.arrivals(env).tolist())
                self.execute(env, progress)
                env.advance(inf)
                figures = self._read(services, carriage)
                ledger = carriage.ledger()
        return self.result(env, carriage.record, ledger, over=True, figures=figures)

    def _crash(self, env: Environment) -> Once | ByChance:
        if self.crash_after is None or self.crashing is None:
            return Once(self.crash_after)
        return ByChance(self.crash_after, happens(env, "crashes", self.crashing))

    def _read(self, services: Services, carriage: Carriage) -> dict[str, float]:
        """What the databases say at rest."""
        broken = services.broken()
        wrong = [name for name in broken if name in self.promised]
        if wrong:
            raise InvariantError(f"{', '.join(wrong)}: broken at rest by {self!r}")
        paid, placed = services.bank.paid_for(), services.orders.keys()
        approved = {key for key in placed if services.orders.status(key) == "approved"}
        latency = np.array(carriage.record.finished) - np.array(carriage.record.created)
        latency = latency[self.warmup :]
        finished = latency[~np.isnan(latency)]
        return {
            "orders": len(placed),
            "events": carriage.events,
            "missing": len(approved - paid.keys()),
            "phantom": len(paid.keys() - set(placed)),
            "doubled": sum(times > 1 for times in paid.values()),
            "broken": len(broken),
            "pending": len(services.pending()),
            "staleness_mean": float(finished.mean()) if len(finished) else np.nan,
        }
