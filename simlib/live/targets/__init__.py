"""Real things that messages can be sent through, a small module each.

A target says how to make what it needs and to remove it again, how to send, and how to receive; see
:class:`simlib.live.target.Target`. Everything else, when to send and what to write down, is the
driver's.
"""

from .http import Http
from .postgres import Postgres
from .queues import Queue
from .rabbitmq import Broker

__all__ = ["Broker", "Http", "Postgres", "Queue"]
