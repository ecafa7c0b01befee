"""Pictures and panels. Only this room knows matplotlib and ipywidgets."""

from ..extras import require

require("sim", __name__)
require("present", __name__)

from .exercises import exercise
from .figures import (
    coverage,
    dashboard,
    figures_over,
    latencies,
    latency_over_time,
    lost_and_doubled,
    measured_and_predicted,
    measured_over_time,
    measured_ratios,
    operation_costs,
    queue_over_time,
    rates_over_time,
    subscribers_over_time,
    topology,
    warm_up,
    who_waits,
)
from .figures.consistency import crash_points
from .figures.rabbitmq import lost_by_way, rates_by_way
from .figures.spans import queue_by_queue, self_time_bars, timeline, who_calls_whom
from .figures.waterfall import waterfall
from .flow import Flow, flow
from .incidents import IncidentPanel
from .learning import Exercise, Prediction
from .panel import Panel, panel
from .pictures import COLOURS, axes, show
from .routing import RoutingPlayground
from .verdicts import by_theory, in_runs, mean, measured, one_run, setting, verdict

__all__ = [
    "COLOURS",
    "Exercise",
    "Flow",
    "IncidentPanel",
    "Panel",
    "Prediction",
    "RoutingPlayground",
    "axes",
    "by_theory",
    "coverage",
    "crash_points",
    "dashboard",
    "exercise",
    "figures_over",
    "flow",
    "in_runs",
    "latencies",
    "latency_over_time",
    "lost_and_doubled",
    "lost_by_way",
    "mean",
    "measured",
    "measured_and_predicted",
    "measured_over_time",
    "measured_ratios",
    "one_run",
    "operation_costs",
    "panel",
    "queue_by_queue",
    "queue_over_time",
    "rates_by_way",
    "rates_over_time",
    "self_time_bars",
    "setting",
    "show",
    "subscribers_over_time",
    "timeline",
    "topology",
    "verdict",
    "warm_up",
    "waterfall",
    "who_calls_whom",
    "who_waits",
]
