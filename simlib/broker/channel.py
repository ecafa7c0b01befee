"""A channel: publishing, consuming, and the deliveries that are not acked yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, Self, TypeVar

from ..queues import LeaseLostError, Message, QueueError
from .consumers import Consumer
from .errors import (
    BrokerError,
    ChannelClosedError,
    NackedError,
    PreconditionFailedError,
    UnroutableError,
)
from .messages import Delivery, Properties, Returned, properties_of
from .options import StorageOrOpener, check_name, check_prefetch
from .queues import BrokerQueue

if TYPE_CHECKING:
    from .broker import Broker  # The one arrow back: from a channel to the broker it is with.

__all__ = ["Channel", "return_message"]

T = TypeVar("T")

# A tuple's own constructor: Delivery(...) is a Python function that calls it.
_new_delivery = tuple.__new__


# A delivery that is not acked yet: what, of which queue, and to whom if it wasn't fetched.
Held = tuple[Message, Properties, BrokerQueue, Consumer | None]


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
        self._consumers: dict[str, tuple[Consumer, BrokerQueue]] = {}

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
        headers: Mapping[str, Any] | None = None,
        **properties: Any,
    ) -> list[str]:
        """Publish as :meth:`Broker.publish` does.

        Raises
        ------
        NackedError
            A queue refused the message, and confirms are on. Other queues may have it.
        """
        about = properties_of(exchange, routing_key, **properties)
        self._or_close(lambda: self._broker.source(exchange))
        reached, refused = self._broker.offer(about, body, headers)
        if mandatory and not reached and not refused:
            return_message(about, body, headers, self.on_return)
        if refused and self._confirms:
            raise NackedError(f"refused by {', '.join(map(repr, refused))}, which is full")
        return reached

    # Queues of its own

    def declare_queue(
        self, name: str = "", queue: StorageOrOpener | None = None, **options: Any
    ) -> str:
        """Declare a queue as :meth:`Broker.declare_queue` does, exclusive ones for this channel."""
        return self._or_close(lambda: self._broker.declare(self.number, name, queue, options))

    def bind(
        self,
        queue: str,
        exchange: str,
        routing_key: str = "",
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        """Bind a queue as :meth:`Broker.bind` does, exclusive ones of this channel, too."""
        self._or_close(
            lambda: self._broker.bind_for(self.number, queue, exchange, routing_key, arguments)
        )

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
        source = self._or_close(lambda: self._broker.queue(queue, self.number))
        tag = consumer_tag or f"ctag{self.number}.{next(self._tags)}"
        if tag in self._consumers:
            raise ValueError(f"this channel has a consumer {tag!r} already")
        deliver = partial(self._deliver, source, callback)
        consumer = Consumer(self.number, tag, deliver, prefetch, auto_ack)
        self._consumers[tag] = consumer, source
        source.consume(consumer)
        return tag

    def cancel(self, consumer_tag: str) -> None:
        """Deliver nothing more to a consumer. What it holds stays unacked with the channel."""
        self._check_open()
        if consumer_tag in self._consumers:
            self.end_consumer(consumer_tag)

    def get(self, queue: str, auto_ack: bool = False) -> Delivery | None:
        """Fetch the queue's next message; None when nothing is ready."""
        self._check_open()
        return self.fetch(self._or_close(lambda: self._broker.queue(queue, self.number)), auto_ack)

    def fetch(self, queue: BrokerQueue, auto_ack: bool) -> Delivery | None:
        """``get``, once the queue is found."""
        queue.note_use()
        taken = queue.take()
        if taken is None:
            return None
        self._last_tag += 1
        if auto_ack:
            queue.ack(taken[0], None)
        else:
            self._held[self._last_tag] = (*taken, queue, None)
        return _delivery(self._last_tag, *taken, "")

    def _deliver(
        self,
        queue: BrokerQueue,
        callback: Callable[[Delivery], object],
        consumer: Consumer,
        message: Message,
        properties: Properties,
    ) -> None:
        """Deliver a message of a queue to a consumer of this channel."""
        self._last_tag = tag = self._last_tag + 1
        if not consumer.auto_ack:
            self._held[tag] = (message, properties, queue, consumer)
        # What ``_delivery`` does, without the call: this is done for each message there is.
        _, body, headers, _, attempts = message
        exchange, key, priority, persistent, expiration, reply_to, correlation_id, _ = properties
        callback(
            _new_delivery(
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
                    consumer.tag,
                ),
            )
        )

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
            queue.ack(message, consumer)
        except QueueError as error:
            self._held_too_long(queue, error)

    def _ack_many(self, delivery_tag: int, multiple: bool) -> None:
        settled = self._settle(delivery_tag, multiple)
        by_queue: dict[BrokerQueue, list[Message]] = {}
        for message, _, queue, _ in settled:
            by_queue.setdefault(queue, []).append(message)
        for queue, messages in by_queue.items():
            try:
                queue.ack_many(messages)
            except QueueError as error:
                self._held_too_long(queue, error)
        self._resume(settled)

    def nack(self, delivery_tag: int, multiple: bool = False, requeue: bool = True) -> None:
        """Give a delivery back, to its old place, or let it die; ``multiple`` as for ``ack``."""
        settled = self._settle(delivery_tag, multiple)
        for message, properties, queue, _ in settled:
            try:
                if requeue:
                    queue.requeue(message, properties)
                else:
                    queue.let_die(message, properties, "rejected")
            except QueueError as error:
                self._held_too_long(queue, error)
        queues = {queue: None for _, _, queue, _ in settled}
        for queue in queues:
            queue.enforce_limits()
        self._resume(settled)
        for queue in queues:
            self._broker.dispatch(queue)

    def reject(self, delivery_tag: int, requeue: bool = True) -> None:
        """``nack`` of one delivery."""
        self.nack(delivery_tag, requeue=requeue)

    def _settle(self, delivery_tag: int, multiple: bool) -> list[Held]:
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
        settled = [self._held.pop(tag) for tag in tags]
        for _, _, _, consumer in settled:
            if consumer is not None:
                consumer.held -= 1
        return settled

    def _resume(self, settled: list[Held]) -> None:
        for _, _, queue, consumer in settled:
            if consumer is not None:
                queue.resume(consumer)

    def _held_too_long(self, queue: BrokerQueue, error: QueueError) -> None:
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
        for tag in list(self._consumers):
            self.end_consumer(tag)
        held = list(self._held.values())
        self._held.clear()
        queues = {queue: None for _, _, queue, _ in held}
        for message, properties, queue, _ in held:
            queue.requeue(message, properties)
        self._broker.channel_closed(self.number, list(queues))

    def end_consumer(self, consumer_tag: str) -> None:
        """Cancel a consumer, and with it a queue that goes with its last one."""
        consumer, queue = self._consumers.pop(consumer_tag)
        queue.cancel(consumer)
        self._broker.consumer_cancelled(queue)

    def held_of(self, queue: BrokerQueue) -> list[Message]:
        """What is held of a queue."""
        return [message for message, _, source, _ in self._held.values() if source is queue]

    def release(self, queue: BrokerQueue) -> None:
        """Hold nothing of a queue any more that sees to it itself in a restart."""
        for tag, (message, properties, source, _) in list(self._held.items()):
            if source is queue:
                del self._held[tag]
                queue.release(message, properties)

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


def return_message(
    properties: Properties,
    body: bytes,
    headers: Mapping[str, Any] | None,
    on_return: Callable[[Returned], object] | None,
) -> None:
    """Return a message that no queue took to whoever published it."""
    returned = Returned(properties.exchange, properties.routing_key, body, dict(headers or {}))
    if on_return is None:
        raise UnroutableError(returned)
    on_return(returned)
