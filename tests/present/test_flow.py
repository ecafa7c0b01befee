"""What moves when a run is played back: told by its spans, and counted as the run counts it."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from runs import any_result, results

from simlib import Deterministic, Outage, Trace
from simlib.analysis import Result
from simlib.present import Flow, flow
from simlib.present.hops import Hops, Move, Sort
from simlib.present.journeys import hops_of
from simlib.scenarios import (
    Calling,
    Consistency,
    DeliveryGuarantees,
    Incident,
    Pipeline,
    PointToPoint,
    PublishSubscribe,
    SyncVsAsync,
    Topology,
)

CRASHED = PointToPoint(
    interarrival=Trace([1.0]),
    service=Deterministic(2.0),
    outages=[Outage(of="consumers", start=2.0)],
).run()


def moved(run: Result) -> list[Move]:
    hops = hops_of(run.spans(), run.scenario.parties)
    return sorted(move for token in hops.tokens for move in token)


def ways(hops: Hops) -> dict[tuple[str, str], int]:
    return {way: sum(counted.values()) for way, counted in hops.counts().items()}


# Worked out by hand


def test_a_message_is_stored_delivered_lost_with_its_consumer_and_delivered_again() -> None:
    assert moved(CRASHED) == [
        (1.0, 1.0, "producer", "queue", Sort.FIRST),
        (1.0, 1.0, "queue", "consumer", Sort.FIRST),
        (2.0, 2.0, "consumer", "queue", Sort.AGAIN),
        (3.0, 3.0, "queue", "consumer", Sort.AGAIN),
        (5.0, 5.0, "consumer", "done", Sort.FIRST),
    ]
    hops = hops_of(CRASHED.spans())
    seen = [(hops.at(at, "queue"), hops.at(at, "consumer")) for at in (0.5, 1.5, 2.5, 4.0, 5.5)]
    assert seen == [(0, 0), (0, 1), (1, 0), (0, 1), (0, 0)]
    assert [hops.at(at, "done") for at in (4.9, 5.1)] == [0, 1]


def test_what_is_lost_goes_where_nothing_comes_back_from() -> None:
    run = PointToPoint(interarrival=Trace([1.0, 2.0]), service=3.0, capacity=0).run()
    assert ways(hops_of(run.spans()))["producer", "dropped"] == 1
    topic = {"exchange": "topic", "bindings": ("order.*",), "subscribers": 1}
    keys = {"order.paid": 0.5, "mail.sent": 0.5}
    routed = PublishSubscribe(messages=40, routing_keys=keys, **topic).run(1)
    counted = ways(hops_of(routed.spans(), routed.scenario.parties))
    assert counted["publisher", "exchange"] == 40
    assert counted["exchange", "dropped"] == routed.ledger.dropped > 0
    assert counted["exchange", "dropped"] + counted["exchange", "queue"] == 40
    crashed = DeliveryGuarantees(semantics="at most once", crashing=0.5, messages=20).run(1)
    counted = ways(hops_of(crashed.spans(), crashed.scenario.parties))
    assert counted["bookkeeper", "lost"] == crashed.ledger.lost > 0
    assert counted["bookkeeper", "account"] == crashed.ledger.acked


def test_a_copy_for_each_subscriber_leaves_the_exchange() -> None:
    run = PublishSubscribe(messages=5, subscribers=3).run(1)
    counted = ways(hops_of(run.spans(), run.scenario.parties))
    assert counted["publisher", "exchange"] == 5
    assert [counted["exchange", f"queue {each}"] for each in (1, 2, 3)] == [5, 5, 5]
    assert [counted[f"subscriber {each}", "done"] for each in (1, 2, 3)] == [5, 5, 5]


def test_queues_of_a_topology_have_their_names() -> None:
    shop = Topology(messages=20)
    counted = ways(hops_of((run := shop.run(1)).spans(), shop.parties))
    reached = {target for origin, target in counted if origin == "exchange"}
    assert reached & {queue.name for queue in shop.queues} == reached - {"dropped"}
    assert counted["publisher", "exchange"] == 20
    assert run.series["queue_length"].iloc[-1] == 0


def test_what_is_done_again_is_counted_apart() -> None:
    run = DeliveryGuarantees(messages=50, ack_lost=0.2, confirm_lost=0.2).run(1)
    hops = hops_of(run.spans(), run.scenario.parties)
    counted = hops.counts()["bookkeeper", "account"]
    assert counted[Sort.FIRST] == 50
    assert counted[Sort.AGAIN] == run.summary()["surplus"] > 0


def test_a_line_of_stations_hands_on() -> None:
    run = Pipeline(messages=4).run(1)
    columns = hops_of(run.spans(), run.scenario.parties).places
    assert columns == [
        *(["producer"], ["queue 1"], ["station 1"]),
        *(["queue 2"], ["station 2"], ["done"]),
    ]


def test_calls_go_there_and_come_back() -> None:
    run = SyncVsAsync(interarrival=Trace([1.0]), service=1.0, network=0.25).run()
    assert moved(run) == [
        (1.0, 1.25, "front", "service", Sort.FIRST),
        (2.25, 2.5, "service", "front", Sort.REPLY),
    ]
    hops = hops_of(run.spans(), run.scenario.parties)
    assert [hops.at(at, "front") for at in (0.9, 1.1, 2.4, 2.6)] == [0, 1, 1, 0]
    counted = ways(hops_of((calls := Calling(messages=30).run(1)).spans(), calls.scenario.parties))
    assert counted == {("client", "service"): 30, ("service", "client"): 30}


def test_an_order_goes_through_the_services_and_twice_where_a_relay_forgot() -> None:
    run = Consistency(interarrival=Trace([0.5]), crash_after="publish", put_cost=0.0).run()
    hops = hops_of(run.spans(), run.scenario.parties)
    assert hops.places == [
        *(["customer"], ["orders"], ["orders relay"], ["broker"]),
        *(["bank queue", "stock queue"], ["bank", "stock"], ["done"]),
    ]
    counted = hops.counts()
    assert counted["customer", "orders"] == {Sort.FIRST: 1}
    for way in ("orders relay", "broker"), ("stock queue", "stock"), ("bank", "done"):
        assert counted[way] == {Sort.FIRST: 1, Sort.AGAIN: 1}
    assert hops.at(run.duration, "done") == 2


def test_what_crashes_in_a_service_goes_back_to_its_queue() -> None:
    run = Consistency(interarrival=Trace([0.5]), crash_after="reserve").run()
    hops = hops_of(run.spans(), run.scenario.parties)
    assert hops.counts()["stock", "stock queue"] == {Sort.AGAIN: 1}
    assert [hops.at(at, "stock queue") for at in (1.0, 1.5, 2.5)] == [0, 1, 0]


def test_a_part_of_the_orders_is_told_by_their_own_visits() -> None:
    run = Consistency(messages=30, pattern="orchestrated saga").run(1)
    created = run.messages["created"]
    part = flow(run, since=float(created[10]) + 1e-6, until=float(created[15]) + 1e-6)
    finished = run.messages["finished"]
    inside = (created <= created[15]) & ~(finished < created[10])
    assert part.hops.traces == inside.sum()
    asked = part.hops.counts()["conductor", "stock"]
    assert sum(asked.values()) == inside.sum()


def test_a_trace_alone_can_be_played() -> None:
    case = Incident(traces=1).run(1)
    played = flow(case.spans)
    counted = ways(played.hops)
    assert counted["client", "gateway"] == counted["gateway", "client"] == 1
    assert counted["orders", "stock"] >= counted["stock", "orders"] == 1
    # One request is at one place at a time.
    starts = [move.start for move in played.hops.tokens[0]]
    assert starts == sorted(starts)
    assert set(played.hops.most().values()) == {1}


# What is drawn


def test_a_move_that_takes_no_time_is_drawn_for_a_moment_and_the_next_one_waits_for_it() -> None:
    drawn = hops_of(CRASHED.spans()).drawn(0.25)
    assert [(move.start, move.end) for move in drawn[:3]] == [(1.0, 1.25), (1.25, 1.5), (2.0, 2.25)]


def test_the_widget_has_a_row_for_each_move_and_each_stay() -> None:
    played = flow(CRASHED)
    rows = np.frombuffer(played.moves, "<f4").reshape(-1, 5)
    assert len(rows) == 5
    assert (np.diff(rows[:, 0]) >= 0).all()
    assert (rows[:, 1] - rows[:, 0] <= played.longest * 1.0001).all()
    names = [place["name"] for place in played.places]
    assert [names[int(each)] for each in rows[:, 3]] == [
        *("queue", "consumer", "queue", "consumer", "done"),
    ]
    assert len(np.frombuffer(played.stays, "<f4").reshape(-1, 4)) == len(played.hops.stays)
    roles = {place["name"]: place["role"] for place in played.places}
    assert (roles["queue"], roles["done"]) == ("keeper", "end")


def test_readers_that_show_no_widgets_get_a_picture_and_its_words() -> None:
    played = flow(CRASHED)
    assert repr(played) == "Flow(1 message, 0 s to 5.33 s)"
    bundle = played._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    assert data["text/plain"] == repr(played)
    assert (
        '<img alt="1 message on the move: producer to queue 1; queue to consumer 2, of them 1 '
        in (data["text/html"])
    )
    assert "run this cell" in data["text/html"]
    assert played.still().png.startswith(b"\x89PNG")


def test_only_a_part_is_played_where_there_is_too_much() -> None:
    run = PointToPoint(messages=5_000).run(1)
    assert flow(run).caption.startswith("The first 2,000 of 5,000 messages, until ")
    part = flow(run, since=100.0, until=150.0)
    assert part.caption == ""
    created = run.messages["created"]
    inside = int(((created < 150.0) & ~(run.messages["finished"] < 100.0)).sum())
    assert part.hops.traces == inside
    assert part.hops.at(120.0, "queue") == run.series["queue_length"].asof(120.0)


def test_a_crowd_is_said_to_be_one() -> None:
    run = PublishSubscribe(messages=1_000, interarrival=0.001, network=0.5).run(1)
    assert "move at once: play it slowly, or a shorter part." in flow(run).caption


@pytest.mark.parametrize(
    ("since", "until"), [(-1.0, None), (0.0, 0.0), (3.0, 2.0), (0.0, 1e6), (0.0, "end")]
)
def test_a_part_lies_within_the_run(since: float, until: float | None) -> None:
    with pytest.raises(ValueError, match=r"since|until"):
        flow(CRASHED, since, until)


def test_what_can_not_be_played_is_refused() -> None:
    with pytest.raises(TypeError, match="run must be a Result or spans, got str"):
        flow("run")
    with pytest.raises(ValueError, match="there are no spans"):
        flow([])
    with pytest.raises(ValueError, match="a trace has one root"):
        flow(CRASHED.spans()[1:])
    with pytest.raises(ValueError, match="31 places side by side can't be followed, 30 can"):
        flow(PublishSubscribe(messages=1, subscribers=31).run())
    empty = PointToPoint(interarrival=Trace([2.0]), duration=1.0).run()
    with pytest.raises(ValueError, match="a run without messages has nothing to play"):
        flow(empty)


# Properties, whatever the scenario


@settings(max_examples=40, deadline=None)
@given(any_result)
def test_whatever_a_run_was_it_can_be_played(result: Result) -> None:
    if not len(result.messages):
        return
    played = flow(result)
    assert isinstance(played, Flow)
    numbers = np.frombuffer(played.moves, "<f4")
    assert np.isfinite(numbers).all()
    assert np.isfinite(np.frombuffer(played.stays, "<f4")).all()
    for token in played.hops.tokens:
        # A thing leaves from where it came to.
        for one, other in pairwise(token):
            if result.scenario.parties.calls:
                break
            assert one.target == other.origin
            assert one.start <= other.start
    assert all(move.start <= move.end for token in played.hops.tokens for move in token)


@settings(max_examples=30, deadline=None)
@given(results("PointToPoint"), st.floats(0.01, 0.99))
def test_the_number_at_a_queue_is_that_of_the_messages_that_wait(
    result: Result, part: float
) -> None:
    at = part * result.duration
    instants = np.unique(result.messages[["created", "enqueued", "started", "finished"]])
    if not len(result.messages) or np.abs(instants - at).min() < 1e-6:
        return
    hops = hops_of(result.spans())
    assert hops.at(at, "queue") == result.series["queue_length"].asof(at)
    workers = [place for column in hops.places for place in column if "consumer" in place]
    there = sum(hops.at(at, each) for each in workers)
    attempts = result.attempts
    assert there == ((attempts["start"] <= at) & ~(attempts["end"] <= at)).sum()


@settings(max_examples=30, deadline=None)
@given(results("PublishSubscribe"))
def test_everything_that_is_delivered_moves_and_everything_that_is_done_ends(
    result: Result,
) -> None:
    hops = hops_of(result.spans(), result.scenario.parties)
    ends: Counter[str] = Counter()
    for token in hops.tokens:
        for move in token:
            if move.target == "done" and move.sort is Sort.FIRST:
                ends["done"] += 1
    assert ends["done"] >= result.ledger.acked
