"""Spans of messages that crossed a real server, for the same pictures and exports as a run's.

The publisher puts a trace context into each message's headers, and whoever receives the message
makes its spans in the same trace, in whatever process it is. The names are those of
:mod:`simlib.tracing.lives`: ``message`` with ``publish``, ``queue`` and, in the latter,
``process`` with ``work`` and ``ack``.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import replace

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
        """Note a message that was confirmed; instants are Unix times (s)."""
        who = self._services[0]
        self._note(context, parent_id, "message", who, start, end, name)
        below = context.span_id
        self._note(context.child(), below, "publish", who, start, end, name, Kind.PRODUCER)

    def received(
        self, context: TraceContext, times: tuple[float, float, float, float], name: str, fate: str
    ) -> None:
        """Note a message that was worked on.

        Parameters
        ----------
        context : TraceContext
            From its headers.
        times : tuple
            When it was published, when it came, when its work was done, when it was acked (s).
        name : str
            Its id.
        fate : str
            What became of it.
        """
        published, came, done, acked = times
        server, worker = self._services[1:]
        queue, process = context.child(), context.child()
        failed = fate == "failed"
        above = context.span_id
        self._note(queue, above, "queue", server, published, acked, name)
        self._note(process, queue.span_id, "process", worker, came, acked, name, Kind.CONSUMER)
        self._note(process.child(), process.span_id, "work", worker, came, done, fate, bad=failed)
        self._note(process.child(), process.span_id, "ack", worker, done, acked, fate)

    def _note(
        self,
        context: TraceContext,
        parent_id: str | None,
        name: str,
        service: str,
        start: float,
        end: float,
        outcome: str,
        kind: Kind = Kind.INTERNAL,
        bad: bool = False,
    ) -> None:
        start, end = start - self.since, end - self.since
        # Clocks may be set back while one waits.
        span = Span(
            context=context,
            parent_id=parent_id,
            name=name,
            service=service,
            kind=kind,
            start=start,
            end=max(start, end),
            outcome=outcome,
            error=bad,
        )
        with self._lock:
            self._spans.append(span)


def joined(spans: Iterable[Span]) -> list[Span]:
    """Spans from any number of recorders, made into trees: each begins and ends within its parent.

    A publisher's span ends when the message is confirmed; here it goes on until nothing more
    happens to the message, wherever that was noted.
    """
    traces: dict[str, list[Span]] = {}
    for span in spans:
        traces.setdefault(span.trace_id, []).append(span)
    found: list[Span] = []
    for trace in traces.values():
        known = {each.span_id for each in trace}
        below: dict[str | None, list[Span]] = {}
        for span in trace:
            below.setdefault(span.parent_id if span.parent_id in known else None, []).append(span)
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
