"""What is refused, and in which words: on our broker and on RabbitMQ."""

from __future__ import annotations

from typing import Any

import pytest

from simlib.broker import (
    AccessRefusedError,
    BrokerError,
    ChannelClosedError,
    NotFoundError,
    PreconditionFailedError,
    ResourceLockedError,
)


@pytest.mark.parametrize(
    ("option", "first", "second"),
    [
        ("durable", False, True),
        ("auto_delete", False, True),
        ("message_ttl", 1.0, 2.0),
        ("message_ttl", None, 1.0),
        ("expires", 10.0, 20.0),
        ("max_length", 3, 4),
        ("max_length", 3, None),
        ("overflow", "drop-head", "reject-publish"),
        ("max_priority", 1, 2),
        ("dead_letter_exchange", "", "a"),
    ],
)
def test_a_queue_cannot_be_declared_otherwise(
    server: Any, option: str, first: Any, second: Any
) -> None:
    queue = server.queue("q", **{option: first})
    assert server.queue("q", **{option: first}) == queue
    with pytest.raises(PreconditionFailedError, match="PRECONDITION_FAILED - inequivalent arg"):
        server.queue("q", **{option: second})
    server.put(queue, b"0")
    assert server.broker.message_count(queue) == 1


@pytest.mark.parametrize(
    "options",
    [{"type": "fanout"}, {"durable": True}, {"auto_delete": True}, {"internal": True}],
)
def test_an_exchange_cannot_be_declared_otherwise(server: Any, options: dict[str, Any]) -> None:
    name = server.exchange("x", "direct")
    server.exchange("x", "direct")
    with pytest.raises(PreconditionFailedError, match="inequivalent arg"):
        server.broker.declare_exchange(name, **options)


def test_what_does_not_exist(server: Any) -> None:
    exchange, queue = server.exchange("x", "direct"), server.queue("q")
    nothing, broker = server.name("nothing"), server.broker
    calls = [
        lambda: broker.publish(nothing, "k", b""),
        lambda: broker.bind(queue, nothing, "k"),
        lambda: broker.bind(nothing, exchange, "k"),
        lambda: broker.bind_exchange(nothing, exchange, "k"),
        lambda: broker.bind_exchange(exchange, nothing, "k"),
        lambda: broker.purge(nothing),
        lambda: broker.get(nothing),
        lambda: broker.message_count(nothing),
        lambda: server.channel().consume(nothing, print),
        lambda: server.channel().get(nothing),
        lambda: server.channel().bind(nothing, exchange),
        lambda: server.channel().publish(nothing, "k", b""),
    ]
    for call in calls:
        with pytest.raises(NotFoundError, match=r"NOT_FOUND - no (queue|exchange)"):
            call()


def test_what_does_not_exist_is_deleted_and_unbound_already(server: Any) -> None:
    exchange, queue, nothing = server.exchange("x", "direct"), server.queue("q"), "nothing"
    assert server.broker.delete_queue(server.name(nothing)) == 0
    server.broker.delete_exchange(server.name(nothing))
    server.broker.unbind(queue, server.name(nothing), "k")
    server.broker.unbind(server.name(nothing), exchange, "k")
    server.broker.unbind_exchange(server.name(nothing), exchange, "k")
    server.broker.unbind_exchange(exchange, server.name(nothing), "k")


def test_what_belongs_to_the_broker(server: Any) -> None:
    queue, exchange, broker = server.queue("q"), server.exchange("x", "direct"), server.broker
    hidden = server.exchange("hidden", "fanout", internal=True)
    calls = [
        lambda: broker.declare_queue("amq.mine"),
        lambda: broker.declare_queue(broker.declare_queue("")),
        lambda: broker.declare_exchange("amq.mine"),
        lambda: broker.declare_exchange(""),
        lambda: broker.delete_exchange(""),
        lambda: broker.delete_exchange("amq.direct"),
        lambda: broker.bind(queue, "", "k"),
        lambda: broker.unbind(queue, "", queue),
        lambda: broker.bind_exchange(exchange, "", "k"),
        lambda: broker.bind_exchange("", exchange, "k"),
        lambda: broker.publish(hidden, "k", b""),
    ]
    for number, call in enumerate(calls):
        with pytest.raises(AccessRefusedError, match="ACCESS_REFUSED"):
            pytest.fail(f"call {number} returned {call()!r}")


