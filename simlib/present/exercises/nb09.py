"""Which service is slow?"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import get_args

from ...scenarios import Case, Incident
from ...scenarios.incident import Cause, Service
from ...tracing import Kind, Span, TraceContext, rises, self_time_by_name, self_times
from ..learning import Exercise

__all__ = ["EXERCISES"]

SEED = 115
"""An incident in which each of three figures names another service."""

SCORED = range(10)


def _self_time(own: tuple[float, float], *children: tuple[float, float]) -> float:
    """The time that a span spends by itself (s)."""
    root = TraceContext.numbered(0, 0)
    spans = [
        Span(
            context=root.numbered_child(place),
            parent_id=root.numbered_child(0).span_id if place else None,
            name="serve",
            service="orders",
            kind=Kind.SERVER,
            start=start,
            end=end,
        )
        for place, (start, end) in enumerate((own, *children))
    ]
    return self_times(spans)[0]


@cache
def _case() -> Case:
    return Incident().run(SEED)


def _number(service: str) -> int:
    """Of the six services, counted from 1."""
    return get_args(Service).index(service) + 1


def _named(figure: str) -> Callable[[], float]:
    return lambda: _number(rises(_case().spans, _case().healthy, figure)[0].service)


def _most_time() -> float:
    """The cause that takes most time, and not the one that takes more than it did."""
    spent = self_time_by_name(_case().spans, _case().service)
    return get_args(Cause).index(max(get_args(Cause), key=lambda name: spent.get(name, 0.0))) + 1


def _cause(now: list[Span], before: list[Span], service: str) -> str:
    there, then = (self_time_by_name(spans, service) for spans in (now, before))
    return max(there, key=lambda name: there[name] - then.get(name, 0.0))


@cache
def _cases() -> tuple[Case, ...]:
    return tuple(map(Incident().run, SCORED))


@cache
def _score(figure: str, most: bool = False) -> float:
    """How often a rule is right that goes by a figure."""
    right = 0
    for case in _cases():
        service = rises(case.spans, case.healthy, figure)[0].service
        cause = "work" if most else _cause(case.spans, case.healthy, service)
        right += (service, cause) == (case.service, case.cause)
    return right / len(SCORED)


EXERCISES = {
    "09.1": Exercise(
        lambda: _self_time((0.0, 100.0), (10.0, 60.0), (40.0, 80.0)),
        tolerance=0,
        unit="ms",
        hints={
            "What both children cover is taken away only once.": lambda: 100.0 - 50.0 - 40.0,
            "It waits for its children: that is not its own time.": lambda: 100.0,
            "That is what the children cover together.": lambda: 70.0,
        },
    ),
    "09.2": Exercise(
        lambda: 1 - (1 - 0.01) ** 10,
        unit="%",
        hints={
            "That is one of them in particular.": lambda: 0.01,
            "That is how many of them are kept on the average; more than one may be.": lambda: 0.1,
            "Ten in ten thousand have it, but only one in a hundred is kept.": lambda: 1.0,
        },
    ),
    "09.3": Exercise(
        lambda: _number(_case().service),
        tolerance=0,
        hints={
            "Its mean duration rose most: it waits for the one that is slow.": _named(
                "duration_mean"
            ),
            "Its 95th percentile rose most: look at what it does itself.": _named("duration_p95"),
        },
    ),
    "09.4": Exercise(
        lambda: get_args(Cause).index(_case().cause) + 1,
        tolerance=0,
        hints={"It takes most time, and it did so before: what has risen?": _most_time},
    ),
    "09.5": Exercise(
        lambda: _score("self_time"),
        tolerance=0,
        unit="%",
        hints={
            "That is what the mean duration finds.": lambda: _score("duration_mean"),
            "That is what the 95th percentile finds.": lambda: _score("duration_p95"),
            "The service is right; what rose in it is not always the work.": lambda: _score(
                "self_time", most=True
            ),
        },
    ),
}
