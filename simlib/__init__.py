"""Honest experiments on asynchronous communication between services.

Real queues, simulated time: producers, queues and consumers are SimPy processes around real queue
implementations, and what happens to a message in a run has really happened to it.

Times are seconds, rates are per second, sizes are bytes.
"""

from .distributions import (
    Batches,
    Bursty,
    Deterministic,
    Distribution,
    Empirical,
    Erlang,
    Exponential,
    Hyperexponential,
    LogNormal,
    Replay,
    Trace,
    Uniform,
    VaryingPoisson,
)
from .processes import (
    Breakdowns,
    Consumer,
    Crash,
    Environment,
    Linger,
    Outage,
    Producer,
    SimQueue,
    Slowdown,
)

__all__ = [
    "Batches",
    "Breakdowns",
    "Bursty",
    "Consumer",
    "Crash",
    "Deterministic",
    "Distribution",
    "Empirical",
    "Environment",
    "Erlang",
    "Exponential",
    "Hyperexponential",
    "Linger",
    "LogNormal",
    "Outage",
    "Producer",
    "Replay",
    "SimQueue",
    "Slowdown",
    "Trace",
    "Uniform",
    "VaryingPoisson",
]
