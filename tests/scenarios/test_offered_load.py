"""The load that is offered is what a saturated system gets through, turned round."""

from __future__ import annotations

import math

import pytest

from simlib import Breakdowns, Deterministic, Exponential, Linger, Outage
from simlib.scenarios import PointToPoint, PublishingScenario, PublishSubscribe

QUEUE = PointToPoint(interarrival=0.5, service=1.0, duration=2_000.0)
FAN = PublishSubscribe(interarrival=0.5, service=1.0, duration=2_000.0)


@pytest.mark.parametrize(
    ("scenario", "offered"),
    [
        (QUEUE, 2.0),
        (QUEUE.replace(get_cost=0.25, ack_cost=0.25), 3.0),
        (QUEUE.replace(get_cost=0.25, ack_cost=0.25, consumers=2), 1.5),
        (QUEUE.replace(put_cost=2.0), 4.0),
        (QUEUE.replace(put_cost=3.0, linger=Linger(size=2, time=9.0), interarrival=0.75), 2),
        (QUEUE.replace(batch_size=2, get_cost=1.0, interarrival=0.25), 4.0),
        (QUEUE.replace(breakdowns=Breakdowns(rate=0.5, repair=Deterministic(1.0))), 3.0),
        (FAN.replace(subscribers=1), 2.0),
        (FAN.replace(subscribers=1, failing=0.3), 2 / 0.7),
        (FAN.replace(subscribers=1, failing=0.5, attempts=2), 3.0),
        (FAN.replace(subscribers=1, poison=0.5, attempts=2), 3.0),
    ],
    ids=str,
)
def test_a_saturated_system_gets_through_what_the_load_says(
    scenario: PublishingScenario, offered: float
) -> None:
    assert scenario.offered_load == pytest.approx(offered)
    result = scenario.run(seed=1)
    messages = result.messages
    if isinstance(scenario, PublishSubscribe):
        done = messages["left"].dropna()
    else:
        done = messages["finished"].dropna()
    # By chance in at most 700 attempts at messages or repairs: a standard error of 4 % or less.
    assert len(done) / result.duration == pytest.approx(scenario.arrival_rate / offered, rel=0.1)


TOPIC = {"exchange": "topic", "routing_keys": {"a": 0.5, "b": 0.5}, "bindings": ("#", "a")}


@pytest.mark.parametrize(
    ("scenario", "offered"),
    [
        (FAN.replace(subscribers=3, publish_cost=0.5, deliver_cost=0.25), 0.625),
        (FAN.replace(subscribers=2, deliver_cost=1.0, **TOPIC), 0.75),
        (FAN.replace(subscribers=3, arrangement="competing", deliver_cost=1.0), 0.5),
    ],
    ids=str,
)
def test_the_machine_of_the_broker_counts(scenario: PublishSubscribe, offered: float) -> None:
    light = scenario.replace(service=0.1, arrival_rate=0.5)
    assert light.offered_load == pytest.approx(offered)
    # Which key comes next is drawn, for 1,000 messages: a standard error of 1.1 %.
    assert light.run(seed=1).summary()["broker_utilisation"] == pytest.approx(offered, rel=0.04)


def test_what_no_formula_tells_is_no_number() -> None:
    often = Outage(of="consumers", every=Exponential(100.0))
    assert math.isnan(QUEUE.replace(outages=(often,)).offered_load)
    assert math.isnan(FAN.replace(ack_lost=0.1).offered_load)
    endless = FAN.replace(poison=0.1)
    assert math.isinf(endless.offered_load)
