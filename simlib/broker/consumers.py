"""A consumer, as its queue knows it: what credit it has, and how it is delivered to."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from ..queues import Message
from .messages import Properties

__all__ = ["Consumer", "Deliver"]

Deliver: TypeAlias = "Callable[[Consumer, Message, Properties], object]"
"""Called with each message that a consumer gets."""


class Consumer:
    """Somebody who waits for a queue's messages.

    Parameters
    ----------
    owner : int
        The number of the channel it is on.
    tag : str
        What it is called there.
    deliver : callable
        Hands a message over to it.
    prefetch : int
        The most messages it may hold without an ack; 0: any number.
    auto_ack : bool
        Whether a message counts as done as soon as it is delivered.
    """

    __slots__ = ("auto_ack", "deliver", "held", "owner", "paused", "prefetch", "tag")

    def __init__(
        self, owner: int, tag: str, deliver: Deliver, prefetch: int, auto_ack: bool
    ) -> None:
        self.owner = owner
        self.tag = tag
        self.deliver = deliver
        self.prefetch = prefetch
        self.auto_ack = auto_ack
        # How much of its credit is taken; without acks none ever is.
        self.held = 0
        # Whether it had no credit at its turn, and has no turns until it has.
        self.paused = False

    @property
    def key(self) -> tuple[int, str]:
        """What tells it from all other consumers of the broker."""
        return self.owner, self.tag
