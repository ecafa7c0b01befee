"""Random operations, done to both brokers: the same deliveries, and the same dead letters.

Dead letters go in no circles, which RabbitMQ notices later (see test_differences.py), and one call
makes dead letters in one queue only, for RabbitMQ's queues do not wait for each other.
"""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from simlib.broker import Broker, Delivery, NackedError

STEPS = 40


def _options(rng: Random, following: list[str]) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if rng.random() < 0.6:
        options["max_length"] = rng.randint(0, 4)
        options["overflow"] = rng.choice(["drop-head", "reject-publish"])
    if rng.random() < 0.4:
        options["max_priority"] = rng.randint(1, 3)
    if following:
        options["dead_letter_exchange"] = ""
        options["dead_letter_routing_key"] = rng.choice(following)
    return options


def _seen(delivery: Delivery | None) -> Any:
    """What both brokers must agree on about a delivery."""
    if delivery is None:
        return None
    deaths = [
        (death["queue"], death["reason"], death["count"], death["routing-keys"])
        for death in delivery.headers.get("x-death", ())
    ]
    return (
        delivery.body,
        delivery.redelivered,
        delivery.delivery_tag,
        delivery.routing_key,
        delivery.priority,
        deaths[:1],
        sorted(deaths),
    )


def _publish(channel: Any, *args: Any, **options: Any) -> str:
    try:
        channel.publish(*args, **options)
    except NackedError:
        return "nacked"
    return "confirmed"


@pytest.mark.parametrize("seed", range(8))
def test_both_brokers_do_alike(rabbitmq: Any, seed: int) -> None:
    rng = Random(seed)
    brokers = [Broker(), rabbitmq.broker]
    channels = [broker.channel() for broker in brokers]
    for channel in channels:
        channel.confirm()
    names = [rabbitmq.name(name) for name in "abc"]
    for number, name in enumerate(names):
        options = _options(rng, names[number + 1 :])
        for broker in brokers:
            broker.declare_queue(name, **options)
    held: list[int] = []
    for step in range(STEPS):
        name, requeue = rng.choice(names), rng.random() < 0.5
        if rng.random() < 0.5:
            body, priority = b"%d" % step, rng.randint(0, 4)
            ours, theirs = (
                _publish(channel, "", name, body, priority=priority) for channel in channels
            )
        elif not held or rng.random() < 0.5:
            deliveries = [channel.get(name) for channel in channels]
            ours, theirs = map(_seen, deliveries)
            if deliveries[0] is not None:
                held.append(deliveries[0].delivery_tag)
        else:
            tag, acked = rng.choice(held), rng.random() < 0.4
            multiple = rng.random() < 0.3 and (acked or requeue)
            ours = theirs = "answered"
            for channel in channels:
                if acked:
                    channel.ack(tag, multiple)
                else:
                    channel.nack(tag, multiple, requeue)
            held = [other for other in held if other != tag and not (multiple and other < tag)]
        assert ours == theirs
        for each in names:
            rabbitmq.until_ready(each, brokers[0].message_count(each))
    for channel in channels:
        channel.close()
    for each in names:
        rabbitmq.until_ready(each, brokers[0].message_count(each))
        left = [list(iter(lambda b=broker, n=each: _seen(b.get(n)), None)) for broker in brokers]
        assert left[0] == left[1]
