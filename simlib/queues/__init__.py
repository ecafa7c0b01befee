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
from .recover import recover

__all__ = [
    "CorruptQueueError",
    "Empty",
    "FileQueue",
    "Full",
    "LeaseLostError",
    "MemoryQueue",
    "Message",
    "MessageQueue",
    "QueueClosedError",
    "QueueError",
    "QueueLockedError",
    "RecoveryWarning",
    "Salvage",
    "recover",
]
