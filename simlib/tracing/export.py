"""Spans for other tools: OTLP/JSON, which tracing servers take, and Chrome JSON for Perfetto.

Both functions give a document for ``json.dump``; nothing leaves the machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import isfinite
from typing import Any, NamedTuple

from .spans import Span

__all__ = ["chrome", "otlp"]

_NANOSECONDS = 1_000_000_000
_ERROR = 2
"""OTLP's status code of what failed."""


def otlp(spans: Sequence[Span], since: int = 0) -> dict[str, Any]:
    """Spans in OpenTelemetry's protocol, as JSON (OTLP 1.x, "JSON Protobuf Encoding").

    Ids are hexadecimal, and 64-bit integers are strings, as that page says.

    Parameters
    ----------
    spans : sequence of Span
    since : int
        The Unix time (s) that stands for the start of the run: tools show the last hour first.
    """
    if isinstance(since, bool) or not isinstance(since, int) or since < 0:
        raise ValueError(f"since must be a whole number of seconds >= 0, got {since!r}")
    services: dict[str, list[dict[str, Any]]] = {}
    for span in spans:
        services.setdefault(span.service, []).append(_as_otlp(span, since * _NANOSECONDS))
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": _as_attributes({"service.name": service})},
                "scopeSpans": [{"scope": {"name": "simlib"}, "spans": theirs}],
            }
            for service, theirs in services.items()
        ]
    }


def _as_otlp(span: Span, since: int) -> dict[str, Any]:
    said = {"outcome": span.outcome, "cause": span.cause}
    known = {**{name: value for name, value in said.items() if value}, **span.attributes}
    made: dict[str, Any] = {
        "traceId": span.trace_id,
        "spanId": span.span_id,
        "name": span.name,
        "kind": int(span.kind),
        "startTimeUnixNano": str(since + _nanoseconds(span.start)),
        "endTimeUnixNano": str(since + _nanoseconds(span.end)),
        "attributes": _as_attributes(known),
    }
    if span.parent_id is not None:
        made["parentSpanId"] = span.parent_id
    if span.error:
        made["status"] = {"code": _ERROR, "message": span.cause or span.outcome}
    if span.links:
        made["links"] = [{"traceId": each.trace_id, "spanId": each.span_id} for each in span.links]
    return made


def _as_attributes(known: Mapping[str, str | int | float | bool]) -> list[dict[str, Any]]:
    return [{"key": name, "value": _as_value(value)} for name, value in known.items()]


def _as_value(value: str | int | float | bool) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        # JSON has no numbers for these; protobuf's has the words.
        words = {float("inf"): "Infinity", float("-inf"): "-Infinity"}
        return {"doubleValue": value if isfinite(value) else words.get(value, "NaN")}
    return {"stringValue": value}


def chrome(spans: Sequence[Span]) -> dict[str, Any]:
    """Spans in Chrome's trace event format, which Perfetto (ui.perfetto.dev) opens.

    A service is a process. Within it a span has a thread on which nothing overlaps it that is not
    within it, for such a slice would be dropped. What one service caused in another is an arrow, to
    the innermost slice that begins there. Times are in microseconds, exact to the nanosecond.
    """
    processes: dict[str, _Process] = {}
    slices: dict[tuple[str, str], _Slice] = {}
    events: list[dict[str, Any]] = []
    known = {(span.trace_id, span.span_id): span for span in spans}
    # What contains others goes first.
    order = sorted(spans, key=lambda span: (*_when(span), _depth(span, known)))
    for number, span in enumerate(order, 1):
        process = processes.setdefault(span.service, _Process(len(processes) + 1))
        start, end = _nanoseconds(span.start), _nanoseconds(span.end)
        place = _Slice(process.number, process.thread_for(start, end), start, end)
        slices[span.trace_id, span.span_id] = place
        parent = known.get((span.trace_id, span.parent_id or ""))
        caller = slices.get((span.trace_id, span.parent_id or ""))
        arrow = None
        if parent is not None and caller is not None and parent.service != span.service:
            arrow = _arrow(number, caller, place)
        if arrow is not None:
            events.append(arrow[0])
        events.append(
            {
                "ph": "X",
                "name": span.name,
                "cat": span.service,
                "dur": (end - start) / 1000,
                "args": dict(_arguments(span)),
                **place.at(start),
            }
        )
        if arrow is not None:
            events.append(arrow[1])
    return {"traceEvents": [*_names(processes), *events], "displayTimeUnit": "ms"}


class _Slice(NamedTuple):
    """Where a span is drawn; its times in nanoseconds."""

    process: int
    thread: int
    start: int
    end: int

    def at(self, instant: int) -> dict[str, Any]:
        """What an event says of its place and instant (ns)."""
        return {"pid": self.process, "tid": self.thread, "ts": instant / 1000}


def _arrow(
    number: int, caller: _Slice, callee: _Slice
) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Begin and end of an arrow; none where a slice has no length, and is over when it comes."""
    if caller.start == caller.end or callee.start == callee.end:
        return None
    facts = {"id": number, "name": "causes", "cat": "causes"}
    # A caller that does not wait may be done before what it caused begins.
    leaves = min(callee.start, caller.end - 1)
    return (
        {"ph": "s", **facts, **caller.at(leaves)},
        {"ph": "f", "bp": "e", **facts, **callee.at(callee.start)},
    )


def _when(span: Span) -> tuple[int, int]:
    return _nanoseconds(span.start), -_nanoseconds(span.end)


def _depth(span: Span, known: Mapping[tuple[str, str], Span]) -> int:
    """How many of the spans it lies within."""
    depth, parent = 0, known.get((span.trace_id, span.parent_id or ""))
    while parent is not None:
        depth, parent = depth + 1, known.get((parent.trace_id, parent.parent_id or ""))
    return depth


class _Process:
    """The threads of a service: on each, spans lie within one another or after one another."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.threads: list[list[int]] = []
        """The ends of the spans that are open on each, the innermost last (ns)."""

    def thread_for(self, start: int, end: int) -> int:
        """The first thread, counted from 1, on which a span from start to end (ns) overlaps none.

        Spans must come in the order of their starts, the longer first.
        """
        for number, open_ends in enumerate(self.threads, 1):
            while open_ends and open_ends[-1] <= start:
                open_ends.pop()
            if not open_ends or end <= open_ends[-1]:
                open_ends.append(end)
                return number
        self.threads.append([end])
        return len(self.threads)


def _names(processes: Mapping[str, _Process]) -> Iterator[dict[str, Any]]:
    for service, process in processes.items():
        yield {
            "ph": "M",
            "name": "process_name",
            "pid": process.number,
            "args": {"name": service},
        }


def _arguments(span: Span) -> Iterator[tuple[str, str | int | float | bool]]:
    yield "trace", span.trace_id
    for name in ("outcome", "cause"):
        if value := getattr(span, name):
            yield name, value
    yield from span.attributes.items()


def _nanoseconds(seconds: float) -> int:
    return round(seconds * _NANOSECONDS)
