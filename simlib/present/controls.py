"""The controls of a panel: a slider with a box to type in, a box alone, or a choice.

Each is a native input with a label of its own, so that keyboards, screen readers and large print
work as everywhere. What was typed is read here, and what is wrong with it is said beside it.
"""

from __future__ import annotations

import re
import time
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import anywidget
import traitlets

__all__ = ["Choice", "Control", "Number", "Status", "Text"]

FOLDER = Path(__file__).parent

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)


SOON = 0.1
"""A run shorter than that (s) is not announced."""

LARGEST = 1e15
"""A number that nobody means; beyond it whole numbers are not exact either."""


class Control(anywidget.AnyWidget):
    """What a learner may turn; ``value`` is what it stands at.

    Parameters
    ----------
    label : str
        What it is called.
    hint : str
        What it is, in a line.
    """

    _esm = FOLDER / "controls.js"
    _css = FOLDER / "panel.css"

    kind = traitlets.Unicode().tag(sync=True)
    label = traitlets.Unicode().tag(sync=True)
    hint = traitlets.Unicode().tag(sync=True)
    texts = traitlets.List(traitlets.Unicode()).tag(sync=True)
    """What is to be read at each position."""
    position = traitlets.Int(0).tag(sync=True)
    """Where it stands, from 0."""
    typed = traitlets.Unicode().tag(sync=True)
    """What the box says."""
    note = traitlets.Unicode().tag(sync=True)
    """What is wrong with that."""
    value = traitlets.Any().tag(sync=True)

    def __init__(self, kind: str, label: str, hint: str, texts: Sequence[str], value: Any) -> None:
        super().__init__(kind=kind, label=label, hint=hint, texts=list(texts), value=value)

    def check(self, value: Any) -> None:
        """Refuse what can't be chosen here."""

    def settle(self) -> None:
        """Forget what was typed and could not be taken."""
        self.note = ""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.label}: {self.value!r})"


class Number(Control):
    """A number: a slider where there are ``stops`` for it, and a box for any between the bounds.

    Parameters
    ----------
    value : float
        Where it stands at first; a whole number, if it has to stay one.
    low, high : float, optional
        The least and the greatest that can be chosen.
    stops : sequence of float
        The slider's positions, in order.
    """

    def __init__(
        self,
        label: str,
        hint: str,
        value: float,
        low: float | None = None,
        high: float | None = None,
        stops: Sequence[float] = (),
    ) -> None:
        self.whole = isinstance(value, int)
        self.low = low
        self.high = high
        self.stops = list(stops)
        kind = "slider" if self.stops else "box"
        super().__init__(kind, label, hint, [self._written(stop) for stop in self.stops], value)

    def _written(self, value: float) -> str:
        return f"{value:.0f}" if self.whole or abs(value) >= 1000 else f"{value:.3g}"

    def _fault(self, value: float) -> str:
        """What is wrong with a value; nothing if it can be taken."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return f"{value!r} is no number"
        if abs(value) > LARGEST:
            return "that is too much"
        if self.whole and value != int(value):
            return f"{value:g} is no whole number"
        if self.low is not None and value < self.low:
            return f"{value:,.12g} is too little: {self.low:,.12g} is the least"
        if self.high is not None and value > self.high:
            return f"{value:,.12g} is too much: {self.high:,.12g} is the most"
        return ""

    def settle(self) -> None:
        super().settle()
        self.typed = self._written(self.value)

    def check(self, value: Any) -> None:
        fault = self._fault(value)
        if fault:
            raise ValueError(f"{self.label}: {fault}")

    @traitlets.observe("value")
    def _value_changed(self, change: Any) -> None:
        self.settle()
        if self.stops:
            self.position = self._nearest(change["new"])

    def _nearest(self, value: float) -> int:
        right = bisect_left(self.stops, value)
        around = range(max(0, right - 1), min(len(self.stops), right + 1))
        return min(around, key=lambda place: abs(self.stops[place] - value))

    @traitlets.observe("position")
    def _position_changed(self, change: Any) -> None:
        if change["new"] != self._nearest(self.value):
            self.value = self.stops[change["new"]]

    @traitlets.observe("typed")
    def _typed_changed(self, change: Any) -> None:
        text = change["new"].strip()
        if text == self._written(self.value):
            self.note = ""
        elif not NUMBER.fullmatch(text):
            advice = f": write {text.replace(',', '.')}" if re.fullmatch(r"\d+,\d+", text) else ""
            self.note = f"{text[:20] or 'nothing'} is no number{advice}"
        else:
            value = float(text)
            self.note = self._fault(value)
            if not self.note:
                self.value = int(value) if self.whole else value


class Choice(Control):
    """One of a few things that have names: a list, or a slider from one end to the other.

    Parameters
    ----------
    meanings : mapping
        What each name stands for.
    value : str
        The name at first.
    slides : bool
        Whether it is a slider.
    """

    def __init__(
        self, label: str, hint: str, meanings: Mapping[str, Any], value: str, slides: bool = False
    ) -> None:
        self.meanings = dict(meanings)
        self.options = list(self.meanings)
        super().__init__("slider" if slides else "choice", label, hint, self.options, value)

    def check(self, value: Any) -> None:
        if value not in self.options:
            raise ValueError(f"{self.label} is one of {', '.join(self.options)}, and not {value!r}")

    @traitlets.observe("value")
    def _value_changed(self, change: Any) -> None:
        self.position = self.options.index(change["new"])

    @traitlets.observe("position")
    def _position_changed(self, change: Any) -> None:
        self.value = self.options[change["new"]]


class Text(Control):
    """A line of text, without blanks at its ends.

    Parameters
    ----------
    value : str
        What it says at first.
    """

    def __init__(self, label: str, hint: str, value: str) -> None:
        super().__init__("text", label, hint, (), value)

    def check(self, value: Any) -> None:
        if not isinstance(value, str):
            raise ValueError(f"{self.label} is a text, and not {value!r}")

    @traitlets.observe("value")
    def _value_changed(self, change: Any) -> None:
        self.typed = change["new"]

    @traitlets.observe("typed")
    def _typed_changed(self, change: Any) -> None:
        self.value = change["new"].strip()


class Status(anywidget.AnyWidget):
    """The line below the controls: Reset, Stop, how far a run has come, and what became of it."""

    _esm = FOLDER / "status.js"

    value = traitlets.Unicode().tag(sync=True)
    """What is said."""
    running = traitlets.Bool(False).tag(sync=True)
    part = traitlets.Float(0.0).tag(sync=True)
    """How much of the run is done, from 0 to 1."""
    stops = traitlets.Bool(True).tag(sync=True)
    """Whether anything here takes so long that one may want to stop it."""

    _begun = 0.0

    def begin(self) -> None:
        """A run begins; nobody needs to be told of it, if it is soon over."""
        self._begun = time.perf_counter()

    def advance(self, part: float) -> None:
        """So much of the run is done, from 0 to 1."""
        if time.perf_counter() - self._begun > SOON:
            with self.hold_sync():
                self.value = "running …"
                self.running = True
                self.part = part

    def end(self, said: str, part: float | None = None) -> None:
        """The run is over: what became of it, and how much of it is done, if that is known."""
        with self.hold_sync():
            self.value = said
            self.running = False
            if part is not None:
                self.part = part
