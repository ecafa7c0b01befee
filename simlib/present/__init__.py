"""Pictures and panels. Only this room knows matplotlib and ipywidgets."""

from .learning import Exercise, Prediction
from .panel import Panel, panel
from .plots import (
    COLOURS,
    axes,
    figures_over,
    latencies,
    latency_over_time,
    queue_over_time,
    show,
    who_waits,
)

__all__ = [
    "COLOURS",
    "Exercise",
    "Panel",
    "Prediction",
    "axes",
    "figures_over",
    "latencies",
    "latency_over_time",
    "panel",
    "queue_over_time",
    "show",
    "who_waits",
]
