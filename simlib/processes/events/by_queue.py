"""Events through a broker: a fanout exchange, and a queue for each subscriber."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Sequence
from typing import Any

from simpy.events import Event

from ...broker import Broker, Channel, Delivery
from ..draws import Draws
from ..environment import Environment, Timer
from ..faults import Faults
from ..network import Link, across
from ..point_to_point.queue import SimQueue
from ..record import Record
from .base import EventPublisher, EventWorker

__all__ = ["FanoutPublisher", "QueueReader"]


class FanoutPublisher(EventPublisher):
    """Publishes each event once, and waits until the broker confirms it.

    Parameters
    ----------
    env, door, records, threads, network
        As for :class:`EventPublisher`.
    broker : Broker
        Where events go.
    exchange : str
        Which one of its exchanges takes them.
    store : float
        Seconds that the broker takes to store an event.
    """

    def __init__(
        self,
        env: Environment,
        door: SimQueue,
        records: Sequence[Record],
        broker: Broker,
        exchange: str,
        *,
        threads: int,
        network: float | Link,
        store: float,
    ) -> None:
        super().__init__(env, door, records, threads=threads, network=network)
        self.stored_max = 0
        """The most copies that its queues held at once."""
        self._broker = broker
        self._exchange = exchange
        self._store = store

    def publish(self, number: int, timer: Timer) -> Generator[Timer, Any, None]:
        self.calls += 1
        yield timer.at(self.network.arrives(self.env.now) + self._store)
        self.note_stored(number)
        self._broker.publish(self._exchange, "", b"%d" % number, persistent=True)
        held = sum(queue.ready + queue.unacked for queue in self._broker.queues.values())
        self.stored_max = max(self.stored_max, held)
        yield timer.at(self.network.arrives(self.env.now))


class QueueReader(EventWorker):
    """A subscriber to whom the broker delivers, and who acks what it has done.

    When it goes down, its connection ends, and the broker has everything back that was not acked.

    Parameters
    ----------
    env : Environment
    broker : Broker
    queue : str
        Which queue is its own.
    record : Record
        A row for each event.
    work : Draws
        The work that each event brings (s).
    faults : Faults
        When it is down.
    network : float or Link
        The way of a delivery or an ack; a number is its latency (s).
    prefetch : int
        The most messages it holds without an ack.
    """

    def __init__(
        self,
        env: Environment,
        broker: Broker,
        queue: str,
        record: Record,
        work: Draws,
        *,
        faults: Faults,
        network: float | Link,
        prefetch: int,
    ) -> None:
        super().__init__(env, record, work, faults)
        self.acking = 0
        """How many events are done whose acks are under way."""
        self._broker = broker
        self._queue = queue
        self._network = across(env, network)
        self._prefetch = prefetch
        self._held: deque[Delivery] = deque()
        self._idle: Timer | None = None
        self._channel = self._connect()
        env.process(self._run())
        env.process(self._go_down())

    def _connect(self) -> Channel:
        channel = self._broker.channel()

        def deliver(delivery: Delivery) -> None:
            self._later(lambda: self._arrive(channel, delivery))

        channel.consume(self._queue, deliver, prefetch=self._prefetch)
        return channel

    def _later(self, act: Callable[[], object]) -> None:
        """Have something done when a message has crossed the network."""

        def arrive(_: Event) -> None:
            act()

        way = self._network.arrives(self.env.now) - self.env.now
        self.env.timeout(way).callbacks.append(arrive)

    def _arrive(self, channel: Channel, delivery: Delivery) -> None:
        if channel is not self._channel or self.faults.up_at(self.env.now) > self.env.now:
            # Nobody is there to take it; the broker still has it.
            self.deliver_in_vain(int(delivery.body))
            return
        self._held.append(delivery)
        if self._idle is not None:
            self._idle.fire()
            self._idle = None

    def _run(self) -> Generator[Timer, Any, None]:
        timer = Timer(self.env, 0)
        while True:
            yield from self.wait_until_up(timer)
            if not self._held:
                self._idle = timer
                yield timer
                continue
            delivery = self._held.popleft()
            done = yield from self.work_on(int(delivery.body), timer)
            if done:
                self._ack(self._channel, delivery)

    def _ack(self, channel: Channel, delivery: Delivery) -> None:
        self.acking += 1
        self._later(lambda: self._acked(channel, delivery))

    def _acked(self, channel: Channel, delivery: Delivery) -> None:
        self.acking -= 1
        channel.ack(delivery.delivery_tag)

    def _go_down(self) -> Generator[Timer, Any, None]:
        timer = Timer(self.env, 1)
        for outage in self.faults.outages:
            yield timer.at(outage.start)
            for delivery in self._held:
                self.deliver_in_vain(int(delivery.body))
            self._held.clear()
            # The end of the connection gets to the broker after the last ack.
            channel = self._channel
            self._later(channel.close)
            yield timer.at(outage.end)
            self._channel = self._connect()
