"""A recorded run, played back: messages that move from place to place."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from math import isfinite
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import traitlets

from ..analysis.metrics import quantity
from ..analysis.result import Result
from ..tracing import Span
from .figures.moves import moves, moves_in_words
from .hops import Hops
from .journeys import hops_of
from .pictures import Picture, show

__all__ = ["Flow", "flow"]

FOLDER = Path(__file__).parent

FROZEN = "A picture of the whole run: run this cell to see the messages move."

MOST = 2_000
"""The messages that are played if nobody says until when."""

CROWD = 300
"""More moves at once are a line, and no dots any more."""

ROWS = 30
"""The most places one below the other; more are higher than a screen."""

SHORTEST, LONGEST, EACH = 6.0, 30.0, 0.7
"""A run is played, at speed 1, for a time (s) of so much for each of its moves, within bounds."""

SEEN = 0.4
"""What takes no time in the run is drawn for so long (s), at speed 1."""


class Flow(anywidget.AnyWidget):
    """Messages of a run on their way, to be played, stepped through, or looked at at any instant.

    What is shown at an instant comes from the spans of the run: the number at a queue is how many
    wait there. A move that takes no time in the run is drawn for a moment after it.

    Space plays and pauses, → and ← go to the next move and back, Home and End to the ends. Where
    the reader's system asks for less motion nothing moves by itself, and Step shows move by move.

    Parameters
    ----------
    hops : Hops
        What moved, and what stayed where.
    since, until : float
        Which part is played (s).
    caption : str
        What stands below.
    """

    _esm = FOLDER / "flow.js"
    _css = FOLDER / "panel.css"

    moves = traitlets.Bytes().tag(sync=True)
    """A row for each move, by its start: start and end (s from ``since``), the places from which
    and to which, by number, and its sort; as 32-bit floats, which is finer than a frame."""
    stays = traitlets.Bytes().tag(sync=True)
    """A row for each stay: start and end, place and sort."""
    places: traitlets.List[dict[str, Any]] = traitlets.List().tag(sync=True)
    """Name, role and position of each place, in parts of the picture, and rows in its column."""
    ways: traitlets.List[list[int]] = traitlets.List().tag(sync=True)
    """Pairs of places between which something moves."""
    columns = traitlets.Int().tag(sync=True)
    since = traitlets.Float().tag(sync=True)
    duration = traitlets.Float().tag(sync=True)
    """How much of the run is played (s)."""
    longest = traitlets.Float().tag(sync=True)
    """The longest move (s)."""
    seconds = traitlets.Float().tag(sync=True)
    """How long it is played at speed 1 (s, on the wall)."""
    caption = traitlets.Unicode().tag(sync=True)
    alt = traitlets.Unicode().tag(sync=True)

    def __init__(self, hops: Hops, since: float, until: float, caption: str = "") -> None:
        self.hops = hops
        """What is played."""
        seconds = min(LONGEST, max(SHORTEST, EACH * sum(map(len, hops.tokens))))
        least = SEEN / seconds * max(until - since, 1e-9)
        drawn = hops.drawn(least)
        # Those that set out a little later are there a little later, too.
        end = min(max([until, *(move.end for move in drawn)]), until + 4 * least)
        columns = hops.places
        highest = max(map(len, columns))
        if highest > ROWS:
            raise ValueError(f"{highest} places side by side can't be followed, {ROWS} can")
        numbers = {name: place for place, name in enumerate(chain.from_iterable(columns))}
        crowd = _at_once([(move.start, move.end) for move in drawn])
        if crowd > CROWD:
            caption += f" Up to {crowd:,} move at once: play it slowly, or a shorter part."
        table = [
            (each.start - since, each.end - since, numbers[each.origin], numbers[each.target])
            for each in drawn
        ]
        sorts = [(*row, each.sort) for row, each in zip(table, drawn, strict=True)]
        stays = [
            (each.start - since, min(each.end, 2 * end) - since, numbers[each.place], each.sort)
            for each in hops.stays
        ]
        super().__init__(
            moves=np.array(sorts, "<f4").tobytes(),
            stays=np.array(stays, "<f4").tobytes(),
            places=[
                {
                    "name": name,
                    "role": _role(hops, name),
                    "x": column / max(1, len(columns) - 1),
                    "y": (row + (highest - len(names)) / 2) / highest,
                    "rows": highest,
                }
                for column, names in enumerate(columns)
                for row, name in enumerate(names)
            ],
            ways=[[numbers[name] for name in way] for way in hops.counts()],
            columns=len(columns),
            since=since,
            duration=end - since,
            longest=max((move.end - move.start for move in drawn), default=0.0),
            seconds=seconds,
            caption=caption.strip(),
            alt=moves_in_words(hops),
        )

    def __repr__(self) -> str:
        many = quantity(self.hops.traces, "messages")
        return f"Flow({many}, {quantity(self.since, 's')} to {self._until})"

    @property
    def _until(self) -> str:
        return quantity(self.since + self.duration, "s")

    def _repr_mimebundle_(self, **options: Any) -> Any:
        """With a still picture beside the widget, for readers that can't show widgets."""
        bundle = super()._repr_mimebundle_(**options)
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        if data is not None:
            data["text/plain"] = repr(self)
            data["text/html"] = f"{self.still()._repr_html_()}<p><em>{FROZEN}</em></p>"
        return bundle

    def still(self) -> Picture:
        """All that moved, in one picture."""
        return show(moves(self.hops))


