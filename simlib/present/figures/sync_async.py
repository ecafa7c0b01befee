"""How calls and messages look: who waits, and how long."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.axes import Axes

from ...analysis.result import Result
from .runs import latencies

__all__ = ["who_waits"]


def who_waits(results: Mapping[str, Result], ax: Axes | None = None) -> Axes:
    """How long users wait until their request is done, and how long the caller is occupied.

    Parameters
    ----------
    results : mapping
        Results of ``SyncVsAsync`` by name.
    ax : Axes, optional
        Where to draw.
    """
    times = {}
    for name, result in results.items():
        messages = result.messages.iloc[result.warmup :]
        messages = messages[messages["outcome"] == "acked"]
        times[f"{name}: until it is done"] = messages["latency"]
        times[f"{name}: until the caller is free"] = messages["answered"] - messages["created"]
    return latencies(times, ax)
