"""PointToPoint: its parameters, and every column and figure of its result."""

from __future__ import annotations

import hashlib
import heapq
import pickle
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Sequence
from math import inf, isnan, nan
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from simlib import (
    Deterministic,
    Empirical,
    Erlang,
    Exponential,
    Hyperexponential,
    LogNormal,
    Replay,
    Trace,
    Uniform,
)
from simlib.scenarios import PointToPoint
from simlib.values import ParameterError

KEYS = [
    *("throughput", "latency_mean", "latency_p50", "latency_p95", "latency_p99"),
    *("wait_mean", "wait_p95", "utilisation", "queue_mean", "queue_max", "in_system_mean"),
    *("published", "completed", "dropped", "duration"),
]
ACCOUNTS = ("acked", "ready", "unacked", "dead_lettered", "expired", "dropped", "lost")


def _mm1(**changes: Any) -> PointToPoint:
    return PointToPoint(**{"messages": 2_000, **changes})


# A queue worked out by hand, message by message


def _worked_out(
    created: Sequence[float],
    works: Sequence[float],
    *,
    consumers: int = 1,
    capacity: int | None = None,
    put_cost: float = 0.0,
    get_cost: float = 0.0,
    ack_cost: float = 0.0,
    duration: float = inf,
) -> tuple[pd.DataFrame, dict[str, int]]:
    """What must become of messages with these arrivals and works: first come, first served.

    Whoever finishes at an instant makes room for those who arrive at it. What happens at the
    cut-off or later does not happen.
    """
    rows = [
        dict.fromkeys(("enqueued", "delivered", "started", "finished", "acked"), inf) for _ in works
    ]
    free = [0.0] * consumers
    waiting: deque[int] = deque()
    dropped = {}

    def take(number: int, now: float) -> None:
        row = rows[number]
        row["delivered"] = now
        row["started"] = now + get_cost
        row["finished"] = row["started"] + works[number]
        row["acked"] = row["finished"] + ack_cost
        heapq.heapreplace(free, row["acked"])

    now = 0.0
    for number, due in enumerate(created):
        now = max(now, due) + put_cost
        while waiting and free[0] <= now:
            take(waiting.popleft(), free[0])
        if free[0] <= now:
            rows[number]["enqueued"] = now
            take(number, now)
        elif capacity is None or len(waiting) < capacity:
            rows[number]["enqueued"] = now
            waiting.append(number)
        else:
            dropped[number] = now
    while waiting:
        take(waiting.popleft(), free[0])

    table = pd.DataFrame(rows)
    table.insert(0, "created", np.array(created, float))
    refused = pd.Series(dropped, table.index, dtype=float).fillna(inf)
    known = (table["enqueued"] < duration) | (refused < duration)
    table, refused = table[known], refused[known]
    reached = table.drop(columns="created") < duration
    account = {
        "published": int(known.sum()),
        "acked": int(reached["acked"].sum()),
        "unacked": int((reached["delivered"] & ~reached["acked"]).sum()),
        "ready": int((reached["enqueued"] & ~reached["delivered"]).sum()),
        "dropped": int((refused < duration).sum()),
    }
    times = table.drop(columns="created").where(reached)
    times.insert(0, "created", table["created"])
    return times.reset_index(drop=True), account


def _columns(result: Any) -> pd.DataFrame:
    """All instants of a result; where gets or acks take no time they have no columns."""
    messages = result.messages
    return pd.DataFrame(
        {
            "created": messages["created"],
            "enqueued": messages["enqueued"],
            "delivered": messages.get("delivered", messages["started"]),
            "started": messages["started"],
            "finished": messages["finished"],
            "acked": messages.get("acked", messages["finished"]),
        }
    )


cost = st.sampled_from([0.0, 0.0, 0.25, 0.1])
# Whole seconds, so that things often happen at the same instant, or any.
WHOLE = (st.sampled_from([0.0, 1.0, 1.0, 2.0]), st.sampled_from([1.0, 1.0, 2.0, 3.0]), st.just(0.0))
ANY = (st.just(0.0) | st.floats(0.01, 3.0), st.floats(0.01, 5.0), cost)


@st.composite
def _given_messages(draw: st.DrawFn) -> dict[str, Any]:
    messages = draw(st.integers(1, 40))
    gap, work, cost = draw(st.sampled_from([WHOLE, ANY]))
    gaps = draw(st.lists(gap, min_size=messages, max_size=messages))
    created, now = [], 0.0
    for seconds in gaps:
        now += seconds
        created.append(now)
    return {
        "interarrival": draw(st.sampled_from([Replay(gaps), Trace(created)])),
        "created": created,
        "service": Replay(draw(st.lists(work, min_size=messages, max_size=messages))),
        "consumers": draw(st.integers(1, 4)),
        "capacity": draw(st.none() | st.integers(0, 4)),
        "put_cost": draw(cost),
        "get_cost": draw(cost),
        "ack_cost": draw(cost),
        "duration": draw(st.none() | st.sampled_from([1.0, 2.5, 10.0]) | st.floats(0.1, 40.0)),
    }


