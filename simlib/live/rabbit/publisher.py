"""A publisher that knows what became of each message: confirmed, returned, or given up.

A ``basic_publish`` that raises has not failed, it is *unknown*: the message may be there, and only
its confirm was lost. So it is published again under the same id, and consumers drop doubles.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from enum import Enum
from typing import Any, Self
from uuid import uuid4

from ...broker.errors import BrokerError, NackedError, UnroutableError
from ...broker.messages import Returned
from ...broker.options import check_content, check_name
from ...tracing import TraceContext
from ..pika_words import (
    our_error,
    our_returned,
    pika_exceptions,
    pika_itself,
    their_table,
)
from .connection import Link, OwnThread, close, lost_connection
from .spans import PUBLISHED, SpanRecorder
from .topology import Topic, WorkQueue

__all__ = ["Fate", "Publisher", "persistent"]


class Fate(Enum):
    """What can become of an attempt to publish."""

    CONFIRMED = "confirmed"
    """The server has it, on the disk if it is persistent."""
    RETURNED = "returned"
    """No queue wants it."""
    NACKED = "nacked"
    """A queue has no room for it; tried again after a pause."""
    UNSENT = "unsent"
    """There was no connection; tried again after a pause."""
    UNKNOWN = "unknown"
    """The connection was lost before the confirm; published again under the same id."""
    GIVEN_UP = "given up"
    """There were as many attempts as are allowed."""


def persistent(message_id: str, headers: Mapping[str, Any]) -> Any:
    """The properties of a message that outlasts a restart of its server, and is known by its id."""
    return pika_itself().BasicProperties(
        delivery_mode=2, message_id=message_id, headers=their_table(headers)
    )


class Publisher:
    """Publishes to a work queue or a topic, and returns when the server has the message.

    The queue is durable, the messages persistent, mandatory and confirmed. A lost connection is
    opened again after a pause with jitter, and what is unknown is published again.

    Parameters
    ----------
    to : WorkQueue or Topic
        Where to; it is declared whenever a connection is opened.
    link : Link, optional
        Where the server is, and how often it is tried.
    spans : SpanRecorder, optional
        Notes a span for each message.

    Examples
    --------
    ::

        with Publisher(WorkQueue("orders")) as publisher:
            publisher.publish(b'{"item": "chair"}')
    """

    def __init__(
        self, to: WorkQueue | Topic, link: Link | None = None, spans: SpanRecorder | None = None
    ) -> None:
        self.to = to
        self.link = link or Link()
        self.fates: Counter[Fate] = Counter()
        """How many attempts ended in which way."""
        self.connections = 0
        """How many were opened."""
        self._spans = spans
        self._thread = OwnThread("publisher")
        self._connection: Any = None
        self._channel: Any = None

    def publish(
        self,
        body: bytes,
        routing_key: str | None = None,
        *,
        message_id: str | None = None,
        headers: Mapping[str, Any] | None = None,
        context: TraceContext | None = None,
    ) -> str:
        """Publish a message and wait until the server has it; its id.

        Parameters
        ----------
        body : bytes
            What it says.
        routing_key : str, optional
            For a topic.
        message_id : str, optional
            What consumers know doubles by, else a new one. Who may crash before this returns keeps
            the id with what is to be said, as in an outbox.
        headers : mapping, optional
            What else it says.
        context : TraceContext, optional
            The span that this message comes from; none: it begins a trace.

        Raises
        ------
        UnroutableError
            No queue wants it. A topic to which nobody is subscribed is no error.
        NackedError, GaveUpError
            The queue was full, or the server away, at each attempt. After the latter the message
            may be there.
        """
        self._thread.check()
        check_content(body, dict(headers or {}))
        key = self._key(routing_key)
        name = message_id or str(uuid4())
        trace = context.child() if context else TraceContext.new()
        instant = {PUBLISHED: round(time.time() * 1e6)}
        properties = persistent(name, trace.put_into({**(headers or {}), **instant}))
        pauses = self.link.pauses()
        while True:
            fate, error = self._attempt(key, body, properties)
            self.fates[fate] += 1
            if error is None:
                break
            pause = None if fate is Fate.RETURNED else next(pauses, None)
            if pause is None:
                self.fates[Fate.GIVEN_UP] += 1
                if isinstance(error, BrokerError):
                    raise error
                raise self.link.gave_up(f"publishing {name}", error) from error
            time.sleep(pause)
        if self._spans is not None:
            parent = context.span_id if context else None
            self._spans.published(trace, parent, instant[PUBLISHED] / 1e6, time.time(), name)
        return name

    def _key(self, routing_key: str | None) -> str:
        if isinstance(self.to, WorkQueue):
            if routing_key is not None:
                raise ValueError(f"a work queue has no routing keys, got {routing_key!r}")
            return self.to.name
        check_name("routing_key", routing_key or "")
        return routing_key or ""

    def _attempt(self, key: str, body: bytes, properties: Any) -> tuple[Fate, Exception | None]:
        """Publish once; what became of it, and the error that says so."""
        exceptions = pika_exceptions()
        # A topic without subscribers is nothing unusual; a work queue that isn't there is.
        mandatory = isinstance(self.to, WorkQueue)
        fate = Fate.UNSENT
        try:
            channel = self._ready()
            fate = Fate.UNKNOWN
            channel.basic_publish(self.to.exchange, key, body, properties, mandatory)
        except exceptions.UnroutableError as error:
            (back,) = error.messages
            returned: Returned = our_returned(back.method, back.properties, back.body)
            return Fate.RETURNED, UnroutableError(returned)
        except exceptions.NackError:
            return Fate.NACKED, NackedError("refused by a queue, which is full")
        except exceptions.ChannelClosedByBroker as error:  # A defect, and no bad luck.
            self.close()
            raise our_error(error) from None
        except lost_connection() as error:
            self.close()
            return fate, error
        return Fate.CONFIRMED, None

    def _ready(self) -> Any:
        """An open channel with confirms, on another connection if there is none."""
        if self._channel is None or not self._channel.is_open:
            self.close()
            self._connection = self.link.connect()
            self.connections += 1
            self._channel = self._connection.channel()
            self.to.declare(self._channel)
            self._channel.confirm_delivery()
        return self._channel

    def close(self) -> None:
        """Close the connection. The next ``publish`` opens another one."""
        connection, self._connection, self._channel = self._connection, None, None
        close(connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
