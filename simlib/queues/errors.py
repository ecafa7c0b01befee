"""What can go wrong with a queue, and how it is said.

::

    Exception
    ├── queue.Empty             nothing was ready in time
    ├── queue.Full              no room came free in time
    ├── QueueError              what a queue refuses; all below it are caught with it
    │   ├── QueueClosedError    it was closed before or during the call
    │   ├── LeaseLostError      the delivery is not held any more
    │   ├── QueueLockedError    somebody else has its files open
    │   └── CorruptQueueError   its files are damaged: which, where, and what to do
    ├── TypeError, ValueError   an argument that no queue takes
    ├── OSError                 what the system says of files; ENOSPC: the disk is full
    └── ImportError             a server's client is not installed
    Warning
    └── RecoveryWarning         a torn write was cut back when the queue was opened

Several kinds of queue say the same: those texts are made here.
"""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from queue import Empty, Full

from .message import Message

__all__ = [
    "CorruptQueueError",
    "Empty",
    "Full",
    "LeaseLostError",
    "QueueClosedError",
    "QueueError",
    "QueueLockedError",
    "RecoveryWarning",
    "Salvage",
    "is_closed",
    "is_open",
    "never_fits",
    "not_held",
    "recovery",
    "too_large",
]


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


def is_closed() -> QueueClosedError:
    """For a call of a closed queue."""
    return QueueClosedError("the queue is closed")


def is_open(path: Path) -> QueueLockedError:
    """For what only nobody's queue is taken for."""
    return QueueLockedError(f"{path} is open; close it first")


def not_held(message: Message, attempts: int | None) -> LeaseLostError:
    """For a delivery that is done or passed on; ``attempts`` of the one that is held, if any is."""
    what = f"message {message.id} in attempt {message.attempts}"
    if attempts is None or attempts == message.attempts:
        return LeaseLostError(
            f"{what} is not held: it was acked or nacked before, its lease ran out, or it came "
            "from another queue"
        )
    return LeaseLostError(
        f"{what} has passed on: its lease ran out, and another consumer holds it in attempt "
        f"{attempts}"
    )


def never_fits(messages: int, maxsize: int) -> ValueError:
    """For messages put together that a bounded queue has no room for even when it is empty."""
    return ValueError(f"{messages} messages can never fit into maxsize={maxsize}")


def too_large(size: int, most: int) -> ValueError:
    """For a message of more bytes than the format has room for."""
    return ValueError(f"headers and body must be at most {most} bytes together, got {size} bytes")


def recovery(path: Path) -> str:
    """The call that saves what is intact, to be quoted in a text."""
    return f"simlib.queues.recover({str(path)!r})"
