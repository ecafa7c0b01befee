"""From the record of a run to answers."""

from ..extras import require

require("sim", __name__)

from .doubts import DoubtWarning
from .explanation import Explanation, explain
from .forecast import Forecast
from .metrics import Metric
from .over_time import calls_over_time
from .replications import (
    Comparison,
    Interval,
    Replications,
    compare,
    half_width,
    interval,
    replicate,
)
from .result import Experiment, Result
from .settling import mser5
from .snapshots import snapshots
from .sweeps import intervals, sweep
from .warmup import welch

__all__ = [
    "Comparison",
    "DoubtWarning",
    "Experiment",
    "Explanation",
    "Forecast",
    "Interval",
    "Metric",
    "Replications",
    "Result",
    "calls_over_time",
    "compare",
    "explain",
    "half_width",
    "interval",
    "intervals",
    "mser5",
    "replicate",
    "snapshots",
    "sweep",
    "welch",
]
