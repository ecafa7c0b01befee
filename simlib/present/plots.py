"""Pictures of results.

Each function draws on ``ax`` or on a figure of its own, returns the Axes, and leaves a description
of what is to be seen as their label (``ax.get_label()``): the alternative text of the picture.
Nothing here touches pyplot, so pictures can be drawn anywhere and leave no state behind.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from ..analysis.metrics import METRICS, quantity
from ..analysis.replications import Interval
from ..analysis.result import Result
from ..live.threads import ThreadedRun

__all__ = [
    "COLOURS",
    "Picture",
    "axes",
    "coverage",
    "figures_over",
    "latencies",
    "latency_over_time",
    "lost_and_doubled",
    "measured_over_time",
    "queue_over_time",
    "show",
    "subscribers_over_time",
    "warm_up",
    "who_waits",
]

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
"""Distinct for colour-blind readers too (Wong 2011, "Points of view: Color blindness")."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X")

STYLE: dict[Any, Any] = {
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "axes.prop_cycle": cycler(color=COLOURS),
    "font.size": 11,
    "grid.alpha": 0.25,
    "legend.frameon": False,
    "lines.linewidth": 2,
    "svg.hashsalt": "simlib",
}

POINTS = 800
"""The most points a line is drawn with; more can't be seen and take long."""


