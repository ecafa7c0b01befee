"""The words of every queue: a message as it is delivered, the clock, and when a put is on disk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

__all__ = ["Clock", "Message", "Sync"]

Clock = Callable[[], float]
"""Tells the time in seconds; only differences matter."""

Sync = Literal["always", "batch", "never"]
"""When a put is on disk: before it returns, soon, or whenever the system sees fit."""


class Message(NamedTuple):
    """One delivery of one message."""

    id: int
    """Number of the message in its queue, counted from 1 in the order of the puts."""
    body: bytes
    """What the producer put."""
    headers: dict[str, Any]
    """What the producer says about it: a JSON object."""
    priority: int = 0
    """The larger goes first."""
    attempts: int = 1
    """How many times it has been delivered, this time included."""

    @property
    def redelivered(self) -> bool:
        """Whether it has been delivered before."""
        return self.attempts > 1
