"""What fails, how, and for how long: the same word on every scenario, worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from simlib import Deterministic, Outage, Trace
from simlib.analysis import Result
from simlib.processes.faults import Faults
from simlib.scenarios import ClosedLoop, PointToPoint, PublishSubscribe, SyncVsAsync


def run(times: list[float], outage: Outage, **options: Any) -> Result:
    """One second of work for each message that comes at these instants (s)."""
    fields = {"interarrival": Trace(times), "service": Deterministic(1.0), **options}
    return PointToPoint(outages=(outage,), **fields).run(1)


def test_a_consumer_that_hangs_keeps_its_message_and_goes_on() -> None:
    result = run([0.0, 5.0], Outage(of="consumers", kind="hang", start=0.5, duration=2.0))
    assert result.messages["finished"].tolist() == [3.0, 6.0]
    assert result.messages["attempts"].tolist() == [1, 1]


def test_a_slow_consumer_takes_longer_for_what_it_begins_meanwhile() -> None:
    slow = Outage(of="consumers", kind="slow", start=1.0, duration=1.0, factor=3.0)
    result = run([0.5, 1.5, 5.0], slow)
    assert result.messages["finished"].tolist() == [1.5, 4.5, 6.0]


def test_the_whole_fleet_or_a_share_of_it_goes_down() -> None:
    times = [0.0, 0.0, 0.0, 0.0]
    for share, finished in ((1.0, [3.5] * 4), (0.5, [3.5, 3.5, 1.0, 1.0]), (0.01, [3.5, 1, 1, 1])):
        down = Outage(of="consumers", start=0.5, duration=2.0, share=share)
        result = run(times, down, consumers=4)
        # Those that keep working take what the others gave back, one second later.
        first = [3.5] * 4 if share == 1.0 else None
        assert sorted(result.messages["finished"]) == (first or _taken_over(finished))
        assert result.ledger.redelivered == sum(each == 3.5 for each in finished)


def _taken_over(finished: list[float]) -> list[float]:
    well = sum(each == 1.0 for each in finished)
    back = len(finished) - well
    return sorted([1.0] * well + [2.0] * back)


def test_a_publisher_that_hangs_is_late_with_what_is_due() -> None:
    result = run([0.0, 1.0, 4.0], Outage(of="publisher", kind="hang", start=0.5, duration=2.5))
    messages = result.messages
    assert messages["created"].tolist() == [0.0, 1.0, 4.0]
    assert messages["enqueued"].tolist() == [0.0, 3.0, 4.0]
    assert messages["latency"].tolist() == [1.0, 3.0, 1.0]


def test_a_service_that_hangs_answers_late_and_fails_nobody() -> None:
    scenario = SyncVsAsync(
        interarrival=Trace([0.0]), service=Deterministic(1.0), network=0.0,
        outages=(Outage(of="service", kind="hang", start=0.5, duration=2.0),),
    )  # fmt: skip
    result = scenario.run(1)
    assert result.messages["finished"].tolist() == [3.0]
    assert result.ledger.lost == 0


def test_callers_in_a_loop_wait_for_a_service_that_hangs() -> None:
    loop = ClosedLoop(callers=1, think=1.0, service=1.0, messages=2)
    hangs = loop.replace(outages=(Outage(of="service", kind="hang", start=1.5, duration=3.0),))
    assert loop.run(1).messages["finished"].tolist() == [2.0, 4.0]
    assert hangs.run(1).messages["finished"].tolist() == [5.0, 7.0]


def test_a_share_of_the_subscribers_goes_down() -> None:
    pair = PublishSubscribe(
        interarrival=Trace([0.0]), service=Deterministic(1.0), subscribers=2,
        outages=(Outage(of="consumers", share=0.5, start=0.5, duration=2.0),),
    )  # fmt: skip
    copies = pair.run(1).messages.set_index("subscriber")
    assert copies["finished"].to_dict() == {0: 3.5, 1: 1.0}


def test_chance_picks_who_is_hit_again_and_again() -> None:
    often = Outage(of="consumers", every=Deterministic(10.0), duration=1.0, share=0.4)
    busy = PointToPoint(
        interarrival=Deterministic(1.0), service=Deterministic(4.5), consumers=5, messages=400
    )
    result = busy.replace(outages=(often,)).run(3)
    assert result.ledger.redelivered > 50
    assert result.ledger.acked == 400


@pytest.mark.parametrize("kind", ["hang", "slow"])
def test_an_outage_that_takes_no_time_changes_nothing(kind: Any) -> None:
    factor = 2.0 if kind == "slow" else None
    nothing = Outage(of="service", kind=kind, start=1.0, duration=0, factor=factor)
    assert Faults([nothing]).end_of_work(0.5, 1.0) == (1.5, False)


def test_what_one_of_the_fleet_leaves_goes_to_none_that_goes_down_with_it() -> None:
    often = Outage(of="consumers", every=20.0, duration=2.0, share=0.5)
    scenario = PointToPoint(messages=90, consumers=3, outages=(often,))
    for seed in range(1, 6):
        assert scenario.run(seed).ledger.acked == 90
