"""Scenarios: one module per question."""

from ..extras import require

require("sim", __name__)

from .base import Scenario
from .closed_loop import ClosedLoop
from .delivery import Delivery
from .event_driven import EventDriven
from .pipeline import Pipeline, Station
from .point_to_point import PointToPoint
from .publish_subscribe import PublishSubscribe
from .sync_async import SyncVsAsync

__all__ = [
    "ClosedLoop",
    "Delivery",
    "EventDriven",
    "Pipeline",
    "PointToPoint",
    "PublishSubscribe",
    "Scenario",
    "Station",
    "SyncVsAsync",
]
