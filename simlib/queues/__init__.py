"""Real message queues. They know nothing of simulation and serve any program's threads.

A kind of queue is loaded when it is first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .base import MessageQueue
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
from .memory import MemoryQueue
from .message import Message
from .recover import recover

if TYPE_CHECKING:
    from .file import FileQueue
    from .postgres import PostgresQueue
    from .sqlite import SQLiteQueue

__all__ = [
    "CorruptQueueError",
    "Empty",
    "FileQueue",
    "Full",
    "LeaseLostError",
    "MemoryQueue",
    "Message",
    "MessageQueue",
    "PostgresQueue",
    "QueueClosedError",
    "QueueError",
    "QueueLockedError",
    "RecoveryWarning",
    "SQLiteQueue",
    "Salvage",
    "recover",
]

_LATER = {
    "FileQueue": "file",
    "PostgresQueue": "postgres",
    "SQLiteQueue": "sqlite",
}
"""In which module each is."""


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found = getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
