"""Scenarios: one module per question, and what a new one is made of."""

from ..extras import require

require("sim", __name__)

from ..values import parameter
from .base import Engine, OpenScenario, Progress, PublishingScenario, Scenario
from .closed_loop import ClosedLoop
from .consistency import Consistency, InvariantError
from .delivery_guarantees import DeliveryGuarantees
from .event_driven import EventDriven
from .pipeline import Pipeline, Station
from .point_to_point import PointToPoint
from .publish_subscribe import PublishSubscribe
from .sync_async import SyncVsAsync

__all__ = [
    "ClosedLoop",
    "Consistency",
    "DeliveryGuarantees",
    "Engine",
    "EventDriven",
    "InvariantError",
    "OpenScenario",
    "Pipeline",
    "PointToPoint",
    "Progress",
    "PublishSubscribe",
    "PublishingScenario",
    "Scenario",
    "Station",
    "SyncVsAsync",
    "parameter",
]
