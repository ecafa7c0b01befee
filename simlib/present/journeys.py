"""Spans as moves: what each message, order or request does on its way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import inf

from ..tracing import Kind, Parties, Span
from ..tracing.lives import DIED, UNFINISHED
from ..tracing.measures import children_of, uncovered
from .hops import Hops, Move, Sort, Stay

__all__ = ["hops_of"]

OUTSIDE = "client"
"""Who asks the first service of a trace, where nobody is named."""


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
        self._sent: set[float] = set()
        """When it left for the exchange already, for another queue (s)."""

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
        for publish in below:
            if publish.name == "publish" and publish.outcome in DIED:
                self._refused(publish)

    def _refused(self, publish: Span) -> None:
        """A copy that no queue has taken."""
        leaves, there, producer = self._root.start, publish.end, publish.service
        token: list[Move] = []
        self._hops.tokens.append(token)
        if self._parties.exchange:
            producer = self._to_exchange(leaves, there, Sort.FIRST)
            leaves = (leaves + there) / 2
        self._end(token, "", producer, publish.outcome, there, leaves)

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
        self._to_exchange(leaves, queue.start, sort)
        between = (leaves + queue.start) / 2
        token.append(Move(between, queue.start, exchange, queue.service, sort))

    def _to_exchange(self, leaves: float, there: float, sort: Sort) -> str:
        """On its way to a queue, and there at that instant (s), it comes to the exchange."""
        exchange, between = self._parties.exchange, (leaves + there) / 2
        # The exchange makes the copies: only one of them comes to it.
        if leaves not in self._sent:
            self._sent.add(leaves)
            move = Move(leaves, between, self._root.service, exchange, sort)
            self._hops.tokens.append([move])
        return exchange

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
        if work is None and comes == each.start and each.outcome in UNFINISHED:
            return
        token.append(Move(each.start, comes, queue.service, each.service, sort))
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

    def _end(
        self,
        token: list[Move],
        queue: str,
        origin: str,
        fate: str,
        at: float,
        leaves: float | None = None,
    ) -> None:
        """A copy from a queue is done, or what else its fate is."""
        name = fate or self._parties.store or "done"
        sort = Sort.AGAIN if fate or queue in self._done else Sort.FIRST
        if not fate:
            self._done.add(queue)
        if name not in self._hops.ends:
            self._hops.ends.append(name)
        token.append(Move(at if leaves is None else leaves, at, origin, name, sort))
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