@given(_given_messages(), st.sampled_from(["auto", "simpy"]))
@settings(max_examples=300)
def test_every_message_fares_as_worked_out_by_hand(case: dict[str, Any], engine: Any) -> None:
    created = case.pop("created")
    result = PointToPoint(**case).run(engine=engine)
    table, account = _worked_out(
        created,
        case["service"].values,
        duration=case["duration"] or inf,
        **{key: case[key] for key in ("consumers", "capacity", "put_cost", "get_cost", "ack_cost")},
    )
    columns = _columns(result)
    for column in columns:
        np.testing.assert_array_equal(columns[column], table[column], column)
    assert (result.messages["attempts"] >= table["started"].notna()).all()
    ledger = dict(result.ledger)
    assert {name: ledger.pop(name) for name in account} == account
    assert not any(ledger.values())


def test_attempts_count_deliveries_from_the_get_on() -> None:
    scenario = PointToPoint(
        interarrival=Trace([1.0, 2.0]), service=Deterministic(5.0), get_cost=1.0, duration=1.5
    )
    result = scenario.run()  # The first message is on its way to the consumer.
    assert result.ledger["unacked"] == 1
    assert result.messages["attempts"].tolist() == [1]


def test_the_table_of_a_small_run_reads_as_expected() -> None:
    scenario = PointToPoint(
        interarrival=Trace([1.0, 2.0, 3.0, 4.0, 20.0]),
        service=Replay([4.0, 2.0, 9.0, 9.0, 9.0]),
        capacity=1,
        duration=10.0,
    )
    messages = scenario.run().messages
    assert messages["id"].tolist() == [0, 1, 2, 3]
    assert messages["created"].tolist() == [1.0, 2.0, 3.0, 4.0]
    assert messages["attempts"].tolist() == [1, 1, 0, 0]
    assert messages["outcome"].tolist() == ["acked", "acked", "dropped", "dropped"]
    expected = pd.DataFrame(
        {
            "enqueued": [1.0, 2.0, nan, nan],
            "started": [1.0, 5.0, nan, nan],
            "finished": [5.0, 7.0, nan, nan],
        }
    )
    pd.testing.assert_frame_equal(messages[list(expected)], expected)


@pytest.mark.parametrize("engine", ["auto", "simpy"])
def test_whoever_finishes_makes_room_for_who_arrives_at_the_same_instant(engine: Any) -> None:
    scenario = PointToPoint(
        interarrival=Deterministic(1.0), service=Deterministic(1.0), capacity=0, messages=10
    )
    result = scenario.run(engine=engine)
    assert result.ledger["dropped"] == 0
    assert result.series["in_system"].max() == 1


@pytest.mark.parametrize("capacity", [0, 1])
def test_consumers_are_there_when_the_first_messages_arrive(capacity: int) -> None:
    # A trace read from a file begins at 0.
    result = PointToPoint(
        interarrival=Trace([0.0] * 4), service=Deterministic(1.0), consumers=2, capacity=capacity
    ).run()
    assert result.ledger["dropped"] == 2 - capacity
    assert result.messages["started"].tolist()[:2] == [0.0, 0.0]


# The tables

distributions = st.sampled_from(
    [
        Exponential(1.0),
        Deterministic(1.0),
        Erlang(3, 1.0),
        LogNormal(1.0, 1.5),
        Hyperexponential(1.0, 2.0),
        Uniform(0.5, 1.5),
        Empirical([0.5, 0.5, 2.0]),
    ]
)


@st.composite
def _scenarios(draw: st.DrawFn, costs: bool = True) -> PointToPoint:
    messages = draw(st.none() | st.integers(1, 300))
    duration = draw(st.floats(0.5, 200.0)) if messages is None else None
    if messages and draw(st.booleans()):
        duration = draw(st.floats(0.5, 200.0))
    return PointToPoint(
        interarrival=draw(distributions).scaled(draw(st.sampled_from([0.3, 1.0, 1.5]))),
        service=draw(distributions),
        consumers=draw(st.integers(1, 5)),
        capacity=draw(st.none() | st.integers(0, 5)),
        messages=messages,
        duration=duration,
        warmup=draw(st.integers(0, min(50, (messages or inf) - 1))),
        **{name: draw(cost) if costs else 0.0 for name in ("put_cost", "get_cost", "ack_cost")},
    )


seeds = st.integers(0, 2**32)


