"""Whatever fails, the books of a run with a broker agree: ledger, outcomes, series and work."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simlib import Deterministic, Exponential, Trace
from simlib.analysis.result import Result
from simlib.processes import Outage
from simlib.scenarios import DeliveryGuarantees, EventDriven, PublishSubscribe

DOWN = Outage(of="consumers", share=0.01, start=0.3, duration=1.0)


def restarts(every: float) -> tuple[Outage, ...]:
    """The broker restarts again and again, and is back at once."""
    return (Outage(of="broker", every=every, duration=0),)


def worked(result: Result) -> float:
    """Time that workers were busy (s)."""
    summary = result.summary()
    return float(summary["utilisation"] * summary["duration"] * result.servers)


def check(result: Result) -> None:
    ledger, messages, series = result.ledger, result.messages, result.series
    counts = messages["outcome"].value_counts()
    assert counts["acked"] == ledger.acked
    assert counts["lost"] == ledger.lost
    assert counts["dropped"] == ledger.dropped
    assert counts["dead-lettered"] == ledger.dead_lettered
    assert counts["expired"] == ledger.expired
    assert counts["waiting"] + counts["in service"] == ledger.ready + ledger.unacked
    assert (series >= 0).all(axis=None)
    last = series.iloc[-1]
    # What waits at its publisher is in no queue yet.
    outside = np.isnan(result.columns["enqueued"]) & (messages["outcome"] == "waiting")
    assert last["queue_length"] + last["in_flight"] + outside.sum() == ledger.ready + ledger.unacked
    attempts = messages["attempts"].to_numpy()
    assert attempts.sum() == ledger.duplicates + np.count_nonzero(
        ~np.isnan(result.column("delivered"))
    )
    assert ledger.redelivered == np.maximum(attempts - 1, 0).sum()
    begun = np.concatenate([result.columns["started"], result.in_vain.start])
    ended = np.concatenate([result.columns["finished"], result.in_vain.end])
    time = np.where(np.isnan(ended), result.duration, ended) - begun
    assert worked(result) == pytest.approx(np.nansum(time))


def test_work_goes_on_in_vain_when_the_broker_is_restarted() -> None:
    result = DeliveryGuarantees(
        interarrival=Trace(times=[0.9]),
        service=Deterministic(0.5),
        messages=1,
        outages=restarts(1.0),
        queue="file",
    ).run(1)
    check(result)
    assert worked(result) == pytest.approx(1.0)
    assert result.series["busy_consumers"][1.0] == 1
    summary = result.summary()
    assert (summary["surplus"], summary["redone"]) == (1, 1)
    assert result.columns["finished"].tolist() == pytest.approx([1.91])


def test_an_only_subscriber_is_as_busy_as_all_of_them() -> None:
    result = PublishSubscribe(
        interarrival=Exponential(0.5),
        service=Exponential(1.0),
        messages=500,
        subscribers=1,
        workers=3,
        ack_lost=0.2,
    ).run(1)
    check(result)
    summary = result.summary()
    assert summary["utilisation"] == pytest.approx(summary["utilisation_1"])


def test_a_run_that_time_ends_leaves_its_messages_where_they_are() -> None:
    result = DeliveryGuarantees(
        interarrival=Trace(times=[0.0]),
        service=Deterministic(10.0),
        messages=1,
        duration=5.0,
        attempts=1,
    ).run(1)
    check(result)
    assert result.messages["outcome"].tolist() == ["in service"]
    assert (result.ledger.unacked, result.ledger.dead_lettered) == (1, 0)


def test_a_restart_under_an_ack_loses_its_message() -> None:
    result = DeliveryGuarantees(
        interarrival=Trace(times=[0.0, 1.4]),
        service=Deterministic(0.5),
        messages=2,
        network=0.1,
        outages=restarts(0.75),
    ).run(1)
    check(result)
    assert result.messages["outcome"].tolist() == ["lost", "acked"]
    assert result.columns["left"].tolist() == pytest.approx([0.75, 2.2])
    assert result.series["queue_length"].iloc[-1] == 0
    assert worked(result) == pytest.approx(1.0)


def test_a_restart_under_an_ack_brings_a_kept_message_back() -> None:
    result = DeliveryGuarantees(
        interarrival=Trace(times=[0.0, 1.4]),
        service=Deterministic(0.5),
        messages=2,
        network=0.1,
        outages=restarts(0.75),
        queue="file",
    ).run(1)
    check(result)
    # At 0.75 s under its ack; at 1.5 s in the work, which had been redone from 0.95 s to 1.45 s.
    assert result.messages["attempts"].tolist() == [3, 1]
    assert result.columns["finished"].tolist() == pytest.approx([2.2, 2.7])
    assert result.ledger.redone == 2


def test_two_deliveries_at_one_instant_are_two() -> None:
    result = DeliveryGuarantees(
        interarrival=Trace(times=[0.0, 0.0]),
        service=Deterministic(1.0),
        messages=2,
        network=0.0,
        delivery_lost=0.4,
    ).run(2)
    check(result)
    assert result.messages["attempts"].tolist() == [2, 2]
    assert result.columns["delivered"].tolist() == [0.0, 0.0]
    assert result.series.iloc[-1].tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("way", "attempts", "busy"), [("queue", 2, 2.6), ("database", 1, 2.0), ("api", 2, 2.9)]
)
def test_what_an_outage_took_is_delivered_again(way: Any, attempts: int, busy: float) -> None:
    # Down from 1 s to 3 s; through a queue, the first is begun at 0.4 s, and the second waits.
    result = EventDriven(
        interarrival=Trace(times=[0.0, 0.5]),
        service=Deterministic(1.0),
        messages=2,
        subscribers=1,
        network=0.1,
        put_cost=0.2,
        way=way,
        outages=(Outage(of="consumers", start=1.0, duration=2.0),),
    ).run(1)
    check(result)
    assert result.messages["attempts"].tolist() == [attempts, attempts]
    again = 2 * (attempts - 1)
    assert (result.ledger.duplicates, result.ledger.redelivered) == (again, again)
    assert result.ledger.redone == 0
    assert worked(result) == pytest.approx(busy)


HANG = {"kind": "hang", "duration": 0.7}
OUTAGES = {
    "broker": [
        *restarts(0.75),
        Outage(of="broker", start=0.3, duration=0.6),
        Outage(of="broker", every=0.8, duration=Exponential(0.3)),
    ],
    "consumers": [
        DOWN,
        Outage(of="consumers", start=0.2, duration=0.3),
        Outage(of="consumers", start=0.6, **HANG),
        Outage(of="consumers", start=0.1, duration=1.5, kind="slow", factor=3.0),
    ],
    "network": [Outage(of="network", start=0.2, **HANG), Outage(of="network", start=1.1, **HANG)],
    "publisher": [Outage(of="publisher", start=0.4, **HANG)],
}


def outages(*what: str) -> st.SearchStrategy[tuple[Outage, ...]]:
    """None, or some of these, of one thing or of several."""
    known = [each for of in what for each in OUTAGES[of]]
    return st.just(()) | st.lists(st.sampled_from(known), max_size=4, unique=True).map(tuple)


chances = st.sampled_from([0.0, 0.0, 0.1, 0.4])
faults = {
    "messages": st.integers(1, 30),
    "interarrival": st.sampled_from(
        [Exponential(0.1), Deterministic(0.5), Trace(times=[0.0] * 15 + [1.0] * 15)]
    ),
    "service": st.sampled_from([Deterministic(0.5), Exponential(0.2)]),
    "duration": st.sampled_from([None, 3.0]),
    "network": st.sampled_from([0.0, 0.01, 0.1]),
}


@settings(max_examples=60, deadline=None)
@given(
    st.fixed_dictionaries(
        {
            **faults,
            "semantics": st.sampled_from(["at most once", "at least once", "effectively once"]),
            "queue": st.sampled_from(["memory", "memory", "file"]),
            "prefetch": st.sampled_from([1, 3, 10]),
            "confirm_lost": chances,
            "delivery_lost": chances,
            "crashing": chances,
            "booked_and_crashed": chances,
            "ack_lost": chances,
            "failing": chances,
            "attempts": st.sampled_from([None, 1, 3]),
            "confirms": st.booleans(),
            "outages": outages("broker", "consumers", "network"),
        }
    ),
    st.integers(0, 9),
)
def test_payments(fields: dict[str, Any], seed: int) -> None:
    check(DeliveryGuarantees(**fields).run(seed))


@settings(max_examples=60, deadline=None)
@given(
    st.fixed_dictionaries(
        {
            **faults,
            "arrangement": st.sampled_from(["fan-out", "competing", "group"]),
            "subscribers": st.integers(1, 3),
            "workers": st.integers(1, 3),
            "prefetch": st.sampled_from([0, 1, 4]),
            "deliver_cost": st.sampled_from([0.0, 0.01]),
            "publish_cost": st.sampled_from([0.0, 0.01]),
            "confirms": st.sampled_from(["none", "each", "batch", "pipelined"]),
            "unconfirmed": st.integers(1, 4),
            "outages": outages("broker", "consumers", "network", "publisher"),
            "capacity": st.sampled_from([None, 2]),
            "ack_lost": chances,
            "failing": chances,
            "attempts": st.sampled_from([None, 1, 3]),
        }
    ),
    st.integers(0, 9),
)
def test_subscribers(fields: dict[str, Any], seed: int) -> None:
    check(PublishSubscribe(**fields).run(seed))


@settings(max_examples=40, deadline=None)
@given(
    st.fixed_dictionaries(
        {
            **faults,
            "way": st.sampled_from(["queue", "database", "api"]),
            "subscribers": st.integers(1, 3),
            "timeout": st.sampled_from([0.3, 1.0]),
            "attempts": st.sampled_from([1, 3]),
            "outages": outages("consumers", "network"),
        }
    ),
    st.integers(0, 9),
)
def test_events(fields: dict[str, Any], seed: int) -> None:
    check(EventDriven(**fields).run(seed))
