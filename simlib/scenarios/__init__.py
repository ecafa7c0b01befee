"""Scenarios: one module per question, and what a new one is made of."""

from ..extras import require

require("sim", __name__)

from ..values import parameter
from .api_styles import ApiStyles
from .base import Engine, OpenScenario, Progress, PublishingScenario, Scenario
from .calling import Calling
from .closed_loop import ClosedLoop
from .composition import Composition
from .delivery_guarantees import DeliveryGuarantees
from .event_driven import EventDriven
from .hedging import Hedging
from .overload import Backoff, Overload
from .pipeline import Pipeline, Station
from .point_to_point import PointToPoint
from .publish_subscribe import PublishSubscribe
from .sync_async import SyncVsAsync

__all__ = [
    "ApiStyles",
    "Backoff",
    "Calling",
    "ClosedLoop",
    "Composition",
    "DeliveryGuarantees",
    "Engine",
    "EventDriven",
    "Hedging",
    "OpenScenario",
    "Overload",
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
