"""The run before, in grey behind the new one, so that the two can be compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from matplotlib.axes import Axes

from ..analysis.result import Result
from .pictures import COLOURS

__all__ = ["BEFORE", "GREY", "compared"]

GREY = "#8c8c8c"

BEFORE = "the run before"


def compared(
    draw: Callable[[Mapping[str, Result], Axes], object],
    results: Mapping[str, Result],
    before: Mapping[str, Result],
    ax: Axes,
) -> None:
    """Draw results over those of the run before, on axes that have room for both.

    Parameters
    ----------
    draw : callable
        Draws results on Axes.
    results, before : mapping
        The results, and those of the run before; there may be none.
    ax : Axes
        Where to draw.
    """
    if not before:
        draw(results, ax)
        return
    draw(before, ax)
    _fade(ax)
    room = [sorted(ax.get_xlim()), sorted(ax.get_ylim())]
    ax.autoscale()
    ax.set_prop_cycle(color=COLOURS)
    draw(results, ax)
    for (low, high), axis in zip(room, (ax.xaxis, ax.yaxis), strict=True):
        first, last = axis.get_view_interval()
        ends = min(low, first, last), max(high, first, last)
        turned = axis.get_inverted()
        axis.set_view_interval(*ends, ignore=True)
        axis.set_inverted(turned)


def _fade(ax: Axes) -> None:
    """Make all that is drawn so far the background."""
    for container in ax.containers:
        container.set_label("_nolegend_")
    for line in ax.lines:
        line.set(color=GREY, linewidth=1, zorder=1, label="_nolegend_")
    for patch in ax.patches:
        patch.set(facecolor="none", edgecolor=GREY, zorder=3, label="_nolegend_")
    for collection in ax.collections:
        collection.set(color=GREY, zorder=1, label="_nolegend_")
    for text in list(ax.texts):
        text.remove()
    for artist in [*ax.lines, *ax.patches][:1]:
        artist.set_label(BEFORE)
