"""Tables of parameters and figures, as text and as HTML."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Sequence
from itertools import zip_longest
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from pydantic import BaseModel
from pydantic.fields import FieldInfo

__all__ = ["html_table", "parameter_rows", "text_table", "unit_of"]

Row = Sequence[str]

WIDEST = (24, 24, 10, 24, 46)
"""The most characters in each column of a text, before its words are broken into lines."""


def unit_of(info: FieldInfo) -> str:
    """The unit of a parameter; empty without one."""
    extra = info.json_schema_extra
    return str(extra.get("unit") or "") if isinstance(extra, dict) else ""


def parameter_rows(kind: Any, value: Any = None) -> list[Row]:
    """A header, and a row per parameter: name, default, unit, what is allowed, what it is.

    Parameters
    ----------
    kind : type of Value
        Whose parameters.
    value : Value, optional
        One of that kind; then the second column is what it has.
    """
    rows = [
        [
            name,
            _default(info) if name in kind.model_fields else "for replace()",
            unit_of(info),
            _allowed(info),
            info.description or "",
        ]
        for name, info in kind.parameters().items()
    ]
    header = ["parameter", "default", "unit", "allowed", "what it is"]
    if value is not None:
        header.insert(1, "value")
        for row in rows:
            row.insert(1, _written(getattr(value, row[0])))
    return [header, *rows]


def _default(info: FieldInfo) -> str:
    return "required" if info.is_required() else _written(info.get_default())


def _written(value: Any) -> str:
    match value:
        case None | ():
            return "none"
        case bool() | str():
            return str(value)
        case int():
            return f"{value:,}"
        case float():
            return f"{value:g}"
        case tuple():
            return ", ".join(map(_written, value))
        case _:
            return str(value)


def _allowed(info: FieldInfo) -> str:
    """The bounds or the choices of a parameter, as people write them."""
    at_least = at_most = ""
    lows, highs = [], []
    for bound in info.metadata:
        match bound:
            case Ge(ge=value):
                at_least = f"{value:,}"
            case Gt(gt=value):
                lows.append(f"> {value:,}")
            case Le(le=value):
                at_most = f"{value:,}"
            case Lt(lt=value):
                highs.append(f"< {value:,}")
            case MinLen(min_length=value):
                lows.append(f"at least {value}")
            case MaxLen(max_length=value):
                highs.append(f"at most {value}")
    if at_least and at_most:
        return f"{at_least} to {at_most}"
    lows += [f">= {at_least}"] if at_least else []
    highs += [f"<= {at_most}"] if at_most else []
    return ", ".join(lows + highs) or _kind(info.annotation)


def _kind(annotation: Any) -> str:
    """What a value must be, if its type says more than that it is a number or a text."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _kind(arguments[0])
    if origin is Literal:
        return ", ".join(map(str, arguments))
    if origin is tuple:
        return f"{_kind(arguments[0])}, ..." if _kind(arguments[0]) else ""
    if origin in (Union, UnionType):
        kinds = [_kind(each) for each in arguments if each is not type(None)]
        return kinds[0] if len(kinds) == 1 else _common_base(arguments)
    if annotation is bool:
        return "True, False"
    named = isinstance(annotation, type) and issubclass(annotation, BaseModel)
    return annotation.__name__ if named else ""


def _common_base(kinds: Sequence[Any]) -> str:
    """The name of what all these are."""
    if not all(isinstance(kind, type) for kind in kinds):
        return ""
    common = next(base for base in kinds[0].__mro__ if all(issubclass(k, base) for k in kinds))
    return common.__name__ if issubclass(common, BaseModel) else ""


def text_table(rows: Sequence[Row], widest: Sequence[int] = WIDEST) -> str:
    """Rows, the first of which is the header, aligned in columns; long cells go on below."""
    widths = [
        min(most, max(map(len, column)))
        for most, column in zip(widest, zip(*rows, strict=True), strict=True)
    ]
    lines = []
    for row in rows:
        cells = [
            textwrap.wrap(cell, max(1, width)) for cell, width in zip(row, widths, strict=True)
        ]
        for parts in zip_longest(*cells, fillvalue=""):
            padded = (part.ljust(width) for part, width in zip(parts, widths, strict=True))
            lines.append("  ".join(padded).rstrip())
    return "\n".join(lines)


def html_table(caption: str, rows: Sequence[Row], notes: Sequence[str] = ()) -> str:
    """Rows, the first of which is the header, in the colours of whatever is around them.

    Parameters
    ----------
    caption : str
        What the table is about.
    rows : sequence
        Text, which is escaped; the first cell of a row names it.
    notes : sequence of str
        Sentences to stand below, escaped as well.
    """
    left = ' style="text-align: left; vertical-align: top"'
    header, *body = rows
    lines = [
        f"<table><caption{left}>{html.escape(caption)}</caption>",
        "<thead><tr>" + "".join(f'<th scope="col"{left}>{html.escape(c)}</th>' for c in header),
        "</tr></thead><tbody>",
    ]
    for name, *cells in body:
        others = "".join(f"<td{left}>{html.escape(cell)}</td>" for cell in cells)
        lines.append(f'<tr><th scope="row"{left}>{html.escape(name)}</th>{others}</tr>')
    lines.append("</tbody></table>")
    return "\n".join([*lines, *(f"<p>{html.escape(note)}</p>" for note in notes)])
