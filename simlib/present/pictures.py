"""Figures as notebooks show them: one style, drawn without state, and with words for each.

Nothing here touches pyplot, so pictures can be drawn anywhere and leave nothing behind.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from typing import Any

import matplotlib
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure

__all__ = [
    "COLOURS",
    "MARKERS",
    "POINTS",
    "Picture",
    "axes",
    "legend",
    "prepared",
    "show",
    "thinned",
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


def prepared(ax: Axes | None) -> Axes:
    """Where to draw: what was given, or Axes on a figure of their own."""
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


def legend(ax: Axes) -> None:
    """A legend, where there is more than one thing to tell apart."""
    if len(ax.get_legend_handles_labels()[0]) > 1:
        ax.legend()


def thinned(
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
