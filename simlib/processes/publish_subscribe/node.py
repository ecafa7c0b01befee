"""A real broker on simulated time."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from dataclasses import replace
from math import isfinite, isnan, nan
from operator import methodcaller
from typing import Any

from ...broker import Broker, Channel, Death, Delivery, QueueState
from ...broker.messages import Properties, properties_of
from ...queues import MessageQueue
from ..environment import Environment, Timer
from ..line import Line, do
from ..network import Link, across
from ..record import Ledger, Record
from .alarm import Alarm
from .copies import CopyRows

__all__ = ["BrokerNode"]


class BrokerNode:
    """A broker on a machine of its own, some way from everyone who uses it.

    Whatever happens to a message happens to it in the real broker; this class adds when. Publishes
    and deliveries take the machine time, one after the other, and everything is under way for a
    time before and after that.

    **The record has a row for each copy**: a message that reaches three queues is three copies,
    each with a fate of its own, and the ledger counts copies. One that reaches no queue, or one
    that is full, counts as one copy that was dropped. A dead letter is the same copy in another
    queue. The label ``message`` says which message a copy is of, and ``queue`` where it was put
    first, as a place in ``queue_names``; ``subscriber`` says who did it.

    Queues are declared on ``broker`` before the run begins.

    Parameters
    ----------
    env : Environment
    publish_cost, deliver_cost : float
        Time that a publish and a delivery take the broker's machine (s).
    network : float or Link
        The way between the broker and whoever uses it, each way; a number is its latency (s).
    dead_letters : collection of str
        Queues whose messages count as dead letters, and no more as waiting to be done.
    record : Record, optional
        Where to write down what happens; a new one if there is none.
    """

    def __init__(
        self,
        env: Environment,
        *,
        publish_cost: float = 0.0,
        deliver_cost: float = 0.0,
        network: float | Link = 0.0,
        dead_letters: Collection[str] = (),
        record: Record | None = None,
    ) -> None:
        times = {"publish_cost": publish_cost, "deliver_cost": deliver_cost}
        for name, seconds in times.items():
            if not (seconds >= 0 and isfinite(seconds)):
                raise ValueError(f"{name} must be >= 0 s, got {seconds!r}")
        self.env = env
        self.broker = Broker(clock=env.clock, on_death=self._died)
        self.publish_cost = publish_cost
        self.deliver_cost = deliver_cost
        self.network = across(env, network)
        self.dead_letters = frozenset(dead_letters)
        self.record = Record() if record is None else record
        for name in ("delivered", "left", *(["acked"] if self.network.takes_time else [])):
            self.record.add(name)
        self.copies = CopyRows(env, self.record)
        self.record.label("subscriber")
        self.queue_names = self.copies.queue_names
        """The queues, in the order in which they were declared."""
        self.busy = 0.0
        """Time that the machine was occupied, or will be with what it has begun (s)."""
        self.dropped = 0
        """Messages that no queue was to get."""
        self.missed = 0
        """Messages that got lost on their way to the broker."""
        self.in_hand: set[int] = set()
        """Rows of copies that count as acked for the broker while their consumer has them."""
        self.vanished = 0
        """CopyRows that were acked for the broker when their consumer crashed."""
        self.on_restart: list[Callable[[], object]] = []
        """Called when the broker goes down: whoever has a connection has none any more."""
        self.on_return: list[Callable[[], object]] = []
        """Called when the broker is back: who needs a connection can have one."""
        self.deliveries = 0
        """How many deliveries there were."""
        self.latest = self.copies.latest
        """The latest delivery of each copy, counted from 1, by row; 0: none yet."""
        # How copies ended for good; and those that went on, as dead letters or by a consumer.
        self._gone: Counter[str] = Counter()
        self._moved = 0
        # Where copies are that are not in the queue they were put into first, by their rows.
        self._moved_to: dict[int, str] = {}
        self._carried = 0
        # Queues that a restart deleted, as they were.
        self._former: list[QueueState] = []
        self._free_at = 0.0
        self._inside = Line(env, do, 1) if publish_cost else None
        self.alarm = Alarm(env, self.broker)
        self.up = True
        """Whether the broker is there for those who use it."""
        env.process(self._begin())

    def _begin(self) -> Generator[Timer, Any, None]:
        yield Timer(self.env, 0).at(self.env._now)
        for name in self.broker.queues:
            self.copies.place(name)
        self.alarm.look_for_times()

    # Messages come

    def receive(self, publish: Callable[[], object]) -> None:
        """Do a publish that has arrived, as soon as the machine gets round to it.

        While the broker is down it is done at once, and finds nobody there: ``up`` is False.
        """
        if self._inside is None or not self.up:
            publish()
        else:
            self._inside.send(publish, self.occupy(self.publish_cost))

    def occupy(self, seconds: float) -> float:
        """Give the machine so much more to do (s), and say when that will be done (s)."""
        now = self.env._now
        if not seconds:
            return now
        self._free_at = end = (now if now > self._free_at else self._free_at) + seconds
        self.busy += seconds
        return end

    def publish(
        self,
        exchange: str,
        routing_key: str,
        body: bytes,
        message: int,
        created: float,
        headers: Mapping[str, Any] | None = None,
        queues: Sequence[str] = (),
        **properties: Any,
    ) -> bool:
        """Publish, now; False if a queue refused the message.

        Parameters
        ----------
        exchange, routing_key : str
            Where to.
        body : bytes
            Different for each publish.
        message : int
            Which message this is about.
        created : float
            When it was due to be sent (s).
        headers : mapping, optional
            As for ``Broker.publish``, like the other properties.
        queues : sequence of str
            Which queues are known to get a copy: their rows are in this order.
        """
        about = properties_of(exchange, routing_key, **properties)
        return self.publish_under(about, body, message, created, headers, queues)

    def publish_under(
        self,
        properties: Properties,
        body: bytes,
        message: int,
        created: float,
        headers: Mapping[str, Any] | None = None,
        queues: Sequence[str] = (),
    ) -> bool:
        """``publish``, for those who say the same about many messages, and put it together once."""
        copies = self.copies
        copies.publishing = (message, created)
        copied = copies.made
        if copied:
            copied.clear()
        for queue in queues:
            copies.new(queue, body)
        reached, refused = self.broker.offer(properties, body, headers)
        # Whoever waited in a queue has asked for its copy, which has its row already.
        if not copied and not refused and len(reached) == 1:
            copies.new(reached[0], body)
        elif refused or not reached or reached != copied:
            self._note_copies(reached, refused, body)
        if self.alarm.timed or properties.expiration is not None:
            self.alarm.timed = True
            self.alarm.watch()
        return not refused

    def _note_copies(self, reached: list[str], refused: list[str], body: bytes) -> None:
        """Make rows for the copies that nobody has asked for while they were stored."""
        for queue in reached:
            if queue not in self.copies.made:
                self.copies.new(queue, body)
        for queue in refused:
            self._drop(self.copies.new(queue, body))
        if not reached and not refused:
            self.dropped += 1
            self._drop(self.copies.new("", body))

    def miss(self, message: int, created: float) -> None:
        """A message got lost on its way, and nobody will send it again: a copy that is lost."""
        self.copies.publishing = (message, created)
        row = self.copies.new("", b"missed %d" % message)
        self.record.enqueued[row] = nan
        self.record.lost.append(row)
        self.missed += 1

    def await_copies(
        self, queues: Sequence[str], body: bytes, message: int, created: float
    ) -> None:
        """Make rows for copies of a message that is still at its publisher when the run ends."""
        self.copies.publishing = (message, created)
        for queue in queues:
            self.record.enqueued[self.copies.new(queue, body)] = nan

    def row(self, queue: str, body: bytes, headers: Mapping[str, Any] | None) -> int:
        """The record's row for a copy in a queue, which may be one that it got to as it died."""
        return self.copies.find(queue, body, headers)

    def rows_of(self, queue: str) -> Mapping[bytes, int]:
        """The rows of the copies that were put into a queue first, by their bodies, as they come.

        Every message with headers has to be asked for with ``row``.
        """
        return self.copies.by_queue[queue]

    def _drop(self, row: int) -> None:
        """Note a copy that was never stored."""
        self.record.enqueued[row] = nan
        self.record.dropped.append(row)

    # Messages go

    def lose(self, row: int) -> None:
        """A copy is gone that counts as acked for the broker: its consumer crashed with it."""
        self.vanished += 1
        self.record.lost.append(row)
        self.record.extra["left"][row] = self.env._now

    def _died(self, death: Death) -> None:
        row = self.row(death.queue, death.body, death.headers)
        record, now = self.record, self.env._now
        left = record.extra["left"]
        if death.queue in self.dead_letters and row in record.dead_lettered:
            record.dead_lettered.remove(row)
        if death.reached:
            self._moved += 1
            self._moved_to[row] = death.reached[0]
            # Extra copies of a dead letter, and those that found no room, count as new ones.
            if not self.dead_letters.isdisjoint(death.reached):
                record.dead_lettered.append(row)
                left[row] = now
            return
        reason = death.reason
        if death.refused:
            self._moved += 1
            numbers = record.dropped
        else:
            self._gone[reason] += 1
            numbers = _account(record, reason)
        numbers.append(row)
        left[row] = now

    # Dead letters

    def carry(self, channel: Channel, delivery: Delivery, row: int, target: str) -> None:
        """Let a consumer put a message that it holds into another queue, now.

        It is published before it is acked: what crashes in between is there twice, not lost.
        """
        record = self.record
        source = self.queue_names[record.labels["queue"][row]]
        headers = {"x-first-death-queue": source, **delivery.headers}
        if not self.broker.publish(
            "", target, delivery.body, headers=headers, persistent=delivery.persistent
        ):
            record.dropped.append(row)
            record.extra["left"][row] = self.env._now
        elif target in self.dead_letters:
            record.dead_lettered.append(row)
            record.extra["left"][row] = self.env._now
        self._moved_to[row] = target
        channel.ack(delivery.delivery_tag)
        self._carried += 1

    def replay(self, queue: str, most: int | None = None) -> int:
        """Put dead letters back into the queues they died in first, now; how many that were.

        Their attempts are counted anew. As with ``carry``, none is lost on the way.

        Parameters
        ----------
        queue : str
            Which dead letter queue.
        most : int, optional
            The most to put back; None: as many as there are now.
        """
        record, broker = self.record, self.broker
        most = broker.message_count(queue) if most is None else most
        replayed = 0
        with broker.channel() as channel:
            while replayed < most and (delivery := channel.get(queue)) is not None:
                row = self.row(queue, delivery.body, delivery.headers)
                home = delivery.headers.get("x-first-death-queue", queue)
                headers = {
                    name: value
                    for name, value in delivery.headers.items()
                    if not name.startswith(("x-death", "x-first-death"))
                }
                if row in record.dead_lettered:
                    record.dead_lettered.remove(row)
                    record.extra["left"][row] = nan
                self._moved_to.pop(row, None)
                if not broker.publish(
                    "", home, delivery.body, headers=headers, persistent=delivery.persistent
                ):
                    record.dropped.append(row)
                    record.extra["left"][row] = self.env._now
                channel.ack(delivery.delivery_tag)
                self._carried += 1
                replayed += 1
        return replayed

    # Ends

    def restart(self, stop: Callable[[MessageQueue], object] = methodcaller("close")) -> None:
        """Stop and start the broker, now; what that loses is lost. See ``Broker.restart``.

        All channels are closed, and subscribers connect again.
        """
        self.go_down(stop)
        self.come_back()

    def go_down(self, stop: Callable[[MessageQueue], object]) -> None:
        """Stop the broker, now, and with it all connections; what that loses is lost.

        Until it is told to come back nobody can use it. Publishes that the machine had not got
        round to find nobody there, like those that arrive.
        """
        self.up = False
        self.alarm.stop()
        if self._inside is not None:
            unread = [publish for _, publish in self._inside.under_way]
            self._inside.under_way.clear()
            for publish in unread:
                publish()
        self.busy -= max(0.0, self._free_at - self.env._now)
        self._free_at = self.env._now
        before = self.broker.queues
        self.broker.restart(stop)
        after = self.broker.queues
        self._former += [
            replace(
                state,
                ready=0,
                unacked=0,
                fates={
                    **state.fates,
                    "lost": state.fates.get("lost", 0) + state.ready + state.unacked,
                },
            )
            for name, state in before.items()
            if name not in after
        ]
        # A queue that kept nothing has lost everything. Of one that a power cut left with a part,
        # nobody can tell which part: its messages count as waiting until they come.
        kept = {name for name in after if after[name].ready}
        for told in self.on_restart:
            told()
        for home, rows in self.copies.by_queue.items():
            for row in rows.values():
                if home and self._moved_to.get(row, home) not in kept:
                    self._forget(row)

    def come_back(self) -> None:
        """The broker is up again, now, with what it has kept."""
        self.up = True
        self.alarm.go_on()
        for told in self.on_return:
            told()

    def _forget(self, row: int) -> None:
        """Note that a copy is lost, if it was in the broker."""
        record = self.record
        left = record.extra["left"]
        if row in record.dead_lettered:
            record.dead_lettered.remove(row)
        elif not isnan(left[row]) or row in self.in_hand or isnan(record.enqueued[row]):
            return
        record.lost.append(row)
        left[row] = self.env._now

    def close(self) -> None:
        """Close the broker; what this does to messages is no part of the run any more."""
        self.broker.on_death = None
        self.broker.close()

    def ledger(self) -> Ledger:
        """Where all copies are, asked from the real broker."""
        states = [*self.broker.queues.values(), *self._former]
        dead = sum(state.ready for state in states if state.name in self.dead_letters)
        lost = sum(state.fates.get("lost", 0) for state in states)
        acked = sum(state.acked for state in states) - self._carried
        refused = sum(state.refused for state in states)
        return Ledger(
            published=sum(state.published for state in states)
            + refused
            + self.dropped
            + self.missed
            - self._moved
            - self._carried,
            acked=acked - len(self.in_hand) - self.vanished,
            ready=sum(state.ready for state in states) - dead,
            unacked=sum(state.unacked for state in states) + len(self.in_hand),
            dead_lettered=dead,
            expired=self._gone["expired"],
            dropped=self.dropped + refused + self._gone["maxlen"] + self._gone["purged"],
            lost=lost
            + self._gone["rejected"]
            + self._gone["delivery_limit"]
            + self.vanished
            + self.missed,
            duplicates=len(self.record.attempts),
            redelivered=self.record.redelivered(),
            redone=self.record.redone(),
        )


def _account(record: Record, reason: str) -> array[int]:
    """Where a copy is noted that died so, and went nowhere."""
    if reason == "expired":
        return record.expired
    return record.dropped if reason in ("maxlen", "purged") else record.lost
