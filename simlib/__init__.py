"""Honest experiments on asynchronous communication between services.

Real queues, simulated time: producers, queues and consumers are SimPy processes around real queue
implementations, and what happens to a message in a run has really happened to it.

Times are seconds, rates are per second, sizes are bytes.

The queues and the broker (``simlib.queues``, ``simlib.broker``) need nothing but Python. All else
needs ``pip install "simlib[sim]"``, and is loaded when it is first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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
        Environment,
        Linger,
        Outage,
        Producer,
        SimQueue,
    )
    from .values import ParameterError

    __version__: str

__all__ = [
    "Batches",
    "Breakdowns",
    "Bursty",
    "Consumer",
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
    "ParameterError",
    "Producer",
    "Replay",
    "SimQueue",
    "Trace",
    "Uniform",
    "VaryingPoisson",
]

_ROOMS = ("distributions", "processes", "values")


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("simlib")
    if name in __all__:
        for room in _ROOMS:
            found = import_module(f"{__name__}.{room}")
            if name in found.__all__:
                globals()[name] = getattr(found, name)
                return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__, "__version__"])
