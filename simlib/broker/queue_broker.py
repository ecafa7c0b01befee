"""What a queue needs of the broker that has it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from ..queues import Message
from .messages import Death, Properties

__all__ = ["QueueBroker"]

Queue = TypeVar("Queue", contravariant=True)


class QueueBroker(Protocol[Queue]):
    """A broker, as its queues know it."""

    clock: Callable[[], float]
    on_death: Callable[[Death], object] | None

    def dispatch(self, queue: Queue) -> None:
        """Let the queue deliver, now or as soon as the delivery under way is over."""

    def dead_letter(
        self, queue: Queue, message: Message, properties: Properties, reason: str
    ) -> tuple[list[str], list[str]]:
        """Publish what has died to the queue's dead letter exchange; who has it, who refuses it."""
