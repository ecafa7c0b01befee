"""A service's own database, a real one, in SQLite; no simulated time is known here.

``Orders``, ``Stock`` and ``Bank`` are one service's each, ``Services`` has them all, with an
``Outbox`` and an ``Inbox`` for each and a ``SagaLog``, and says which invariants are broken.
``PATTERNS`` are the ways to carry an order through them, step by step; ``settle`` does so on queues
of any kind.
"""

from .accounts import Accounts
from .bank import Bank
from .database import DONE, REFUSED, Database, StoreError
from .event_table import EventTable
from .inbox import Inbox
from .ordering import DEDUP, PATTERNS, Dedup, Ordering
from .orders import Orders
from .outbox import Outbox, Row
from .sagas import SagaLog
from .services import INVARIANTS, Services
from .settling import QueueLike, ordering_by_queues, settle
from .steps import CrashError, Once, Steps
from .stock import Stock

__all__ = [
    "DEDUP",
    "DONE",
    "INVARIANTS",
    "PATTERNS",
    "REFUSED",
    "Accounts",
    "Bank",
    "CrashError",
    "Database",
    "Dedup",
    "EventTable",
    "Inbox",
    "Once",
    "Ordering",
    "Orders",
    "Outbox",
    "QueueLike",
    "Row",
    "SagaLog",
    "Services",
    "Steps",
    "Stock",
    "StoreError",
    "ordering_by_queues",
    "settle",
]
