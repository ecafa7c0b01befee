"""Producers, queues, consumers, callers and services as SimPy processes."""

from .consumer import Consumer
from .environment import Draws, Environment, Timer
from .faults import Faults, Outage, Slowdown
from .pausing import Breakdowns, PausingConsumer
from .producer import Linger, Producer
from .record import Ledger, LedgerError, Record
from .service import Caller, Publisher, Service
from .simqueue import SimQueue

__all__ = [
    "Breakdowns",
    "Caller",
    "Consumer",
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
    "Timer",
]
