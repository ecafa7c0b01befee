"""Spans as what can be watched: who sends what to whom, and how much is where.

A message is a dot that moves from place to place: from its producer through an exchange to a queue,
to a consumer, back if that came to nothing, and in the end to where it is done, or lost. A request
goes to a service, and its reply comes back. While something stays at a place it is counted there.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum
from itertools import pairwise
from math import inf
from typing import NamedTuple

from ..tracing import Kind, Parties, Span
from ..tracing.lives import DIED, UNFINISHED
from ..tracing.measures import children_of, uncovered

__all__ = ["Hops", "Move", "Sort", "Stay", "hops_of"]

OUTSIDE = "client"
"""Who asks the first service of a trace, where nobody is named."""


class Sort(IntEnum):
    """What it is that moves."""

    FIRST = 0
    """A message or request on its way."""
    AGAIN = 1
    """It is delivered again, or comes back because nothing came of it, or is gone."""
    REPLY = 2
    """An answer."""


class Move(NamedTuple):
    """Something goes from one place to another."""

    start: float
    """When it leaves (s)."""
    end: float
    """When it is there (s)."""
    origin: str
    target: str
    sort: Sort


class Stay(NamedTuple):
    """Something is at a place, waiting, worked on, or for good."""

    start: float
    """Since when (s)."""
    end: float
    """Until when (s); infinite where it stays."""
    place: str
    sort: Sort


class Hops:
    """What moves in a run, and what stays where.

    ``tokens`` are lists of moves, one list for each thing that moves: after one another.
    """

    def __init__(self) -> None:
        self.tokens: list[list[Move]] = []
        self.stays: list[Stay] = []
        self.ends: list[str] = []
        """The places that nothing leaves."""
        self.keepers: list[str] = []
        """The places where things wait."""
        self.traces = 0
        """How many messages or requests there are, each counted once."""

    @property
    def places(self) -> list[list[str]]:
        """The names of the places, in columns from left to right, by how far messages go."""
        edges = [(move.origin, move.target) for move in self._each() if move.sort is not Sort.REPLY]
        names = dict.fromkeys([place for edge in edges for place in edge])
        names |= dict.fromkeys(stay.place for stay in self.stays)
        forward = {
            (move.origin, move.target)
            for move in self._each()
            if move.sort is Sort.FIRST and move.target not in self.ends
        }
        inner = [name for name in names if name not in self.ends]
        depth = dict.fromkeys((name for name in inner if all(name != to for _, to in forward)), 0)
        if not depth and inner:
            depth[inner[0]] = 0  # services that call in a circle
        reached = list(depth)
        for name in reached:  # grows on the way
            for origin, target in sorted(forward):
                if origin == name and target not in depth:
                    depth[target] = depth[name] + 1
                    reached.append(target)
        for name in inner:
            depth.setdefault(name, 0)
        columns = [
            sorted((name for name in depth if depth[name] == level), key=_in_order)
            for level in sorted(set(depth.values()))
        ]
        return [*columns, self.ends] if self.ends else columns

    def drawn(self, least: float) -> list[Move]:
        """All moves by their start, each at least so long (s) that it can be seen.

        What moves on before it is seen to be there sets out a little later; what stays where, and
        since when, is not touched.
        """
        found = []
        for token in self.tokens:
            free = -inf
            for move in token:
                start = max(move.start, free)
                free = max(move.end, start + least)
                found.append(move._replace(start=start, end=free))
        return sorted(found)

    def counts(self) -> dict[tuple[str, str], Counter[Sort]]:
        """How often something went from one place to another."""
        found: dict[tuple[str, str], Counter[Sort]] = {}
        for move in self._each():
            found.setdefault((move.origin, move.target), Counter())[move.sort] += 1
        order = [name for names in self.places for name in names]
        return dict(sorted(found.items(), key=lambda each: tuple(map(order.index, each[0]))))

    def most(self) -> dict[str, int]:
        """The most that was at each place at once, but for where all things end."""
        steps: dict[str, list[tuple[float, int]]] = {}
        for stay in self.stays:
            if stay.place not in self.ends and stay.start < stay.end:
                steps.setdefault(stay.place, []).extend([(stay.start, 1), (stay.end, -1)])
        found = {}
        for place, each in steps.items():
            there = found[place] = 0
            for _, step in sorted(each):
                there += step
                found[place] = max(found[place], there)
        return found

    def at(self, instant: float, place: str) -> int:
        """How many are at a place at an instant (s)."""
        here = [stay for stay in self.stays if stay.place == place]
        come = bisect_right(sorted(stay.start for stay in here), instant)
        return come - bisect_right(sorted(stay.end for stay in here), instant)

    def _each(self) -> Iterable[Move]:
        return (move for token in self.tokens for move in token)


def _in_order(name: str) -> tuple[str, int]:
    """Places by their names, "queue 10" after "queue 9"."""
    words, _, number = name.rpartition(" ")
    return (words, int(number)) if number.isdigit() else (name, 0)


def hops_of(spans: Sequence[Span], parties: Parties | None = None) -> Hops:
    """What moves where, by the spans of a run.

    Parameters
    ----------
    spans : sequence of Span
        Those of whole traces, of messages or of calls.
    parties : Parties, optional
        What places are called that no span is about.
    """
    hops, parties = Hops(), parties or Parties()
    children = children_of(spans)
    traces: dict[str, list[Span]] = {}
    for span in spans:
        traces.setdefault(span.trace_id, []).append(span)
    hops.traces = len(traces)
    for each in traces.values():
        roots = [span for span in each if span.parent_id is None]
        if len(roots) != 1:
            raise ValueError(f"a trace has one root, and {each[0].trace_id} has {len(roots)}")
        if roots[0].name == "message":
            _Message(hops, parties, children, roots[0]).follow()
        elif roots[0].name == "order":
            _Order(hops, parties, children, roots[0]).follow()
        else:
            _call(hops, children, roots[0])
    # What is done stands above what came to nothing.
    done = parties.store or "done"
    hops.ends.sort(key=lambda name: (name != done, name))
    return hops


Children = Mapping[tuple[str, str], list[Span]]


class _Message:
    """A message, and its copies."""

    def __init__(self, hops: Hops, parties: Parties, children: Children, root: Span) -> None:
        self._hops = hops
        self._parties = parties
        self._children = children
        self._root = root
        self._done: set[str] = set()
        """The queues whose copy is done."""
        self._sent: set[tuple[float, str]] = set()
        """What went to the exchange already, for another queue."""

    def follow(self) -> None:
        """From the producer to the end."""
        below = self._below(self._root)
        kept = sorted((span for span in below if span.name == "queue"), key=lambda s: s.start)
        flight = min((span.start - self._root.start for span in kept), default=0.0)
        seen: set[str] = set()
        for place, queue in enumerate(kept):
            token: list[Move] = []
            self._hops.tokens.append(token)
            again = queue.service in seen
            seen.add(queue.service)
            before = self._station_before(queue, kept[:place])
            if before is None:
                # A copy that is sent again takes as long as the first one did.
                leaves = max(self._root.start, queue.start - flight) if again else self._root.start
                self._publish(token, queue, leaves, Sort.AGAIN if again else Sort.FIRST)
            else:
                token.append(_at(queue.start, before, queue.service))
            goes_on = any(self._station_before(each, [queue]) for each in kept[place + 1 :])
            self._keep(token, queue, goes_on)
        if not kept and self._root.outcome in DIED:
            token = []
            self._hops.tokens.append(token)
            self._end(token, "", self._root.service, self._root.outcome, self._root.end)

    def _below(self, span: Span) -> list[Span]:
        return self._children.get((span.trace_id, span.span_id), [])

    def _processes(self, queue: Span) -> list[Span]:
        return sorted(self._below(queue), key=lambda span: span.start)

    def _station_before(self, queue: Span, others: Sequence[Span]) -> str | None:
        """Who sent it on to this queue, in a line of stations."""
        for each in others:
            if each.end == queue.start and each.service != queue.service and each.start < each.end:
                return self._processes(each)[-1].service if self._processes(each) else None
        return None

    def _publish(self, token: list[Move], queue: Span, leaves: float, sort: Sort) -> None:
        """To the queue, through the exchange if there is one."""
        producer, exchange = self._root.service, self._parties.exchange
        self._note_keeper(queue.service)
        if not exchange:
            token.append(Move(leaves, queue.start, producer, queue.service, sort))
            return
        between = (leaves + queue.start) / 2
        # The exchange makes the copies: only one of them comes to it.
        if (leaves, exchange) not in self._sent:
            self._sent.add((leaves, exchange))
            self._hops.tokens.append([Move(leaves, between, producer, exchange, sort)])
        token.append(Move(between, queue.start, exchange, queue.service, sort))

    def _note_keeper(self, name: str) -> None:
        if name not in self._hops.keepers:
            self._hops.keepers.append(name)

    def _keep(self, token: list[Move], queue: Span, goes_on: bool) -> None:
        """What becomes of it, from when it is stored."""
        hops, below = self._hops, self._processes(queue)
        self._note_keeper(queue.service)
        for start, end in uncovered(queue, below):
            # What was not delivered when the run ended stays.
            last = end == queue.end and queue.outcome in UNFINISHED
            hops.stays.append(Stay(start, inf if last else end, queue.service, Sort.FIRST))
        for number, each in enumerate(below):
            after = below[number + 1] if number + 1 < len(below) else None
            self._attempt(token, queue, each, number > 0, after, goes_on)
        at_worker = below and (below[-1].outcome == queue.outcome or queue.end <= below[-1].end)
        if queue.outcome in DIED and not at_worker:
            self._end(token, queue.service, queue.service, queue.outcome, queue.end)

    def _attempt(
        self,
        token: list[Move],
        queue: Span,
        each: Span,
        again: bool,
        after: Span | None,
        goes_on: bool,
    ) -> None:
        """To a consumer, and from there."""
        hops, phases = self._hops, self._below(each)
        work = next((span for span in phases if span.name == "work"), None)
        comes = each.end if work is None else work.start
        sort = Sort.AGAIN if again else Sort.FIRST
        if comes > each.start or work is not None:
            token.append(Move(each.start, comes, queue.service, each.service, sort))
        elif each.outcome in UNFINISHED:
            return
        leaves = each.end
        if work is not None:
            blocked = next((span for span in phases if span.name == "blocked"), work)
            leaves = blocked.end
            stays = inf if each.outcome in UNFINISHED else leaves
            hops.stays.append(Stay(work.start, stays, each.service, sort))
        if each.outcome == "acked":
            if not goes_on:
                self._end(token, queue.service, each.service, "", leaves)
        elif after is None and queue.outcome in DIED and queue.end <= each.end:
            self._end(token, queue.service, each.service, queue.outcome, each.end)
        elif each.outcome not in UNFINISHED:
            if each.outcome == "done":
                # Done, and nobody was told: it is there, and comes back all the same.
                beside: list[Move] = []
                hops.tokens.append(beside)
                self._end(beside, queue.service, each.service, "", leaves)
            # Somebody may have it already while the one before is still at it.
            back = each.end if after is None else min(each.end, after.start)
            token.append(_at(max(back, comes), each.service, queue.service, Sort.AGAIN))

    def _end(self, token: list[Move], queue: str, origin: str, fate: str, at: float) -> None:
        """A copy from a queue is done, or what else its fate is."""
        name = fate or self._parties.store or "done"
        sort = Sort.AGAIN if fate or queue in self._done else Sort.FIRST
        if not fate:
            self._done.add(queue)
        if name not in self._hops.ends:
            self._hops.ends.append(name)
        token.append(_at(at, origin, name, sort))
        self._hops.stays.append(Stay(at, inf, name, sort))


class _Order:
    """An order that crosses services, and the events that tell of it."""

    def __init__(self, hops: Hops, parties: Parties, children: Children, root: Span) -> None:
        self._hops = hops
        self._exchange = parties.exchange
        self._done = parties.store or "done"
        self._children = children
        self._root = root
        self._known: set[tuple[str, object]] = set()
        """Which service has done what about which event."""

    def follow(self) -> None:
        """From the customer to all who know of it."""
        below = self._below(self._root)
        tries = [span for span in below if span.name == "request"]
        for number, request in enumerate(tries):
            self._request(request, Sort.AGAIN if number else Sort.FIRST)
        told = set[str]()
        queues = [span for span in below if span.name == "queue"]
        for publish in (span for span in below if span.name == "publish"):
            event = str(publish.attributes["event"])
            kept: list[Span] = []
            for queue in list(queues):
                same = queue.start == publish.end and queue.attributes["event"] == event
                if same and all(queue.service != each.service for each in kept):
                    kept.append(queue)
                    queues.remove(queue)
            self._publish(publish, kept, Sort.AGAIN if event in told else Sort.FIRST)
            told.add(event)

    def _below(self, span: Span) -> list[Span]:
        return self._children.get((span.trace_id, span.span_id), [])

    def _request(self, request: Span, sort: Sort) -> None:
        customer, who, asked = self._root.service, request.service, self._below(request)
        token = [_at(request.start, customer, who, sort)]
        self._hops.tokens.append(token)
        for start, end in uncovered(request, asked):
            self._hops.stays.append(Stay(start, end, who, sort))
        for each in asked:
            between = (each.start + each.end) / 2
            token.append(Move(each.start, between, who, each.service, sort))
            token.append(Move(between, each.end, each.service, who, Sort.REPLY))
        token.append(_at(request.end, who, customer, _answer(request)))

    def _publish(self, publish: Span, kept: list[Span], sort: Sort) -> None:
        """From whoever publishes through the broker to each queue, and on."""
        who, start, end = publish.service, publish.start, publish.end
        token: list[Move] = []
        self._hops.tokens.append(token)
        if who.endswith(" relay"):
            # It reads what its service has written.
            token.append(_at(start, who.removesuffix(" relay"), who, sort))
        between = (start + end) / 2
        token.append(Move(start, between, who, self._exchange, sort))
        for queue in kept:
            if queue.service not in self._hops.keepers:
                self._hops.keepers.append(queue.service)
            copy = [Move(between, end, self._exchange, queue.service, sort)]
            self._hops.tokens.append(copy)
            below = self._below(queue)
            for since, until in uncovered(queue, below):
                self._hops.stays.append(Stay(since, until, queue.service, sort))
            for number, process in enumerate(below):
                again = Sort.AGAIN if number else sort
                copy.append(_at(process.start, queue.service, process.service, again))
                self._hops.stays.append(Stay(process.start, process.end, process.service, again))
                if process.error and queue.end > process.end:
                    copy.append(_at(process.end, process.service, queue.service, Sort.AGAIN))
                elif queue.end <= process.end:
                    self._end(copy, process)

    def _end(self, token: list[Move], process: Span) -> None:
        """A service is done with an event."""
        what = process.service, process.attributes["event"]
        sort = Sort.AGAIN if what in self._known else Sort.FIRST
        self._known.add(what)
        if self._done not in self._hops.ends:
            self._hops.ends.append(self._done)
        token.append(_at(process.end, process.service, self._done, sort))
        self._hops.stays.append(Stay(process.end, inf, self._done, sort))


def _at(instant: float, origin: str, target: str, sort: Sort = Sort.FIRST) -> Move:
    """A move that takes no time in the run."""
    return Move(instant, instant, origin, target, sort)


def _call(hops: Hops, children: Children, root: Span) -> None:
    """A request, those that it causes, and their replies."""
    token: list[Move] = []
    hops.tokens.append(token)
    if root.kind is Kind.CLIENT:
        hops.stays.append(Stay(root.start, root.end, root.service, Sort.FIRST))
    else:
        token.append(_at(root.start, OUTSIDE, root.service))
        hops.stays.append(Stay(root.start, root.end, OUTSIDE, Sort.FIRST))
    _visit(hops, token, children, root, caller=root.service if root.kind is Kind.CLIENT else "")
    if root.kind is not Kind.CLIENT:
        token.append(_at(root.end, root.service, OUTSIDE, _answer(root)))
    token.sort(key=lambda move: move.start)


def _visit(hops: Hops, token: list[Move], children: Children, span: Span, caller: str) -> None:
    """What a span causes; ``caller`` is who waits for all of it, and is counted already."""
    below = sorted(children.get((span.trace_id, span.span_id), ()), key=lambda each: each.start)
    alone = uncovered(span, below)
    if span.kind is not Kind.CLIENT and span.name != "deliver" and span.service != caller:
        hops.stays += [Stay(start, end, span.service, Sort.FIRST) for start, end in alone]
    # By itself a client is on the way: until the service has it, and from when it has answered.
    travels = span.kind is Kind.CLIENT
    for each in below:
        if each.service != span.service:
            left = next((start for start, end in alone if travels and end == each.start), None)
            back = next((end for start, end in alone if travels and start == each.end), None)
            token.append(
                Move(
                    each.start if left is None else left,
                    each.start,
                    span.service,
                    each.service,
                    Sort.FIRST,
                )
            )
            tries = [try_ for try_ in children.get(_key(each), ()) if try_.name == "attempt"]
            for one, other in pairwise(sorted(tries, key=lambda try_: try_.start)):
                token.append(_at(one.end, each.service, span.service, Sort.AGAIN))
                token.append(_at(other.start, span.service, each.service, Sort.AGAIN))
            token.append(
                Move(
                    each.end,
                    each.end if back is None else back,
                    each.service,
                    span.service,
                    _answer(each),
                )
            )
        _visit(hops, token, children, each, caller)


def _answer(span: Span) -> Sort:
    return Sort.AGAIN if span.error else Sort.REPLY


def _key(span: Span) -> tuple[str, str]:
    return span.trace_id, span.span_id
