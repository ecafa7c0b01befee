"""How a run on this machine looks, and the same on simulated time."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from ...analysis.result import Result
from ...live.threads import ThreadedRun
from ..pictures import COLOURS, legend, prepared, thinned

__all__ = ["measured_over_time"]


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
