"""RabbitMQ behind the interface of :class:`simlib.broker.Broker`.

What the one does, the other does; where they differ, ``simlib.broker`` says so. Needs the package
pika (``pip install simlib[live]``) and a server.

A server answers late. What it refuses of a ``publish`` without confirms, an ``ack`` or a ``nack``
comes out of the next ``pump``, which also makes the deliveries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import fields
from typing import Any, Self

from simlib.broker.errors import (
    ChannelClosedError,
    NackedError,
    PreconditionFailedError,
    UnroutableError,
)
from simlib.broker.messages import Delivery, Properties, Returned
from simlib.broker.options import (
    ARGUMENTS,
    QueueOptions,
    check_content,
    check_exchange,
    check_name,
    check_prefetch,
    check_properties,
)

from .address import address
from .pika_words import (
    CLOSED,
    connect,
    milliseconds,
    our_delivery,
    our_error,
    our_returned,
    pika_exceptions,
    their_properties,
    their_table,
)

__all__ = ["LiveChannel", "RabbitMQ"]


class RabbitMQ:
    """A RabbitMQ server.

    Parameters
    ----------
    url : str, optional
        Where it is, and who asks: ``amqp://user:password@host:port/virtual-host``; else what the
        variable ``AMQP_URL`` says, else the server of this machine.
    on_return : callable or None
        Called with each mandatory message that ``publish`` could not route; None: it raises
        :class:`UnroutableError`.
    anywhere : bool
        Whether the url may lead to another machine.
    """

    def __init__(
        self,
        url: str | None = None,
        on_return: Callable[[Returned], object] | None = None,
        *,
        anywhere: bool = False,
    ) -> None:
        self.url = address(url, anywhere=anywhere)
        self.on_return = on_return
        self._queues: set[str] = set()
        self._exchanges: set[str] = set()
        self._channels: list[LiveChannel] = []
        self._connection = connect(self.url)
        self._open: LiveChannel | None = None

    def channel(self, on_return: Callable[[Returned], object] | None = None) -> LiveChannel:
        """Open a channel on a connection of its own; ``on_return`` as for the class."""
        channel = LiveChannel(connect(self.url), on_return, self._queues)
        self._channels.append(channel)
        return channel

    @property
    def _own(self) -> LiveChannel:
        """The channel for what the broker's own methods do; another one after an error."""
        if self._open is None or self._open.closed:
            self._open = LiveChannel(self._connection, self.on_return, self._queues, lasting=True)
            self._open.confirm()
        return self._open

    # Exchanges, queues, bindings

    def declare_exchange(
        self,
        name: str,
        type: str = "direct",  # noqa: A002, as AMQP has it
        *,
        durable: bool = False,
        auto_delete: bool = False,
        internal: bool = False,
        alternate_exchange: str | None = None,
    ) -> None:
        """As :meth:`simlib.broker.Broker.declare_exchange`."""
        check_exchange(name, type)
        arguments = {"alternate-exchange": alternate_exchange} if alternate_exchange else None
        with self._own.calling(name, alternate_exchange or "") as channel:
            channel.exchange_declare(
                name,
                type,
                durable=durable,
                auto_delete=auto_delete,
                internal=internal,
                arguments=arguments,
            )
        if not name.startswith("amq."):
            self._exchanges.add(name)

    def delete_exchange(self, name: str, *, if_unused: bool = False) -> None:
        """As :meth:`simlib.broker.Broker.delete_exchange`."""
        with self._own.calling(name) as channel:
            channel.exchange_delete(name, if_unused=if_unused)

    def declare_queue(self, name: str = "", **options: Any) -> str:
        """As :meth:`simlib.broker.Broker.declare_queue`; a delivery limit makes a quorum queue."""
        return self._own.declare_queue(name, **options)

    def delete_queue(self, name: str, *, if_unused: bool = False, if_empty: bool = False) -> int:
        """As :meth:`simlib.broker.Broker.delete_queue`."""
        with self._own.calling(name) as channel:
            reply = channel.queue_delete(name, if_unused=if_unused, if_empty=if_empty)
        return int(reply.method.message_count)

    def purge(self, name: str) -> int:
        """As :meth:`simlib.broker.Broker.purge`."""
        with self._own.calling(name) as channel:
            return int(channel.queue_purge(name).method.message_count)

    def message_count(self, name: str) -> int:
        """As :meth:`simlib.broker.Broker.message_count`."""
        with self._own.calling(name) as channel:
            return int(channel.queue_declare(name, passive=True).method.message_count)

    def bind(
        self,
        queue: str,
        exchange: str,
        routing_key: str = "",
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        """As :meth:`simlib.broker.Broker.bind`."""
        self._own.bind(queue, exchange, routing_key, arguments)

    def unbind(
        self,
        queue: str,
        exchange: str,
        routing_key: str = "",
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        """As :meth:`simlib.broker.Broker.unbind`."""
        with self._own.calling(queue, exchange, routing_key) as channel:
            channel.queue_unbind(queue, exchange, routing_key, their_table(arguments))

    def bind_exchange(
        self,
        destination: str,
        source: str,
        routing_key: str = "",
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        """As :meth:`simlib.broker.Broker.bind_exchange`."""
        with self._own.calling(destination, source, routing_key) as channel:
            channel.exchange_bind(destination, source, routing_key, their_table(arguments))

    def unbind_exchange(
        self,
        destination: str,
        source: str,
        routing_key: str = "",
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        """As :meth:`simlib.broker.Broker.unbind_exchange`."""
        with self._own.calling(destination, source, routing_key) as channel:
            channel.exchange_unbind(destination, source, routing_key, their_table(arguments))

    # Messages

    def publish(
        self, exchange: str, routing_key: str, body: bytes, *, mandatory: bool = False, **more: Any
    ) -> None:
        """As :meth:`simlib.broker.Broker.publish`, but a server does not tell which queues."""
        with suppress(NackedError):  # Only a channel with confirms tells its publisher.
            self._own.publish(exchange, routing_key, body, mandatory=mandatory, **more)

    def get(self, queue: str) -> Delivery | None:
        """As :meth:`simlib.broker.Broker.get`."""
        return self._own.get(queue, auto_ack=True)

    def pump(self) -> None:
        """Hear what the server says: deliveries, returned messages, and errors."""
        for channel in self._channels[:]:
            if channel.closed:
                self._channels.remove(channel)
            else:
                channel.pump()

    def delete_declared(self) -> None:
        """Delete every queue and exchange that was declared here, so that nothing stays behind."""
        for queue in self._queues:
            self.delete_queue(queue)
        for exchange in self._exchanges:
            self.delete_exchange(exchange)
        self._queues.clear()
        self._exchanges.clear()

    def close(self) -> None:
        """Close the connections. What was declared stays with the server."""
        for channel in self._channels:
            channel.close()
        with suppress(pika_exceptions().AMQPError):
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class LiveChannel:
    """A channel on a connection of its own to a server; see :class:`simlib.broker.Channel`.

    Parameters
    ----------
    connection : pika.BlockingConnection
        The connection.
    on_return : callable or None
        Called with each mandatory message that comes back; None: ``publish`` with confirms, or the
        next ``pump`` without, raises :class:`UnroutableError`.
    queues : set of str
        Where to note the queues that it declares.
    lasting : bool
        Whether the connection stays when the channel is closed.
    """

    def __init__(
        self,
        connection: Any,
        on_return: Callable[[Returned], object] | None,
        queues: set[str],
        lasting: bool = False,
    ) -> None:
        self.on_return = on_return
        self.closed = False
        self._connection = connection
        self._channel = connection.channel()
        self._queues = queues
        self._lasting = lasting
        self._confirms = False
        self._prefetch = 0
        self._returned: list[Returned] = []
        self._channel.add_on_return_callback(self._note_returned)

    def _note_returned(self, _: Any, method: Any, properties: Any, body: bytes) -> None:
        if not self._confirms:  # With confirms, pika raises an error as well.
            self._returned.append(our_returned(method, properties, body))

    @contextmanager
    def calling(self, *names: str) -> Iterator[Any]:
        """pika's channel, for a call whose errors close this channel and become ours.

        ``names`` are what the call mentions; AMQP has 255 bytes for each.
        """
        for name in names:
            check_name("a name", name)
        exceptions = pika_exceptions()
        if self.closed:
            raise ChannelClosedError(CLOSED)
        try:
            yield self._channel
        except (exceptions.ChannelClosedByBroker, exceptions.ChannelWrongStateError) as error:
            # When a late error was noticed in passing, the channel still knows which.
            reason = getattr(self._channel, "_closing_reason", None) or error
            self.close()
            raise our_error(reason) from None
        except exceptions.AMQPConnectionError as error:
            self.close()
            raise ConnectionError(
                f"the connection to RabbitMQ is lost ({type(error).__name__}); open another one"
            ) from None

    @contextmanager
    def _answering(self, delivery_tag: int) -> Iterator[Any]:
        """``calling`` about a delivery, whose tag is one that there can be."""
        with self.calling() as channel:
            if not isinstance(delivery_tag, int) or not 0 <= delivery_tag < 2**64:
                self.close()
                raise PreconditionFailedError(f"unknown delivery tag {delivery_tag!r}")
            yield channel

    def confirm(self) -> None:
        """As :meth:`simlib.broker.Channel.confirm`."""
        with self.calling() as channel:
            channel.confirm_delivery()
        self._confirms = True

    def publish(
        self, exchange: str, routing_key: str, body: bytes, *, mandatory: bool = False, **more: Any
    ) -> None:
        """As :meth:`simlib.broker.Channel.publish`, but a server does not tell which queues."""
        headers = more.pop("headers", None)
        properties = Properties(exchange, routing_key, **more)
        check_properties(properties)
        check_content(body, headers)
        theirs = their_properties(headers, properties)
        exceptions = pika_exceptions()
        with self.calling(exchange) as channel:
            try:
                channel.basic_publish(exchange, routing_key, body, theirs, mandatory)
            except exceptions.UnroutableError as error:
                for each in error.messages:
                    self._returned.append(our_returned(each.method, each.properties, each.body))
            except exceptions.NackError:
                raise NackedError("refused by a queue, which is full") from None
        self._give_back()

    def _give_back(self) -> None:
        while self._returned:
            returned = self._returned.pop(0)
            if self.on_return is None:
                raise UnroutableError(returned)
            self.on_return(returned)

    def declare_queue(self, name: str = "", **options: Any) -> str:
        """As :meth:`simlib.broker.Channel.declare_queue`; a delivery limit makes a quorum queue."""
        wanted = QueueOptions(**options)
        arguments = {
            ARGUMENTS[each.name]: value
            for each in fields(wanted)
            if each.name in ARGUMENTS and (value := getattr(wanted, each.name)) != each.default
        }
        for seconds in ("x-message-ttl", "x-expires"):
            if seconds in arguments:
                arguments[seconds] = milliseconds(arguments[seconds])
        if wanted.delivery_limit is not None:
            arguments["x-queue-type"] = "quorum"
        with self.calling(name) as channel:
            reply = channel.queue_declare(
                name,
                durable=wanted.durable,
                exclusive=wanted.exclusive,
                auto_delete=wanted.auto_delete,
                arguments=their_table(arguments),
            )
        name = str(reply.method.queue)
        if not wanted.exclusive:
            self._queues.add(name)
        return name

    def bind(
        self,
        queue: str,
        exchange: str,
        routing_key: str = "",
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        """As :meth:`simlib.broker.Channel.bind`."""
        with self.calling(queue, exchange, routing_key) as channel:
            channel.queue_bind(queue, exchange, routing_key, their_table(arguments))

    def consume(
        self,
        queue: str,
        callback: Callable[[Delivery], object],
        *,
        prefetch: int = 0,
        auto_ack: bool = False,
        consumer_tag: str = "",
    ) -> str:
        """As :meth:`simlib.broker.Channel.consume`; ``callback`` is called in ``pump``."""
        check_prefetch(prefetch)
        self._prefetch = prefetch
        with self.calling(queue, consumer_tag) as channel:
            if consumer_tag in channel.consumer_tags:
                raise ValueError(f"this channel has a consumer {consumer_tag!r} already")
            channel.basic_qos(prefetch_count=prefetch)
            return str(
                channel.basic_consume(
                    queue,
                    lambda _channel, method, properties, body: callback(
                        our_delivery(method, properties, body)
                    ),
                    auto_ack=auto_ack,
                    consumer_tag=consumer_tag or None,
                )
            )

    def cancel(self, consumer_tag: str) -> None:
        """As :meth:`simlib.broker.Channel.cancel`."""
        with self.calling(consumer_tag) as channel:
            channel.basic_cancel(consumer_tag)

    def get(self, queue: str, auto_ack: bool = False) -> Delivery | None:
        """As :meth:`simlib.broker.Channel.get`."""
        with self.calling(queue) as channel:
            method, properties, body = channel.basic_get(queue, auto_ack)
        return None if method is None else our_delivery(method, properties, body)

    def ack(self, delivery_tag: int, multiple: bool = False) -> None:
        """As :meth:`simlib.broker.Channel.ack`."""
        with self._answering(delivery_tag) as channel:
            channel.basic_ack(delivery_tag, multiple)

    def nack(self, delivery_tag: int, multiple: bool = False, requeue: bool = True) -> None:
        """As :meth:`simlib.broker.Channel.nack`."""
        with self._answering(delivery_tag) as channel:
            channel.basic_nack(delivery_tag, multiple, requeue)

    def reject(self, delivery_tag: int, requeue: bool = True) -> None:
        """As :meth:`simlib.broker.Channel.reject`."""
        with self._answering(delivery_tag) as channel:
            channel.basic_reject(delivery_tag, requeue)

    def pump(self) -> None:
        """Hear what the server says: deliveries, returned messages, and errors."""
        with self.calling() as channel:
            # Whatever was asked before is answered before this.
            channel.basic_qos(prefetch_count=self._prefetch)
            self._connection.process_data_events(0)
        self._give_back()

    def close(self) -> None:
        """As :meth:`simlib.broker.Channel.close`."""
        if self.closed:
            return
        self.closed = True
        with suppress(pika_exceptions().AMQPError):  # What is lost is closed, too.
            (self._channel if self._lasting else self._connection).close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
