"""What somebody on call looks at when a service that is called is overloaded."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...analysis.over_time import calls_over_time
from ...analysis.result import Result
from ..pictures import COLOURS, STYLE, legend, prepared

__all__ = ["dashboard", "rates_over_time"]


def dashboard(results: Mapping[str, Result], every: float = 1.0) -> Axes:
    """Four pictures of calls over time: how many are in time, tried, answered, and waiting.

    Parameters
    ----------
    results : mapping
        Results by name; a line each.
    every : float
        Length of the intervals that are counted (s).
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(9, 5.5), layout="constrained")
        places: list[Axes] = figure.subplots(2, 2, sharex=True).ravel().tolist()
    shown = {
        "in_time": ("answered in time (%)", 100.0),
        "attempts": ("attempts (1/s)", 1.0),
        "answered": ("answers in time (1/s)", 1.0),
        "waiting": ("waiting for a worker", 1.0),
    }
    tables = {name: calls_over_time(result, every) for name, result in results.items()}
    for ax, (column, (label, scale)) in zip(places, shown.items(), strict=True):
        said = []
        for place, (name, table) in enumerate(tables.items()):
            values = scale * table[column]
            colour = COLOURS[place % len(COLOURS)]
            ax.plot(table.index, values, label=name, color=colour, linewidth=1.5)
            said.append(f"{name}: {_in_words(values)}")
        ax.set(ylabel=label, ylim=(0, None))
        ax.set_label(f"{label.capitalize()} over time. {'; '.join(said)}.")
    for ax in places[2:]:
        ax.set_xlabel("simulated time (s)")
    legend(places[0])
    return places[0]


def rates_over_time(results: Mapping[str, Result], ax: Axes | None = None) -> Axes:
    """How many calls are made, tried and answered in time, each second.

    Parameters
    ----------
    results : mapping
        Results by name; three lines each.
    ax : Axes, optional
        Where to draw.
    """
    ax = prepared(ax)
    shown = {"attempts": "attempts", "calls": "calls made", "answered": "calls answered in time"}
    said = []
    for name, result in results.items():
        table = calls_over_time(result)
        for place, (column, label) in enumerate(shown.items()):
            called = label if len(results) == 1 else f"{name}: {label}"
            colour = COLOURS[(1, 6, 0)[place]]
            ax.plot(table.index, table[column], label=called, color=colour, linewidth=1.5)
            said.append(f"{called}: {_in_words(table[column])}")
    ax.set(xlabel="simulated time (s)", ylabel="calls (1/s)", ylim=(0, None))
    legend(ax)
    ax.set_label(f"Calls per second over time. {'; '.join(said)}.")
    return ax


def _in_words(values: pd.Series[float]) -> str:
    """From the first to the last, and between which bounds."""
    known = values.dropna()
    if not len(known):
        return "nothing known"
    ends = f"{known.iloc[0]:,.0f} at first, {known.iloc[-1]:,.0f} at the end"
    return f"{ends}, between {np.min(known):,.0f} and {np.max(known):,.0f}"
