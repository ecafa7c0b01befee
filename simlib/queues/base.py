"""What every message queue promises.

A queue hands each message to one consumer at a time and keeps it until the consumer says that it
is done. ``put``, ``get``, ``qsize``, ``empty``, ``full`` and ``maxsize`` mean what they mean in
the standard library's :class:`queue.Queue`; ``ack`` and ``nack`` mean what they mean in AMQP.

Delivery is at least once. A message is *ready*, *delayed* (not due yet) or *unacked* (delivered
and held under a lease). ``ack`` removes it, ``nack`` puts it back where it was, and a lease that
runs out does what ``nack`` does. The pair ``(id, attempts)`` names one delivery and serves as the
fencing token: an ack of a delivery that has passed on is refused.

A closed queue answers nothing any more: every call raises QueueClosedError, except ``close`` and
``repr``. An interrupt (KeyboardInterrupt) that hits a call does no harm: what was being put is in
the queue, whole, or not; what was being taken is ready, or held until its lease ends or the queue
is closed; and the queue serves on.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Self

from .checks import check_bounds
from .errors import (
    CorruptQueueError,
    Empty,
    Full,
    LeaseLostError,
    QueueClosedError,
    QueueError,
    QueueLockedError,
    RecoveryWarning,
    Salvage,
)
from .message import Clock, Message, Sync

__all__ = [
    "Clock",
    "CorruptQueueError",
    "Empty",
    "Full",
    "LeaseLostError",
    "Message",
    "MessageQueue",
    "QueueClosedError",
    "QueueError",
    "QueueLockedError",
    "RecoveryWarning",
    "Salvage",
    "Sync",
]


class MessageQueue(ABC):
    """A queue of messages between threads (some implementations: between processes).

    Parameters
    ----------
    maxsize : int
        The most messages that may wait (ready and delayed; those delivered are not counted).
        0 or less: no bound. A returned message is taken back even when the queue is full.
    lease : float or None
        Seconds a consumer may hold a message before it goes back to the queue; None: until it
        acks, nacks, or the queue is closed.
    clock : callable
        Tells the time in seconds for delays and leases, so that a simulation can bring its own.
    """

    def __init__(self, maxsize: int, lease: float | None, clock: Clock) -> None:
        check_bounds(maxsize, lease)
        self.maxsize = maxsize
        self.lease = lease
        self.clock = clock

    @abstractmethod
    def put(
        self,
        body: bytes,
        block: bool = True,
        timeout: float | None = None,
        *,
        headers: Mapping[str, Any] | None = None,
        priority: int = 0,
        delay: float = 0.0,
    ) -> int:
        """Store a message and return its id, once it is as safe as the queue promises.

        Parameters
        ----------
        body : bytes
            The message itself.
        block, timeout : bool, float or None
            How long to wait for room, in seconds, as in :meth:`queue.Queue.put`.
        headers : mapping, optional
            A JSON object: string keys, JSON values, at most 100 levels deep. It is copied, and
            tuples come back as lists.
        priority : int
            The larger goes first; equal ones go in the order of their puts. Within ±(2**63 - 2).
        delay : float
            Seconds until the message is ready.

        Raises
        ------
        queue.Full
            No room came free in time. Nothing was stored.
        """

    @abstractmethod
    def put_many(
        self,
        bodies: Iterable[bytes],
        block: bool = True,
        timeout: float | None = None,
        *,
        headers: Mapping[str, Any] | None = None,
        priority: int = 0,
        delay: float = 0.0,
    ) -> list[int]:
        """Store several messages, all or none, and return their ids. Arguments as for ``put``."""

    @abstractmethod
    def get(self, block: bool = True, timeout: float | None = None) -> Message:
        """Take the next message under a lease; wait as :meth:`queue.Queue.get` does.

        Raises
        ------
        queue.Empty
            Nothing was ready in time.
        """

    @abstractmethod
    def get_many(
        self, most: int, block: bool = False, timeout: float | None = None
    ) -> list[Message]:
        """Take up to ``most`` messages that are ready; the list is empty when there are none.

        With ``block`` wait for the first one, ``timeout`` seconds at most.
        """

    @abstractmethod
    def ack(self, message: Message) -> None:
        """Say that a delivered message is done; the queue forgets it.

        Raises
        ------
        LeaseLostError
            This delivery is not held any more.
        """

    @abstractmethod
    def ack_many(self, messages: Iterable[Message]) -> None:
        """Acknowledge several messages, all or none."""

    @abstractmethod
    def nack(self, message: Message, requeue: bool = True) -> None:
        """Give a delivered message back, to its old place in the queue; or drop it.

        Raises
        ------
        LeaseLostError
            This delivery is not held any more.
        """

    @abstractmethod
    def qsize(self) -> int:
        """How many messages are ready."""

    @property
    @abstractmethod
    def delayed(self) -> int:
        """How many messages are not due yet."""

    @property
    @abstractmethod
    def unacked(self) -> int:
        """How many messages are delivered and neither acked nor returned."""

    @abstractmethod
    def ids(self) -> set[int]:
        """The ids of all messages that the queue keeps: ready, delayed and unacked."""

    @abstractmethod
    def due_in(self) -> float:
        """Seconds until a message may become ready by itself, because its delay or somebody's
        lease runs out; infinity when no such thing is pending."""

    @abstractmethod
    def flush(self) -> None:
        """Make everything done so far as safe as the queue can make it."""

    @abstractmethod
    def close(self) -> None:
        """Release what the queue holds; waiting calls raise QueueClosedError. Closing twice is
        allowed."""

    def put_nowait(self, body: bytes, **options: Any) -> int:
        """``put`` without waiting."""
        return self.put(body, False, **options)

    def get_nowait(self) -> Message:
        """``get`` without waiting."""
        return self.get(False)

    def empty(self) -> bool:
        """Whether nothing is ready."""
        return self.qsize() == 0

    def full(self) -> bool:
        """Whether a put would have to wait."""
        waiting = self.qsize() + self.delayed  # Whatever the bound: a closed queue doesn't answer.
        return 0 < self.maxsize <= waiting

    def __len__(self) -> int:
        """``qsize``."""
        return self.qsize()

    def __bool__(self) -> bool:
        """True, as of any object: ``if queue`` asks whether there is a queue, not what is in it.
        That is what ``empty`` is for."""
        return True

    def __repr__(self) -> str:
        """Sort, place, and what is in it, on one line."""
        try:
            state = f"ready={self.qsize()}, unacked={self.unacked}"
        except QueueClosedError:
            state = "closed"
        except (QueueError, OSError):
            state = "unusable"
        return f"{type(self).__name__}({', '.join((*self._origin(), state))})"

    def _origin(self) -> Iterable[str]:
        """What ``repr`` says of where the queue is kept, and how: arguments of the constructor, a
        path as it was given."""
        return ()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
