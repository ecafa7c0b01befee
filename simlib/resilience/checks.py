"""Bad arguments are refused with their name, their value and what is allowed."""

from __future__ import annotations

from math import inf
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
    kind = type(value)
    if (kind is float or kind is int or _is_number(value)) and (
        least <= value <= most  # type: ignore[operator]
        and not (above and value == least)
        and (endless or value != inf)
    ):
        return float(value)  # type: ignore[arg-type]
    low = f"{'>' if above else '>='} {least:g}"
    high = f" and <= {most:g}" if most < inf else ", infinity too" if endless else ", but finite"
    allowed = f"a number{f' of {unit}' if unit else ''} {low}{high}"
    error = ValueError if _is_number(value) else TypeError
    raise error(f"{name} must be {allowed}, got {value!r}")


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def check_whole(name: str, value: object, least: int = 0, unit: str = "") -> int:
    """Take a whole number that is at least so large.

    Raises
    ------
    TypeError
        If it is no whole number.
    ValueError
        If it is too small.
    """
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    if whole and value >= least:  # type: ignore[operator]
        return int(value)  # type: ignore[call-overload, no-any-return]
    error = ValueError if whole else TypeError
    said = f"a whole number{f' of {unit}' if unit else ''} >= {least}"
    raise error(f"{name} must be {said}, got {value!r}")


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
