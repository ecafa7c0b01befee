"""One picture, drawn on again and again: the run before stays in grey behind the new one."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from matplotlib.artist import Artist
from matplotlib.axes import Axes

from ..analysis.result import Result
from .pictures import COLOURS, Margins, Picture, axes, show

__all__ = ["BEFORE", "GREY", "Draw", "Redrawn"]

Draw = Callable[[Mapping[str, Result], Axes], object]

GREY = "#8c8c8c"

BEFORE = "the run before"

SIZE = 8, 3.6
"""Inches; the same for all pictures of a panel, so that nothing below them moves."""


class Redrawn:
    """A picture of one run after the other, with the one before in grey.

    The Axes are kept, with their ticks: to make these anew takes longer than all else.

    Parameters
    ----------
    draw : callable
        Draws results on Axes.
    """

    def __init__(self, draw: Draw) -> None:
        self._draw = draw
        self.clear()

    def clear(self) -> None:
        """Begin anew, without a run before."""
        made = axes(*SIZE, layout=None)
        self.picture: Picture | None = None
        """What was shown last; none after an error while it was drawn."""
        self._ax = made
        self._margins = Margins()
        self._own = set(made.get_children())
        self._before: set[Artist] = set()
        self._room: list[list[float]] = []  # the limits that the last run asked for

    def show(self, results: Mapping[str, Result]) -> Picture:
        """The results over those of the call before, on axes that have room for both."""
        ax, room = self._ax, self._room
        try:
            self._age()
            ax.ignore_existing_data_limits = True  # They are to be those of this run alone.
            ax.autoscale()
            ax.set_prop_cycle(color=COLOURS)
            self._draw(results, ax)
            ax.minorticks_off()
            self._room = [sorted(ax.get_xlim()), sorted(ax.get_ylim())]
            _hold(ax, room)
            self._margins.fit(ax)
        except BaseException:
            self.clear()  # Nobody knows what stands there.
            raise
        self.picture = show(ax)
        if room:
            self.picture.alt += " In grey: the run before."
        return self.picture

    def _age(self) -> None:
        """Take away the run before the last, and make the last the background."""
        ax = self._ax
        drawn = set(ax.get_children()) - self._own
        fading = {*ax.lines, *ax.patches, *ax.collections} - self._before
        for artist in drawn - fading:
            artist.remove()
        self._before = fading
        ax.containers.clear()  # A legend would name what they hold.
        for other in ax.figure.axes[1:]:
            other.remove()
        for place in ("left", "center", "right"):
            ax.set_title("", loc=place)
        _fade(ax)


def _fade(ax: Axes) -> None:
    """Make all that is drawn so far the background."""
    for line in ax.lines:
        line.set(color=GREY, linewidth=1, zorder=1, label="_nolegend_")
    for patch in ax.patches:
        patch.set(facecolor="none", edgecolor=GREY, zorder=3, label="_nolegend_")
    for collection in ax.collections:
        collection.set(color=GREY, zorder=1, label="_nolegend_")
    for artist in [*ax.lines, *ax.patches][:1]:
        artist.set_label(BEFORE)


def _hold(ax: Axes, room: list[list[float]]) -> None:
    """Widen the limits, so that they hold these, too."""
    for (low, high), axis in zip(room, (ax.xaxis, ax.yaxis), strict=False):
        first, last = axis.get_view_interval()
        turned = axis.get_inverted()
        axis.set_view_interval(min(low, first, last), max(high, first, last), ignore=True)
        axis.set_inverted(turned)
