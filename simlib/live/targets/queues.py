"""The library's own queues as targets: in memory, in a file, in a database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ...queues import MessageQueue
from ...queues.kinds import open_queue
from ...queues.message import Sync
from ..queue_ends import QueueReceiver, sending
from ..target import Receiver, Sender, Target

__all__ = ["Queue"]


@dataclass(frozen=True, kw_only=True)
class Queue(Target):
    """A queue between a producer and its consumers, all of them threads of one process; but where
    consumers are ``apart`` or compute, the producer is a process of its own.

    Parameters
    ----------
    kind : "memory", "file" or "sqlite"
        Where it keeps the messages. One process owns the first two.
    sync : "always", "batch" or "never"
        When a put is on the disk.
    apart : bool
        Whether each consumer is a process of its own; else they are threads of one.
    """

    kind: str = "memory"
    sync: Sync = "always"
    apart: bool = False

    @property
    def name(self) -> str:
        return self.kind + (", processes" if self.apart else "")

    @property
    def together(self) -> bool:  # type: ignore[override]  # of a kind, not of the class
        return not (self.apart or self.computes)

    @property
    def processes(self) -> bool:
        return self.apart

    def obstacle(self) -> str | None:
        kinds = ("memory", "file", "sqlite")
        if self.kind not in kinds:
            return f"kind must be one of {kinds}, got {self.kind!r}"
        if self.kind != "sqlite" and (self.apart or self.computes):
            asked = "apart" if self.apart else "computes"
            return (
                f"one process owns a queue of kind {self.kind!r}, and its driver shares it: no "
                f"{asked}; take kind 'sqlite'"
            )
        return None

    @contextmanager
    def made(self, directory: Path, maxsize: int) -> Iterator[str]:
        yield str(directory)  # The queue goes with its directory.

    @contextmanager
    def opened(self, where: str, maxsize: int) -> Iterator[MessageQueue]:
        with open_queue(self.kind, where, maxsize=maxsize, sync=self.sync) as queue:
            yield queue

    @contextmanager
    def sender(self, shared: MessageQueue) -> Iterator[Sender]:
        yield sending(shared)

    @contextmanager
    def receiver(self, shared: MessageQueue) -> Iterator[Receiver]:
        yield QueueReceiver(shared)
