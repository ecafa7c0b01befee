"""Self time; rate, errors and duration; the service map: by hand, and against NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from runs import any_result

from simlib.analysis import Result
from simlib.scenarios import PointToPoint
from simlib.tracing import (
    Span,
    TraceContext,
    by_service,
    self_time_by_trace,
    self_times,
    service_map,
)

Part = tuple[str, float, float]


def trace(root: Part, children: Sequence[Part], number: int = 0) -> list[Span]:
    """A root and its children: (service, start, end) each."""
    context = TraceContext.numbered(1, number)
    spans = []
    for place, (service, start, end) in enumerate([root, *children]):
        own = context if place == 0 else context.child()
        spans.append(
            Span(
                context=own,
                parent_id=context.span_id if place else None,
                name="work",
                service=service,
                start=start,
                end=end,
                error=place == 1,
            )
        )
    return spans


def test_what_two_children_cover_together_counts_once() -> None:
    spans = trace(("a", 0.0, 100.0), [("b", 10.0, 60.0), ("c", 40.0, 80.0)])
    assert self_times(spans) == [30.0, 50.0, 40.0]


def test_self_time_by_trace_adds_up_what_a_service_did_there() -> None:
    one = trace(("a", 0.0, 100.0), [("b", 10.0, 60.0), ("b", 70.0, 80.0)])
    other = trace(("b", 0.0, 5.0), [], number=1)
    spent = self_time_by_trace([*one, *other])
    assert spent == {one[0].trace_id: {"a": 40.0, "b": 60.0}, other[0].trace_id: {"b": 5.0}}


@pytest.mark.parametrize(
    ("children", "own"),
    [
        ([], 100.0),
        ([("b", 0.0, 100.0)], 0.0),
        ([("b", 0.0, 40.0), ("b", 40.0, 100.0)], 0.0),
        ([("b", 10.0, 90.0), ("b", 20.0, 30.0), ("b", 85.0, 95.0)], 15.0),
        ([("b", 50.0, 50.0)], 100.0),
        ([("b", 10.0, 20.0), ("b", 10.0, 20.0)], 90.0),
    ],
)
def test_self_time_is_what_no_child_covers(children: list[Part], own: float) -> None:
    assert self_times(trace(("a", 0.0, 100.0), children))[0] == own


spells = st.tuples(st.integers(0, 50), st.integers(0, 50)).map(sorted)


@given(st.lists(spells))
def test_self_time_is_counted_second_by_second(children: list[list[int]]) -> None:
    spans = trace(("a", 0.0, 50.0), [("b", float(s), float(e)) for s, e in children])
    free = sum(not any(s <= second < e for s, e in children) for second in range(50))
    assert self_times(spans)[0] == free


def test_rate_errors_and_duration_of_services_and_who_asks_whom() -> None:
    spans = [
        *trace(("a", 0.0, 4.0), [("b", 1.0, 2.0), ("a", 2.0, 3.0)], 0),
        *trace(("a", 6.0, 10.0), [("b", 6.0, 9.0), ("b", 9.0, 10.0)], 1),
    ]
    first, second = by_service(spans)
    assert (first.service, first.requests, first.rate, first.errors) == ("a", 2, 0.2, 0.0)
    assert (first.duration_mean, first.self_time) == (4.0, 1.5)
    assert (second.service, second.requests, second.rate) == ("b", 3, 0.3)
    assert second.errors == pytest.approx(2 / 3)
    assert second.duration_mean == pytest.approx(5 / 3)
    (edge,) = service_map(spans)
    assert edge[:4] == ("a", "b", 3, 0.3)
    assert edge.errors == second.errors


def test_without_spans_there_are_no_figures_and_without_time_no_rate() -> None:
    assert by_service([]) == []
    assert service_map([]) == []
    (figures,) = by_service(trace(("a", 1.0, 1.0), []))
    assert isnan(figures.rate)
    assert figures.duration_p99 == 0.0


def test_a_run_shows_its_services() -> None:
    result = PointToPoint(messages=300).run(1)
    spans, summary = result.spans(), result.summary()
    producer, queue, consumer = by_service(spans)
    assert producer.duration_mean == pytest.approx(summary["latency_mean"])
    assert producer.duration_p95 == pytest.approx(summary["latency_p95"])
    assert queue.self_time == pytest.approx(summary["wait_mean"])
    assert consumer.duration_mean == pytest.approx(result.messages.eval("finished-started").mean())
    assert [edge[:3] for edge in service_map(spans)] == [
        ("producer", "queue", 300),
        ("queue", "consumer", 300),
    ]


@settings(max_examples=40, deadline=None)
@given(any_result)
def test_figures_agree_with_the_spans(result: Result) -> None:
    spans = result.spans()
    known = {(each.trace_id, each.span_id): each for each in spans}
    asked: dict[str, list[Span]] = {}
    for each in spans:
        caller = known.get((each.trace_id, each.parent_id or ""))
        if caller is None or caller.service != each.service:
            asked.setdefault(each.service, []).append(each)
    figures = by_service(spans)
    assert {each.service: each.requests for each in figures} == {
        service: len(requests) for service, requests in asked.items()
    }
    for each in figures:
        durations = [span.duration for span in asked[each.service]]
        expected = np.percentile(durations, [50, 95, 99])
        assert each[5:8] == pytest.approx(expected.tolist(), rel=1e-9, abs=1e-12)
    roots = sum(each.parent_id is None for each in spans)
    edges = service_map(spans)
    assert sum(e.requests for e in edges) == sum(f.requests for f in figures) - roots
    own = sum(each.self_time * each.requests for each in figures)
    assert own == pytest.approx(sum(self_times(spans)), rel=1e-9, abs=1e-9)
