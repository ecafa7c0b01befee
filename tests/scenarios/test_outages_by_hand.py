"""What an outage does to a message or two, every instant worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simlib import Deterministic, Outage, Trace
from simlib.analysis.result import Result
from simlib.scenarios import (
    DeliveryGuarantees,
    EventDriven,
    Pipeline,
    PublishSubscribe,
    Station,
    SyncVsAsync,
)
from simlib.values import ParameterError


def instants(result: Result, *names: str) -> list[list[float]]:
    return [result.column(name).tolist() for name in names]


def near(*columns: list[float]) -> Any:
    return [pytest.approx(column, nan_ok=True) for column in columns]


def down(of: Any, start: float, duration: float, **more: Any) -> Outage:
    return Outage(of=of, start=start, duration=duration, **more)


def hangs(of: Any, start: float, duration: float) -> Outage:
    return down(of, start, duration, kind="hang")


# A call or a put

CALL = SyncVsAsync(
    interarrival=Trace(times=[0.0, 1.0, 1.2]),
    service=Deterministic(0.1),
    network=0.01,
    put_cost=0.005,
    get_cost=0.0,
    ack_cost=0.0,
    messages=3,
    outages=(hangs("network", 1.005, 0.5),),
)


def test_a_call_stands_still_on_its_way() -> None:
    result = CALL.run(1)
    # The second has half its way before it when the network hangs, the third the whole.
    assert instants(result, "enqueued", "finished", "answered") == near(
        [0.01, 1.51, 1.515], [0.11, 1.61, 1.615], [0.12, 1.62, 1.625]
    )


def test_a_put_waits_for_its_confirmation() -> None:
    result = CALL.replace(mode="async", outages=(hangs("network", 1.018, 0.5),)).run(1)
    # The second is stored at 1.015 s, and its confirmation is on the way.
    assert instants(result, "enqueued", "finished", "answered") == near(
        [0.015, 1.015, 1.533], [0.115, 1.115, 1.633], [0.025, 1.525, 1.543]
    )


def test_a_network_that_hangs_has_no_recursion() -> None:
    obstacle = CALL.obstacle()
    assert obstacle is not None
    assert "outages" in obstacle


# Payments

PAYMENT = DeliveryGuarantees(
    interarrival=Trace(times=[0.0]),
    service=Deterministic(0.5),
    network=0.1,
    timeout=1.0,
    queue="file",
    messages=1,
)
THREE = PAYMENT.replace(interarrival=Trace(times=[0.0, 1.0, 1.2]), messages=3)


def test_what_finds_the_broker_down_is_sent_again_after_the_timeout() -> None:
    result = THREE.replace(outages=(down("broker", 0.9, 0.6),)).run(1)
    assert instants(result, "enqueued", "finished", "acked") == near(
        [0.1, 2.1, 2.3], [0.7, 2.7, 3.2], [0.8, 2.8, 3.3]
    )
    summary = result.summary()
    assert summary["sends"] == pytest.approx(5 / 3)
    assert (summary["missing"], summary["surplus"], result.ledger.duplicates) == (0, 0, 0)


def test_what_finds_the_broker_down_and_is_not_sent_again_is_lost() -> None:
    result = THREE.replace(confirms=False, outages=(down("broker", 0.9, 0.6),)).run(1)
    assert result.messages["outcome"].tolist() == ["acked", "lost", "lost"]
    assert result.summary()["missing"] == 2


def test_what_was_kept_is_delivered_when_the_broker_is_back() -> None:
    result = PAYMENT.replace(outages=(down("broker", 0.5, 1.0),)).run(1)
    # The work from 0.2 s to 0.7 s is in vain. Word of the new connection takes 0.1 s.
    assert instants(result, "delivered", "started", "acked") == near([1.6], [1.7], [2.3])
    assert result.summary()["surplus"] == 1
    assert result.attempts["end"].tolist() == pytest.approx([0.7, 2.2])


@pytest.mark.parametrize(("back", "finished"), [(1.2, 2.2), (2.0, 2.7)])
def test_whoever_is_back_first_waits_for_the_other(back: float, finished: float) -> None:
    both = (down("broker", 0.5, 1.0), down("consumers", 0.6, back - 0.6))
    result = PAYMENT.replace(outages=both).run(1)
    assert result.column("finished").tolist() == pytest.approx([finished])
    assert result.attempts["end"].tolist() == pytest.approx([0.6, finished])
    assert result.summary()["surplus"] == 0


def test_a_broker_that_is_down_does_not_go_down() -> None:
    once, again = down("broker", 0.5, 1.0), down("broker", 0.8, 5.0)
    alone, both = (PAYMENT.replace(outages=each).run(1) for each in ((once,), (once, again)))
    assert both.messages.equals(alone.messages)


def test_what_falls_due_while_the_broker_is_down_is_done_when_it_is_back() -> None:
    # Its work fails at 0.7 s, and word of that is there at 0.8 s; it waits until 1.3 s, and then
    # for the broker; and fails for good.
    poison = PAYMENT.replace(
        poison=0.999, attempts=2, retry_delay=0.5, outages=(down("broker", 1.0, 1.0),)
    )
    result = poison.run(1)
    assert result.attempts["start"].tolist() == pytest.approx([0.2, 2.2])
    assert result.column("left").tolist() == pytest.approx([2.8])
    assert result.summary()["dead_letters"] == 1


@pytest.mark.parametrize(
    ("outage", "started", "finished"),
    [
        # It is connected at 1.5 s.
        (down("consumers", 0.4, 1.0), 1.6, 2.1),
        (hangs("consumers", 0.4, 1.0), 0.2, 1.7),
        (down("consumers", 0.0, 1.0, kind="slow", factor=3.0), 0.2, 1.7),
        # It gets to the broker at 0.6 s.
        (hangs("network", 0.05, 0.5), 0.7, 1.2),
    ],
)
def test_a_payment_and_what_befalls_it(outage: Outage, started: float, finished: float) -> None:
    result = PAYMENT.replace(outages=(outage,)).run(1)
    assert instants(result, "started", "finished", "acked") == near(
        [started], [finished], [finished + 0.1]
    )
    assert result.summary()["surplus"] == 0


def test_a_confirm_that_a_network_holds_up_doubles_a_payment() -> None:
    result = PAYMENT.replace(timeout=0.4, outages=(hangs("network", 0.05, 0.5),)).run(1)
    # Sent at 0 s and 0.4 s; confirmed at 0.7 s, before the time of the second is up.
    assert instants(result, "enqueued") == near([0.6, 0.65])
    assert (result.summary()["sends"], result.summary()["surplus"]) == (2, 1)


def test_a_payment_under_way_when_time_ends_is_no_end_of_the_run() -> None:
    result = PAYMENT.replace(duration=5.0, outages=(hangs("network", 0.05, 9.0),)).run(1)
    assert result.duration == 5.0
    assert result.summary()["missing"] == 1


@settings(max_examples=60, deadline=None)
@given(
    outages=st.lists(
        st.builds(down, st.sampled_from(["broker", "consumers"]), st.floats(0, 4), st.floats(0, 3))
        | st.builds(hangs, st.just("network"), st.floats(0, 4), st.floats(0, 3)),
        max_size=5,
    ),
    network=st.sampled_from([0.0, 0.01, 0.3]),
    seed=st.integers(0, 2**32),
)
def test_what_is_confirmed_acked_and_deduplicated_is_booked_once(
    outages: list[Outage], network: float, seed: int
) -> None:
    scenario = DeliveryGuarantees(
        semantics="effectively once",
        queue="file",
        network=network,
        messages=30,
        outages=tuple(outages),
    )
    summary = scenario.run(seed).summary()
    assert (summary["missing"], summary["surplus"], summary["money_wrong"]) == (0, 0, 0)


# Subscribers

EVENTS = PublishSubscribe(
    interarrival=Trace(times=[0.0, 1.0, 2.0]),
    service=Deterministic(1.5),
    subscribers=1,
    messages=3,
)


def test_a_broker_in_memory_forgets_and_does_not_hear_what_comes_meanwhile() -> None:
    result = EVENTS.replace(outages=(down("broker", 0.5, 1.0),)).run(1)
    assert result.messages["outcome"].tolist() == ["lost", "lost", "acked"]
    assert result.column("finished").tolist()[2] == pytest.approx(3.5)
    assert result.ledger.lost == 2


def test_with_confirms_a_publisher_sends_again_when_the_broker_is_back() -> None:
    result = EVENTS.replace(outages=(down("broker", 0.5, 1.0),), confirms="each").run(1)
    assert result.messages["outcome"].tolist() == ["lost", "acked", "acked"]
    # The first is worked on in vain until 1.5 s.
    assert instants(result, "enqueued", "finished")[0][1:] == [1.5, 2.0]
    assert instants(result, "finished")[0][1:] == pytest.approx([3.0, 4.5])
    assert result.summary()["confirm_mean"] == pytest.approx(0.5 / 3)


def test_a_broker_loses_what_its_machine_had_not_got_round_to() -> None:
    result = EVENTS.replace(
        interarrival=Trace(times=[0.0, 0.0, 0.0]),
        publish_cost=1.0,
        outages=(down("broker", 1.5, 1.0),),
        duration=5.0,
    ).run(1)
    assert result.messages["outcome"].tolist() == ["lost", "lost", "lost"]
    assert result.summary()["broker_utilisation"] * result.duration == pytest.approx(1.5)


def test_a_publisher_that_hangs_publishes_late() -> None:
    result = EVENTS.replace(outages=(hangs("publisher", 0.5, 2.0),)).run(1)
    assert instants(result, "created", "enqueued") == near([0.0, 1.0, 2.0], [0.0, 2.5, 2.5])


def test_a_publisher_that_hangs_hears_of_confirms_late() -> None:
    late = EVENTS.replace(
        network=0.1, confirms="each", messages=2, outages=(hangs("publisher", 0.15, 1.0),)
    )
    result = late.run(1)
    assert instants(result, "enqueued") == near([0.1, 1.25])
    assert result.summary()["confirm_mean"] == pytest.approx((1.15 + 0.35) / 2)


def test_a_delivery_stands_still_on_its_way() -> None:
    result = EVENTS.replace(network=0.1, messages=1, outages=(hangs("network", 0.15, 1.0),)).run(1)
    assert instants(result, "delivered", "started", "acked") == near([0.1], [1.2], [2.8])


# Stations in series

LINE = Pipeline(
    interarrival=Trace(times=[0.0, 1.0]),
    stations=(Station(service=Deterministic(1.0)), Station(service=Deterministic(1.0))),
)


@pytest.mark.parametrize(
    ("outage", "finished"),
    [
        # Of the first, half the work at the second station is done; of the other, at the first.
        (hangs("consumers", 1.5, 1.0), ([1.0, 3.0], [3.0, 4.0])),
        (down("consumers", 0.0, 1.5, kind="slow", factor=2.0), ([2.0, 3.0], [3.0, 4.0])),
    ],
)
def test_consumers_of_a_line_hang_and_are_slow(
    outage: Outage, finished: tuple[list[float], list[float]]
) -> None:
    result = LINE.replace(outages=(outage,)).run(1)
    assert instants(result, "finished_1", "finished_2") == near(*finished)
    assert result.engine == "simpy"


# Events

EVENT = EventDriven(
    interarrival=Trace(times=[0.0]),
    service=Deterministic(0.1),
    subscribers=1,
    network=0.1,
    put_cost=0.2,
    get_cost=0.05,
    polling=None,
    messages=1,
    outages=(hangs("network", 0.05, 0.5),),
)


@pytest.mark.parametrize(
    ("way", "stored", "started", "answered"),
    # It gets across at 0.6 s. A reader that is notified has yet to ask.
    [("queue", 0.8, 0.9, 0.9), ("database", 0.8, 1.15, 0.9), ("api", 0.6, 0.6, 0.8)],
)
def test_an_event_stands_still_on_its_way(
    way: str, stored: float, started: float, answered: float
) -> None:
    result = EVENT.replace(way=way).run(1)
    assert instants(result, "enqueued", "started", "answered") == near(
        [stored], [started], [answered]
    )


def test_a_call_that_arrives_when_its_time_is_up_is_done_all_the_same() -> None:
    result = EVENT.replace(way="api", timeout=0.5, retry_delay=0.5).run(1)
    # Called again at 1 s, when it is done.
    assert instants(result, "started", "answered") == near([0.6], [1.2])
    assert result.summary()["calls_per_event"] == 2


def test_a_call_that_was_given_up_under_way_is_not_lost() -> None:
    hasty = EVENT.replace(way="api", timeout=0.5, attempts=1)
    assert instants(hasty.run(1), "finished", "answered") == near([0.7], [0.5])
    ledger = hasty.replace(duration=0.55).run(1).ledger
    assert (ledger.unacked, ledger.lost) == (1, 0)


def test_an_answer_that_is_held_up_comes_too_late() -> None:
    late = EVENT.replace(way="api", timeout=0.5, attempts=1)
    result = late.replace(outages=(hangs("network", 0.25, 1.0),)).run(1)
    assert instants(result, "finished", "answered") == near([0.2], [0.5])


@pytest.mark.parametrize(
    ("scenario", "outage"),
    [
        (CALL, down("network", 0.0, 1.0)),
        (PAYMENT, hangs("broker", 0.0, 1.0)),
        (PAYMENT, hangs("publisher", 0.0, 1.0)),
        (EVENTS, down("publisher", 0.0, 1.0)),
        (EVENTS, Outage(of="publisher", every=1.0, kind="hang")),
    ],
)
def test_what_a_scenario_does_not_have_is_refused(scenario: Any, outage: Outage) -> None:
    with pytest.raises(ParameterError, match=r"outages\[0\]"):
        scenario.replace(outages=(outage,))
