"""From the record of a run to answers."""

from .replications import Comparison, Interval, Replications, compare, interval, replicate
from .result import Result
from .sweeps import intervals, sweep

__all__ = [
    "Comparison",
    "Interval",
    "Replications",
    "Result",
    "compare",
    "interval",
    "intervals",
    "replicate",
    "sweep",
]
