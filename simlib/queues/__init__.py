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
from .memory import MemoryQueue
from .postgres import PostgresQueue
from .sqlite import SQLiteQueue
from .sqlite_salvage import recover_sqlite

__all__ = [
    "CorruptQueueError",
    "Empty",
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
    "recover_sqlite",
]
