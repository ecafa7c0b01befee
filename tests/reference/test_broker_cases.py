"""What RabbitMQ did with given messages, held against our broker: exact, message by message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from acceptance import CASES

from simlib.broker import Broker, Channel, Delivery, NackedError, NotFoundError, UnroutableError
from simlib.queues import MemoryQueue

NOT_WITHIN_BUDGET: dict[str, dict[str, float]] = {}
"""Nothing here is random."""


class Clock:
    """A time that tests set."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def _bodies(broker: Broker, queue: str) -> list[str]:
    return [delivery.body.decode() for delivery in iter(lambda: broker.get(queue), None)]


def _publish(broker: Broker | Channel, queue: str, count: int) -> None:
    for number in range(count):
        broker.publish("", queue, str(number).encode())


def _overlap() -> dict[str, Any]:
    broker = Broker()
    broker.declare_exchange("source", "topic")
    broker.declare_exchange("through", "topic")
    for queue in ("overlapping", "diamond"):
        broker.declare_queue(queue)
    for pattern in ("a.b", "a.*", "#"):
        broker.bind("overlapping", "source", pattern)
    broker.bind("diamond", "source", "a.b")
    broker.bind("diamond", "through", "a.b")
    broker.bind_exchange("through", "source", "a.*")
    broker.publish("source", "a.b", b"")
    return {queue: broker.message_count(queue) for queue in ("overlapping", "diamond")}


def _unroutable() -> dict[str, Any]:
    channel = Broker().channel()
    channel.confirm()
    found = {"non_mandatory": "acked, dropped" if channel.publish("", "no", b"") == [] else "?"}
    try:
        channel.publish("", "no", b"", mandatory=True)
    except UnroutableError:
        found["mandatory"] = "returned"
    return found


def _held(*prefetches: int) -> dict[str, Any]:
    broker = Broker()
    broker.declare_queue("q")
    got: list[list[Delivery]] = [[] for _ in prefetches]
    for prefetch, mine in zip(prefetches, got, strict=True):
        broker.channel().consume("q", mine.append, prefetch=prefetch)
    _publish(broker, "q", 10)
    held = {str(number): [int(each.body) for each in mine] for number, mine in enumerate(got)}
    return {"held": held, "ready": broker.message_count("q")}


def _prefetch() -> dict[str, Any]:
    return {
        "prefetch_1_1": _held(1, 1),
        "prefetch_3_1": _held(3, 1),
        "unlimited": _held(0, 0),
    }


def _requeue() -> dict[str, Any]:
    broker = Broker()
    broker.declare_queue("q")
    _publish(broker, "q", 4)
    channel = broker.channel()
    head = channel.get("q")
    assert head is not None
    channel.nack(head.delivery_tag, requeue=True)
    drained = iter(lambda: broker.get("q"), None)
    return {"drain": [[each.body.decode(), each.redelivered] for each in drained]}


def _longest(overflow: str) -> dict[str, Any]:
    broker = Broker()
    broker.declare_queue("q", max_length=3, overflow=overflow)
    channel, nacked = broker.channel(), []
    channel.confirm()
    for number in range(5):
        try:
            channel.publish("", "q", str(number).encode())
        except NackedError:
            nacked.append(number)
    return {"kept": [int(body) for body in _bodies(broker, "q")], "nacked": nacked}


def _max_length() -> dict[str, Any]:
    return {"drop_head": _longest("drop-head"), "reject_publish": _longest("reject-publish")}


def _dead_letters() -> dict[str, Any]:
    clock = Clock()
    broker = Broker(clock=clock)
    broker.declare_queue("dead")
    options = {"dead_letter_exchange": "", "dead_letter_routing_key": "dead"}
    broker.declare_queue("q", **options)
    broker.declare_queue("short", max_length=1, **options)
    channel = broker.channel()

    broker.publish("", "q", b"")
    channel.reject(channel.get("q").delivery_tag, requeue=False)
    rejected = broker.get("dead")
    broker.publish("", "q", b"", expiration=1.0)
    clock.now = 1.0
    broker.pump()
    expired = broker.get("dead")
    _publish(broker, "short", 3)
    return {
        "rejected": {
            "reason": rejected.headers["x-death"][0]["reason"],
            "count": rejected.headers["x-death"][0]["count"],
            "redelivered": rejected.redelivered,
        },
        "expired": {
            "reason": expired.headers["x-death"][0]["reason"],
            "expiration_kept": expired.expiration,
        },
        "maxlen_order": _bodies(broker, "dead"),
    }


def _durability() -> dict[str, Any]:
    broker = Broker()
    broker.declare_queue("durable", MemoryQueue(), durable=True)
    broker.declare_queue("brief", MemoryQueue())
    for queue in ("durable", "brief"):
        broker.publish("", queue, b"persistent", persistent=True)
        broker.publish("", queue, b"transient")
    broker.restart()
    found: dict[str, Any] = {"durable_queue": _bodies(broker, "durable")}
    try:
        broker.get("brief")
    except NotFoundError as error:
        found["non_durable_queue"] = f"gone ({error.code})"
    return found


EXPRESSED: dict[str, Callable[[], dict[str, Any]]] = {
    "rmq-overlap-one-copy": _overlap,
    "rmq-unroutable": _unroutable,
    "rmq-prefetch-hold": _prefetch,
    "rmq-nack-requeue": _requeue,
    "rmq-maxlen": _max_length,
    "rmq-dlx": _dead_letters,
    "rmq-durability": _durability,
}


@pytest.mark.parametrize(
    ("case_id", "metric"),
    [(case_id, metric) for case_id in EXPRESSED for metric in CASES[case_id]["expected"]],
)
def test_the_broker_does_what_rabbitmq_did(case_id: str, metric: str) -> None:
    assert EXPRESSED[case_id]()[metric] == CASES[case_id]["expected"][metric]
