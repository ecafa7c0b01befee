"""Producers, queues, consumers, callers, services and brokers as SimPy processes."""

from ..extras import require

require("sim", __name__)

from .broker_node import BrokerNode
from .broker_publisher import BrokerPublisher, Confirms
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
from .subscriber import Subscriber

__all__ = [
    "Breakdowns",
    "BrokerNode",
    "BrokerPublisher",
    "Caller",
    "Confirms",
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
    "Subscriber",
    "Timer",
]
