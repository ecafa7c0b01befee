"""Pictures of tables: figures over a parameter, costs side by side, intervals and averages.

Like those of runs, each function returns the Axes with a description as their label.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter

from ...analysis.metrics import Metric, quantity, shown_as
from ...analysis.replications import Interval
from ...costs import Cost
from ...scenarios import Scenario
from ..pictures import COLOURS, MARKERS, POINTS, legend, prepared

__all__ = ["coverage", "figures_over", "operation_costs", "warm_up"]


def figures_over(
    table: pd.DataFrame,
    x: str,
    y: str,
    by: str | None = None,
    ax: Axes | None = None,
    *,
    xlabel: str = "",
    ylabel: str = "",
    theory: Mapping[str, tuple[Sequence[float], Sequence[float]]] | None = None,
) -> Axes:
    """A figure of the summary over a parameter, with its interval, and theory beside it.

    Parameters
    ----------
    table : DataFrame
        Columns ``x``, ``y`` and, for bars, ``y_low`` and ``y_high``.
    x, y : str
        What to draw over what.
    by : str, optional
        A line for each value of this column.
    ax : Axes, optional
        Where to draw.
    xlabel, ylabel : str, optional
        What the axes and the description call x and y, with the unit in brackets at the end; else
        it is the name of a column, or what a figure of the summary is called.
    theory : mapping, optional
        Lines without markers: x and y values by name.
    """
    ax = prepared(ax)
    xlabel = xlabel or x
    label, unit, _ = shown_as(y, _of_all_scenarios())  # A table doesn't say whose it is.
    if ylabel:
        in_words = re.fullmatch(r"(.+) \((.+)\)", ylabel)
        label, unit = in_words.groups() if in_words else (ylabel, "")
    said = []
    groups = table.groupby(by, sort=False) if by else [("simulated", table)]
    for place, (name, rows) in enumerate(groups):
        middle = rows[y]
        low, high = rows.get(f"{y}_low", middle), rows.get(f"{y}_high", middle)
        ax.errorbar(
            rows[x],
            middle,
            yerr=[middle - low, high - middle],
            label=str(name),
            color=COLOURS[place],
            marker=MARKERS[place],
            linestyle="none" if theory else "-",
            capsize=3,
        )
        first, last = rows.iloc[0], rows.iloc[-1]
        said.append(
            f"{name!s}: {quantity(first[y], unit)} at {first[x]:g}, "
            f"{quantity(last[y], unit)} at {last[x]:g}"
        )
    for place, (name, (xs, ys)) in enumerate((theory or {}).items()):
        ax.plot(xs, ys, label=name, color=COLOURS[place], linestyle="--", linewidth=1.5)
    ax.set(xlabel=xlabel, ylabel=f"{label} ({unit})" if unit else label)
    legend(ax)
    ax.set_label(f"{label.capitalize()} over {xlabel}. {'; '.join(said)}.")
    return ax


def operation_costs(
    costs: Sequence[Cost], beside: Sequence[Cost] = (), ax: Axes | None = None
) -> Axes:
    """What a put, a get and an ack of each queue take, on a logarithmic axis.

    Parameters
    ----------
    costs : sequence of Cost
        Bars; of calls that deal with a single message.
    beside : sequence of Cost
        The same as measured elsewhere, as marks where there is a bar.
    ax : Axes, optional
        Where to draw.
    """
    ax = prepared(ax)
    bars, marks = _single_calls(costs), _single_calls(beside)
    kinds = list(dict.fromkeys(kind for kind, _ in bars))
    marked: dict[float, float] = {}
    for place, operation in enumerate(("put", "get", "ack")):
        at = {kind: row + 0.27 * (place - 1) for row, kind in enumerate(kinds)}
        shown = {at[kind]: time for (kind, each), time in bars.items() if each == operation}
        ax.bar(list(shown), list(shown.values()), 0.25, color=COLOURS[place], label=operation)
        marked |= {
            at[kind]: time
            for (kind, each), time in marks.items()
            if each == operation and at.get(kind) in shown
        }
    if marked:
        name = "the workbook's machine"
        ax.plot(list(marked), list(marked.values()), "_k", markersize=12, label=name)
    ax.set_yscale("log")
    ax.yaxis.set_major_formatter(EngFormatter("s"))
    ax.set(xlabel="queue and sync mode", ylabel="time of a call, mean (s)")
    ax.set_xticks(range(len(kinds)), [kind.replace(" ", "\n") for kind in kinds])
    ax.grid(axis="x", visible=False)
    ax.legend(ncols=4, fontsize=9)
    said = [f"{kind} {quantity(bars[kind, 'put'], 's')}" for kind in kinds if (kind, "put") in bars]
    ax.set_label(f"Time of a call by queue and sync mode. A put: {'; '.join(said)}.")
    return ax


def _single_calls(costs: Sequence[Cost]) -> dict[tuple[str, str], float]:
    """Mean time of calls that deal with one message (s), by queue with its mode, and operation."""
    return {
        (each.queue if each.queue == "memory" else f"{each.queue} {each.sync}", each.operation): (
            each.mean
        )
        for each in costs
        if each.batch_size == 1
    }


def coverage(found: Sequence[Interval], truth: float, ax: Axes | None = None) -> Axes:
    """Intervals one above the other, and which of them miss the truth.

    Parameters
    ----------
    found : sequence of Interval
        Intervals (s) for the same mean from independent experiments.
    truth : float
        That mean (s).
    ax : Axes, optional
        Where to draw.
    """
    ax = prepared(ax)
    hit = [bool(each.low <= truth <= each.high) for each in found]
    for caught, colour, name in ((True, COLOURS[0], "covers it"), (False, COLOURS[1], "misses it")):
        rows = [row for row, each in enumerate(hit) if each is caught]
        ax.errorbar(
            [found[row].mean for row in rows],
            rows,
            xerr=[found[row].half_width for row in rows],
            linestyle="none",
            marker="o" if caught else "s",
            markersize=3,
            linewidth=1,
            color=colour,
            label=name,
        )
    ax.axvline(truth, color="black", linewidth=1, label=f"truth: {quantity(truth, 's')}")
    ax.set(xlabel="mean latency (s)", ylabel="experiment", yticks=[])
    ax.legend()
    ax.set_label(f"{sum(hit)} of {len(hit)} intervals cover the truth, {quantity(truth, 's')}.")
    return ax


def warm_up(averages: pd.DataFrame, truth: float | None = None, ax: Axes | None = None) -> Axes:
    """Welch's picture: the latency of the n-th message, averaged over many runs.

    Parameters
    ----------
    averages : DataFrame
        What ``simlib.analysis.welch`` returned.
    truth : float, optional
        The mean in the steady state (s), as a line.
    ax : Axes, optional
        Where to draw.
    """
    ax = prepared(ax)
    every = max(1, len(averages) // POINTS)
    shown = averages.iloc[::every]
    ax.plot(shown.index, shown["mean"], color=COLOURS[4], linewidth=0.7, label="mean over runs")
    ax.plot(shown.index, shown["smooth"], color=COLOURS[0], label="moving average")
    if truth is not None:
        ax.axhline(truth, color="black", linewidth=1, label=f"steady state: {quantity(truth, 's')}")
    ax.set(xlabel="message", ylabel="latency (s)", ylim=(0, None))
    ax.legend()
    first, last = averages["mean"].iloc[0], averages["smooth"].iloc[-1]
    ax.set_label(
        f"Mean latency by message: {quantity(first, 's')} for the first, about "
        f"{quantity(last, 's')} in the end."
    )
    return ax


def _of_all_scenarios(kind: type[Scenario] = Scenario) -> dict[str, Metric]:
    """How the figures of a kind of scenario are shown, and of all that are derived from it.

    A name that two of them use for figures of their own stands for neither.
    """
    found = dict(kind.figures)
    differ: set[str] = set()
    for derived in kind.__subclasses__():
        for name, shown in _of_all_scenarios(derived).items():
            if found.setdefault(name, shown) != shown:
                differ.add(name)
    return {name: shown for name, shown in found.items() if name not in differ}
