"""Pictures and panels. Only this room knows matplotlib and ipywidgets."""

from .learning import Exercise, Prediction
from .panel import Panel, panel
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
    warm_up,
    who_waits,
)

__all__ = [
    "COLOURS",
    "Exercise",
    "Panel",
    "Prediction",
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
    "warm_up",
    "who_waits",
]
