"""What a target is: made, sent to, received from, and removed without a trace."""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol

__all__ = ["PATIENCE", "Receiver", "Sender", "Taken", "Target", "pack", "unpack"]

PATIENCE = 0.05
"""Seconds that whoever receives waits for a message before looking whether the run is over."""

SIZE = 256
"""Bytes of a message, as in the measured costs of queues."""

_HEAD = struct.Struct("<qd")


def pack(number: int, seconds: float) -> bytes:
    """The body of a message: its number and the work that it brings (s)."""
    return _HEAD.pack(number, seconds).ljust(SIZE, b"\0")


def unpack(body: bytes) -> tuple[int, float]:
    """The number and the work (s) of a message."""
    number, seconds = _HEAD.unpack_from(body)
    return int(number), float(seconds)


class Taken(NamedTuple):
    """A message in a consumer's hands."""

    token: Any
    """What acks it."""
    body: bytes
    redelivered: bool


class Sender(Protocol):
    """What one thread sends with; it returns when the message is safe, or its reply is read."""

    def __call__(self, number: int, seconds: float, /) -> None:
        """Send message ``number``, which brings so much work (s).

        Raises
        ------
        queue.Full
            There is no room for it.
        """


class Receiver(Protocol):
    """What one thread receives with."""

    def take(self, most: int) -> list[Taken]:
        """The messages that are ready, ``most`` at most; waits for the first, for ``PATIENCE``."""

    def ack(self, taken: list[Taken]) -> None:
        """They are done."""


@dataclass(frozen=True, kw_only=True)
class Target(ABC):
    """A real thing that messages can be sent through.

    It is a plain value, for its parts may run in several processes, each of which makes its own
    from the same fields.
    """

    computes: bool = False
    """Whether the work is computed, in Python, and not slept."""

    together: ClassVar[bool] = False
    """Whether senders and receivers must be threads of one process."""
    calls: ClassVar[bool] = False
    """Whether a sender waits until its message is done: then there must be many of them."""

    @property
    @abstractmethod
    def name(self) -> str:
        """What tables call it."""

    @property
    def host(self) -> str:
        """The machine that it is on."""
        return "127.0.0.1"

    @property
    def processes(self) -> bool:
        """Whether each consumer is a process of its own, and not a thread beside the others."""
        return False

    def obstacle(self) -> str | None:
        """Why it makes no sense as it is; None if nothing speaks against it."""
        return None

    @abstractmethod
    def made(self, directory: Path, maxsize: int) -> AbstractContextManager[str]:
        """Make what is needed, with room for so many waiting messages (0: any number).

        Gives where it is. It is gone afterwards; what a killed run has left is removed before.
        """

    @abstractmethod
    def opened(self, where: str, maxsize: int) -> AbstractContextManager[Any]:
        """Whatever the threads of one process share."""

    @abstractmethod
    def sender(self, shared: Any) -> AbstractContextManager[Sender]:
        """What one thread sends with."""

    @abstractmethod
    def receiver(self, shared: Any) -> AbstractContextManager[Receiver]:
        """What one thread receives with."""

    def served(
        self, handle: Callable[[int, float], None], workers: int
    ) -> AbstractContextManager[str]:
        """Answer calls by ``handle(number, seconds)``, so many at once; gives where.

        Only where it ``calls``.
        """
        raise NotImplementedError
