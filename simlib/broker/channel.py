"""A channel: publishing, consuming, and the deliveries that are not acked yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import count
from typing import TYPE_CHECKING, Any, Self, TypeVar

from simlib.queues import LeaseLostError, Message, QueueError

from .errors import (
    BrokerError,
    ChannelClosedError,
    NackedError,
    PreconditionFailedError,
    UnroutableError,
)
from .messages import Delivery, Properties, Returned
from .options import check_name, check_prefetch
from .queues import BrokerQueue

if TYPE_CHECKING:
    from .broker import Broker, StorageOrOpener

__all__ = ["Channel", "Consumer", "give_back"]

T = TypeVar("T")

# A tuple's own constructor: Delivery(...) is a Python function that calls it.
_new_delivery = tuple.__new__


class Consumer:
    """Somebody who waits for a queue's messages."""

    __slots__ = ("aside", "auto_ack", "callback", "channel", "held", "prefetch", "queue", "tag")

    def __init__(
        self,
        channel: Channel,
        queue: BrokerQueue,
        tag: str,
        callback: Callable[[Delivery], object],
        prefetch: int,
        auto_ack: bool,
    ) -> None:
        self.channel = channel
        self.queue = queue
        self.tag = tag
        self.callback = callback
        self.prefetch = prefetch
        self.auto_ack = auto_ack
        # How much of its credit is taken; without acks none ever is.
        self.held = 0
        # Whether it had no credit at its turn, and has no turns until it has.
        self.aside = False


# A delivery that is not acked yet: what, of which queue, and to whom if it wasn't fetched.
Held = tuple[Message, Properties, BrokerQueue, "Consumer | None"]


