"""Scenarios: one module per question."""

from .base import Scenario
from .closed_loop import ClosedLoop
from .pipeline import Pipeline, Station
from .point_to_point import PointToPoint
from .publish_subscribe import PublishSubscribe
from .sync_async import SyncVsAsync

__all__ = [
    "ClosedLoop",
    "Pipeline",
    "PointToPoint",
    "PublishSubscribe",
    "Scenario",
    "Station",
    "SyncVsAsync",
]
