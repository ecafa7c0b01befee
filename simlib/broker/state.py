"""What there is in a broker at a moment, as plain data: for pictures, ledgers and tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .exchanges import Exchange
from .options import QueueOptions
from .queues import BrokerQueue

__all__ = ["ExchangeState", "QueueState", "exchange_state", "queue_state"]


@dataclass(frozen=True)
class ExchangeState:
    """An exchange as it was declared."""

    name: str
    type: str
    durable: bool
    auto_delete: bool
    internal: bool
    alternate_exchange: str | None


@dataclass(frozen=True)
class QueueState:
    """A queue as it was declared, and what became of its messages so far.

    Every copy is accounted for: ``published`` is ``ready + unacked + acked`` and all ``fates``
    together, unless somebody puts messages into the real queue or takes them past the broker.
    """

    name: str
    options: QueueOptions
    ready: int
    unacked: int
    consumers: int
    published: int
    """Copies that the queue took."""
    refused: int
    """Copies that it had no room for."""
    acked: int
    """Copies that are done; less those whose ack a power cut took, for these are there again."""
    fates: Mapping[str, int]
    """How many copies ended otherwise: ``expired``, ``maxlen``, ``rejected``, ``delivery_limit``
    (each of these went to the dead letter exchange, if there is one), ``purged``, and ``lost`` with
    a queue that was deleted or in a restart."""


def exchange_state(exchange: Exchange) -> ExchangeState:
    """What an exchange is like."""
    return ExchangeState(
        exchange.name,
        exchange.type,
        exchange.durable,
        exchange.auto_delete,
        exchange.internal,
        exchange.alternate,
    )


def queue_state(queue: BrokerQueue) -> QueueState:
    """What a queue is like now."""
    return QueueState(
        queue.name,
        queue.options,
        queue.ready,
        queue.unacked,
        len(queue.consumers),
        queue.published,
        queue.refused,
        queue.acked,
        dict(queue.fates),
    )
