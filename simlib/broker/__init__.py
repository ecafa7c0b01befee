"""A message broker inside the program, in AMQP 0-9-1's words and by its rules.

Exchanges route, queues keep (on any :class:`simlib.queues.MessageQueue`), channels consume.
"""

from .broker import Broker
from .channel import Channel
from .errors import (
    AccessRefusedError,
    BrokerError,
    ChannelClosedError,
    NackedError,
    NotFoundError,
    PreconditionFailedError,
    ResourceLockedError,
    UnroutableError,
)
from .exchanges import Binding
from .interface import MessageBroker, MessageChannel
from .messages import Delivery, Returned
from .options import QueueOptions
from .state import ExchangeState, QueueState
from .topics import topic_matches

__all__ = [
    "AccessRefusedError",
    "Binding",
    "Broker",
    "BrokerError",
    "Channel",
    "ChannelClosedError",
    "Delivery",
    "ExchangeState",
    "MessageBroker",
    "MessageChannel",
    "NackedError",
    "NotFoundError",
    "PreconditionFailedError",
    "QueueOptions",
    "QueueState",
    "ResourceLockedError",
    "Returned",
    "UnroutableError",
    "topic_matches",
]
