"""What travels: a message's properties, its delivery, its return, and the record of its deaths."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

__all__ = [
    "ENVELOPE",
    "Death",
    "Delivery",
    "Properties",
    "Returned",
    "died_without_consumer_since",
    "properties_of",
    "with_death",
]

ENVELOPE = "x-broker"
"""The header under which a queue keeps a persistent message's properties."""


class Properties(NamedTuple):
    """What the publisher said about a message, apart from its headers."""

    exchange: str
    routing_key: str
    priority: int = 0
    persistent: bool = False
    expiration: float | None = None
    """How long it may wait in a queue (seconds)."""
    reply_to: str | None = None
    correlation_id: str | None = None
    expires: float | None = None
    """When it dies in the queue it is in, on the broker's clock (seconds)."""


def properties_of(
    exchange: str,
    routing_key: str,
    *,
    priority: int = 0,
    persistent: bool = False,
    expiration: float | None = None,
    reply_to: str | None = None,
    correlation_id: str | None = None,
) -> Properties:
    """What the publisher of a message can say, as for ``Broker.publish``."""
    return Properties(
        exchange, routing_key, priority, persistent, expiration, reply_to, correlation_id
    )


class Delivery(NamedTuple):
    """A message as it is handed to a consumer."""

    delivery_tag: int
    """What to acknowledge it by, on the channel it came through."""
    exchange: str
    """Where it was published."""
    routing_key: str
    redelivered: bool
    """Whether it may have been delivered before."""
    body: bytes
    headers: dict[str, Any]
    priority: int = 0
    persistent: bool = False
    expiration: float | None = None
    """How long it was allowed to wait (seconds)."""
    reply_to: str | None = None
    """The queue that an answer is to be sent to."""
    correlation_id: str | None = None
    """Which request it answers, or which answer it asks for."""
    attempts: int = 1
    """How many times it was delivered, this time included. RabbitMQ counts in quorum queues only;
    elsewhere 2 stands for more than once."""
    consumer_tag: str = ""
    """Who it is for; empty when it was fetched with ``get``."""


class Returned(NamedTuple):
    """A mandatory message that no queue took, on its way back to the publisher."""

    exchange: str
    routing_key: str
    body: bytes
    headers: dict[str, Any]


class Death(NamedTuple):
    """The end of a message that nobody acked, and where it went from there."""

    queue: str
    """In which it died."""
    reason: str
    """One of ``expired``, ``maxlen``, ``rejected``, ``delivery_limit``, ``purged`` and ``lost``."""
    body: bytes
    headers: dict[str, Any]
    """As they were before."""
    reached: list[str]
    """The queues that have it as a dead letter."""
    refused: list[str]
    """The queues that had no room for the dead letter."""


def with_death(
    headers: Mapping[str, Any], properties: Properties, queue: str, reason: str, now: float
) -> dict[str, Any]:
    """The headers after a death in a queue.

    ``x-death`` has one entry for each queue and reason, the latest first, with a count. A publisher
    may have put anything under that name: what can't be such an entry is left out.
    """
    known = headers.get("x-death")
    deaths = [each for each in known if isinstance(each, dict)] if isinstance(known, list) else []
    for place, death in enumerate(deaths):
        if (death.get("queue"), death.get("reason")) == (queue, reason):
            count = death.get("count")
            latest = {**deaths.pop(place), "count": count + 1 if isinstance(count, int) else 1}
            break
    else:
        latest = {
            "count": 1,
            "reason": reason,
            "queue": queue,
            "time": int(now),
            "exchange": properties.exchange,
            "routing-keys": [properties.routing_key],
        }
        if properties.expiration is not None:
            latest["original-expiration"] = str(round(properties.expiration * 1000))
    first = {}
    if "x-death" not in headers:
        first = {
            "x-first-death-reason": reason,
            "x-first-death-queue": queue,
            "x-first-death-exchange": properties.exchange,
        }
    return {**first, **headers, "x-death": [latest, *deaths]}


def died_without_consumer_since(headers: Mapping[str, Any], queue: str) -> bool:
    """Whether a dead letter has been in the queue before, and nobody has rejected it since.

    Such a message would go round for ever without anybody's doing.
    """
    for death in headers["x-death"]:
        if death.get("reason") == "rejected":
            return False
        if death.get("queue") == queue:
            return True
    return False
