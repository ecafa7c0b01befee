"""What a queue can be declared with, checked and compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from math import isfinite
from typing import Any

from ..queues.base import MessageQueue
from ..queues.checks import check_body, encode_headers
from .errors import PreconditionFailedError, ResourceLockedError
from .messages import ENVELOPE, Properties

__all__ = [
    "ARGUMENTS",
    "QueueOptions",
    "StorageOrOpener",
    "check_content",
    "check_exchange",
    "check_name",
    "check_prefetch",
    "check_properties",
]

StorageOrOpener = MessageQueue | Callable[[], MessageQueue]
"""What keeps a queue's messages, or what opens it, now and after each restart."""

EXCHANGE_TYPES = ("direct", "fanout", "topic", "headers")

ARGUMENTS = {
    "message_ttl": "x-message-ttl",
    "expires": "x-expires",
    "max_length": "x-max-length",
    "overflow": "x-overflow",
    "max_priority": "x-max-priority",
    "dead_letter_exchange": "x-dead-letter-exchange",
    "dead_letter_routing_key": "x-dead-letter-routing-key",
    "delivery_limit": "x-delivery-limit",
}
"""What AMQP calls an option, where it is not a word of AMQP itself."""

OVERFLOWS = ("drop-head", "reject-publish")


@dataclass(frozen=True)
class QueueOptions:
    """How a queue is to behave; None: no such rule.

    Parameters
    ----------
    durable : bool
        Whether the queue, and the persistent messages in it, outlive a restart of the broker.
    exclusive : bool
        Whether it belongs to one channel, and goes with it.
    auto_delete : bool
        Whether it goes with its last consumer.
    message_ttl : float or None
        How long a message may wait (seconds). It dies when it gets to the head of the queue.
    expires : float or None
        How long the queue may be without a consumer, a get or a declaration (seconds).
    max_length : int or None
        The most messages that may be ready.
    overflow : str
        What happens to a message too many: ``"drop-head"`` drops the oldest one,
        ``"reject-publish"`` refuses the new one.
    max_priority : int or None
        The largest priority (1 to 255); without it, priorities are ignored.
    dead_letter_exchange : str or None
        Where rejected, expired and dropped messages are published.
    dead_letter_routing_key : str or None
        With which key; None: the one they had.
    delivery_limit : int or None
        How many times a message may come back before it dies.
    """

    durable: bool = False
    exclusive: bool = False
    auto_delete: bool = False
    message_ttl: float | None = None
    expires: float | None = None
    max_length: int | None = None
    overflow: str = "drop-head"
    max_priority: int | None = None
    dead_letter_exchange: str | None = None
    dead_letter_routing_key: str | None = None
    delivery_limit: int | None = None

    def __post_init__(self) -> None:
        _check_seconds("message_ttl", self.message_ttl)
        _check_seconds("expires", self.expires)
        if self.expires == 0:
            raise ValueError("expires must be > 0 seconds or None, got 0")
        _check_whole("max_length", self.max_length, 0)
        _check_whole("max_priority", self.max_priority, 1, 255)
        _check_whole("delivery_limit", self.delivery_limit, 0)
        if self.overflow not in OVERFLOWS:
            raise ValueError(
                f"overflow must be {' or '.join(map(repr, OVERFLOWS))}, got {self.overflow!r}"
            )
        for name in ("dead_letter_exchange", "dead_letter_routing_key"):
            if getattr(self, name) is not None:
                check_name(name, getattr(self, name))
        if self.dead_letter_routing_key is not None and self.dead_letter_exchange is None:
            raise ValueError(
                "dead_letter_routing_key needs a dead_letter_exchange; '' is the default exchange"
            )

    def check_equivalent(self, queue: str, current: QueueOptions) -> None:
        """Raise unless a queue that exists was declared with the same options."""
        for each in fields(self):
            received, there = getattr(self, each.name), getattr(current, each.name)
            if received == there:
                continue
            if each.name == "exclusive":
                raise ResourceLockedError(
                    f"queue {queue!r} was declared with exclusive={there}, not {received}"
                )
            raise PreconditionFailedError(
                f"inequivalent arg {ARGUMENTS.get(each.name, each.name)!r} for queue {queue!r}: "
                f"received {received!r} but current is {there!r}"
            )


def check_exchange(name: object, type: str) -> None:  # noqa: A002, as AMQP has it
    """Raise TypeError or ValueError unless an exchange can be declared so."""
    check_name("an exchange's name", name)
    if type not in EXCHANGE_TYPES:
        raise ValueError(f"unknown exchange type {type!r}; there are {', '.join(EXCHANGE_TYPES)}")


def check_prefetch(prefetch: int) -> None:
    """Raise ValueError unless ``prefetch`` is a number of messages that AMQP has room for."""
    if isinstance(prefetch, bool) or not isinstance(prefetch, int) or not 0 <= prefetch < 65536:
        raise ValueError(
            f"prefetch must be a whole number from 0 (no limit) to 65535, got {prefetch!r}"
        )


def check_name(what: str, name: object) -> None:
    """Raise TypeError or ValueError unless ``name`` is text that AMQP has room for."""
    if not isinstance(name, str):
        raise TypeError(f"{what} must be a string, got {name!r}")
    if len(name.encode()) > 255:
        raise ValueError(f"{what} must have at most 255 bytes, got {len(name.encode())}: {name!r}")


def check_content(body: object, headers: Mapping[str, Any] | None) -> None:
    """Raise TypeError or ValueError unless a message can have this body and these headers."""
    if type(body) is not bytes:
        check_body(body)
    if headers is not None:
        encode_headers(headers)
        if ENVELOPE in headers:
            raise ValueError(f"the header {ENVELOPE!r} is the broker's own")


def check_properties(properties: Properties) -> None:
    """Raise TypeError or ValueError unless a message can be published with these."""
    _, key, priority, persistent, expiration, reply_to, correlation_id, _ = properties
    if type(key) is not str or len(key) > 63:  # A character takes four bytes at most.
        check_name("routing_key", key)
    if priority != 0:
        _check_whole("priority", priority, 0, 255)
    if persistent not in (False, True):
        raise TypeError(f"persistent must be True or False, got {persistent!r}")
    if expiration is not None:
        _check_seconds("expiration", expiration)
    if reply_to is not None:
        check_name("reply_to", reply_to)
    if correlation_id is not None:
        check_name("correlation_id", correlation_id)


def _check_seconds(what: str, seconds: float | None) -> None:
    """Raise ValueError unless ``seconds`` is None, or finite and not negative."""
    if seconds is None:
        return
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise TypeError(f"{what} must be a number of seconds or None, got {seconds!r}")
    if not (isfinite(seconds) and seconds >= 0):
        raise ValueError(f"{what} must be >= 0 seconds or None, got {seconds!r}")


def _check_whole(what: str, number: int | None, low: int, high: int | None = None) -> None:
    if number is None:
        return
    if isinstance(number, bool) or not isinstance(number, int):
        raise TypeError(f"{what} must be a whole number or None, got {number!r}")
    if number < low or (high is not None and number > high):
        allowed = f">= {low}" if high is None else f"from {low} to {high}"
        raise ValueError(f"{what} must be {allowed} or None, got {number}")
