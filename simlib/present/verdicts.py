"""Verdicts: what becomes of a claim, in sentences whose numbers all come from runs.

A sentence has a name in braces wherever it needs a number, and the number is passed with where it
comes from: over many runs, from a single one, by theory, measured, or chosen. A number that is
typed into the sentence, as a digit or as a word, is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from math import floor, isfinite, log10
from string import Formatter

from ..analysis.metrics import quantity
from ..analysis.replications import Interval

__all__ = [
    "Number",
    "Verdict",
    "by_theory",
    "in_runs",
    "mean",
    "measured",
    "one_run",
    "setting",
    "verdict",
]

WORDS = (
    "two three four five six seven eight nine ten eleven twelve twenty thirty forty fifty sixty "
    "seventy eighty ninety hundred hundreds thousand thousands million millions dozen half halves "
    "third thirds quarter quarters fifth fifths tenth tenths hundredth twice thrice double triple"
)
TYPED = re.compile(rf"\d|\b(?:{'|'.join(WORDS.split())})\b", re.IGNORECASE)


@dataclass(frozen=True)
class Number:
    """A number as it is read, with its unit and where it comes from."""

    text: str

    def __str__(self) -> str:
        return self.text


def mean(found: Interval, unit: str = "") -> Number:
    """A mean over runs with its interval, such as 15.5 ± 1.0 ms.

    Parameters
    ----------
    found : Interval
        From ``replicate``, ``compare`` or ``interval``.
    unit : str
        Its unit; "%" for a fraction.
    """
    if not isinstance(found, Interval):
        raise TypeError(f"a mean has an interval, which {found!r} is not: see simlib.analysis")
    if not (isfinite(found.mean) and isfinite(found.half_width)):
        raise ValueError(f"an interval that is not finite says nothing: {found}")
    if found.half_width <= 1e-9 * abs(found.mean):
        raise ValueError(
            f"{found.mean:g} was the same in each run, so it has no interval: use in_runs"
        )
    scale = 1.0
    if unit == "%":
        scale = 100
    elif unit == "s" and 0 < abs(found.mean) < 1:
        scale, unit = (1e3, "ms") if abs(found.mean) >= 1e-3 else (1e6, "µs")
    middle, half = scale * found.mean, scale * found.half_width
    places = -floor(log10(half))
    if half * 10**places < 3:  # a half-width of 1 is 0.95 to 1.05, not 0.5 to 1.5
        places += 1
    numbers = " ± ".join(f"{round(each, places):,.{max(0, places)}f}" for each in (middle, half))
    return Number(_with(numbers, unit))


def in_runs(values: Iterable[float], unit: str = "") -> Number:
    """What was seen in each of many runs: one and the same, or from the smallest to the largest.

    Parameters
    ----------
    values : iterable of float
        Two or more values, one per run.
    unit : str
        Their unit; "%" for a fraction.
    """
    seen = [float(each) for each in values]
    if len(seen) < 2:
        raise ValueError(f"{len(seen)} value is not many runs: use one_run")
    low, high = _said(min(seen), unit), _said(max(seen), unit)
    if low == high:
        return Number(f"{low} in each of {len(seen)} runs")
    shown = low.partition(" ")[2]
    if shown and high.endswith(f" {shown}"):
        low = low.partition(" ")[0]
    return Number(f"{low} to {high} in {len(seen)} runs")


def one_run(value: float, unit: str = "") -> Number:
    """What a single run gave, and is said to: another seed gives another number."""
    return Number(f"{_said(value, unit)} (one run)")


def by_theory(value: float, unit: str = "") -> Number:
    """What a formula says."""
    return Number(f"{_said(value, unit)} by theory")


def measured(value: float, unit: str = "") -> Number:
    """What a real machine did, which another one does otherwise."""
    return Number(f"{_said(value, unit)}, measured")


def setting(value: float, unit: str = "") -> Number:
    """What was chosen before the run: a load, a rate, a number of consumers."""
    return Number(_said(value, unit))


def _said(value: float, unit: str) -> str:
    """A value as people write it, with its unit."""
    if unit.startswith("/"):
        return _with(quantity(float(value)), unit)
    return quantity(float(value), unit)


def _with(number: str, unit: str) -> str:
    """A number and its unit; rates are written 32/s."""
    return f"{number}{unit}" if unit.startswith("/") else f"{number} {unit}".strip()


@dataclass(frozen=True)
class Verdict:
    """A claim and what became of it."""

    claim: str
    found: str
    """In Markdown."""

    def __repr__(self) -> str:
        return f"{self.claim}\n{self.found.replace('**', '')}"

    def _repr_markdown_(self) -> str:
        return f"> {self.claim}\n\n{self.found}"


def verdict(claim: str, found: str, **numbers: Number) -> Verdict:
    """The verdict on a claim.

    Parameters
    ----------
    claim : str
        As people make it.
    found : str
        Markdown, with the name of a number in braces where it belongs.
    **numbers : Number
        By name, each from :func:`mean`, :func:`in_runs`, :func:`one_run`, :func:`by_theory`,
        :func:`measured` or :func:`setting`.

    Raises
    ------
    ValueError
        If a number is typed into the text, named there and not given, or given and not named.
    """
    parts = list(Formatter().parse(found))
    typed = [match[0] for text, *_ in parts for match in TYPED.finditer(text)]
    if typed:
        raise ValueError(f"numbers are passed by name, not typed: {', '.join(typed)}")
    named = {name for _, name, *_ in parts if name is not None}
    if named != set(numbers):
        odd = ", ".join(sorted(named ^ set(numbers)))
        raise ValueError(f"named in the text and given, each of them; one of the two for {odd}")
    for name, number in numbers.items():
        if not isinstance(number, Number):
            raise TypeError(f"{name} says not where it comes from: {number!r}")
    return Verdict(claim, found.format(**numbers))