@given(_scenarios(), seeds)
@settings(max_examples=100)
def test_the_ledger_balances_and_agrees_with_the_table(scenario: PointToPoint, seed: int) -> None:
    result = scenario.run(seed)
    ledger, messages = result.ledger, result.messages
    assert ledger["published"] == sum(ledger[account] for account in ACCOUNTS)
    assert ledger["published"] == len(messages)
    assert ledger["duplicates"] == 0
    outcomes = messages["outcome"].value_counts()
    assert ledger["dropped"] == outcomes["dropped"] == messages["enqueued"].isna().sum()
    if scenario.duration is None:
        assert ledger["published"] == scenario.messages
        assert ledger["acked"] == ledger["published"] - ledger["dropped"]


@given(_scenarios(costs=False), seeds)
@settings(max_examples=50)
def test_outcomes_agree_with_the_ledger(scenario: PointToPoint, seed: int) -> None:
    result = scenario.run(seed)
    outcomes = result.messages["outcome"].value_counts()
    accounts = {"waiting": "ready", "in service": "unacked", "acked": "acked", "dropped": "dropped"}
    for outcome, account in accounts.items():
        assert outcomes[outcome] == result.ledger[account]


def test_outcomes_agree_with_the_ledger_while_gets_and_acks_take_time() -> None:
    scenario = PointToPoint(
        interarrival=Deterministic(1.0), service=Deterministic(1.0), get_cost=1.0, ack_cost=1.0,
        duration=3.5,
    )  # fmt: skip
    result = scenario.run()  # The first message is done, and its ack under way until 4.
    assert dict(result.ledger)["unacked"] == 1
    outcomes = result.messages["outcome"].value_counts()
    assert outcomes["acked"] == result.ledger["acked"] == 0


@given(_scenarios(), seeds)
@settings(max_examples=100)
def test_the_table_is_in_order_and_a_message_that_got_not_so_far_has_nan(
    scenario: PointToPoint, seed: int
) -> None:
    messages = scenario.run(seed).messages
    assert messages["id"].tolist() == list(range(len(messages)))
    assert messages["created"].is_monotonic_increasing
    assert messages["created"].notna().all()
    assert messages["enqueued"].dropna().is_monotonic_increasing
    assert messages["started"].dropna().is_monotonic_increasing
    for before, after in [
        ("created", "enqueued"),
        ("enqueued", "started"),
        ("started", "finished"),
    ]:
        both = messages[[before, after]].dropna()
        assert (both[before] <= both[after]).all()
        assert not (messages[before].isna() & messages[after].notna()).any()
    np.testing.assert_array_equal(messages["wait"], messages["started"] - messages["enqueued"])
    np.testing.assert_array_equal(messages["latency"], messages["finished"] - messages["created"])


def _state_at(times: np.ndarray, entered: pd.Series, left: pd.Series) -> np.ndarray:
    """How many have entered and not left at each instant."""
    counts = [
        np.searchsorted(np.sort(column.dropna()), times, side="right") for column in (entered, left)
    ]
    return counts[0] - counts[1]


@given(_scenarios(), seeds)
@settings(max_examples=100)
def test_the_series_counts_the_messages_of_the_table(scenario: PointToPoint, seed: int) -> None:
    result = scenario.run(seed)
    series, admitted = result.series, _columns(result).dropna(subset="enqueued")
    times = series.index.to_numpy()
    assert series.index.name == "time"
    assert np.all(np.diff(times) > 0)
    assert times[0] == 0.0
    assert times[-1] <= result.duration
    for column, entered, left in [
        ("queue_length", "enqueued", "delivered"),
        ("busy_consumers", "started", "finished"),
        ("in_flight", "delivered", "acked"),
        ("in_system", "created", "finished"),
    ]:
        expected = _state_at(times, admitted[entered], admitted[left])
        np.testing.assert_array_equal(series[column], expected)
    assert series["busy_consumers"].between(0, series["in_flight"]).all()
    assert series["in_flight"].between(0, scenario.consumers).all()
    if scenario.capacity is not None:
        assert series["queue_length"].max() <= scenario.capacity
    # Nobody is idle while a message waits.
    assert (series.loc[series["queue_length"] > 0, "in_flight"] == scenario.consumers).all()


@pytest.mark.parametrize("seed", range(5))
def test_the_series_ends_where_the_ledger_does_even_when_gets_and_acks_take_time(seed: int) -> None:
    scenario = PointToPoint(
        interarrival=Exponential(1.0), get_cost=0.5, ack_cost=0.5, consumers=2, duration=60.0
    )
    result = scenario.run(seed)
    last = result.series.iloc[-1]
    assert last["in_flight"] == result.ledger["unacked"]
    assert last["queue_length"] == result.ledger["ready"]


# The figures


def _integral(series: pd.Series, start: float, end: float) -> float:
    """The integral of a step function, each value of which holds until the next."""
    edges = np.clip(np.append(series.index.to_numpy(), end), start, end)
    return float(np.sum(np.diff(edges) * series.to_numpy()))


def _about(value: float) -> Any:
    return pytest.approx(value, rel=1e-9, abs=1e-9, nan_ok=True)


