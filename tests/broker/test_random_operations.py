"""Random operations, done to both brokers: the same deliveries, and the same dead letters.

Dead letters go in no circles, and nothing expires in a queue with priorities, which RabbitMQ
notices later (see test_differences.py). A channel has messages of one queue, and of one consumer or
of none: RabbitMQ's queues do not wait for each other, and ``multiple`` means one consumer after the
other.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from simlib.broker import Broker, Delivery, MessageChannel, NackedError, NotFoundError

STEPS = 60
SOON = 0.02
"""A time that is over before the next operation (seconds)."""


class Conversation:
    """A channel of each broker, for one queue, and what was delivered on them."""

    def __init__(self, queue: str, channels: list[MessageChannel]) -> None:
        self.queue = queue
        self.channels = channels
        self.got: list[list[Any]] = [[] for _ in channels]
        self.held: list[int] = []
        self.tag: str | None = None

    def consume(self, prefetch: int, auto_ack: bool) -> None:
        self.tag = "tag"
        for channel, got in zip(self.channels, self.got, strict=True):

            def note(delivery: Delivery, got: list[Any] = got) -> None:
                got.append(_seen(delivery))
                if got is self.got[0] and not auto_ack:
                    self.held.append(delivery.delivery_tag)

            channel.consume(
                self.queue, note, prefetch=prefetch, auto_ack=auto_ack, consumer_tag=self.tag
            )

    def get(self) -> None:
        for channel, got in zip(self.channels, self.got, strict=True):
            delivery = channel.get(self.queue)
            got.append(None if delivery is None else _seen(delivery))
            if delivery is not None and got is self.got[0]:
                self.held.append(delivery.delivery_tag)

    def answer(self, tag: int, do: Callable[[MessageChannel], None], multiple: bool) -> None:
        self.held = [
            other for other in self.held if other != tag and not (multiple and other < tag)
        ]
        for channel in self.channels:
            do(channel)


class Both:
    """Our broker and RabbitMQ, side by side."""

    def __init__(self, rng: Random, rabbitmq: Any, clock: Any) -> None:
        self.rng = rng
        self.rabbitmq = rabbitmq
        self.clock = clock
        self.ours = Broker(clock=clock)
        self.brokers = [self.ours, rabbitmq.broker]
        self.names = [rabbitmq.name(name) for name in "abc"]
        self.options = [
            _options(rng, self.names[number + 1 :]) for number in range(len(self.names))
        ]
        self.publishers = [broker.channel() for broker in self.brokers]
        for publisher in self.publishers:
            publisher.confirm()
        self.conversations: list[Conversation] = []
        self.published = 0
        for name in self.names:
            self.declare(name)

    def declare(self, name: str) -> None:
        options = self.options[self.names.index(name)]
        for broker in self.brokers:
            broker.declare_queue(name, **options)

    def step(self) -> None:
        """Do the same to both, whatever it is, and see that they agree."""
        rng = self.rng
        name = rng.choice(self.names)
        there = name in self.ours.queues
        chance = rng.random()
        if chance < 0.4 or not there:
            self.publish(name)
            if not there and rng.random() < 0.5:
                self.declare(name)
        elif chance < 0.55:
            self.connect(name)
        elif chance < 0.57:
            ours, theirs = (broker.delete_queue(name) for broker in self.brokers)
            assert ours == theirs
        elif chance < 0.59:
            ours, theirs = (broker.purge(name) for broker in self.brokers)
            assert ours == theirs
        elif self.conversations:
            self.talk(rng.choice(self.conversations))
        self.agree()

    def publish(self, name: str) -> None:
        rng = self.rng
        options = {"priority": rng.randint(0, 4)}
        if rng.random() < 0.3 and "max_priority" not in self.options[self.names.index(name)]:
            options["expiration"] = rng.choice([0, SOON, 3600])
        soon = options.get("expiration") == SOON
        for _ in range(1 if soon else rng.choice([1, 1, 1, 2, 4])):
            self.published += 1
            body = b"%d" % self.published
            ours, theirs = (_publish(each, "", name, body, **options) for each in self.publishers)
            assert ours == theirs
            self.clock.advance(0.001)
        if soon:
            time.sleep(2 * SOON)
            self.clock.advance(1.0)

    def connect(self, name: str) -> None:
        conversation = Conversation(name, [broker.channel() for broker in self.brokers])
        self.conversations.append(conversation)
        if self.rng.random() < 0.8:
            conversation.consume(self.rng.randint(0, 2), self.rng.random() < 0.1)

    def talk(self, conversation: Conversation) -> None:
        rng, held, chance = self.rng, conversation.held, self.rng.random()
        if chance < 0.1:
            self.conversations.remove(conversation)
            for channel in conversation.channels:
                channel.close()
        elif chance < 0.2 and conversation.tag:
            for channel in conversation.channels:
                channel.cancel(conversation.tag)
        elif held and chance < 0.8:
            tag, multiple, requeue = rng.choice(held), rng.random() < 0.3, rng.random() < 0.7
            if rng.random() < 0.5:
                conversation.answer(tag, lambda each: each.ack(tag, multiple), multiple)
            else:
                conversation.answer(tag, lambda each: each.nack(tag, multiple, requeue), multiple)
        elif conversation.tag is None and conversation.queue in self.ours.queues:
            conversation.get()

    def agree(self) -> None:
        """Wait until RabbitMQ has done everything, and compare."""
        self.clock.advance(0.001)
        self.ours.pump()
        counts = [
            self.ours.message_count(name) if name in self.ours.queues else None
            for name in self.names
        ]

        def alike() -> bool:
            # What was said on the channels is with the queues now, and what these had to say is
            # with those that follow, and then with the channels.
            self.rabbitmq.broker.pump()
            if [self._count(name) for name in self.names] != counts:
                return False
            self.rabbitmq.broker.pump()
            return all(len(each.got[0]) == len(each.got[1]) for each in self.conversations)

        self.rabbitmq.until(alike)
        for each in self.conversations:
            assert each.got[0] == each.got[1]

    def _count(self, name: str) -> int | None:
        try:
            return self.rabbitmq.broker.message_count(name)
        except NotFoundError:
            return None

    def close(self) -> None:
        """Give back everything that is held, and compare what there is."""
        for conversation in self.conversations:
            for channel in conversation.channels:
                channel.close()
            self.agree()
        self.conversations.clear()
        for name in self.names:
            if name in self.ours.queues:
                ours, theirs = (
                    list(iter(lambda b=broker, n=name: _seen(b.get(n)), None))
                    for broker in self.brokers
                )
                assert ours == theirs


def _options(rng: Random, following: list[str]) -> dict[str, Any]:
    options: dict[str, Any] = {"auto_delete": rng.random() < 0.3}
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


@pytest.mark.parametrize("seed", range(12))
def test_both_brokers_do_alike(rabbitmq: Any, clock: Any, seed: int) -> None:
    both = Both(Random(seed), rabbitmq, clock)
    for _ in range(STEPS):
        both.step()
    both.close()