def axes(width: float = 8, height: float = 4, columns: int = 1) -> Axes | Sequence[Axes]:
    """Empty Axes on a figure of their own, one or a row of them; sizes in inches."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        made = figure.subplots(1, columns, squeeze=False)[0]
    return made[0] if columns == 1 else list(made)


def _prepared(ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    made = axes()
    assert isinstance(made, Axes)
    return made


class Picture:
    """A figure for a notebook, with its alternative text."""

    def __init__(self, figure: Figure, alt: str) -> None:
        self.figure = figure
        self.alt = alt

    def __repr__(self) -> str:
        return f"Picture: {self.alt}"

    @cached_property
    def png(self) -> bytes:
        """The figure as a PNG file."""
        buffer = io.BytesIO()
        with matplotlib.rc_context(STYLE):
            self.figure.savefig(buffer, format="png", dpi=96)
        return buffer.getvalue()

    def _repr_html_(self) -> str:
        data = base64.b64encode(self.png).decode()
        return (
            f'<img alt="{html.escape(self.alt)}" style="max-width: 100%" '
            f'src="data:image/png;base64,{data}">'
        )


def show(drawn: Axes, title: str = "", alt: str = "") -> Picture:
    """The figure that ``drawn`` is on, as the value of a notebook's cell.

    Parameters
    ----------
    drawn : Axes
        Any Axes of the figure.
    title : str
        What the picture shows, put above it.
    alt : str
        Said before the descriptions that the drawing functions left on the Axes.
    """
    figure = drawn.get_figure(root=True)
    assert isinstance(figure, Figure)
    labels = [str(ax.get_label()) for ax in figure.axes if ax.get_label()]
    with matplotlib.rc_context(STYLE):
        if title:
            drawn.set_title(title)
    return Picture(figure, " ".join(filter(None, [alt or (title and f"{title}."), *labels])))


def queue_over_time(
    results: Mapping[str, Result], ax: Axes | None = None, column: str = "in_system"
) -> Axes:
    """How many messages there are at each time.

    Parameters
    ----------
    results : mapping
        Results by name; a line each.
    ax : Axes, optional
        Where to draw.
    column : str
        Which column of ``Result.series``.
    """
    ax = _prepared(ax)
    said = []
    for place, (name, result) in enumerate(results.items()):
        counts = result.series[column]
        times, values = _thinned(counts.index.to_numpy(), counts.to_numpy(float))
        colour = COLOURS[place % len(COLOURS)]
        ax.step(times, values, where="post", label=name, color=colour, linewidth=1.2)
        peak, when = values.max(), quantity(float(times[values.argmax()]), "s")
        said.append(f"{name}: at most {peak:,.0f}, after {when}")
    ax.set(xlabel="simulated time (s)", ylabel="messages in the system", ylim=(0, None))
    ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    _legend(ax)
    ax.set_label(f"Messages in the system over time. {'; '.join(said)}.")
    return ax


def subscribers_over_time(results: Mapping[str, Result], ax: Axes | None = None) -> Axes:
    """How many copies there are in each queue or with its subscriber at each time.

    Where all compete for one queue, how many of those that each subscriber has done in the end.

    Parameters
    ----------
    results : mapping
        Results of ``PublishSubscribe`` by name.
    ax : Axes, optional
        Where to draw.
    """
    parts = {}
    for name, result in results.items():
        queues = getattr(result.scenario, "queues", [])
        label = "queue" if len(queues) > 1 else "subscriber"
        names = queues if len(queues) > 1 else range(1, result.labels[label].max(initial=0) + 2)
        for number, each in enumerate(names):
            said = f"{each}" if label == "queue" else f"done by subscriber {each}"
            part = result.part(result.labels[label] == number)
            parts[said if len(results) == 1 else f"{name}: {said}"] = part
    return queue_over_time(parts, ax)


def measured_over_time(
    measured: ThreadedRun, simulated: Result | None = None, ax: Axes | None = None
) -> Axes:
    """How many messages a real queue held, and how many it would by simulation.

    Parameters
    ----------
    measured : ThreadedRun
        Samples of a run on this machine.
    simulated : Result, optional
        A run of the same messages on simulated time.
    ax : Axes, optional
        Where to draw.
    """
    ax = _prepared(ax)
    held = (measured.ready + measured.unacked).astype(float)
    lines = {"measured on this machine": (measured.sampled, held)}
    if simulated is not None:
        series = simulated.series["in_system"]
        lines["simulated"] = (series.index.to_numpy(), series.to_numpy(float))
    said = []
    for place, (name, line) in enumerate(lines.items()):
        times, values = _thinned(*line)
        ax.step(times, values, where="post", label=name, color=COLOURS[place], linewidth=1.2)
        said.append(f"{name}: at most {values.max():,.0f}")
    ax.set(xlabel="time (s)", ylabel="messages in the system", ylim=(0, None))
    ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    _legend(ax)
    ax.set_label(f"Messages in the system over time. {'; '.join(said)}.")
    return ax


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
    ax = _prepared(ax)
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
    _legend(ax)
    ax.set_label(f"Latency over time. {'; '.join(said)}.")
    return ax


def latencies(times: Mapping[str, ArrayLike], ax: Axes | None = None) -> Axes:
    """Which fraction took longer than so long, on logarithmic axes.

    Parameters
    ----------
    times : mapping
        Durations (s) by name, each of shape (messages,); a line each. NaN is left out. Names that
        are the same up to a colon share their colour.
    ax : Axes, optional
        Where to draw.
    """
    ax = _prepared(ax)
    said = []
    groups = list(dict.fromkeys(name.partition(":")[0] for name in times))
    for name, durations in times.items():
        group = name.partition(":")[0]
        values = np.asarray(durations, float)
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
    _legend(ax)
    ax.set_label(f"How long it took. {'; '.join(said)}.")
    return ax


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


def lost_and_doubled(results: Mapping[str, Result], ax: Axes | None = None) -> Axes:
    """How many messages had no effect, how many effects were too many, and how wrong the money is.

    Parameters
    ----------
    results : mapping
        Results of ``Delivery`` by name; a bar each.
    ax : Axes, optional
        Where to draw.
    """
    ax = _prepared(ax)
    said = []
    rows = {name: result.summary() for name, result in results.items()}
    most = max([1.0, *(max(row["missing"], row["surplus"]) for row in rows.values())])
    for place, (name, row) in enumerate(rows.items()):
        ax.barh(place, -row["missing"], color=COLOURS[1], label=None if place else "never booked")
        ax.barh(
            place, row["surplus"], color=COLOURS[0], label=None if place else "booked too often"
        )
        wrong = f"{row['money_wrong']:+,.0f}".replace("-", "−")
        money = f"money wrong by {wrong}" if row["money_wrong"] else "money right"
        ax.annotate(money, (1.08 * most, place), va="center", annotation_clip=False)
        said.append(
            f"{name}: {row['missing']:,.0f} never booked, {row['surplus']:,.0f} booked too often, "
            f"{money}"
        )
    ax.axvline(0, color="black", linewidth=1)
    ax.set(xlim=(-1.05 * most, 1.05 * most), xlabel="messages", yticks=range(len(rows)))
    ax.set_yticklabels(list(rows))
    ax.invert_yaxis()
    ax.xaxis.set_major_formatter(lambda value, _: f"{abs(value):,.0f}")
    ax.xaxis.set_major_locator(MaxNLocator(nbins=7, integer=True))
    ax.grid(visible=False, axis="y")
    ax.legend(ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.2), frameon=False)
    ax.set_label(f"Messages lost and doubled. {'; '.join(said)}.")
    return ax


def figures_over(
    table: pd.DataFrame,
    x: str,
    y: str,
    by: str | None = None,
    ax: Axes | None = None,
    *,
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
    theory : mapping, optional
        Lines without markers: x and y values by name.
    """
    ax = _prepared(ax)
    label, unit = METRICS.get(y, (y, ""))
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
    ax.set(xlabel=x, ylabel=f"{label} ({unit})" if unit else label)
    _legend(ax)
    ax.set_label(f"{label.capitalize()} over {x}. {'; '.join(said)}.")
    return ax


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
    ax = _prepared(ax)
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
    ax = _prepared(ax)
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


def _legend(ax: Axes) -> None:
    if len(ax.get_legend_handles_labels()[0]) > 1:
        ax.legend()


def _thinned(
    times: np.ndarray[tuple[int], np.dtype[np.float64]],
    values: np.ndarray[tuple[int], np.dtype[np.float64]],
) -> tuple[np.ndarray[tuple[int], np.dtype[np.float64]], ...]:
    """At most POINTS points that keep the highest and the lowest value of each stretch."""
    if len(times) <= POINTS:
        return times, values
    edges = np.linspace(0, len(times), POINTS // 2 + 1).astype(int)
    keep = set()
    for start, end in pairwise(edges.tolist()):
        stretch = values[start:end]
        keep |= {start + int(stretch.argmax()), start + int(stretch.argmin())}
    chosen = np.array(sorted(keep))
    return times[chosen], values[chosen]
