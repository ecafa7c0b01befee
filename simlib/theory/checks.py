"""What the formulas accept: each check returns the value it was given, or says why not."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from numbers import Real
from operator import index
from typing import NoReturn, TypeVar

T = TypeVar("T")

Transform = Callable[[complex], complex]
"""A Laplace-Stieltjes transform: from s (per second) to the mean of exp(-s X)."""


class UnstableError(ValueError):
    """More work arrives than the servers can do, so there is no steady state."""


def finite(name: str, value: object, allowed: str = "a finite number") -> float:
    """Any finite number; `allowed` is what the error says is allowed."""
    if isinstance(value, bool) or not isinstance(value, Real):
        _refuse(name, value, allowed)
    try:
        number = float(value)
    except OverflowError:
        _refuse(name, value, allowed)
    if not math.isfinite(number):
        _refuse(name, value, allowed)
    return number


def positive(name: str, value: object, unit: str = "") -> float:
    """A finite number above zero."""
    allowed = f"> 0 {unit}".rstrip()
    number = finite(name, value, allowed)
    if number <= 0:
        _refuse(name, value, allowed)
    return number


def non_negative(name: str, value: object, unit: str = "") -> float:
    """A finite number, zero or more."""
    allowed = f">= 0 {unit}".rstrip()
    number = finite(name, value, allowed)
    if number < 0:
        _refuse(name, value, allowed)
    return number


def rate(name: str, value: object) -> float:
    """How many per second."""
    return positive(name, value, "per second")


def duration(name: str, value: object) -> float:
    """A time that takes some."""
    return positive(name, value, "seconds")


def time(name: str, value: object) -> float:
    """A time that may be zero."""
    return non_negative(name, value, "seconds")


def scv(name: str, value: object) -> float:
    """A squared coefficient of variation."""
    return non_negative(name, value, "(variance / mean²)")


def probability(name: str, value: object) -> float:
    """A number from 0 to 1, both allowed."""
    allowed = "a probability from 0 to 1"
    number = finite(name, value, allowed)
    if not 0 <= number <= 1:
        _refuse(name, value, allowed)
    return number


def uncertain(name: str, value: object) -> float:
    """A probability that is not a certainty."""
    allowed = "a probability, >= 0 and < 1"
    number = finite(name, value, allowed)
    if not 0 <= number < 1:
        _refuse(name, value, allowed)
    return number


def percent(name: str, value: object) -> float:
    """A number from 0 to 100, both allowed."""
    allowed = "a percentage from 0 to 100"
    number = finite(name, value, allowed)
    if not 0 <= number <= 100:
        _refuse(name, value, allowed)
    return number


def whole(name: str, value: object, least: int = 1) -> int:
    """A whole number, `least` or more."""
    allowed = f"a whole number >= {least}"
    if isinstance(value, bool):
        _refuse(name, value, allowed)
    try:
        number = index(value)  # type: ignore[arg-type]  # refusing is the point
    except TypeError:
        _refuse(name, value, allowed)
    if number < least:
        _refuse(name, value, allowed)
    return number


def each(name: str, values: object, check: Callable[[str, object], T]) -> tuple[T, ...]:
    """A sequence, not empty, whose every item passes `check`."""
    allowed = "a sequence with at least one item"
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        _refuse(name, values, allowed)
    items = tuple(check(f"{name}[{place}]", item) for place, item in enumerate(values))
    if not items:
        _refuse(name, values, allowed)
    return items


def same_length(**sequences: tuple[object, ...]) -> None:
    """Sequences that describe the same things, one item each."""
    lengths = {name: len(items) for name, items in sequences.items()}
    if len(set(lengths.values())) > 1:
        listing = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise ValueError(f"{' and '.join(lengths)} must have as many items each, but {listing}")


def transform(name: str, lst: Transform, mean: float) -> None:
    """A transform whose slope at zero gives this mean (seconds)."""
    if not callable(lst):
        _refuse(name, lst, "a function of s, such as erlang_lst(k, mean)")
    step = 1e-6 / mean
    found = (1 - complex(lst(step)).real) / step
    if not math.isclose(found, mean, rel_tol=1e-3):
        raise ValueError(f"{name} must have a mean of {mean:g} seconds, got {found:g}")


def stable(offered_load: float, servers: int = 1) -> None:
    """Less work than the servers can do; `offered_load` in erlang."""
    if offered_load >= servers:
        raise UnstableError(
            f"unstable: an offered load of {offered_load:.6g} erlang on {servers} server(s) is a "
            f"utilisation of {offered_load / servers:.6g}, and the queue grows without bound "
            "unless it is below 1"
        )


def _refuse(name: str, value: object, allowed: str) -> NoReturn:
    raise ValueError(f"{name} must be {allowed}, got {value!r}")