@given(_scenarios(), seeds)
@settings(max_examples=100)
def test_customer_averages_are_those_of_the_table_after_the_warm_up(
    scenario: PointToPoint, seed: int
) -> None:
    result = scenario.run(seed)
    summary, counted = result.summary(), result.messages.iloc[scenario.warmup :]
    latency, wait = counted["latency"].dropna(), counted["wait"].dropna()
    assert summary["latency_mean"] == _about(latency.mean())
    assert summary["wait_mean"] == _about(wait.mean())
    if len(latency):
        percentiles = summary[["latency_p50", "latency_p95", "latency_p99"]]
        assert percentiles.tolist() == np.percentile(latency, [50, 95, 99]).tolist()
    if len(wait):
        assert summary["wait_p95"] == np.percentile(wait, 95)
        assert summary["p_wait"] == _about((wait > 0).mean())


@given(_scenarios(), seeds)
@settings(max_examples=100)
def test_time_averages_are_integrals_of_the_series_after_the_warm_up(
    scenario: PointToPoint, seed: int
) -> None:
    result = scenario.run(seed)
    summary, series, messages = result.summary(), result.series, result.messages
    end = result.duration
    start = 0.0
    if scenario.warmup:
        start = messages["created"].get(scenario.warmup, end)
    time = end - start
    if time == 0:
        averages = ["throughput", "utilisation", "queue_mean", "in_system_mean"]
        assert summary[averages].isna().all()
        return
    assert summary["utilisation"] == _about(
        _integral(series["busy_consumers"], start, end) / time / scenario.consumers
    )
    assert summary["queue_mean"] == _about(_integral(series["queue_length"], start, end) / time)
    assert summary["in_system_mean"] == _about(_integral(series["in_system"], start, end) / time)
    assert summary["throughput"] == _about((messages["finished"] > start).sum() / time)
    in_force = series["queue_length"][: np.nextafter(start, inf)].iloc[-1:]
    observed = pd.concat([in_force, series["queue_length"][start:]])
    assert summary["queue_max"] == observed.max()


@given(_scenarios(), seeds)
@settings(max_examples=50)
def test_counts_are_those_of_the_ledger(scenario: PointToPoint, seed: int) -> None:
    result = scenario.run(seed)
    summary, ledger = result.summary(), result.ledger
    assert summary["published"] == ledger["published"]
    assert summary["completed"] == ledger["acked"]
    assert summary["dropped"] == ledger["dropped"]
    assert summary["unfinished"] == ledger["ready"] + ledger["unacked"]
    assert summary.name == ("unfinished" if summary["unfinished"] else "finished")


@given(_scenarios(), seeds)
@settings(max_examples=50)
def test_a_run_ends_when_all_have_left_or_at_its_cut_off(scenario: PointToPoint, seed: int) -> None:
    result = scenario.run(seed)
    published = result.ledger["published"]
    if published == scenario.messages and result.summary()["unfinished"] == 0:
        last = _columns(result).max().max()
        # A refusal has no column of its own: it comes a put later than the message.
        assert last <= result.duration <= last + scenario.put_cost * published
    else:
        assert result.duration == scenario.duration
    assert result.summary()["duration"] == result.duration


def test_the_summary_has_the_keys_of_the_contract() -> None:
    summary = _mm1().run(1).summary()
    assert isinstance(summary, pd.Series)
    assert set(KEYS) <= set(summary.index)
    assert summary.notna().all()


def test_percentiles_are_linear_between_the_closest_ranks() -> None:
    result = PointToPoint(
        interarrival=Deterministic(100.0),
        service=Replay([15.0, 20.0, 35.0, 40.0, 50.0]),
        messages=5,
    ).run()
    summary = result.summary()
    assert summary["latency_p50"] == 35.0
    assert summary["latency_p95"] == pytest.approx(48.0, rel=1e-12)  # The nearest rank is 50.
    assert summary["latency_p99"] == pytest.approx(49.6, rel=1e-12)


def test_the_warm_up_is_left_out_of_customer_averages_and_its_time_out_of_time_averages() -> None:
    scenario = PointToPoint(
        interarrival=Trace([1.0, 2.0, 10.0, 12.0]), service=Replay([6.0, 1.0, 1.0, 4.0]), warmup=2
    )
    summary = scenario.run().summary()
    assert summary["latency_mean"] == 2.5  # of 1 and 4
    assert summary["wait_mean"] == 0.0
    assert summary["utilisation"] == pytest.approx(5 / 6)  # busy 5 s of the time from 10 to 16
    assert summary["throughput"] == pytest.approx(2 / 6)
    assert summary["queue_max"] == 0.0
    assert summary["queue_mean"] == 0.0
    assert (summary["published"], summary["completed"], summary["duration"]) == (4, 4, 16.0)


