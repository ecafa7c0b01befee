"""A queue of the broker: a real message queue, and AMQP's rules about what it may hold."""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from math import inf
from typing import Any

from ..queues import Empty, Full, LeaseLostError, MemoryQueue, Message, MessageQueue
from .consumers import Consumer
from .messages import ENVELOPE, Death, Properties
from .options import QueueOptions
from .queue_broker import QueueBroker

__all__ = ["BrokerQueue"]

# What happens to a message that is asked for: itself, and what its publisher said about it.
Taken = tuple[Message, Properties]


class BrokerQueue:
    """A real message queue under AMQP's rules.

    Messages with nothing persistent about them keep their properties in the broker's memory, as
    all do where the messages are there, too: they would not outlive it anyway. Those of persistent
    ones stand in their headers, with the message.

    Where messages can expire, the one at the head has to be looked at while it waits. There the
    queue takes it out of the real queue ahead of its delivery.

    Parameters
    ----------
    name : str
        What it is called.
    options : QueueOptions
        How it behaves.
    storage : MessageQueue
        What keeps the messages.
    reopen : callable or None
        Opens the storage again after a restart; None: it is there all the time.
    owner : int or None
        The number of the channel whose it is, if it is exclusive.
    broker : QueueBroker
        Its clock, its deliveries and its dead letters.
    """

    def __init__(
        self,
        name: str,
        options: QueueOptions,
        storage: MessageQueue,
        reopen: Callable[[], MessageQueue] | None,
        owner: int | None,
        broker: QueueBroker[BrokerQueue],
    ) -> None:
        self.name = name
        self.options = options
        self.storage = storage
        self.reopen = reopen
        self.owner = owner
        self.deleted = False
        self.published = 0
        self.acked = 0
        # What else became of messages: expired, maxlen, rejected, delivery_limit, purged, lost.
        self.fates: Counter[str] = Counter()
        self.refused = 0
        self.consumers: dict[tuple[int, str], Consumer] = {}
        # Consumers in the order of their turns; those found without credit are paused.
        self._turns: deque[Consumer] = deque()
        self._broker = broker
        self._about: dict[int, Properties] = {}
        # The queue's head, taken ahead of its delivery; as a heap, in the order of the storage.
        self._front: list[tuple[int, int, Message, Properties]] = []
        # Whether the storage may hold something that goes before one of these.
        self._overtaken = False
        # Whether nobody but the broker has the storage, which does not outlive it either.
        self._own = reopen is MemoryQueue
        # Whether messages may expire here; whether nothing at all needs care; and whether what is
        # ready is just what the broker remembers the properties of.
        self._timed = self._plain = self._all_known = False
        self._expect_times(options.message_ttl is not None)
        self._notice_stored()
        self.note_use()

    def note_use(self) -> None:
        """Note that somebody uses the queue now."""
        self.used = self._broker.clock()

    def _notice_stored(self) -> None:
        """Look out for times among the messages that were there before."""
        if self.storage.qsize():
            self._expect_times(True)

    def _expect_times(self, expected: bool) -> None:
        """Say whether messages here may expire."""
        self._timed = expected
        self._plain = not expected and self.options.max_length is None
        self._all_known = self._own and not expected

    # Messages come

    def accept(
        self, body: bytes, headers: Mapping[str, Any] | None, properties: Properties
    ) -> bool:
        """Store a message, and deliver it if somebody waits; False if there is no room for it."""
        if not self._plain:
            self.enforce_limits_at_rest()
            if self._full():
                self.refused += 1
                return False
        _, _, priority, persistent, expiration, _, _, _ = properties
        if expiration is not None:
            self._expect_times(True)
        if self._timed:
            properties = properties._replace(expires=self._end_of(properties))
        known = self._own or not persistent
        stored = headers if known else {**(headers or {}), ENVELOPE: list(properties)}
        if priority:
            priority = min(priority, self.options.max_priority or 0)
            self._overtaken = True
        try:
            if stored is None and not priority:
                number = self.storage.put(body, False)
            else:
                number = self.storage.put(body, False, headers=stored, priority=priority)
        except Full:
            self.refused += 1
            return False
        if known:
            self._about[number] = properties
        self.published += 1
        if self._turns:
            self._broker.dispatch(self)
        if not self._plain:
            self.enforce_limits_at_rest()
        return True

    def _full(self) -> bool:
        """Whether the queue refuses what comes now."""
        most = self.options.max_length
        if most is None or self.options.overflow != "reject-publish" or self.ready < most:
            return False
        # What is about to be delivered takes no room.
        credit = sum(each.prefetch - each.held if each.prefetch else inf for each in self._turns)
        return max(0, self.ready - credit) >= most

    def _end_of(self, properties: Properties) -> float | None:
        """When a message that comes now has to die."""
        times = [properties.expiration, self.options.message_ttl]
        limits = [time for time in times if time is not None]
        return self._broker.clock() + min(limits) if limits else None

    # Messages go

    def take(self) -> Taken | None:
        """The message that goes first, from now on unacked; None if there is none."""
        if self._timed:
            return self._take_in_time()
        try:
            message = self.storage.get(False)
        except Empty:
            self._about.clear()  # Somebody may have taken messages without asking the broker.
            return None
        properties = self._about.pop(message[0], None)
        return message, properties if properties is not None else self._properties(message)

    def _properties(self, message: Message) -> Properties:
        """What was said about a message whose properties the broker does not remember."""
        envelope = message.headers.pop(ENVELOPE, None)
        return Properties("", self.name) if envelope is None else Properties(*envelope)

    def ack(self, message: Message, consumer: Consumer | None) -> None:
        """Note that a delivered message is done, and that whoever had it has credit for another."""
        self.storage.ack(message)
        self.acked += 1
        if consumer is not None:
            consumer.held -= 1
            if consumer.paused:
                consumer.paused = False
                self._turns.append(consumer)
                if self._about or not self._all_known:
                    self._broker.dispatch(self)

    def ack_many(self, messages: list[Message]) -> None:
        """Note that delivered messages are done; see to those who had them with ``resume``."""
        self.storage.ack_many(messages)
        self.acked += len(messages)

    def requeue(self, message: Message, properties: Properties) -> None:
        """Put a delivered message back to its old place; if it came back too often, it dies."""
        if self.deleted:
            return
        limit = self.options.delivery_limit
        if limit is not None and message.attempts > limit:
            self.let_die(message, properties, "delivery_limit")
            return
        try:
            self.storage.nack(message)
        except LeaseLostError:
            return  # It is back already.
        if self._own or not properties.persistent:
            self._about[message.id] = properties
        if properties.expires is not None:
            self._expect_times(True)
        self._overtaken = True

    def let_die(self, message: Message, properties: Properties, reason: str) -> None:
        """Let a delivered message die, and publish it to where the queue's dead letters go."""
        if self.deleted:
            return
        # First the one, then the other: what crashes in between is there twice, not lost.
        where: tuple[list[str], list[str]] = ([], [])
        if self.options.dead_letter_exchange is not None:
            where = self._broker.dead_letter(self, message, properties, reason)
        self.storage.ack(message)
        self._count_deaths([message], reason, *where)

    def _count_deaths(
        self,
        messages: list[Message],
        reason: str,
        reached: Sequence[str] = (),
        refused: Sequence[str] = (),
    ) -> None:
        """Count messages that ended without an ack, and tell whoever wants to know."""
        self.fates[reason] += len(messages)
        on_death = self._broker.on_death
        if on_death is not None:
            for each in messages:
                headers = {name: each.headers[name] for name in each.headers if name != ENVELOPE}
                on_death(Death(self.name, reason, each.body, headers, list(reached), list(refused)))

    # Consumers

    def consume(self, consumer: Consumer) -> None:
        """Let a consumer have its turns, and deliver what is there."""
        self.consumers[consumer.key] = consumer
        self._turns.append(consumer)
        self._broker.dispatch(self)

    def cancel(self, consumer: Consumer) -> None:
        """Deliver nothing to the consumer any more."""
        del self.consumers[consumer.key]
        if not consumer.paused:
            self._turns.remove(consumer)
        consumer.paused = False
        self.note_use()

    def resume(self, consumer: Consumer) -> None:
        """Give turns again to a consumer that was paused and has credit again."""
        if consumer.paused:
            consumer.paused = False
            self._turns.append(consumer)
            self._broker.dispatch(self)

    def deliver(self) -> None:
        """Hand out messages, turn by turn, while there are messages and consumers with credit."""
        turns = self._turns
        while turns:
            consumer = turns[0]
            if self._all_known and not self._about:
                return
            if 0 < consumer.prefetch <= consumer.held:
                # What the broker knows something about is ready; that is told at less cost.
                if not self._about and not self.ready:
                    return  # Nobody loses a turn at which there was nothing to get.
                consumer.paused = True
                turns.popleft()
                continue
            if self._timed:
                taken = self._take_in_time()
                if taken is None:
                    return
                message, properties = taken
            else:  # What ``take`` does, without the call.
                try:
                    message = self.storage.get(False)
                except Empty:
                    self._about.clear()
                    return
                about = self._about.pop(message[0], None)
                properties = about if about is not None else self._properties(message)
            if len(turns) > 1:
                turns.rotate(-1)
            if consumer.auto_ack:
                self.storage.ack(message)
                self.acked += 1
            else:
                consumer.held += 1
            consumer.deliver(consumer, message, properties)
        if not self._plain:
            self.enforce_limits_at_rest()

    # Time and length

    @property
    def ready(self) -> int:
        """How many messages wait."""
        return self.storage.qsize() + len(self._front)

    @property
    def unacked(self) -> int:
        """How many messages are delivered and not acked yet."""
        return self.storage.unacked - len(self._front)

    def enforce_limits_at_rest(self) -> None:
        """Let die what is too much or too old, unless it is about to be delivered."""
        if not self._turns:
            self.enforce_limits()

    def enforce_limits(self) -> None:
        """Let die what is too much or too old, as what has come back may be."""
        if self.deleted:
            return
        options = self.options
        if options.max_length is not None and options.overflow == "drop-head":
            while self.ready > options.max_length and (head := self._head()) is not None:
                self.let_die(*head, "maxlen")
        if not self._timed:
            return
        now = self._broker.clock()
        while (end := self._end_of_head()) is not None and end <= now:
            self.let_die(*heapq.heappop(self._front)[2:], "expired")

    def due_in(self) -> float:
        """Seconds until something happens by itself in this queue; infinity if nothing will."""
        now = self._broker.clock()
        due = self.storage.due_in()
        if self._timed and (end := self._end_of_head()) is not None:
            due = min(due, end - now)
        if self.options.expires is not None and not self.consumers:
            due = min(due, self.used + self.options.expires - now)
        return max(0.0, due)

    @property
    def unused_for_too_long(self) -> bool:
        """Whether the queue has to go because nobody uses it."""
        expires = self.options.expires
        if expires is None or self.consumers:
            return False
        return self._broker.clock() >= self.used + expires

    def _end_of_head(self) -> float | None:
        """When the message at the head has to die; None if it need not, or there is none."""
        if not self._front:
            self._overtaken = False
            self._fetch()
        if self._overtaken:
            self._overtaken = False
            last = max(entry[:2] for entry in self._front)
            # One that goes after all the others is fetched as well: only so it is known that
            # nothing in the storage goes before any of them.
            while (place := self._fetch()) is not None and place < last:
                pass
        return self._front[0][3].expires if self._front else None

    def _fetch(self) -> tuple[int, int] | None:
        """Take the storage's first message to the front, and say where it goes, if there is one."""
        try:
            message = self.storage.get(False)
        except Empty:
            if not self._front:
                self._about.clear()
                self._expect_times(self.options.message_ttl is not None)
            return None
        properties = self._about.pop(message.id, None) or self._properties(message)
        place = -message.priority, message.id
        heapq.heappush(self._front, (*place, message, properties))
        return place

    def _take_in_time(self) -> Taken | None:
        # A message may still be delivered at the very instant at which it would die: that is how
        # one with no time to live gets to a consumer who waits.
        now = self._broker.clock()
        while (end := self._end_of_head()) is not None and end < now:
            self.let_die(*heapq.heappop(self._front)[2:], "expired")
        return self._head()

    def _head(self) -> Taken | None:
        """What is at the head, whatever its time."""
        if not self._timed:
            return self.take()
        self._end_of_head()
        return heapq.heappop(self._front)[2:] if self._front else None

    # Ends

    def purge(self, fate: str = "purged") -> int:
        """Drop everything that is ready, and say how much that was."""
        messages = [entry[2] for entry in self._front]
        self._front.clear()
        messages += iter(self._get, None)
        self.storage.ack_many(messages)
        self._about.clear()
        self._count_deaths(messages, fate)
        return len(messages)

    def lose(self, messages: list[Message]) -> None:
        """Count delivered messages as lost because the queue is deleted."""
        self.storage.ack_many(messages)
        self._count_deaths(messages, "lost")

    def _get(self) -> Message | None:
        try:
            return self.storage.get(False)
        except Empty:
            return None

    def close(self) -> None:
        """Put back what was taken ahead of its delivery, and close what the queue opened."""
        while self._front:
            self.storage.nack(heapq.heappop(self._front)[2])
        if self.reopen is not None:
            self.storage.close()

    def release(self, message: Message, properties: Properties) -> None:
        """Leave a delivered message to the restart, which opens the storage again."""
        if self._own or not properties.persistent:
            self._about[message.id] = properties

    def restart(self, stored: set[int]) -> None:
        """Keep what a restart of the broker leaves: persistent messages that were really kept.

        ``stored`` are the ids of all messages before.
        """
        if self.reopen is not None:
            self._front.clear()
            self.storage = self.reopen()
            kept = self.storage.ids()
            self.fates["lost"] += len(stored - kept)
            self.acked -= len(kept - stored)
            self._notice_stored()
        transient = bool(self._about)
        self._about.clear()
        if transient:
            self._drop_transient()

    def _drop_transient(self) -> None:
        # What stays in front has to be compared with what comes back to the storage.
        self._expect_times(True)
        while self._fetch() is not None:
            pass
        lost = [entry for entry in self._front if not entry[3].persistent]
        self._front = [entry for entry in self._front if entry[3].persistent]
        heapq.heapify(self._front)
        self.storage.ack_many([entry[2] for entry in lost])
        self._count_deaths([entry[2] for entry in lost], "lost")
