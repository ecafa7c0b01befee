"""Call and wait against publish and go on."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simlib import Deterministic, Exponential, LogNormal, Outage, Trace
from simlib.analysis import compare, replicate
from simlib.scenarios import SyncVsAsync
from simlib.theory import mmc

BOTH = ("sync", "async")
CALL = SyncVsAsync(messages=2_000)
# One request at a time, each with 100 ms of work: every instant can be worked out by hand.
LONELY = SyncVsAsync(
    interarrival=Deterministic(1.0),
    service=Deterministic(0.1),
    workers=1,
    messages=3,
    network=0.01,
    put_cost=0.005,
    get_cost=0.002,
    ack_cost=0.003,
)


def down(start: float, duration: float) -> tuple[Outage, ...]:
    return (Outage(of="service", start=start, duration=duration),)


outages = st.builds(
    lambda kind, start, duration, factor: Outage(
        of="service",
        kind=kind,
        start=start,
        duration=duration,
        factor=factor if kind == "slow" else None,
    ),
    st.sampled_from(["crash", "hang", "slow"]),
    st.floats(0, 8),
    st.floats(0.1, 8),
    st.floats(0.2, 5),
)


def test_a_lonely_call_takes_the_work_and_two_trips() -> None:
    messages = LONELY.run(1).messages
    assert messages["latency"].to_numpy() == pytest.approx(0.01 + 0.1)
    assert (messages["answered"] - messages["created"]).to_numpy() == pytest.approx(0.12)


def test_a_lonely_message_takes_the_put_and_the_get_as_well() -> None:
    messages = LONELY.replace(mode="async").run(1).messages
    assert messages["latency"].to_numpy() == pytest.approx(0.01 + 0.005 + 0.002 + 0.1)
    assert (messages["answered"] - messages["created"]).to_numpy() == pytest.approx(0.025)


def test_both_ways_meet_the_same_arrivals_and_the_same_work() -> None:
    call, queue = (CALL.replace(mode=mode).run(3).messages for mode in BOTH)
    assert call["created"].equals(queue["created"])
    work = [each["finished"] - each["started"] for each in (call, queue)]
    assert work[0].to_numpy() == pytest.approx(work[1].to_numpy())


@pytest.mark.parametrize("mode", BOTH)
def test_the_same_seed_gives_the_same_run_to_the_bit(mode: str) -> None:
    scenario = CALL.replace(mode=mode, outages=down(10, 5))
    first, second = scenario.run(5), scenario.run(5)
    assert first.messages.equals(second.messages)
    assert first.summary().equals(second.summary())
    assert not first.messages.equals(scenario.run(6).messages)


def test_progress_changes_nothing_and_ends_at_one() -> None:
    told: list[float] = []
    result = CALL.run(5, progress=told.append)
    assert result.messages.equals(CALL.run(5).messages)
    assert result.duration == CALL.run(5).duration
    assert told == sorted(told)
    assert told[-1] == 1.0


def test_calls_with_ample_connections_are_an_mm4_queue() -> None:
    """20 replications of 20,000: the standard error is about 1 % of the mean."""
    scenario = SyncVsAsync(messages=20_000, warmup=1_000)
    latency = replicate(scenario, 20, seed=11)["latency_mean"]
    expected = mmc(arrival_rate=32, service_rate=10, servers=4).W + 0.01
    error = latency.std() / np.sqrt(len(latency))
    assert error < 0.015 * expected
    assert abs(latency.mean() - expected) < 4 * error


def test_few_connections_limit_the_throughput_of_calls() -> None:
    """Each of 4 connections is held for 0.12 s: 33.3 calls/s; the standard error is about 0.3."""
    scenario = SyncVsAsync(messages=5_000, connections=4).replace(load=1.2)
    throughput = replicate(scenario, 10, seed=12)["throughput"]
    error = throughput.std() / np.sqrt(len(throughput))
    assert abs(throughput.mean() - 4 / 0.12) < 4 * error + 0.1
    assert replicate(scenario.replace(mode="async"), 10, seed=12)["throughput"].mean() > 38


def test_an_outage_fails_calls_and_delays_messages() -> None:
    broken = CALL.replace(interarrival=Deterministic(0.1), messages=1_000, outages=down(20.05, 10))
    call = broken.run(1)
    sent = call.messages["created"] + broken.network
    refused = (sent >= 20.05) & (sent < 30.05)
    assert (call.messages["outcome"][refused] == "lost").all()
    assert call.ledger.lost >= refused.sum()
    assert call.ledger.acked + call.ledger.lost == 1_000
    queue = broken.replace(mode="async").run(1)
    assert queue.ledger.acked == 1_000
    assert queue.ledger.lost == 0
    during = queue.messages["started"].between(20.05, 30.05, inclusive="left")
    assert not during.any()


def test_work_cut_short_by_an_outage_starts_again_from_the_beginning() -> None:
    scenario = LONELY.replace(mode="async", outages=down(1.05, 10))
    messages = scenario.run(1).messages
    assert messages["attempts"].tolist() == [2, 1, 1]
    assert messages["started"][0] == pytest.approx(11.05 + scenario.get_cost)
    assert messages["finished"][0] == pytest.approx(11.05 + scenario.get_cost + 0.1)
    assert scenario.run(1).ledger.duplicates == 1


def test_a_slowdown_stretches_the_work_that_begins_in_it() -> None:
    slow = Outage(of="service", kind="slow", start=1.5, duration=1, factor=3)
    scenario = LONELY.replace(outages=(slow,))
    work = scenario.run(1).messages.eval("finished - started")
    assert work.to_numpy() == pytest.approx([0.1, 0.3, 0.1])


def test_a_bound_refuses_what_does_not_fit() -> None:
    for mode in BOTH:
        result = CALL.replace(mode=mode, capacity=2, connections=100).replace(load=1.5).run(1)
        assert result.ledger.dropped > 100
        assert result.ledger.acked + result.ledger.dropped == 2_000
        assert result.summary()["queue_max"] <= 2


def test_arrivals_may_come_from_a_trace() -> None:
    times = [0.0, 0.0, 0.1, 5.0]
    result = SyncVsAsync(interarrival=Trace(times=times)).run(1)
    assert result.messages["created"].tolist() == times
    assert result.ledger.acked == 4


def test_pairing_narrows_the_interval() -> None:
    pairs = compare(CALL, CALL.replace(mode="async"), replications=10, seed=2)
    assert pairs.narrowing("latency_mean") > 3
    assert pairs.interval("latency_mean").low > 0
    assert pairs.interval("caller_mean").high < 0


@settings(max_examples=60)
@given(
    mode=st.sampled_from(BOTH),
    load=st.floats(0.1, 2.0),
    workers=st.integers(1, 5),
    connections=st.integers(1, 8),
    network=st.sampled_from([0.0, 0.01, 0.3]),
    costs=st.tuples(*[st.sampled_from([0.0, 0.01, 0.2])] * 3),
    capacity=st.sampled_from([None, 0, 1, 7]),
    outages=st.lists(outages, max_size=3).map(tuple),
    duration=st.none() | st.floats(0.5, 20),
    seed=st.integers(0, 2**32),
)
def test_every_request_is_accounted_for(
    mode, load, workers, connections, network, costs, capacity, outages, duration, seed
) -> None:
    put, get, ack = costs
    scenario = SyncVsAsync(
        mode=mode,
        service=LogNormal(mean=0.1, cv=1.5),
        interarrival=Exponential(mean=0.1),
        messages=150,
        duration=duration,
        workers=workers,
        connections=connections,
        network=network,
        put_cost=put,
        get_cost=get,
        ack_cost=ack,
        capacity=capacity,
        outages=outages,
    ).replace(load=load)
    result = scenario.run(seed)
    ledger, messages = result.ledger, result.messages
    assert ledger.published == len(messages)
    assert min(ledger[name] for name in dict(ledger)) >= 0
    counts = messages["outcome"].value_counts()
    assert (counts["dropped"], counts["lost"]) == (ledger.dropped, ledger.lost)
    if duration is None:
        assert ledger.ready == ledger.unacked == 0
        assert counts["acked"] == ledger.acked
        assert (result.series.iloc[-1] == 0).all()
    in_order = ["created", "enqueued", "started", "finished"]
    for before, after in pairwise(in_order):
        assert not (messages[after] < messages[before] - 1e-9).any()
    busy = result.series["busy_consumers"]
    assert busy.min() >= 0
    assert busy.max() <= workers
    assert result.series["queue_length"].min() >= 0


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("mode", "both", "'sync' or 'async'"),
        ("workers", 0, ">= 1"),
        ("connections", 1.5, "whole number"),
        ("network", -0.1, ">= 0"),
        ("network", float("nan"), "finite"),
        ("workesr", 3, "there is no 'workesr'; did you mean 'workers'"),
        ("outages", [{"of": "service", "start": -1, "duration": 1}], ">= 0"),
        ("warmup", 2_000, "warmup must be smaller than the 2000 messages"),
    ],
)
def test_bad_input_is_refused_before_anything_runs(field: str, value: object, said: str) -> None:
    with pytest.raises(ValueError, match=said) as refused:
        CALL.replace(**{field: value})
    assert field.removesuffix("_") in str(refused.value)


@pytest.mark.parametrize(
    ("options", "offered"),
    [
        ({"mode": "async", "get_cost": 0.05, "ack_cost": 0.0}, 1.2),
        ({"mode": "async", "get_cost": 0.0, "ack_cost": 0.0}, 0.8),
        ({"mode": "sync"}, 0.8),
        ({"mode": "sync", "connections": 2, "network": 0.01}, 1.92),
    ],
)
def test_the_load_offered_counts_what_else_takes_a_worker(
    options: dict[str, Any], offered: float
) -> None:
    scenario = CALL.replace(**options)
    assert scenario.load == pytest.approx(0.8)
    assert scenario.offered_load == pytest.approx(offered)