def test_what_the_warm_up_leaves_in_the_queue_is_seen_by_time_averages() -> None:
    scenario = PointToPoint(
        interarrival=Trace([0.0, 0.0, 0.0, 1.0]), service=Deterministic(2.0), warmup=3
    )
    summary = scenario.run().summary()
    assert summary["latency_mean"] == 7.0
    assert summary["in_system_mean"] == pytest.approx((4 * 1 + 3 * 2 + 2 * 2 + 1 * 2) / 7)
    assert summary["queue_max"] == 3.0


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"consumers": 3, "interarrival": Exponential(0.4)},
        {"capacity": 2, "service": LogNormal(1.0, 2.0)},
        {"put_cost": 0.3, "get_cost": 0.1, "ack_cost": 0.2},
        {"interarrival": Deterministic(1.0), "service": Deterministic(0.5)},
    ],
)
def test_littles_law_holds_on_a_path_that_starts_and_ends_empty(
    seed: int, changes: dict[str, Any]
) -> None:
    result = _mm1(**changes).run(seed)
    assert result.series["in_system"].iloc[0] == result.series["in_system"].iloc[-1] == 0
    area = _integral(result.series["in_system"], 0.0, result.duration)
    assert area == pytest.approx(result.messages["latency"].sum(), rel=1e-9)
    summary = result.summary()
    rate = summary["completed"] / summary["duration"]
    assert summary["in_system_mean"] == pytest.approx(rate * summary["latency_mean"], rel=1e-9)
    queued = summary["wait_mean"] - (
        result.scenario.get_cost or 0
    )  # Who is being got waits no more.
    assert summary["queue_mean"] == pytest.approx(rate * queued, rel=1e-9)
    assert summary["throughput"] == pytest.approx(rate, rel=1e-9)


# The cut-off


@pytest.mark.parametrize("duration", [0.7, 100.0, 1234.5])
def test_a_cut_off_run_is_the_beginning_of_a_longer_one(duration: float) -> None:
    scenario = _mm1(interarrival=Exponential(1.05), consumers=1)
    whole, part = scenario.run(3), scenario.replace(messages=None, duration=duration).run(3)
    table = whole.messages[whole.messages["created"] < duration]
    times = table[["created", "enqueued", "started", "finished"]]
    times = times.where(times < duration)
    pd.testing.assert_frame_equal(part.messages[list(times)], times)
    series = whole.series[whole.series.index < duration]
    pd.testing.assert_frame_equal(part.series, series)
    assert part.duration == duration
    in_system = series["in_system"].iloc[-1]
    assert part.ledger["ready"] + part.ledger["unacked"] == in_system


def test_messages_that_are_not_finished_are_counted_and_named() -> None:
    scenario = PointToPoint(
        interarrival=Deterministic(1.0), service=Deterministic(10.0), duration=5.5
    )
    result = scenario.run()
    assert dict(result.ledger)["ready"] == 4
    assert dict(result.ledger)["unacked"] == 1
    assert result.messages["outcome"].tolist() == ["in service"] + ["waiting"] * 4
    summary = result.summary()
    assert summary.name == "unfinished"
    assert summary["unfinished"] == 5
    assert summary["completed"] == 0
    assert isnan(summary["latency_mean"])
    assert isnan(summary["latency_p99"])
    assert summary["wait_mean"] == 0.0
    assert summary["utilisation"] == pytest.approx(4.5 / 5.5)
    assert summary["duration"] == 5.5


def test_a_run_that_is_cut_off_while_nothing_is_in_it_ends_at_the_cut_off() -> None:
    scenario = PointToPoint(
        interarrival=Deterministic(10.0), service=Deterministic(1.0), duration=19.0
    )
    result = scenario.run()
    assert result.ledger["acked"] == 1
    assert result.duration == 19.0
    assert result.summary()["utilisation"] == pytest.approx(1 / 19)


def test_a_run_in_which_nothing_arrives_has_no_averages_and_no_error() -> None:
    result = PointToPoint(interarrival=Deterministic(10.0), duration=5.0).run()
    summary = result.summary()
    assert len(result.messages) == 0
    assert summary["published"] == 0
    assert isnan(summary["latency_mean"])
    assert summary["utilisation"] == 0.0
    assert summary["duration"] == 5.0


def test_a_warm_up_that_outlasts_the_cut_off_leaves_nothing_to_average() -> None:
    summary = PointToPoint(duration=20.0, warmup=1000).run(1).summary()
    assert summary[["latency_mean", "wait_mean", "throughput", "utilisation"]].isna().all()
    assert summary["published"] > 0


def test_a_run_with_both_ends_takes_the_earlier() -> None:
    early = PointToPoint(interarrival=Deterministic(1.0), service=Deterministic(0.5), messages=3)
    assert early.run().duration == early.replace(duration=100.0).run().duration == 3.5
    assert early.replace(duration=2.25).run().duration == 2.25
    assert early.replace(duration=2.25).run().ledger["published"] == 2


