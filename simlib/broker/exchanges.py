"""Exchanges: where a message goes, by the type of the exchange and its bindings."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, TypeAlias

from .errors import PreconditionFailedError
from .topics import TopicTrie

__all__ = [
    "Binding",
    "Destination",
    "Direct",
    "Exchange",
    "Fanout",
    "Headers",
    "Topic",
    "make_exchange",
]

MATCHES = ("all", "any", "all-with-x", "any-with-x")


class Destination(Protocol):
    """What an exchange can send to: a queue, or another exchange."""

    name: str

    def __hash__(self) -> int: ...


@dataclass(frozen=True)
class Binding:
    """A way from an exchange to a queue or to another exchange."""

    source: str
    destination: str
    kind: str
    """Whether the destination is a ``"queue"`` or an ``"exchange"``."""
    routing_key: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


class Exchange:
    """An exchange and its bindings; each type indexes them in its own way.

    Parameters
    ----------
    name : str
        What publishers call it.
    durable : bool
        Whether it outlives a restart of the broker.
    auto_delete : bool
        Whether it goes with its last binding.
    internal : bool
        Whether only other exchanges may send to it.
    alternate : str or None
        The exchange that gets what this one has no destination for.
    """

    type: ClassVar[str]
    reads_headers: ClassVar[bool] = False
    """Whether its way for a message depends on more than the routing key."""

    def __init__(
        self,
        name: str,
        durable: bool = False,
        auto_delete: bool = False,
        internal: bool = False,
        alternate: str | None = None,
    ) -> None:
        self.name = name
        self.durable = durable
        self.auto_delete = auto_delete
        self.internal = internal
        self.alternate = alternate
        # By destination, then by routing key and arguments, for AMQP calls these the same binding.
        self.bindings: dict[Destination, dict[tuple[str, str], Binding]] = {}

    def route(self, key: str, headers: Mapping[str, Any]) -> Collection[Destination]:
        """Where a message goes, each destination once."""
        raise NotImplementedError

    def bind(self, destination: Destination, binding: Binding) -> None:
        """Add a binding; one that is there already changes nothing."""
        known = self.bindings.setdefault(destination, {})
        identity = _identity(binding)
        if identity not in known:
            self._index(binding, destination)
            known[identity] = binding

    def unbind(self, destination: Destination, binding: Binding) -> bool:
        """Remove a binding; whether it was there."""
        known = self.bindings.get(destination, {})
        found = known.pop(_identity(binding), None)
        if found is None:
            return False
        self._unindex(found, destination)
        if not known:
            del self.bindings[destination]
        return True

    def unbind_all(self, destination: Destination) -> bool:
        """Remove all bindings to a destination; whether there were any."""
        known = self.bindings.pop(destination, {})
        for binding in known.values():
            self._unindex(binding, destination)
        return bool(known)

    def _index(self, binding: Binding, destination: Destination) -> None:
        raise NotImplementedError

    def _unindex(self, binding: Binding, destination: Destination) -> None:
        raise NotImplementedError


class Direct(Exchange):
    """To whoever is bound by exactly the routing key."""

    type = "direct"

    def __init__(self, name: str, **options: Any) -> None:
        super().__init__(name, **options)
        self._by_key: dict[str, dict[Destination, int]] = {}

    def route(self, key: str, headers: Mapping[str, Any]) -> Collection[Destination]:
        return self._by_key.get(key, ())

    def _index(self, binding: Binding, destination: Destination) -> None:
        counts = self._by_key.setdefault(binding.routing_key, {})
        counts[destination] = counts.get(destination, 0) + 1

    def _unindex(self, binding: Binding, destination: Destination) -> None:
        counts = self._by_key[binding.routing_key]
        counts[destination] -= 1
        if not counts[destination]:
            del counts[destination]
        if not counts:
            del self._by_key[binding.routing_key]


class Fanout(Exchange):
    """To everybody who is bound."""

    type = "fanout"

    def route(self, key: str, headers: Mapping[str, Any]) -> Collection[Destination]:
        return self.bindings

    def _index(self, binding: Binding, destination: Destination) -> None:
        """Nothing to do: the bindings themselves are the index."""

    def _unindex(self, binding: Binding, destination: Destination) -> None:
        """Nothing to do."""


class Topic(Exchange):
    """To whoever is bound by a pattern that the routing key matches."""

    type = "topic"

    def __init__(self, name: str, **options: Any) -> None:
        super().__init__(name, **options)
        self._trie: TopicTrie[Destination] = TopicTrie()

    def route(self, key: str, headers: Mapping[str, Any]) -> Collection[Destination]:
        return self._trie.matching(key)

    def _index(self, binding: Binding, destination: Destination) -> None:
        self._trie.add(binding.routing_key, destination)

    def _unindex(self, binding: Binding, destination: Destination) -> None:
        self._trie.remove(binding.routing_key, destination)


class Headers(Exchange):
    """To whoever is bound by arguments that the headers match.

    The argument ``x-match`` says whether ``all`` (the default) or ``any`` of the others must match;
    those that start with ``x-`` count only in ``all-with-x`` and ``any-with-x``. An argument of
    None asks only that the header is there. A value of another type is another value: 1 is not
    1.0, and not true.
    """

    type = "headers"
    reads_headers = True

    def __init__(self, name: str, **options: Any) -> None:
        super().__init__(name, **options)
        self._tests: dict[Binding_, tuple[Destination, Callable[..., bool], dict[str, str]]] = {}

    def route(self, key: str, headers: Mapping[str, Any]) -> Collection[Destination]:
        values = {name: _canonical(value) for name, value in headers.items()}
        return {
            destination: None
            for destination, enough, wanted in self._tests.values()
            if enough(
                name in values and value in (_NOTHING, values[name])
                for name, value in wanted.items()
            )
        }

    def bind(self, destination: Destination, binding: Binding) -> None:
        match = binding.arguments.get("x-match", "all")
        if match not in MATCHES:
            raise PreconditionFailedError(
                f"invalid x-match field value {match!r}; expected {', '.join(MATCHES)}"
            )
        super().bind(destination, binding)

    def _index(self, binding: Binding, destination: Destination) -> None:
        match = binding.arguments.get("x-match", "all")
        wanted = {
            name: _canonical(value)
            for name, value in binding.arguments.items()
            if not name.startswith("x-") or (match.endswith("-with-x") and name != "x-match")
        }
        enough = all if match.startswith("all") else any
        self._tests[(destination, *_identity(binding))] = (destination, enough, wanted)

    def _unindex(self, binding: Binding, destination: Destination) -> None:
        del self._tests[(destination, *_identity(binding))]


Binding_: TypeAlias = tuple[Destination, str, str]

_NOTHING = "null"

TYPES: dict[str, type[Exchange]] = {kind.type: kind for kind in (Direct, Fanout, Topic, Headers)}


def make_exchange(name: str, type: str, **options: Any) -> Exchange:  # noqa: A002, as AMQP has it
    """A new exchange of a type."""
    return TYPES[type](name, **options)


def _canonical(value: object) -> str:
    """A text that two values have in common only if they are equal and of one type.

    As in RabbitMQ, tables inside a value differ when their keys stand in another order.
    """
    return json.dumps(value)


def _identity(binding: Binding) -> tuple[str, str]:
    return binding.routing_key, _canonical(sorted(binding.arguments.items()))
