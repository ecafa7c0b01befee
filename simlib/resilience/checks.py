"""Bad arguments are refused with their name, their value and what is allowed."""

from __future__ import annotations

from math import inf, isnan
from numbers import Integral, Real

__all__ = ["check_draw", "check_number", "check_whole"]


def check_number(
    name: str,
    value: object,
    least: float = 0.0,
    most: float = inf,
    *,
    above: bool = False,
    unit: str = "",
    endless: bool = False,
) -> float:
    """Take a number within bounds.

    Parameters
    ----------
    name : str
        What the argument is called.
    value : object
        What was given.
    least, most : float
        The bounds, both allowed.
    above : bool
        Whether the lower bound itself is not allowed.
    unit : str
        Its unit, for the error.
    endless : bool
        Whether infinity is a value, too.

    Returns
    -------
    float
        The number.

    Raises
    ------
    TypeError
        If it is no number.
    ValueError
        If it is out of bounds.
    """
    low = f"{'>' if above else '>='} {least:g}"
    high = f" and <= {most:g}" if most < inf else ", infinity too" if endless else ""
    allowed = f"a number{f' of {unit}' if unit else ''} {low}{high}"
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be {allowed}, got {value!r}")
    number = float(value)
    if isnan(number) or not least <= number <= most or (above and number == least):
        raise ValueError(f"{name} must be {allowed}, got {value!r}")
    if number == inf and not endless:
        raise ValueError(f"{name} must be {allowed} and finite, got {value!r}")
    return number


def check_whole(name: str, value: object, least: int = 0, unit: str = "") -> int:
    """Take a whole number that is at least so large.

    Raises
    ------
    TypeError
        If it is no whole number.
    ValueError
        If it is too small.
    """
    allowed = f"a whole number{f' of {unit}' if unit else ''} >= {least}"
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be {allowed}, got {value!r}")
    if value < least:
        raise ValueError(f"{name} must be {allowed}, got {value!r}")
    return int(value)


def check_draw(draw: float) -> float:
    """Take a draw, as ``random.random()`` gives it.

    Raises
    ------
    ValueError
        If it is not >= 0 and < 1.
    """
    if not 0.0 <= draw < 1.0:
        raise ValueError(f"draw must be >= 0 and < 1, as random.random() gives it, got {draw!r}")
    return draw
