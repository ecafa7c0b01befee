"""What publishers and consumers have to agree on: queues and exchanges, declared by both alike.

Declaring costs nothing where it is so already, and is an error (406) where it is otherwise. So
whoever comes first makes it, and nothing depends on who that is. Names of durable queues outlast
the program; :func:`delete` takes them away.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...broker.options import check_name
from ..pika_words import milliseconds

__all__ = ["Subscription", "Topic", "WorkQueue", "delete"]


@dataclass(frozen=True, slots=True)
class WorkQueue:
    """A durable queue whose consumers compete, and where the messages go that fail twice.

    Parameters
    ----------
    name : str
        Its name; that of its dead letters ends with ``.dead``.
    capacity : int, optional
        The most messages that may wait. One more is refused, and its publisher told (if it waits
        for confirms).
    expires : float, optional
        How long it may be unused before the server deletes it (s); none: for ever. What an
        experiment declares goes by itself, even if the program is killed.
    """

    name: str
    capacity: int | None = None
    expires: float | None = None

    def __post_init__(self) -> None:
        check_name("a queue's name", self.dead)
        if not self.name or self.name.startswith("amq."):
            raise ValueError(
                "a work queue needs a name of its own, not beginning with 'amq.', got "
                f"{self.name!r}"
            )
        if self.capacity is not None and self.capacity < 1:
            raise ValueError(f"capacity must be >= 1 message, got {self.capacity!r}")
        if self.expires is not None and not self.expires >= 0.001:
            raise ValueError(f"expires must be >= 0.001 s, got {self.expires!r}")

    @property
    def dead(self) -> str:
        """The queue of its dead letters."""
        return f"{self.name}.dead"

    exchange = ""
    """The default exchange, to which every queue is bound by its name."""

    def declare(self, channel: Any) -> str:
        """Declare both queues on a channel; the name."""
        lasting: dict[str, Any] = {}
        if self.expires is not None:
            lasting["x-expires"] = milliseconds(self.expires)
        arguments = {
            **lasting,
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": self.dead,
        }
        if self.capacity is not None:
            arguments |= {"x-max-length": self.capacity, "x-overflow": "reject-publish"}
        channel.queue_declare(self.dead, durable=True, arguments=lasting)
        channel.queue_declare(self.name, durable=True, arguments=arguments)
        return self.name


@dataclass(frozen=True, slots=True)
class Topic:
    """A durable topic exchange: whoever is subscribed gets a copy, whoever isn't gets none.

    Parameters
    ----------
    exchange : str
        Its name.
    """

    exchange: str

    def __post_init__(self) -> None:
        check_name("an exchange's name", self.exchange)
        if not self.exchange or self.exchange.startswith("amq."):
            raise ValueError(
                "a topic needs an exchange of its own, whose name doesn't begin with 'amq.', got "
                f"{self.exchange!r}"
            )

    def declare(self, channel: Any) -> str:
        """Declare it on a channel; the routing key of those who give none."""
        channel.exchange_declare(self.exchange, exchange_type="topic", durable=True)
        return ""


@dataclass(frozen=True, slots=True)
class Subscription:
    """A queue for one subscriber of a topic, which the server names and takes away with it.

    After a lost connection it is another queue: what was published in between is missed. Who must
    miss nothing needs a :class:`WorkQueue` that is bound.

    Parameters
    ----------
    topic : Topic
        What is subscribed to.
    patterns : tuple of str
        Routing keys in words with dots between: ``*`` stands for one word, ``#`` for any number.
    """

    topic: Topic
    patterns: tuple[str, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.patterns, tuple) or not self.patterns:
            raise ValueError(f"patterns must be one or more, in a tuple, got {self.patterns!r}")
        for pattern in self.patterns:
            check_name("a pattern", pattern)

    def declare(self, channel: Any) -> str:
        """Declare exchange and queue on a channel, and bind them; the name that the server gave."""
        self.topic.declare(channel)
        # The name is '', not missing, and the reply has the one to go on with.
        name = str(channel.queue_declare("", exclusive=True).method.queue)
        for pattern in self.patterns:
            channel.queue_bind(name, self.topic.exchange, pattern)
        return name


def delete(channel: Any, *what: WorkQueue | Topic) -> None:
    """Delete queues with their dead letters, and exchanges. What isn't there is no error."""
    for each in what:
        if isinstance(each, Topic):
            channel.exchange_delete(each.exchange)
        else:
            channel.queue_delete(each.name)
            channel.queue_delete(each.dead)
