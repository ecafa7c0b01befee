"""Pictures and panels. Only this room knows matplotlib and ipywidgets."""

from .learning import Exercise, Prediction
from .panel import Panel, panel
from .playground import RoutingPlayground
from .plots import (
    COLOURS,
    axes,
    coverage,
    figures_over,
    latencies,
    latency_over_time,
    lost_and_doubled,
    measured_over_time,
    queue_over_time,
    show,
    subscribers_over_time,
    warm_up,
    who_waits,
)
from .topology import topology

__all__ = [
    "COLOURS",
    "Exercise",
    "Panel",
    "Prediction",
    "RoutingPlayground",
    "axes",
    "coverage",
    "figures_over",
    "latencies",
    "latency_over_time",
    "lost_and_doubled",
    "measured_over_time",
    "panel",
    "queue_over_time",
    "show",
    "subscribers_over_time",
    "topology",
    "warm_up",
    "who_waits",
]
