"""Predictions and exercises: say it first, run it, and see how far off it was."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isfinite, log10
from typing import Any

from ..analysis.metrics import quantity

__all__ = ["Exercise", "Prediction"]


class Prediction:
    """A number that the reader commits to before the experiment.

    Parameters
    ----------
    what : str
        What is predicted.
    value : float
        The reader's number.
    unit : str
        Its unit; "%" for a fraction.
    """

    def __init__(self, what: str, value: float, unit: str = "") -> None:
        if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
            raise ValueError(f"a prediction is a number, got {value!r}")
        self.what = what
        self.value = float(value)
        self.unit = unit

    def __repr__(self) -> str:
        return f"{self.what}: you say {quantity(self.value, self.unit)}"

    def score(self, actual: float) -> str:
        """How far the prediction was off, in words."""
        said, is_so = quantity(self.value, self.unit), quantity(actual, self.unit)
        start = f"{self.what}: you said {said}, it is {is_so}"
        if self.value == actual:
            return f"{start}. Exactly."
        if self.value * actual <= 0:
            off = quantity(abs(self.value - actual), self.unit)
            return f"{start}: off by {off}."
        factor = max(self.value / actual, actual / self.value)
        if factor < 1.1:
            return f"{start}. Within a tenth: you know this system."
        direction = "too much" if abs(self.value) > abs(actual) else "too little"
        if factor < 2:
            return f"{start}: {100 * abs(self.value / actual - 1):.0f} % {direction}."
        digits = max(0, 1 - int(log10(factor)))
        return f"{start}: a factor of {factor:,.{digits}f} {direction}."


class Exercise:
    """A question with a number for an answer, which it can check.

    Parameters
    ----------
    answer : callable
        Computes the right answer, so that reading the cell doesn't give it away.
    tolerance : float
        The largest relative error that still counts as right.
    unit : str
        The unit of the answer.
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

    def check(self, answer: Any) -> str:
        """Whether an answer is right, and if not, what may have led astray."""
        if answer in (None, ...):
            return "No answer yet: replace the ... by a number and run the cell again."
        if isinstance(answer, bool) or not isinstance(answer, int | float):
            return f"The answer is a number, not {answer!r}."
        right = self._answer()
        if self._close(answer, right):
            return f"Right: {quantity(right, self._unit)}."
        for hint, wrong in self.hints.items():
            if self._close(answer, wrong()):
                return f"Not quite. {hint}"
        return f"Not yet: the answer is {'smaller' if answer > right else 'larger'}."

    def _close(self, answer: float, value: float) -> bool:
        return abs(answer - value) <= self._tolerance * abs(value)