# Dropped messages


def test_dropped_messages_are_counted_named_and_in_no_average() -> None:
    scenario = PointToPoint(
        interarrival=Trace([1.0, 2.0, 3.0, 4.0]), service=Deterministic(10.0), capacity=1
    )
    result = scenario.run()
    assert result.messages["outcome"].tolist() == ["acked", "acked", "dropped", "dropped"]
    assert result.messages.loc[2:, ["enqueued", "started", "finished"]].isna().all(axis=None)
    assert result.messages["attempts"].tolist() == [1, 1, 0, 0]
    summary = result.summary()
    assert (summary["published"], summary["completed"], summary["dropped"]) == (4, 2, 2)
    assert summary["latency_mean"] == (10.0 + 19.0) / 2
    assert summary["in_system_mean"] == pytest.approx((10.0 + 19.0) / 21.0)
    assert summary.name == "finished"


def test_capacity_counts_those_that_wait_and_not_those_in_service() -> None:
    for capacity in (0, 1, 3):
        scenario = PointToPoint(
            interarrival=Deterministic(0.001), service=Deterministic(100.0), consumers=2,
            capacity=capacity, messages=20,
        )  # fmt: skip
        result = scenario.run()
        assert result.ledger["acked"] == 2 + capacity
        assert result.series["queue_length"].max() == capacity


# The same again


def _digest(result: Any) -> str:
    """A hash of every bit of a result."""
    digest = hashlib.sha256()
    messages = result.messages
    for name in messages:
        column = messages[name]
        values = column.cat.codes if name == "outcome" else column
        digest.update(f"{name}{values.dtype}".encode() + values.to_numpy().tobytes())
    digest.update(result.series.to_numpy().tobytes() + result.series.index.to_numpy().tobytes())
    digest.update(result.summary().to_numpy().tobytes() + repr(dict(result.ledger)).encode())
    return digest.hexdigest()


SCENARIOS = [
    _mm1(warmup=100),
    _mm1(interarrival=Erlang(2, 0.3), service=LogNormal(1.0, 2.0), consumers=4, capacity=3),
    _mm1(interarrival=Uniform(0.0, 2.0), service=Hyperexponential(1.0, 2.0), put_cost=0.1),
    PointToPoint(interarrival=Trace([0.5, 0.5, 3.0]), service=Replay([2.0, 1.0, 4.0])),
    PointToPoint(interarrival=Empirical([0.5, 2.0]), duration=500.0, get_cost=0.1, ack_cost=0.2),
]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_same_seed_gives_the_same_bits(scenario: PointToPoint) -> None:
    assert _digest(scenario.run(7)) == _digest(scenario.run(seed=7))


def test_another_seed_gives_another_run() -> None:
    assert len({_digest(_mm1().run(seed)) for seed in range(5)}) == 5
    assert _digest(_mm1().run()) == _digest(_mm1().run(0))


