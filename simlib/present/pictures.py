"""Figures as notebooks show them: one style, drawn without state, and with words for each.

Nothing here touches pyplot, so pictures can be drawn anywhere and leave nothing behind.
"""

from __future__ import annotations

import base64
import html
import io
import re
from functools import cached_property
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
    "STYLE",
    "Margins",
    "Picture",
    "axes",
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

_DIGIT = re.compile(r"\d")

POINTS = 800
"""The most points a line is drawn with; more can't be seen and take long."""


def axes(
    width: float = 8,
    height: float = 4,
    layout: Literal["constrained"] | None = "constrained",
) -> Axes:
    """Empty Axes on a figure of their own; sizes in inches."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout=layout)
        return figure.add_subplot()


def prepared(ax: Axes | None) -> Axes:
    """Where to draw: what was given, or Axes on a figure of their own."""
    if ax is not None:
        return ax
    return axes()


_HEAD = re.compile(r"^.*?<svg [^>]*?(viewBox=\"[^\"]*\").*?</style>\s*</defs>", re.DOTALL)
"""What stands in an SVG of matplotlib's before the drawing, and would hold for the whole page."""

_PLAIN = (
    (re.compile(r'<g id="[^"]*"'), "<g"),
    (re.compile(r"; font-family: [^;\"]*"), ""),
    (re.compile(r"\n *"), " "),
    (re.compile(r"(?<=\.\d\d)\d+"), ""),  # finer places can't be seen
)
"""What is left out of the drawing, or said another way."""

_WORDS = re.compile(r"(>[^<>\n]+</text>)")

_NAMES = (' id="', "url(#", 'href="#')
"""What stands before the name of a part."""


def _plain(drawn: str, prefix: str) -> str:
    """A part of a drawing without words, short, and with names that are its own."""
    for pattern, new in _PLAIN:
        drawn = pattern.sub(new, drawn)
    drawn = drawn.replace("#000000", "currentColor").replace("xlink:href", "href")
    for before in _NAMES:
        drawn = drawn.replace(before, f"{before}{prefix}-")
    return drawn


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
        head = _HEAD.match(drawn)
        assert head is not None
        width, height = (round(96 * inches) for inches in self.figure.get_size_inches())
        start = (
            f'<svg role="img" aria-label="{html.escape(self.alt)}" '
            f'width="{width}" height="{height}" fill="currentColor" '
            f'font-family="DejaVu Sans, Verdana, sans-serif" stroke-linejoin="round" {head[1]}>'
        )
        parts = _WORDS.split(drawn[head.end() :])
        parts[::2] = [_plain(part, prefix) for part in parts[::2]]
        return start + "".join(parts)

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


class Margins:
    """Margins as wide as what stands beside the Axes; faster than a constrained layout.

    What stands there is measured once for labels of each length, for digits are equally wide.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[str, ...], tuple[float, float, float, float]] = {}

    def fit(self, ax: Axes) -> None:
        """Give the figure the margins for what is drawn on its only Axes."""
        figure = ax.get_figure(root=True)
        assert isinstance(figure, Figure)
        with matplotlib.rc_context(STYLE):
            beside = _beside(ax)
            margins = self._known.get(beside)
            if margins is None or ax.texts:  # These stand anywhere.
                margins = self._known[beside] = _margins(ax, figure)
        figure.subplots_adjust(*margins)


def _beside(ax: Axes) -> tuple[str, ...]:
    """What may stand outside the Axes; of the numbers along each axis the longest."""
    said = [ax.get_title("left"), ax.get_xlabel(), ax.get_ylabel()]
    for axis in (ax.xaxis, ax.yaxis):
        marks = axis.get_major_formatter().format_ticks(list(axis.get_majorticklocs()))
        said.append(max((_DIGIT.sub("0", mark) for mark in marks), key=len, default=""))
    legend = ax.get_legend()
    named = [text.get_text() for text in legend.get_texts()] if legend else []
    return (*said, *named)


def _margins(ax: Axes, figure: Figure) -> tuple[float, float, float, float]:
    """Where the Axes should begin and end: left, bottom, right, top, as parts of the figure."""
    around = ax.get_tightbbox()
    assert around is not None
    inner, (width, height) = ax.get_position(), figure.bbox.size
    # The last number below may stand at the very end of the axis another time.
    half = max((each.get_window_extent().width / 2 for each in ax.get_xticklabels()), default=0)
    right = max(around.x1, inner.x1 * width + half)
    return (
        inner.x0 + (_GAP - around.x0) / width,
        inner.y0 + (_GAP - around.y0) / height,
        inner.x1 + (width - right - _GAP) / width,
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
    edges = np.linspace(0, len(times), POINTS // 2 + 1).astype(int)[:-1]
    keep = [
        _firsts(values == np.repeat(ufunc.reduceat(values, edges), lengths), edges)
        for lengths in [np.diff(edges, append=len(times))]
        for ufunc in (np.maximum, np.minimum)
    ]
    chosen = np.unique(np.concatenate(keep))
    return times[chosen], values[chosen]


def _firsts(
    found: np.ndarray[tuple[int], np.dtype[np.bool_]], edges: np.ndarray[tuple[int], np.dtype[Any]]
) -> np.ndarray[tuple[int], np.dtype[Any]]:
    """The first place in each stretch where something was found, as it is in all of them."""
    places = np.flatnonzero(found)
    return places[np.searchsorted(places, edges)]
