"""Deaths and ends on the broker's own clock, and when they fall due."""

from __future__ import annotations

from math import inf
from typing import Any

import pytest

from simlib.broker import Broker, PreconditionFailedError
from simlib.queues import MemoryQueue


@pytest.fixture
def broker(clock: Any) -> Broker:
    return Broker(clock=clock)


def test_nothing_is_pending_without_times(broker: Broker) -> None:
    assert broker.due_in() == inf
    broker.declare_queue("q", max_length=3)
    broker.publish("", "q", b"1")
    assert broker.due_in() == inf


def test_only_a_head_can_fall_due(broker: Broker, clock: Any) -> None:
    broker.declare_queue("q")
    broker.publish("", "q", b"1", expiration=5.0)
    broker.publish("", "q", b"2", expiration=1.0)
    broker.publish("", "q", b"3")
    assert broker.due_in() == 5.0
    clock.advance(2.0)
    assert broker.due_in() == 3.0
    broker.pump()
    assert broker.message_count("q") == 3
    clock.advance(3.0)
    assert broker.due_in() == 0.0
    broker.pump()
    assert broker.due_in() == inf
    assert broker.get("q").body == b"3"


def test_what_goes_ahead_of_the_head_is_the_head(broker: Broker, clock: Any) -> None:
    broker.declare_queue("q", max_priority=9)
    broker.publish("", "q", b"low", expiration=1.0)
    assert broker.due_in() == 1.0
    broker.publish("", "q", b"high", priority=5, expiration=9.0)
    assert broker.due_in() == 9.0
    channel = broker.channel()
    high, low = channel.get("q"), channel.get("q")
    assert (high.body, low.body) == (b"high", b"low")
    channel.nack(low.delivery_tag)
    assert broker.due_in() == 1.0
    channel.nack(high.delivery_tag)
    assert broker.due_in() == 9.0
    clock.advance(2.0)
    broker.pump()
    assert broker.message_count("q") == 2
    channel.ack(channel.get("q").delivery_tag)
    broker.pump()
    assert broker.queues["q"].fates == {"expired": 1}


def test_deaths_of_many_that_came_back_are_in_order(broker: Broker, clock: Any) -> None:
    broker.declare_queue("dead")
    broker.declare_queue(
        "q", message_ttl=1.0, dead_letter_exchange="", dead_letter_routing_key="dead"
    )
    for number in range(6):
        broker.publish("", "q", b"%d" % number)
        clock.advance(0.1)
    channel = broker.channel()
    tags = [channel.get("q").delivery_tag for _ in range(5)]
    for tag in (tags[3], tags[1], tags[4], tags[0]):
        channel.nack(tag)
        broker.due_in()
    for _ in range(4):
        clock.advance(broker.due_in())
        broker.pump()
    assert [broker.get("dead").body for _ in range(4)] == [b"0", b"1", b"3", b"4"]
    assert broker.message_count("q") == 1


def test_a_retry_queue_gives_back_after_a_while(broker: Broker, clock: Any) -> None:
    broker.declare_queue("work", dead_letter_exchange="", dead_letter_routing_key="wait")
    broker.declare_queue(
        "wait", message_ttl=2.0, dead_letter_exchange="", dead_letter_routing_key="work"
    )
    tries: list[float] = []
    channel = broker.channel()

    def fail(delivery: Any) -> None:
        tries.append(clock())
        channel.reject(delivery.delivery_tag, requeue=False)

    channel.consume("work", fail)
    begun = clock()
    broker.publish("", "work", b"1")
    for _ in range(3):
        clock.advance(broker.due_in())
        broker.pump()
    assert [instant - begun for instant in tries] == [0.0, 2.0, 4.0, 6.0]


def test_a_queue_expires_when_nobody_uses_it(broker: Broker, clock: Any) -> None:
    broker.declare_queue("q", expires=10.0)
    clock.advance(6.0)
    broker.declare_queue("q", expires=10.0)
    assert broker.due_in() == 10.0
    clock.advance(6.0)
    broker.get("q")
    assert broker.due_in() == 10.0
    channel = broker.channel()
    tag = channel.consume("q", lambda delivery: None)
    assert broker.due_in() == inf
    clock.advance(60.0)
    channel.cancel(tag)
    assert broker.due_in() == 10.0
    broker.publish("", "q", b"is no use")
    clock.advance(10.0)
    assert broker.due_in() == 0.0
    broker.pump()
    assert broker.queues == {}


def test_a_queue_that_expired_unseen_can_be_declared_anew(broker: Broker, clock: Any) -> None:
    broker.declare_queue("q", expires=1.0)
    clock.advance(1.0)
    assert broker.declare_queue("q", durable=True) == "q"


def test_leases_of_the_real_queue_run_on(clock: Any) -> None:
    storage = MemoryQueue(lease=5.0, clock=clock)
    broker = Broker(clock=clock)
    broker.declare_queue("q", storage)
    broker.publish("", "q", b"1")
    one, two = broker.channel(), broker.channel()
    late = one.get("q")
    got: list[Any] = []
    two.consume("q", got.append)
    assert broker.due_in() == 5.0
    clock.advance(5.0)
    broker.pump()
    assert [(delivery.body, delivery.redelivered) for delivery in got] == [(b"1", True)]
    with pytest.raises(PreconditionFailedError, match="held too long"):
        one.ack(late.delivery_tag)
    assert one.closed
    two.ack(got[0].delivery_tag)


def test_a_queue_looks_ahead_only_while_messages_expire(broker: Broker) -> None:
    storage = MemoryQueue()
    broker.declare_queue("q", storage)
    broker.publish("", "q", b"1", expiration=5.0)
    broker.publish("", "q", b"2")
    assert (storage.qsize(), storage.unacked, broker.message_count("q")) == (1, 1, 2)
    channel = broker.channel()
    tag = channel.get("q").delivery_tag
    assert broker.get("q").body == b"2"
    assert broker.get("q") is None
    broker.publish("", "q", b"3")
    assert (storage.qsize(), storage.unacked) == (1, 1)
    channel.nack(tag)
    assert broker.due_in() == 5.0


def test_what_stands_behind_a_dropped_head_may_be_dead_already(broker: Broker, clock: Any) -> None:
    broker.declare_queue("q", max_length=2)
    broker.publish("", "q", b"1")
    broker.publish("", "q", b"2", expiration=1.0)
    clock.advance(2.0)
    broker.publish("", "q", b"3")
    assert broker.queues["q"].fates == {"maxlen": 1, "expired": 1}
    assert broker.get("q").body == b"3"
