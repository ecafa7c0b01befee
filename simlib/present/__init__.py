"""Pictures and panels. Only this room knows matplotlib and ipywidgets."""

from ..extras import require

require("sim", __name__)
require("present", __name__)

from .comparisons import coverage, figures_over, operation_costs, warm_up
from .exercises import exercise
from .figures.overload import dashboard, rates_over_time
from .learning import Exercise, Prediction
from .panel import Panel, panel
from .pictures import COLOURS, axes, show
from .playground import RoutingPlayground
from .plots import (
    latencies,
    latency_over_time,
    lost_and_doubled,
    measured_over_time,
    queue_over_time,
    subscribers_over_time,
    who_waits,
)
from .topology import topology
from .verdicts import by_theory, in_runs, mean, measured, one_run, setting, verdict

__all__ = [
    "COLOURS",
    "Exercise",
    "Panel",
    "Prediction",
    "RoutingPlayground",
    "axes",
    "by_theory",
    "coverage",
    "dashboard",
    "exercise",
    "figures_over",
    "in_runs",
    "latencies",
    "latency_over_time",
    "lost_and_doubled",
    "mean",
    "measured",
    "measured_over_time",
    "one_run",
    "operation_costs",
    "panel",
    "queue_over_time",
    "rates_over_time",
    "setting",
    "show",
    "subscribers_over_time",
    "topology",
    "verdict",
    "warm_up",
    "who_waits",
]
