"""Priorities, batches, lingering, and consumers that are not always there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simlib import (
    Batches,
    Breakdowns,
    Bursty,
    Deterministic,
    Exponential,
    Linger,
    Replay,
    Trace,
    VaryingPoisson,
)
from simlib.scenarios import PointToPoint
from simlib.values import ParameterError


def _run(times: list[float], **options: Any) -> pd.DataFrame:
    service = options.pop("service", Deterministic(1.0))
    scenario = PointToPoint(interarrival=Trace(times), service=service, **options)
    return scenario.run(1).messages


# Any combination

arrivals = st.sampled_from(
    [
        Exponential(1.0),
        Bursty(rates=(3.0, 0.2), mean_sojourns=(5.0, 5.0)),
        VaryingPoisson(1.0, 0.8, 20.0),
        Batches(Exponential(3.0), (1, 5)),
    ]
)
pauses = st.none() | st.sampled_from([Deterministic(2.0), Exponential(0.5)])
costs = st.sampled_from([0.0, 0.0, 0.1])


@st.composite
def combinations(draw: st.DrawFn) -> PointToPoint:
    polling, cold_start = draw(pauses), draw(pauses)
    lingers = draw(st.booleans())
    capacities = st.none() | st.integers(6 if lingers else 0, 10)
    capacity = draw(capacities)
    return PointToPoint(
        interarrival=draw(arrivals),
        service=draw(st.sampled_from([Exponential(1.0), Deterministic(0.5)])),
        consumers=draw(st.integers(1, 3)),
        capacity=capacity,
        messages=draw(st.integers(1, 100)),
        duration=draw(st.none() | st.floats(1.0, 300.0)),
        put_cost=draw(costs),
        get_cost=draw(costs),
        ack_cost=draw(costs),
        priorities=None if lingers else draw(st.sampled_from([None, (0.2, 0.3, 0.5)])),
        linger=Linger(size=draw(st.integers(1, 6)), time=0.5) if lingers else None,
        polling=None if capacity == 0 else polling,
        cold_start=None if polling and capacity != 0 else cold_start,
        breakdowns=draw(st.none() | st.just(Breakdowns(rate=0.5, repair=Exponential(1.0)))),
        batch_size=draw(st.integers(1, 4)),
    )


@given(combinations(), st.integers(0, 2**32))
@settings(max_examples=80)
def test_the_ledger_balances_and_the_same_seed_gives_the_same_bits(
    scenario: PointToPoint, seed: int
) -> None:
    result = scenario.run(seed, engine="simpy")
    ledger = result.ledger
    if scenario.duration is None:
        assert ledger.published == scenario.messages == ledger.acked + ledger.dropped
    messages = result.messages
    assert len(messages) == ledger.published
    assert messages["outcome"].eq("dropped").sum() == ledger.dropped
    assert messages["outcome"].eq("waiting").sum() == ledger.ready
    instants = messages[["created", "enqueued", "started", "finished"]].to_numpy()
    assert not (np.diff(instants, axis=1) < 0).any()
    busy = result.series["busy_consumers"]
    assert busy.between(0, scenario.consumers).all()
    assert not result.summary()["utilisation"] > 1 + 1e-9
    pd.testing.assert_frame_equal(
        messages, scenario.run(seed, engine="simpy").messages, check_exact=True
    )


@given(combinations())
@settings(max_examples=50)
def test_a_scenario_survives_json(scenario: PointToPoint) -> None:
    assert PointToPoint.model_validate_json(scenario.model_dump_json()) == scenario


def test_pauses_leave_arrivals_and_work_as_they_are() -> None:
    plain = PointToPoint(messages=500)
    special = plain.replace(
        polling=Exponential(1.0),
        breakdowns=Breakdowns(rate=0.1, repair=Exponential(1.0)),
        priorities=(0.5, 0.5),
    )
    first, second = (
        scenario.run(3, engine="simpy").messages["created"] for scenario in (plain, special)
    )
    assert first.equals(second)


# Priorities


def test_the_urgent_overtake_those_who_wait_and_nobody_at_work() -> None:
    scenario = PointToPoint(
        interarrival=Trace([1.0] * 20), service=Deterministic(1.0), priorities=(0.5, 0.5)
    )
    messages = scenario.run(1).messages
    assert set(messages["priority"]) == {0, 1}
    waiting = messages[messages["started"] > 1.0].sort_values("started")
    assert waiting["priority"].is_monotonic_increasing
    for _, same in waiting.groupby("priority"):
        assert same["id"].is_monotonic_increasing


def test_classes_come_in_their_shares_and_belong_to_message_numbers() -> None:
    scenario = PointToPoint(messages=20_000, priorities=(0.1, 0.6, 0.3))
    classes = scenario.run(1).messages["priority"]
    np.testing.assert_allclose(classes.value_counts(normalize=True)[[0, 1, 2]], [0.1, 0.6, 0.3],
                               atol=0.015)  # fmt: skip
    again = scenario.replace(consumers=3, messages=5_000, capacity=2).run(1).messages["priority"]
    assert again.tolist() == classes[:5_000].tolist()


def test_the_summary_tells_the_classes_apart() -> None:
    result = PointToPoint(messages=2_000, warmup=100, priorities=(0.5, 0.5)).run(2)
    means = result.messages[100:].groupby("priority")[["wait", "latency"]].mean()
    summary = result.summary()
    for place in (0, 1):
        assert summary[f"wait_mean_{place}"] == pytest.approx(means["wait"][place])
        assert summary[f"latency_mean_{place}"] == pytest.approx(means["latency"][place])
    assert summary["wait_mean_0"] < summary["wait_mean_1"]


# Consumers


def test_a_consumer_that_polls_looks_at_its_own_times() -> None:
    messages = _run([1.0, 4.5, 7.0], polling=Deterministic(2.0))
    # It looks at 0, 2, and when it is done at 3; then at 5, 6, 8.
    assert messages["started"].tolist() == [2.0, 5.0, 8.0]


def test_a_run_with_polling_ends_when_all_is_done() -> None:
    result = PointToPoint(messages=50, consumers=3, polling=Deterministic(0.5)).run(1)
    assert result.ledger.acked == 50
    assert result.duration == result.messages["finished"].max()


def test_only_who_finds_an_idle_consumer_waits_for_the_cold_start() -> None:
    messages = _run([1.0, 2.0, 20.0], cold_start=Deterministic(4.0))
    assert messages["started"].tolist() == [5.0, 6.0, 24.0]
    assert messages["delivered"].tolist() == [1.0, 6.0, 20.0]


def test_work_goes_on_after_a_breakdown_where_it_was() -> None:
    breakdowns = Breakdowns(rate=1.0, repair=Deterministic(10.0))
    messages = _run([1.0, 500.0, 1000.0], service=Deterministic(5.0), breakdowns=breakdowns)
    times = messages["finished"] - messages["started"]
    repairs = (times - 5.0) / 10.0
    np.testing.assert_allclose(repairs, repairs.round(), atol=1e-9)
    assert repairs.sum() > 0


def test_breakdowns_come_at_their_rate_while_working() -> None:
    breakdowns = Breakdowns(rate=0.2, repair=Deterministic(0.5))
    messages = PointToPoint(messages=20_000, breakdowns=breakdowns).run(1).messages
    down = (messages["finished"] - messages["started"]).mean() - 1.0
    assert down == pytest.approx(0.2 * 0.5, rel=0.2)


def test_a_consumer_takes_what_waits_in_the_time_of_the_first() -> None:
    result = PointToPoint(
        interarrival=Trace([1.0, 1.5, 1.6, 1.7, 1.8]),
        service=Replay([2.0, 1.0, 9.0, 9.0, 4.0]),
        batch_size=3,
        ack_cost=0.25,
    ).run()
    messages = result.messages
    assert messages["started"].tolist() == [1.0, 3.25, 3.25, 3.25, 4.5]
    assert messages["finished"].tolist() == [3.0, 4.25, 4.25, 4.25, 8.5]
    assert messages["acked"].tolist() == [3.25, 4.5, 4.5, 4.5, 8.75]
    assert messages["batch"].tolist() == [0, 1, 1, 1, 2]
    assert result.series["busy_consumers"].max() == 1
    assert result.series["in_flight"].max() == 3
    assert result.summary()["utilisation"] == pytest.approx(7.0 / 8.75)


def test_messages_that_come_at_once_find_room_in_the_same_batch() -> None:
    assert _run([1.0] * 3 + [1.5], batch_size=4)["started"].tolist() == [1.0, 1.0, 1.0, 2.0]


def test_messages_that_come_during_a_cold_start_are_taken_together() -> None:
    messages = _run([1.0, 2.0, 3.0], batch_size=4, cold_start=Deterministic(5.0))
    assert messages["started"].tolist() == [6.0, 6.0, 6.0]


def test_the_load_counts_on_full_batches() -> None:
    scenario = PointToPoint(messages=10, consumers=2, batch_size=5, service=Deterministic(1.0))
    assert scenario.replace(load=0.5).arrival_rate == pytest.approx(5.0)


# Producers that linger


def test_a_batch_is_sent_when_it_is_full_or_its_time_is_up() -> None:
    linger = Linger(size=3, time=1.0)
    messages = _run([1.0, 1.5, 1.75, 1.8, 4.0, 4.5, 5.0, 9.0], linger=linger)
    assert messages["enqueued"].tolist() == [1.75] * 3 + [2.8] + [5.0] * 3 + [10.0]


def test_a_batch_goes_on_filling_while_the_one_before_is_put() -> None:
    linger = Linger(size=10, time=0.5)
    messages = _run([1.0, 1.25, 2.0, 2.75, 3.5], linger=linger, put_cost=2.0)
    assert messages["created"].tolist() == [1.0, 1.25, 2.0, 2.75, 3.5]
    assert messages["enqueued"].tolist() == [3.5, 3.5, 5.5, 5.5, 5.5]


def test_a_batch_that_finds_no_room_is_refused_whole() -> None:
    linger = Linger(size=3, time=1.0)
    messages = _run(
        [1.0] * 3 + [1.5] * 3 + [1.6] * 3, linger=linger, capacity=3, service=Deterministic(10.0)
    )
    # The first batch leaves two waiting, and there is room for one more.
    assert messages["outcome"].eq("dropped").tolist() == [False] * 3 + [True] * 6


# What does not go together

ONE = Deterministic(1.0)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"priorities": (0.5, 0.6)}, "priorities must add up to 1, got 1.1"),
        ({"priorities": (1.0,)}, "priorities"),
        ({"priorities": (1.0, 0.0)}, "priorities"),
        (
            {"priorities": (0.5, 0.5), "linger": Linger(size=2, time=1.0)},
            "has one priority",
        ),
        ({"linger": Linger(size=5, time=1.0), "capacity": 4}, "never fits into capacity=4"),
        ({"polling": ONE, "cold_start": ONE}, "no cold_start with polling"),
        ({"polling": ONE, "capacity": 0}, "capacity=0"),
        ({"polling": Deterministic(0.0)}, "polling must take longer than 0 s"),
        ({"polling": Replay([1.0])}, "polling=.* ends"),
        ({"cold_start": Replay([1.0])}, "cold_start=.* ends"),
        (
            {"breakdowns": Breakdowns(rate=1.0, repair=Replay([1.0]))},
            "breakdowns.repair=.* ends",
        ),
        ({"batch_size": 0}, "batch_size"),
    ],
)
def test_what_does_not_go_together_is_refused(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ParameterError, match=complaint):
        PointToPoint(messages=10, **options)


@pytest.mark.parametrize(
    "options",
    [
        {"priorities": (0.5, 0.5)},
        {"linger": Linger(size=2, time=1.0)},
        {"polling": ONE},
        {"cold_start": ONE},
        {"breakdowns": Breakdowns(rate=1.0, repair=ONE)},
        {"batch_size": 2},
    ],
    ids=lambda options: next(iter(options)),
)
def test_only_simpy_runs_what_no_recursion_has(options: dict[str, Any]) -> None:
    scenario = PointToPoint(messages=10, **options)
    assert scenario.run().engine == "simpy"
    with pytest.raises(ValueError, match=next(iter(options))):
        scenario.run(engine="vector")
