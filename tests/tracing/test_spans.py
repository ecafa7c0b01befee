"""Spans of a run: trees of what happened to each message, whatever the scenario."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from runs import results, scenarios

from simlib import Deterministic, Outage, Trace
from simlib.analysis import Result
from simlib.scenarios import (
    Calling,
    ClosedLoop,
    Consistency,
    DeliveryGuarantees,
    Pipeline,
    PointToPoint,
    PublishSubscribe,
    SyncVsAsync,
)
from simlib.scenarios.pipeline import Station
from simlib.tracing import Kind, Parties, Span, TraceContext, self_times, spans_of

Told = list[tuple[str, str, float, float]]


def told(spans: list[Span]) -> Told:
    return [(each.name, each.service, each.start, each.end) for each in spans]


def by_trace(spans: list[Span]) -> list[list[Span]]:
    traces: dict[str, list[Span]] = defaultdict(list)
    for span in spans:
        traces[span.trace_id].append(span)
    return list(traces.values())


def one(name: str, spans: list[Span]) -> Span:
    (found,) = (each for each in spans if each.name == name)
    return found


# Worked out by hand


def test_a_message_is_published_waits_is_delivered_worked_on_and_acked() -> None:
    run = PointToPoint(
        interarrival=Trace([1.0]),
        service=Deterministic(2.0),
        put_cost=0.25,
        get_cost=0.5,
        ack_cost=0.125,
    ).run()
    spans = run.spans()
    assert told(spans) == [
        ("message", "producer", 1.0, 3.875),
        ("publish", "producer", 1.0, 1.25),
        ("queue", "queue", 1.25, 3.875),
        ("process", "consumer", 1.25, 3.875),
        ("deliver", "consumer", 1.25, 1.75),
        ("work", "consumer", 1.75, 3.75),
        ("ack", "consumer", 3.75, 3.875),
    ]
    kinds = [each.kind for each in spans]
    assert kinds[1:4] == [Kind.PRODUCER, Kind.INTERNAL, Kind.CONSUMER]
    assert self_times(spans) == [0.0, 0.25, 0.0, 0.0, 0.5, 2.0, 0.125]
    assert not any(each.error for each in spans)


def test_a_wait_is_what_a_queue_has_by_itself() -> None:
    run = PointToPoint(interarrival=Trace([1.0, 2.0]), service=Deterministic(3.0)).run()
    spans = run.spans()
    own = zip(spans, self_times(spans), strict=True)
    assert [spent for each, spent in own if each.name == "queue"] == [0.0, 2.0]


def test_a_retry_is_a_new_span_of_the_same_trace() -> None:
    run = PointToPoint(
        interarrival=Trace([1.0]),
        service=Deterministic(2.0),
        outages=[Outage(of="consumers", start=2.0)],
    ).run()
    first, second = (each for each in run.spans() if each.name == "process")
    assert first.trace_id == second.trace_id
    assert first.span_id != second.span_id
    assert (first.outcome, first.cause, first.error) == ("interrupted", "crash", True)
    assert (second.outcome, second.cause, second.error) == ("acked", "", False)
    assert [each.attributes["attempt"] for each in (first, second)] == [1, 2]
    assert (first.start, first.end, second.start, second.end) == (1.0, 2.0, 3.0, 5.0)


def test_messages_worked_on_together_are_linked() -> None:
    run = PointToPoint(
        interarrival=Trace([1.0, 2.0, 2.5]), service=Deterministic(3.0), batch_size=2
    ).run()
    alone, first, second = (each for each in run.spans() if each.name == "work")
    assert not alone.links
    assert not first.links
    assert second.links == (first.context,)
    assert second.trace_id != first.trace_id
    assert (second.start, second.end) == (first.start, first.end)


def test_a_call_spans_its_wait_for_a_connection_and_its_way() -> None:
    call = SyncVsAsync(
        interarrival=Trace([1.0, 1.0]), service=1.0, network=0.25, workers=1, connections=1
    )
    for engine in ("simpy", "vector"):
        first, second = by_trace(call.run(engine=engine).spans())
        assert told(first) == [
            ("call", "front", 1.0, 2.5),
            ("serve", "service", 1.25, 2.25),
            ("attempt", "service", 1.25, 2.25),
            ("work", "service", 1.25, 2.25),
        ]
        assert self_times(second) == [1.5 + 0.5, 0.0, 0.0, 1.0]
        assert [each.kind for each in first[:2]] == [Kind.CLIENT, Kind.SERVER]


def test_a_call_waits_for_a_connection_sets_it_up_and_is_under_way() -> None:
    calls = Calling(
        interarrival=Trace([1.0, 1.0]),
        service=Deterministic(1.0),
        rtt=0.5,
        handshakes=2,
        up=0,
        down=0,
        connections=1,
        workers=1,
        timeout=None,
    )
    first, second = by_trace(calls.run().spans())
    assert told(first) == [
        ("call", "client", 1.0, 3.5),
        ("serve", "service", 2.25, 3.25),
        ("attempt", "service", 2.25, 3.25),
        ("work", "service", 2.25, 3.25),
    ]
    assert told(second)[:3] == [
        ("call", "client", 1.0, 5.0),
        ("pool", "client", 1.0, 3.5),
        ("serve", "service", 3.75, 4.75),
    ]
    assert self_times(second)[:3] == [0.5, 2.5, 0.0]


def test_a_call_that_never_gets_there_was_tried_by_its_caller() -> None:
    calls = Calling(
        interarrival=Trace([1.0, 1.0]),
        service=Deterministic(1.0),
        connections=1,
        checkout_timeout=0.25,
    )
    spans = by_trace(calls.run().spans())[1]
    assert told(spans) == [
        ("call", "client", 1.0, 1.25),
        ("pool", "client", 1.0, 1.25),
        ("attempt", "client", 1.25, 1.25),
    ]
    assert (spans[2].outcome, spans[2].cause) == ("refused", "checkout")


def test_an_order_is_told_by_whoever_had_it() -> None:
    outbox = Consistency(interarrival=Trace([0.5]), crash_after="publish", put_cost=0.0)
    spans = outbox.run().spans()
    assert told(spans)[:3] == [
        ("order", "customer", 0.5, 2.02),
        ("request", "orders", 0.5, 0.5),
        ("publish", "orders relay", 1.0, 1.02),
    ]
    # The relay was gone before it could mark the row: it is sent twice, and done twice.
    names = Counter((each.name, each.service) for each in spans)
    assert names["publish", "orders relay"] == 2
    assert names["queue", "stock queue"] == names["process", "stock"] == 2
    assert names["process", "bank"] == 2


def test_a_conductor_asks_again_after_a_crash() -> None:
    saga = Consistency(
        interarrival=Trace([0.5]),
        pattern="orchestrated saga",
        crash_after="charge",
        network=0.125,
        restart=1.0,
    )
    order, *spans = saga.run().spans()
    assert told(spans) == [
        ("request", "conductor", 0.5, 0.75),
        ("reserve", "stock", 0.5, 0.75),
        ("charge", "bank", 0.75, 0.75),
        ("request", "conductor", 1.75, 2.0),
        ("charge", "bank", 1.75, 2.0),
    ]
    assert [(each.error, each.cause) for each in (spans[0], spans[3])] == [
        (True, "crash"),
        (False, ""),
    ]
    assert (order.outcome, order.end) == ("acked", 2.0)


def test_what_nobody_starts_again_lies_in_its_queue_to_the_end() -> None:
    orders = {"interarrival": Trace([0.5, 4.0]), "messages": 2}
    down = Consistency(**orders, crash_after="reserve", recovery=False)
    spans = down.run().spans()
    kept = [each for each in spans if each.service == "stock queue"]
    assert len(kept) == 2
    assert len({each.end for each in kept}) == 1
    assert [each.error for each in spans if each.name == "process" and each.service == "stock"] == [
        True
    ]


def test_a_publisher_is_done_before_its_message_is() -> None:
    run = SyncVsAsync(
        mode="async", interarrival=Trace([1.0]), service=1.0, network=0.25, put_cost=0.125
    ).run()
    spans = run.spans()
    assert told(spans)[:3] == [
        ("message", "front", 1.0, spans[0].end),
        ("publish", "front", 1.0, 1.625),
        ("queue", "queue", 1.375, spans[0].end),
    ]
    assert spans[0].end > 2.375


def test_a_call_that_an_outage_breaks_is_an_error_with_its_cause() -> None:
    run = SyncVsAsync(
        interarrival=Trace([1.0]),
        service=Deterministic(2.0),
        network=0.0,
        outages=[Outage(of="service", start=2.0)],
    ).run()
    call, _, attempt, work = run.spans()
    assert (call.outcome, call.error) == ("lost", True)
    assert (attempt.outcome, attempt.cause, attempt.error) == ("interrupted", "outage", True)
    assert (work.start, work.end, work.error) == (1.0, 2.0, True)


def test_what_waits_for_room_is_blocked_at_its_station() -> None:
    line = Pipeline(
        interarrival=Trace([1.0, 1.0]),
        stations=[Station(service=1.0), Station(service=3.0, capacity=0, overflow="block")],
    )
    for engine in ("simpy", "vector"):
        spans = by_trace(line.run(engine=engine).spans())[1]
        assert [each for each in told(spans) if each[0] in ("queue", "blocked")] == [
            ("queue", "queue 1", 1.0, 5.0),
            ("blocked", "station 1", 3.0, 5.0),
            ("queue", "queue 2", 5.0, 8.0),
        ]


def test_copies_for_several_subscribers_are_in_one_trace() -> None:
    run = PublishSubscribe(messages=2, subscribers=3).run()
    traces = by_trace(run.spans())
    assert len(traces) == 2
    for spans in traces:
        assert [each.service for each in spans if each.name == "queue"] == [
            "queue 1",
            "queue 2",
            "queue 3",
        ]
        workers = [each.service for each in spans if each.name == "process"]
        assert workers == ["subscriber 1", "subscriber 2", "subscriber 3"]
        assert sum(each.name == "publish" for each in spans) == 1


def test_a_dropped_message_is_a_trace_that_ends_in_an_error() -> None:
    run = PointToPoint(interarrival=Trace([1.0, 2.0]), service=3.0, capacity=0).run()
    message, publish = by_trace(run.spans())[1]
    assert (message.outcome, message.error) == ("dropped", True)
    assert (publish.outcome, publish.error) == ("dropped", True)


def test_what_waits_in_a_queue_that_crashes_is_there_until_then() -> None:
    run = PointToPoint(
        interarrival=Trace([1.0, 2.0, 5.0]),
        service=Deterministic(6.0),
        outages=[Outage(of="broker", start=4.0, duration=0.5)],
    ).run()
    held, waiting, later = by_trace(run.spans())
    assert [one("message", each).outcome for each in (held, waiting, later)] == [
        *("lost", "lost", "acked"),
    ]
    assert (one("queue", waiting).start, one("queue", waiting).end) == (2.0, 4.0)
    assert one("process", held).end == 7.0  # its consumer has not noticed


def test_what_goes_on_at_the_end_of_the_run_ends_with_it() -> None:
    run = PointToPoint(interarrival=1.0, service=3.0, messages=3, duration=2.5).run()
    spans = run.spans()
    assert {each.end for each in spans if each.name in ("queue", "process", "work")} == {2.5}
    assert {each.outcome for each in spans if each.name == "message"} == {"in service", "waiting"}


def test_the_same_message_of_two_variants_has_the_same_ids() -> None:
    variants = [SyncVsAsync(messages=5, mode=mode).run(3).spans() for mode in ("sync", "async")]
    roots = [[each.context for each in spans if not each.parent_id] for spans in variants]
    assert roots[0] == roots[1]
    assert roots[0][4] == TraceContext.numbered(3, 4)


def test_parties_are_called_as_one_likes() -> None:
    run = ClosedLoop(messages=2).run()
    assert {each.service for each in run.spans()} == {"caller", "service"}
    spans = spans_of(run, Parties(sender="shop", keeper="orders", worker="billing"))
    assert {each.service for each in spans} == {"shop", "orders", "billing"}


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan"), True, "all"])
def test_a_share_is_a_fraction(share: object) -> None:
    run = PointToPoint(messages=1).run()
    with pytest.raises(ValueError, match="share must be a number from 0 to 1"):
        run.spans(share)  # type: ignore[arg-type]


def test_head_sampling_keeps_whole_traces() -> None:
    run = PointToPoint(messages=2_000).run()
    everything, kept = by_trace(run.spans()), by_trace(run.spans(0.1))
    # Binomial: the standard error is 13.4.
    assert abs(len(kept) - 200) < 4 * 13.4
    whole = {spans[0].trace_id: told(spans) for spans in everything}
    assert all(told(spans) == whole[spans[0].trace_id] for spans in kept)
    assert not run.spans(0)


# Properties, whatever the scenario


@pytest.mark.parametrize("name", scenarios)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_a_trace_is_a_tree_and_children_lie_within_what_caused_them(
    name: str, data: st.DataObject
) -> None:
    result = data.draw(results(name))
    spans = result.spans()
    known = {(each.trace_id, each.span_id): each for each in spans}
    assert len(known) == len(spans)
    before: set[tuple[str, str]] = set()
    # What was repeated may go on when all messages are done.
    over = max([result.duration, *(end for end in result.visits.end if end == end)])
    for span in spans:
        assert 0 <= span.start <= span.end <= over
        if span.parent_id is not None:
            parent = known[span.trace_id, span.parent_id]
            assert (parent.trace_id, parent.span_id) in before
            assert parent.start <= span.start
            assert span.end <= parent.end
        before.add((span.trace_id, span.span_id))
        for link in span.links:
            linked = known[link.trace_id, link.span_id]
            assert linked.trace_id != span.trace_id
            assert (linked.start, linked.end) == (span.start, span.end)
    roots = Counter(each.trace_id for each in spans if each.parent_id is None)
    assert set(roots.values()) <= {1}
    assert len(roots) == len(by_trace(spans)) == messages(result)


@pytest.mark.parametrize("name", sorted(scenarios.keys() - {"Consistency"}))
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_every_attempt_is_a_span_and_so_is_its_work(name: str, data: st.DataObject) -> None:
    result = data.draw(results(name))
    spans, attempts = result.spans(), result.attempts
    made = [each for each in spans if each.name in ("process", "attempt")]
    assert Counter((each.outcome, each.cause) for each in made) == Counter(
        zip(attempts["outcome"], attempts["cause"], strict=True)
    )
    work = sorted(each.start for each in spans if each.name == "work")
    assert work == sorted(attempts["start"].dropna())


@pytest.mark.parametrize("name", scenarios)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_self_times_add_up_to_the_wall_time(name: str, data: st.DataObject) -> None:
    for spans in by_trace(data.draw(results(name)).spans()):
        total, (wall, overlap) = sum(self_times(spans)), innermost(spans)
        assert total == pytest.approx(wall, rel=1e-9, abs=1e-9)
        assert wall == pytest.approx(spans[0].duration + overlap, rel=1e-9, abs=1e-9)


def messages(result: Result) -> int:
    """How many there were, copies not counted."""
    table = result.messages
    for label in ("message", "event"):
        if label in table:
            return int(table[label].nunique())
    return len(table)


def innermost(spans: list[Span]) -> tuple[float, float]:
    """Time with something at work, once for each that is at work by itself (s), and how much of
    that is beyond the first: looked up instant by instant."""
    times = sorted({each.start for each in spans} | {each.end for each in spans})
    total = beyond = 0.0
    for start, end in pairwise(times):
        active = [each for each in spans if each.start <= start and end <= each.end]
        parents = {each.parent_id for each in active}
        alone = sum(each.span_id not in parents for each in active)
        total += alone * (end - start)
        beyond += (alone - 1) * (end - start)
    return total, beyond


def test_copies_sent_again_overlap_and_say_so() -> None:
    run = DeliveryGuarantees(messages=40, confirm_lost=0.3).run(1)
    several = [t for t in by_trace(run.spans()) if sum(s.name == "queue" for s in t) > 1]
    assert several
    assert any(sum(self_times(spans)) > spans[0].duration + 0.1 for spans in several)
