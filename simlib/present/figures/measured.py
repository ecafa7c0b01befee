"""How a run on this machine looks, and the same on simulated time."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from ...analysis.metrics import quantity
from ...analysis.result import Result
from ...live.threads import ThreadedRun
from ..pictures import COLOURS, legend, prepared, thinned

__all__ = ["measured_and_predicted", "measured_over_time"]


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


def measured_and_predicted(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """What was measured, a mark for each run, on a bar as long as was predicted.

    Parameters
    ----------
    table : DataFrame
        A row for each run: ``way``, and ``predicted`` and ``measured`` times (s).
    ax : Axes, optional
        Where to draw.
    """
    ax, said = prepared(ax), []
    names: list[str] = []
    for place, (name, runs) in enumerate(table.groupby("way", sort=False)):
        predicted, measured = runs["predicted"].iloc[0], runs["measured"]
        first = not names
        ax.barh(
            place, predicted, color=COLOURS[0], alpha=0.35, label="predicted" if first else None
        )
        ax.plot(
            measured,
            [place] * len(measured),
            linestyle="none",
            marker="|",
            markersize=16,
            markeredgewidth=2,
            color=COLOURS[1],
            label="measured" if first else None,
        )
        ratio = measured.median() / predicted
        ax.annotate(
            f"  × {ratio:.2f}", (max(measured.max(), predicted), place), va="center", fontsize=10
        )
        names.append(str(name))
        said.append(
            f"{name}: {quantity(measured.median(), 's')}, predicted {quantity(predicted, 's')}"
        )
    low, high = table[["predicted", "measured"]].to_numpy().min(), table["measured"].max()
    ax.set(xscale="log", xlim=(low / 2, 2 * high), xlabel="time (s)", yticks=range(len(names)))
    ax.set_yticklabels(names)
    ax.yaxis.set_inverted(True)
    ax.grid(visible=False, axis="y")
    legend(ax)
    ax.set_label(f"Measured times, the median of the runs, and predicted ones. {'; '.join(said)}.")
    return ax
