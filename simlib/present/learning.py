"""Predictions and exercises: say it first, run it, and see how far off it was."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from decimal import Decimal
from math import isfinite, log10
from numbers import Real
from reprlib import repr as shortened
from types import EllipsisType
from typing import Any

from ..analysis.metrics import quantity

__all__ = ["Exercise", "Prediction"]

WIDTH = 64
"""Characters in a line of what is printed: a page at 200 % has no more, and would cut words."""

COUNTED = 100
"""Up to here a whole number is counted, and right or wrong; above, near is good."""

SLIPS: dict[str, dict[float, str]] = {
    "s": {
        1e3: "Seconds, not milliseconds?",
        1e6: "Seconds, not microseconds?",
        1 / 60: "Seconds, not minutes?",
        1 / 3600: "Seconds, not hours?",
    },
    "1/s": {
        1e-3: "Per second, not per millisecond?",
        60: "Per second, not per minute?",
        3600: "Per second, not per hour?",
    },
    "%": {100: "A fraction, not percent?"},
}
"""By unit, what an answer so many times the right one may have come from."""

FACTORS = (1e3, 1e-3, 1e6, 1e-6, 100, 0.01, 60, 1 / 60, 3600, 1 / 3600)
"""The ways in which an answer is off by a unit."""


def _number(value: Any) -> float | None:
    """A finite number, whatever kind it is; None for all else."""
    if isinstance(value, bool) or not isinstance(value, Real | Decimal):
        return None
    try:
        number = float(value)
    except (OverflowError, ValueError):
        return None
    return number if isfinite(number) else None


def _shown(value: Any) -> str:
    """What was given instead of a number, in few words."""
    try:
        return shortened(value)
    except ValueError:  # Python writes no numbers of thousands of digits.
        return "one of thousands of digits"


class Prediction:
    """A number that the reader commits to before the experiment.

    Parameters
    ----------
    what : str
        What is predicted.
    value : float, or ...
        The reader's number; ``...`` until there is one.
    unit : str
        Its unit; "%" for a fraction. More than 2 is then taken for percent: 95 is 95 %.
    """

    def __init__(self, what: str, value: float | EllipsisType, unit: str = "") -> None:
        number = None if value is ... else _number(value)
        if value is not ... and number is None:
            raise ValueError(f"a prediction is a number, got {_shown(value)}")
        if unit == "%" and number is not None and abs(number) > 2:
            number /= 100
        self.what = what
        self.value = number
        """The reader's number; None if there is none yet."""
        self.unit = unit

    def __repr__(self) -> str:
        if self.value is None:
            return f"{self.what}: no prediction yet"
        return f"{self.what}: you say {quantity(self.value, self.unit)}"

    def score(self, actual: float) -> str:
        """How far the prediction was off, in words, in lines that fit on a page."""
        return textwrap.fill(self._score(float(actual)), WIDTH, break_long_words=False)

    def _score(self, actual: float) -> str:
        is_so = quantity(actual, self.unit)
        if self.value is None:
            return f"{self.what}: you made no prediction; it is {is_so}."
        start = f"{self.what}: you said {quantity(self.value, self.unit)}, it is {is_so}"
        if self.value == actual:
            return f"{start}. Exactly."
        off = abs(self.value - actual)
        if self.value * actual <= 0:
            return f"{start}: off by {quantity(off, self.unit)}."
        direction = "too much" if abs(self.value) > abs(actual) else "too little"
        factor = max(self.value / actual, actual / self.value)
        if factor < 1.1:
            if self._counts(actual):
                return f"{start}. Near, but {quantity(off, self.unit)} {direction}."
            return f"{start}. Within a tenth: you know this system."
        if factor < 2:
            return f"{start}: {100 * abs(self.value / actual - 1):.0f} % {direction}."
        digits = max(0, 1 - int(log10(factor)))
        return f"{start}: a factor of {factor:,.{digits}f} {direction}."

    def _counts(self, actual: float) -> bool:
        """Whether both are whole numbers of things that one counts."""
        values = (self.value or 0.0, actual)
        return self.unit not in SLIPS and all(
            value == int(value) and abs(value) <= COUNTED for value in values
        )


class Exercise:
    """A question with a number for an answer, which it can check.

    Parameters
    ----------
    answer : callable
        Computes the right answer.
    tolerance : float
        The largest relative error that still counts as right.
    unit : str
        The unit of the answer; "%" for a fraction.
    hints : mapping
        Hints, each with a callable that computes the wrong answer it is for.
    """

    def __init__(
        self,
        answer: Callable[[], float],
        *,
        tolerance: float = 0.02,
        unit: str = "",
        hints: Mapping[str, Callable[[], float]] | None = None,
    ) -> None:
        self._answer = answer
        self._tolerance = tolerance
        self._unit = unit
        self.hints = dict(hints or {})
        """What is said to a particular wrong answer, and what computes that answer."""

    def right(self) -> float:
        """The right answer."""
        return float(self._answer())

    def check(self, answer: Any) -> str:
        """Whether an answer is right, and if not, what may have led astray."""
        return textwrap.fill(self._check(answer), WIDTH, break_long_words=False)

    def _check(self, answer: Any) -> str:
        if answer is None or answer is ...:
            return "No answer yet: put a number for ... and run the cell again."
        number = _number(answer)
        if number is None:
            return f"The answer is an ordinary number, not {_shown(answer)}."
        right = self.right()
        if self._close(number, right):
            return f"Right: {self._said(right)}."
        for hint, wrong in self.hints.items():
            if self._close(number, float(wrong())):
                return f"Not quite. {hint}"
        for factor in FACTORS:
            if self._close(number, factor * right):
                times = max(factor, 1 / factor)
                question = SLIPS.get(self._unit, {}).get(factor, "Look at the units.")
                return f"Not yet: you are off by a factor of {times:,.0f}. {question}"
        return f"Not yet: the answer is {'smaller' if number > right else 'larger'}."

    def _said(self, right: float) -> str:
        said = quantity(right, self._unit)
        return f"{quantity(right)}, that is {said}" if self._unit == "%" else said

    def _close(self, answer: float, value: float) -> bool:
        return abs(answer - value) <= max(self._tolerance, 1e-9) * abs(value)