def _at_once(times: Sequence[tuple[float, float]]) -> int:
    """The most that is under way at once."""
    steps = sorted(step for start, end in times for step in ((start, 1), (end, -1)))
    return int(np.cumsum([0, *(step for _, step in steps)]).max())


def _role(hops: Hops, name: str) -> str:
    if name in hops.ends:
        return "end"
    if name in hops.keepers:
        return "keeper"
    return "place" if any(stay.place == name for stay in hops.stays) else "exchange"


def flow(run: Result | Sequence[Span], since: float = 0.0, until: float | None = None) -> Flow:
    """Play a run back: its messages, moving.

    Parameters
    ----------
    run : Result, or sequence of Span
        A run of any scenario, or the spans of some traces.
    since, until : float, optional
        Play only what happened from when to when (s). By default it is the whole run, or as much
        of it as its first 2,000 messages need.
    """
    if not isinstance(run, Result):
        spans = list(run)
        wrong = next((each for each in spans if not isinstance(each, Span)), None)
        if wrong is not None:
            raise TypeError(f"run must be a Result or spans, got {type(wrong).__name__}")
        if not spans:
            raise ValueError("there are no spans to play")
        first, last = min(each.start for each in spans), max(each.end for each in spans)
        begin, end = _part(since or first, until, first, last)
        return Flow(hops_of(spans), begin, end)
    if not len(run.messages):
        raise ValueError("a run without messages has nothing to play")
    created, caption = run.columns["created"], ""
    begin, end = _part(since, until, 0.0, run.duration)
    if until is None and np.count_nonzero(created >= begin) > MOST:
        # Copies of a message are rows beside one another.
        end = float(created[created >= begin][MOST - 1])
        caption = f"The first {MOST:,} of {len(created):,} messages, until {quantity(end, 's')}."
    chosen = (created <= end) & ~(run.column("left") < begin)
    if not chosen.any():
        raise ValueError(f"nothing happens from {begin:g} to {end:g} s")
    whole = bool(chosen.all())
    spans = (run if whole else run.part(chosen)).spans()
    if whole and until is None:
        # What is repeated may go on when all messages are done.
        end = max(end, *(span.end for span in spans))
    return Flow(hops_of(spans, run.scenario.parties), begin, end, caption)


def _part(since: float, until: float | None, first: float, last: float) -> tuple[float, float]:
    """From when to when is played (s)."""
    end = last if until is None else until
    for name, value in (("since", since), ("until", end)):
        if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
            raise ValueError(f"{name} must be a number of seconds, got {value!r}")
    whole = since == first and end == last  # even if that takes no time
    if not (whole or first <= since < end <= last):
        raise ValueError(
            f"since and until must be instants from {first:g} to {last:g} s, one after the other, "
            f"got {since:g} and {end:g}"
        )
    return float(since), float(end)
