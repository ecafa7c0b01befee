"""Producers, queues, consumers, callers and services as SimPy processes."""

from .consumer import Consumer
from .crashes import Crash
from .environment import Draws, Environment, Timer
from .faults import Faults, Outage, Slowdown
from .pausing import Breakdowns, PausingConsumer
from .producer import Linger, Producer
from .record import Ledger, LedgerError, Record
from .service import Caller, Publisher, Service
from .simqueue import SimQueue
from .storedqueue import StoredQueue

__all__ = [
    "Breakdowns",
    "Caller",
    "Consumer",
    "Crash",
    "Draws",
    "Environment",
    "Faults",
    "Ledger",
    "LedgerError",
    "Linger",
    "Outage",
    "PausingConsumer",
    "Producer",
    "Publisher",
    "Record",
    "Service",
    "SimQueue",
    "Slowdown",
    "StoredQueue",
    "Timer",
]
