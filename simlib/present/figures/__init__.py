"""Pictures: of any runs, of tables and of a broker, and those that one scenario alone has.

Each function draws on ``ax`` or on a figure of its own, returns the Axes, and leaves a description
of what is to be seen as their label (``ax.get_label()``): the alternative text of the picture.
"""

from .delivery_guarantees import lost_and_doubled
from .measured import measured_and_predicted, measured_over_time, measured_ratios
from .overload import dashboard, rates_over_time
from .publish_subscribe import subscribers_over_time
from .runs import latencies, latency_over_time, queue_over_time
from .spans import queue_by_queue, self_time_bars, timeline, who_calls_whom
from .sync_async import who_waits
from .tables import coverage, figures_over, operation_costs, warm_up
from .topology import topology
from .waterfall import waterfall

__all__ = [
    "coverage",
    "dashboard",
    "figures_over",
    "latencies",
    "latency_over_time",
    "lost_and_doubled",
    "measured_and_predicted",
    "measured_over_time",
    "measured_ratios",
    "operation_costs",
    "queue_by_queue",
    "queue_over_time",
    "rates_over_time",
    "self_time_bars",
    "subscribers_over_time",
    "timeline",
    "topology",
    "warm_up",
    "waterfall",
    "who_calls_whom",
    "who_waits",
]
