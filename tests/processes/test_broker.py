"""The broker on simulated time, its publishers and its subscribers."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields
from functools import partial
from math import inf, isnan, nan
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simlib import Deterministic, Environment, Exponential, Outage, Replay, Trace
from simlib.analysis import Result
from simlib.broker import Delivery
from simlib.processes import (
    BrokerNode,
    BrokerPublisher,
    Draws,
    Faults,
    Ledger,
    Mishaps,
    Subscriber,
)
from simlib.queues import MemoryQueue
from simlib.scenarios import PointToPoint
from simlib.theory.messaging import prefetch, redelivery


def one_queue(env: Environment, *, options: Any = None, **times: Any) -> BrokerNode:
    node = BrokerNode(env, dead_letters=["dead"], **times)
    node.broker.declare_queue("dead")
    node.broker.declare_queue("q", **(options or {}))
    return node


def column(node: BrokerNode, name: str) -> list[float]:
    record = node.record
    values = record.extra[name] if name in record.extra else getattr(record, name)
    return [value for value, due in zip(values, record.created, strict=True) if not isnan(due)]


def attempts(node: BrokerNode) -> list[tuple[float | None, ...]]:
    """Deliveries in vain: message, delivery, start (None: never begun) and end."""
    vain = node.record.attempts
    messages = [node.record.labels["message"][row] for row in vain.message]
    begun = [None if isnan(start) else start for start in vain.start]
    rows = zip(messages, vain.delivered, begun, vain.end, strict=True)
    return sorted(rows, key=lambda each: each[:2])


def result_of(node: BrokerNode, duration: float | None = None) -> Result:
    return Result.from_record(
        node.record,
        scenario=PointToPoint(messages=1),
        seed=1,
        engine="simpy",
        duration=duration,
        warmup=0,
        servers=1,
        ledger=node.ledger(),
    )


# A message on its way


def test_every_hop_takes_its_time() -> None:
    env = Environment()
    node = one_queue(env, network=1.0, publish_cost=0.25, deliver_cost=0.5)
    publisher = BrokerPublisher(env, node, Trace([0.0, 0.0]), keys="q", confirms="pipelined",
                                window=9)  # fmt: skip
    Subscriber(env, node, "q", Deterministic(2.0), prefetch=2)
    env.run()
    # There at 1, stored one after the other. The first is sent at once, which takes until 1.75,
    # but the machine has begun with the second publish: it delivers after that.
    assert column(node, "enqueued") == [1.25, 1.5]
    assert column(node, "delivered") == [1.25, 1.5]
    assert column(node, "started") == [3.0, 5.0]
    assert column(node, "finished") == [5.0, 7.0]
    assert column(node, "acked") == [6.0, 8.0]
    assert list(publisher.confirm_times) == [2.25, 2.5]
    assert node.busy == 1.5
    assert node.ledger() == Ledger(published=2, acked=2)


def test_without_network_and_costs_it_is_the_point_to_point_queue() -> None:
    plain = PointToPoint(consumers=3, interarrival=Exponential(0.4), messages=3_000)
    env = Environment(5)
    node = one_queue(env)
    BrokerPublisher(env, node, plain.interarrival, keys="q", messages=3_000)
    work = Draws(plain.service, env.stream("service"))
    for number in range(3):
        Subscriber(env, node, "q", work, name=f"s{number}")
    env.run()
    expected = plain.run(5, engine="simpy").messages
    assert column(node, "created") == expected["created"].tolist()
    assert np.sort(column(node, "finished")) == pytest.approx(np.sort(expected["finished"]))


def test_a_copy_for_each_queue_with_a_fate_of_its_own() -> None:
    env = Environment()
    node = one_queue(env)
    broker = node.broker
    broker.declare_exchange("events", "topic")
    broker.declare_queue("small", max_length=1, overflow="reject-publish")
    broker.bind("q", "events", "#")
    broker.bind("small", "events", "a.*")
    keys = ["a.b", "b", "a.c", "a.d"]
    BrokerPublisher(env, node, Trace([1.0, 2.0, 3.0, 4.0]), exchange="events", keys=keys)
    Subscriber(env, node, "q", Deterministic(0.5))
    env.run()
    assert node.ledger() == Ledger(published=7, acked=4, ready=1, dropped=2)
    found = result_of(node).messages
    names = [node.queue_names[place] for place in found["queue"]]
    fates = Counter(zip(found["message"], names, found["outcome"], strict=True))
    assert fates == {
        (0, "q", "acked"): 1,
        (1, "q", "acked"): 1,
        (2, "q", "acked"): 1,
        (3, "q", "acked"): 1,
        (0, "small", "waiting"): 1,
        (2, "small", "dropped"): 1,
        (3, "small", "dropped"): 1,
    }


def test_a_message_for_nobody_is_one_copy_that_is_dropped() -> None:
    env = Environment()
    node = one_queue(env)
    BrokerPublisher(env, node, Trace([1.0]), keys="nobody")
    env.run()
    assert node.ledger() == Ledger(published=1, dropped=1)
    assert list(result_of(node).messages["outcome"]) == ["dropped"]


# Publishers


@pytest.mark.parametrize(
    ("confirms", "window", "stored"),
    [
        ("none", 1, [1.0, 1.0, 1.0, 1.0, 1.0]),
        ("each", 7, [1.0, 3.0, 5.0, 7.0, 9.0]),
        ("batch", 2, [1.0, 1.0, 3.0, 3.0, 5.0]),
        ("pipelined", 2, [1.0, 1.0, 3.0, 3.0, 5.0]),
        ("pipelined", 4, [1.0, 1.0, 1.0, 1.0, 3.0]),
    ],
)
def test_confirms_hold_the_publisher_up(confirms: Any, window: int, stored: list[float]) -> None:
    env = Environment()
    node = one_queue(env, network=1.0)
    trace = Trace([0.0] * 5)
    publisher = BrokerPublisher(env, node, trace, keys="q", confirms=confirms, window=window)
    env.run()
    assert column(node, "created") == [0.0] * 5
    assert column(node, "enqueued") == stored
    assert publisher.unconfirmed == 0
    assert publisher.sent == 5


def test_a_pipeline_goes_on_with_each_confirm_and_a_batch_with_the_last() -> None:
    stored = {}
    for confirms in ("batch", "pipelined"):
        env = Environment()
        node = one_queue(env, network=1.0, publish_cost=0.5)
        BrokerPublisher(env, node, Trace([0.0] * 4), keys="q", confirms=confirms, window=2)
        env.run()
        stored[confirms] = column(node, "enqueued")
    assert stored == {"batch": [1.5, 2.0, 4.5, 5.0], "pipelined": [1.5, 2.0, 4.0, 4.5]}


def test_a_publisher_with_confirms_hears_of_a_queue_that_is_full() -> None:
    env = Environment()
    node = one_queue(env, options={"max_length": 2, "overflow": "reject-publish"})
    publisher = BrokerPublisher(env, node, Trace([0.0] * 5), keys="q", confirms="each")
    env.run()
    assert publisher.nacked == 3
    assert node.ledger() == Ledger(published=5, ready=2, dropped=3)


def test_routing_keys_come_in_turn_or_by_their_shares() -> None:
    env = Environment(1)
    node = one_queue(env)
    for queue in ("rare", "frequent"):
        node.broker.declare_queue(queue)
    BrokerPublisher(env, node, Trace([0.0] * 6), keys=["q", "dead"], name="in turn")
    keys = {"rare": 0.2, "frequent": 0.8}
    BrokerPublisher(env, node, Deterministic(0.001), messages=10_000, keys=keys)
    env.run()
    counts = {name: state.ready for name, state in node.broker.queues.items()}
    assert (counts["q"], counts["dead"]) == (3, 3)
    # The count's standard error is 40.
    assert abs(counts["rare"] - 2_000) < 160


# Subscribers


@pytest.mark.parametrize("limit", [1, 5, 13, 25, 26, 50])
def test_prefetch_is_a_window(limit: int) -> None:
    """Exact, up to the messages of one round trip at each end of the 20 s."""
    env = Environment()
    node = one_queue(env, network=0.05)
    BrokerPublisher(env, node, Trace([0.0] * 6_000), keys="q")
    subscriber = Subscriber(env, node, "q", Deterministic(0.004), prefetch=limit)
    env.run(until=21.0)
    finished = np.array(column(node, "finished"))
    expected = prefetch(round_trip=0.1, service_time=0.004, limit=limit)
    assert abs(np.count_nonzero(finished > 1.0) - 20 * expected.throughput) <= limit
    assert subscriber.worked / 21 == pytest.approx(expected.utilisation, rel=0.02)


def test_workers_share_what_their_subscriber_has_prefetched() -> None:
    env = Environment()
    node = one_queue(env)
    BrokerPublisher(env, node, Trace([0.0] * 5), keys="q")
    Subscriber(env, node, "q", Deterministic(1.0), prefetch=3, workers=2)
    env.run()
    assert column(node, "started") == [0.0, 0.0, 1.0, 1.0, 2.0]


def test_too_large_a_prefetch_leaves_messages_with_the_slow_one() -> None:
    ends = {}
    for limit in (1, 0):
        env = Environment()
        node = one_queue(env)
        BrokerPublisher(env, node, Trace([0.0] * 10), keys="q")
        Subscriber(env, node, "q", Deterministic(1.0), prefetch=limit, name="fast")
        Subscriber(env, node, "q", Deterministic(4.0), prefetch=limit, name="slow")
        env.run()
        ends[limit] = env.now
    assert ends == {1: 8.0, 0: 20.0}


def test_a_lost_ack_brings_back_all_that_the_subscriber_holds() -> None:
    env = Environment()
    node = one_queue(env)
    BrokerPublisher(env, node, Trace([0.0] * 3), keys="q")

    effects = []

    class Unlucky(Subscriber):
        def effect(self, delivery: Delivery) -> None:
            effects.append((env.now, delivery.body))

    Unlucky(env, node, "q", Deterministic(1.0), prefetch=2, mishaps=Mishaps(ack_lost=0.999999))
    env.run(until=3.5)
    # The first one is done again and again; the second is delivered each time, and never begun.
    assert effects == [(1.0, b"0"), (2.0, b"0"), (3.0, b"0")]
    assert attempts(node) == [
        *((0, at, at, at + 1) for at in (0.0, 1.0, 2.0)),
        *((1, at, None, at + 1) for at in (0.0, 1.0, 2.0)),
    ]
    assert node.ledger() == Ledger(
        published=3, ready=1, unacked=2, duplicates=6, redelivered=6, redone=2
    )


def test_duplicates_under_lost_acks_are_geometric() -> None:
    """20,000 messages: the standard error of the fraction of deliveries is 0.0028."""
    env = Environment(3)
    node = one_queue(env)
    BrokerPublisher(env, node, Deterministic(1.0), keys="q", messages=20_000)
    Subscriber(env, node, "q", Deterministic(0.1), mishaps=Mishaps(ack_lost=0.2))
    env.run()
    ledger = node.ledger()
    assert ledger.acked == 20_000
    fraction = ledger.duplicates / (ledger.acked + ledger.duplicates)
    assert abs(fraction - redelivery(0.2).duplicate_fraction) < 4 * 0.0028


def test_a_crash_in_the_middle_of_the_work_starts_it_again() -> None:
    env = Environment()
    node = one_queue(env)
    BrokerPublisher(env, node, Trace([0.0, 1.0]), keys="q")
    faults = Faults([Outage(of="consumers", start=3.0, duration=7.0)])
    Subscriber(env, node, "q", Deterministic(4.0), faults=faults, prefetch=2)
    env.run()
    assert attempts(node) == [(0, 0.0, 0.0, 3.0), (1, 1.0, None, 3.0)]
    assert column(node, "started") == [10.0, 14.0]
    assert node.ledger() == Ledger(published=2, acked=2, duplicates=2, redelivered=2)


def test_a_crash_with_auto_ack_loses_what_the_subscriber_holds() -> None:
    env = Environment()
    node = one_queue(env)
    BrokerPublisher(env, node, Trace([0.0, 0.0, 1.0, 5.0]), keys="q")
    faults = Faults([Outage(of="consumers", start=3.0, duration=7.0)])
    Subscriber(env, node, "q", Deterministic(2.0), faults=faults, prefetch=0, auto_ack=True)
    env.run()
    assert column(node, "finished")[0] == 2.0
    assert node.ledger() == Ledger(published=4, acked=2, lost=2, duplicates=2)
    assert list(result_of(node).messages["outcome"]) == ["acked", "lost", "lost", "acked"]


def test_crashes_by_chance_lose_nothing_that_is_acked_after_the_work() -> None:
    env = Environment(2)
    node = one_queue(env, network=0.01)
    BrokerPublisher(env, node, Exponential(1.0), keys="q", messages=2_000)
    mishaps = Mishaps(crash=0.2, restart=0.3)
    Subscriber(env, node, "q", Exponential(0.5), prefetch=5, workers=2, mishaps=mishaps)
    env.run()
    ledger = node.ledger()
    assert (ledger.published, ledger.acked) == (2_000, 2_000)
    # A fifth of all attempts end in a crash: at least 500 for 2,000 messages, less 4 × 25.
    assert ledger.duplicates > 400


def test_a_slowdown_stretches_work_that_is_begun_in_it() -> None:
    env = Environment()
    node = one_queue(env)
    BrokerPublisher(env, node, Trace([0.0, 3.0]), keys="q")
    slow = Faults([Outage(of="consumers", kind="slow", start=2.0, duration=10.0, factor=3.0)])
    Subscriber(env, node, "q", Deterministic(1.0), faults=slow)
    env.run()
    assert column(node, "finished") == [1.0, 6.0]


# Messages that fail


def test_a_poison_message_goes_round_until_the_delivery_limit() -> None:
    env = Environment()
    limits = {"delivery_limit": 2, "dead_letter_exchange": "", "dead_letter_routing_key": "dead"}
    node = one_queue(env, options=limits)
    BrokerPublisher(env, node, Trace([1.0]), keys="q")
    Subscriber(env, node, "q", Deterministic(1.0), mishaps=Mishaps(poison=1.0))
    env.run()
    assert env.now == 4.0
    assert [end for *_, end in attempts(node)] == [2.0, 3.0, 4.0]
    assert node.ledger() == Ledger(published=1, dead_lettered=1, duplicates=3, redelivered=2)


def retrying(env: Environment, delay: float) -> BrokerNode:
    """Rejected messages wait in a queue without consumers, and come back when they expire."""
    node = BrokerNode(env, dead_letters=["dead"])
    broker = node.broker
    broker.declare_queue("dead")
    broker.declare_queue("q", dead_letter_exchange="", dead_letter_routing_key="later")
    broker.declare_queue(
        "later", message_ttl=delay, dead_letter_exchange="", dead_letter_routing_key="q"
    )
    return node


def test_a_retry_waits_in_a_queue_of_its_own_and_gives_up_in_the_end() -> None:
    env = Environment()
    node = retrying(env, delay=10.0)
    BrokerPublisher(env, node, Trace([1.0]), keys="q")
    Subscriber(env, node, "q", Deterministic(1.0), mishaps=Mishaps(poison=1.0),
               on_failure="reject", attempts=3, give_up_to="dead")  # fmt: skip
    env.run()
    assert [start for _, _, start, _ in attempts(node)] == [1.0, 12.0, 23.0]
    assert node.ledger() == Ledger(published=1, dead_lettered=1, duplicates=3, redelivered=2)
    assert node.broker.message_count("dead") == 1


def test_what_fails_by_chance_dies_after_so_many_attempts() -> None:
    """10,000 messages of which a fraction 0.3³ fails: the standard error of the count is 16."""
    env = Environment(4)
    node = retrying(env, delay=5.0)
    BrokerPublisher(env, node, Exponential(1.0), keys="q", messages=10_000)
    Subscriber(env, node, "q", Exponential(0.2), mishaps=Mishaps(failing=0.3),
               on_failure="reject", attempts=3, give_up_to="dead")  # fmt: skip
    env.run()
    ledger = node.ledger()
    assert abs(ledger.dead_lettered - 270) < 4 * 16
    assert ledger.acked + ledger.dead_lettered == 10_000
    # (1 - 0.3³) / (1 - 0.3) attempts per message; their standard deviation is 0.63.
    made = (ledger.acked + ledger.duplicates) / 10_000
    assert abs(made - (1 - 0.3**3) / 0.7) < 4 * 0.0063


def test_dead_letters_are_replayed_to_where_they_died() -> None:
    env = Environment()
    node = retrying(env, delay=10.0)
    BrokerPublisher(env, node, Trace([1.0, 2.0]), keys="q")
    broken = Subscriber(env, node, "q", Deterministic(1.0), mishaps=Mishaps(poison=1.0),
                        on_failure="reject", attempts=1, give_up_to="dead")  # fmt: skip
    env.run()
    assert node.ledger() == Ledger(published=2, dead_lettered=2, duplicates=2)
    broken.poison = 0.0
    assert node.replay("dead", most=1) == 1
    env.run()
    assert node.ledger() == Ledger(
        published=2, acked=1, dead_lettered=1, duplicates=2, redelivered=1
    )
    assert node.replay("dead") == 1
    env.run()
    assert node.ledger() == Ledger(published=2, acked=2, duplicates=2, redelivered=2)
    assert result_of(node).series["in_system"].iloc[-1] == 0


def test_a_message_may_expire_while_nobody_has_time() -> None:
    env = Environment()
    node = one_queue(env, options={"message_ttl": 2.0})
    BrokerPublisher(env, node, Trace([0.0, 1.0, 1.5]), keys="q")
    Subscriber(env, node, "q", Replay([3.2, 1.0, 1.0]))
    env.run()
    assert node.ledger() == Ledger(published=3, acked=2, expired=1)
    assert column(node, "left") == [3.2, 3.0, 4.2]
    series = result_of(node).series
    assert series["queue_length"].iloc[-1] == series["in_system"].iloc[-1] == 0


def test_messages_that_bring_their_own_end_expire_in_time() -> None:
    env = Environment()
    node = one_queue(env)
    BrokerPublisher(env, node, Trace([0.0, 1.0]), keys="q", expiration=2.0)
    env.run()
    assert env.now == 3.0
    assert column(node, "left") == [2.0, 3.0]
    assert node.ledger() == Ledger(published=2, expired=2)


def test_a_dead_letter_may_be_lost_in_a_restart() -> None:
    env = Environment()
    limits = {"delivery_limit": 0, "dead_letter_exchange": "", "dead_letter_routing_key": "dead"}
    node = one_queue(env, options=limits)
    BrokerPublisher(env, node, Trace([0.0]), keys="q")
    Subscriber(env, node, "q", Deterministic(1.0), mishaps=Mishaps(poison=1.0))
    env.run()
    assert node.ledger() == Ledger(published=1, dead_lettered=1, duplicates=1)
    node.on_restart.clear()
    node.restart()
    assert node.ledger() == Ledger(published=1, lost=1, duplicates=1)
    assert list(result_of(node).messages["outcome"]) == ["lost"]


# The broker stops and starts


def test_a_restart_keeps_what_is_persistent_and_subscribers_connect_again() -> None:
    env = Environment()
    node = one_queue(env, options={"queue": MemoryQueue(), "durable": True})
    for name, persistent in (("kept", True), ("gone", False)):
        BrokerPublisher(env, node, Trace([0.0, 0.0]), keys="q", persistent=persistent, name=name)
    Subscriber(env, node, "q", Deterministic(2.0))
    env.run(until=1.0)
    node.restart()
    assert node.ledger().lost == 2
    env.run()
    assert node.ledger() == Ledger(published=4, acked=2, lost=2, duplicates=1)
    assert Counter(result_of(node).messages["outcome"])["lost"] == 2


def test_a_queue_that_is_not_durable_goes_with_all_its_messages() -> None:
    env = Environment()
    node = one_queue(env)
    BrokerPublisher(env, node, Trace([0.0, 0.0, 0.0]), keys="q")
    env.run()
    node.restart()
    assert node.ledger() == Ledger(published=3, lost=3)
    assert set(result_of(node, 1.0).messages["outcome"]) == {"lost"}


# What is refused


@pytest.mark.parametrize("name", ["publish_cost", "deliver_cost", "network"])
@pytest.mark.parametrize("value", [-1.0, inf, nan])
def test_a_time_that_is_none_is_refused(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name} must be >= 0 s, got {value!r}"):
        BrokerNode(Environment(), **{name: value})


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"attempts": 0, "give_up_to": "dead", "on_failure": "reject"}, "attempts must be >= 1"),
        ({"attempts": 2, "on_failure": "reject"}, "with a queue in give_up_to"),
        ({"attempts": 2, "give_up_to": "dead"}, "and on_failure='reject'"),
        ({"auto_ack": True, "mishaps": Mishaps(ack_lost=0.1)}, "no ack to lose, got ack_lost=0.1"),
    ],
)
def test_a_subscriber_that_makes_no_sense_is_refused(options: Any, said: str) -> None:
    env = Environment()
    with pytest.raises(ValueError, match=said):
        Subscriber(env, one_queue(env), "q", Deterministic(1.0), **options)


@pytest.mark.parametrize("value", [-0.1, 1.5, nan])
def test_a_mishap_has_a_probability(value: float) -> None:
    for name in ("ack_lost", "poison", "publish_lost"):
        with pytest.raises(
            ValueError, match=f"{name} must be a probability from 0 to 1, got {value}"
        ):
            Mishaps(**{name: value})
    with pytest.raises(ValueError, match="restart must be >= 0 s, got -1"):
        Mishaps(crash=0.5, restart=-1)


def test_a_publisher_that_makes_no_sense_is_refused() -> None:
    env = Environment()
    with pytest.raises(ValueError, match="window must be >= 1 message, got 0"):
        BrokerPublisher(env, one_queue(env), Deterministic(1.0), confirms="batch", window=0)
    with pytest.raises(ValueError, match="shares of the keys must add up to 1"):
        BrokerPublisher(env, one_queue(env), Deterministic(1.0), keys={"a": 0.5})


def test_a_connection_may_break_on_what_the_first_of_two_queues_sends() -> None:
    for seed in range(20):
        env = Environment(seed)
        node = BrokerNode(env)
        for name in ("first", "second"):
            node.broker.declare_queue(name)
        BrokerPublisher(env, node, Trace([0.0] * 9), keys={"first": 0.5, "second": 0.5})
        down = Faults([Outage(of="consumers", start=0.0, duration=1.0)])
        Subscriber(
            env, node, ["first", "second"], Deterministic(0.1), faults=down,
            mishaps=Mishaps(delivery_lost=0.5),
        )  # fmt: skip
        env.run()
        assert node.ledger().acked == 9


# Whatever happens, every copy is somewhere


OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "durable": st.booleans(),
        "message_ttl": st.sampled_from([0.5, 3.0]),
        "max_length": st.integers(1, 4),
        "overflow": st.sampled_from(["drop-head", "reject-publish"]),
        "dead_letter_exchange": st.sampled_from(["", "events", "gone"]),
        "dead_letter_routing_key": st.sampled_from(["dead", "q0", "q1", "nobody"]),
        "delivery_limit": st.integers(0, 2),
    },
)
CHANCE = st.sampled_from([0.0, 0.2])
MISHAPS = {field.name for field in fields(Mishaps)}
SUBSCRIBER = st.fixed_dictionaries(
    {"queues": st.sampled_from([["q0"], ["q1"], ["q2"], ["q0", "q1"]])},
    optional={
        "prefetch": st.integers(0, 3),
        "workers": st.integers(1, 3),
        "delivery_lost": CHANCE,
        "crash": CHANCE,
        "restart": st.sampled_from([0.0, 1.0]),
        "failing": CHANCE,
        "poison": CHANCE,
        "on_failure": st.sampled_from(["requeue", "reject"]),
        "faults": st.builds(
            lambda start, duration: Faults(
                [Outage(of="consumers", start=start, duration=duration)]
            ),
            st.floats(0, 8),
            st.floats(0.1, 5),
        ),
    },
)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_every_copy_is_somewhere_whatever_the_topology_and_the_faults(data: st.DataObject) -> None:
    draw = data.draw
    env = Environment(draw(st.integers(0, 5)))
    times = st.sampled_from([0.0, 0.03])
    node = BrokerNode(env, network=draw(times), publish_cost=draw(times),
                      deliver_cost=draw(times), dead_letters=["dead"])  # fmt: skip
    broker = node.broker
    kind = draw(st.sampled_from(["direct", "fanout", "topic"]))
    broker.declare_exchange("events", kind, durable=True)
    broker.declare_queue("dead", durable=True)
    for name in ("q0", "q1", "q2"):
        options = draw(OPTIONS)
        if "dead_letter_exchange" not in options:
            options.pop("dead_letter_routing_key", None)
        storage = MemoryQueue(clock=env.clock)
        broker.declare_queue(name, draw(st.sampled_from([None, storage])), **options)
        broker.bind(name, "events", draw(st.sampled_from(["a.b", "a.*", "#"])))
    BrokerPublisher(
        env,
        node,
        Exponential(0.3),
        exchange="events",
        keys={"a.b": 0.5, "b": 0.5},
        confirms=draw(st.sampled_from(["none", "each", "batch", "pipelined"])),
        window=draw(st.integers(1, 4)),
        persistent=draw(st.booleans()),
    )
    for number, options in enumerate(draw(st.lists(SUBSCRIBER, max_size=3))):
        lost = draw(st.sampled_from([{"auto_ack": True}, {"ack_lost": 0.2}, {}]))
        both = options | lost
        mishaps = Mishaps(**{each: both.pop(each) for each in MISHAPS & both.keys()})
        Subscriber(env, node, work=Exponential(0.5), name=str(number), mishaps=mishaps, **both)
    restarts = all(state.options.durable for state in broker.queues.values())
    acts = [node.restart if restarts else node.ledger, partial(node.replay, "dead")]
    for step in sorted(draw(st.lists(st.floats(0.1, 10), max_size=2))):
        if step > env.now:
            env.run(until=step)
        draw(st.sampled_from(acts))()
    env.run(until=11.0)
    ledger = node.ledger()  # raises when it does not balance
    if any(state.options.dead_letter_exchange == "events" for state in broker.queues.values()):
        return  # There several dead letters may share a row.
    found = Counter(result_of(node, env.now).messages["outcome"])
    assert found["acked"] == ledger.acked
    assert found["dropped"] == ledger.dropped
    assert found["expired"] == ledger.expired
    assert found["lost"] == ledger.lost
    assert found["dead-lettered"] == ledger.dead_lettered
