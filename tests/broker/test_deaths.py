"""Whoever wants to know is told of each message that ends without an ack."""

from __future__ import annotations

from typing import Any

import pytest

from simlib.broker import Broker, Death
from simlib.queues import MemoryQueue

DEAD = {"dead_letter_exchange": "", "dead_letter_routing_key": "dead"}


class Told:
    """A broker with a queue, its clock, and what it told of deaths."""

    def __init__(self, **options: Any) -> None:
        self.now = 0.0
        self.deaths: list[Death] = []
        self.broker = Broker(clock=lambda: self.now, on_death=self.deaths.append)
        self.broker.declare_queue("dead", max_length=1, overflow="reject-publish")
        self.broker.declare_queue("q", **options)

    def publish(self, body: bytes, **properties: Any) -> None:
        self.broker.publish("", "q", body, **properties)

    @property
    def said(self) -> list[tuple[str, str, bytes]]:
        return [(death.queue, death.reason, death.body) for death in self.deaths]


def test_an_ack_is_no_death() -> None:
    told = Told(**DEAD)
    told.publish(b"1")
    channel = told.broker.channel()
    delivery = channel.get("q")
    assert delivery is not None
    channel.ack(delivery.delivery_tag)
    assert told.deaths == []


def test_a_rejected_message_says_where_it_went_and_where_there_was_no_room() -> None:
    told = Told(**DEAD)
    channel = told.broker.channel()
    for number in range(2):
        told.publish(b"%d" % number, headers={"h": number})
        delivery = channel.get("q")
        assert delivery is not None
        channel.reject(delivery.delivery_tag, requeue=False)
    assert told.deaths == [
        Death("q", "rejected", b"0", {"h": 0}, ["dead"], []),
        Death("q", "rejected", b"1", {"h": 1}, [], ["dead"]),
    ]


def test_without_a_dead_letter_exchange_it_went_nowhere() -> None:
    told = Told(message_ttl=2.0)
    told.publish(b"1", persistent=True, headers={"h": 1})
    told.now = 2.0
    told.broker.pump()
    assert told.deaths == [Death("q", "expired", b"1", {"h": 1}, [], [])]


@pytest.mark.parametrize("way", ["delete", "cancel", "close", "exclusive"])
def test_of_a_queue_that_goes_everything_is_told_however_it_goes(way: str) -> None:
    told = Told()
    broker, storage = told.broker, MemoryQueue()
    owner = broker.channel() if way == "exclusive" else broker
    owner.declare_queue("a", storage, auto_delete=True, exclusive=way == "exclusive")
    channel = owner if way == "exclusive" else broker.channel()
    channel.bind("a", "amq.fanout") if way == "exclusive" else broker.bind("a", "amq.fanout")
    channel.consume("a", lambda delivery: None, prefetch=2, consumer_tag="c")
    for number in range(4):
        broker.publish("", "a", b"%d" % number)
    {
        "delete": lambda: broker.delete_queue("a"),
        "cancel": lambda: channel.cancel("c"),
        "close": channel.close,
        "exclusive": channel.close,
    }[way]()
    assert sorted(told.said) == [("a", "lost", b"%d" % number) for number in range(4)]
    assert (storage.qsize(), storage.unacked) == (0, 0)
    assert "a" not in broker.queues
    assert broker.bindings == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"max_length": 1}, [("q", "maxlen", b"0")]),
        ({"max_length": 1, "overflow": "reject-publish"}, []),
    ],
)
def test_a_queue_that_drops_its_oldest_tells_and_one_that_refuses_does_not(
    options: dict[str, Any], said: list[Any]
) -> None:
    told = Told(**options)
    told.publish(b"0")
    told.publish(b"1")
    assert told.said == said


def test_the_delivery_limit_is_a_death() -> None:
    told = Told(delivery_limit=1)
    told.publish(b"1")
    channel = told.broker.channel()
    for _ in range(2):
        delivery = channel.get("q")
        assert delivery is not None
        channel.nack(delivery.delivery_tag)
    assert told.said == [("q", "delivery_limit", b"1")]


def test_purges_and_deleted_queues_are_told_too() -> None:
    told = Told()
    told.publish(b"1")
    told.broker.purge("q")
    told.publish(b"2")
    told.publish(b"3")
    channel = told.broker.channel()
    assert channel.get("q") is not None
    told.broker.delete_queue("q")
    assert told.said == [("q", "purged", b"1"), ("q", "lost", b"3"), ("q", "lost", b"2")]


def test_a_restart_tells_of_what_was_not_persistent() -> None:
    told = Told(queue=MemoryQueue(), durable=True)
    told.publish(b"kept", persistent=True)
    told.publish(b"gone")
    told.broker.restart()
    assert told.said == [("q", "lost", b"gone")]
