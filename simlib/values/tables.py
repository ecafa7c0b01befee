"""Tables of parameters and figures, as text and as HTML."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

from .parameters import Parameter, parameters_of

__all__ = ["html_table", "parameter_rows", "text_table"]

Row = Sequence[str]

WIDEST = (24, 24, 10, 24, 46)
"""The most characters in each column of a text, before its words are broken into lines."""


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
        [each.name, _default(each), each.unit, each.allowed, each.description]
        for each in parameters_of(kind).values()
    ]
    header = ["parameter", "default", "unit", "allowed", "what it is"]
    if value is not None:
        header.insert(1, "value")
        for row in rows:
            row.insert(1, _written(getattr(value, row[0])))
    return [header, *rows]


def _default(each: Parameter) -> str:
    if each.derived:
        return "for replace()"
    return "required" if each.required else _written(each.default)


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
