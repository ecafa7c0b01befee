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

from ..analysis.metrics import quantity
from ..analysis.result import Result
from ..live.threads import ThreadedRun
from .pictures import COLOURS, POINTS, legend, prepared, thinned

__all__ = [
    "latencies",
    "latency_over_time",
    "lost_and_doubled",
    "measured_over_time",
    "queue_over_time",
    "subscribers_over_time",
    "who_waits",
]


def queue_over_time(
    results: Mapping[str, Result], ax: Axes | None = None, column: str = "in_system"
) -> Axes:
    """How many messages there are at each time.

    What comes after the last arrival is shaded: there a line falls because nothing comes any more,
    and not because the system keeps up.

    Parameters
    ----------
    results : mapping
        Results by name; a line each.
    ax : Axes, optional
        Where to draw.
    column : str
        Which column of ``Result.series``.
    """
    ax = prepared(ax)
    said = []
    for place, (name, result) in enumerate(results.items()):
        counts = result.series[column]
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


def subscribers_over_time(results: Mapping[str, Result], ax: Axes | None = None) -> Axes:
    """How many copies there are in each queue or with its subscriber at each time.

    Queues that are equally long all the time share a line. Where all compete for one queue, there
    is a line for those copies that each subscriber has done in the end, and one for those that
    nobody has.

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
        if len(queues) > 1:
            chosen = {each: result.labels["queue"] == place for place, each in enumerate(queues)}
        else:
            by = result.labels["subscriber"]
            names = [f"done by subscriber {place + 1}" for place in range(by.max(initial=0) + 1)]
            chosen = {each: by == place for place, each in enumerate(names)}
            if (by < 0).any():
                chosen["done by nobody in the end"] = by < 0
        found = {each: result.part(which) for each, which in chosen.items()}
        for each, part in _told_once(found).items():
            parts[each if len(results) == 1 else f"{name}: {each}"] = part
    return queue_over_time(parts, ax)


def _told_once(parts: Mapping[str, Result]) -> dict[str, Result]:
    """The same, with those that are alike at every moment under one name, as one line."""
    alike: list[tuple[list[str], Result]] = []
    for name, part in parts.items():
        for names, other in alike:
            if part.series["in_system"].equals(other.series["in_system"]):
                names.append(name)
                break
        else:
            alike.append(([name], part))
    return {", ".join(names): part for names, part in alike}


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
    ax = prepared(ax)
    held = (measured.ready + measured.unacked).astype(float)
    lines = {"measured on this machine": (measured.sampled, held)}
    if simulated is not None:
        series = simulated.series["in_system"]
        lines["simulated"] = (series.index.to_numpy(), series.to_numpy(float))
    said = []
    for place, (name, line) in enumerate(lines.items()):
        times, values = thinned(*line)
        ax.step(times, values, where="post", label=name, color=COLOURS[place], linewidth=1.2)
        said.append(f"{name}: at most {values.max():,.0f}")
    ax.set(xlabel="time (s)", ylabel="messages in the system", ylim=(0, None))
    ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    legend(ax)
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
        Results of ``DeliveryGuarantees`` by name; a bar each.
    ax : Axes, optional
        Where to draw.
    """
    ax = prepared(ax)
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
    ax.yaxis.set_inverted(True)
    ax.xaxis.set_major_formatter(lambda value, _: f"{abs(value):,.0f}")
    ax.xaxis.set_major_locator(MaxNLocator(nbins=7, integer=True))
    ax.grid(visible=False, axis="y")
    ax.legend(ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.2), frameon=False)
    ax.set_label(f"Messages lost and doubled. {'; '.join(said)}.")
    return ax
