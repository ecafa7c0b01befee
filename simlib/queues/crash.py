"""What a crash does to a queue: for experiments, and for tests of what survives.

``kill`` and ``lose_power`` leave the object closed. What a queue then has is found by opening it
again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from .base import MessageQueue

if TYPE_CHECKING:
    from .sqlite import SQLiteQueue

__all__ = ["confine", "kill", "lose_power"]


@runtime_checkable
class _Survivor(Protocol):
    def _kill(self) -> None: ...

    def _lose_power(self) -> None: ...


def kill(queue: MessageQueue) -> None:
    """Leave a queue's files as they are when its process is killed (``kill -9``).

    Nothing is written any more, and locks are free as the system would free them. Of a queue in
    memory nothing is left.
    """
    if isinstance(queue, _Survivor):
        queue._kill()
    else:
        queue.close()


def lose_power(queue: MessageQueue) -> None:
    """The same for a power cut, which also takes everything that was not on disk."""
    if isinstance(queue, _Survivor):
        queue._lose_power()
    else:
        queue.close()


def confine(queue: SQLiteQueue, size: int) -> None:
    """Give a database no more than so many bytes; what doesn't fit fails as on a full disk."""
    queue._confine(size)