class Channel:
    """One program's conversation with the broker, as if on a connection of its own.

    What it holds goes back to the queues when it is closed. An error of AMQP closes it, as the
    protocol demands; a value that is no value at all (TypeError, ValueError) does not.

    Parameters
    ----------
    broker : Broker
        With whom.
    number : int
        Tells the channels of a broker apart.
    on_return : callable or None
        Called with each mandatory message that comes back; None: ``publish`` raises
        :class:`UnroutableError`.
    """

    def __init__(
        self,
        broker: Broker,
        number: int,
        on_return: Callable[[Returned], object] | None = None,
    ) -> None:
        self.number = number
        self.on_return = on_return
        self.closed = False
        self._broker = broker
        self._confirms = False
        self._last_tag = 0
        self._tags = count(1)
        self._held: dict[int, Held] = {}
        self._consumers: dict[str, Consumer] = {}

    # Publishing

    def confirm(self) -> None:
        """Have every publish confirmed: from now on one that a queue refuses raises an error."""
        self._check_open()
        self._confirms = True

    def publish(
        self,
        exchange: str,
        routing_key: str,
        body: bytes,
        *,
        mandatory: bool = False,
        **properties: Any,
    ) -> list[str]:
        """Publish as :meth:`Broker.publish` does.

        Raises
        ------
        NackedError
            A queue refused the message, and confirms are on. Other queues may have it.
        """
        self._check_open()
        try:
            source = self._broker.source(exchange)
        except BrokerError:
            self.close()
            raise
        reached, refused = self._broker.offer(source, routing_key, body, **properties)
        if mandatory and not reached and not refused:
            headers = properties.get("headers") or {}
            give_back(Returned(exchange, routing_key, body, dict(headers)), self.on_return)
        if refused and self._confirms:
            raise NackedError(f"refused by {', '.join(map(repr, refused))}, which is full")
        return reached

    # Queues of its own

    def declare_queue(
        self, name: str = "", queue: StorageOrOpener | None = None, **options: Any
    ) -> str:
        """Declare a queue as :meth:`Broker.declare_queue` does, exclusive ones for this channel."""
        return self._or_close(lambda: self._broker.declare(self, name, queue, options))

    def bind(
        self,
        queue: str,
        exchange: str,
        routing_key: str = "",
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        """Bind a queue as :meth:`Broker.bind` does, exclusive ones of this channel, too."""
        self._or_close(lambda: self._broker.bind_for(self, queue, exchange, routing_key, arguments))

    # Consuming

    def consume(
        self,
        queue: str,
        callback: Callable[[Delivery], object],
        *,
        prefetch: int = 0,
        auto_ack: bool = False,
        consumer_tag: str = "",
    ) -> str:
        """Have the queue's messages delivered to ``callback``, and return the consumer's tag.

        Consumers of one queue take turns. The callback may publish, ack, and whatever else; what it
        raises comes out of the call that made the delivery, and the message stays unacked.

        Parameters
        ----------
        queue : str
            Of which queue.
        callback : callable
            Called with each :class:`Delivery`.
        prefetch : int
            The most messages it may hold without an ack; 0: any number.
        auto_ack : bool
            Whether a message counts as done as soon as it is delivered.
        consumer_tag : str
            What to cancel it by; empty: the broker chooses.
        """
        check_prefetch(prefetch)
        check_name("consumer_tag", consumer_tag)
        self._check_open()
        source = self._or_close(lambda: self._broker.queue(queue, self))
        tag = consumer_tag or f"ctag{self.number}.{next(self._tags)}"
        if tag in self._consumers:
            raise ValueError(f"this channel has a consumer {tag!r} already")
        consumer = Consumer(self, source, tag, callback, prefetch, auto_ack)
        self._consumers[tag] = consumer
        source.add(consumer)
        return tag

    def cancel(self, consumer_tag: str) -> None:
        """Deliver nothing more to a consumer. What it holds stays unacked with the channel."""
        self._check_open()
        if consumer_tag in self._consumers:
            self.drop(self._consumers[consumer_tag])

    def get(self, queue: str, auto_ack: bool = False) -> Delivery | None:
        """Fetch the queue's next message; None when nothing is ready."""
        self._check_open()
        return self.fetch(self._or_close(lambda: self._broker.queue(queue, self)), auto_ack)

    def fetch(self, queue: BrokerQueue, auto_ack: bool) -> Delivery | None:
        """``get``, once the queue is found."""
        queue.used = self._broker.clock()
        taken = queue.take()
        if taken is None:
            return None
        self._last_tag += 1
        if auto_ack:
            queue.ack([taken[0]])
        else:
            self._held[self._last_tag] = (*taken, queue, None)
        return _delivery(self._last_tag, *taken, "")

    def hand_over(
        self, queue: BrokerQueue, consumer: Consumer, message: Message, properties: Properties
    ) -> None:
        """Deliver a message to a consumer of this channel."""
        self._last_tag = tag = self._last_tag + 1
        if consumer.auto_ack:
            queue.storage.ack(message)
            queue.acked += 1
        else:
            self._held[tag] = (message, properties, queue, consumer)
            consumer.held += 1
        consumer.callback(_delivery(tag, message, properties, consumer.tag))

    # What becomes of deliveries

    def ack(self, delivery_tag: int, multiple: bool = False) -> None:
        """Say that a delivery is done; with ``multiple``, all up to it, and with 0, all.

        Raises
        ------
        PreconditionFailedError
            There is no such delivery, or it is done already. The channel is closed.
        """
        held = None if multiple else self._held.pop(delivery_tag, None)
        if held is None:
            self._ack_many(delivery_tag, multiple)
            return
        message, _, queue, consumer = held
        try:
            queue.storage.ack(message)
            queue.acked += 1
        except QueueError as error:
            self._lost(queue, error)
        if consumer is not None:
            consumer.held -= 1
            if consumer.aside:
                queue.readmit(consumer)

    def _ack_many(self, delivery_tag: int, multiple: bool) -> None:
        released = self._release(delivery_tag, multiple)
        by_queue: dict[BrokerQueue, list[Message]] = {}
        for message, _, queue, _ in released:
            by_queue.setdefault(queue, []).append(message)
        for queue, messages in by_queue.items():
            try:
                queue.ack(messages)
            except QueueError as error:
                self._lost(queue, error)
        self._readmit(released)

    def nack(self, delivery_tag: int, multiple: bool = False, requeue: bool = True) -> None:
        """Give a delivery back, to its old place, or let it die; ``multiple`` as for ``ack``."""
        released = self._release(delivery_tag, multiple)
        for message, properties, queue, _ in released:
            try:
                if requeue:
                    queue.requeue(message, properties)
                else:
                    queue.discard(message, properties, "rejected")
            except QueueError as error:
                self._lost(queue, error)
        queues = {queue: None for _, _, queue, _ in released}
        for queue in queues:
            queue.cull()
        self._readmit(released)
        for queue in queues:
            self._broker.dispatch(queue)

    def reject(self, delivery_tag: int, requeue: bool = True) -> None:
        """``nack`` of one delivery."""
        self.nack(delivery_tag, requeue=requeue)

    def _release(self, delivery_tag: int, multiple: bool) -> list[Held]:
        """The deliveries that a tag means, which are not held from now on."""
        self._check_open()
        if delivery_tag in self._held:
            tags = (
                [tag for tag in self._held if tag <= delivery_tag] if multiple else [delivery_tag]
            )
        elif multiple and delivery_tag == 0:
            tags = list(self._held)
        else:
            self.close()
            raise PreconditionFailedError(
                f"unknown delivery tag {delivery_tag}: nothing was delivered under it on this "
                "channel, or it was acked, nacked or rejected before"
            )
        released = [self._held.pop(tag) for tag in tags]
        for _, _, _, consumer in released:
            if consumer is not None:
                consumer.held -= 1
        return released

    def _readmit(self, released: list[Held]) -> None:
        for _, _, queue, consumer in released:
            if consumer is not None and consumer.aside:
                queue.readmit(consumer)

    def _lost(self, queue: BrokerQueue, error: QueueError) -> None:
        """Close the channel over a delivery that passed on; with a deleted queue it may."""
        if queue.deleted:
            return
        if not isinstance(error, LeaseLostError):
            raise error
        self.close()
        raise PreconditionFailedError(f"held too long: {error}") from None

    # Ends

    def close(self) -> None:
        """Cancel the consumers and give back what is held. Closing twice is allowed."""
        if self.closed:
            return
        self.closed = True
        # A queue that goes with its last consumer takes along what is held of it.
        for consumer in list(self._consumers.values()):
            self.drop(consumer)
        self._broker.forget(self)
        held = list(self._held.values())
        self._held.clear()
        queues = {queue: None for _, _, queue, _ in held}
        for message, properties, queue, _ in held:
            queue.requeue(message, properties)
        self._broker.deserted(self, list(queues))

    def drop(self, consumer: Consumer) -> None:
        """Let a consumer go, and with it a queue that goes with its last one."""
        del self._consumers[consumer.tag]
        consumer.queue.remove(consumer)
        self._broker.left(consumer.queue)

    def held_of(self, queue: BrokerQueue) -> list[Message]:
        """What is held of a queue."""
        return [message for message, _, source, _ in self._held.values() if source is queue]

    def leave(self, queue: BrokerQueue) -> None:
        """Hold nothing of a queue any more that sees to it itself in a restart."""
        for tag, (message, properties, source, _) in list(self._held.items()):
            if source is queue:
                del self._held[tag]
                queue.leave(message, properties)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _check_open(self) -> None:
        if self.closed:
            raise ChannelClosedError(
                "the channel is closed; open another one with broker.channel()"
            )

    def _or_close(self, act: Callable[[], T]) -> T:
        """Do what may end in an error of AMQP, which closes the channel."""
        self._check_open()
        try:
            return act()
        except BrokerError:
            self.close()
            raise


def _delivery(tag: int, message: Message, properties: Properties, consumer_tag: str) -> Delivery:
    _, body, headers, _, attempts = message
    exchange, key, priority, persistent, expiration, reply_to, correlation_id, _ = properties
    return _new_delivery(
        Delivery,
        (
            tag,
            exchange,
            key,
            attempts > 1,
            body,
            headers,
            priority,
            persistent,
            expiration,
            reply_to,
            correlation_id,
            attempts,
            consumer_tag,
        ),
    )


def give_back(returned: Returned, on_return: Callable[[Returned], object] | None) -> None:
    """Return a message that no queue took to whoever published it."""
    if on_return is None:
        raise UnroutableError(returned)
    on_return(returned)
