"""Figures as notebooks show them: one style, drawn without state, and with words for each.

Nothing here touches pyplot, so pictures can be drawn anywhere and leave nothing behind.
"""

from __future__ import annotations

import base64
import html
import io
import re
from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from typing import Any, Literal

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
    "fit",
    "legend",
    "prepared",
    "show",
    "thinned",
]

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#2E9BD6", "#B98500", "#767676")
"""Distinct for colour-blind readers too (Wong 2011, "Points of view: Color blindness").

Its sky blue and orange are darker here, and its black is grey: each line has a contrast of 3:1 at
least on a white page and on a dark one.
"""

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
    "svg.fonttype": "none",
    "svg.hashsalt": "simlib",
}

_GAP = 6  # pixels round a figure

POINTS = 800
"""The most points a line is drawn with; more can't be seen and take long."""


def axes(
    width: float = 8,
    height: float = 4,
    columns: int = 1,
    layout: Literal["constrained"] | None = "constrained",
) -> Axes | Sequence[Axes]:
    """Empty Axes on a figure of their own, one or a row of them; sizes in inches."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout=layout)
        made = figure.subplots(1, columns, squeeze=False)[0]
    return made[0] if columns == 1 else list(made)


def prepared(ax: Axes | None) -> Axes:
    """Where to draw: what was given, or Axes on a figure of their own."""
    if ax is not None:
        return ax
    made = axes()
    assert isinstance(made, Axes)
    return made


_PLAIN = tuple(
    (re.compile(pattern, re.DOTALL), new)
    for pattern, new in (
        (r"^.*?(?=<svg )", ""),  # a page has its own declarations
        (r"<metadata>.*?</metadata>", ""),
        (r"<defs>\s*<style.*?</defs>", ""),  # it would hold for the whole page
        (r'(?<=<svg )[^>]*?(viewBox="[^"]*")[^>]*', r"\1"),
        (r'<g id="[^"]*"', "<g"),
        (r"; font-family: [^;\"]*", ""),
        (r"#000000", "currentColor"),
        (r"xlink:href", "href"),
        (r"\n *(?=[LMz\"<])", " "),
    )
)
"""What is left out of an SVG of matplotlib's, or said another way."""

_TAG, _FINE = re.compile(r"<[^>]*>"), re.compile(r"(\.\d\d)\d+")

_NAMES = re.compile(r'(\bid="|url\(#|\bhref="#)')


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

    def svg(self, prefix: str) -> str:
        """The figure for a page of any colour, with what is black in the colour of the text.

        Parameters
        ----------
        prefix : str
            Put before the names of its parts, which have to be unique on the page.
        """
        buffer = io.StringIO()
        with matplotlib.rc_context(STYLE):
            self.figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
        drawn = buffer.getvalue()
        for pattern, new in _PLAIN:
            drawn = pattern.sub(new, drawn)
        # Places finer than that can't be seen.
        drawn = _TAG.sub(lambda tag: _FINE.sub(r"\1", tag[0]), drawn)
        width, height = (round(96 * inches) for inches in self.figure.get_size_inches())
        start = (
            f'<svg role="img" aria-label="{html.escape(self.alt)}" '
            f'width="{width}" height="{height}" fill="currentColor" '
            'font-family="DejaVu Sans, Verdana, sans-serif" stroke-linejoin="round" '
        )
        return _NAMES.sub(rf"\g<1>{prefix}-", drawn.replace("<svg ", start, 1))

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


def fit(ax: Axes) -> None:
    """Margins as wide as what stands beside the Axes; faster than a constrained layout."""
    figure = ax.get_figure(root=True)
    assert isinstance(figure, Figure)
    with matplotlib.rc_context(STYLE):
        around = ax.get_tightbbox()
    assert around is not None
    inner, (width, height) = ax.get_position(), figure.bbox.size
    figure.subplots_adjust(
        inner.x0 + (_GAP - around.x0) / width,
        inner.y0 + (_GAP - around.y0) / height,
        inner.x1 + (width - around.x1 - _GAP) / width,
        inner.y1 + (height - around.y1 - _GAP) / height,
    )


def legend(ax: Axes) -> None:
    """A legend, where there is more than one thing to tell apart."""
    if len(ax.get_legend_handles_labels()[0]) > 1:
        ax.legend(frameon=False)


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
