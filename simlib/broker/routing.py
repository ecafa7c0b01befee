"""Where messages go: exchanges by name, and the ways from each of them to queues."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from typing import Any

from ..queues.checks import encode_headers
from .errors import AccessRefusedError, NotFoundError, PreconditionFailedError
from .exchanges import Binding, Destination, Exchange, make_exchange
from .options import check_exchange, check_name
from .queues import BrokerQueue

__all__ = ["Routing", "refuse_reserved"]

REMEMBERED = 4096
"""How many routes are remembered at most, so that routing keys without end fill no memory."""

PREDECLARED = {
    "amq.direct": "direct",
    "amq.fanout": "fanout",
    "amq.topic": "topic",
    "amq.headers": "headers",
    "amq.match": "headers",
}


class Routing(ABC):
    """The exchanges of a broker, and their bindings to its queues and to each other."""

    def __init__(self) -> None:
        self._queues: dict[str, BrokerQueue] = {}
        self._exchanges: dict[str, Exchange] = {"": _DefaultExchange(self._queues)}
        for name, kind in PREDECLARED.items():
            self._exchanges[name] = make_exchange(name, kind, durable=True)
        # Where messages went that were published, by exchange and routing key; emptied by whatever
        # may change that.
        self._routes: dict[tuple[str, ...], list[BrokerQueue]] = {}

    @abstractmethod
    def queue(self, name: str, user: int | None = None) -> BrokerQueue:
        """The queue of that name, for the channel with that number if it may use it."""

    # Exchanges

    def declare_exchange(
        self,
        name: str,
        type: str = "direct",  # noqa: A002, as AMQP has it
        *,
        durable: bool = False,
        auto_delete: bool = False,
        internal: bool = False,
        alternate_exchange: str | None = None,
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        """Make an exchange, unless there is one just like it.

        Parameters
        ----------
        name : str
            What publishers call it.
        type : str
            ``"direct"``, ``"fanout"``, ``"topic"`` or ``"headers"``.
        durable : bool
            Whether it outlives a restart of the broker.
        auto_delete : bool
            Whether it goes with its last binding.
        internal : bool
            Whether only other exchanges may send to it.
        alternate_exchange : str, optional
            The exchange that gets what this one has no destination for.
        arguments : mapping, optional
            ``{"alternate-exchange": ...}``, the same in AMQP's own words.

        Raises
        ------
        PreconditionFailedError
            There is one of this name that differs.
        """
        check_exchange(name, type)
        alternate = _alternate_of(alternate_exchange, arguments)
        wanted = make_exchange(
            name,
            type,
            durable=durable,
            auto_delete=auto_delete,
            internal=internal,
            alternate=alternate,
        )
        if name == "":
            raise AccessRefusedError("operation not permitted on the default exchange")
        current = self._exchanges.get(name)
        if current is None:
            refuse_reserved("exchange", name)
            self._exchanges[name] = wanted
            self._routes.clear()
            return
        for option in ("type", "durable", "auto_delete", "internal", "alternate"):
            received, there = getattr(wanted, option), getattr(current, option)
            if received != there:
                raise PreconditionFailedError(
                    f"inequivalent arg {option!r} for exchange {name!r}: "
                    f"received {received!r} but current is {there!r}"
                )

    def delete_exchange(self, name: str, *, if_unused: bool = False) -> None:
        """Delete an exchange and its bindings; one that does not exist is deleted already.

        With ``if_unused`` only one without bindings is deleted, and others are refused.
        """
        if name == "":
            raise AccessRefusedError("operation not permitted on the default exchange")
        if name in PREDECLARED:
            raise AccessRefusedError(f"deletion of system exchange {name!r} not allowed")
        exchange = self._exchanges.get(name)
        if exchange is None:
            return
        if if_unused and exchange.bindings:
            raise PreconditionFailedError(f"exchange {name!r} in use")
        del self._exchanges[name]
        self._forget_destination(exchange)

    # Bindings

    def bind(
        self,
        queue: str,
        exchange: str,
        routing_key: str = "",
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        """Send what an exchange gets to a queue, if it matches.

        Parameters
        ----------
        queue, exchange : str
            Where to, and where from.
        routing_key : str
            What a direct exchange compares the routing key with, or a topic exchange's pattern.
        arguments : mapping, optional
            What a headers exchange compares the headers with; see ``x-match`` there.
        """
        self.bind_for(None, queue, exchange, routing_key, arguments)

    def bind_for(
        self,
        user: int | None,
        queue: str,
        exchange: str,
        routing_key: str,
        arguments: Mapping[str, Any] | None,
    ) -> None:
        """``bind`` on somebody's behalf."""
        self._bind(self.queue(queue, user), exchange, routing_key, arguments)

    def bind_exchange(
        self,
        destination: str,
        source: str,
        routing_key: str = "",
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        """Send what an exchange gets to another exchange, if it matches. As for ``bind``."""
        self._bind(self._bindable(destination), source, routing_key, arguments)

    def unbind(
        self,
        queue: str,
        exchange: str,
        routing_key: str = "",
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        """Undo ``bind``; a binding that does not exist is undone already."""
        if queue in self._queues:
            self._unbind(self.queue(queue), exchange, routing_key, arguments)

    def unbind_exchange(
        self,
        destination: str,
        source: str,
        routing_key: str = "",
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        """Undo ``bind_exchange``; a binding that does not exist is undone already."""
        if destination in self._exchanges:
            self._unbind(self._bindable(destination), source, routing_key, arguments)

    def _bind(
        self,
        destination: Destination,
        source: str,
        routing_key: str,
        arguments: Mapping[str, Any] | None,
    ) -> None:
        exchange = self._bindable(source)
        exchange.bind(destination, _binding(exchange, destination, routing_key, arguments))
        self._routes.clear()

    def _unbind(
        self,
        destination: Destination,
        source: str,
        routing_key: str,
        arguments: Mapping[str, Any] | None,
    ) -> None:
        if source not in self._exchanges:
            return
        exchange = self._bindable(source)
        if exchange.unbind(destination, _binding(exchange, destination, routing_key, arguments)):
            self._routes.clear()
            self._without_binding(exchange)

    def _bindable(self, name: str) -> Exchange:
        """The exchange of that name, which is not the default one."""
        if name == "":
            raise AccessRefusedError("operation not permitted on the default exchange")
        return self._exchange(name)

    def _exchange(self, name: str) -> Exchange:
        try:
            return self._exchanges[name]
        except KeyError:
            raise NotFoundError(f"no exchange {name!r}; declare it first") from None

    def _forget_destination(self, destination: Destination) -> None:
        """Know a queue or an exchange no more that is deleted."""
        self._routes.clear()
        for exchange in list(self._exchanges.values()):
            if exchange.unbind_all(destination):
                self._without_binding(exchange)

    def _without_binding(self, exchange: Exchange) -> None:
        """Delete an exchange that goes with its last binding, if that was it."""
        if exchange.auto_delete and not exchange.bindings and exchange.name in self._exchanges:
            self.delete_exchange(exchange.name)

    # Routes

    def destinations(
        self, source: Exchange, key: str, headers: Mapping[str, Any]
    ) -> list[BrokerQueue]:
        """The queues that a message gets to, each once, in the order of their names."""
        known = self._routes.get((source.name, key))
        if known is not None:
            return known
        queues: set[BrokerQueue] = set()
        seen = {source}
        ahead = list(self._next(source, key, headers))
        for destination in ahead:  # grows on the way
            if isinstance(destination, BrokerQueue):
                queues.add(destination)
            elif isinstance(destination, Exchange) and destination not in seen:
                seen.add(destination)
                ahead.extend(self._next(destination, key, headers))
        found = sorted(queues, key=_by_name)
        if not source.internal and not any(exchange.reads_headers for exchange in seen):
            if len(self._routes) >= REMEMBERED:
                self._routes.clear()
            self._routes[source.name, key] = found
        return found

    def _next(
        self, exchange: Exchange, key: str, headers: Mapping[str, Any]
    ) -> Collection[Destination]:
        """Where a message goes from an exchange: to its alternate when there is no other way."""
        found = exchange.route(key, headers)
        if not found and exchange.alternate in self._exchanges:
            return (self._exchanges[exchange.alternate],)
        return found

    def source(self, name: str) -> Exchange:
        """The exchange of that name, to publish to."""
        exchange = self._exchanges.get(name) or self._exchange(name)
        if exchange.internal:
            raise AccessRefusedError(f"cannot publish to internal exchange {name!r}")
        return exchange


class _DefaultExchange(Exchange):
    """To the queue that has the routing key for a name; nobody binds to it."""

    type = "direct"

    def __init__(self, queues: Mapping[str, BrokerQueue]) -> None:
        super().__init__("", durable=True)
        self._by_name = queues

    def route(self, key: str, headers: Mapping[str, Any]) -> tuple[BrokerQueue, ...]:
        queue = self._by_name.get(key)
        return () if queue is None else (queue,)


def refuse_reserved(what: str, name: str) -> None:
    """Raise AccessRefusedError for a name that only the broker gives."""
    if name.startswith("amq."):
        raise AccessRefusedError(f"{what} name {name!r} contains reserved prefix 'amq.*'")


def _by_name(queue: BrokerQueue) -> str:
    return queue.name


def _alternate_of(name: str | None, arguments: Mapping[str, Any] | None) -> str | None:
    """The alternate exchange, whichever way it was given."""
    rest = dict(arguments or {})
    alternate: str | None = rest.pop("alternate-exchange", name)
    if rest:
        raise ValueError(f"an exchange's only argument is 'alternate-exchange', got {sorted(rest)}")
    if name not in (None, alternate):
        raise ValueError(f"two alternate exchanges: {name!r} and {alternate!r}")
    if alternate is not None:
        check_name("an alternate exchange's name", alternate)
    return alternate


def _binding(
    source: Exchange,
    destination: Destination,
    routing_key: str,
    arguments: Mapping[str, Any] | None,
) -> Binding:
    check_name("routing_key", routing_key)
    arguments = {} if arguments is None else json.loads(encode_headers(arguments))
    kind = "queue" if isinstance(destination, BrokerQueue) else "exchange"
    return Binding(source.name, destination.name, kind, routing_key, arguments)