def test_predeclared_exchanges_may_be_declared_as_they_are(server: Any) -> None:
    server.broker.declare_exchange("amq.topic", "topic", durable=True)
    with pytest.raises(PreconditionFailedError):
        server.broker.declare_exchange("amq.topic", "fanout", durable=True)


def test_an_exclusive_queue_is_locked_for_others(server: Any) -> None:
    owner, exchange = server.channel(), server.exchange("x", "fanout")
    queue = owner.declare_queue(server.name("q"), exclusive=True)
    calls = [
        lambda: server.broker.declare_queue(queue, exclusive=True),
        lambda: server.broker.bind(queue, exchange),
        lambda: server.broker.purge(queue),
        lambda: server.broker.get(queue),
        lambda: server.broker.delete_queue(queue),
        lambda: server.channel().consume(queue, print),
        lambda: server.channel().bind(queue, exchange),
    ]
    for call in calls:
        with pytest.raises(ResourceLockedError, match="RESOURCE_LOCKED"):
            call()
    assert owner.declare_queue(queue, exclusive=True) == queue
    server.put(queue, b"0")
    assert owner.get(queue, auto_ack=True).body == b"0"


def test_a_queue_does_not_become_exclusive_later(server: Any) -> None:
    queue = server.queue("q")
    with pytest.raises(ResourceLockedError):
        server.channel().declare_queue(queue, exclusive=True)


def test_deleting_only_what_nobody_needs(server: Any) -> None:
    queue, exchange, channel = server.queue("q"), server.exchange("x", "direct"), server.channel()
    tag = channel.consume(queue, lambda delivery: None)
    server.broker.bind(queue, exchange)
    with pytest.raises(PreconditionFailedError, match="in use"):
        server.broker.delete_queue(queue, if_unused=True)
    with pytest.raises(PreconditionFailedError, match="in use"):
        server.broker.delete_exchange(exchange, if_unused=True)
    channel.cancel(tag)
    server.put(queue, b"0")
    with pytest.raises(PreconditionFailedError, match="not empty"):
        server.broker.delete_queue(queue, if_empty=True)
    assert server.broker.delete_queue(queue, if_unused=True) == 1
    server.broker.delete_exchange(exchange, if_unused=True)
    with pytest.raises(NotFoundError):
        server.broker.publish(exchange, "", b"")


def test_a_headers_binding_asks_for_all_or_any(server: Any) -> None:
    queue, exchange = server.queue("q"), server.exchange("x", "headers")
    with pytest.raises(PreconditionFailedError, match=r"[Ii]nvalid x-match field value"):
        server.broker.bind(queue, exchange, "", {"x-match": "some"})


