"""How long things take, and when messages arrive."""

from ..extras import require

require("sim", __name__)

from .arrivals import Arrivals, Batches, Bursty, Trace, VaryingPoisson
from .durations import (
    BLOCK,
    Deterministic,
    Distribution,
    Durations,
    DurationsOrNone,
    Empirical,
    Erlang,
    Exponential,
    Floats,
    Hyperexponential,
    LogNormal,
    Replay,
    Uniform,
)

__all__ = [
    "BLOCK",
    "Arrivals",
    "Batches",
    "Bursty",
    "Deterministic",
    "Distribution",
    "Durations",
    "DurationsOrNone",
    "Empirical",
    "Erlang",
    "Exponential",
    "Floats",
    "Hyperexponential",
    "LogNormal",
    "Replay",
    "Trace",
    "Uniform",
    "VaryingPoisson",
]
