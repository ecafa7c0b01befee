"""What spans add up to: self time; rate, errors and duration by service; who calls whom."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import ceil, nan
from typing import NamedTuple

from .spans import Span

__all__ = [
    "Edge",
    "Rise",
    "ServiceFigures",
    "by_service",
    "children_of",
    "rises",
    "self_time_by_name",
    "self_time_by_trace",
    "self_times",
    "service_map",
    "uncovered",
]


class ServiceFigures(NamedTuple):
    """What a service was asked, and how it did: rate, errors, duration (Wilkie 2015, "RED").

    A request is a span whose parent is another service's, or that has none.
    """

    service: str
    requests: int
    """How many."""
    rate: float
    """Per second, from the first start to the last end of all spans; NaN if that is no time."""
    errors: float
    """The fraction that came to nothing."""
    duration_mean: float
    """How long they took (s)."""
    duration_p50: float
    duration_p95: float
    duration_p99: float
    self_time: float
    """What the service itself spent on each, not waiting for others, on the average (s)."""


class Edge(NamedTuple):
    """Requests of one service to another: a parent and a child in two services."""

    caller: str
    callee: str
    requests: int
    """How many."""
    rate: float
    """Per second, as in :class:`ServiceFigures`."""
    errors: float
    """The fraction that came to nothing."""
    duration_mean: float
    """How long they took (s)."""


class Rise(NamedTuple):
    """By how much a figure of a service is larger than it was."""

    service: str
    by: float
    """In the unit of the figure."""


def self_times(spans: Sequence[Span]) -> list[float]:
    """Of each span the time that none of its children covers (s), in the order of the spans.

    What two children cover together is counted once: 0 to 100 with children at 10 to 60 and 40 to
    80 leaves 30. In a trace in which no children overlap, self times add up to what the root took.
    """
    children = children_of(spans)
    return [
        sum(end - start for start, end in uncovered(span, children.get(_key(span), ())))
        for span in spans
    ]


def children_of(spans: Iterable[Span]) -> dict[tuple[str, str], list[Span]]:
    """The children of each span that has some, by trace and span id."""
    children: dict[tuple[str, str], list[Span]] = {}
    for span in spans:
        if span.parent_id is not None:
            children.setdefault((span.trace_id, span.parent_id), []).append(span)
    return children


def uncovered(span: Span, children: Iterable[Span]) -> list[tuple[float, float]]:
    """When a span was by itself: start and end (s) of each stretch that none of them covers."""
    found, since = [], span.start
    for start, end in sorted((each.start, each.end) for each in children):
        if start > since:
            found.append((since, min(start, span.end)))
        since = max(since, end)
    if since < span.end:
        found.append((since, span.end))
    return [(start, end) for start, end in found if start < end]


def _key(span: Span) -> tuple[str, str]:
    return span.trace_id, span.span_id


def by_service(spans: Sequence[Span]) -> list[ServiceFigures]:
    """Rate, errors, durations and self time of each service, in the order of their appearance.

    Percentiles are those of NumPy's default, linear between two neighbours.
    """
    period = _period(spans)
    own: dict[str, float] = {}
    for span, spent in zip(spans, self_times(spans), strict=True):
        own[span.service] = own.get(span.service, 0.0) + spent
    requests: dict[str, list[Span]] = {service: [] for service in own}
    for span, caller in _with_callers(spans):
        if caller is None or caller.service != span.service:
            requests[span.service].append(span)
    return [
        _figures(service, asked, period, own[service])
        for service, asked in requests.items()
        if asked
    ]


def _figures(service: str, asked: Sequence[Span], period: float, own: float) -> ServiceFigures:
    durations = sorted(each.duration for each in asked)
    p50, p95, p99 = (_percentile(durations, share) for share in (0.5, 0.95, 0.99))
    return ServiceFigures(
        service,
        len(asked),
        len(asked) / period if period else nan,
        sum(each.error for each in asked) / len(asked),
        sum(durations) / len(durations),
        p50,
        p95,
        p99,
        own / len(asked),
    )


def rises(now: Sequence[Span], before: Sequence[Span], figure: str = "self_time") -> list[Rise]:
    """By how much a figure of each service is larger than it was, the largest rise first.

    Parameters
    ----------
    now, before : sequence of Span
        Those of two runs of the same services.
    figure : str
        Which of :class:`ServiceFigures`. A service that is slow makes those slow that wait for it:
        ``duration_p95`` rises along the whole way, ``self_time`` only where the time is spent.
    """
    if figure not in ServiceFigures._fields[1:]:
        raise ValueError(
            f"figure must be one of {', '.join(ServiceFigures._fields[1:])}, got {figure!r}"
        )
    then = {each.service: getattr(each, figure) for each in by_service(before)}
    found = [
        Rise(each.service, getattr(each, figure) - then[each.service])
        for each in by_service(now)
        if each.service in then
    ]
    return sorted(found, key=lambda each: -each.by)


def self_time_by_name(spans: Sequence[Span], service: str) -> dict[str, float]:
    """What a service itself spends on a request (s), on the average, by the name of the span."""
    spent: dict[str, float] = {}
    for span, own in zip(spans, self_times(spans), strict=True):
        if span.service == service:
            spent[span.name] = spent.get(span.name, 0.0) + own
    asked = sum(each.requests for each in by_service(spans) if each.service == service)
    return {name: own / asked for name, own in spent.items()}


def self_time_by_trace(spans: Sequence[Span]) -> dict[str, dict[str, float]]:
    """What each service spent itself on each trace (s), by trace id and service."""
    spent: dict[str, dict[str, float]] = {}
    for span, own in zip(spans, self_times(spans), strict=True):
        trace = spent.setdefault(span.trace_id, {})
        trace[span.service] = trace.get(span.service, 0.0) + own
    return spent


def service_map(spans: Sequence[Span]) -> list[Edge]:
    """Who asks whom, in the order of their appearance."""
    period = _period(spans)
    edges: dict[tuple[str, str], list[Span]] = {}
    for span, caller in _with_callers(spans):
        if caller is not None and caller.service != span.service:
            edges.setdefault((caller.service, span.service), []).append(span)
    return [
        Edge(
            *pair,
            len(asked),
            len(asked) / period if period else nan,
            sum(each.error for each in asked) / len(asked),
            sum(each.duration for each in asked) / len(asked),
        )
        for pair, asked in edges.items()
    ]


def _with_callers(spans: Sequence[Span]) -> Iterable[tuple[Span, Span | None]]:
    """Each span and its parent; none if it has none, or it is not among them."""
    known = {_key(span): span for span in spans}
    for span in spans:
        parent = span.parent_id
        yield span, None if parent is None else known.get((span.trace_id, parent))


def _period(spans: Sequence[Span]) -> float:
    """From the first start to the last end (s)."""
    if not spans:
        return 0.0
    return max(each.end for each in spans) - min(each.start for each in spans)


def _percentile(ordered: Sequence[float], share: float) -> float:
    place = share * (len(ordered) - 1)
    low, high = int(place), ceil(place)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])
