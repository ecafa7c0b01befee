"""Producers, queues, consumers, callers and services as SimPy processes."""

from .consumer import Consumer
from .environment import Draws, Environment, Timer
from .faults import Faults, Outage, Slowdown
from .producer import Producer
from .record import Ledger, LedgerError, Record
from .service import Caller, Publisher, Service
from .simqueue import SimQueue

__all__ = [
    "Caller",
    "Consumer",
    "Draws",
    "Environment",
    "Faults",
    "Ledger",
    "LedgerError",
    "Outage",
    "Producer",
    "Publisher",
    "Record",
    "Service",
    "SimQueue",
    "Slowdown",
    "Timer",
]
