"""How long a reader waits for `import simlib`."""

import json
import subprocess
import sys
from collections.abc import Iterator

from .measure import Spread
from .report import Table, at_most, times

RUNS = 9
GOAL = 0.7
UNWANTED = ("matplotlib", "ipywidgets")
CHILD = f"""
import json, sys, time
begun = time.perf_counter()
import %s
spent = time.perf_counter() - begun
print(json.dumps([spent, [name for name in {UNWANTED} if name in sys.modules]]))
"""


def tables() -> Iterator[Table]:
    rows = []
    for module in ("simlib", "simlib.scenarios", "simlib.present"):
        spread, loaded = _imported(module)
        rows.append(
            (
                f"`import {module}`",
                times(spread),
                spread.count,
                at_most(GOAL, spread.median) if module == "simlib" else "",
                _verdict(module, loaded),
            )
        )
    yield Table(
        title="Import",
        about=(
            "Wall seconds in a fresh Python with warm file caches. Goal: at most "
            f"{GOAL:g} s, and without matplotlib and ipywidgets until something is drawn."
        ),
        columns=("statement", "wall seconds", "runs", "goal (s)", "matplotlib, ipywidgets"),
        rows=rows,
    )


def _verdict(module: str, loaded: list[str]) -> str:
    if module == "simlib.present":
        return "loaded" if loaded else "not loaded"
    return f"{', '.join(loaded)} loaded ✗" if loaded else "not loaded ✓"


def _imported(module: str) -> tuple[Spread, list[str]]:
    """Seconds, and which of the unwanted modules were loaded."""
    _once(module)  # warms the file caches
    runs = [_once(module) for _ in range(RUNS)]
    return Spread.of([seconds for seconds, _ in runs]), runs[-1][1]


def _once(module: str) -> tuple[float, list[str]]:
    command = [sys.executable, "-c", CHILD % module]
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    seconds, loaded = json.loads(printed)
    return seconds, loaded