def test_an_error_closes_the_channel_and_gives_back_what_it_held(server: Any) -> None:
    queue = server.queue("q")
    server.put(queue, b"0")
    channel = server.channel()
    channel.get(queue)
    with pytest.raises(NotFoundError):
        channel.get(server.name("nothing"))
    assert channel.closed
    server.until_ready(queue, 1)
    for call in (
        lambda: channel.get(queue),
        lambda: channel.publish("", queue, b""),
        lambda: channel.ack(1),
        lambda: channel.consume(queue, print),
        lambda: channel.cancel("c"),
        lambda: channel.confirm(),
        lambda: channel.declare_queue(server.name("r")),
    ):
        with pytest.raises(ChannelClosedError, match="closed"):
            call()


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"message_ttl": -1}, ValueError, "message_ttl must be >= 0 seconds or None, got -1"),
        ({"message_ttl": float("inf")}, ValueError, "message_ttl must be >= 0 seconds"),
        ({"message_ttl": "1"}, TypeError, "message_ttl must be a number of seconds"),
        ({"expires": 0}, ValueError, "expires must be > 0 seconds"),
        ({"max_length": -1}, ValueError, "max_length must be >= 0 or None, got -1"),
        ({"max_length": 1.5}, TypeError, "max_length must be a whole number or None, got 1.5"),
        ({"max_priority": 0}, ValueError, "max_priority must be from 1 to 255"),
        ({"max_priority": 256}, ValueError, "max_priority must be from 1 to 255"),
        ({"delivery_limit": True}, TypeError, "delivery_limit must be a whole number"),
        ({"overflow": "drop"}, ValueError, "overflow must be 'drop-head' or 'reject-publish'"),
        ({"dead_letter_exchange": 1}, TypeError, "dead_letter_exchange must be a string, got 1"),
        ({"dead_letter_routing_key": "k"}, ValueError, "needs a dead_letter_exchange"),
        ({"maximum": 1}, TypeError, "maximum"),
    ],
)
def test_options_of_a_queue_are_checked(
    server: Any, options: dict[str, Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        server.queue("q", **options)
    with pytest.raises(NotFoundError):
        server.broker.message_count(server.name("q"))


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"body": "text"}, TypeError, "body must be bytes, got str"),
        ({"routing_key": 1}, TypeError, "routing_key must be a string, got 1"),
        ({"routing_key": "é" * 128}, ValueError, "at most 255 bytes, got 256"),
        ({"headers": {1: 2}}, TypeError, "headers must be a mapping with string keys"),
        ({"headers": {"a": b""}}, TypeError, "headers must hold JSON values only"),
        ({"headers": {"x-broker": 1}}, ValueError, "'x-broker' is the broker's own"),
        ({"priority": 256}, ValueError, "priority must be from 0 to 255"),
        ({"priority": 1.0}, TypeError, "priority must be a whole number"),
        ({"persistent": 2}, TypeError, "persistent must be True or False, got 2"),
        ({"expiration": -1}, ValueError, "expiration must be >= 0 seconds"),
        ({"reply_to": 1}, TypeError, "reply_to must be a string, got 1"),
        ({"correlation_id": 1}, TypeError, "correlation_id must be a string, got 1"),
    ],
)
def test_a_message_is_checked_before_anybody_gets_it(
    server: Any, options: dict[str, Any], error: type[Exception], text: str
) -> None:
    queue = server.queue("q")
    arguments = {"exchange": "", "routing_key": queue, "body": b"", **options}
    for publisher in (server.broker, server.channel()):
        with pytest.raises(error, match=text):
            publisher.publish(**arguments)
        publisher.publish("", queue, b"")
    assert server.broker.message_count(queue) == 2


def test_a_consumer_has_a_tag_of_its_own_on_a_channel(server: Any) -> None:
    channel, queue = server.channel(), server.queue("q")
    channel.consume(queue, print, consumer_tag="mine")
    with pytest.raises(ValueError, match="this channel has a consumer 'mine' already"):
        channel.consume(queue, print, consumer_tag="mine")
    assert channel.get(queue) is None


@pytest.mark.parametrize("tag", [-1, 2**70, "1", None])
def test_a_tag_that_no_delivery_can_have_is_unknown(server: Any, tag: Any) -> None:
    channel = server.channel()
    server.refused(PreconditionFailedError, "unknown delivery tag", lambda: channel.ack(tag))
    assert channel.closed


@pytest.mark.parametrize("prefetch", [-1, 1.0, True, 65536])
def test_prefetch_is_checked(server: Any, prefetch: Any) -> None:
    channel = server.channel()
    with pytest.raises(ValueError, match="prefetch must be a whole number from 0"):
        channel.consume(server.queue("q"), print, prefetch=prefetch)
    assert not channel.closed


def test_types_of_exchanges_are_checked(server: Any) -> None:
    with pytest.raises(ValueError, match="unknown exchange type 'tpoic'; there are direct"):
        server.exchange("x", "tpoic")


def test_all_errors_are_of_one_family_and_named_as_in_amqp() -> None:
    assert {error.code: error.name for error in BrokerError.__subclasses__() if error.code} == {
        312: "NO_ROUTE",
        403: "ACCESS_REFUSED",
        404: "NOT_FOUND",
        405: "RESOURCE_LOCKED",
        406: "PRECONDITION_FAILED",
        504: "CHANNEL_ERROR",
    }
