"""Reading arrival instants from a CSV file."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["TraceError", "read_times"]

# What 64 bits of nanoseconds can reach, in whole years.
_EARLIEST, _LATEST = pd.Timestamp("1678-01-01", tz="UTC"), pd.Timestamp("2261-12-31", tz="UTC")

_NOTHING = frozenset({"", "nan", "nat", "inf", "infinity", "now", "today", "none", "null", "na"})
"""What stands for a time that is missing or not yet known, and is no name of a column."""

_NAME = re.compile(r"[^-+.\d]|\d+[^\W\d_]{2}")
"""How the name of a column begins: otherwise than a number or a date, or as in "1st"."""

_OFFSET = re.compile(r"(Z|z|[+-]\d{2}(:?\d{2}(:?\d{2})?)?)$")


class TraceError(ValueError):
    """A trace file that cannot be read; the text names the file and the line."""


def read_times(path: str | Path, column: str | int = 0) -> NDArray[np.float64]:
    """Read arrival instants from one column of a CSV file (UTF-8, commas).

    The rules: a cell is a number of seconds or an ISO 8601 date and time, and all cells are of
    one sort. Times either all carry an offset from UTC, which is then applied, or none does;
    without offsets they are taken as they stand, so a change to or from summer time shows as the
    jump it is. Rows are in the order of arrival; equal times are allowed and arrive together.
    Blank lines are skipped. The first line is a header when ``column`` is a name, or when the
    column's first cell is a word. No row has more cells than the first, for a comma inside a
    number would be taken for the end of a cell.

    Parameters
    ----------
    path : str or Path
        The file.
    column : str or int
        Name of the column, or its place counted from 0.

    Returns
    -------
    ndarray, shape (arrivals,)
        Seconds since the first arrival, never decreasing; the first is 0.

    Raises
    ------
    TraceError
        The file is empty or not text, the column is missing, a cell is missing or unreadable, or
        times go back. The text gives the line, counted from 1.
    FileNotFoundError
        There is no such file.
    """
    path = Path(path)
    lines, cells = _column(path, column)
    times, unit = _as_numbers(path, lines, cells)
    # Dates stay whole nanoseconds until the first one is taken off: no rounding by the epoch.
    back = np.flatnonzero(np.diff(times) < 0)
    if len(back):
        row = int(back[0]) + 1
        raise TraceError(
            f"{path}, line {lines[row]}: {cells[row]!r} is earlier than the row before it, "
            f"{cells[row - 1]!r}; sort the file by time first"
        )
    return np.asarray((times - times[0]) / unit, np.float64)


def _column(path: Path, column: str | int) -> tuple[list[int], list[str]]:
    """Line numbers and texts of one column, header and blank lines left out."""
    lines: list[int] = []
    cells: list[str] = []
    place = column if isinstance(column, int) else None
    width = 0
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            for row in reader:
                if not any(cell.strip() for cell in row):
                    continue
                width = width or len(row)
                if len(row) > width:
                    raise TraceError(
                        f"{path}, line {reader.line_num}: {len(row)} cells, but the first row has "
                        f"{width}; quote a cell that has a comma inside"
                    )
                if place is None:
                    names = [cell.strip() for cell in row]
                    if column not in names:
                        raise TraceError(
                            f"{path}, line {reader.line_num}: no column {column!r} among "
                            f"{', '.join(map(repr, names))}"
                        )
                    place = names.index(str(column))
                    continue
                if not 0 <= place < len(row):
                    raise TraceError(
                        f"{path}, line {reader.line_num}: no cell in column {place} of "
                        f"{len(row)} (counted from 0)"
                    )
                lines.append(reader.line_num)
                cells.append(row[place].strip())
    except UnicodeDecodeError as error:
        raise TraceError(f"{path} is not UTF-8 text: {error}") from None
    except csv.Error as error:
        raise TraceError(f"{path}, line {reader.line_num}: {error}") from None
    if cells and isinstance(column, int) and _is_header(cells[0]):
        del lines[0], cells[0]
    if not cells:
        raise TraceError(f"{path} holds no arrivals")
    return lines, cells


def _is_header(cell: str) -> bool:
    return cell.lower() not in _NOTHING and _NAME.match(cell) is not None


def _dates(texts: pd.Series[str]) -> pd.Series[pd.Timestamp]:
    # A date begins with a digit or a sign: pandas would read "now" as the wall clock.
    return pd.to_datetime(
        texts.where(texts.str.match(r"[-+]?\d")), format="ISO8601", errors="coerce", utc=True
    )


def _as_numbers(
    path: Path, lines: list[int], cells: list[str]
) -> tuple[NDArray[np.float64] | NDArray[np.int64], float]:
    """The cells as numbers, and how many of their units make a second."""
    texts = pd.Series(cells)
    numbers = pd.to_numeric(texts, errors="coerce").to_numpy(float)
    dates = _dates(texts) if not np.isfinite(numbers[0]) else None
    bad = np.flatnonzero(~np.isfinite(numbers) if dates is None else dates.isna())
    if len(bad):
        row = int(bad[0])
        sort = "a number of seconds" if dates is None else "a date and time in ISO 8601"
        expected = (
            f"{sort}, as the first row is"
            if row
            else "a number of seconds, or a date and time in ISO 8601"
        )
        raise TraceError(f"{path}, line {lines[row]}: {cells[row]!r} is not {expected}")
    if dates is None:
        return numbers, 1.0
    far = np.flatnonzero((dates < _EARLIEST) | (dates > _LATEST))
    if len(far):
        row = int(far[0])
        raise TraceError(
            f"{path}, line {lines[row]}: {cells[row]!r} is not between the years "
            f"{_EARLIEST.year} and {_LATEST.year}"
        )
    offsets = [bool(_OFFSET.search(cell[10:])) for cell in cells]
    if mixed := [row for row, has in enumerate(offsets) if has != offsets[0]]:
        row = mixed[0]
        have, has_not = ("has an", "no") if offsets[row] else ("has no", "an")
        raise TraceError(
            f"{path}, line {lines[row]}: {cells[row]!r} {have} offset from UTC, but the first row "
            f"has {has_not} offset; give one to all times or to none"
        )
    since_epoch = dates.astype("datetime64[ns, UTC]").astype("int64").to_numpy()
    return np.asarray(since_epoch, np.int64), 1e9
