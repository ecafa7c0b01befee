"""What a broker shows of itself, and what it does to the queues below."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from simlib.broker import Binding, Broker, QueueOptions
from simlib.queues import MemoryQueue


def test_a_topology_can_be_read_off() -> None:
    broker = Broker()
    broker.declare_exchange("in", "topic", durable=True, alternate_exchange="rest")
    broker.declare_exchange("rest", "headers", arguments={"alternate-exchange": "amq.fanout"})
    broker.declare_queue("q", max_length=5)
    broker.bind("q", "in", "a.*")
    broker.bind_exchange("rest", "in", "b.#")
    broker.bind("q", "rest", "", {"x-match": "any", "a": [1]})
    shown = broker.exchanges["in"]
    assert (shown.name, shown.type, shown.durable) == ("in", "topic", True)
    assert (shown.auto_delete, shown.internal, shown.alternate_exchange) == (False, False, "rest")
    assert broker.exchanges["rest"].alternate_exchange == "amq.fanout"
    assert broker.bindings == [
        Binding("in", "q", "queue", "a.*", {}),
        Binding("in", "rest", "exchange", "b.#", {}),
        Binding("rest", "q", "queue", "", {"x-match": "any", "a": [1]}),
    ]
    assert broker.queues["q"].options == QueueOptions(max_length=5)
    with pytest.raises(FrozenInstanceError):
        broker.queues["q"].ready = 3  # type: ignore[misc]


def test_a_queue_counts_what_becomes_of_messages() -> None:
    broker = Broker()
    broker.declare_queue("q", max_length=2)
    for number in range(5):
        broker.publish("", "q", b"%d" % number)
    channel = broker.channel()
    channel.consume("q", lambda delivery: None, prefetch=1)
    state = broker.queues["q"]
    assert (state.name, state.published, state.refused) == ("q", 5, 0)
    assert (state.ready, state.unacked, state.consumers, state.acked) == (1, 1, 1, 0)
    assert state.fates == {"maxlen": 3}
    channel.ack(1)
    assert broker.queues["q"].acked == 1


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"alternate": "a"}, r"only argument is 'alternate-exchange', got \['alternate'\]"),
        ({"alternate-exchange": "b"}, "two alternate exchanges: 'a' and 'b'"),
    ],
)
def test_an_alternate_exchange_is_given_once(arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        Broker().declare_exchange("x", alternate_exchange="a", arguments=arguments)


def test_messages_stand_in_the_real_queue_as_they_are() -> None:
    broker, storage = Broker(), MemoryQueue()
    broker.declare_queue("q", storage)
    broker.publish("amq.direct", "nobody", b"0")
    broker.publish("", "q", b"1", headers={"a": 1})
    broker.publish("", "q", b"2", persistent=True)
    one, two = storage.get_nowait(), storage.get_nowait()
    assert (one.body, one.headers) == (b"1", {"a": 1})
    assert (two.body, list(two.headers)) == (b"2", ["x-broker"])


def test_a_full_real_queue_refuses() -> None:
    broker = Broker()
    broker.declare_queue("q", MemoryQueue(maxsize=1))
    broker.declare_queue("r")
    for queue in "qr":
        broker.bind(queue, "amq.fanout")
    assert broker.publish("amq.fanout", "", b"1") == ["q", "r"]
    assert broker.publish("amq.fanout", "", b"2") == ["r"]
    assert broker.publish("", "q", b"3", mandatory=True) == []
    assert broker.queues["q"].refused == 2


def test_somebody_may_read_the_real_queue_past_the_broker() -> None:
    broker, storage = Broker(), MemoryQueue()
    broker.declare_queue("q", storage)
    broker.bind("q", "amq.topic", "#")
    for number in range(3):
        broker.publish("amq.topic", f"k.{number}", b"%d" % number)
    storage.ack(storage.get_nowait())
    assert [broker.get("q").routing_key for _ in range(2)] == ["k.1", "k.2"]
    assert broker.get("q") is None
    storage.put(b"3")
    assert broker.get("q")[1:] == ("", "q", False, b"3", {}, 0, False, *[None] * 3, 1, "")


def test_headers_are_copies() -> None:
    broker = Broker()
    for name in "ab":
        broker.declare_queue(name)
        broker.bind(name, "amq.fanout")
    headers: dict[str, Any] = {"list": [1]}
    broker.publish("amq.fanout", "", b"", headers=headers)
    headers["list"].append(2)
    first = broker.get("a")
    first.headers["list"].append(3)
    assert broker.get("b").headers == {"list": [1]}


def test_an_error_in_a_callback_comes_out_and_leaves_the_message_unacked() -> None:
    broker, got = Broker(), []

    def fail(delivery: Any) -> None:
        got.append(delivery)
        if len(got) == 1:
            raise RuntimeError("no")

    broker.declare_queue("q")
    channel = broker.channel()
    channel.consume("q", fail)
    with pytest.raises(RuntimeError, match="no"):
        broker.publish("", "q", b"1")
    broker.publish("", "q", b"2")
    assert [delivery.body for delivery in got] == [b"1", b"2"]
    assert broker.queues["q"].unacked == 2
    assert not channel.closed


def test_a_consumer_tag_is_used_once_in_a_channel() -> None:
    broker = Broker()
    broker.declare_queue("q")
    one, two = broker.channel(), broker.channel()
    for channel in (one, two):
        channel.consume("q", print, consumer_tag="same")
    with pytest.raises(ValueError, match="has a consumer 'same' already"):
        one.consume("q", print, consumer_tag="same")


def test_consuming_in_a_callback_does_not_nest_deliveries() -> None:
    broker = Broker()
    broker.declare_queue("q")
    channel, depths = broker.channel(), []
    depth = 0

    def forward(delivery: Any) -> None:
        nonlocal depth
        depth += 1
        depths.append(depth)
        if len(depths) < 2_000:
            broker.publish("", "q", b"")
        channel.ack(delivery.delivery_tag)
        depth -= 1

    channel.consume("q", forward)
    broker.publish("", "q", b"")
    assert len(depths) == 2_000
    assert set(depths) == {1}


def test_a_callback_may_end_what_it_is_called_by() -> None:
    broker, got = Broker(), []
    broker.declare_queue("q")
    one, two = broker.channel(), broker.channel()

    def leave(delivery: Any) -> None:
        got.append(("one", delivery.redelivered))
        one.close()

    def delete(delivery: Any) -> None:
        got.append(("two", delivery.redelivered))
        if len(got) == 3:
            broker.delete_queue("q")

    one.consume("q", leave)
    two.consume("q", delete)
    for _ in range(2):
        broker.publish("", "q", b"")
    assert got == [("one", False), ("two", True), ("two", False)]
    assert broker.queues == {}
    assert broker.publish("", "q", b"") == []
    two.ack(0, multiple=True)


def test_a_callback_may_take_the_place_of_its_queue() -> None:
    broker, got = Broker(), []
    broker.declare_queue("q")
    channel = broker.channel()

    def replace(delivery: Any) -> None:
        got.append(delivery.body)
        broker.delete_queue("q")
        broker.declare_queue("q", max_length=1)
        broker.publish("", "q", b"new")

    channel.consume("q", replace)
    broker.publish("", "q", b"old")
    assert got == [b"old"]
    assert broker.message_count("q") == 1
