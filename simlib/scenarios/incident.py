"""Which service is slow? Traces of six services, one of which has a fault that nobody has named."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal, Self, get_args

import numpy as np
from pydantic import model_validator

from ..processes.draws import stream
from ..tracing import Kind, Span, TraceContext
from ..values import Value, parameter

__all__ = ["Case", "Incident"]

Service = Literal["gateway", "orders", "stock", "prices", "payments", "bank"]
Cause = Literal["work", "queue", "pool", "backoff"]

CALLS: dict[str, tuple[Service, ...]] = {
    "gateway": ("orders",),
    "orders": ("stock", "payments"),
    "stock": ("prices",),
    "payments": ("bank",),
    "prices": (),
    "bank": (),
}
"""Whom each service calls, one after the other, after half of its work."""
OF_CALLERS = ("pool", "backoff")
"""What only a service that calls others can wait for."""

WORKS = tuple(0.05 / 2**steps for steps in range(6))
"""Mean works (s), each half of the one before; which service has which is drawn."""
QUEUE, POOL, BACKOFF = 0.2, 0.1, 0.5
"""Mean waits, as parts of the mean work of whoever waits."""
REFUSED, REFUSAL = 0.05, 0.001
"""How many calls are refused, and made again after a pause; how long a refusal takes (s)."""
GAP = 0.1
"""Mean time between one trace and the next (s)."""

Rule = Callable[[list[Span], list[Span]], tuple[str, str]]
"""Says which service is slow, and what takes longer there, from spans of now and from before."""


class Incident(Value):
    """Six services that call each other, and one that has become slow for some of the requests.

    Nothing is simulated here: work and waits are drawn, exponentially, and are spans: ``work``,
    ``queue`` (for a worker), ``pool`` (for a connection) and ``backoff`` (before a refused call is
    made again). In an incident one of these, in one service, takes longer for a share of the
    requests, by ``size`` times the mean work of the slowest of all services. With the same seed the
    healthy run is of the same services, at another time: nothing else is drawn alike.
    """

    share: float = parameter(0.2, "share of the requests that the fault affects", gt=0, le=1)
    size: float = parameter(
        2.0,
        "how much longer it takes, in mean works of the slowest service",
        step=0.5,
        gt=0,
        le=1000,
    )
    traces: int = parameter(200, "requests in each run", unit="messages", ge=1, le=100_000)
    service: Service | None = parameter(None, "which has the fault; none: the seed says")
    cause: Cause | None = parameter(None, "what takes longer there; none: the seed says")

    @model_validator(mode="after")
    def _can_be(self) -> Self:
        if self.cause in OF_CALLERS and self.service and not CALLS[self.service]:
            raise ValueError(
                f"cause={self.cause!r} is a wait of services that call others, and "
                f"{self.service!r} calls nobody; give cause='work' or 'queue'"
            )
        return self

    def run(self, seed: int = 0) -> Case:
        """Traces from before and from the incident; the same seed gives the same ones."""
        lot = stream(seed, "fault")
        services = [
            each
            for each in get_args(Service)
            if self.service in (None, each) and (CALLS[each] or self.cause not in OF_CALLERS)
        ]
        service = services[lot.integers(len(services))]
        causes = [
            each
            for each in get_args(Cause)
            if self.cause in (None, each) and (CALLS[service] or each not in OF_CALLERS)
        ]
        cause = causes[lot.integers(len(causes))]
        means = dict(zip(CALLS, stream(seed, "services").permutation(WORKS).tolist(), strict=True))
        extra = self.size * max(WORKS)
        healthy = _Requests(stream(seed, "before"), means)
        sick = _Requests(stream(seed, "incident"), means, (cause, service, extra))
        spans, affected = sick.traces(self.traces, self.share, seed, first=self.traces)
        return Case(
            incident=self,
            seed=seed,
            spans=spans,
            healthy=healthy.traces(self.traces, 0.0, seed, first=0)[0],
            service=service,
            cause=cause,
            affected=affected,
        )

    def score(self, rule: Rule, seeds: Iterable[int] = range(300)) -> float:
        """The fraction of the incidents with these seeds in which a rule is right.

        Parameters
        ----------
        rule : callable
            Takes the spans of the incident and those from before, and gives a service and a cause.
        seeds : iterable of int
            One incident each.
        """
        found = []
        for case in map(self.run, seeds):
            answer = rule(case.spans, case.healthy)
            if not isinstance(answer, tuple) or len(answer) != 2:
                raise TypeError(f"a rule gives a service and a cause, got {answer!r}")
            found.append(answer == (case.service, case.cause))
        if not found:
            raise ValueError("seeds must hold one at least")
        return sum(found) / len(found)


@dataclass(frozen=True, kw_only=True)
class Case:
    """Spans of an incident, and of the same services before it. What it is about isn't printed."""

    incident: Incident
    """What was asked for."""
    seed: int
    """The seed it was made with."""
    spans: list[Span] = field(repr=False)
    """Those of the incident."""
    healthy: list[Span] = field(repr=False)
    """Those from before."""
    service: str = field(repr=False)
    """Which service has the fault."""
    cause: str = field(repr=False)
    """What takes longer there: the name of its spans."""
    affected: frozenset[str] = field(repr=False)
    """The ids of the traces in which it does."""


