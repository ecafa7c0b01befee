"""Events through a broker: a fanout exchange, and a queue for each subscriber."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from math import isnan
from typing import Any

from simpy.events import Event

from ..environment import Timer
from ..publish_subscribe.node import BrokerNode
from ..publish_subscribe.subscriber import Subscriber
from ..record import Ledger, Record
from .base import EventPublisher, Setting, Way

__all__ = ["ByQueue", "QueuePublisher"]

EXCHANGE = "events"


class QueuePublisher(EventPublisher):
    """Publishes each event once, and waits until the broker confirms it.

    Parameters
    ----------
    setting : Setting
    node : BrokerNode
        Where events go.
    queues : sequence of str
        Which queues get a copy of each.
    store : float
        Seconds until the broker has stored an event; it stores several at once.
    """

    def __init__(
        self, setting: Setting, node: BrokerNode, queues: Sequence[str], store: float
    ) -> None:
        super().__init__(setting)
        self.stored_max = 0
        """The most copies that the queues held at once."""
        self._node = node
        self._queues = queues
        self._store = store

    def publish(self, number: int, timer: Timer) -> Generator[Event, Any, None]:
        self.calls += 1
        yield timer.at(self.network.arrives(self.env.now) + self._store)
        self._node.publish(
            EXCHANGE,
            "",
            b"%d" % number,
            number,
            self._events.created[number],
            queues=self._queues,
            persistent=True,
        )
        held = sum(queue.ready + queue.unacked for queue in self._node.broker.queues.values())
        self.stored_max = max(self.stored_max, held)
        yield timer.at(self.network.arrives(self.env.now))


class ByQueue(Way):
    """A broker, and subscribers to whom it delivers, and who ack what they have done.

    When a subscriber goes down its connection ends, and the broker has everything back that was
    not acked.

    Parameters
    ----------
    setting : Setting
    store : float
        Seconds until the broker has stored an event.
    prefetch : int
        The most messages that a subscriber holds without an ack.
    """

    def __init__(self, setting: Setting, *, store: float, prefetch: int) -> None:
        super().__init__(setting)
        env = setting.env
        self._node = BrokerNode(env, network=setting.network, record=Record("answered"))
        self._queues = [f"subscriber {number}" for number in range(1, self.subscribers + 1)]
        broker = self._node.broker
        broker.declare_exchange(EXCHANGE, "fanout", durable=True)
        for queue in self._queues:
            broker.declare_queue(queue, durable=True)
            broker.bind(queue, EXCHANGE)
        for queue, work, faults in zip(self._queues, setting.works, setting.faults, strict=True):
            Subscriber(env, self._node, queue, work, prefetch=prefetch, faults=faults, name=queue)
        self.publisher: QueuePublisher = QueuePublisher(setting, self._node, self._queues, store)

    def record(self) -> Record:
        record, events = self._node.record, self.events
        for number in self._not_stored():
            self._node.await_copies(self._queues, b"%d" % number, number, events.created[number])
        answered = record.extra["answered"]
        for row, number in enumerate(record.labels["message"]):
            if number >= 0:
                answered[row] = events.extra["answered"][number]
        # As in the other ways, a copy waits until its subscriber begins, and is done with its work;
        # who holds it meanwhile, and when the broker hears of it, is not what is compared.
        for name in ("delivered", "left", "acked"):
            record.extra.pop(name, None)
        # Whose queue a copy is in says for whom it is, done or not.
        labels = record.labels
        record.labels = {"event": labels["message"], "subscriber": labels["queue"]}
        return record

    def ledger(self) -> Ledger:
        record, known = self._node.record, self._node.ledger()
        done = sum(not isnan(finished) for finished in record.finished)
        # What is not stored is at the door, or in the publisher's hands.
        at_door = self.door.real.qsize() * self.subscribers
        in_hands = self.door.published * self.subscribers - known.published - at_door
        unacked = known.unacked + known.acked - done + in_hands
        return self.account(record, ready=known.ready, unacked=unacked, acked=done)

    def _not_stored(self) -> list[int]:
        """Events that were created and are not at the broker yet."""
        stored = set(self._node.record.labels["message"])
        return [
            number
            for number, created in enumerate(self.events.created)
            if not isnan(created) and number not in stored
        ]

    def stored_max(self) -> int:
        return self.publisher.stored_max

    def close(self) -> None:
        self._node.close()
