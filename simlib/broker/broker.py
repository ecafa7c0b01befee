"""The broker: exchanges and queues by name, the routes between them, and whose turn it is."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from itertools import count
from math import inf
from operator import methodcaller
from typing import Any, Self

from ..queues import MemoryQueue, Message, MessageQueue
from .channel import Channel, return_message
from .errors import NotFoundError, PreconditionFailedError, ResourceLockedError
from .exchanges import Binding
from .messages import (
    Death,
    Delivery,
    Properties,
    Returned,
    died_without_consumer_since,
    with_death,
)
from .options import (
    QueueOptions,
    StorageOrOpener,
    check_content,
    check_name,
    check_properties,
)
from .queues import BrokerQueue
from .routing import Routing, refuse_reserved
from .state import ExchangeState, QueueState, exchange_state, queue_state

__all__ = ["Broker"]

OWN = 0
"""The number of the channel on which the broker's own methods act."""

# A tuple's own constructor: Properties(...) is a Python function that calls it.
_new_properties = tuple.__new__


class Broker(Routing):
    """An AMQP broker inside the program, without threads of its own.

    Every call does what it does before it returns, deliveries to consumers included. What happens
    by the mere passing of time happens in ``pump``, and ``due_in`` says when there will be
    something to do. One thread uses a broker; several need a lock of their own around it.

    The broker's own methods act on a connection that no error closes.

    Parameters
    ----------
    clock : callable
        Tells the time in seconds. The default is the time of day, so that a message's end means
        the same to the next process.
    on_return : callable or None
        Called with each mandatory message that the broker's own ``publish`` could not route; None:
        it raises :class:`UnroutableError`.
    on_death : callable or None
        Called with the :class:`Death` of each message that ends without an ack. One that a power
        cut took out of the real queue is not among them, for nobody has it any more.

    Examples
    --------
    >>> broker = Broker()
    >>> broker.declare_queue("billing")
    'billing'
    >>> broker.publish("", "billing", b"order 17")  # by the default exchange, to who is called so
    ['billing']
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.time,
        on_return: Callable[[Returned], object] | None = None,
        on_death: Callable[[Death], object] | None = None,
    ) -> None:
        super().__init__()
        self.clock = clock
        self.on_return = on_return
        self.on_death = on_death
        self._channels: dict[int, Channel] = {}
        self._numbers = count(1)
        self._names = count(1)
        self._own = Channel(self, OWN)
        # What was found right about a message before; to be looked at once, not at each publish.
        self._checked: Properties | None = None
        # Queues that have to deliver once the delivery under way is over.
        self._to_deliver: deque[BrokerQueue] = deque()
        self._delivering = False

    def channel(self, on_return: Callable[[Returned], object] | None = None) -> Channel:
        """Open a channel. ``on_return`` gets the mandatory messages that come back."""
        channel = Channel(self, next(self._numbers), on_return)
        self._channels[channel.number] = channel
        return channel

    # Queues

    def declare_queue(
        self, name: str = "", queue: StorageOrOpener | None = None, **options: Any
    ) -> str:
        """Make a queue, unless there is one just like it, and return its name.

        Parameters
        ----------
        name : str
            What it is called; empty: the broker chooses.
        queue : MessageQueue or callable, optional
            What keeps the messages. What it holds already is delivered, too. A callable opens it,
            and opens it again after a restart of the broker. Without it, messages are kept in the
            broker's memory, and are gone after a restart.
        **options
            The options of :class:`QueueOptions`.

        Raises
        ------
        PreconditionFailedError
            There is one of this name that differs.
        ResourceLockedError
            There is one of this name that belongs to somebody else.
        """
        return self.declare(OWN, name, queue, options)

    def declare(
        self,
        owner: int,
        name: str,
        queue: StorageOrOpener | None,
        options: Mapping[str, Any],
    ) -> str:
        """``declare_queue`` on behalf of the channel with that number."""
        check_name("a queue's name", name)
        wanted = QueueOptions(**options)
        if queue is not None and not isinstance(queue, MessageQueue) and not callable(queue):
            raise TypeError(f"queue must be a MessageQueue or open one, got {queue!r}")
        refuse_reserved("queue", name)
        if self._exists(name):
            current = self.queue(name, owner)
            wanted.check_equivalent(name, current.options)
            if queue is not None and queue not in (current.storage, current.reopen):
                raise PreconditionFailedError(f"queue {name!r} keeps its messages elsewhere")
            current.note_use()
            return name
        name = name or f"amq.gen-{next(self._names)}"
        storage, reopen = (queue, None) if isinstance(queue, MessageQueue) else (None, queue)
        if storage is None:
            reopen = reopen or MemoryQueue
            storage = reopen()
        self._queues[name] = BrokerQueue(
            name, wanted, storage, reopen, owner if wanted.exclusive else None, self
        )
        self._routes.clear()
        return name

    def queue(self, name: str, user: int | None = None) -> BrokerQueue:
        if not self._exists(name):
            raise NotFoundError(f"no queue {name!r}; declare it first")
        queue = self._queues[name]
        if queue.owner not in (None, user or OWN):
            raise ResourceLockedError(f"queue {name!r} belongs to another channel alone")
        return queue

    def _exists(self, name: str) -> bool:
        """Whether there is a queue of that name, which was not left unused for too long."""
        queue = self._queues.get(name)
        if queue is not None and queue.unused_for_too_long:
            self._delete(queue)
        return name in self._queues

    def delete_queue(self, name: str, *, if_unused: bool = False, if_empty: bool = False) -> int:
        """Delete a queue, its messages and its bindings; return how many messages were ready.

        One that does not exist is deleted already. With ``if_unused`` only one without consumers
        is deleted, with ``if_empty`` only one without messages, and others are refused.
        """
        if not self._exists(name):
            return 0
        queue = self.queue(name)
        if if_unused and queue.consumers:
            raise PreconditionFailedError(f"queue {name!r} in use")
        if if_empty and queue.ready:
            raise PreconditionFailedError(f"queue {name!r} not empty")
        return self._delete(queue)

    def _delete(self, queue: BrokerQueue) -> int:
        del self._queues[queue.name]
        queue.deleted = True
        for consumer in list(queue.consumers.values()):
            self._channels[consumer.owner].end_consumer(consumer.tag)
        purged = queue.purge("lost")
        for channel in (self._own, *self._channels.values()):
            queue.lose(channel.held_of(queue))
        queue.close()
        self._forget_destination(queue)
        return purged

    def purge(self, name: str) -> int:
        """Drop what is ready in a queue, and return how much that was."""
        return self.queue(name).purge()

    def message_count(self, name: str) -> int:
        """How many messages are ready in a queue."""
        queue = self.queue(name)
        queue.enforce_limits_at_rest()
        return queue.ready

    # Messages

    def publish(
        self,
        exchange: str,
        routing_key: str,
        body: bytes,
        *,
        headers: Mapping[str, Any] | None = None,
        priority: int = 0,
        persistent: bool = False,
        expiration: float | None = None,
        reply_to: str | None = None,
        correlation_id: str | None = None,
        mandatory: bool = False,
    ) -> list[str]:
        """Publish a message, and return the names of the queues that have it, in their order.

        Parameters
        ----------
        exchange : str
            Where to; empty: the default exchange, which sends it to the queue that has the routing
            key for a name.
        routing_key : str
            What the exchange decides by.
        body : bytes
            The message itself.
        headers : mapping, optional
            A JSON object; what a headers exchange decides by.
        priority : int
            0 to 255; the larger goes first in queues with a ``max_priority``.
        persistent : bool
            Whether it outlives a restart of the broker, in durable queues.
        expiration : float, optional
            How long it may wait in a queue (seconds).
        reply_to, correlation_id : str, optional
            Where an answer is to go, and which request it belongs to.
        mandatory : bool
            Whether it is returned when no queue is to get it.

        Raises
        ------
        NotFoundError
            There is no such exchange.
        UnroutableError
            No queue was to get a mandatory message, and nobody takes returned ones.
        """
        properties = _new_properties(
            Properties,
            (
                exchange,
                routing_key,
                priority,
                persistent,
                expiration,
                reply_to,
                correlation_id,
                None,
            ),
        )
        reached, refused = self.offer(properties, body, headers)
        if mandatory and not reached and not refused:
            return_message(properties, body, headers, self.on_return)
        return reached

    def offer(
        self,
        properties: Properties,
        body: bytes,
        headers: Mapping[str, Any] | None = None,
    ) -> tuple[list[str], list[str]]:
        """Publish to an exchange, and return the queues that have it and those that refuse it.

        Who publishes much under the same properties gives the same value each time: it is checked
        once.
        """
        queues = self._routes.get(properties[:2])
        source = self.source(properties[0]) if queues is None else None
        if properties is not self._checked:
            check_properties(properties)
            self._checked = properties
        if headers is not None or type(body) is not bytes:
            check_content(body, headers)
        if source is not None:
            queues = self.destinations(source, properties[1], headers or {})
        reached: list[str] = []
        refused: list[str] = []
        for queue in queues or ():
            (reached if queue.accept(body, headers, properties) else refused).append(queue.name)
        return reached, refused

    def dead_letter(
        self, queue: BrokerQueue, message: Message, properties: Properties, reason: str
    ) -> tuple[list[str], list[str]]:
        """Publish what died in a queue to the queue's dead letter exchange, if there is one.

        Returns the queues that have it and those that refuse it.
        """
        reached: list[str] = []
        refused: list[str] = []
        exchange = self._exchanges.get(queue.options.dead_letter_exchange or "")
        if exchange is None:
            return reached, refused
        key = queue.options.dead_letter_routing_key
        if key is None:
            key = properties.routing_key
        headers = with_death(message.headers, properties, queue.name, reason, self.clock())
        properties = properties._replace(
            exchange=exchange.name, routing_key=key, expiration=None, expires=None
        )
        for target in self.destinations(exchange, key, headers):
            if not died_without_consumer_since(headers, target.name):
                taken = target.accept(message.body, headers, properties)
                (reached if taken else refused).append(target.name)
        return reached, refused

    def get(self, queue: str) -> Delivery | None:
        """Fetch a queue's next message, which counts as done with that; None: nothing is ready.

        A channel's ``get`` fetches one that has to be acked.
        """
        return self._own.fetch(self.queue(queue), auto_ack=True)

    # Deliveries

    def dispatch(self, queue: BrokerQueue) -> None:
        """Let a queue deliver, now or as soon as the delivery under way is over."""
        if self._delivering:
            self._to_deliver.append(queue)
            return
        self._delivering = True
        try:
            queue.deliver()
            while self._to_deliver:
                self._to_deliver.popleft().deliver()
        finally:
            self._delivering = False

    def consumer_cancelled(self, queue: BrokerQueue) -> None:
        """Delete a queue that goes with its last consumer, if that was it."""
        if queue.options.auto_delete and not queue.consumers and not queue.deleted:
            self._delete(queue)

    def channel_closed(self, number: int, queues: list[BrokerQueue]) -> None:
        """See to the queues that a closed channel gave messages back to, and to its own."""
        self._channels.pop(number, None)
        for queue in [each for each in self._queues.values() if each.owner == number]:
            self._delete(queue)
        for queue in queues:
            queue.enforce_limits()
            self.dispatch(queue)

    # Time

    def pump(self) -> None:
        """Do what has fallen due, and deliver what can be delivered."""
        for queue in list(self._queues.values()):
            if self._exists(queue.name) and not queue.deleted:
                queue.enforce_limits_at_rest()
                self.dispatch(queue)

    def due_in(self) -> float:
        """Seconds until ``pump`` will have something to do; infinity when nothing is pending.

        Any call may change that.
        """
        return min((queue.due_in() for queue in self._queues.values()), default=inf)

    def restart(self, stop: Callable[[MessageQueue], object] = methodcaller("close")) -> None:
        """Stop and start: durable exchanges and queues stay, and in these persistent messages.

        All channels are closed, and what they held comes back as redelivered. What keeps a queue's
        messages is real: a queue that was declared with something to open it is stopped and opened
        again, and has what was really kept. Queues that are not durable are deleted, and emptied.

        Parameters
        ----------
        stop : callable
            How the real queues stop: in order, or as :func:`simlib.queues.crash.kill` and
            :func:`simlib.queues.crash.lose_power` leave them.
        """
        stored: dict[BrokerQueue, set[int]] = {}
        self._delivering = True  # Nobody gets anything while the channels close one by one.
        try:
            for queue in self._queues.values():
                if queue.options.durable and queue.reopen is not None and queue.owner is None:
                    stored[queue] = queue.storage.ids()
                    stop(queue.storage)
                    for channel in self._channels.values():
                        channel.release(queue)
            for channel in [self._own, *self._channels.values()]:
                channel.close()
            self._own = Channel(self, OWN)
            for queue in [each for each in self._queues.values() if not each.options.durable]:
                self._delete(queue)
            for exchange in [each for each in self._exchanges.values() if not each.durable]:
                if exchange.name in self._exchanges:
                    self.delete_exchange(exchange.name)
            for queue in self._queues.values():
                queue.restart(stored.get(queue, set()))
        finally:
            self._to_deliver.clear()
            self._delivering = False

    def close(self) -> None:
        """Close the channels, and what the broker has opened. Closing twice is allowed."""
        self._delivering = True
        for channel in [self._own, *self._channels.values()]:
            channel.close()
        for queue in self._queues.values():
            queue.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    # What there is

    @property
    def exchanges(self) -> dict[str, ExchangeState]:
        """The exchanges, by name."""
        return {name: exchange_state(each) for name, each in self._exchanges.items()}

    @property
    def queues(self) -> dict[str, QueueState]:
        """The queues, by name."""
        return {name: queue_state(each) for name, each in self._queues.items()}

    @property
    def bindings(self) -> list[Binding]:
        """All bindings but those of the default exchange, which has one for every queue."""
        return [
            binding
            for exchange in self._exchanges.values()
            for known in exchange.bindings.values()
            for binding in known.values()
        ]
