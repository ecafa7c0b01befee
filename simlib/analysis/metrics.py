"""What the figures of a run are called, and how they are written."""

from __future__ import annotations

import re
from math import floor, isfinite, log10
from typing import NamedTuple

__all__ = ["METRICS", "Metric", "figure", "quantity"]


class Metric(NamedTuple):
    """How a figure of a summary is shown."""

    label: str
    unit: str = ""


METRICS = {
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
    "dead_lettered": Metric("dead letters", "messages"),
    "expired": Metric("expired", "messages"),
    "duplicates": Metric("delivered in vain", "messages"),
    "unfinished": Metric("unfinished at the end", "messages"),
    "redelivered": Metric("delivered again", "messages"),
    "redone": Metric("done again", "messages"),
    "duration": Metric("simulated time", "s"),
    "confirm_mean": Metric("until it is confirmed, mean", "s"),
    "broker_utilisation": Metric("broker's utilisation", "%"),
    "caller_mean": Metric("caller occupied, mean", "s"),
    "caller_p50": Metric("caller occupied, median", "s"),
    "caller_p95": Metric("caller occupied, 95th percentile", "s"),
    "caller_p99": Metric("caller occupied, 99th percentile", "s"),
    "missing": Metric("never booked", "messages"),
    "doubled": Metric("booked more than once", "messages"),
    "surplus": Metric("bookings too many", "messages"),
    "dead_letters": Metric("dead letters", "messages"),
    "money_due": Metric("money due"),
    "money_booked": Metric("money booked"),
    "money_wrong": Metric("money wrong"),
    "sends": Metric("sends per message"),
    "attempts": Metric("attempts per message"),
    "publisher_busy": Metric("publisher busy", "%"),
    "calls_per_event": Metric("calls per event"),
    "reads_per_event": Metric("reads per event"),
    "stored_max": Metric("stored, maximum", "messages"),
}
"""The figures of every summary, in the order in which they are shown."""


_ONE = re.compile(r"^(\w\w+)s\b")


def figure(name: str, value: float) -> tuple[str, str]:
    """The label of a figure of a summary, and its value with the unit."""
    label, unit = METRICS.get(name, Metric(name))
    return label, quantity(value, unit)


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
    >>> quantity(0.0417, "s"), quantity(0.25, "%"), quantity(1, "messages")
    ('41.7 ms', '25 %', '1 message')
    """
    if not isfinite(value):
        return "–" if value != value else f"∞ {unit}".strip()
    if unit == "%":
        return f"{_rounded(100 * value, digits)} %"
    if unit == "s" and value and abs(value) < 1:
        scale, unit = (1e3, "ms") if abs(value) >= 1e-3 else (1e6, "µs")
        value *= scale
    said = _rounded(value, digits)
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
