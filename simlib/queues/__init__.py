"""Real message queues. They know nothing of simulation and serve any program's threads."""

from .base import (
    CorruptQueueError,
    Empty,
    Full,
    LeaseLostError,
    Message,
    MessageQueue,
    QueueClosedError,
    QueueError,
    QueueLockedError,
    RecoveryWarning,
    Salvage,
)
from .file import FileQueue
from .memory import MemoryQueue
from .postgres import PostgresQueue
from .recover import recover
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