def test_another_python_process_gives_the_same_bits() -> None:
    code = (
        "import importlib.util, sys; from simlib.scenarios import PointToPoint;"
        "spec = importlib.util.spec_from_file_location('tests_here', sys.argv[1]);"
        "here = importlib.util.module_from_spec(spec); spec.loader.exec_module(here);"
        "[print(here._digest(PointToPoint.model_validate_json(text).run(7)))"
        " for text in sys.argv[2:]]"
    )
    texts = [scenario.model_dump_json() for scenario in SCENARIOS]
    run = subprocess.run(
        [sys.executable, "-c", code, __file__, *texts],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    assert run.stdout.split() == [_digest(scenario.run(7)) for scenario in SCENARIOS]


def test_progress_is_told_from_0_to_1_and_changes_nothing() -> None:
    for scenario in SCENARIOS:
        told: list[float] = []
        assert _digest(scenario.run(7, progress=told.append)) == _digest(scenario.run(7))
        assert told == sorted(told)
        assert 0 <= told[0] <= told[-1] == 1.0


def test_the_choice_of_the_engine_can_be_left_to_the_library() -> None:
    assert _digest(_mm1().run(seed=7, engine="auto")) == _digest(_mm1().run(7))


@pytest.mark.parametrize("seed", [-1, 1.5, "1", None])
def test_a_seed_that_is_no_whole_number_is_refused(seed: Any) -> None:
    with pytest.raises(ValueError, match=f"seed.*{seed!r}"):
        _mm1().run(seed)


# Common random numbers


def _works(result: Any) -> np.ndarray:
    return (result.messages["finished"] - result.messages["started"]).to_numpy()


@pytest.mark.parametrize(
    "changes",
    [
        {"consumers": 2},
        {"consumers": 7},
        {"get_cost": 0.2, "ack_cost": 0.1},
        {"put_cost": 0.2},
        {"warmup": 50},
        {"messages": 3_000},
    ],
)
def test_a_change_elsewhere_changes_no_arrival_and_no_message_s_work(
    changes: dict[str, Any],
) -> None:
    before, after = _mm1().run(5), _mm1(**changes).run(5)
    count = len(before.messages)
    created = after.messages["created"][:count]
    np.testing.assert_array_equal(created, before.messages["created"])
    # A finish is a start plus the work, rounded: that is all the difference there may be.
    np.testing.assert_allclose(_works(after)[:count], _works(before), rtol=0, atol=1e-11)


def test_a_dropped_message_keeps_its_work_to_itself() -> None:
    free, tight = _mm1().run(5), _mm1(capacity=1).run(5)
    assert tight.ledger["dropped"] > 100
    both = ~np.isnan(_works(tight))
    np.testing.assert_allclose(_works(tight)[both], _works(free)[both], rtol=0, atol=1e-11)


def test_other_arrivals_leave_the_works_alone_and_the_other_way_round() -> None:
    base = _mm1().run(5)
    other_arrivals = _mm1(interarrival=Deterministic(1.25)).run(5)
    np.testing.assert_allclose(_works(other_arrivals), _works(base), rtol=0, atol=1e-11)
    other_works = _mm1(service=Uniform(0.0, 1.0)).run(5)
    np.testing.assert_array_equal(other_works.messages["created"], base.messages["created"])


def test_another_mean_stretches_the_same_arrivals() -> None:
    base, slow = _mm1().run(5), _mm1(interarrival=Exponential(2.5)).run(5)
    np.testing.assert_allclose(slow.messages["created"], 2 * base.messages["created"], rtol=1e-9)


# Parameters

REFUSED: list[tuple[dict[str, Any], list[str]]] = [
    ({}, ["a run needs an end", "messages", "duration"]),
    ({"messages": 0}, ["messages", ">= 1", "got 0"]),
    ({"messages": 1.5}, ["messages", "whole number", "1.5"]),
    ({"duration": 0}, ["duration", "> 0", "got 0"]),
    ({"duration": inf}, ["duration", "finite", "inf"]),
    ({"messages": 9, "consumers": 0}, ["consumers", ">= 1", "got 0"]),
    ({"messages": 9, "consumers": 1001}, ["consumers", "<= 1,000", "1001"]),
    ({"messages": 9, "consumers": "many"}, ["consumers", "whole number", "'many'"]),
    ({"messages": 9, "capacity": -1}, ["capacity", ">= 0", "-1"]),
    ({"messages": 9, "put_cost": -1}, ["put_cost", ">= 0", "-1"]),
    ({"messages": 9, "get_cost": nan}, ["get_cost", "finite", "nan"]),
    ({"messages": 9, "ack_cost": inf}, ["ack_cost", "finite", "inf"]),
    ({"messages": 9, "warmup": -1}, ["warmup", ">= 0", "-1"]),
    ({"messages": 9, "warmup": 9}, ["warmup", "smaller than the 9", "got warmup=9"]),
    ({"messages": 9, "queue": "paper"}, ["queue", "'memory'", "'paper'"]),
    ({"messages": 9, "consumer": 2}, ["consumer", "there is no"]),
    ({"messages": 9, "interarrival": "1.25"}, ["interarrival", "number of seconds", "'1.25'"]),
    ({"messages": 9, "service": Trace([1.0])}, ["service", "must be a distribution", "Trace(1 "]),
    (
        {"interarrival": Replay([1.0] * 5), "messages": 9},
        ["messages=9", "more than the 5", "Replay(5 values"],
    ),
    (
        {"interarrival": Trace([1.0] * 5), "messages": 9},
        ["messages=9", "more than the 5", "Trace(5 arrivals"],
    ),
    ({"messages": 9, "service": Replay([1.0] * 8)}, ["service", "Replay(8 values", "up to 9"]),
    (
        {"interarrival": Trace([1.0] * 5), "service": Replay([1.0] * 4)},
        ["service", "Replay(4 values", "up to 5"],
    ),
    ({"interarrival": Deterministic(0.0), "duration": 5.0}, ["interarrival", "> 0 s", "got 0"]),
]


@pytest.mark.parametrize(("parameters", "words"), REFUSED)
def test_a_bad_parameter_is_refused_by_name_value_and_what_is_allowed(
    parameters: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(ParameterError) as caught:
        PointToPoint(**parameters)
    for word in words:
        assert word in str(caught.value)


def test_a_scenario_is_a_value() -> None:
    scenario = _mm1(consumers=2)
    assert scenario == _mm1(consumers=2) != _mm1(consumers=3)
    assert len({scenario, _mm1(consumers=2)}) == 1
    with pytest.raises(ParameterError, match="frozen"):
        scenario.consumers = 3
    assert pickle.loads(pickle.dumps(scenario)) == scenario  # noqa: S301


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_scenario_from_its_json_gives_the_same_run(scenario: PointToPoint) -> None:
    again = PointToPoint.model_validate_json(scenario.model_dump_json())
    assert again == scenario
    assert _digest(again.run(3)) == _digest(scenario.run(3))


def test_replace_validates_like_new() -> None:
    scenario = _mm1()
    assert scenario.replace(consumers=2) == _mm1(consumers=2)
    with pytest.raises(ParameterError, match="consumers"):
        scenario.replace(consumers=0)
    with pytest.raises(ParameterError, match="consumer"):
        scenario.replace(consumer=2)


def test_load_and_arrival_rate_stretch_the_time_between_messages() -> None:
    scenario = _mm1(interarrival=Erlang(3, 1.0), service=Exponential(2.0), consumers=4)
    assert scenario.load == pytest.approx(0.5)
    assert scenario.arrival_rate == pytest.approx(1.0)
    loaded = scenario.replace(load=0.8)
    assert loaded.load == pytest.approx(0.8)
    assert loaded.interarrival == Erlang(3, 2.0 / 4 / 0.8)
    assert scenario.replace(arrival_rate=4.0).interarrival == Erlang(3, 0.25)
    assert scenario.replace(load=0.8, consumers=2).interarrival == Erlang(3, 2.0 / 2 / 0.8)
    for bad in (0, -1.0, nan, "much"):
        with pytest.raises(ValueError, match=f"load.*{bad!r}"):
            scenario.replace(load=bad)
    with pytest.raises(ValueError, match="only one of"):
        scenario.replace(load=0.5, arrival_rate=1.0)
    with pytest.raises(ValueError, match="only one of"):
        scenario.replace(load=0.5, interarrival=Exponential(1.0))


def test_every_parameter_says_what_it_is_and_in_which_unit() -> None:
    for name, field in PointToPoint.parameters().items():
        assert field.description, name
        assert "\n" not in field.description
        assert isinstance(field.json_schema_extra, dict)
        assert "unit" in field.json_schema_extra, name


def test_the_result_knows_what_was_run() -> None:
    scenario = _mm1(consumers=2, warmup=10)
    result = scenario.run(7)
    assert (result.scenario, result.seed, result.warmup) == (scenario, 7, 10)


# Recorded input


def test_arrivals_from_a_trace_are_taken_as_they_are() -> None:
    times = [0.5, 0.5, 0.75, 9.0, 9.0]
    result = PointToPoint(interarrival=Trace(times), service=Deterministic(0.25)).run()
    assert result.messages["created"].tolist() == times
    assert result.messages["started"].tolist() == [0.5, 0.75, 1.0, 9.0, 9.25]


def test_a_trace_may_be_longer_than_what_is_wanted() -> None:
    trace = Trace([1.0, 2.0, 3.0, 4.0])
    assert len(PointToPoint(interarrival=trace, messages=2).run().messages) == 2
    assert len(PointToPoint(interarrival=trace, duration=3.5).run().messages) == 3
    assert len(PointToPoint(interarrival=trace).run().messages) == 4


def test_each_message_has_its_own_replayed_work() -> None:
    works = [3.0, 1.0, 2.0]
    result = PointToPoint(
        interarrival=Trace([1.0, 1.0, 1.0]), service=Replay(works), consumers=2
    ).run()
    assert _works(result).tolist() == works


Maker = Callable[[list[float]], Any]


@pytest.mark.parametrize("make", [Replay, Trace])
def test_a_trace_longer_than_a_block_of_samples_is_taken_whole(make: Maker) -> None:
    times = [0.5 * number for number in range(1, 10_001)]
    interarrival = make(times) if make is Trace else make([0.5] * 10_000)
    result = PointToPoint(interarrival=interarrival, service=Replay([0.25] * 10_000)).run()
    np.testing.assert_array_equal(result.messages["created"], times)
    assert result.ledger["acked"] == 10_000


def test_a_cut_off_before_the_first_arrival_of_a_trace_is_an_empty_run() -> None:
    result = PointToPoint(interarrival=Trace([5.0, 6.0]), duration=2.0).run()
    assert len(result.messages) == 0
    assert result.duration == 2.0


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=30))
@settings(max_examples=50)
def test_any_recorded_instants_arrive_as_recorded(times: list[float]) -> None:
    times.sort()
    assume(times[-1] < 1e6)
    result = PointToPoint(interarrival=Trace(times), consumers=3).run(1)
    assert result.messages["created"].tolist() == times
    assert result.ledger["acked"] == len(times)


def test_a_run_of_next_to_no_time_has_a_summary() -> None:
    moment = PointToPoint(interarrival=Trace(times=[5e-324] * 3), service=Replay(values=[0.0] * 3))
    summary = moment.run().summary()
    assert summary["completed"] == 3
    assert summary["throughput"] == float("inf")