class _Requests:
    """Requests to six services, one trace each."""

    def __init__(
        self,
        luck: np.random.Generator,
        means: dict[str, float],
        fault: tuple[str, str, float] = ("", "", 0.0),
    ) -> None:
        self._luck = luck
        self._means = means
        self._fault, self._extra = fault[:2], fault[2]
        self._to_come = False
        """Whether the fault is still to strike in this trace."""
        self._root = TraceContext.numbered(0, 0)
        self._spans: list[Span] = []
        self._made = 0

    def traces(
        self, count: int, share: float, seed: int, first: int
    ) -> tuple[list[Span], frozenset[str]]:
        """All spans, and the ids of the traces that the fault affects."""
        found: list[Span] = []
        affected, at = set[str](), 0.0
        for number in range(first, first + count):
            self._root, self._spans, self._made = TraceContext.numbered(seed, number), [], 0
            at += self._luck.exponential(GAP)
            self._to_come = self._luck.random() < share
            if self._to_come:
                affected.add(self._root.trace_id)
            self._serve("gateway", None, at)
            # A span is made when it ends: what caused it comes after it.
            found += reversed(self._spans)
        return found, frozenset(affected)

    def _serve(self, service: str, parent: TraceContext | None, at: float) -> float:
        """A request to a service, and all that it causes; its end (s)."""
        own, mean = self._next(), self._means[service]
        now = self._spend("queue", service, own, at, self._draw("queue", service, QUEUE * mean))
        work = self._draw("work", service, mean)
        if callees := CALLS[service]:
            work /= 2
            now = self._spend("work", service, own, now, work)
        for callee in callees:
            now = self._call(service, callee, own, now)
        now = self._spend("work", service, own, now, work)
        self._note("serve", service, own, parent, at, now, Kind.SERVER)
        return now

    def _call(self, service: str, callee: str, parent: TraceContext, at: float) -> float:
        """A call of another service, made again after a pause if it is refused; its end (s)."""
        mean, strikes = self._means[service], self._strikes("backoff", service)
        if self._luck.random() < REFUSED or strikes:
            refused = at + REFUSAL
            self._note("call", service, self._next(), parent, at, refused, Kind.CLIENT, True)
            pause = self._draw("backoff", service, BACKOFF * mean)
            at = self._spend("backoff", service, parent, refused, pause)
        own = self._next()
        pool = self._draw("pool", service, POOL * mean)
        now = self._serve(callee, own, self._spend("pool", service, own, at, pool))
        self._note("call", service, own, parent, at, now, Kind.CLIENT)
        return now

    def _strikes(self, name: str, service: str) -> bool:
        return self._to_come and self._fault == (name, service)

    def _draw(self, name: str, service: str, mean: float) -> float:
        """How long something takes (s), longer if it has the fault; once in a trace."""
        drawn = float(self._luck.exponential(mean))
        if not self._strikes(name, service):
            return drawn
        self._to_come = False
        return drawn + self._extra

    def _spend(
        self, name: str, service: str, parent: TraceContext, at: float, time: float
    ) -> float:
        """Something that calls nobody; its end (s)."""
        self._note(name, service, self._next(), parent, at, at + time)
        return at + time

    def _next(self) -> TraceContext:
        self._made += 1
        return self._root.numbered_child(self._made)

    def _note(
        self,
        name: str,
        service: str,
        own: TraceContext,
        parent: TraceContext | None,
        start: float,
        end: float,
        kind: Kind = Kind.INTERNAL,
        refused: bool = False,
    ) -> None:
        self._spans.append(
            Span(
                context=own,
                parent_id=parent.span_id if parent else None,
                name=name,
                service=service,
                kind=kind,
                start=start,
                end=end,
                error=refused,
                outcome="refused" if refused else "",
            )
        )
