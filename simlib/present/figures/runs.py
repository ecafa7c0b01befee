"""Pictures of runs.

Each function draws on ``ax`` or on a figure of its own, returns the Axes, and leaves a description
of what is to be seen as their label (``ax.get_label()``): the alternative text of the picture.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from ...analysis.metrics import quantity
from ...analysis.result import Result
from ..pictures import COLOURS, POINTS, legend, prepared, thinned

__all__ = [
    "latencies",
    "latency_over_time",
    "queue_over_time",
]


def queue_over_time(results: Mapping[str, Result], ax: Axes | None = None) -> Axes:
    """How many messages there are at each time.

    What comes after the last arrival is shaded: there a line falls because nothing comes any more,
    and not because the system keeps up.

    Parameters
    ----------
    results : mapping
        Results by name; a line each.
    ax : Axes, optional
        Where to draw.
    """
    ax = prepared(ax)
    said = []
    for place, (name, result) in enumerate(results.items()):
        counts = result.series["in_system"]
        times, values = thinned(counts.index.to_numpy(), counts.to_numpy(float))
        colour = COLOURS[place % len(COLOURS)]
        ax.step(times, values, where="post", label=name, color=colour, linewidth=1.2)
        peak, when = values.max(), quantity(float(times[values.argmax()]), "s")
        said.append(f"{name}: at most {peak:,.0f}, after {when}")
    ended = _arrivals_end(results)
    if ended is not None:
        last = max(result.duration for result in results.values())
        ax.axvspan(ended, last, color="0.5", alpha=0.25, linewidth=0, label="nothing arrives")
        said.append(f"nothing arrives after {quantity(ended, 's')}")
    ax.set(xlabel="simulated time (s)", ylabel="messages in the system", ylim=(0, None))
    ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    legend(ax)
    ax.set_label(f"Messages in the system over time. {'; '.join(said)}.")
    return ax


def _arrivals_end(results: Mapping[str, Result]) -> float | None:
    """When the last message was created (s); None if runs end with it, or soon after."""
    ended = max(
        (float(result.columns["created"][-1]) for result in results.values() if len(result.wait)),
        default=0.0,
    )
    last = max((result.duration for result in results.values()), default=0.0)
    return ended if ended < 0.98 * last else None


def latency_over_time(
    results: Mapping[str, Result], ax: Axes | None = None, quantile: float = 0.99
) -> Axes:
    """A percentile of the latency of messages created at about the same time.

    Parameters
    ----------
    results : mapping
        Results by name; a line each.
    ax : Axes, optional
        Where to draw.
    quantile : float
        Which one, 0 to 1.
    """
    ax = prepared(ax)
    said = []
    for place, (name, result) in enumerate(results.items()):
        messages = result.messages
        bins = np.linspace(0, result.duration, 61)
        middle = pd.Series((bins[:-1] + bins[1:]) / 2)
        groups = pd.cut(messages["created"], bins.tolist(), labels=False, include_lowest=True)
        values = messages["latency"].groupby(groups).quantile(quantile)
        ax.plot(middle[values.index.astype(int)], values, label=name, color=COLOURS[place])
        said.append(f"{name}: at most {quantity(values.max(), 's')}")
    ax.set(xlabel="created at (simulated time, s)", ylabel=f"latency, p{100 * quantile:g} (s)")
    ax.set_ylim(bottom=0)
    legend(ax)
    ax.set_label(f"Latency over time. {'; '.join(said)}.")
    return ax


def latencies(times: Mapping[str, ArrayLike | Result], ax: Axes | None = None) -> Axes:
    """Which fraction took longer than so long, on logarithmic axes.

    Parameters
    ----------
    times : mapping
        Durations (s) by name, each of shape (messages,), or the Result whose latencies they are; a
        line each. NaN is left out. Names that are the same up to a colon share their colour.
    ax : Axes, optional
        Where to draw.
    """
    ax = prepared(ax)
    said = []
    groups = list(dict.fromkeys(name.partition(":")[0] for name in times))
    for name, durations in times.items():
        group = name.partition(":")[0]
        values = np.asarray(
            durations.latency if isinstance(durations, Result) else durations, float
        )
        values = np.sort(values[~np.isnan(values)])
        if not len(values):
            continue
        longer = 1 - np.arange(1, len(values) + 1) / (len(values) + 1)
        # As many points for each factor of ten: that is how the axis shows them.
        marks = np.unique(len(values) - np.geomspace(len(values), 1, POINTS).astype(int))
        first = next(each for each in times if each.startswith(group))
        ax.plot(
            values[marks],
            longer[marks],
            label=name,
            color=COLOURS[groups.index(group)],
            linestyle="-" if name == first else "--",
        )
        p50, p99 = np.percentile(values, [50, 99])
        said.append(f"{name}: median {quantity(p50, 's')}, p99 {quantity(p99, 's')}")
    ax.set(xscale="log", yscale="log", xlabel="time (s)", ylabel="fraction that took longer")
    ax.minorticks_off()
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(lambda value, _: f"{value:g}")
    legend(ax)
    ax.set_label(f"How long it took. {'; '.join(said)}.")
    return ax
