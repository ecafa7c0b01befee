"""Tables, and the file that keeps them."""

import os
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from simlib.live.machine import machine

from .measure import Spread

RESULTS = Path(__file__).with_name("RESULTS.md")

LIBRARIES = (
    "simlib",
    "simpy",
    "ciw",
    "salabim",
    "persist-queue",
    "litequeue",
    "localqueue",
    "numpy",
    "pandas",
    "pydantic",
    "matplotlib",
    "ipywidgets",
    "jupyterlab",
    "ipykernel",
    "playwright",
)


@dataclass(frozen=True)
class Table:
    """What was measured, with a word on how and on the goal."""

    title: str
    about: str
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]

    def __str__(self) -> str:
        text = f"## {self.title}\n\n{self.about}"
        if not self.rows:
            return text
        rule = ["---", *["--:"] * (len(self.columns) - 1)]
        lines = [f"| {' | '.join(map(str, row))} |" for row in (self.columns, rule, *self.rows)]
        return "\n".join([text, "", *lines])


def figure(value: float) -> str:
    """A number to three significant digits, without an exponent."""
    if value >= 1000:
        return f"{value:,.0f}"
    text = f"{value:#.3g}" if value >= 0.001 else f"{value:.2g}"
    return text.rstrip(".")


def times(ratio: Spread) -> str:
    """A ratio with the range that was seen."""
    return f"**{figure(ratio.median)}** ({figure(ratio.low)}–{figure(ratio.high)})"


def at_most(limit: float, value: float) -> str:
    """A goal, and whether it is reached."""
    return f"≤ {limit:g} {'✓' if value <= limit else '✗'}"


def at_least(limit: float, value: float) -> str:
    """A goal, and whether it is reached."""
    return f"≥ {limit:g} {'✓' if value >= limit else '✗'}"


def save(tables: Iterable[Table], *, everything: bool) -> Path:
    """Write the results in one step: a run that is interrupted leaves the old ones.

    Unless they are everything there is, tables of other groups stay as they are.
    """
    sections = {table.title: f"{table}\n\n{_when()}\n" for table in tables}
    if not everything and RESULTS.exists():
        old = RESULTS.read_text(encoding="utf-8").split("\n## ")[1:]
        sections = {text.partition("\n")[0]: f"## {text.strip()}\n" for text in old} | sections
    text = "\n".join([HEAD, _machine(), "", *sections.values()])
    handle, name = tempfile.mkstemp(dir=RESULTS.parent, prefix=".results-")
    new = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
        new.chmod(0o644)
        new.replace(RESULTS)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    return RESULTS.relative_to(RESULTS.parents[1])


HEAD = """\
# How fast it is

Measured by `make bench`, each table in one run. On a machine with neighbours absolute times vary
by the hour, so read the ratios: contender and baseline ran in one process, in short slices that
took turns (A B A B … A), and each slice of the contender is divided by the mean of the two slices
of the baseline around it. A ratio is given as **median** (lowest–highest) of its slices. Times are
CPU times of the process, after a slice of each for warming up, with Python's garbage collector on;
where a table says *wall* they are what a clock on the wall shows. ✓ and ✗ tell whether a goal is
reached.
"""


def _machine() -> str:
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    facts = {**machine(), "Libraries": libraries}
    return "\n".join(f"- {name}: {fact}" for name, fact in facts.items())


def _when() -> str:
    """When a table was measured, and how busy the machine was."""
    said = f"*Measured on {datetime.now(UTC):%Y-%m-%d}"
    if hasattr(os, "getloadavg"):
        said += f"; {os.getloadavg()[2]:.1f} processes ran in the 15 minutes before, on average"
    return f"{said}.*"
