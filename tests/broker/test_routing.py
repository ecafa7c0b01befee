"""Where messages go, on our broker and on RabbitMQ."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from simlib.broker import Broker, UnroutableError, topic_matches

TOPICS = json.loads(
    (Path(__file__).parents[1] / "reference" / "topics.json").read_text(encoding="utf-8")
)["cases"]


def test_the_default_exchange_sends_to_the_queue_of_that_name(server: Any) -> None:
    orders, mail = server.queue("orders"), server.queue("mail")
    server.put(orders, b"1")
    assert server.bodies(orders) == [b"1"]
    assert server.bodies(mail) == []


def test_a_direct_exchange_compares_keys(server: Any) -> None:
    exchange = server.exchange("levels", "direct")
    errors, everything = server.queue("errors"), server.queue("everything")
    server.broker.bind(errors, exchange, "error")
    for level in ("error", "info", "*"):
        server.broker.bind(everything, exchange, level)
    for level in ("error", "info", "debug", "", "Error"):
        server.broker.publish(exchange, level, level.encode())
    assert server.bodies(errors) == [b"error"]
    assert server.bodies(everything) == [b"error", b"info"]


def test_a_fanout_exchange_sends_to_everybody_whatever_the_key(server: Any) -> None:
    exchange = server.exchange("news", "fanout")
    queues = [server.queue(name) for name in "abc"]
    server.broker.bind(queues[0], exchange)
    server.broker.bind(queues[1], exchange, "key")
    server.broker.publish(exchange, "other", b"1")
    assert [server.bodies(queue) for queue in queues] == [[b"1"], [b"1"], []]


def test_every_pattern_against_every_key(server: Any) -> None:
    exchange = server.exchange("topics", "topic")
    patterns = sorted({case["pattern"] for case in TOPICS})
    keys = sorted({case["key"] for case in TOPICS})
    queues = {pattern: server.queue(f"q{i}") for i, pattern in enumerate(patterns)}
    for pattern, queue in queues.items():
        server.broker.bind(queue, exchange, pattern)
    for key in keys:
        server.broker.publish(exchange, key, key.encode())
    reached = {pattern: server.bodies(queue) for pattern, queue in queues.items()}
    for case in TOPICS:
        assert (case["key"].encode() in reached[case["pattern"]]) == case["match"]
    for pattern in patterns:
        assert reached[pattern] == [key.encode() for key in keys if topic_matches(pattern, key)]


@pytest.mark.parametrize(
    ("arguments", "headers", "matches"),
    [
        ({}, {}, True),
        ({"a": 1}, {"a": 1}, True),
        ({"a": 1}, {"a": 2}, False),
        ({"a": 1}, {}, False),
        ({"a": 1, "b": 2}, {"a": 1}, False),
        ({"a": 1, "b": 2}, {"a": 1, "b": 2, "c": 3}, True),
        ({"a": 1}, {"a": True}, False),
        ({"a": 1}, {"a": "1"}, False),
        ({"a": ""}, {"a": ""}, True),
        ({"a": None}, {"a": 5}, True),
        ({"a": None}, {"a": None}, True),
        ({"a": None}, {}, False),
        ({"a": "x"}, {"a": None}, False),
        ({"a": [1, 2]}, {"a": [1, 2]}, True),
        ({"a": [1, 2]}, {"a": [2, 1]}, False),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 2}}, True),
        ({"a": {"b": 1, "c": 2}}, {"a": {"c": 2, "b": 1}}, False),
        ({"x-match": "all", "a": 1, "b": 2}, {"a": 1}, False),
        ({"x-match": "any", "a": 1, "b": 2}, {"b": 2}, True),
        ({"x-match": "any", "a": 1, "b": 2}, {"a": 2, "b": 1}, False),
        ({"x-match": "any", "a": None, "b": 1}, {"c": 3}, False),
        ({"x-match": "any"}, {}, False),
        ({"x-match": "any"}, {"a": 1}, False),
        ({"x-match": "any", "x-a": 1}, {"x-a": 1}, False),
        ({"x-match": "any-with-x", "x-a": 1}, {"x-a": 1}, True),
        ({"x-match": "any-with-x", "x-a": 1, "b": 2}, {"x-a": 2}, False),
        ({"x-a": 1}, {}, True),
        ({"x-match": "all-with-x", "x-a": 1}, {}, False),
        ({"x-match": "all-with-x", "x-a": 1, "b": 2}, {"x-a": 1, "b": 2}, True),
    ],
)
def test_a_headers_exchange_compares_headers(
    server: Any, arguments: dict[str, Any], headers: dict[str, Any], matches: bool
) -> None:
    exchange, queue = server.exchange("headers", "headers"), server.queue("q")
    server.broker.bind(queue, exchange, "ignored", arguments)
    server.broker.publish(exchange, "", b"1", headers=headers)
    assert server.bodies(queue) == [b"1"] * matches


def test_a_queue_reached_in_several_ways_gets_one_copy(server: Any) -> None:
    source, through = server.exchange("source", "topic"), server.exchange("through", "topic")
    queue = server.queue("q")
    for pattern in ("a.b", "a.*", "#"):
        server.broker.bind(queue, source, pattern)
        server.broker.bind(queue, through, pattern)
    server.broker.bind_exchange(through, source, "a.#")
    server.broker.publish(source, "a.b", b"1")
    assert server.bodies(queue) == [b"1"]


def test_a_binding_between_exchanges_filters_by_the_source(server: Any) -> None:
    source, target = server.exchange("source", "topic"), server.exchange("target", "direct")
    queue = server.queue("q")
    server.broker.bind_exchange(target, source, "order.*")
    server.broker.bind(queue, target, "order.paid")
    for key in ("order.paid", "order.sent", "mail.paid"):
        server.broker.publish(source, key, key.encode())
    server.broker.publish(target, "order.paid", b"direct")
    assert server.bodies(queue) == [b"order.paid", b"direct"]


def test_exchanges_may_be_bound_in_a_circle(server: Any) -> None:
    ring = [server.exchange(name, "fanout") for name in "abc"]
    queue = server.queue("q")
    for source, target in zip(ring, ring[1:] + ring[:1], strict=True):
        server.broker.bind_exchange(target, source)
    server.broker.bind_exchange(ring[0], ring[0])
    server.broker.bind(queue, ring[2])
    server.broker.publish(ring[0], "", b"1")
    assert server.bodies(queue) == [b"1"]


def test_what_an_exchange_cannot_route_goes_to_its_alternate(server: Any) -> None:
    last = server.exchange("last", "fanout")
    middle = server.exchange("middle", "direct", alternate_exchange=last)
    first = server.exchange("first", "direct", alternate_exchange=middle)
    queues = {
        name: server.queue(name, **({"max_length": 5} if name == "c" else {})) for name in "abc"
    }
    server.broker.bind(queues["a"], first, "a")
    server.broker.bind(queues["b"], middle, "b")
    server.broker.bind(queues["c"], last)
    for key in "abc":
        server.broker.publish(first, key, key.encode(), mandatory=True)
    assert {name: server.bodies(queue) for name, queue in queues.items()} == {
        "a": [b"a"],
        "b": [b"b"],
        "c": [b"c"],
    }


def test_the_alternate_of_an_exchange_further_on_is_used_as_well(server: Any) -> None:
    last = server.exchange("last", "fanout")
    target = server.exchange("target", "direct", alternate_exchange=last)
    never = server.exchange("never", "fanout")
    source = server.exchange("source", "fanout", alternate_exchange=never)
    here, there, nowhere = server.queue("here"), server.queue("there"), server.queue("nowhere")
    server.broker.bind_exchange(target, source)
    server.broker.bind(here, source)
    server.broker.bind(there, last)
    server.broker.bind(nowhere, never)
    server.broker.publish(source, "k", b"1")
    assert [server.bodies(queue) for queue in (here, there, nowhere)] == [[b"1"], [b"1"], []]


def test_an_alternate_exchange_need_not_exist(server: Any) -> None:
    exchange = server.exchange("x", "direct", alternate_exchange=server.name("nothing"))
    with pytest.raises(UnroutableError):
        server.broker.publish(exchange, "k", b"1", mandatory=True)


def test_unbinding_undoes_one_binding(server: Any) -> None:
    exchange, queue = server.exchange("x", "direct"), server.queue("q")
    for _ in range(2):
        server.broker.bind(queue, exchange, "a")
    server.broker.bind(queue, exchange, "b")
    server.broker.unbind(queue, exchange, "a")
    server.broker.unbind(queue, exchange, "never bound")
    for key in "ab":
        server.broker.publish(exchange, key, key.encode())
    assert server.bodies(queue) == [b"b"]


def test_the_same_key_with_other_arguments_is_another_binding(server: Any) -> None:
    exchange, queue = server.exchange("x", "topic"), server.queue("q")
    server.broker.bind(queue, exchange, "#", {"a": 1})
    server.broker.bind(queue, exchange, "#", {"a": 2})
    server.broker.unbind(queue, exchange, "#", {"a": 1})
    server.broker.publish(exchange, "k", b"1")
    server.broker.unbind(queue, exchange, "#", {"a": 2})
    server.broker.publish(exchange, "k", b"2")
    assert server.bodies(queue) == [b"1"]


def test_unbinding_exchanges(server: Any) -> None:
    source, target = server.exchange("source", "fanout"), server.exchange("target", "fanout")
    queue = server.queue("q")
    server.broker.bind(queue, target)
    server.broker.bind_exchange(target, source)
    server.broker.publish(source, "", b"1")
    server.broker.unbind_exchange(target, source)
    server.broker.publish(source, "", b"2")
    assert server.bodies(queue) == [b"1"]


def test_an_exchange_may_go_with_its_last_binding(server: Any) -> None:
    first = server.exchange("first", "fanout", auto_delete=True)
    second = server.exchange("second", "fanout", auto_delete=True)
    queue = server.queue("q")
    server.broker.bind_exchange(second, first)
    server.broker.bind(queue, second)
    server.broker.publish(first, "", b"1")
    assert server.bodies(queue) == [b"1"]
    server.broker.delete_queue(queue)
    # The second goes with its queue, and the first with the second: new ones of another type fit.
    server.exchange("first", "topic")
    server.exchange("second", "topic")


def test_a_mandatory_message_comes_back_when_nobody_gets_it(server: Any) -> None:
    exchange = server.exchange("x", "direct")
    with pytest.raises(UnroutableError, match="NO_ROUTE") as caught:
        server.broker.publish(exchange, "k", b"1", headers={"a": 1}, mandatory=True)
    assert caught.value.returned == (exchange, "k", b"1", {"a": 1})
    server.broker.publish(exchange, "k", b"1")

    returned: list[Any] = []
    for confirms in (False, True):
        channel = server.broker.channel(on_return=returned.append)
        if confirms:
            channel.confirm()
        channel.publish(exchange, "k", b"2", mandatory=True)
        channel.publish(exchange, "k", b"3")
        server.until(lambda: returned)
        assert returned == [(exchange, "k", b"2", {})]
        returned.clear()


def test_predeclared_exchanges_are_there(server: Any) -> None:
    queue = server.queue("q")
    for name in ("direct", "fanout", "topic"):
        server.broker.bind(queue, f"amq.{name}", queue)
        server.broker.publish(f"amq.{name}", queue, name.encode())
    for name in ("headers", "match"):
        server.broker.bind(queue, f"amq.{name}", "", {"for": queue})
        server.broker.publish(f"amq.{name}", "", name.encode(), headers={"for": queue})
    assert server.bodies(queue) == [b"direct", b"fanout", b"topic", b"headers", b"match"]


def test_a_way_that_messages_went_changes_with_all_that_it_depends_on(server: Any) -> None:
    broker, exchange = server.broker, server.exchange("news", "topic")
    first, second = server.queue("first"), server.queue("second")
    inner = server.exchange("inner", "fanout")

    def reached() -> list[str]:
        broker.publish(exchange, "a.b", b"x")
        return [name for name in (first, second) if server.bodies(name)]

    assert reached() == []
    broker.bind(first, exchange, "a.*")
    assert reached() == [first]
    broker.bind(second, inner)
    broker.bind_exchange(inner, exchange, "#")
    assert reached() == [first, second]
    broker.unbind(second, inner)
    assert reached() == [first]
    broker.bind(second, inner)
    assert reached() == [first, second]
    broker.unbind_exchange(inner, exchange, "#")
    assert reached() == [first]
    broker.bind_exchange(inner, exchange, "#")
    broker.delete_exchange(inner)
    assert reached() == [first]
    broker.delete_queue(first)
    broker.bind(second, exchange, "a.b")
    broker.publish(exchange, "a.b", b"x")
    assert server.bodies(second) == [b"x"]


def test_more_ways_than_are_remembered_are_all_found() -> None:
    with Broker() as broker:
        broker.declare_exchange("keys", "topic")
        for digit in "0123456789":
            broker.declare_queue(digit)
            broker.bind(digit, "keys", f"#.{digit}")
        for _ in range(2):
            for number in range(6_000):
                key = f"{number}.{number % 10}"
                assert broker.publish("keys", key, b"") == [str(number % 10)]
