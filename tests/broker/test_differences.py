"""What our broker does otherwise than RabbitMQ on purpose: the list in ``simlib.broker``."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import Any

import pytest

from simlib.broker import Broker, PreconditionFailedError
from simlib.queues import MemoryQueue, MessageQueue


class Returning(MemoryQueue):
    """A queue that is left by a crash as a queue on disk is: its messages come back."""

    def crash(self) -> None:
        for message in list(self._unacked.values()):
            self.nack(message)


def test_a_publish_tells_at_once_who_has_the_message(rabbitmq: Any) -> None:
    broker, got = Broker(), []
    for name in "ba":
        broker.declare_queue(name)
        broker.bind(name, "amq.fanout")
    broker.channel().consume("a", got.append)
    assert broker.publish("amq.fanout", "", b"1") == ["a", "b"]
    assert [delivery.body for delivery in got] == [b"1"]
    assert rabbitmq.broker.publish("", rabbitmq.queue("q"), b"1") is None


def test_an_error_comes_out_of_the_call_itself(rabbitmq: Any) -> None:
    with pytest.raises(PreconditionFailedError):
        Broker().channel().ack(1)
    channel = rabbitmq.channel()
    channel.ack(1)
    with pytest.raises(PreconditionFailedError):
        rabbitmq.until(lambda: False)


def test_a_durable_queue_in_memory_comes_back_empty() -> None:
    broker = Broker()
    broker.declare_queue("q", durable=True)
    broker.publish("", "q", b"1", persistent=True)
    broker.restart()
    assert broker.message_count("q") == 0
    assert broker.queues["q"].fates == {"lost": 1}


def test_any_queue_can_have_a_delivery_limit(rabbitmq: Any) -> None:
    broker = Broker()
    broker.declare_queue("q", delivery_limit=0)
    broker.publish("", "q", b"1")
    channel = broker.channel()
    channel.nack(channel.get("q").delivery_tag)
    assert broker.queues["q"].fates == {"delivery_limit": 1}
    with pytest.raises(PreconditionFailedError, match="durable"):
        rabbitmq.queue("q", delivery_limit=0)


def test_attempts_are_counted_where_rabbitmq_only_knows_more_than_one(rabbitmq: Any) -> None:
    def attempts(broker: Any, queue: str) -> list[int]:
        broker.publish("", queue, b"1")
        channel, seen = broker.channel(), []
        for _ in range(3):
            delivery = channel.get(queue)
            seen.append(delivery.attempts)
            channel.nack(delivery.delivery_tag)
        return seen

    broker = Broker()
    broker.declare_queue("q")
    assert attempts(broker, "q") == [1, 2, 3]
    assert attempts(rabbitmq.broker, rabbitmq.queue("q")) == [1, 2, 2]


def test_names_that_the_broker_gives_are_numbered() -> None:
    for _ in range(2):
        broker = Broker()
        assert [broker.declare_queue() for _ in range(2)] == ["amq.gen-1", "amq.gen-2"]


def test_times_are_exact(clock: Any, rabbitmq: Any) -> None:
    broker = Broker(clock=clock)
    broker.declare_queue("q")
    broker.publish("", "q", b"1", expiration=2**-20)
    assert broker.due_in() == 2**-20
    assert broker.get("q").expiration == 2**-20
    queue = rabbitmq.queue("q")
    rabbitmq.put(queue, b"1", expiration=60.0004)
    assert rabbitmq.broker.get(queue).expiration == 60.0


def test_copies_are_stored_in_the_order_of_names() -> None:
    stored = []

    class Noting(MemoryQueue):
        def put(self, body: bytes, *args: Any, **options: Any) -> int:
            stored.append(self)
            return super().put(body, *args, **options)

    queues: dict[str, MessageQueue] = {name: Noting() for name in "cab"}
    broker = Broker()
    for name, queue in queues.items():
        broker.declare_queue(name, queue)
        broker.bind(name, "amq.fanout")
    broker.publish("amq.fanout", "", b"")
    assert stored == [queues[name] for name in "abc"]


def test_what_was_looked_at_ahead_of_its_turn_is_redelivered_after_a_crash(clock: Any) -> None:
    storage = Returning()
    broker = Broker(clock=clock)
    broker.declare_queue("q", storage, durable=True)
    broker.publish("", "q", b"1", expiration=9.0, persistent=True)
    broker.publish("", "q", b"2", persistent=True)
    broker.pump()
    storage.crash()
    after = Broker(clock=clock)
    after.declare_queue("q", storage, durable=True)
    deliveries = [after.get("q") for _ in range(2)]
    assert [(d.body, d.redelivered) for d in deliveries] == [(b"1", True), (b"2", False)]


def test_a_death_that_cannot_be_one_is_left_out() -> None:
    broker = Broker()
    broker.declare_queue("dead")
    broker.declare_queue("q", dead_letter_exchange="", dead_letter_routing_key="dead")
    broker.publish("", "q", b"", headers={"x-death": [1, {"queue": "b"}, [2]]})
    channel = broker.channel()
    channel.reject(channel.get("q").delivery_tag, requeue=False)
    latest, *rest = broker.get("dead").headers["x-death"]
    assert (latest["queue"], latest["count"], rest) == ("q", 1, [{"queue": "b"}])


def test_what_dies_at_the_head_of_a_queue_with_priorities_dies_at_once(
    clock: Any, rabbitmq: Any
) -> None:
    broker = Broker(clock=clock)
    broker.declare_queue("q", max_priority=2)
    queue = rabbitmq.queue("q", max_priority=2)
    for server, name in ((broker, "q"), (rabbitmq.broker, queue)):
        server.publish("", name, b"0")
        server.publish("", name, b"1", priority=1, expiration=0.01)
    clock.advance(0.02)
    time.sleep(0.1)
    assert broker.message_count("q") == 1
    assert rabbitmq.broker.message_count(queue) == 2


def test_headers_may_hold_what_pika_does_not_send(rabbitmq: Any) -> None:
    broker = Broker()
    broker.declare_queue("q")
    headers = {"fraction": 0.5, "large": 2**70}
    broker.publish("", "q", b"", headers=headers)
    assert broker.get("q").headers == headers
    for name, error in (("fraction", TypeError), ("large", ValueError)):
        with pytest.raises(error):
            rabbitmq.put(rabbitmq.queue("q"), b"", headers={name: headers[name]})


def test_earlier_deaths_stay_in_order_where_rabbitmq_turns_them_round(rabbitmq: Any) -> None:
    def reasons(server: Any, prefix: str) -> list[str]:
        names = [f"{prefix}{name}" for name in "abcd"]
        for name, following in pairwise(names):
            server.declare_queue(name, dead_letter_exchange="", dead_letter_routing_key=following)
        server.declare_queue(names[-1])
        server.publish("", names[0], b"")
        channel = server.channel()
        for name in names[:-1]:
            while (delivery := channel.get(name)) is None:
                server.pump()
            channel.reject(delivery.delivery_tag, requeue=False)
        while (delivery := channel.get(names[-1])) is None:
            server.pump()
        return [death["queue"].removeprefix(prefix) for death in delivery.headers["x-death"]]

    assert reasons(Broker(), "") == ["c", "b", "a"]
    assert reasons(rabbitmq.broker, rabbitmq.name("")) == ["c", "a", "b"]
