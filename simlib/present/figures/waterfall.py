"""Pictures of pages: which request waited, was under way and was answered when."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes

from ...analysis.metrics import quantity
from ...analysis.result import Result
from ..pictures import COLOURS, prepared

__all__ = ["waterfall"]


def waterfall(results: Mapping[str, Result], ax: Axes | None = None) -> Axes:
    """A line for each request of a page, from when it has a connection until it is answered.

    Before that a thin pale line shows how long the page had to wait for a connection.

    Parameters
    ----------
    results : mapping
        Results of ``ApiStyles`` by name; one below the other, each in its colour.
    ax : Axes, optional
        Where to draw.
    """
    ax = prepared(ax)
    said, middles, row = [], [], 0
    count = sum(len(result.latency) for result in results.values())
    # Names and times stand beside the last rows and must not touch those of the next page.
    gap = 2 + count // 25
    height = 72 * ax.get_figure(root=True).get_size_inches()[1]  # type: ignore[union-attr]
    width = float(np.clip(0.5 * height / (count + gap * len(results)), 0.8, 8))
    for place, (name, result) in enumerate(results.items()):
        rows = row + np.arange(len(result.latency))
        created, started, finished = (
            result.columns[column] for column in ("created", "started", "finished")
        )
        colour = COLOURS[place % len(COLOURS)]
        ax.hlines(rows, created, started, color=colour, linewidth=0.4 * width, alpha=0.4)
        ax.hlines(rows, started, finished, color=colour, linewidth=width)
        middles.append(float(rows.mean()))
        summary = result.summary()
        requests, rounds = quantity(summary["requests"]), quantity(summary["rounds"])
        end = quantity(summary["page_time"], "s")
        ax.annotate(
            f" {end}", (result.duration, rows[-1]), va="center", annotation_clip=False, fontsize=10
        )
        said.append(f"{name}: requests {requests}, rounds {rounds}, done after {end}")
        row = int(rows[-1]) + 1 + gap
    ax.set(xlabel="simulated time (s)", xlim=(0, None), ylim=(row - gap, -1))
    ax.set_ylabel("requests")
    ax.set_yticks(middles, list(results) if len(results) > 1 else [""])
    ax.tick_params(axis="y", length=0)
    ax.grid(visible=False, axis="y")
    ax.set_label(f"Requests of a page, one below the other, over time. {'; '.join(said)}.")
    return ax
