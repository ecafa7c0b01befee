"""What the figures of a run are called, and how they are written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import floor, isfinite, log10
from types import MappingProxyType
from typing import NamedTuple

__all__ = ["Metric", "quantity", "shown_as"]


class Metric(NamedTuple):
    """How a figure of a summary is shown."""

    label: str
    """What it is, in words."""
    unit: str = ""
    """s, 1/s, messages, ...; "%" for a fraction, which is shown times 100."""
    digits: int = 3
    """How many significant digits are shown."""

    def written(self, value: float) -> str:
        """A value of this figure with its unit, for people to read."""
        return quantity(value, self.unit, self.digits)


NONE: Mapping[str, Metric] = MappingProxyType({})

GENERAL = {
    "throughput": Metric("throughput", "1/s"),
    "latency_mean": Metric("latency, mean", "s"),
    "latency_p50": Metric("latency, median", "s"),
    "latency_p95": Metric("latency, 95th percentile", "s"),
    "latency_p99": Metric("latency, 99th percentile", "s"),
    "wait_mean": Metric("wait, mean", "s"),
    "wait_p95": Metric("wait, 95th percentile", "s"),
    "p_wait": Metric("fraction that waits", "%"),
    "utilisation": Metric("utilisation", "%"),
    "queue_mean": Metric("waiting, mean", "messages"),
    "queue_max": Metric("waiting, maximum", "messages"),
    "in_system_mean": Metric("in the system, mean", "messages"),
    "published": Metric("published", "messages"),
    "completed": Metric("completed", "messages"),
    "dropped": Metric("dropped", "messages"),
    "lost": Metric("failed or lost", "messages"),
    "unfinished": Metric("unfinished at the end", "messages"),
    "redelivered": Metric("delivered again", "messages"),
    "redone": Metric("done again", "messages"),
    "duration": Metric("simulated time", "s"),
}
"""The figures of every summary; a scenario declares its own (``Scenario.figures``)."""


_ONE = re.compile(r"^(\w\w+)s\b")


def shown_as(name: str, figures: Mapping[str, Metric] = NONE) -> Metric:
    """How the figure called so is shown; one that nobody has declared is shown as it is called.

    Parameters
    ----------
    name : str
        As in a summary.
    figures : mapping
        What the scenario declares. Where there is one for each of several, such as
        ``latency_mean_1`` and ``latency_mean_2``, ``latency_mean_#`` stands for all of them, and
        the number is put where its label has ``#``.
    """
    if name in figures:
        return figures[name]
    if name in GENERAL:
        return GENERAL[name]
    stem, _, number = name.rpartition("_")
    if number.isdigit() and (found := figures.get(f"{stem}_#")):
        return found._replace(label=found.label.replace("#", number))
    return Metric(name)


def quantity(value: float, unit: str = "", digits: int = 3) -> str:
    """A value with its unit as people write it.

    Parameters
    ----------
    value : float
        In the unit; a share of one where that is ``%``.
    unit : str
        Empty where there is none.
    digits : int
        How many of them count (>= 1). Whole numbers stay whole.

    Examples
    --------
    >>> quantity(0.0417, "s"), quantity(0.25, "%"), quantity(8, "1/s")
    ('41.7 ms', '25 %', '8 per second')
    """
    if not isfinite(value):
        return "–" if value != value else f"∞ {unit}".strip()
    if unit == "%":
        return f"{_rounded(100 * value, digits)} %"
    if unit == "s" and value and abs(value) < 1:
        scale, unit = (1e3, "ms") if abs(value) >= 1e-3 else (1e6, "µs")
        value *= scale
    said = _rounded(value, digits)
    if unit == "1/s":
        return f"{said} per second"
    if said == "1":
        unit = _ONE.sub(r"\1", unit)
    return f"{said} {unit}".strip()


def _rounded(value: float, digits: int) -> str:
    """The value to so many significant digits; whole numbers stay whole."""
    if value == 0:
        return "0"
    places = digits - 1 - floor(log10(abs(value)))
    if value == int(value):
        places = min(places, 0)
    return f"{value:,.{max(0, places)}f}"
