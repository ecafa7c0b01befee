"""Scenarios: one module per question."""

from .base import Scenario
from .closed_loop import ClosedLoop
from .point_to_point import PointToPoint
from .sync_async import SyncVsAsync

__all__ = ["ClosedLoop", "PointToPoint", "Scenario", "SyncVsAsync"]
