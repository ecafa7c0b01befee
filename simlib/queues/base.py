"""What every message queue promises: the interface, the message and the errors.

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

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import inf, isfinite
from os import PathLike
from pathlib import Path
from queue import Empty, Full
from types import TracebackType
from typing import Any, Literal, NamedTuple, Self, get_args

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

Clock = Callable[[], float]
"""Tells the time in seconds; only differences matter."""

Sync = Literal["always", "batch", "never"]
"""When a put is on disk: before it returns, soon, or whenever the system sees fit."""


class QueueError(Exception):
    """Something a message queue refuses to do; the text says what and why."""


class QueueClosedError(QueueError):
    """The queue was closed before or during the call."""


class LeaseLostError(QueueError):
    """The delivery is no longer held: acked before, returned, or passed on to another consumer."""


class QueueLockedError(QueueError):
    """Another process owns the queue's files."""


class CorruptQueueError(QueueError):
    """Stored data is damaged elsewhere than at its tail; the text also says what to do.

    Parameters
    ----------
    text : str
        What was found, and what to do.
    file : path
        Where the damage is.
    offset : int or None
        At which byte of the file; None where the format can't tell.
    """

    def __init__(self, text: str, file: str | PathLike[str], offset: int | None = None) -> None:
        super().__init__(text)
        self.file = Path(file)
        self.offset = offset


class RecoveryWarning(UserWarning):
    """A torn write was cut back when a queue was opened; the text also says what became of it.

    Parameters
    ----------
    text : str
        What was found and done.
    file : path
        Where the write was torn.
    offset : int
        The first byte that was cut.
    dropped : int
        Bytes that were cut.
    messages : int
        Messages among them that were put, as far as can be told.
    """

    def __init__(
        self, text: str, file: str | PathLike[str], offset: int, dropped: int, messages: int
    ) -> None:
        super().__init__(text)
        self.file = Path(file)
        self.offset = offset
        self.dropped = dropped
        self.messages = messages


@dataclass(frozen=True)
class Salvage:
    """What came of saving a damaged queue."""

    path: Path
    """The new queue."""
    messages: int
    """How many messages are in it."""
    lost: tuple[tuple[Path, int | None, str], ...]
    """What could not be saved: in which file, at which byte (None: not known), and what; at the
    end, as far as it is known, the messages of which nothing can be read."""


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
        if isinstance(maxsize, bool) or not isinstance(maxsize, int):
            raise TypeError(f"maxsize must be a whole number of messages, got {maxsize!r}")
        if lease is not None and not (_is_number(lease) and 0 < lease < inf):
            raise ValueError(f"lease must be > 0 seconds or None, got {lease!r}")
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


def check_body(body: object) -> bytes:
    """``body``, or TypeError unless it is bytes."""
    if isinstance(body, bytes):
        return body
    raise TypeError(
        f"body must be bytes, got {type(body).__name__} {repr(body)[:80]}; "
        "encode text with .encode() and structures with json.dumps(...).encode()"
    )


def check_most(most: int) -> None:
    """Raise ValueError unless ``most`` is a number of messages that ``get_many`` takes."""
    if isinstance(most, bool) or not isinstance(most, int) or most < 1:
        raise ValueError(f"most must be a whole number >= 1, got {most!r}")


def check_message(message: object) -> None:
    """Raise TypeError unless this is a message as ``get`` hands it out."""
    if not isinstance(message, Message):
        raise TypeError(
            "what is acked or nacked must be a Message as get returned it, got "
            f"{type(message).__name__} {repr(message)[:80]}"
        )


def check_messages(messages: Iterable[Message]) -> list[Message]:
    """The messages that ``ack_many`` is given, or TypeError if it is given something else."""
    if isinstance(messages, Message) or not isinstance(messages, Iterable):
        raise TypeError(
            "ack_many takes several messages, such as a list of them, got "
            f"{type(messages).__name__} {repr(messages)[:80]}"
        )
    messages = list(messages)
    for message in messages:
        check_message(message)
    return messages


def check_options(priority: int, delay: float) -> None:
    """Raise TypeError or ValueError unless priority and delay are what ``put`` takes."""
    if isinstance(priority, bool) or not isinstance(priority, int):
        raise TypeError(f"priority must be a whole number, got {priority!r}")
    if not abs(priority) < 2**63 - 1:  # Its negative must be a number of 64 bits, too.
        raise ValueError(f"priority must be within ±(2**63 - 2), got {priority!r}")
    if not _is_number(delay) or not (isfinite(delay) and delay >= 0):
        raise ValueError(f"delay must be >= 0 seconds, got {delay!r}")


def check_sync(sync: str, batch_size: int, batch_time: float | None) -> None:
    """Raise ValueError unless these say when a put is on disk."""
    if sync not in get_args(Sync):
        raise ValueError(f"sync must be one of {get_args(Sync)}, got {sync!r}")
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise ValueError(f"batch_size must be a whole number of messages >= 1, got {batch_size!r}")
    if batch_time is not None and not (
        _is_number(batch_time) and isfinite(batch_time) and batch_time > 0
    ):
        raise ValueError(f"batch_time must be > 0 seconds or None, got {batch_time!r}")


def check_timeout(timeout: float | None) -> None:
    """Raise ValueError unless ``timeout`` is None or not negative, as the standard library does."""
    if timeout is not None and not (_is_number(timeout) and timeout >= 0):
        raise ValueError(f"timeout must be >= 0 seconds or None, got {timeout!r}")


DEEPEST = 100
"""Levels of headers: what reads them calls itself at each, from wherever a consumer stands."""

# Made once: json.dumps makes an encoder for every call that wants it this way.
_encode = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode


def encode_headers(headers: Mapping[str, Any]) -> str:
    """The headers as JSON text; TypeError or ValueError unless they are a JSON object."""
    if not isinstance(headers, Mapping):
        raise TypeError(f"headers must be a mapping with string keys, got {repr(headers)[:80]}")
    headers = dict(headers)
    _check_nested(headers, 1)
    try:
        return _encode(headers)
    except (TypeError, ValueError) as error:
        raise type(error)(f"headers must hold JSON values only: {error}") from None


def _check_nested(value: object, level: int) -> None:
    """Refuse what JSON would change without a word, and what can't be read in a deep stack."""
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(
                    f"headers must be a mapping with string keys, got the key {repr(key)[:80]}"
                )
        inner: Iterable[object] = value.values()
    elif isinstance(value, list | tuple):
        inner = value
    else:
        return
    if level > DEEPEST:
        raise ValueError(f"headers must be at most {DEEPEST} levels deep")
    for each in inner:
        if type(each) is not str:
            _check_nested(each, level + 1)


def _is_number(value: object) -> bool:
    """Whether this is a number that a float can tell."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    try:
        float(value)
    except OverflowError:
        return False
    return True
