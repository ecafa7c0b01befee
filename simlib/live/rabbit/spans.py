"""Spans of messages that crossed a real server, for the same pictures and exports as a run's.

The publisher puts a trace context into each message's headers, and whoever receives the message
makes its spans in the same trace, in whatever process it is. The names are those of
:mod:`simlib.tracing.lives`: ``message`` with ``publish``, ``queue`` and, in the latter,
``process`` with ``deliver``, ``work`` and ``ack``, once for each attempt.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import replace
from zlib import crc32

from ...tracing import Kind, Span, TraceContext

__all__ = ["PUBLISHED", "SpanRecorder", "joined"]

PUBLISHED = "x-published"
"""The header with the instant of a message's publication (µs of Unix time)."""


class SpanRecorder:
    """Where publishers and consumers note what they did, from any thread.

    Parameters
    ----------
    since : float, optional
        The instant that spans count from (Unix time, s); else now. Processes whose spans are to be
        joined need the same.
    publisher, server, consumer : str
        What the three are called.
    """

    def __init__(
        self,
        since: float | None = None,
        *,
        publisher: str = "publisher",
        server: str = "RabbitMQ",
        consumer: str = "consumer",
    ) -> None:
        self.since = time.time() if since is None else since
        self._services = publisher, server, consumer
        self._spans: list[Span] = []
        self._lock = threading.Lock()

    @property
    def spans(self) -> list[Span]:
        """All that was noted, trace by trace, in each of them a parent before its children."""
        with self._lock:
            return joined(self._spans)

    def published(
        self, context: TraceContext, parent_id: str | None, start: float, end: float, name: str
    ) -> None:
        """Note a message with this id that was confirmed; instants are Unix times (s)."""
        who = self._services[0]
        self._note(context, parent_id, "message", who, (start, end), name)
        publish = context.child()
        self._note(publish, context.span_id, "publish", who, (start, end), name, Kind.PRODUCER)

    def received(
        self,
        context: TraceContext,
        queue: str,
        times: tuple[float, float, float, float, float],
        name: str,
        outcome: str,
    ) -> None:
        """Note a message that was worked on.

        Parameters
        ----------
        context : TraceContext
            From its headers.
        queue : str
            The queue that it comes from.
        times : tuple
            When it was published, when it came, when its work began, when that was done, when it
            was acked or given back (Unix times, s).
        name : str
            Its id.
        outcome : str
            What became of it.
        """
        published, came, began, done, answered = times
        server, worker = self._services[1:]
        # The same whenever it comes from this queue: attempts are beneath one span.
        kept, process = context.numbered_child(crc32(queue.encode())), context.child()
        self._note(kept, context.span_id, "queue", server, (published, answered), name)
        above, whole = kept.span_id, (came, answered)
        self._note(process, above, "process", worker, whole, name, Kind.CONSUMER, outcome)
        for step, start, end in (
            ("deliver", came, began),
            ("work", began, done),
            ("ack", done, answered),
        ):
            said = outcome if step == "work" else ""
            below = process.child()
            self._note(below, process.span_id, step, worker, (start, end), name, outcome=said)

    def _note(
        self,
        context: TraceContext,
        parent_id: str | None,
        name: str,
        service: str,
        times: tuple[float, float],
        message_id: str,
        kind: Kind = Kind.INTERNAL,
        outcome: str = "",
    ) -> None:
        start, end = (instant - self.since for instant in times)
        span = Span(
            context=context,
            parent_id=parent_id,
            name=name,
            service=service,
            kind=kind,
            start=start,
            end=max(start, end),  # A clock may be set back.
            outcome=outcome,
            error=outcome in ("failed", "dead"),
            attributes={"messaging.message.id": message_id},
        )
        with self._lock:
            self._spans.append(span)


def joined(spans: Iterable[Span]) -> list[Span]:
    """Spans from any number of recorders, made into trees: each begins and ends within its parent.

    A publisher's span ends when the message is confirmed; here it goes on until nothing more
    happens to the message, wherever that was noted.
    """
    traces: dict[str, list[Span]] = {}
    one: dict[tuple[str, str], Span] = {}
    for span in spans:
        place = span.trace_id, span.span_id
        known = one.get(place, span)
        start, end = min(known.start, span.start), max(known.end, span.end)
        one[place] = replace(known, start=start, end=end)
    for span in one.values():
        traces.setdefault(span.trace_id, []).append(span)
    found: list[Span] = []
    for trace in traces.values():
        there = {each.span_id for each in trace}
        below: dict[str | None, list[Span]] = {}
        for span in trace:
            below.setdefault(span.parent_id if span.parent_id in there else None, []).append(span)
        for root in sorted(below.get(None, ()), key=lambda each: each.start):
            found += _tree(root, below)
    return found


def _tree(span: Span, below: dict[str | None, list[Span]]) -> list[Span]:
    """A span, as long as all beneath it, and these."""
    beneath: list[Span] = []
    for child in sorted(below.get(span.span_id, ()), key=lambda each: each.start):
        beneath += _tree(child, below)
    start = min([span.start, *(each.start for each in beneath)])
    end = max([span.end, *(each.end for each in beneath)])
    return [replace(span, start=start, end=end), *beneath]
