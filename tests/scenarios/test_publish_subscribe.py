"""One message and many readers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simlib import Deterministic, Exponential, Trace
from simlib.analysis import replicate
from simlib.broker import Broker
from simlib.scenarios import PointToPoint, PublishSubscribe
from simlib.theory import closed, mmc
from simlib.theory.messaging import prefetch
from simlib.values import ParameterError

FAN_OUT = PublishSubscribe(messages=500)
# A backlog, so that every instant can be worked out by hand.
BACKLOG = PublishSubscribe(
    interarrival=Trace(times=[0.0] * 12), service=Deterministic(1.0), subscribers=2, prefetch=1
)


def test_in_a_fan_out_everybody_gets_everything() -> None:
    result = FAN_OUT.run(1)
    assert result.ledger.published == result.ledger.acked == 1_500
    copies = result.messages.groupby("message")["queue"].agg(sorted)
    assert all(queues == [0, 1, 2] for queues in copies)


def test_each_subscriber_of_a_fan_out_is_a_point_to_point_queue() -> None:
    alone = PointToPoint(messages=500).run(1, engine="simpy").messages
    for number in range(3):
        result = FAN_OUT.run(1)
        part = result.part(result.labels["queue"] == number)
        assert part.messages["finished"].to_numpy() == pytest.approx(alone["finished"].to_numpy())
        mean = part.summary()["latency_mean"]
        assert mean == pytest.approx(alone["latency"].mean())
        assert result.summary()[f"latency_mean_{number + 1}"] == mean


def test_competing_subscribers_share_the_messages() -> None:
    result = FAN_OUT.replace(arrangement="competing", prefetch=1).replace(load=0.8).run(1)
    assert result.ledger.published == result.ledger.acked == 500
    assert set(result.labels["subscriber"]) == {0, 1, 2}
    assert result.messages["message"].is_unique


def test_competing_subscribers_are_an_mmc_queue() -> None:
    """20 replications of 5,000: the standard error is about 2 % of the mean."""
    scenario = PublishSubscribe(
        arrangement="competing", prefetch=1, messages=5_000, warmup=500
    ).replace(load=0.7)
    latency = replicate(scenario, 20, seed=2)["latency_mean"]
    error = latency.std() / np.sqrt(len(latency))
    expected = mmc(arrival_rate=2.1, service_rate=1.0, servers=3).W
    assert error < 0.03 * expected
    assert abs(latency.mean() - expected) < 4 * error


def test_partitions_keep_the_order_that_competing_subscribers_lose() -> None:
    group = PublishSubscribe(arrangement="group", partitions=4, messages=1_000).replace(load=0.9)
    compete = group.replace(arrangement="competing")
    overtaken = {}
    for name, scenario in (("group", group), ("competing", compete)):
        messages = scenario.run(1).messages
        partition = messages["message"] % 4
        overtaken[name] = int((messages.groupby(partition)["finished"].diff() < 0).sum())
    assert overtaken["group"] == 0
    assert overtaken["competing"] > 20


@pytest.mark.parametrize(("subscribers", "rate"), [(1, 1), (2, 2), (4, 3), (6, 6), (9, 6)])
def test_a_group_is_as_fast_as_the_one_with_most_partitions(subscribers: int, rate: int) -> None:
    group = BACKLOG.replace(arrangement="group", partitions=6, subscribers=subscribers)
    assert group.run(1).summary()["throughput"] == pytest.approx(rate)


@pytest.mark.parametrize(("limit", "end"), [(1, 10.0), (0, 24.0)])
def test_prefetch_decides_what_a_slow_one_holds(limit: int, end: float) -> None:
    slow = BACKLOG.replace(arrangement="competing", slow_factor=4.0, prefetch=limit)
    result = slow.run(1)
    assert result.duration == (12.0 if limit else 24.0)
    assert end <= result.duration


def test_prefetch_and_random_work_are_a_closed_queue() -> None:
    """Its window circulates between the way there and back and the work: standard error 1 %."""
    scenario = PublishSubscribe(
        interarrival=Trace(times=[0.0] * 8_000),
        service=Exponential(0.1),
        subscribers=1,
        prefetch=4,
        network=0.1,
        duration=300.0,
    )
    counts = [np.count_nonzero(scenario.run(seed).columns["finished"] > 1.0) for seed in range(6)]
    error = np.std(counts, ddof=1) / np.sqrt(6)
    expected = closed(callers=4, think_mean=0.2, service_rate=10.0).throughput
    assert expected < prefetch(round_trip=0.2, service_time=0.1, limit=4).throughput
    assert abs(np.mean(counts) - 299 * expected) < 4 * error + 4


def test_a_slow_subscriber_of_a_fan_out_holds_up_nobody_else() -> None:
    slow = FAN_OUT.replace(slow_factor=3.0).run(1).summary()
    assert slow["latency_mean_1"] == FAN_OUT.run(1).summary()["latency_mean_1"]
    assert slow["latency_mean_3"] > 10 * slow["latency_mean_1"]
    assert slow["queue_mean_3"] > 10 * slow["queue_mean_1"]


@pytest.mark.parametrize("overflow", ["drop-head", "reject-publish"])
def test_a_bound_drops_copies_of_the_slow_one_only(overflow: Any) -> None:
    bounded = FAN_OUT.replace(slow_factor=3.0, capacity=20, overflow=overflow, confirms="each")
    result = bounded.run(1)
    dropped = result.messages["outcome"] == "dropped"
    assert result.ledger.dropped == dropped.sum() > 50
    assert set(result.messages["queue"][dropped]) == {2}
    ages = result.messages["message"][dropped]
    # The oldest ones go, or those that come last.
    assert (ages.max() > 490) == (overflow == "reject-publish")


def test_bindings_choose_what_a_subscriber_gets() -> None:
    keys = {"order.paid": 0.5, "order.failed": 0.25, "user.new": 0.25}
    scenario = PublishSubscribe(
        exchange="topic",
        routing_keys=keys,
        bindings=("order.*", "*.failed", "#"),
        messages=4_000,
        interarrival=Deterministic(1.0),
        service=Deterministic(0.1),
    )
    result = scenario.run(1)
    counts = result.messages.groupby("queue").size()
    assert counts[2] == 4_000
    # Binomial: standard errors of 27 copies each.
    assert abs(counts[0] - 3_000) < 4 * 27
    assert abs(counts[1] - 1_000) < 4 * 27


def test_poison_messages_end_as_dead_letters() -> None:
    """2 % of 2,000 messages for each of 3: the standard error of the count is 6 per queue."""
    scenario = PublishSubscribe(messages=2_000, poison=0.02, attempts=3)
    result = scenario.run(1)
    dead = result.messages[result.messages["outcome"] == "dead-lettered"]
    assert len(dead) == result.ledger.dead_lettered == result.summary()["dead_lettered"]
    assert (dead["attempts"] == 3).all()
    # The same messages for everybody.
    assert dead.groupby("message").size().eq(3).all()
    assert abs(len(dead) / 3 - 40) < 4 * 6.3


def test_the_broker_can_be_set_up_for_a_look() -> None:
    with Broker() as broker:
        FAN_OUT.declare(broker)
        assert list(broker.queues) == ["queue 1", "queue 2", "queue 3"]
        assert len(broker.bindings) == 3


def test_the_same_seed_gives_the_same_run_to_the_bit() -> None:
    scenario = FAN_OUT.replace(ack_lost=0.1, failing=0.1, network=0.01)
    first, second = scenario.run(5), scenario.run(5)
    assert first.messages.equals(second.messages)
    assert first.summary().equals(second.summary())
    assert not first.messages.equals(scenario.run(6).messages)


def test_a_warm_up_counts_messages_and_not_copies() -> None:
    result = FAN_OUT.replace(warmup=100).run(1)
    assert result.warmup == 300
    assert result.labels["message"][300] == 100


def test_a_part_is_one_row_per_message() -> None:
    result = FAN_OUT.run(1)
    with pytest.raises(ValueError, match=r"must have shape \(1500,\), got \(3,\)"):
        result.part(np.array([True, False, True]))


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"routing_keys": {"a": 0.5}}, "must add up to 1, got 0.5"),
        ({"routing_keys": {"a": 1.5, "b": -0.5}}, "each share in routing_keys must be > 0"),
        ({"exchange": "topic"}, "a topic exchange needs bindings, one for each subscriber"),
        ({"exchange": "topic", "bindings": ("#",)}, "one for each of the 3 subscribers, got 1"),
        (
            {"exchange": "topic", "bindings": ("#",) * 3, "arrangement": "group"},
            "only a fan-out has an exchange to choose",
        ),
        ({"poison": 0.1}, "poison messages come back for ever"),
        ({"prefetch": -1}, ">= 0"),
        ({"ack_lost": 1.0}, "< 1"),
    ],
)
def test_what_makes_no_sense_is_refused(parameters: dict[str, Any], said: str) -> None:
    with pytest.raises(ParameterError, match=said):
        PublishSubscribe(messages=10, **parameters)


@settings(max_examples=40, deadline=None)
@given(
    arrangement=st.sampled_from(["fan-out", "competing", "group"]),
    subscribers=st.integers(1, 4),
    prefetch=st.sampled_from([0, 1, 7]),
    workers=st.integers(1, 2),
    slow_factor=st.sampled_from([0.5, 1.0, 4.0]),
    network=st.sampled_from([0.0, 0.2]),
    costs=st.sampled_from([0.0, 0.05]),
    confirms=st.sampled_from(["none", "each", "batch", "pipelined"]),
    capacity=st.sampled_from([None, 1, 5]),
    overflow=st.sampled_from(["drop-head", "reject-publish"]),
    ack_lost=st.sampled_from([0.0, 0.2]),
    failing=st.sampled_from([0.0, 0.2]),
    attempts=st.sampled_from([None, 1, 3]),
    duration=st.sampled_from([None, 20.0]),
    seed=st.integers(0, 3),
)
def test_the_ledger_balances_whatever_the_parameters(
    costs: float, seed: int, **parameters: Any
) -> None:
    result = PublishSubscribe(
        messages=40, partitions=5, publish_cost=costs, deliver_cost=costs, **parameters
    ).run(seed)
    fates = result.messages["outcome"].value_counts()
    ledger = result.ledger
    assert fates["acked"] == ledger.acked
    assert fates["dropped"] == ledger.dropped
    assert fates["dead-lettered"] == ledger.dead_lettered
    assert len(result.messages) == ledger.published
    series = result.series
    assert (series >= 0).all().all()
    if parameters["duration"] is None:
        assert ledger.ready == ledger.unacked == 0
        assert (series.iloc[-1] == 0).all()
