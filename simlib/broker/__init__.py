"""A message broker inside the program, in AMQP 0-9-1's words and by its rules.

Exchanges route, queues keep (on any :class:`simlib.queues.MessageQueue`), channels consume. Where
the specification is silent, RabbitMQ is the model, and the same tests run against both
(``simlib.live.RabbitMQ``). What differs on purpose:

- Every call has done what it does when it returns: ``publish`` knows the queues that have the
  message, errors come at once, and deliveries are made on the way.
- A channel is on a connection of its own, so an exclusive queue belongs to one channel.
- Whether messages outlive a restart is up to what keeps them. A durable queue that was declared
  without anything keeps them in the broker's memory, and comes back empty.
- Any queue can have a delivery limit, and every delivery says in ``attempts`` which one it is.
  RabbitMQ counts in quorum queues only, in a header.
- Names that the broker gives are numbered, so that runs can be repeated.
- Times are exact, on the broker's clock, and not rounded to milliseconds.
- Headers are JSON, which has no instants: ``time`` in ``x-death`` is seconds since 1970.
- The latest death comes first in ``x-death``, and the others stay in that order. RabbitMQ (3.10)
  turns the others round at each death, and may not notice that a message goes round in a circle.
- What a publisher put into ``x-death`` that can't be a death is left out at the next one.
- A message that dies at the head of a queue with priorities dies at once. RabbitMQ (3.10) may
  notice only when something else happens to the queue.
- Headers may hold fractions and numbers of any size. pika sends neither.
- A value that no broker could take is a TypeError or a ValueError, and closes nothing.
- Copies are stored in the order of the queues' names.
- A message whose queue had to look at it ahead of its turn, because messages there expire, counts
  as redelivered by the next broker.
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
from .messages import Death, Delivery, Returned
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
    "Death",
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
