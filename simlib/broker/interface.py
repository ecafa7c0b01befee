"""What a broker offers, whichever it is: ours in the program, or RabbitMQ on a server.

Both are held to this by the same tests. Times are seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, Self

from .messages import Delivery, Returned

__all__ = ["MessageBroker", "MessageChannel"]


class MessageChannel(Protocol):
    """A conversation with a broker; see :class:`simlib.broker.Channel` for each method."""

    closed: bool

    def confirm(self) -> None: ...

    def publish(
        self,
        exchange: str,
        routing_key: str,
        body: bytes,
        *,
        mandatory: bool = False,
        **properties: Any,
    ) -> list[str] | None: ...

    def declare_queue(self, name: str = "", **options: Any) -> str: ...

    def bind(
        self,
        queue: str,
        exchange: str,
        routing_key: str = "",
        arguments: Mapping[str, Any] | None = None,
    ) -> None: ...

    def consume(
        self,
        queue: str,
        callback: Callable[[Delivery], object],
        *,
        prefetch: int = 0,
        auto_ack: bool = False,
        consumer_tag: str = "",
    ) -> str: ...

    def cancel(self, consumer_tag: str) -> None: ...

    def get(self, queue: str, auto_ack: bool = False) -> Delivery | None: ...

    def ack(self, delivery_tag: int, multiple: bool = False) -> None: ...

    def nack(self, delivery_tag: int, multiple: bool = False, requeue: bool = True) -> None: ...

    def reject(self, delivery_tag: int, requeue: bool = True) -> None: ...

    def close(self) -> None: ...


class MessageBroker(Protocol):
    """A broker; see :class:`simlib.broker.Broker` for each method.

    ``publish`` returns the names of the queues that have the message, or None where the broker does
    not tell. ``pump`` does what has fallen due, deliveries to consumers included.
    """

    def declare_exchange(
        self,
        name: str,
        type: str = "direct",  # noqa: A002, as AMQP has it
        *,
        durable: bool = False,
        auto_delete: bool = False,
        internal: bool = False,
        alternate_exchange: str | None = None,
    ) -> None: ...

    def delete_exchange(self, name: str, *, if_unused: bool = False) -> None: ...

    def declare_queue(self, name: str = "", **options: Any) -> str: ...

    def delete_queue(
        self, name: str, *, if_unused: bool = False, if_empty: bool = False
    ) -> int: ...

    def purge(self, name: str) -> int: ...

    def message_count(self, name: str) -> int: ...

    def bind(
        self,
        queue: str,
        exchange: str,
        routing_key: str = "",
        arguments: Mapping[str, Any] | None = None,
    ) -> None: ...

    def unbind(
        self,
        queue: str,
        exchange: str,
        routing_key: str = "",
        arguments: Mapping[str, Any] | None = None,
    ) -> None: ...

    def bind_exchange(
        self,
        destination: str,
        source: str,
        routing_key: str = "",
        arguments: Mapping[str, Any] | None = None,
    ) -> None: ...

    def unbind_exchange(
        self,
        destination: str,
        source: str,
        routing_key: str = "",
        arguments: Mapping[str, Any] | None = None,
    ) -> None: ...

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
    ) -> list[str] | None: ...

    def get(self, queue: str) -> Delivery | None: ...

    def channel(self, on_return: Callable[[Returned], object] | None = None) -> MessageChannel: ...

    def pump(self) -> None: ...

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...
