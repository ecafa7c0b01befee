"""The errors a RabbitMQ user knows: AMQP's reply codes as exceptions.

The text starts with the name AMQP gives the code, as in ``NOT_FOUND - no queue 'orders'``::

    BrokerError
    ├── AccessRefusedError       403  what is the broker's own
    ├── NotFoundError            404  no such queue or exchange
    ├── ResourceLockedError      405  another channel has the queue for itself
    ├── PreconditionFailedError  406  declared otherwise, in use, acked before
    ├── ChannelClosedError       504  the channel is closed
    ├── UnroutableError          312  a mandatory message came back
    └── NackedError               -   a queue refused a message

The first four close the channel they come from; the broker's own methods close nothing. A value
that no broker could take is a TypeError or a ValueError, and closes nothing either.
"""

from __future__ import annotations

from typing import ClassVar

from .messages import Returned

__all__ = [
    "AccessRefusedError",
    "BrokerError",
    "ChannelClosedError",
    "NackedError",
    "NotFoundError",
    "PreconditionFailedError",
    "ResourceLockedError",
    "UnroutableError",
]


class BrokerError(Exception):
    """Something the broker refuses to do; the text says what and why."""

    code: ClassVar[int] = 0
    """AMQP's reply code; 0 where AMQP has none."""
    name: ClassVar[str] = ""
    """What AMQP calls it."""

    def __init__(self, text: str) -> None:
        super().__init__(f"{self.name} - {text}")


class AccessRefusedError(BrokerError):
    """The exchange or the name belongs to the broker itself."""

    code, name = 403, "ACCESS_REFUSED"


class NotFoundError(BrokerError):
    """There is no such queue or exchange."""

    code, name = 404, "NOT_FOUND"


class ResourceLockedError(BrokerError):
    """Another channel has the queue for itself."""

    code, name = 405, "RESOURCE_LOCKED"


class PreconditionFailedError(BrokerError):
    """What exists is not as the call expects: declared otherwise, in use, acked before."""

    code, name = 406, "PRECONDITION_FAILED"


class ChannelClosedError(BrokerError):
    """The channel was closed, by its owner or by an error before."""

    code, name = 504, "CHANNEL_ERROR"


class UnroutableError(BrokerError):
    """A mandatory message reached no queue and came back."""

    code, name = 312, "NO_ROUTE"

    def __init__(self, returned: Returned) -> None:
        super().__init__(
            f"no queue is bound to exchange {returned.exchange!r} so that it gets routing key "
            f"{returned.routing_key!r}; the message came back"
        )
        self.returned = returned


class NackedError(BrokerError):
    """A published message was refused by a queue it was meant for."""

    name = "NACK"
