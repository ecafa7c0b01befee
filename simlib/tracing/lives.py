"""The spans of a run, made from what was noted of each message and of each attempt at it.

A message has a trace. What is in it, and what is spent there::

    message            sender    created, until nothing more happens to it
      publish          sender    until it is stored, and the sender knows
      queue            keeper    stored, until it is acked: by itself it is the wait
        process        worker    an attempt, from its delivery to its ack; a retry is another one
          deliver      worker    until the work begins: under way, fetched, or waiting there
          work         worker
          ack          worker    until the ack is stored; in a line of stations ``blocked``

Copies of a message that go to several subscribers, or were sent again, have each a ``queue`` in the
trace of their message; in a line of stations there is one for each. Orders that cross services have
spans of their own: see :mod:`~simlib.tracing.visits`. Where the sender waits for an
answer the names are ``call``, ``serve`` and ``attempt``; by itself a ``serve`` is the wait for a
worker, and a ``call`` is under way. It waits for a connection in a ``pool``, where a scenario tells
that. Instants that a scenario doesn't tell apart make no span between them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import isnan, nan
from typing import Any, Protocol

from .context import TraceContext
from .spans import Kind, Parties, Span
from .visits import spans_of_visits

__all__ = ["Run", "spans_of"]

DIED = ("dropped", "lost", "dead-lettered", "expired")
IN_VAIN = ("interrupted", "failed", "done")
UNFINISHED = ("waiting", "in service", "under way")

_GROUPS = ("message", "event")
"""Labels that say of which message a row is a copy."""
_OWN = {
    *("id", "created", "enqueued", "started", "finished", "delivered", "acked", "left"),
    *("connected", "arrived", "answered", "attempts", "outcome", "wait", "latency", *_GROUPS),
}
"""Columns of messages that spans are made of; others that are no instants are told as they are."""
_OF_ATTEMPTS = {
    *("message", "attempt", "delivered", "start", "end", "released", "outcome", "by", "cause"),
    "station",
}

Row = Mapping[str, Any]


class Run(Protocol):
    """What spans are made from: a :class:`simlib.analysis.Result`, seen from here."""

    @property
    def seed(self) -> int:
        """The seed it was run with."""

    @property
    def duration(self) -> float:
        """When it ended (s)."""

    @property
    def messages(self) -> Any:
        """A data frame with a row per message."""

    @property
    def attempts(self) -> Any:
        """A data frame with a row per delivery or call."""

    @property
    def moves(self) -> Any:
        """When messages came or went otherwise than by being published, delivered and done."""

    @property
    def visits(self) -> Any:
        """Who did what for each message, if that was noted step by step."""


def spans_of(run: Run, parties: Parties | None = None, share: float = 1.0) -> list[Span]:
    """A run as spans, trace by trace, in each of them a parent before its children.

    Ids come from the seed and the number of the message: the same message of two variants of a
    scenario has the same trace id.

    Parameters
    ----------
    run : Result
        What happened.
    parties : Parties, optional
        What the services are called.
    share : float
        The fraction of the traces that is made, 0 to 1, chosen by their ids before anything is
        known of them (head sampling).
    """
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
        raise ValueError(f"share must be a number from 0 to 1, got {share!r}")
    if len(run.visits):
        return spans_of_visits(run, parties or Parties(), share)
    names = _Names(run, parties or Parties())
    spans: list[Span] = []
    first_of_batch: dict[int, TraceContext] = {}
    attempts: dict[int, list[Row]] = {}
    for attempt in _rows(run.attempts):
        attempts.setdefault(attempt["message"], []).append(attempt)
    traces: dict[int, list[Row]] = {}
    for row in _rows(run.messages):
        group = next((row[name] for name in _GROUPS if name in row), row["id"])
        traces.setdefault(group, []).append(row)
    for number, rows in sorted(traces.items()):
        root = TraceContext.numbered(run.seed, number)
        if root.falls_within(share):
            trace = _Trace(names, run.duration, number, rows)
            for row in rows:
                trace.add_copy(row, attempts.get(row["id"], []))
            spans += trace.finished(root, first_of_batch)
    return spans


class _Names:
    """What the services of a run are called."""

    def __init__(self, run: Run, parties: Parties) -> None:
        self.parties = parties
        columns, attempts = run.messages, run.attempts
        self.many_queues = "queue" in columns and columns["queue"].max() > 0
        self.many_workers = bool((attempts["by"] > 0).any())
        stations = [name.removeprefix("enqueued_") for name in columns]
        self._vanished = run.moves.get("vanished", ())
        self.stations = [int(each) for each in stations if each.isdigit()]

    def vanished_after(self, instant: float) -> float:
        """When messages that waited were lost for the first time from then on (s), or NaN."""
        return min((each for each in self._vanished if each >= instant), default=nan)

    def keeper(self, row: Row, station: int | None) -> str:
        """Where a message waits."""
        if self.parties.calls:
            return self.worker(row.get("subscriber", -1), station)
        if self.parties.keepers and 0 <= row["queue"] < len(self.parties.keepers):
            return self.parties.keepers[row["queue"]]
        place = row["queue"] if self.many_queues else -1
        return _numbered(self.parties.keeper, place, station)

    def worker(self, by: Any, station: int | None) -> str:
        """Who works on it."""
        known = self.many_workers and isinstance(by, int)
        return _numbered(self.parties.worker, by if known else -1, station)


def _numbered(name: str, place: int, station: int | None) -> str:
    if station is not None:
        return f"{name} {station}"
    return name if place < 0 else f"{name} {place + 1}"


@dataclass(kw_only=True)
class _Draft:
    """A span whose end moves with those of its children."""

    name: str
    service: str
    start: float
    end: float
    parent: _Draft | None = None
    kind: Kind = Kind.INTERNAL
    outcome: str = ""
    cause: str = ""
    error: bool = False
    attributes: dict[str, Any] = field(default_factory=dict)
    batch: int = -1


class _Trace:
    """What happened to one message, and to its copies."""

    def __init__(self, names: _Names, until: float, number: int, rows: list[Row]) -> None:
        parties = names.parties
        self._names = names
        self._until = until
        created = min(row["created"] for row in rows)
        outcomes = [row["outcome"] for row in rows]
        worst = next((each for each in outcomes if each != "acked"), "acked")
        self._root = _Draft(
            name="call" if parties.calls else "message",
            service=parties.sender,
            kind=Kind.CLIENT if parties.calls else Kind.INTERNAL,
            start=created,
            end=created,
            outcome=next((each for each in outcomes if each in DIED), worst),
            error=any(each in DIED for each in outcomes),
            attributes={"message": number},
        )
        self._drafts = [self._root]
        self._published: set[float] = set()

    def add_copy(self, row: Row, attempts: list[Row]) -> None:
        """All that happened to a copy."""
        self._publish(row)
        # Of a line of stations the last that a message got to says what became of it.
        stations: list[int] | list[None] = self._names.stations or [None]
        reached = [each for each in stations if not isnan(row[_at("enqueued", each)])]
        for station in reached:
            own = [each for each in attempts if each.get("station", station) == station]
            self._keep(row, own, station, final=station == reached[-1])

    def _publish(self, row: Row) -> None:
        """Until the message is stored, and its sender knows that; or until it is given up."""
        stored, answered = row["enqueued"], row.get("answered", nan)
        known = [each for each in (stored, answered) if not isnan(each)]
        if isnan(stored) and not known:
            left = row.get("left", nan)
            known = [self._until if row["outcome"] in UNFINISHED else left]
        end = max((each for each in known if not isnan(each)), default=row["created"])
        if self._names.parties.calls:
            # Of several that are called in turn the last to answer ends it all.
            _extend(self._root, end)
            if row.get("connected", self._root.start) > self._root.start:
                self._pool(row["connected"])
        elif end not in self._published:
            self._published.add(end)
            self._add(
                self._root,
                name="publish",
                service=self._names.parties.sender,
                kind=Kind.PRODUCER,
                start=self._root.start,
                end=end,
                error=isnan(stored) and row["outcome"] in DIED,
                outcome=row["outcome"] if isnan(stored) else "",
            )

    def _pool(self, connected: float) -> None:
        """Until a call has a connection (s)."""
        self._add(
            self._root,
            name="pool",
            service=self._names.parties.sender,
            start=self._root.start,
            end=connected,
        )

    def _keep(self, row: Row, attempts: list[Row], station: int | None, final: bool) -> None:
        """From when a message is stored until it is done, or gone."""
        calls = self._names.parties.calls
        enqueued, outcome = row[_at("enqueued", station)], row["outcome"] if final else "acked"
        if "arrived" in row:
            enqueued = row["arrived"]
            if isnan(enqueued):
                self._keep_from(row, attempts)
                return
        kept = self._add(
            self._root,
            name="serve" if calls else "queue",
            service=self._names.keeper(row, station),
            kind=Kind.SERVER if calls else Kind.INTERNAL,
            start=min([enqueued, *(_begin(each, self._until) for each in attempts)]),
            end=enqueued,
            outcome=outcome,
            error=outcome in DIED,
            attributes=_told(row, _OWN),
        )
        if outcome in UNFINISHED:
            _extend(kept, self._until)
        elif outcome in DIED:
            _extend(kept, row.get(_at("left", station), nan))
        for attempt in attempts:
            self._attempt(kept, row, attempt, station)
        if outcome == "lost" and "left" not in row and not calls:
            last = attempts[-1] if attempts else {"outcome": "", "cause": ""}
            if last["outcome"] != "lost" and last["cause"] != "queue crash":
                # It waited, and what takes a message that waits takes it at the first crash.
                _extend(kept, self._names.vanished_after(kept.end))

    def _keep_from(self, row: Row, attempts: list[Row]) -> None:
        """A call that never got there: all that was tried was tried by its caller."""
        if row["outcome"] in UNFINISHED:
            _extend(self._root, self._until)
        for attempt in attempts:
            _extend(self._root, attempt["released"])
        if isnan(row["connected"]):
            self._pool(self._root.end)
        for attempt in attempts:
            self._attempt(self._root, row, attempt, None)

    def _attempt(self, kept: _Draft, row: Row, attempt: Row, station: int | None) -> None:
        """One delivery or call, and what it was spent on."""
        calls = self._names.parties.calls
        outcome = attempt["outcome"]
        begin, start, end = _begin(attempt, self._until), attempt["start"], attempt["end"]
        released = attempt["released"]
        worked = not isnan(start)
        if isnan(end) and worked:
            gone = row.get("left", nan) if outcome in DIED else self._until
            end = start if isnan(gone) else max(start, gone)
        if isnan(released):
            released = self._until if outcome in UNFINISHED or outcome == "acked" else begin
        over = max(begin, released, end if worked else begin)
        made = self._add(
            kept,
            name="attempt" if calls else "process",
            service=kept.service
            if kept is self._root
            else self._names.worker(attempt["by"], station),
            kind=Kind.INTERNAL if calls else Kind.CONSUMER,
            start=begin,
            end=over,
            outcome=outcome,
            cause=attempt["cause"],
            error=outcome in (*IN_VAIN, *DIED),
            attributes={"attempt": attempt["attempt"], **_told(attempt, _OF_ATTEMPTS)},
        )
        if not worked:
            return
        phases = [
            ("deliver", begin, start, ""),
            ("work", start, end, "" if outcome in ("acked", "done") else outcome),
            ("ack" if station is None else "blocked", end, over, ""),
        ]
        for name, since, until, became in phases:
            if name == "work" or until > since:
                self._add(
                    made,
                    name=name,
                    service=made.service,
                    start=since,
                    end=until,
                    outcome=became,
                    cause=made.cause if became else "",
                    error=became in (*IN_VAIN, *DIED),
                    batch=row.get("batch", -1) if name == "work" and outcome == "acked" else -1,
                )

    def _add(self, parent: _Draft, **facts: Any) -> _Draft:
        draft = _Draft(parent=parent, **facts)
        self._drafts.append(draft)
        _extend(draft, draft.end)
        return draft

    def finished(
        self, root: TraceContext, first_of_batch: dict[int, TraceContext]
    ) -> Iterator[Span]:
        """The spans, a parent before its children."""
        contexts: dict[int, TraceContext] = {}
        for place, draft in enumerate(self._drafts):
            own = root.numbered_child(place)
            contexts[id(draft)] = own
            first = first_of_batch.setdefault(draft.batch, own) if draft.batch >= 0 else own
            yield Span(
                context=own,
                parent_id=contexts[id(draft.parent)].span_id if draft.parent else None,
                name=draft.name,
                service=draft.service,
                kind=draft.kind,
                start=draft.start,
                end=draft.end,
                error=draft.error,
                outcome=draft.outcome,
                cause=draft.cause,
                attributes=draft.attributes,
                links=() if first is own else (first,),
            )


def _extend(draft: _Draft, until: float) -> None:
    """Let a span, and whatever caused it, last until then (s) at least."""
    each: _Draft | None = draft
    while each is not None:
        each.end = max(each.end, until) if until == until else each.end
        each = each.parent


def _begin(attempt: Row, until: float) -> float:
    """When a message was handed over (s); at the end of the run if it still waited for that."""
    known = (attempt[name] for name in ("delivered", "start", "released"))
    return next((float(each) for each in known if not isnan(each)), until)


def _at(name: str, station: int | None) -> str:
    return name if station is None else f"{name}_{station}"


def _told(row: Row, known: set[str]) -> dict[str, Any]:
    """What else a row says, but for what is blank and for instants at stations."""
    others = ((name, value) for name, value in row.items() if name not in known)
    return {
        name: value
        for name, value in others
        if not name[-1].isdigit() and isinstance(value, str | int | float) and value == value
    }


def _rows(table: Any) -> Iterator[Row]:
    """The rows of a data frame, by name."""
    names = list(table)
    columns = [table[name].tolist() for name in names]
    for values in zip(*columns, strict=True):
        yield dict(zip(names, values, strict=True))
