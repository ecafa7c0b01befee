"""A service's own database, a real one, in SQLite; no simulated time is known here."""

from .accounts import Accounts
from .event_table import EventTable

__all__ = ["Accounts", "EventTable"]
