"""Producers, queues, consumers, callers, services and brokers as SimPy processes."""

from ..extras import require

require("sim", __name__)

from .calls.call import Call
from .calls.front import Caller, Publisher
from .calls.service import Service
from .draws import Draws
from .environment import Environment, Timer
from .faults import Faults, Outage
from .point_to_point.consumer import Consumer
from .point_to_point.pausing import Breakdowns, PausingConsumer
from .point_to_point.producer import Linger, Producer
from .point_to_point.queue import SimQueue
from .point_to_point.stored import StoredQueue
from .publish_subscribe.mishaps import Mishaps
from .publish_subscribe.node import BrokerNode
from .publish_subscribe.publisher import BrokerPublisher, Confirms
from .publish_subscribe.subscriber import Subscriber
from .record import Ledger, LedgerError, Record

__all__ = [
    "Breakdowns",
    "BrokerNode",
    "BrokerPublisher",
    "Call",
    "Caller",
    "Confirms",
    "Consumer",
    "Draws",
    "Environment",
    "Faults",
    "Ledger",
    "LedgerError",
    "Linger",
    "Mishaps",
    "Outage",
    "PausingConsumer",
    "Producer",
    "Publisher",
    "Record",
    "Service",
    "SimQueue",
    "StoredQueue",
    "Subscriber",
    "Timer",
]
