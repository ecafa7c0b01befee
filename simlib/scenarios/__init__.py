"""Scenarios: one module per question, and what a new one is made of."""

from ..extras import require

require("sim", __name__)

from ..values import parameter
from .api_styles import ApiStyles
from .base import Engine, OpenScenario, Progress, PublishingScenario, Scenario
from .calling import Calling
from .closed_loop import ClosedLoop
from .composition import Composition
from .consistency import Consistency, InvariantError
from .delivery_guarantees import DeliveryGuarantees
from .event_driven import EventDriven
from .hedging import Hedging
from .incident import Case, Incident
from .overload import Backoff, Overload
from .pipeline import Pipeline, Station
from .point_to_point import PointToPoint
from .publish_subscribe import PublishSubscribe
from .sync_async import SyncVsAsync
from .topology import Binding, Exchange, Group, Queue, Topology

__all__ = [
    "ApiStyles",
    "Backoff",
    "Binding",
    "Calling",
    "Case",
    "ClosedLoop",
    "Composition",
    "Consistency",
    "DeliveryGuarantees",
    "Engine",
    "EventDriven",
    "Exchange",
    "Group",
    "Hedging",
    "Incident",
    "InvariantError",
    "OpenScenario",
    "Overload",
    "Pipeline",
    "PointToPoint",
    "Progress",
    "PublishSubscribe",
    "PublishingScenario",
    "Queue",
    "Scenario",
    "Station",
    "SyncVsAsync",
    "Topology",
    "parameter",
]
