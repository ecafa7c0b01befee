"""What was wrong with which parameter, and what is allowed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import Any, NamedTuple

__all__ = ["Known", "ParameterError", "Problem", "problems"]


class Problem(NamedTuple):
    """One thing that is wrong."""

    path: str
    """The parameter, such as ``stations[0].service.mean``; empty: how several go together."""
    said: str
    """What is wrong with it."""

    def __str__(self) -> str:
        return f"{self.path} {self.said}" if self.path else self.said


class ParameterError(ValueError):
    """Parameters that make no sense, each with its value and what is allowed."""

    def __init__(self, subject: str, problems: Iterable[Problem]) -> None:
        self.subject = subject
        """Whose parameters they are."""
        self.problems = tuple(problems)
        """What is wrong, one by one."""
        super().__init__(subject, self.problems)

    def __str__(self) -> str:
        if len(self.problems) == 1:
            return f"{self.subject}: {self.problems[0]}"
        return "\n- ".join([f"{self.subject}:", *map(str, self.problems)])


class Known(NamedTuple):
    """What is known of the parameters of a value."""

    names: tuple[str, ...]
    """All there are."""
    units: Mapping[str, str]
    """The unit of each that has one."""
    hints: Mapping[str, str]
    """What to write for a name that isn't there."""


def problems(details: Iterable[Any], known: Known) -> list[Problem]:
    """What pydantic found wrong, in plain words.

    Parameters
    ----------
    details : iterable
        What ``ValidationError.errors()`` gives.
    known : Known
        The parameters of the value that was to be made.
    """
    unknown: list[Problem] = []
    found: list[Problem] = []
    for detail in details:
        path = _path(detail["loc"])
        error = detail.get("ctx", {}).get("error")
        if isinstance(error, ParameterError):
            found += [_inside(path, problem) for problem in error.problems]
        elif detail["type"] == "value_error":
            name = str([*detail["loc"], ""][0])  # those who find it may have said it already
            found.append(Problem(path, str(error).removeprefix(f"{name} ")))
        elif detail["type"] == "extra_forbidden":
            unknown.append(_unknown(path, str(detail["loc"][-1]), known))
        elif detail["type"] == "missing":
            found.append(Problem(path, "is missing"))
        elif not _only_in_part(detail):
            unit = known.units.get(str(detail["loc"][0]), "") if detail["loc"] else ""
            allowed = _allowed(detail, unit)
            found.append(Problem(path, f"must be {allowed}, got {_short(detail['input'])}"))
    return list(dict.fromkeys(unknown + found))


def _only_in_part(detail: Mapping[str, Any]) -> bool:
    """Whether something is too short only because parts of it, which are named, are wrong."""
    return bool(
        detail["type"] == "too_short" and len(detail["input"]) >= detail["ctx"]["min_length"]
    )


def _path(loc: Iterable[int | str]) -> str:
    path = ""
    for part in loc:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path


def _inside(path: str, problem: Problem) -> Problem:
    if not path:
        return problem
    if problem.path:
        return Problem(f"{path}.{problem.path}", problem.said)
    return Problem("", f"{path}: {problem.said}")


def _unknown(path: str, name: str, known: Known) -> Problem:
    if name in known.hints:
        return Problem("", f"there is no {path!r}; {known.hints[name]}")
    close = get_close_matches(name, known.names, 1, 0.6)
    if close:
        return Problem("", f"there is no {path!r}; did you mean {close[0]!r}?")
    return Problem("", f"there is no {path!r}; there are {', '.join(known.names)}")


NUMBER = "a number"
WHOLE = "a whole number"

WORDS: dict[str, Callable[[Mapping[str, Any], str], str]] = {
    "greater_than": lambda ctx, unit: f"> {_number(ctx['gt'])} {unit}",
    "greater_than_equal": lambda ctx, unit: f">= {_number(ctx['ge'])} {unit}",
    "less_than": lambda ctx, unit: f"< {_number(ctx['lt'])} {unit}",
    "less_than_equal": lambda ctx, unit: f"<= {_number(ctx['le'])} {unit}",
    "finite_number": lambda ctx, unit: "a finite number",
    "int_type": lambda ctx, unit: WHOLE,
    "int_from_float": lambda ctx, unit: WHOLE,
    "int_parsing": lambda ctx, unit: WHOLE,
    "int_parsing_size": lambda ctx, unit: "a smaller number",
    "float_type": lambda ctx, unit: NUMBER,
    "float_parsing": lambda ctx, unit: NUMBER,
    "bool_type": lambda ctx, unit: "True or False",
    "string_type": lambda ctx, unit: "text",
    "string_too_short": lambda ctx, unit: f"text of at least {ctx['min_length']} characters",
    "tuple_type": lambda ctx, unit: "a sequence",
    "dict_type": lambda ctx, unit: "a mapping",
    "literal_error": lambda ctx, unit: ctx["expected"],
    "too_short": lambda ctx, unit: f"at least {ctx['min_length']} long",
    "too_long": lambda ctx, unit: f"at most {ctx['max_length']} long",
    "model_type": lambda ctx, unit: f"{ctx['class_name']}(...)",
    "json_invalid": lambda ctx, unit: f"JSON ({ctx['error']})",
}
"""What is allowed, by the name that pydantic gives to what was found."""


def _allowed(detail: Mapping[str, Any], unit: str) -> str:
    words = WORDS.get(detail["type"])
    if words is None:
        # Whatever else pydantic has to say begins so.
        return str(detail["msg"]).removeprefix("Input should be ")
    return words(detail.get("ctx", {}), unit).rstrip()


def _number(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:60]} … ({len(text):,} characters)"
