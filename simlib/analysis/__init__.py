"""From the record of a run to answers."""

from .doubts import DoubtWarning, mser5
from .replications import (
    Comparison,
    Interval,
    Replications,
    compare,
    half_width,
    interval,
    replicate,
)
from .result import Result
from .sweeps import intervals, sweep

__all__ = [
    "Comparison",
    "DoubtWarning",
    "Interval",
    "Replications",
    "Result",
    "compare",
    "half_width",
    "interval",
    "intervals",
    "mser5",
    "replicate",
    "sweep",
]
