"""Pictures of spans: what is drawn, and what is said of it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from matplotlib.axes import Axes
from runs import any_result

from simlib import Deterministic, Outage, Trace
from simlib.analysis import Result
from simlib.present import (
    axes,
    queue_by_queue,
    self_time_bars,
    show,
    timeline,
    who_calls_whom,
)
from simlib.scenarios import DeliveryGuarantees, Pipeline, PointToPoint, SyncVsAsync
from simlib.tracing import Span

RETRIED = (
    PointToPoint(
        interarrival=Trace([1.0]),
        service=Deterministic(2.0),
        ack_cost=0.5,
        outages=[Outage(of="consumers", start=2.0)],
    )
    .run()
    .spans()
)
RUNS = {
    "before": SyncVsAsync(messages=50).run(1).spans(),
    "now": SyncVsAsync(messages=50).run(2).spans(),
}
DRAWINGS = {
    "timeline": lambda ax: timeline(RETRIED, ax),
    "who_calls_whom": lambda ax: who_calls_whom(RETRIED, ax),
    "self_time_bars": lambda ax: self_time_bars(RUNS, ax),
    "queue_by_queue": lambda ax: queue_by_queue(RETRIED, ax),
}
each_drawing = pytest.mark.parametrize("draw", DRAWINGS.values(), ids=DRAWINGS.keys())


@each_drawing
def test_draws_on_the_axes_it_is_given_or_on_its_own(draw) -> None:
    ax = axes()
    assert draw(ax) is ax
    assert isinstance(draw(None), Axes)


@each_drawing
def test_says_what_is_to_be_seen(draw) -> None:
    ax = draw(None)
    assert any(character.isdigit() for character in ax.get_label())
    picture = show(ax, "A finding")
    assert picture.alt.startswith("A finding. ")
    assert picture.png.startswith(b"\x89PNG")


def test_a_life_is_told_span_by_span() -> None:
    ax = timeline(RETRIED)
    assert [text.get_text().strip() for text in ax.get_yticklabels()] == [
        *("message", "publish", "queue", "process", "work", "process", "work", "ack"),
    ]
    label = ax.get_label()
    assert label.startswith(
        "Timeline of a message of 4.50 s: publish (producer) after 0 s for 0 s;"
    )
    assert "process (consumer) after 0 s for 1 s, crash; " in label
    assert label.endswith("ack (consumer) after 4 s for 500 ms.")
    assert ax.get_xlabel() == "simulated time (s)"
    assert {text.get_text() for text in ax.texts} == {" × crash"}


def test_a_bar_is_full_where_a_span_is_by_itself() -> None:
    ax = timeline(RETRIED)
    queue = ax.collections[2].get_paths()
    (extent,) = (path.get_extents() for path in queue)
    assert (extent.x0, extent.x1) == (2.0, 3.0)


def test_a_timeline_is_of_one_trace_in_any_order() -> None:
    assert timeline(RETRIED[::-1]).get_label().startswith("Timeline of a message of 4.50 s")
    with pytest.raises(ValueError, match="those of one trace, got 50"):
        timeline(RUNS["now"])
    with pytest.raises(ValueError, match="those of one trace, got 0"):
        timeline([])


def test_a_map_says_how_often_how_long_and_how_much_fails() -> None:
    label = who_calls_whom(RETRIED).get_label()
    assert label == (
        "Map of 3 services. producer to queue: 0.222 per second, 4.50 s; "
        "queue to consumer: 0.444 per second, 1.75 s, 50 % fail."
    )


def test_self_time_is_told_for_each_run_and_service() -> None:
    ax = self_time_bars(RUNS)
    assert len(ax.containers) == 2
    assert "before: front 20.0 ms, service " in ax.get_label()
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["before", "now"]


def test_queues_are_told_apart_by_what_a_message_does_there() -> None:
    spans = Pipeline(messages=50).run(1).spans()
    label = queue_by_queue(spans).get_label()
    assert "queue 1: waiting" in label
    assert "queue 2: waiting" in label
    assert "ack 500 ms" in queue_by_queue(RETRIED).get_label()
    assert "queue: waiting 1 s, work 3 s, ack 500 ms" in queue_by_queue(RETRIED).get_label()


@settings(max_examples=15, deadline=None)
@given(any_result)
def test_whatever_a_run_was_it_can_be_drawn(result: Result) -> None:
    spans: list[Span] = result.spans()
    who_calls_whom(spans)
    queue_by_queue(spans)
    self_time_bars({"run": spans})
    if spans:  # A run that ends before the first message has none.
        timeline([each for each in spans if each.trace_id == spans[-1].trace_id])


def test_services_that_fail_stand_out() -> None:
    spans = DeliveryGuarantees(messages=30, crashing=0.2).run(1).spans()
    assert "% fail" in who_calls_whom(spans).get_label()
