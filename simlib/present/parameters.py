"""Controls made from what a scenario's parameters say of themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, floor, log10
from typing import Any

import numpy as np

from ..scenarios.base import PublishingScenario
from ..values import Parameter, Value, parameters_of
from .controls import Choice, Control, Number

__all__ = ["MOST", "Choices", "control_for"]

Choices = Mapping[str, Any] | Sequence[Any] | None

MOST = 100_000
"""Messages that a panel runs at most: more take long, and one wants to see and go on."""

STOPS = 150
"""Positions of a slider, if they lie evenly; more than that, and they lie by factors."""


def control_for(base: Value, name: str, choices: Choices) -> Control:
    """The control for one parameter.

    Parameters
    ----------
    base : Value
        A scenario, or what else has parameters: where it stands at first.
    name : str
        The parameter.
    choices : mapping or sequence, optional
        (low, high) or (low, high, step) for a number, or what there is to choose from.
    """
    told = parameters_of(type(base))[name]
    label = name.replace("_", " ") + (f" ({told.unit})" if told.unit not in ("", name) else "")
    hint = told.description
    value = getattr(base, name)
    low, high, step = told.least, told.greatest, told.step
    if name == "arrival_rate" and isinstance(base, PublishingScenario):
        low, high, step = _rates(base)
    if name == "messages":
        high = MOST
    if choices is None:
        choices = _choices(told)
    elif isinstance(choices, tuple) and len(choices) in (2, 3) and not isinstance(value, str):
        low, high, step = (*choices, step)[:3]
        choices = None
    if choices is not None:
        return _choice(label, hint, choices, value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name} is no number; give the values to choose from")
    stops = [] if name == "messages" else _stops(low, high, step, whole=isinstance(value, int))
    return Number(label, hint, value, low, high, stops)


def _choices(told: Parameter) -> Choices:
    """What there is to choose from, if the parameter says so."""
    yes_or_no = set(told.choices) == {True, False}
    return {"no": False, "yes": True} if yes_or_no else told.choices or None


def _choice(
    label: str, hint: str, choices: Mapping[str, Any] | Sequence[Any], value: Any
) -> Choice:
    if not isinstance(choices, Mapping):
        choices = {"none" if choice is None else str(choice): choice for choice in choices}
    chosen = next((name for name, meant in choices.items() if meant == value), next(iter(choices)))
    return Choice(label, hint, choices, chosen)


def _rates(base: PublishingScenario) -> tuple[float, float, float]:
    """Lowest and highest arrival rate to choose, and a step: up to one and a half times too much.

    In steps of 1, 2 or 5 times a power of ten, about thirty of them.
    """
    most = 1.5 / base.slowest if base.slowest else 2 * base.arrival_rate
    power = 10.0 ** floor(log10(most / 20))
    step = next(size * power for size in (1, 2, 5, 10) if most / (size * power) <= 40)
    return step, step * ceil(most / step), step


def _stops(low: float | None, high: float | None, step: Any, *, whole: bool) -> list[float]:
    """Where a slider can stand; nowhere without both bounds."""
    if low is None or high is None:
        return []
    step = step or (1 if whole else (high - low) / 50)
    count = round((high - low) / step)
    if not whole and low > 0 and high / low >= 100:
        count = STOPS + 1
    if count <= STOPS:
        values = [min(high, round(low + place * step, 12)) for place in range(count + 1)]
    else:
        factors = np.geomspace(low or step, high, 20 * ceil(log10(high / (low or step))) + 1)
        values = [low, *factors.tolist(), high]
    if whole:
        values = [round(value) for value in values]
    return sorted(set(values))
